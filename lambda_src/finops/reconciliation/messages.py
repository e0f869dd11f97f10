"""The announcement of a reconciled month: a headline for people, and the same for a webhook."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

from finops.reconciliation.domain import UNMAPPED, UnitStatus, percent
from finops.reconciliation.report import Agreement, Report
from finops.shared.chat import escaped, slack_message

_ALARMING = (UnitStatus.OVERRUN, UnitStatus.UNDERRUN, UnitStatus.NO_BUDGET, UnitStatus.NO_SPEND)


def subject(report: Report) -> str:
    """One line of at most 100 ASCII characters, which is SNS's limit for subjects."""
    state = "so far" if report.known_until else "not closed" if report.is_open else "closed"
    if report.revision > 1:
        state = f"revision {report.revision}"
    return f"Cloud costs {report.month} {state}: {report.currency} {report.totals.actual:,f}"[:100]


def headline(report: Report) -> list[str]:
    """The month in a few lines."""
    totals, currency = report.totals, report.currency
    lines = [_against_budget(report)]
    if totals.forecast is not None and report.known_until:
        known = report.known_until - timedelta(days=1)
        lines.append(
            f"Forecast for the whole month: {currency} {totals.forecast:,f}"
            f" (costs known up to {known.isoformat()} UTC)."
        )
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
                *(f"{counts[status]} {status.value}" for status in UnitStatus if counts[status]),
            ]
        )
        + "."
    )
    lines += [
        f"{unit.name}: {unit.status.value}, {currency} {unit.actual:,f}"
        + (f" of {unit.budget:,f}" if unit.budget is not None else "")
        for unit in report.units
        if unit.status in _ALARMING and unit.name != UNMAPPED
    ]
    if totals.unmapped or report.unmapped:
        count = len(report.unmapped)
        lines.append(f"Unmapped: {currency} {totals.unmapped:,f} in {_counted(count, 'account')}.")
    differing = [line for line in report.invoices if line.agreement is Agreement.DIFFERS]
    broken = [check.name for check in report.checks if check.holds is False]
    lines.append(
        f"Invoices: {len(report.invoices)} compared, {len(differing)} with an unexplained"
        " difference."
    )
    told = [one for one in report.anomalies if not one.acknowledged]
    if told:
        lines.append(f"{_counted(len(told), 'anomaly', 'anomalies')} in daily usage.")
    if broken:
        lines.append(f"FAILED CHECKS: {', '.join(broken)}.")
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
    if not totals.budget:
        return f"{spent}. No budget is set."
    side = "above" if totals.variance > 0 else "below"
    said = (
        f"{spent}. Units with a budget are {abs(totals.variance):,f} {side} their"
        f" {totals.budget:,f} ({_signed(totals.variance_pct)}%)"
    )
    return said + (f"; {totals.unbudgeted:,f} has no budget." if totals.unbudgeted else ".")


def _signed(value: Decimal | None) -> str:
    return "n/a" if value is None else f"{value:+f}"


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"
