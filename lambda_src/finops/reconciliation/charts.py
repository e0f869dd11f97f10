"""Geometry of the report's charts, in the units of each one's SVG view box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

_TICKS = 4
_BAR_SHARE = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar of a chart; a value of None has none, and is said to be missing."""

    x: str
    y: str
    width: str
    height: str
    centre: str
    label: str
    value: Decimal | None
    marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line of the scale."""

    y: str
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """Vertical bars over a scale that holds nought."""

    width: int
    height: int
    left: int
    bottom: str
    baseline: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]


def bar_chart(
    values: Sequence[tuple[str, Decimal | None, bool]],
    *,
    width: int = 720,
    height: int = 220,
    left: int = 64,
) -> BarChart:
    """Bars of (label, value, marked)."""
    top, bottom = 12.0, height - 26.0
    known = [float(value) for _, value, _ in values if value is not None]
    scale = _scale(min([0.0, *known]), max([0.0, *known]))
    low, high = scale[0], scale[-1]

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    step = (width - left - 8) / max(len(values), 1)
    bars = []
    for at, (label, value, marked) in enumerate(values):
        centre = left + step * (at + 0.5)
        ends = sorted((y(float(value or 0)), y(0)))
        bars.append(
            Bar(
                x=_text(centre - step * _BAR_SHARE / 2),
                y=_text(ends[0]),
                width=_text(step * _BAR_SHARE),
                height=_text(ends[1] - ends[0]),
                centre=_text(centre),
                label=label,
                value=value,
                marked=marked,
            )
        )
    return BarChart(
        width=width,
        height=height,
        left=left,
        bottom=_text(bottom),
        baseline=_text(y(0)),
        bars=tuple(bars),
        ticks=tuple(Tick(y=_text(y(one)), value=Decimal(f"{one:.10g}")) for one in scale),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullet:
    """Costs as a bar, with the budget as a mark and the forecast as a paler bar."""

    bar: str
    forecast: str
    mark: str
    width: int = 120


def bullet(
    actual: Decimal, budget: Decimal | None, forecast: Decimal | None, largest: Decimal
) -> Bullet:
    """One line of a table, on the scale of all of its lines.

    Args:
        actual: Costs; what is below nought has no bar.
        budget: Where the mark stands; None for none.
        forecast: Of the whole month; None for none.
        largest: What fills the width.
    """

    def at(value: Decimal | None) -> str:
        if value is None or largest <= 0:
            return ""
        return _text(max(0.0, float(value / largest)) * 118)

    return Bullet(bar=at(actual) or "0", forecast=at(forecast), mark=at(budget))


def sparkline(amounts: Sequence[Decimal | None], *, width: int = 96, height: int = 22) -> str:
    """The points of a polyline, of the months that are known."""
    known = [(at, float(one)) for at, one in enumerate(amounts) if one is not None]
    if len(known) < 2:
        return ""
    low, high = min(one for _, one in known), max(one for _, one in known)
    span = high - low or 1.0
    step = (width - 4) / (len(amounts) - 1)
    return " ".join(
        f"{_text(2 + at * step)},{_text(height - 3 - (one - low) / span * (height - 6))}"
        for at, one in known
    )


def _scale(low: float, high: float) -> list[float]:
    """Round numbers around the values, nought among them."""
    span = (high - low) or 1.0
    rough = span / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 2.5, 5, 10) if one * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * number for number in range(first, max(last, first + 1) + 1)]


def _text(value: float) -> str:
    return f"{value:.1f}"
