"""A report as one CSV table, which opens in a spreadsheet as it is, and which scripts can filter.

Every line of a report compares an amount with another one, so every table fits the same columns:

    table       which table the line is of (below); filter by it before adding anything up
    unit …      what the line is about; empty where it does not apply
    item        a charge category, an anomaly's kind, an invoice's number, a check, a currency, or
                what changed
    from, to    the first and last day that the amount is of, UTC
    amount      in `currency`
    against     what it is compared with: budget, forecast, month before, plan, expected, invoice …
    reference   that amount
    difference  amount less reference
    status      OVERRUN …, AGREES …, HOLDS or BROKEN, ACKNOWLEDGED
    note        evidence, reason or explanation

Tables, in this order: `units` (actual against budget, Unmapped last), `total`; `costs` (billed
and amortized); for an open month `forecast` and `forecast total`, against budget, and `usage to
date`; `groups` of units; `units by month` and `total by month`, against the month before;
`drivers` of all (`All`) and of each unit, `plan drivers` of each unit; `prices` by service, each
with what of the change is `price`, `quantity`, `exchange` and `other`; `unmapped`; `excluded` (by
unit, what `actual` leaves out); `categories`; `services`; `accounts`; `days`; `trends`; `year to
date`, `annual budget` and `year before` (the fiscal year, and the same month a year ago);
`commitments`; `aws budgets` and `aws budgets by forecast` (what AWS Budgets itself has calculated
against each budget's limit, of the budget's own period; never to be added up); `showback` (all
costs by owner, and again by each tag, whose key and value are the item; what has no owner, or not
the tag, has an empty one, and the last line of many sums up the others) and `showback budgets` of
owners; `anomalies`; `invoices`, `documents` (what the invoices flow read); `checks`; `rates`;
`changes`; `notes`.

Texts are guarded against being run as formulas; numbers have a decimal point and no thousands
separators. RFC 4180, UTF-8, with a byte order mark for spreadsheets.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Final

from finops.reconciliation.aws_budgets import AwsBudget
from finops.reconciliation.report import Driver, Group, InvoiceLine, PriceLine, Report, Totals, Unit
from finops.reconciliation.showback import Showback
from finops.shared.periods import Month
from finops.shared.spreadsheets import guard

COLUMNS: Final = (
    *("month", "table", "unit", "cost_centre", "owner", "payer", "account", "account_name"),
    *("service", "item", "from", "to", "currency", "amount", "against", "reference", "difference"),
    *("status", "note"),
)
Line = dict[str, object]


def write_csv(report: Report) -> bytes:
    """The report as a file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    month = Month.parse(report.month)
    common = {"month": report.month, "currency": report.currency}
    period = {"from": month.first, "to": month.last}
    for line in _lines(report):
        cells = common | period | line
        writer.writerow([_cell(cells.get(name)) for name in COLUMNS])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return f"{value:f}"
        case date():
            return value.isoformat()
        case _:
            return guard(str(value))


def _lines(report: Report) -> Iterator[Line]:
    yield from _units(report.units, report.totals, report.groups)
    yield from _drivers("drivers", "month before", "All", report.drivers)
    for unit in report.units:
        yield from _drivers("drivers", "month before", unit.name, unit.drivers)
        yield from _drivers("plan drivers", "plan", unit.name, unit.plan_drivers)
    yield from _prices(report.prices)
    for one in report.unmapped:
        where = {"payer": one.payer, "account": one.account, "account_name": one.name}
        yield {"table": "unmapped", **where, "amount": one.amount}
    for unit in report.units:
        if unit.excluded:
            yield {"table": "excluded", **_who(unit), "amount": unit.excluded}
    for category in report.categories:
        note = "excluded" if category.excluded else ""
        line = {"table": "categories", "item": category.category}
        yield {**line, "amount": category.amount, "note": note}
    for service in report.services:
        held = _held(service.amount, "month before", service.previous)
        yield {"table": "services", "service": service.service, **held}
    for account in report.accounts:
        where = {"payer": account.payer, "account": account.account, "account_name": account.name}
        held = _held(account.amount, "month before", account.previous)
        yield {"table": "accounts", "unit": _listed(account.units), **where, **held}
    for day in report.daily:
        yield {"table": "days", "from": day.day, "to": day.day, "amount": day.amount}
    for trend in report.trends:
        for month, amount in zip(report.trend_months, trend.amounts, strict=True):
            if amount is not None:
                of = Month.parse(month)
                yield {
                    "table": "trends",
                    "unit": trend.unit,
                    "from": of.first,
                    "to": of.last,
                    "amount": amount,
                }
    yield from _year(report)
    yield from _commitments(report)
    yield from _aws_budgets(report.aws_budgets or ())
    yield from chain.from_iterable(map(_showback, report.showback))
    yield from _findings(report)


