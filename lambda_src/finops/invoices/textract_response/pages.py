"""The pages of an AnalyzeExpense response.

Each engine answers in Textract's format:
https://docs.aws.amazon.com/textract/latest/dg/expensedocuments.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from finops.invoices.domain import Place
from finops.invoices.identity import number_key

#: How people label what to state with a payment.
_PAYMENT_REFERENCE: Final = re.compile(
    r"payment ref|reference for (?:the )?payment|remittance ref|verwendungszweck|"
    r"zahlungsreferenz|r[ée]f[ée]rence (?:de|du) paiement|betalingskenmerk|betalingsreferentie|"
    r"riferimento pagamento|referencia de pago|viitenumero",
    re.IGNORECASE,
)
#: Our field for each of Textract's types and parties; the more reliable types come first.
_FIELDS: Final = {
    ("VENDOR_NAME", ""): "vendor",
    ("NAME", "VENDOR"): "vendor",
    ("INVOICE_RECEIPT_ID", ""): "invoice_number",
    ("INVOICE_RECEIPT_DATE", ""): "invoice_date",
    ("DUE_DATE", ""): "due_date",
    ("SUBTOTAL", ""): "subtotal",
    ("TAX", ""): "tax",
    ("TOTAL", ""): "total",
    ("AMOUNT_DUE", ""): "amount_due",
    ("AMOUNT_PAID", ""): "amount_paid",
    ("SHIPPING_HANDLING_CHARGE", ""): "shipping",
    ("DISCOUNT", ""): "discount",
    ("VENDOR_VAT_NUMBER", ""): "vendor_tax_id",
    ("VENDOR_GST_NUMBER", ""): "vendor_tax_id",
    ("VENDOR_ABN_NUMBER", ""): "vendor_tax_id",
    ("TAX_PAYER_ID", ""): "vendor_tax_id",
    ("RECEIVER_VAT_NUMBER", ""): "customer_tax_id",
    ("RECEIVER_GST_NUMBER", ""): "customer_tax_id",
    ("RECEIVER_ABN_NUMBER", ""): "customer_tax_id",
    ("RECEIVER_NAME", ""): "customer",
    ("NAME", "RECEIVER"): "customer",
    ("PO_NUMBER", ""): "purchase_order",
    ("PAYMENT_TERMS", ""): "payment_terms",
}
#: Types whose meaning depends on the party that Textract groups them under.
BY_GROUP: Final = frozenset({"NAME"})
_PAGE_MARK: Final = re.compile(
    r"\b(?:page|seite|pagina|página|sida|side|strona)\s{0,3}:?\s{0,3}(\d{1,3})\s{0,3}(?:of|/|von|van|sur|de|di|av|z)"
    r"\s{0,3}(\d{1,3})\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryField:
    """A summary field of the response."""

    type: str
    group: str
    text: str
    label: str
    confidence: float
    place: Place | None
    page: int
    code: str

    @property
    def name(self) -> str:
        """Our field for it, or empty."""
        if self.type == "OTHER" and _PAYMENT_REFERENCE.search(self.label):
            return "payment_reference"
        return _FIELDS.get((self.type, self.group if self.type in BY_GROUP else ""), "")

    @property
    def of_customer(self) -> bool:
        """Whether Textract says that it is about the receiver."""
        return self.type.startswith("RECEIVER") or self.group.startswith("RECEIVER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A printed line; its confidence is in percent."""

    text: str
    confidence: float = 0.0
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What was found on a page; items are as Textract states them."""

    number: int
    fields: tuple[SummaryField, ...]
    items: tuple[Mapping[str, Any], ...]
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, number: int, document: Mapping[str, Any]) -> Page:
        """The page of one of the response's `ExpenseDocuments`."""
        fields = tuple(_found(one, number) for one in document.get("SummaryFields") or ())
        number = fields[0].page if fields else number
        items = tuple(
            item
            for group in document.get("LineItemGroups") or ()
            for item in group.get("LineItems") or ()
        )
        lines = tuple(
            Line(
                text=clean(block.get("Text") or ""),
                confidence=float(block.get("Confidence", 100.0)),
                place=_place(block, number),
            )
            for block in document.get("Blocks") or ()
            if block.get("BlockType") == "LINE"
        )
        return cls(
            number=number,
            fields=fields,
            items=items,
            lines=lines,
        )

    @property
    def holds(self) -> bool:
        """Whether any field or item was found."""
        return bool(self.fields or self.items)

    @property
    def invoice_number(self) -> str:
        """The most certain one as numbers are compared, or empty."""
        found = [one for one in self.fields if one.name == "invoice_number" and one.text]
        return number_key(max(found, key=lambda one: one.confidence).text) if found else ""

    @property
    def mark(self) -> int:
        """The page number of its invoice that is printed on it; 0 if there is none."""
        for line in self.lines:
            if match := _PAGE_MARK.search(line.text):
                return int(match[1])
        for one in self.fields:
            if match := _PAGE_MARK.search(f"{one.label} {one.text}"):
                return int(match[1])
        return 0


def invoices_of(pages: Sequence[Page]) -> Iterator[list[Page]]:
    """The pages of each invoice of a document."""
    group: list[Page] = []
    number = ""
    for page in pages:
        another = bool(number and page.invoice_number and page.invoice_number != number)
        # "Page 2 of 3" belongs to the same invoice, even if its number was misread.
        begins = page.mark == 1 or (another and page.mark <= 1)
        # A page without any field, such as a payment slip, is part of the invoice beside it.
        holds = page.holds and any(one.holds for one in group)
        if holds and begins and (another or page.mark == 1):
            yield group
            group, number = [], ""
        group.append(page)
        number = number or page.invoice_number
    if group:
        yield group


def item_texts(pages: Iterable[Page]) -> Iterator[str]:
    """The prices of all items, as they are printed."""
    for page in pages:
        for item in page.items:
            for one in item.get("LineItemExpenseFields") or ():
                if (one.get("Type") or {}).get("Text") in {"UNIT_PRICE", "PRICE"}:
                    yield clean((one.get("ValueDetection") or {}).get("Text") or "")


def clean(text: str) -> str:
    """The text in valid Unicode and without control characters.

    Text layers of PDFs contain halves of characters beyond U+FFFF.
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) != "Cc" else " "
        for c in whole
        if c not in "\ufffe\uffff"
    )


def _found(one: Mapping[str, Any], page: int) -> SummaryField:
    kind, value = one.get("Type") or {}, one.get("ValueDetection") or {}
    number = int(one.get("PageNumber") or page)
    groups = (t for g in one.get("GroupProperties") or () for t in g.get("Types") or ())
    return SummaryField(
        type=kind.get("Text") or "OTHER",
        group=next(groups, ""),
        text=clean(value.get("Text") or ""),
        label=clean((one.get("LabelDetection") or {}).get("Text") or ""),
        confidence=min(float(kind.get("Confidence") or 0.0), float(value.get("Confidence") or 0.0)),
        place=_place(value, number),
        page=number,
        code=(one.get("Currency") or {}).get("Code") or "",
    )


def _place(value: Mapping[str, Any], page: int) -> Place | None:
    box = (value.get("Geometry") or {}).get("BoundingBox")
    if not box:
        return None
    return Place(
        page=page, left=box["Left"], top=box["Top"], width=box["Width"], height=box["Height"]
    )
