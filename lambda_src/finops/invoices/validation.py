"""The checks of an invoice, and how serious each finding is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from finops.invoices.domain import (
    AMOUNTS,
    DATES,
    FIELDS,
    REQUIRED,
    Invoice,
    InvoiceKind,
    Issue,
    Severity,
)
from finops.invoices.rules import Rule
from finops.invoices.totals import HIGHEST_RATE, fits_a_rate
from finops.shared.errors import RejectedInput
from finops.shared.money import EXACT, Money, is_money, minor_units

#: Years before today in which an invoice can be dated or due, and the last year of all.
_OLDEST: Final = 15
_LAST_YEAR: Final = 2100
_LABELS: Final = {name: name.replace("_", " ") for name in FIELDS}


class Outcome(StrEnum):
    """What the workflow does with a checked invoice."""

    VALID = "VALID"
    REVIEW = "REVIEW"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSettings:
    """What an environment asks of invoices.

    Attributes:
        confidence: The least confidence of each field, in percent. `default` applies to required
            fields, amounts and dates that are not listed.
        refuse_past_due: Whether a past due date is an error; otherwise it is only a note.
        tolerance: How much sums may differ, in minor units of the currency (cents).
        rules: The environment's own rules.
    """

    confidence: Mapping[str, float] = field(default_factory=lambda: {"default": 80.0})
    refuse_past_due: bool = False
    tolerance: int = 1
    rules: tuple[Rule, ...] = ()


def check(invoice: Invoice, settings: ValidationSettings, today: date) -> tuple[Issue, ...]:
    """Everything that is wrong with an invoice, or may be.

    Args:
        invoice: As it was read and corrected.
        settings: What this environment asks of invoices.
        today: The current date, UTC.
    """
    return (
        *_kind(invoice),
        *_missing(invoice),
        *_doubts(invoice, settings),
        *_amounts(invoice),
        *_sums(invoice, settings.tolerance),
        *_tax(invoice),
        *_due(invoice, settings.tolerance),
        *_dates(invoice, settings, today),
        *(issue for rule in settings.rules if (issue := rule.check(invoice, today))),
    )


def outcome(invoice: Invoice, issues: tuple[Issue, ...], *, approved: bool) -> Outcome:
    """Whether the invoice can be processed, needs a review, or is refused.

    A JSON invoice with an error is refused: its sender can correct it and send it again. A document
    with an error goes to a reviewer, who can correct what was read.
    """
    if any(issue.severity is Severity.ERROR for issue in issues):
        return Outcome.INVALID if is_json(invoice) else Outcome.REVIEW
    if any(issue.severity is Severity.REVIEW for issue in issues) and not approved:
        return Outcome.REVIEW
    return Outcome.VALID


def is_json(invoice: Invoice) -> bool:
    """Whether the invoice was sent as JSON, and not read from a document."""
    return any(reading.source == "json" for reading in invoice.readings.values())


def canonical(name: str, text: str, currency: str = "") -> str:
    """The canonical form of what a person entered for a field (see `Reading`).

    Args:
        name: One of `FIELDS`.
        text: An empty text clears the field.
        currency: ISO 4217, of amounts.

    Raises:
        RejectedInput: there is no such field, or the value does not fit it.
    """
    text = text.strip()
    if name == "kind":
        return _kind_of(text)
    if name not in FIELDS:
        raise RejectedInput(
            f"an invoice has no field {name!r}",
            code="unknown_field",
            field=name,
            remedy=f"Use one of: {', '.join((*FIELDS, 'kind'))}",
        )
    if not text:
        return ""
    if name in AMOUNTS:
        try:
            return str(Money.parse(text, currency or "XXX").amount)
        except RejectedInput as error:
            raise RejectedInput(
                f"{_LABELS[name]}: {text!r} is not an amount",
                code="invalid_amount",
                field=name,
                value=text,
                remedy="Write digits with a decimal point, such as -1234.50",
            ) from error
    if name in DATES:
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError as error:
            raise RejectedInput(
                f"{_LABELS[name]}: {text!r} is not a date",
                code="invalid_date",
                field=name,
                value=text,
                remedy="Write dates as 2026-03-31",
            ) from error
    if name == "currency":
        text = text.upper()
        if not is_money(text):
            raise RejectedInput(
                f"{text!r} is not an ISO 4217 code of money",
                code="unknown_currency",
                field=name,
                value=text,
                remedy="Write a code such as USD or EUR",
            )
    return " ".join(text.split())


def _kind_of(text: str) -> str:
    kind = re.sub(r"[\s-]+", "_", text).upper()
    if kind not in InvoiceKind.__members__:
        raise RejectedInput(
            f"{text!r} is not a kind of document",
            code="unknown_kind",
            field="kind",
            value=text,
            remedy=f"Use one of: {', '.join(InvoiceKind)}",
        )
    return kind


def missing(invoice: Invoice) -> tuple[str, ...]:
    """The required fields that the invoice lacks.

    A JSON invoice with a due date needs no invoice date.
    """
    spared = {"invoice_date"} if is_json(invoice) and invoice.text("due_date") else set()
    return tuple(one for one in REQUIRED if not invoice.text(one) and one not in spared)


def _kind(invoice: Invoice) -> Iterator[Issue]:
    if not invoice.kind.is_processed:
        yield _error(
            "not_an_invoice",
            "kind",
            f"this is a {invoice.kind.words}, which is not processed: reject it, or correct its "
            "kind",
        )
    if invoice.kind_doubt:
        yield _review("ambiguous", "kind", f"the kind is uncertain: {invoice.kind_doubt}")


def _missing(invoice: Invoice) -> Iterator[Issue]:
    for name in missing(invoice):
        reading = invoice.readings.get(name)
        if reading is None:
            yield _error("missing", name, f"the {_LABELS[name]} was not found")
        else:
            why = f": {reading.doubt}" if reading.doubt else ""
            yield _error(
                "not_understood",
                name,
                f"the {_LABELS[name]} {reading.text!r} could not be understood{why}",
            )
    if (code := invoice.text("currency")) and not is_money(code):
        yield _error("unknown_currency", "currency", f"{code!r} is not an ISO 4217 code of money")


def _doubts(invoice: Invoice, settings: ValidationSettings) -> Iterator[Issue]:
    for name in FIELDS:
        reading = invoice.readings.get(name)
        if reading is None:
            continue
        if reading.value and reading.doubt:
            yield _review("ambiguous", name, f"the {_LABELS[name]} is uncertain: {reading.doubt}")
        elif not reading.value and name not in REQUIRED:
            yield _review(
                "not_understood",
                name,
                f"the {_LABELS[name]} {reading.text!r} could not be understood"
                + (f": {reading.doubt}" if reading.doubt else ""),
            )
        judged = name in settings.confidence or name in REQUIRED or name in AMOUNTS or name in DATES
        asked = settings.confidence.get(name, settings.confidence.get("default", 0.0))
        if judged and reading.value and reading.confidence < asked:
            yield _review(
                "low_confidence",
                name,
                f"the {_LABELS[name]} {reading.value!r} was read with a confidence of "
                f"{reading.confidence:.1f}%, below the required {asked:g}%",
            )


def _amounts(invoice: Invoice) -> Iterator[Issue]:
    total = invoice.amount("total")
    if total is None:
        return
    if invoice.kind is InvoiceKind.INVOICE and total <= 0:
        sign = "zero" if total == 0 else "negative"
        message = f"the total {total} is {sign}, but this is not a credit note"
        if is_json(invoice):
            yield _error("total_not_positive", "total", message)
        else:
            yield _review("total_not_positive", "total", message)
    digits = minor_units().get(invoice.text("currency"))
    if digits is None:
        return
    for name in ("subtotal", "tax", "total"):
        amount = invoice.amount(name)
        if amount is not None and -_exponent(amount) > digits:
            yield _review(
                "too_many_digits",
                name,
                f"the {_LABELS[name]} {amount} has more decimals than "
                f"{invoice.text('currency')} allows",
            )


def _is_exact(invoice: Invoice) -> bool:
    """Whether the amounts are those of an e-invoice, whose own rules checked them exactly.

    An amount that a person corrected is judged like any other.
    """
    sources = {one.source for name, one in invoice.readings.items() if name in AMOUNTS}
    return sources == {"xml"}


def _sums(invoice: Invoice, tolerance: int) -> Iterator[Issue]:
    if _is_exact(invoice):
        return
    digits = minor_units().get(invoice.text("currency"))
    allowed = Decimal(tolerance).scaleb(-(2 if digits is None else digits))
    subtotal, tax, total = (invoice.amount(name) for name in ("subtotal", "tax", "total"))
    shipping = invoice.amount("shipping") or Decimal(0)
    discount = abs(invoice.amount("discount") or Decimal(0))
    if subtotal is not None and total is not None:
        base = EXACT.add(subtotal, tax or Decimal(0))
        # The subtotal may include shipping and discounts or not, and documents do not say which.
        sums = {
            EXACT.add(base, by)
            for by in (Decimal(0), shipping, -discount, EXACT.subtract(shipping, discount))
        }
        if all(abs(EXACT.subtract(one, total)) > allowed for one in sums):
            terms = f"subtotal {subtotal} + tax {tax or 0}"
            if shipping or discount:
                terms += f" (shipping {shipping}, discount {discount})"
            message = f"{terms} = {base}, but the total is {total}"
            yield _review("total_is_not_the_sum", "total", message)
    lines = [item.amount for item in invoice.line_items]
    amounts = [amount for amount in lines if amount is not None]
    if amounts and len(amounts) == len(lines):
        added = Decimal(0)
        for amount in amounts:
            added = EXACT.add(added, amount)
        candidates = [one for one in (subtotal, total) if one is not None]
        if total is not None and tax is not None:
            candidates.append(EXACT.subtract(total, tax))
        # Each line is rounded by itself.
        slack = allowed * max(1, len(amounts))
        near = (
            abs(EXACT.subtract(added, one + by)) <= slack
            for one in candidates
            for by in (Decimal(0), discount, -shipping, discount - shipping)
        )
        if candidates and not any(near):
            yield _review(
                "lines_are_not_the_sum",
                "line_items",
                f"the line items add up to {added}, not to "
                + " or ".join(dict.fromkeys(f"{one}" for one in candidates)),
            )
    for number, item in enumerate(invoice.line_items, 1):
        if item.quantity is None or item.unit_price is None or item.amount is None:
            continue
        product = item.quantity * item.unit_price
        if abs(product - item.amount) > max(allowed, abs(item.quantity) * allowed):
            yield Issue(
                code="line_is_not_the_product",
                severity=Severity.FLAG,
                field="line_items",
                message=f"line {number}: {item.quantity} times {item.unit_price} is {product}, "
                f"but the amount is {item.amount}",
            )


def _tax(invoice: Invoice) -> Iterator[Issue]:
    """Whether the tax can be part of the total."""
    subtotal, tax, total = (invoice.amount(name) for name in ("subtotal", "tax", "total"))
    if not tax or total is None or (invoice.taxes and _is_exact(invoice)):
        return
    net = EXACT.subtract(total, tax) if subtotal is None else subtotal
    if abs(tax) >= abs(total):
        message = f"the tax {tax} is not less than the total {total}"
        yield _review("tax_is_not_part_of_the_total", "tax", message)
    elif net == 0 or not 0 < tax / net <= HIGHEST_RATE:
        yield _review(
            "tax_fits_no_rate", "tax", f"the tax {tax} of {net} fits no rate of a tax on sales"
        )
    elif subtotal is None:
        digits = minor_units().get(invoice.text("currency"))
        unit = Decimal(1).scaleb(-(2 if digits is None else digits))
        if not fits_a_rate(tax, total, invoice.readings["tax"].label, unit):
            yield _review(
                "tax_fits_no_rate",
                "tax",
                f"there is no subtotal, and the tax {tax} leaves open whether the total {total} "
                "contains it",
            )


def _due(invoice: Invoice, tolerance: int) -> Iterator[Issue]:
    """Whether the amount due is what is left of the total."""
    total, due, paid = (invoice.amount(name) for name in ("total", "amount_due", "amount_paid"))
    if total is None or due is None or _is_exact(invoice):
        return
    digits = minor_units().get(invoice.text("currency"))
    allowed = Decimal(tolerance).scaleb(-(2 if digits is None else digits))
    rest = EXACT.subtract(abs(total), abs(paid or Decimal(0)))
    left = {abs(total), abs(rest), abs(EXACT.add(rest, invoice.amount("rounding") or Decimal(0)))}
    if all(abs(EXACT.subtract(abs(due), one)) > allowed for one in left):
        said = f"the amount due is {due}, but the total is {total}"
        if paid:
            said += f" and {paid} was paid"
        yield _review("amount_due_is_not_the_total", "amount_due", said)


def _dates(invoice: Invoice, settings: ValidationSettings, today: date) -> Iterator[Issue]:
    issued, due = invoice.date("invoice_date"), invoice.date("due_date")
    for name, day in (("invoice_date", issued), ("due_date", due)):
        if day and not today.year - _OLDEST <= day.year <= _LAST_YEAR:
            message = f"the {_LABELS[name]} {day} is out of range"
            found = _error if is_json(invoice) else _review
            yield found("date_out_of_range", name, message)
    if issued and issued > today:
        message = f"the invoice date {issued} is in the future"
        yield _review("dated_in_the_future", "invoice_date", message)
    if issued and due and due < issued:
        message = f"the due date {due} is before the invoice date {issued}"
        yield _review("due_before_issued", "due_date", message)
    if due and due < today and invoice.kind is InvoiceKind.INVOICE:
        message = f"the due date {due} has passed"
        if settings.refuse_past_due:
            yield _error("past_due", "due_date", message)
        else:
            yield Issue(code="past_due", severity=Severity.FLAG, field="due_date", message=message)


def _exponent(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _error(code: str, name: str, message: str) -> Issue:
    return Issue(code=code, severity=Severity.ERROR, field=name, message=message)


def _review(code: str, name: str, message: str) -> Issue:
    return Issue(code=code, severity=Severity.REVIEW, field=name, message=message)