def _units(units: Sequence[Unit], totals: Totals, groups: Sequence[Group]) -> Iterator[Line]:
    for one in units:
        held = _held(one.actual, "budget", one.budget)
        yield {"table": "units", **_who(one), **held, "status": one.status.value}
    yield {"table": "total", **_held(totals.actual, "budget", totals.budget)}
    for cost, amount in (("billed", totals.billed), ("amortized", totals.amortized)):
        if amount is not None:
            yield {"table": "costs", "item": cost, "amount": amount}
    if totals.forecast is not None:
        for one in units:
            held = _held(one.forecast, "budget", one.budget)
            note = _range(one.forecast_low, one.forecast_high)
            line = {"table": "forecast", **_who(one), **held}
            yield {**line, "status": one.status.value, "note": note}
        held = _held(totals.forecast, "budget", totals.budget)
        note = _range(totals.forecast_low, totals.forecast_high)
        yield {"table": "forecast total", **held, "note": note}
    if totals.usage_to_date is not None:
        against = "same days of the month before"
        held = _held(totals.usage_to_date, against, totals.usage_to_date_previous)
        yield {"table": "usage to date", **held}
    for group in groups:
        held = _held(group.actual, "budget", group.budget, group.variance)
        who = {"unit": group.name, "owner": group.owner, "item": group.parent}
        yield {"table": "groups", **who, **held, "note": _listed(group.units)}
    for one in units:
        held = _held(one.actual, "month before", one.previous)
        yield {"table": "units by month", **_who(one), **held}
    yield {"table": "total by month", **_held(totals.actual, "month before", totals.previous)}


def _year(report: Report) -> Iterator[Line]:
    year = report.year
    if year is None:
        return
    to_date = {"from": Month.parse(year.first_month).first, "to": Month.parse(report.month).last}
    whole = {**to_date, "to": Month.parse(year.last_month).last}
    for one in year.lines:
        held = _held(one.actual, "budget", one.budget, one.variance)
        yield {"table": "year to date", "unit": one.unit, **to_date, **held}
        if one.year_budget is not None and one.remaining is not None:
            held = _held(one.year_budget - one.remaining, "annual budget", one.year_budget)
            yield {"table": "annual budget", "unit": one.unit, **whole, **held}
        if one.year_before is not None:
            now = None if one.change is None else one.year_before + one.change
            held = _held(now, "same month a year before", one.year_before)
            yield {"table": "year before", "unit": one.unit, **held}


def _commitments(report: Report) -> Iterator[Line]:
    found = report.commitments
    if found is None:
        return
    for item, held, share, what in (
        (
            "effective cost",
            _held(found.effective_cost, "list cost", found.list_cost),
            found.effective_savings_pct,
            "effective savings rate",
        ),
        ("covered", _held(found.covered, "list cost", found.list_cost), found.coverage_pct, ""),
        (
            "used",
            _held(found.used, "commitments", found.used + found.unused),
            found.utilization_pct,
            "utilization",
        ),
        ("unused", _held(found.unused, "", None), None, ""),
    ):
        note = "" if share is None else f"{what or 'coverage'}: {share}%"
        yield {"table": "commitments", "item": item, **held, "note": note}


def _aws_budgets(budgets: Sequence[AwsBudget]) -> Iterator[Line]:
    for one in budgets:
        notes = [
            one.period,
            one.counts,
            f"default of {one.default_of}" if one.default_of else "",
            f"read at {one.read_at:%Y-%m-%d %H:%M} UTC",
        ]
        about = {
            "account": one.account,
            "account_name": one.account_name,
            "item": one.name,
            "from": one.first,
            "to": one.last,
            "currency": one.currency,
            "note": _listed(notes),
        }
        yield {"table": "aws budgets", **about, **_held(one.actual, "limit", one.limit)}
        if one.forecast is not None:
            held = _held(one.forecast, "limit", one.limit)
            yield {"table": "aws budgets by forecast", **about, **held}


