"""A report as one HTML page that needs nothing else: no network, no script, no font."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from finops.reconciliation.charts import bar_chart, bullet, sparkline
from finops.reconciliation.domain import UNMAPPED, UnitStatus
from finops.reconciliation.report import Agreement, Report, Unit
from finops.shared.money import minor_units

_WORDS = {
    UnitStatus.OVERRUN: "Overrun",
    UnitStatus.UNDERRUN: "Underrun",
    UnitStatus.ON_TRACK: "On track",
    UnitStatus.NO_BUDGET: "No budget",
    UnitStatus.NO_SPEND: "No spend",
    Agreement.AGREES: "Agrees",
    Agreement.EXPLAINED: "Explained",
    Agreement.DIFFERS: "Differs",
    Agreement.MISSING: "Nothing to compare",
}
_TONES = {
    UnitStatus.OVERRUN: "bad",
    UnitStatus.UNDERRUN: "warn",
    UnitStatus.ON_TRACK: "good",
    UnitStatus.NO_BUDGET: "mute",
    UnitStatus.NO_SPEND: "mute",
    Agreement.AGREES: "good",
    Agreement.EXPLAINED: "warn",
    Agreement.DIFFERS: "bad",
    Agreement.MISSING: "mute",
}
#: As typesetters write them: a minus as wide as a plus, and a dash.
_MINUS = "\u2212"
_NOTHING = "\u2013"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def write_html(report: Report) -> bytes:
    """The page."""
    digits = minor_units().get(report.currency) or 0
    units = [unit for unit in report.units if unit.name != UNMAPPED]
    anomalous = {
        day.day
        for day in report.daily
        for one in report.anomalies
        if one.first <= day.day <= one.last
    }
    page: str = _template().render(
        report=report,
        digits=digits,
        title=_month(report.month),
        units=units,
        statuses=[(status, sum(unit.status is status for unit in units)) for status in UnitStatus],
        bullets={unit.name: _bullet(unit, report) for unit in report.units},
        movers=[unit for unit in report.units if unit.drivers],
        planned=[unit for unit in report.units if unit.plan_drivers],
        monthly=bar_chart(
            [
                (month, amount, month == report.month)
                for month, amount in zip(report.trend_months, report.trends[0].amounts, strict=True)
            ]
        ),
        daily=bar_chart(
            [(str(one.day.day), one.amount, one.day in anomalous) for one in report.daily]
        ),
        sparklines={one.unit: sparkline(one.amounts) for one in report.trends},
        differing=[one for one in report.invoices if one.agreement is Agreement.DIFFERS],
        broken=[one for one in report.checks if one.holds is False],
        unmapped_name=UNMAPPED,
    )
    return page.encode()


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("finops.reconciliation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "money": _money,
        "short": _short,
        "signed": _signed,
        "percent": _percent,
        "day": _day,
        "word": lambda value: _WORDS[value],
        "tone": lambda value: _TONES[value],
        "month": _month,
    }
    return environment.get_template("report.html.j2")


def _bullet(unit: Unit, report: Report) -> Any:
    largest = max(
        (
            amount
            for one in report.units
            for amount in (one.actual, one.budget, one.forecast)
            if amount is not None
        ),
        default=Decimal(0),
    )
    return bullet(unit.actual, unit.budget, unit.forecast, largest)


def _money(value: Decimal | None, digits: int) -> str:
    """With thousands marks and a real minus; a dash for nothing."""
    if value is None:
        return _NOTHING
    return f"{value:,.{digits}f}".replace("-", _MINUS)


def _signed(value: Decimal | None, digits: int) -> str:
    if value is None:
        return _NOTHING
    return f"{value:+,.{digits}f}".replace("-", _MINUS) if value else f"{value:,.{digits}f}"


def _short(value: Decimal) -> str:
    """For a scale: 12k, 1.5M."""
    for size, mark in ((Decimal(10**9), "G"), (Decimal(10**6), "M"), (Decimal(1000), "k")):
        if abs(value) >= size:
            return f"{(value / size).normalize():f}{mark}".replace("-", _MINUS)
    return f"{value.normalize():f}".replace("-", _MINUS)


def _percent(value: Decimal | None) -> str:
    return _NOTHING if value is None else f"{value:+,f}%".replace("-", _MINUS)


def _day(value: date) -> str:
    return value.isoformat()


def _month(text: str) -> str:
    year, month = text.split("-")
    return f"{_MONTHS[int(month) - 1]} {year}"
