"""Writes a report as one self-contained HTML page: no network, script or font is needed.

Long tables are cut, with a line that holds the rest, so that the page stays below a megabyte
whatever the month holds; the other formats have every line. Amounts have an ASCII minus, so that
a table that is copied into a spreadsheet arrives as numbers.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final, Generic, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from finops.reconciliation.anomalies import HISTORY_DAYS
from finops.reconciliation.attention import (
    attention,
    digits,
    money,
    named,
    overrun,
    signed,
    signed_percent,
    verdict,
)
from finops.reconciliation.charts import Bullet, bar_chart, bullet, small_bars, strips
from finops.reconciliation.comparison.units import totals_of
from finops.reconciliation.domain import UNMAPPED, ChargeCategory, UnitStatus, percent
from finops.reconciliation.report import Agreement, Report, Trend, Unit, compared
from finops.reconciliation.showback import FOLDER
from finops.reconciliation.year import YearLine
from finops.shared.money import total

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
#: Categories that are told apart, as they lower what is paid.
_LOWERING: Final = (ChargeCategory.CREDIT, ChargeCategory.REFUND, ChargeCategory.DISCOUNT)
#: A unit's bullet ends at so much of its budget.
_FULL: Final = Decimal("1.5")
#: Business units that are told by name; half of them at most for being over budget.
_MOST_UNITS: Final = 60
_MOST_ROWS: Final = {
    "groups": 60,
    "notes": 60,
    "unmapped": 25,
    "accounts": 60,
    "services": 30,
    "invoices": 200,
    "aws_budgets": 100,
}
_MOST_FINDINGS: Final = 200
_MOST_OPENED: Final = 3

Row = TypeVar("Row")


def write_html(report: Report) -> bytes:
    """The page, UTF-8."""
    totals = report.totals
    units = [unit for unit in report.units if unit.name != UNMAPPED]
    shown = _most_telling(report.units)
    names = {unit.name for unit in shown.rows}
    trends = _trends(report.trends, names)
    known = [one for one in (report.trends[0].amounts if report.trends else ()) if one is not None]
    cuts = {name: _cut(getattr(report, name) or (), most) for name, most in _MOST_ROWS.items()}
    order = list(_WORDS)
    cuts["invoices"] = _cut(
        sorted(report.invoices, key=lambda one: order.index(one.agreement)), _MOST_ROWS["invoices"]
    )
    return (
        page_template("report.html.j2")
        .render(
            report=report,
            totals=totals,
            currency=report.currency,
            digits=digits(report.currency),
            title=month_title(report.month),
            state=state(report),
            lowering=[
                one
                for one in report.categories
                if one.category in _LOWERING and one.amount and not one.excluded
            ],
            units=units,
            shown=shown,
            rest=totals_of(shown.rest, Decimal(0) if report.known_until else None),
            trends=trends,
            unmapped_name=UNMAPPED,
            statuses=_counted(unit.status for unit in units),
            agreements=_counted(one.agreement for one in report.invoices),
            attention=list(attention(report)),
            lead=list(verdict(report)),
            budgeted=sum(unit.budget is not None for unit in units),
            whole=_whole_bullet(report),
            bullets={unit.name: _unit_bullet(unit) for unit in shown.rows},
            moved=[unit for unit in shown.rows if unit.drivers or unit.plan_drivers],
            opened=[unit.name for unit in overrun(units)[:_MOST_OPENED]],
            cuts=cuts,
            anomalies=_cut(report.anomalies, _MOST_FINDINGS),
            year=_chosen(report.year.lines[1:] if report.year else (), names),
            changes=_cut(report.changes, _MOST_FINDINGS),
            history_days=HISTORY_DAYS,
            other_metrics=[
                (name, amount)
                for name, amount in (("billed", totals.billed), ("amortized", totals.amortized))
                if amount is not None and name != report.metric
            ],
            showback_folder=FOLDER,
            shared_budgets=_shared_budgets(report),
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
            has_budgets=any(one.budget is not None for one in report.units),
            compared_invoices=compared(report.invoices),
            before_known=bool(totals.previous) or _month_before(report) is not None,
            small={one.unit: small_bars(one.amounts) for one in trends[1:]},
            service_strips=strips([one.amount for one in cuts["services"].rows]),
            category_strips=strips([one.amount for one in report.categories]),
        )
        .encode()
    )


@cache
def page_template(name: str) -> Template:
    """A template of this package, with the filters of all of them."""
    environment = Environment(
        loader=PackageLoader("finops.reconciliation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "money": money,
        "exact": lambda value: money(value, -value.as_tuple().exponent if value is not None else 0),
        "named": named,
        "signed": signed,
        "short": _short,
        "percent": signed_percent,
        "share": percent,
        "decimal": lambda value: f"{value.normalize():f}",
        "digits_of": digits,
        "word": lambda value: _WORDS[value][0],
        "tone": lambda value: _WORDS[value][1],
        "direction": lambda value: "up" if value > 0 else "down" if value < 0 else "",
    }
    return environment.get_template(name)


@dataclass(frozen=True, slots=True)
class _Cut(Generic[Row]):
    """The first rows of a table, and the rest, which is one line."""

    rows: Sequence[Row]
    rest: Sequence[Row]

    def sum_of_rest(self, name: str) -> Decimal:
        """Of what is known."""
        amounts = (getattr(row, name) for row in self.rest)
        return total(one for one in amounts if one is not None)


def _cut(rows: Sequence[Row], most: int) -> _Cut[Row]:
    return _Cut(rows[:most], rows[most:])


def _most_telling(units: Sequence[Unit]) -> _Cut[Unit]:
    """All units, if they are few; else the furthest over budget, the largest, and Unmapped."""
    if len(units) <= _MOST_UNITS + 1:
        return _Cut(units, ())
    mapped = [unit for unit in units if unit.name != UNMAPPED]
    over = overrun(mapped)[: _MOST_UNITS // 2]
    largest = sorted(mapped, key=lambda unit: (-unit.actual, unit.name))
    chosen = {unit.name: unit for unit in (*over, *largest[:_MOST_UNITS])}
    rows = [*chosen.values()][:_MOST_UNITS]
    rows += [unit for unit in units if unit.name == UNMAPPED]
    names = {unit.name for unit in rows}
    return _Cut(rows, [unit for unit in units if unit.name not in names])


def _chosen(lines: Sequence[YearLine], names: Container[str]) -> _Cut[YearLine]:
    """Those of the units that are told by name, in their own order."""
    return _Cut(
        [one for one in lines if one.unit in names],
        [one for one in lines if one.unit not in names],
    )


def _trends(trends: Sequence[Trend], names: Container[str]) -> Sequence[Trend]:
    """That of everything, those of the units that are told by name, and one of the others."""
    rest = [one for one in trends[1:] if one.unit not in names]
    if not rest:
        return trends
    months = zip(*(one.amounts for one in rest), strict=True)
    sums = tuple(
        None if all(one is None for one in month) else total(one or Decimal(0) for one in month)
        for month in months
    )
    shown = [one for one in trends[1:] if one.unit in names]
    return (trends[0], *shown, Trend(unit=f"{len(rest):,} more units", amounts=sums))


def _counted(found: Iterator[Any]) -> list[tuple[Any, int]]:
    counts: dict[Any, int] = {}
    for one in found:
        counts[one] = counts.get(one, 0) + 1
    return [(one, counts[one]) for one in _WORDS if one in counts]


def state(report: Report) -> tuple[str, str]:
    """(tone, words) for how final the figures are."""
    if report.revision:
        return "good", f"Closed, revision {report.revision}"
    return "warn", "Month open" if report.known_until else "Month over, not closed yet"


def _month_before(report: Report) -> Decimal | None:
    """All its costs, None where nothing is known."""
    return report.trends[0].amounts[-2] if report.trends and len(report.trend_months) > 1 else None


def _shared_budgets(report: Report) -> Decimal:
    """Of units with several owners, which no owner's line has."""
    told = (one.budget for by in report.showback if by.by == "owner" for one in by.statements)
    return report.totals.budget - total(one for one in told if one is not None)


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


def _short(value: Decimal) -> str:
    """For a scale: 12k, 1.5M."""
    for size, mark in ((Decimal(10**9), "G"), (Decimal(10**6), "M"), (Decimal(1000), "k")):
        if abs(value) >= size:
            return f"{(value / size).normalize():f}{mark}"
    return f"{value.normalize():f}"


def month_title(text: str) -> str:
    """Of `2026-10`, October 2026."""
    year, month = text.split("-")
    return f"{_MONTHS[int(month) - 1]} {year}"