def _showback(found: Showback) -> Iterator[Line]:
    for one in found.statements:
        who: Line = {"owner": one.name} if found.by == "owner" else {}
        about = {**who, "item": "owner" if found.by == "owner" else f"{found.tag}={one.name}"}
        yield {"table": "showback", **about, **_held(one.actual, "month before", one.previous)}
        if one.budget is not None:
            spent = None if one.variance is None else one.budget + one.variance
            yield {"table": "showback budgets", **about, **_held(spent, "budget", one.budget)}
    if found.others:
        held = _held(found.others.actual, "month before", found.others.previous)
        yield {"table": "showback", "item": found.title, "note": found.others.item, **held}


def _findings(report: Report) -> Iterator[Line]:
    for one in report.anomalies:
        subject = {"account": one.subject} if one.scope == "account" else {"service": one.subject}
        yield {
            "table": "anomalies",
            "unit": _listed(one.units),
            "account_name": one.name,
            **subject,
            "item": one.kind,
            "status": "ACKNOWLEDGED" if one.acknowledged else "",
            "from": one.first,
            "to": one.last,
            **_held(one.actual, "expected", one.expected),
            "note": _listed([one.evidence, *one.services, one.acknowledged]),
        }
    for invoice in report.invoices:
        yield from _invoice(invoice)
    for check in report.checks:
        yield {
            "table": "checks",
            "item": check.name,
            **_held(check.found, "expected", check.expected),
            "status": {True: "HOLDS", False: "BROKEN", None: "NOT CHECKED"}[check.holds],
            "note": f"{check.rule} {check.note}".strip(),
        }
    for rate in report.rates:
        day = {"from": rate.rate_date, "to": rate.rate_date}
        yield {
            "table": "rates",
            "item": rate.currency,
            **day,
            "amount": rate.rate,
            "note": rate.source,
        }
    for change in report.changes:
        held = _held(change.after, "revision before", change.before)
        yield {"table": "changes", "item": change.line, **held, "note": change.table}
    for note in report.notes:
        yield {"table": "notes", "currency": "", "note": note}


def _invoice(one: InvoiceLine) -> Iterator[Line]:
    line: Line = {
        "payer": one.payer,
        "item": one.invoice_id,
        "currency": one.currency,
        "status": one.agreement.value,
        "note": _listed([one.issuer, one.reason, one.explanation]),
    }
    held = {"amount": one.charged, "against": "invoice", "reference": one.invoiced}
    yield {"table": "invoices", **line, **held, "difference": one.difference}
    if one.processed is not None:
        yield {"table": "documents", **line, **_held(one.processed, "invoice", one.invoiced)}


def _drivers(table: str, against: str, unit: str, drivers: Sequence[Driver]) -> Iterator[Line]:
    for one in drivers:
        where = {"account": one.account, "account_name": one.account_name, "service": one.service}
        held = _held(one.now, against, one.before)
        yield {"table": table, "unit": unit, **where, "item": one.kind, **held}


def _prices(lines: Sequence[PriceLine]) -> Iterator[Line]:
    for one in lines:
        where = {"table": "prices", "service": one.service}
        yield {**where, "item": "change", **_held(one.now, "month before", one.before)}
        for item in ("price", "quantity", "exchange", "other"):
            yield {**where, "item": item, "difference": getattr(one, item)}


def _range(low: Decimal | None, high: Decimal | None) -> str:
    return "" if low is None or high is None else f"80% range: {low:f} to {high:f}"


def _who(unit: Unit) -> Line:
    return {"unit": unit.name, "cost_centre": unit.cost_centre, "owner": unit.owner}


def _held(
    amount: Decimal | None,
    against: str,
    reference: Decimal | None,
    difference: Decimal | None = None,
) -> Line:
    """An amount, the one that it is compared with, and the difference if both are known.

    The difference may be another one, as of groups with units that have no budget.
    """
    if reference is None:
        return {"amount": amount}
    if difference is None and amount is not None:
        difference = amount - reference
    return {"amount": amount, "against": against, "reference": reference, "difference": difference}


def _listed(values: Sequence[str]) -> str:
    return "; ".join(filter(None, values))
