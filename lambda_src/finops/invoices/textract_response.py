"""Invoices from Textract's AnalyzeExpense response; every field and line it found is kept.

Each engine answers in Textract's format:
https://docs.aws.amazon.com/textract/latest/dg/expensedocuments.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from finops.invoices.conventions import Conventions
from finops.invoices.currencies import currency_of
from finops.invoices.domain import (
    AMOUNTS,
    DATES,
    Invoice,
    InvoiceKind,
    LineItem,
    OtherField,
    Place,
    Reading,
)
from finops.invoices.identity import number_key, vendor_key
from finops.shared.money import EXACT, minor_units

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
    ("SHIPPING_HANDLING_CHARGE", ""): "shipping",
    ("DISCOUNT", ""): "discount",
    ("VENDOR_VAT_NUMBER", ""): "vendor_tax_id",
    ("TAX_PAYER_ID", ""): "vendor_tax_id",
    ("RECEIVER_NAME", ""): "customer",
    ("NAME", "RECEIVER"): "customer",
    ("PO_NUMBER", ""): "purchase_order",
    ("PAYMENT_TERMS", ""): "payment_terms",
}
#: Types whose meaning depends on the party that Textract groups them under.
_BY_GROUP: Final = frozenset({"NAME"})
_GRAND: Final = re.compile(
    r"grand|balance due|total due|amount due|to pay|payable|incl|brutto|gesamt|zahl|endbetrag|ttc|"
    r"à payer|a payer|te betalen|totaal|a pagar|da pagare|att betala",
    re.IGNORECASE,
)
_CREDIT_NOTE: Final = re.compile(
    r"credit (?:note|memo)|gutschrift|rechnungskorrektur|stornorechnung|\bavoir\b|"
    r"note de cr[ée]dit|credit(?:nota|factuur)|nota de (?:cr[ée]dito|abono)|factura rectificativa|"
    r"nota di credito|kredit(?:nota|faktura)|korrekturrechnung",
    re.IGNORECASE,
)
_PAGE_MARK: Final = re.compile(
    r"\b(?:page|seite|pagina|página|sida|side|strona)\s{0,3}:?\s{0,3}(\d{1,3})\s{0,3}(?:of|/|von|van|sur|de|di|av|z)"
    r"\s{0,3}(\d{1,3})\b",
    re.IGNORECASE,
)
_TAX_LABEL: Final = re.compile(r"\b(?:tax|vat|mwst|ust|tva|btw|iva|moms|gst)\b", re.IGNORECASE)
#: Fields where a second value is a contradiction; of other fields the first is used.
_CRITICAL: Final = AMOUNTS | DATES | {"vendor", "invoice_number"}
#: Percent: other values below this confidence are noise, and no contradiction.
_NOISE: Final = 50.0


def read_expense(response: Mapping[str, Any], *, source: str = "textract") -> list[Invoice]:
    """The invoices of a document: usually one, none if nothing was found.

    The next invoice starts at a page with another invoice number, or marked as page 1.

    Args:
        response: AnalyzeExpense's response, with the pages of a job joined.
        source: The engine: the `source` of each reading.
    """
    pages = [
        _Page.of(number, one) for number, one in enumerate(response.get("ExpenseDocuments", ()), 1)
    ]
    return [
        _Reader(group, source).invoice() for group in _groups(pages) if any(p.holds for p in group)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
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
        return _FIELDS.get((self.type, self.group if self.type in _BY_GROUP else ""), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    number: int
    fields: tuple[_Found, ...]
    items: tuple[Mapping[str, Any], ...]
    lines: tuple[str, ...]

    @classmethod
    def of(cls, number: int, document: Mapping[str, Any]) -> _Page:
        fields = tuple(_found(one, number) for one in document.get("SummaryFields", ()))
        items = tuple(
            item
            for group in document.get("LineItemGroups", ())
            for item in group.get("LineItems", ())
        )
        lines = tuple(
            block.get("Text", "")
            for block in document.get("Blocks", ())
            if block.get("BlockType") == "LINE"
        )
        return cls(
            number=fields[0].page if fields else number, fields=fields, items=items, lines=lines
        )

    @property
    def holds(self) -> bool:
        return bool(self.fields or self.items)

    @property
    def invoice_number(self) -> str:
        found = [one for one in self.fields if one.name == "invoice_number" and one.text]
        return number_key(max(found, key=lambda one: one.confidence).text) if found else ""

    @property
    def mark(self) -> int:
        """The page number of its invoice that is printed on it; 0 if there is none."""
        for line in self.lines:
            if match := _PAGE_MARK.search(line):
                return int(match[1])
        for one in self.fields:
            if match := _PAGE_MARK.search(f"{one.label} {one.text}"):
                return int(match[1])
        return 0


def _groups(pages: Sequence[_Page]) -> Iterator[list[_Page]]:
    group: list[_Page] = []
    number = ""
    for page in pages:
        another = bool(number and page.invoice_number and page.invoice_number != number)
        # "Page 2 of 3" belongs to the same invoice, even if its number was misread.
        begins = page.mark == 1 or (another and page.mark <= 1)
        if group and begins and (another or page.mark == 1):
            yield group
            group, number = [], ""
        group.append(page)
        number = number or page.invoice_number
    if group:
        yield group


@dataclass(slots=True)
class _Candidate:
    """A field with its canonical value."""

    found: _Found
    value: str
    doubt: str = ""


@dataclass(slots=True)
class _Reader:
    """Makes one invoice from its pages."""

    pages: list[_Page]
    source: str
    readings: dict[str, Reading] = field(default_factory=dict)
    other: list[OtherField] = field(default_factory=list)

    def invoice(self) -> Invoice:
        fields = [one for page in self.pages for one in page.fields]
        lines = [line for page in self.pages for line in page.lines]
        texts = [*lines, *(one.text for one in fields), *_item_texts(self.pages)]
        conventions = Conventions.of(texts)
        code = self._read_currency(fields, texts)
        digits = minor_units().get(code)
        candidates: dict[str, list[_Candidate]] = {}
        for one in fields:
            if one.name:
                candidates.setdefault(one.name, []).append(_meant(one, conventions, digits))
            else:
                self.other.append(_other(one, "unmapped"))
        self._read_sums(candidates)
        for name, found in candidates.items():
            if name not in self.readings:
                self._choose(name, found)
        self._doubt_parties()
        self._total_from_amount_due()
        return Invoice(
            kind=_kind(self.pages[0], lines, fields),
            readings=self.readings,
            line_items=tuple(
                _line_item(item, page.number, conventions, digits)
                for page in self.pages
                for item in page.items
            ),
            other=tuple(self.other),
            pages=tuple(page.number for page in self.pages),
        )

    def _read_currency(self, fields: Sequence[_Found], texts: Iterable[str]) -> str:
        money = [one for one in fields if one.name in AMOUNTS]
        code, doubt = currency_of(
            (one.text for one in money),
            (one.label for one in money),
            texts,
            (one.code for one in money if one.code),
        )
        if code:
            shown = next((one for one in money if one.name == "total"), money[0] if money else None)
            self.readings["currency"] = Reading(
                value=code,
                text=shown.text if shown else code,
                confidence=shown.confidence if shown else 50.0,
                place=shown.place if shown else None,
                source=self.source,
                doubt=doubt,
            )
        return code

    def _read_sums(self, candidates: Mapping[str, list[_Candidate]]) -> None:
        """Total, subtotal and tax together: values that add up are right."""
        totals = _by_trust(candidates.get("total", []), _total_rank)
        subtotals = _by_trust(candidates.get("subtotal", []), _confidence)
        taxes = candidates.get("tax", [])
        distinct = list({one.value: one for one in taxes if one.value}.values())
        for total in totals:
            for subtotal in subtotals:
                rest = EXACT.subtract(Decimal(total.value), Decimal(subtotal.value))
                exact = next((one for one in distinct if Decimal(one.value) == rest), None)
                if exact:
                    self._settle("total", total, candidates["total"])
                    self._settle("subtotal", subtotal, candidates["subtotal"])
                    self._settle("tax", exact, taxes)
                    return
                added = sum((Decimal(one.value) for one in distinct), Decimal(0))
                if len(distinct) > 1 and added == rest:
                    self._settle("total", total, candidates["total"])
                    self._settle("subtotal", subtotal, candidates["subtotal"])
                    self._add_up(distinct, taxes, added)
                    return
        if totals:
            self._choose("total", candidates["total"], _total_rank)

    def _add_up(self, parts: list[_Candidate], taxes: list[_Candidate], added: Decimal) -> None:
        """The tax is the sum of the taxes at several rates."""
        first = parts[0].found
        self.readings["tax"] = Reading(
            value=f"{added:f}",
            text=" + ".join(one.found.text for one in parts),
            label=first.label,
            confidence=min(one.found.confidence for one in parts),
            place=first.place,
            source=self.source,
        )
        self.other += [_other(one.found, "repeated") for one in taxes]

    def _settle(self, name: str, chosen: _Candidate, found: Iterable[_Candidate]) -> None:
        """Take a value that other values confirm."""
        self.readings[name] = self._reading(chosen)
        for one in found:
            if one is not chosen:
                same = one.value == chosen.value
                self.other.append(_other(one.found, "repeated" if same else "contradicts"))

    def _choose(
        self,
        name: str,
        found: list[_Candidate],
        rank: Any = None,
    ) -> None:
        best = _by_trust(found, rank or _confidence)
        chosen = best[0] if best else max(found, key=lambda one: one.found.confidence)
        reading = self._reading(chosen)
        against = [
            one
            for one in found
            if one.value
            and not _same(name, one.value, chosen.value)
            and one.found.confidence >= max(_NOISE, chosen.found.confidence - 30)
        ]
        if against and not reading.doubt and name in _CRITICAL:
            others = sorted({one.value for one in against})
            reading = replace(
                reading, doubt=f"the document shows {chosen.value} and also {' and '.join(others)}"
            )
        self.readings[name] = reading
        for one in found:
            if one is not chosen:
                same = _same(name, one.value, chosen.value)
                self.other.append(_other(one.found, "repeated" if same else "contradicts"))

    def _reading(self, chosen: _Candidate) -> Reading:
        return Reading(
            value=chosen.value,
            text=chosen.found.text,
            label=chosen.found.label,
            confidence=round(chosen.found.confidence, 2),
            place=chosen.found.place,
            source=self.source,
            doubt=chosen.doubt,
        )

    def _doubt_parties(self) -> None:
        vendor, customer = self.readings.get("vendor"), self.readings.get("customer")
        if vendor and customer and vendor_key(vendor.value) == vendor_key(customer.value):
            self.readings["vendor"] = replace(vendor, doubt="the customer has the same name")

    def _total_from_amount_due(self) -> None:
        due = self.readings.get("amount_due")
        if "total" not in self.readings and due and due.value:
            self.readings["total"] = replace(
                due, doubt=due.doubt or "the document has no total, only an amount due"
            )


def _meant(found: _Found, conventions: Conventions, digits: int | None) -> _Candidate:
    if found.name in AMOUNTS:
        amount, doubt = conventions.amount(found.text, digits)
        return _Candidate(found, "" if amount is None else f"{amount:f}", doubt)
    if found.name in DATES:
        day, doubt = conventions.date(found.text)
        return _Candidate(found, day.isoformat() if day else "", doubt)
    text = " ".join(found.text.split())
    if found.name in {"vendor", "customer"}:
        text = re.sub(r"^[\s\-–|•:;,]+|[\s\-–|•:;,]+$", "", text)  # noqa: RUF001
    if found.name == "invoice_number":
        text = re.sub(r"^(?:n[o°º]\.?|nr\.?|#|:)\s*", "", text, flags=re.IGNORECASE).strip(" :#")
    return _Candidate(found, text)


def _by_trust(found: Iterable[_Candidate], rank: Any) -> list[_Candidate]:
    return sorted((one for one in found if one.value), key=rank, reverse=True)


def _confidence(one: _Candidate) -> tuple[bool, float, int]:
    own_type = one.found.type not in _BY_GROUP and one.found.type != "TAX_PAYER_ID"
    return (own_type, one.found.confidence, -one.found.page)


def _total_rank(one: _Candidate) -> tuple[bool, int, bool, float]:
    """Prefers the grand total on the last page to sums that are carried over."""
    sure = one.found.confidence >= _NOISE
    grand = bool(_GRAND.search(one.found.label))
    return (sure, one.found.page, grand, one.found.confidence)


def _same(name: str, one: str, other: str) -> bool:
    if name in AMOUNTS and one and other:
        return Decimal(one) == Decimal(other)
    if name in {"vendor", "customer"}:
        return vendor_key(one) == vendor_key(other)
    if name in {"invoice_number", "vendor_tax_id", "purchase_order"}:
        return number_key(one) == number_key(other)
    return one == other


def _kind(first: _Page, lines: Sequence[str], fields: Sequence[_Found]) -> InvoiceKind:
    titles = [line for line in first.lines[:40] if len(line) <= 60]
    titles += [one.label for one in fields] if not lines else []
    titles += [one.label for one in fields if one.name == "invoice_number"]
    if any(_CREDIT_NOTE.search(title) for title in titles):
        return InvoiceKind.CREDIT_NOTE
    return InvoiceKind.INVOICE


def _line_item(
    item: Mapping[str, Any], page: int, conventions: Conventions, digits: int | None
) -> LineItem:
    texts: dict[str, str] = {}
    other: dict[str, str] = {}
    sure = 100.0
    for one in item.get("LineItemExpenseFields", ()):
        kind = one.get("Type", {}).get("Text", "OTHER")
        value = one.get("ValueDetection", {})
        text = " ".join(value.get("Text", "").split())
        label = " ".join(one.get("LabelDetection", {}).get("Text", "").split())
        if kind != "EXPENSE_ROW" and text:
            sure = min(sure, float(value.get("Confidence", 0.0)))
        if kind == "OTHER" and _TAX_LABEL.search(label) and "%" not in text and "TAX" not in texts:
            texts["TAX"] = text
        elif kind == "OTHER" or kind in texts:
            key = label or kind
            while key in other:
                key += "'"
            other[key] = text
        else:
            texts[kind] = text

    def number(kind: str) -> Decimal | None:
        return conventions.amount(texts[kind], digits)[0] if texts.get(kind) else None

    quantity = None
    if texts.get("QUANTITY"):
        # A quantity has no minor units: 1.000 can mean one or a thousand.
        quantity, _ = conventions.amount(texts["QUANTITY"], None)
    return LineItem(
        description=texts.get("ITEM", "") or texts.get("PRODUCT_CODE", ""),
        product_code=texts.get("PRODUCT_CODE", ""),
        quantity=quantity,
        unit_price=number("UNIT_PRICE"),
        amount=number("PRICE"),
        tax=number("TAX"),
        confidence=round(sure, 2),
        page=page,
        text=texts.get("EXPENSE_ROW", ""),
        other={
            **{kind: text for kind, text in texts.items() if kind not in _ITEM_TYPES},
            **other,
        },
    )


_ITEM_TYPES: Final = frozenset(
    {"ITEM", "PRODUCT_CODE", "QUANTITY", "UNIT_PRICE", "PRICE", "TAX", "EXPENSE_ROW"}
)


def _item_texts(pages: Iterable[_Page]) -> Iterator[str]:
    for page in pages:
        for item in page.items:
            for one in item.get("LineItemExpenseFields", ()):
                if one.get("Type", {}).get("Text") in {"UNIT_PRICE", "PRICE"}:
                    yield one.get("ValueDetection", {}).get("Text", "")


def _found(one: Mapping[str, Any], page: int) -> _Found:
    kind, value = one.get("Type", {}), one.get("ValueDetection", {})
    number = int(one.get("PageNumber") or page)
    return _Found(
        type=kind.get("Text", "OTHER"),
        group=next((t for g in one.get("GroupProperties") or () for t in g.get("Types", ())), ""),
        text=value.get("Text", ""),
        label=one.get("LabelDetection", {}).get("Text", ""),
        confidence=min(float(kind.get("Confidence", 0.0)), float(value.get("Confidence", 0.0))),
        place=_place(value, number),
        page=number,
        code=(one.get("Currency") or {}).get("Code", ""),
    )


def _place(value: Mapping[str, Any], page: int) -> Place | None:
    box = value.get("Geometry", {}).get("BoundingBox")
    if not box:
        return None
    return Place(
        page=page, left=box["Left"], top=box["Top"], width=box["Width"], height=box["Height"]
    )


def _other(found: _Found, reason: str) -> OtherField:
    return OtherField(
        type=found.type,
        text=found.text,
        label=found.label,
        confidence=round(found.confidence, 2),
        place=found.place,
        group=found.group,
        reason=reason,
    )
