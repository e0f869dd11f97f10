"""A report as CSV: one header, a line for every amount, so that any spreadsheet can pivot it.

`table` says what the line is of (`unit`, `driver`, `plan_driver`, `unmapped`, `category`,
`account`, `service`, `day`, `trend`, `anomaly`, `invoice`, `check`, `change`, `total`); `measure`
says what the amount is, such as `actual`, `budget` or `variance`; `currency` is that of the
amount. Texts are guarded against being read as formulas; amounts never are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from finops.reconciliation.report import Driver, Report, Unit
from finops.shared.spreadsheets import guard

COLUMNS: Final = (
    *("month", "table", "unit", "payer", "account", "account_name", "service", "period"),
    *("measure", "amount", "currency", "status", "note"),
)


def write_csv(report: Report) -> bytes:
    """The report as RFC 4180 has it, with the mark by which spreadsheets know UTF-8."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in _lines(report):
        cells = {"month": report.month, "currency": report.currency, **line}
        writer.writerow(
            [
                cells.get(name, "") if name == "amount" else guard(str(cells.get(name, "")))
                for name in COLUMNS
            ]
        )
    return b"\xef\xbb\xbf" + text.getvalue().encode()


_Line = Mapping[str, object]


def _lines(report: Report) -> Iterator[_Line]:
    for unit in report.units:
        yield from _unit(unit)
    totals = report.totals
    yield from _measures(
        {"table": "total"},
        actual=totals.actual,
        apart=totals.apart,
        previous=totals.previous,
        budget=totals.budget,
        variance=totals.variance,
        forecast=totals.forecast,
        unmapped=totals.unmapped,
    )
    for one in report.unmapped:
        where = {"payer": one.payer, "account": one.account, "account_name": one.name}
        yield from _measures({"table": "unmapped", **where}, actual=one.amount)
    for category in report.categories:
        note = "shown apart" if category.apart else ""
        line = {"table": "category", "service": category.category, "note": note}
        yield from _measures(line, actual=category.amount)
    for account in report.accounts:
        where = {"payer": account.payer, "account": account.account, "account_name": account.name}
        line = {"table": "account", "unit": _listed(account.units), **where}
        yield from _measures(line, actual=account.amount, previous=account.previous)
    for service in report.services:
        line = {"table": "service", "service": service.service}
        yield from _measures(line, actual=service.amount, previous=service.previous)
    for day in report.daily:
        yield from _measures({"table": "day", "period": day.day.isoformat()}, usage=day.amount)
    for trend in report.trends:
        for month, amount in zip(report.trend_months, trend.amounts, strict=True):
            line = {"table": "trend", "unit": trend.unit, "period": month}
            yield from _measures(line, actual=amount)
    yield from _findings(report)


def _findings(report: Report) -> Iterator[_Line]:
    for one in report.anomalies:
        subject = {"account": one.subject} if one.scope == "account" else {"service": one.subject}
        line: dict[str, object] = {
            "table": "anomaly",
            "unit": _listed(one.units),
            "account_name": one.name,
            "service": _listed(one.services),
            "period": f"{one.first.isoformat()}/{one.last.isoformat()}",
            "note": one.evidence,
            **subject,
        }
        yield from _measures(line, actual=one.actual, expected=one.expected, impact=one.impact)
    for invoice in report.invoices:
        line = {
            "table": "invoice",
            "payer": invoice.payer,
            "service": invoice.issuer,
            "period": invoice.invoice_id,
            "currency": invoice.currency,
            "status": invoice.agreement.value,
            "note": ": ".join(filter(None, (invoice.reason, invoice.explanation))),
        }
        yield from _measures(
            line,
            charged=invoice.charged,
            invoiced=invoice.invoiced,
            processed=invoice.processed,
            difference=invoice.difference,
        )
    for check in report.checks:
        status = {True: "HOLDS", False: "BROKEN", None: "NOT CHECKED"}[check.holds]
        line = {"table": "check", "service": check.name, "status": status, "note": check.note}
        yield from _measures(line, expected=check.expected, found=check.found)
    for change in report.changes:
        line = {"table": "change", "service": change.line, "note": change.table}
        yield from _measures(line, before=change.before, after=change.after)


def _unit(unit: Unit) -> Iterator[_Line]:
    line = {
        "table": "unit",
        "unit": unit.name,
        "status": unit.status.value,
        "note": _listed([unit.cost_centre, unit.owner, unit.environment]),
    }
    yield from _measures(
        line,
        actual=unit.actual,
        apart=unit.apart,
        previous=unit.previous,
        budget=unit.budget,
        variance=unit.variance,
        forecast=unit.forecast,
    )
    yield from _drivers("driver", unit.name, unit.drivers)
    yield from _drivers("plan_driver", unit.name, unit.plan_drivers)


def _drivers(table: str, unit: str, drivers: Sequence[Driver]) -> Iterator[_Line]:
    for one in drivers:
        line = {
            "table": table,
            "unit": unit,
            "account": one.account,
            "account_name": one.account_name,
            "service": one.service,
        }
        yield from _measures(line, now=one.now, before=one.before, change=one.change)


def _measures(line: Mapping[str, object], **amounts: Decimal | None) -> Iterator[_Line]:
    for measure, amount in amounts.items():
        if amount is not None:
            yield {**line, "measure": measure, "amount": f"{amount:f}"}


def _listed(values: Sequence[str]) -> str:
    return "; ".join(filter(None, values))
