"""Compares charges with the invoices that AWS issued, and those with the processed documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Final

from finops.reconciliation.domain import Charge, ChargeCategory, IssuedInvoice
from finops.reconciliation.report import Agreement, Check, InvoiceLine
from finops.shared.money import WIDE, minor_units, rounded, total

#: How far an exact sum may be from an invoice, whose lines are rounded one by one: half a cent for
#: each of its lines, and no more than this many.
_ROUNDED_LINES: Final = 100
_REASONS: Final = {
    ChargeCategory.TAX: "tax",
    ChargeCategory.CREDIT: "credit",
    ChargeCategory.REFUND: "credit",
}


@dataclass(slots=True)
class _Group:
    """Charges that belong on one invoice, or to one payer."""

    payer: str
    invoice_id: str
    issuer: str
    currency: str
    charges: list[Charge]

    @property
    def billed(self) -> Decimal:
        return total(charge.billed for charge in self.charges)


def check_invoices(
    charges: Iterable[Charge],
    issued: Sequence[IssuedInvoice] | None,
    processed: Sequence[IssuedInvoice],
    *,
    is_open: bool,
    number_key: Mapping[str, str],
) -> list[InvoiceLine]:
    """A line for every invoice and every payer whose charges name no invoice.

    Args:
        charges: Of the month, in their own currencies.
        issued: As AWS lists them; None where it was not asked.
        processed: As the invoices flow read them.
        is_open: Whether AWS has not yet invoiced the month.
        number_key: Each invoice number as it is compared with others.
    """
    groups = _groups(charges)
    # A credit note that has the number of its invoice does not take its place.
    documents = {
        number_key[one.number]: one
        for one in sorted(processed, key=lambda one: (one.amount or 0) > 0)
    }
    by_number = {number_key[one.number]: one for one in issued or () if one.number}
    unmatched = dict(by_number)
    lines = []
    for group in groups:
        if group.invoice_id:
            key = number_key[group.invoice_id]
            unmatched.pop(key, None)
            lines.append(
                _of_invoice(
                    group,
                    by_number.get(key),
                    documents.pop(key, None),
                    asked=issued is not None,
                    is_open=is_open,
                )
            )
        else:
            mine = [one for one in issued or () if one.payer == group.payer]
            lines.append(_of_payer(group, mine, asked=issued is not None, is_open=is_open))
    without_ids = {group.payer for group in groups if not group.invoice_id}
    for key, one in unmatched.items():
        document = documents.pop(key, None)
        lines.append(_of_issued(one, document, charged_by_payer=one.payer in without_ids))
    lines += [
        _of_issued(one, None, charged_by_payer=one.payer in without_ids)
        for one in issued or ()
        if not one.number
    ]
    lines += [_of_document(one) for one in documents.values()]
    return sorted(
        lines, key=lambda line: (line.payer or "~", line.invoice_id, line.issuer, line.currency)
    )


def focus_rule(lines: Sequence[InvoiceLine]) -> Check:
    """FOCUS's rule: the sum of BilledCost of an InvoiceId is what is to be paid.

    https://focus.finops.org/focus-specification/v1-2/#invoiceid
    """
    rule = "For each invoice, the sum of BilledCost of its charges equals the payable amount."
    known = [
        line
        for line in lines
        if line.invoice_id and line.charged is not None and line.invoiced is not None
    ]
    if not known:
        note = (
            "No charge has the number of an invoice that AWS lists, so nothing could be compared."
        )
        return Check(
            name="focus_invoice_totals", rule=rule, holds=None, expected=None, found=None, note=note
        )
    broken = [line for line in known if line.agreement is not Agreement.AGREES]
    return Check(
        name="focus_invoice_totals",
        rule=rule,
        holds=not broken,
        expected=_one_currency(known, [line.invoiced for line in known]),
        found=_one_currency(known, [line.charged for line in known]),
        note=(
            f"{len(known)} {'invoice' if len(known) == 1 else 'invoices'} compared"
            + (f"; different: {', '.join(line.invoice_id for line in broken)}" if broken else "")
            + "."
        ),
    )


def _one_currency(
    lines: Sequence[InvoiceLine], amounts: Sequence[Decimal | None]
) -> Decimal | None:
    if len({line.currency for line in lines}) != 1:
        return None
    return total(amount for amount in amounts if amount is not None)


def _groups(charges: Iterable[Charge]) -> list[_Group]:
    found: dict[tuple[str, str, str], _Group] = {}
    for charge in charges:
        key = (charge.payer_account, charge.invoice_id, charge.currency)
        group = found.get(key)
        if group is None:
            group = _Group(
                charge.payer_account, charge.invoice_id, charge.issuer, charge.currency, []
            )
            found[key] = group
        if group.issuer != charge.issuer:
            group.issuer = min(filter(None, (group.issuer, charge.issuer)), default="")
        group.charges.append(charge)
    return [found[key] for key in sorted(found)]


def _of_invoice(
    group: _Group,
    one: IssuedInvoice | None,
    document: IssuedInvoice | None,
    *,
    asked: bool,
    is_open: bool,
) -> InvoiceLine:
    """Charges that name their invoice."""
    other = one or document
    if other is None:
        found = (
            "AWS does not list this invoice" if asked else "AWS's list of invoices was not queried"
        )
        return _line(
            group, Agreement.MISSING, explanation=f"{found}, and no such document was processed"
        )
    judged = _judged(group, [other], is_open=is_open)
    return _line(
        group,
        judged.agreement,
        reason=judged.reason,
        explanation=judged.explanation,
        invoiced=_in_currency(one, group.currency) if one else None,
        processed=_in_currency(document, group.currency) if document else None,
        difference=judged.difference,
    )


def _of_payer(
    group: _Group, mine: Sequence[IssuedInvoice], *, asked: bool, is_open: bool
) -> InvoiceLine:
    """All charges of a payer, whose source knows no invoice ids."""
    if not mine:
        explanation = "AWS's list of invoices was not queried"
        if asked:
            explanation = "AWS lists no invoice for this month" + (" yet" if is_open else "")
        return _line(group, Agreement.MISSING, explanation=explanation)
    judged = _judged(group, mine, is_open=is_open)
    numbers = ", ".join(sorted(one.number or "without a number" for one in mine))
    return _line(
        group,
        judged.agreement,
        reason=judged.reason,
        explanation=f"{judged.explanation} (invoices {numbers})",
        invoiced=judged.invoiced,
        difference=judged.difference,
    )


def _of_issued(
    one: IssuedInvoice, document: IssuedInvoice | None, *, charged_by_payer: bool
) -> InvoiceLine:
    """An invoice that no charge names."""
    explanation = (
        "its charges are in the line of the payer"
        if charged_by_payer
        else ("no charge has this invoice number" if one.number else "AWS lists no number of it")
    )
    if one.amount is None:
        explanation += "; AWS states no amount"
    agreement, difference, processed, reason = Agreement.MISSING, None, None, ""
    if document is None:
        explanation += "; its document was not processed"
    else:
        processed = _in_currency(document, one.currency)
        if one.amount is None:
            processed = document.amount
        elif processed is None:
            reason = "currency"
            explanation = f"the document is in {document.currency}, AWS bills {one.currency}"
        else:
            difference = WIDE.subtract(one.amount, processed)
            agreement = Agreement.DIFFERS if difference else Agreement.AGREES
            explanation += "; the document agrees" if not difference else "; the document differs"
            if difference and one.tax is not None and abs(difference) == abs(one.tax):
                agreement, reason = Agreement.EXPLAINED, "tax"
    return InvoiceLine(
        payer=one.payer,
        invoice_id=one.number,
        issuer=one.issuer,
        currency=one.currency,
        charged=None,
        invoiced=one.amount,
        processed=processed,
        difference=difference,
        agreement=agreement,
        reason=reason,
        explanation=explanation,
    )


def _of_document(document: IssuedInvoice) -> InvoiceLine:
    return InvoiceLine(
        payer=document.payer,
        invoice_id=document.number,
        issuer=document.issuer,
        currency=document.currency,
        charged=None,
        invoiced=None,
        processed=document.amount,
        difference=None,
        agreement=Agreement.MISSING,
        reason="",
        explanation="processed, but no charge and no invoice in AWS's list has this number",
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    agreement: Agreement
    difference: Decimal | None = None
    invoiced: Decimal | None = None
    reason: str = ""
    explanation: str = ""


def _judged(group: _Group, invoices: Sequence[IssuedInvoice], *, is_open: bool) -> _Judged:
    amounts = [_in_currency(one, group.currency) for one in invoices]
    if any(one.amount is None for one in invoices):
        return _Judged(Agreement.MISSING, explanation="AWS lists the invoice without an amount")
    if None in amounts:
        return _other_currency(group, invoices)
    invoiced = total(amount for amount in amounts if amount is not None)
    exact = WIDE.subtract(group.billed, invoiced)
    cents = _digits(group.currency)
    difference = rounded(exact, cents)
    if not difference:
        return _Judged(Agreement.AGREES, difference, invoiced, "", "agrees")
    found = next(_explanations(group, invoices, exact, cents), None)
    if found:
        return _Judged(Agreement.EXPLAINED, difference, invoiced, *found)
    if abs(exact) <= WIDE.multiply(
        Decimal("0.5").scaleb(-cents), Decimal(min(_ROUNDED_LINES, len(group.charges)))
    ):
        text = f"rounding: {_exact_charges(len(group.charges))}, an invoice in minor units"
        return _Judged(Agreement.EXPLAINED, difference, invoiced, "rounding", text)
    side = "charged but not invoiced" if difference > 0 else "invoiced but not charged"
    text = f"{abs(difference):,f} {group.currency} {side}; no known reason explains the difference"
    if is_open:
        text += ", and costs of this month may still change"
    reason = "late_data" if is_open else ""
    return _Judged(Agreement.DIFFERS, difference, invoiced, reason, text)


def _explanations(
    group: _Group, invoices: Sequence[IssuedInvoice], difference: Decimal, cents: int
) -> Iterator[tuple[str, str]]:
    """(reason, explanation) of each single cause that accounts for the whole difference."""
    unit = Decimal(1).scaleb(-cents)
    found = [one.tax if one.currency == group.currency else one.base_tax for one in invoices]
    taxes = total(tax for tax in found if tax is not None)
    charged_tax = total(one.billed for one in group.charges if one.category is ChargeCategory.TAX)
    off = WIDE.subtract(difference, WIDE.subtract(charged_tax, taxes))
    if WIDE.subtract(charged_tax, taxes) and abs(off) <= unit:
        yield "tax", f"tax: {charged_tax:,f} charged, {taxes:,f} invoiced"
    sums: dict[tuple[ChargeCategory, str, str], Decimal] = defaultdict(Decimal)
    for charge in group.charges:
        if charge.category in _REASONS:
            for service, account in (
                (charge.service, charge.linked_account),
                (charge.service, ""),
                ("", ""),
            ):
                key = (charge.category, service, account)
                sums[key] = WIDE.add(sums[key], charge.billed)
    for (category, service, account), amount in sorted(sums.items()):
        if amount and abs(WIDE.subtract(difference, amount)) <= unit:
            what = " ".join(filter(None, (category.value.lower(), service and f"on {service}")))
            where = f" of {account}" if account else ""
            yield _REASONS[category], f"{what}{where}: {amount:,f} is charged but not invoiced"
    # One late correction is entered after the invoice is out: it is a part of a sum, and sums of
    # two kinds together may be too.
    for (one, first), (two, second) in combinations(
        sorted(
            {
                (category, amount)
                for (category, service, account), amount in sums.items()
                if not service
            }
        ),
        2,
    ):
        if abs(WIDE.subtract(difference, WIDE.add(first, second))) <= unit:
            yield "credit", f"{one.value.lower()} and {two.value.lower()} are not on the invoice"


def _other_currency(group: _Group, invoices: Sequence[IssuedInvoice]) -> _Judged:
    currencies = sorted({one.currency for one in invoices})
    text = f"charged in {group.currency}, invoiced in {', '.join(currencies)}"
    return _Judged(Agreement.EXPLAINED, None, None, "currency", text)


def _in_currency(one: IssuedInvoice, currency: str) -> Decimal | None:
    """What the invoice comes to in a currency that it states; None in others."""
    if one.currency == currency:
        return one.amount
    if one.base_currency == currency:
        return one.base_amount
    return None


def _line(
    group: _Group,
    agreement: Agreement,
    *,
    reason: str = "",
    explanation: str,
    invoiced: Decimal | None = None,
    processed: Decimal | None = None,
    difference: Decimal | None = None,
) -> InvoiceLine:
    return InvoiceLine(
        payer=group.payer,
        invoice_id=group.invoice_id,
        issuer=group.issuer,
        currency=group.currency,
        charged=rounded(group.billed, _digits(group.currency)),
        invoiced=invoiced,
        processed=processed,
        difference=difference,
        agreement=agreement,
        reason=reason,
        explanation=explanation,
    )


def _exact_charges(count: int) -> str:
    return f"{count} exact {'charge' if count == 1 else 'charges'}"


def _digits(currency: str) -> int:
    return minor_units().get(currency) or 0
