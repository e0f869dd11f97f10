"""Geometry of the report's charts: pure numbers, which the page's template draws as SVG.

Coordinates are texts with one digit after the point, so that the same amounts are drawn by the
same bytes. Amounts become floats here and nowhere else: a pixel is not money.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

_TICKS = 4
_BAR_SHARE = 0.72


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar; a value of None is not known, and has none."""

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
    """Vertical bars on a scale that includes 0."""

    width: int
    height: int
    left: int
    baseline: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]


def bar_chart(
    values: Sequence[tuple[str, Decimal | None, bool]],
    *,
    width: int = 1040,
    height: int = 240,
    left: int = 56,
    top: int = 22,
    below: int = 28,
) -> BarChart:
    """Bars of (label, value, marked), with space for the scale on the left and labels below."""
    bottom = float(height - below)
    known = [float(value) for _, value, _ in values if value is not None]
    scale = _scale(min([0.0, *known]), max([0.0, *known]))
    low, high = scale[0], scale[-1]

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    step = (width - left) / max(len(values), 1)
    bars = []
    for at, (label, value, marked) in enumerate(values):
        centre = left + step * (at + 0.5)
        upper, lower = sorted((y(float(value or 0)), y(0)))
        bars.append(
            Bar(
                x=_text(centre - step * _BAR_SHARE / 2),
                y=_text(upper),
                width=_text(step * _BAR_SHARE),
                height=_text(lower - upper),
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
        baseline=_text(y(0)),
        bars=tuple(bars),
        ticks=tuple(Tick(y=_text(y(one)), value=Decimal(f"{one:.10g}")) for one in scale),
    )


def small_bars(amounts: Sequence[Decimal | None]) -> BarChart:
    """The same without scale and labels, the last bar marked: for a row of small charts."""
    last = len(amounts) - 1
    return bar_chart(
        [("", amount, at == last) for at, amount in enumerate(amounts)],
        width=180,
        height=44,
        left=0,
        top=2,
        below=2,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullet:
    """Costs as a bar, their forecast as a paler one, the budget as a mark; in percent of the width.

    Attributes:
        low: Where the range that counts as on track begins; `band` is its width.
        excess: How far the bar exceeds the budget; empty if it does not.
        beyond: Whether the amount is larger than the scale.
    """

    actual: str
    forecast: str
    budget: str
    low: str
    band: str
    excess: str
    beyond: bool


def bullet(
    actual: Decimal,
    budget: Decimal,
    forecast: Decimal | None,
    *,
    full: Decimal,
    threshold_pct: Decimal | None = None,
) -> Bullet | None:
    """A bullet chart (Stephen Few's); None where there is no scale.

    Args:
        actual: Costs; negative costs have no bar.
        budget: Where the mark stands.
        forecast: Of the whole month; None for none.
        full: The amount that fills the width.
        threshold_pct: How far costs may differ from the budget and be on track, in percent of it.
    """
    if full <= 0:
        return None

    def at(value: Decimal) -> float:
        return 100 * min(1.0, max(0.0, float(value / full)))

    margin = budget * (threshold_pct or 0) / 100
    low, excess = at(budget - margin), at(actual) - at(budget)
    return Bullet(
        actual=_text(at(actual)),
        forecast="" if forecast is None else _text(at(forecast)),
        budget=_text(at(budget)),
        low=_text(low),
        band=_text(at(budget + margin) - low),
        excess=_text(excess) if excess > 0 and budget else "",
        beyond=actual > full,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A horizontal bar beside an amount, in percent of the width; 0 is at `zero`."""

    x: str
    width: str
    zero: str
    negative: bool


def strips(amounts: Sequence[Decimal]) -> list[Strip]:
    """A bar for each amount, all on one scale that includes 0."""
    low, high = float(min([Decimal(0), *amounts])), float(max([Decimal(0), *amounts]))
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return (value - low) / span * 100

    return [
        Strip(
            x=_text(at(min(0.0, float(one)))),
            width=_text(abs(float(one)) / span * 100),
            zero=_text(at(0.0)),
            negative=one < 0,
        )
        for one in amounts
    ]


def _scale(low: float, high: float) -> list[float]:
    """Round numbers around the values, with 0 among them."""
    rough = ((high - low) or 1.0) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 2.5, 5, 10) if one * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * number for number in range(first, max(last, first + 1) + 1)]


def _text(value: float) -> str:
    return f"{value + 0.0:.1f}"
