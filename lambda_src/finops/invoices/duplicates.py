"""Whether two invoices are one, or may be one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from finops.invoices.domain import Invoice
from finops.invoices.identity import (
    legal_name_key,
    number_index_key,
    printed_number,
    tax_ids,
    vendor_key,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resemblance:
    """What an invoice has in common with another one.

    Attributes:
        invoice_id: The other invoice.
        same: Whether both are one invoice; otherwise a person decides.
        said: What they share and in what they differ, for people.
    """

    invoice_id: str
    same: bool
    said: str


def resemblance(invoice: Invoice, other: Invoice, other_id: str) -> Resemblance | None:
    """What two invoices of the same vendor and number have in common; None if they are two.

    The vendor is the same by its name or by its tax id. Invoices of different years are two, as
    many vendors start their numbers again each year.
    """
    same_vendor = number_index_key(invoice) == number_index_key(other) or (
        not tax_ids(invoice).isdisjoint(tax_ids(other))
    )
    if not same_vendor or printed_number(invoice.text("invoice_number")) != printed_number(
        other.text("invoice_number")
    ):
        return None
    dates = [one.date("invoice_date") for one in (invoice, other)]
    years = {date.year for date in dates if date}
    if len(years) > 1:
        return None
    differences = list(_differences(invoice, other))
    if not all(dates) and not _same_due_date(invoice, other, exactly=any(dates)):
        differences.append("date")
    if not differences:
        return Resemblance(
            invoice_id=other_id,
            same=True,
            said=f"invoice {other_id}, which is already processed, has the same vendor, number, "
            "year, kind and total",
        )
    return Resemblance(
        invoice_id=other_id,
        same=False,
        said=f"invoice {other_id} has the same vendor and number, but another "
        + " and ".join(differences),
    )


def first_resemblance(
    invoice: Invoice,
    others: Iterable[tuple[str, Invoice]],
    *,
    accepted: Collection[str],
    distinct: Collection[str],
) -> Resemblance | None:
    """The invoice that this one repeats, or else the first that it resembles.

    Args:
        invoice: The invoice.
        others: Those with its vendor and number.
        accepted: The ids of invoices that it may resemble, but not repeat.
        distinct: The ids of invoices that a person said it does not repeat.
    """
    found = [
        one
        for known, other in others
        if known not in distinct and (one := resemblance(invoice, other, known))
    ]
    open_ = [one for one in found if one.same or one.invoice_id not in accepted]
    return max(open_, key=lambda one: one.same, default=None)


def near_match(other_id: str) -> Resemblance:
    """What an invoice has in common with another one of its vendor, total and date."""
    return Resemblance(
        invoice_id=other_id,
        same=False,
        said=f"invoice {other_id} has the same vendor, total and date, but another number",
    )


def _differences(invoice: Invoice, other: Invoice) -> Iterable[str]:
    if vendor_key(invoice.text("vendor")) != vendor_key(other.text("vendor")):
        yield "name of the vendor"
    elif legal_name_key(invoice.text("vendor")) != legal_name_key(other.text("vendor")):
        yield "legal form"
    if invoice.kind is not other.kind:
        yield "kind"
    if (invoice.signed_total, invoice.text("currency")) != (
        other.signed_total,
        other.text("currency"),
    ):
        yield "total"
    ours, theirs = tax_ids(invoice), tax_ids(other)
    if ours and theirs and ours.isdisjoint(theirs):
        yield "tax id"


def _same_due_date(invoice: Invoice, other: Invoice, *, exactly: bool) -> bool:
    """Whether invoices are due on the same day, or without any invoice date in the same year."""
    one, two = invoice.date("due_date"), other.date("due_date")
    if one is None or two is None:
        return one is two and not exactly
    return one == two if exactly else one.year == two.year
