"""Notifications about invoices: text for people, data for programs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from finops.invoices.domain import InvoiceRecord, Severity

#: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: at most 100 ASCII characters.
_SUBJECT: Final = 100
#: SNS takes 256 KB a message; the table has the rest of long issues and texts.
_MOST_ISSUES: Final = 50
_LONGEST: Final = 500

_AMOUNT: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})? [A-Z]{3}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_HEADLINES: Final = {
    "PROCESSED": "Invoice processed",
    "DUPLICATE": "Duplicate invoice",
    "REJECTED": "Document rejected",
    "VALIDATION_FAILED": "Invoice not accepted",
    "PROCESSING_FAILED": "Invoice could not be processed",
    "NEEDS_REVIEW": "Invoice needs review",
    "REVIEW_ESCALATED": "Invoice still needs review",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A notification.

    Attributes:
        subject: At most 100 ASCII characters.
        text: For people.
        data: For programs, as JSON.
        attributes: By which subscriptions can filter.
    """

    subject: str
    text: str
    data: Mapping[str, Any]
    attributes: Mapping[str, str]


def message(record: InvoiceRecord, event: str) -> Message:
    """The notification of an event.

    Args:
        record: The invoice.
        event: Its status, or another event such as `REVIEW_ESCALATED`.
    """
    named = _named(record)
    headline = _HEADLINES.get(event, event)
    lines = [f"{headline}: {named}", "", *_facts(record)]
    issues = [issue for issue in record.issues if issue.severity is not Severity.FLAG]
    if issues:
        lines += ["", "Problems:"]
        lines += [f"- {_short(issue.message)}" for issue in issues[:_MOST_ISSUES]]
        if len(issues) > _MOST_ISSUES:
            lines.append(f"- and {len(issues) - _MOST_ISSUES} more")
    if flags := [issue for issue in record.issues if issue.severity is Severity.FLAG]:
        lines += ["", "Notes:"]
        lines += [f"- {_short(issue.message)}" for issue in flags[:_MOST_ISSUES]]
    lines += ["", *_what_next(record, event)]
    read = record.invoice
    return Message(
        subject=_ascii(f"{headline}: {named}"),
        text="\n".join(lines) + "\n",
        data={
            "event": event,
            "id": record.id,
            "file": record.file,
            "status": record.status.value,
            "serial_number": record.serial_number or None,
            "duplicate_of": record.duplicate_of or None,
            **{
                name: (_short(read.text(name)) if read else "") or None
                for name in (
                    *("vendor", "invoice_number", "invoice_date", "due_date"),
                    *("currency", "subtotal", "tax", "total"),
                )
            },
            "issues": [
                {
                    "code": issue.code,
                    "severity": issue.severity.value,
                    "field": issue.field,
                    "message": _short(issue.message),
                }
                for issue in record.issues[:_MOST_ISSUES]
            ],
        },
        attributes={
            "status": record.status.value,
            "event": event,
            **{
                name: _short(read.text(name))
                for name in ("vendor", "currency")
                if read and read.text(name)
            },
        },
    )


def customer_addresses(record: InvoiceRecord, customers: Mapping[str, Sequence[str]]) -> list[str]:
    """Whom the e-mail about an invoice goes to: the addresses that the deployment lists, no others.

    Whoever sends a document could else have mails sent to anybody.

    Args:
        record: The invoice.
        customers: Addresses by the customer's id or name, whose case and spaces do not count.
    """
    named = _key(record.invoice.text("customer")) if record.invoice else ""
    found = (one for name, all_ in customers.items() if named == _key(name) for one in all_)
    return list(dict.fromkeys(found)) if named else []


def customer_mail(record: InvoiceRecord) -> tuple[str, str]:
    """Subject and text of the e-mail to the customer of a processed invoice.

    Whoever sends a document chooses its words, and would have them mailed from this address. So the
    mail holds amounts, dates and our own number only.
    """
    read = record.invoice
    if read is None:
        raise ValueError(f"{record.id} has not been read")
    total, currency = read.text("total"), read.text("currency")
    amount = f" for {total} {currency}" if _AMOUNT.fullmatch(f"{total} {currency}") else ""
    due = read.text("due_date")
    lines = [
        f"Your invoice{amount} has been processed.",
        "",
        f"Our reference: {record.serial_number}",
        *([f"Due date: {due}"] if _DATE.fullmatch(due) else []),
    ]
    return f"Invoice {record.serial_number} has been processed", "\n".join(lines) + "\n"


def _key(customer: str) -> str:
    return " ".join(customer.casefold().split())


def _named(record: InvoiceRecord) -> str:
    read = record.invoice
    if read is None:
        return record.file
    amount = f"{read.text('total')} {read.text('currency')}".strip()
    parts = [read.text("vendor"), read.text("invoice_number"), amount]
    return ", ".join(_short(part) for part in parts if part) or record.file


def _facts(record: InvoiceRecord) -> list[str]:
    read = record.invoice
    known = {
        "File": record.file,
        "Status": record.status.value,
        "Our number": record.serial_number,
        **(
            {
                "Vendor": read.text("vendor"),
                "Invoice number": read.text("invoice_number"),
                "Invoice date": read.text("invoice_date"),
                "Due date": read.text("due_date"),
                "Total": f"{read.text('total')} {read.text('currency')}".strip(),
            }
            if read
            else {}
        ),
    }
    return [f"{name}: {_short(value)}" for name, value in known.items() if value]


def _what_next(record: InvoiceRecord, event: str) -> list[str]:
    show = f"View it: finops invoices show {record.id}"
    if event in {"NEEDS_REVIEW", "REVIEW_ESCALATED"}:
        return [
            show,
            f"Correct it: finops invoices review {record.id} --set FIELD=VALUE",
            f"Approve it: finops invoices review {record.id} --approve",
            f'Reject it:  finops invoices review {record.id} --reject --reason "..."',
        ]
    if event == "DUPLICATE":
        return [
            show,
            f"View the original: finops invoices show {record.duplicate_of}",
            f'If it is none: finops invoices review {record.id} --not-duplicate --reason "..."',
        ]
    if event == "PROCESSING_FAILED":
        return [show, f"Fix the cause, then run: finops invoices retry {record.id}"]
    if event in {"REJECTED", "VALIDATION_FAILED"}:
        return [show, "Correct the document and upload it again."]
    return [show]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _ascii(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    line = " ".join(ascii_text.split())
    return line if len(line) <= _SUBJECT else f"{line[: _SUBJECT - 3]}..."
