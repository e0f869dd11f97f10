"""Writes a report as one self-contained HTML page: no network, script or font is needed.

Long tables are cut, with a line that holds the rest, so that the page stays below a megabyte
whatever the month holds; the other formats have every line. Amounts have an ASCII minus, so that
a table that is copied into a spreadsheet arrives as numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final, Generic, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from finops.reconciliation.anomalies import HISTORY_DAYS
from finops.reconciliation.charts import Bullet, bar_chart, bullet, small_bars, strips
from finops.reconciliation.domain import UNMAPPED, UnitStatus, percent, total
from finops.reconciliation.report import Agreement, Report, Unit
from finops.shared.money import minor_units

_WORDS: Final = {
    UnitStatus.OVERRUN: ("Overrun", "bad"),
    UnitStatus.UNDERRUN: ("Underrun", "warn"),
    UnitStatus.ON_TRACK: ("On track", "good"),
    UnitStatus.NO_BUDGET: ("No budget", "mute"),
    UnitStatus.NO_SPEND: ("No spend", "mute"),
    Agreement.DIFFERS: ("Differs", "bad"),
    Agreement.MISSING: ("Not comparable", "mute"),
    Agreement.EXPLAINED: ("Explained", "warn"),
    Agreement.AGREES: ("Agrees", "good"),
    True: ("Passed", "good"),
    False: ("Failed", "bad"),
    None: ("Not checked", "mute"),
}
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
#: A unit's bullet ends at so much of its budget.
_FULL: Final = Decimal("1.5")
_MOST_ROWS: Final = {"unmapped": 25, "accounts": 60, "services": 30, "invoices": 200}
_MOST_FINDINGS: Final = 200
_MOST_NAMED: Final = 4
_MOST_OPENED: Final = 3
_NOTHING: Final = "\N{EN DASH}"

Row = TypeVar("Row")


def write_html(report: Report) -> bytes:
    """The page, UTF-8."""
    totals = report.totals
    units = [unit for unit in report.units if unit.name != UNMAPPED]
    known = [one for one in (report.trends[0].amounts if report.trends else ()) if one is not None]
    cuts = {name: _cut(getattr(report, name), most) for name, most in _MOST_ROWS.items()}
    order = list(_WORDS)
    cuts["invoices"] = _cut(
        sorted(report.invoices, key=lambda one: order.index(one.agreement)), _MOST_ROWS["invoices"]
    )
    return (
        _template()
        .render(
            report=report,
            totals=totals,
            currency=report.currency,
            digits=_digits(report.currency),
            title=_month(report.month),
            state=_state(report),
            units=units,
            unmapped_name=UNMAPPED,
            statuses=_counted(unit.status for unit in units),
            agreements=_counted(one.agreement for one in report.invoices),
            attention=list(_attention(report, units)),
            budgeted=sum(unit.budget is not None for unit in units),
            whole=_whole_bullet(report),
            bullets={unit.name: _unit_bullet(unit) for unit in report.units},
            moved=[unit for unit in report.units if unit.drivers or unit.plan_drivers],
            opened=[unit.name for unit in _overrun(units)[:_MOST_OPENED]],
            cuts=cuts,
            anomalies=_cut(report.anomalies, _MOST_FINDINGS),
            changes=_cut(report.changes, _MOST_FINDINGS),
            history_days=HISTORY_DAYS,
            daily=bar_chart(
                [(str(one.day.day), one.amount, one.day in _odd(report)) for one in report.daily]
            ),
            monthly=bar_chart(
                [
                    (month, amount, month == report.month)
                    for month, amount in zip(
                        report.trend_months, report.trends[0].amounts, strict=True
                    )
                ]
                if report.trends
                else []
            ),
            known_months=len(known),
            before_known=bool(totals.previous) or _month_before(report) is not None,
            small={one.unit: small_bars(one.amounts) for one in report.trends[1:]},
            service_strips=strips([one.amount for one in cuts["services"].rows]),
            category_strips=strips([one.amount for one in report.categories]),
        )
        .encode()
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("finops.reconciliation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "money": _money,
        "signed": _signed,
        "short": _short,
        "percent": _percent,
        "share": percent,
        "decimal": lambda value: f"{value.normalize():f}",
        "digits_of": _digits,
        "word": lambda value: _WORDS[value][0],
        "tone": lambda value: _WORDS[value][1],
        "direction": lambda value: "up" if value > 0 else "down" if value < 0 else "",
    }
    return environment.get_template("report.html.j2")


@dataclass(frozen=True, slots=True)
class _Cut(Generic[Row]):
    """The first rows of a table, and the rest, which is one line."""

    rows: Sequence[Row]
    rest: Sequence[Row]

    def sum_of_rest(self, name: str) -> Decimal:
        return total(getattr(row, name) for row in self.rest)


def _cut(rows: Sequence[Row], most: int) -> _Cut[Row]:
    return _Cut(rows[:most], rows[most:])


@dataclass(frozen=True, slots=True)
class _Point:
    """A point to check before the report is shared, with a link to its section."""

    tone: str
    target: str
    title: str
    text: str


def _attention(report: Report, units: Sequence[Unit]) -> Iterator[_Point]:
    """The points that need attention, the most serious first."""

    def money(amount: Decimal) -> str:
        return f"{_money(amount, _digits(report.currency))} {report.currency}"

    broken = [one for one in report.checks if one.holds is False]
    if broken:
        rules = " ".join(one.rule for one in broken)
        yield _Point("bad", "checks", _count(len(broken), "check fails", "checks fail"), rules)
    differing = [one for one in report.invoices if one.agreement is Agreement.DIFFERS]
    if differing:
        title = _count(len(differing), "invoice differs", "invoices differ")
        names = _named([one.invoice_id or f"payer {one.payer}" for one in differing])
        yield _Point("bad", "invoices", title, f"No known reason explains the difference: {names}.")
    over = _overrun(units)
    if over:
        how = "will be over budget" if report.known_until else "over budget"
        title = f"{_count(len(over), 'unit', 'units')} {how}"
        yield _Point("bad", "units", title, f"{_named([one.name for one in over])}.")
    if report.unmapped:
        share = percent(report.totals.unmapped, report.totals.actual)
        title = f"{money(report.totals.unmapped)} unmapped"
        accounts = _count(len(report.unmapped), "account belongs", "accounts belong")
        text = f"{accounts} to no business unit"
        text += "." if share is None else f": {share}% of all costs."
        yield _Point("warn", "unmapped", title, text)
    told = [one for one in report.anomalies if not one.acknowledged]
    if told:
        first = told[0]
        title = _count(len(told), "anomaly", "anomalies")
        where = first.name or first.subject
        text = f"The largest: {where}, {_signed(first.impact, _digits(report.currency))} from"
        yield _Point("warn", "anomalies", title, f"{text} {first.first.isoformat()} on.")
    idle = [unit for unit in units if unit.status is UnitStatus.NO_SPEND]
    if idle:
        title = f"{_count(len(idle), 'unit', 'units')} without spend"
        names = _named([one.name for one in idle])
        yield _Point("mute", "units", title, f"They have a budget but no costs: {names}.")
    under = [unit for unit in units if unit.status is UnitStatus.UNDERRUN]
    if under:
        title = f"{_count(len(under), 'unit', 'units')} far below budget"
        yield _Point("mute", "units", title, f"{_named([one.name for one in under])}.")
    if report.changes:
        title = f"Revision {report.revision} is a correction"
        text = f"{_count(len(report.changes), 'amount differs', 'amounts differ')} from the"
        yield _Point("mute", "changes", title, f"{text} revision before.")


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _named(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _counted(found: Iterator[Any]) -> list[tuple[Any, int]]:
    counts: dict[Any, int] = {}
    for one in found:
        counts[one] = counts.get(one, 0) + 1
    return [(one, counts[one]) for one in _WORDS if one in counts]


def _state(report: Report) -> tuple[str, str]:
    """(tone, words) for how final the figures are."""
    if report.revision:
        return "good", f"Closed, revision {report.revision}"
    return "warn", "Month open" if report.known_until else "Month over, not closed yet"


def _overrun(units: Sequence[Unit]) -> list[Unit]:
    """The units over their budgets, the furthest first. Their drivers are shown at once."""

    def left(unit: Unit) -> Decimal:
        return (unit.budget or Decimal(0)) - (
            unit.actual if unit.forecast is None else unit.forecast
        )

    over = (unit for unit in units if unit.status is UnitStatus.OVERRUN)
    return sorted(over, key=lambda unit: (left(unit), unit.name))


def _month_before(report: Report) -> Decimal | None:
    """All its costs, None where nothing is known."""
    return report.trends[0].amounts[-2] if report.trends and len(report.trend_months) > 1 else None


def _odd(report: Report) -> set[Any]:
    return {
        one.day
        for one in report.daily
        if any(found.first <= one.day <= found.last for found in report.anomalies)
    }


def _unit_bullet(unit: Unit) -> Bullet | None:
    if unit.budget is None:
        return None
    return bullet(
        unit.actual,
        unit.budget,
        unit.forecast,
        full=unit.budget * _FULL,
        threshold_pct=unit.alert_threshold_pct,
    )


def _whole_bullet(report: Report) -> Bullet | None:
    """Of the units with a budget; None where none has one."""
    totals = report.totals
    if not totals.budget:
        return None
    off = totals.forecast_variance
    actual, forecast = totals.budget + totals.variance, None if off is None else totals.budget + off
    most = max(actual, totals.budget, forecast or Decimal(0))
    return bullet(actual, totals.budget, forecast, full=most * Decimal("1.1"))


def _digits(currency: str) -> int:
    return minor_units().get(currency) or 0


def _money(value: Decimal | None, digits: int) -> str:
    """With thousands marks, to at least so many digits; a dash for what is not there."""
    return _NOTHING if value is None else f"{value:,.{digits}f}"


def _signed(value: Decimal | None, digits: int) -> str:
    return f"{value:+,.{digits}f}" if value else _money(value, digits)


def _short(value: Decimal) -> str:
    """For a scale: 12k, 1.5M."""
    for size, mark in ((Decimal(10**9), "G"), (Decimal(10**6), "M"), (Decimal(1000), "k")):
        if abs(value) >= size:
            return f"{(value / size).normalize():f}{mark}"
    return f"{value.normalize():f}"


def _percent(value: Decimal | None) -> str:
    return _NOTHING if value is None else f"{value:+,f}%"


def _month(text: str) -> str:
    year, month = text.split("-")
    return f"{_MONTHS[int(month) - 1]} {year}"
