"""The announcement of a reconciled month: a headline for people, and the same for a webhook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from finops.reconciliation.attention import digits, money
from finops.reconciliation.domain import UNMAPPED, UnitStatus, percent
from finops.reconciliation.report import Agreement, Report, Unit, compared
from finops.shared.chat import escaped, slack_message

_ALARMING = (UnitStatus.OVERRUN, UnitStatus.UNDERRUN, UnitStatus.NO_BUDGET, UnitStatus.NO_SPEND)
_WORDS: Final = {
    UnitStatus.OVERRUN: "over budget",
    UnitStatus.UNDERRUN: "far below budget",
    UnitStatus.ON_TRACK: "on track",
    UnitStatus.NO_BUDGET: "without a budget",
    UnitStatus.NO_SPEND: "without spend",
}
#: Business units that are named: SNS takes 256 KB.
_MOST_UNITS: Final = 20


def subject(report: Report) -> str:
    """One line of at most 100 ASCII characters, which is SNS's limit for subjects."""
    state = "so far" if report.known_until else "not closed" if report.is_open else "closed"
    if report.revision > 1:
        state = f"revision {report.revision}"
    return f"Cloud costs {report.month} {state}: {report.currency} {report.totals.actual:,f}"[:100]


def headline(report: Report, *, with_units: bool = True) -> list[str]:
    """The month in a few lines, with the units that need attention unless a table follows."""
    totals, currency, places = report.totals, report.currency, digits(report.currency)
    lines = [_against_budget(report)]
    if totals.forecast is not None and report.known_until:
        known = report.known_until - timedelta(days=1)
        lines.append(
            f"Forecast for the whole month: {currency} {totals.forecast:,f}"
            f" (costs known up to {known.isoformat()} UTC)."
        )
        if totals.budget:
            variance = totals.forecast_variance or Decimal(0)
            lines.append(_held("will be", variance, totals.budget, places))
        if totals.usage_to_date is not None and totals.usage_to_date_previous:
            off = percent(
                totals.usage_to_date - totals.usage_to_date_previous, totals.usage_to_date_previous
            )
            lines.append(f"Usage: {off:+f}% on the same days of the month before.")
    counts = Counter(unit.status for unit in report.units if unit.name != UNMAPPED)
    units = sum(counts.values())
    lines.append(
        ", ".join(
            [
                _counted(units, "business unit"),
                *(f"{counts[status]} {_WORDS[status]}" for status in UnitStatus if counts[status]),
            ]
        )
        + "."
    )
    if with_units:
        lines += _units(report)
    if totals.unmapped or report.unmapped:
        count = len(report.unmapped)
        lines.append(f"Unmapped: {currency} {totals.unmapped:,f} in {_counted(count, 'account')}.")
    invoices = compared(report.invoices)
    differing = [line for line in invoices if line.agreement is Agreement.DIFFERS]
    broken = [check.rule for check in report.checks if check.holds is False]
    lines.append(
        f"Invoices: {len(invoices)} compared, {len(differing)} with an unexplained difference."
    )
    told = [one for one in report.anomalies if not one.acknowledged]
    if told:
        lines.append(f"{_counted(len(told), 'anomaly', 'anomalies')} in daily usage.")
    if broken:
        lines.append(f"FAILED CHECKS: {' '.join(broken)}")
    if report.changes:
        lines.append(
            f"Revision {report.revision} changes {_counted(len(report.changes), 'amount')} of"
            f" revision {report.revision - 1}."
        )
    return lines


def body(report: Report, link: str) -> str:
    """The headline and where the report opens, as text."""
    return "\n".join([*headline(report), "", f"Report: {link}", ""])


def webhook_message(report: Report, link: str) -> dict[str, Any]:
    """The announcement in the format of Slack's incoming webhooks.

    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    """
    text = "\n".join(escaped(line) for line in headline(report))
    return slack_message(subject(report), text[:2900], f"<{link}|Open the report>")


def _against_budget(report: Report) -> str:
    totals = report.totals
    spent = f"{report.currency} {totals.actual:,f} spent in {report.month}"
    if report.known_until:
        spent += " so far"
    if all(unit.budget is None for unit in report.units):
        return f"{spent}. No budget is set."
    unbudgeted = (
        f" Of the costs, {totals.unbudgeted:,f} has no budget." if totals.unbudgeted else ""
    )
    if report.known_until:  # The forecast is compared with the budget.
        return f"{spent}.{unbudgeted}"
    held = _held("are", totals.variance, totals.budget, digits(report.currency))
    return f"{spent}. {held}{unbudgeted}"


def _held(verb: str, variance: Decimal, budget: Decimal, places: int) -> str:
    planned = money(budget, places)
    if not variance:
        return f"Units with a budget {verb} on their budget of {planned}."
    side, share = "above" if variance > 0 else "below", percent(variance, budget)
    return (
        f"Units with a budget {verb} {money(abs(variance), places)} {side} their {planned}"
        + ("" if share is None else f" ({share:+f}%)")
        + "."
    )


def _units(report: Report) -> Iterator[str]:
    """Those that need attention: the furthest from their budgets, then those without one."""
    found = sorted(
        (one for one in report.units if one.status in _ALARMING and one.name != UNMAPPED),
        key=lambda one: (one.budget is None, -abs(_off(one)), one.name),
    )
    for unit in found[:_MOST_UNITS]:
        said = f"{unit.name}: {_WORDS[unit.status]}, {report.currency} {unit.actual:,f}"
        if unit.forecast is not None:
            said += f" so far, {unit.forecast:,f} by forecast"
        yield said if unit.budget is None else f"{said}, budget {unit.budget:,f}"
    rest = len(found) - _MOST_UNITS
    if rest > 0:
        yield f"{_counted(rest, 'more business unit')} like these: see the report."


def _off(unit: Unit) -> Decimal:
    spent = unit.actual if unit.forecast is None else unit.forecast
    return spent if unit.budget is None else spent - unit.budget


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"
