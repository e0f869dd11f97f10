"""Invoices from Textract's AnalyzeExpense response; every field and line it found is kept.

Each engine answers in Textract's format:
https://docs.aws.amazon.com/textract/latest/dg/expensedocuments.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from statistics import median
from typing import Any, Final

from finops.invoices.conventions import Conventions
from finops.invoices.currencies import currencies_named, currency_of
from finops.invoices.domain import (
    AMOUNTS,
    DATES,
    Invoice,
    InvoiceKind,
    LineItem,
    OtherField,
    Place,
    Reading,
    TaxByRate,
)
from finops.invoices.ibans import compact, ibans_in, other_accounts
from finops.invoices.identity import number_key, vendor_key
from finops.invoices.kinds import Heading, kind_of
from finops.invoices.totals import Amount, taxes_by_rate, weighed
from finops.invoices.vendors.evidence import (
    NAMED_CURRENCY,
    PRINTED_ACCOUNT,
    PRINTED_DOMAIN,
    PRINTED_IBAN,
    domains_in,
)
from finops.shared.money import EXACT, is_currency, minor_units

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
_BY_GROUP: Final = frozenset({"NAME"})
_GRAND: Final = re.compile(
    r"grand|balance due|total due|amount due|to pay|payable|incl|brutto|gesamt|zahl|endbetrag|ttc|"
    r"à payer|a payer|te betalen|totaal|a pagar|da pagare|att betala",
    re.IGNORECASE,
)
#: Totals of other things than what is to be paid.
_NO_MONEY: Final = re.compile(
    r"\b(?:points?|punkte|saved|savings?|ersparnis|quantity|qty|items|weight|hours)\b",
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
#: A doubt about a field for which a document has several values.
CONTRADICTED: Final = "the document shows"
#: UNTDID 5305: any rate above zero.
STANDARD_RATE: Final = "S"
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
        if self.type == "OTHER" and _PAYMENT_REFERENCE.search(self.label):
            return "payment_reference"
        return _FIELDS.get((self.type, self.group if self.type in _BY_GROUP else ""), "")

    @property
    def of_customer(self) -> bool:
        return self.type.startswith("RECEIVER") or self.group.startswith("RECEIVER")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    text: str
    confidence: float = 0.0
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    number: int
    fields: tuple[_Found, ...]
    items: tuple[Mapping[str, Any], ...]
    lines: tuple[_Line, ...]

    @classmethod
    def of(cls, number: int, document: Mapping[str, Any]) -> _Page:
        fields = tuple(_found(one, number) for one in document.get("SummaryFields") or ())
        number = fields[0].page if fields else number
        items = tuple(
            item
            for group in document.get("LineItemGroups") or ()
            for item in group.get("LineItems") or ()
        )
        lines = tuple(
            _Line(
                text=_clean(block.get("Text") or ""),
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
        return bool(self.fields or self.items)

    @property
    def invoice_number(self) -> str:
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


def _groups(pages: Sequence[_Page]) -> Iterator[list[_Page]]:
    group: list[_Page] = []
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
    taxes: tuple[TaxByRate, ...] = ()

    def invoice(self) -> Invoice:
        fields = [one for page in self.pages for one in page.fields]
        lines = [line for page in self.pages for line in page.lines]
        printed = [*(one.text for one in fields), *_item_texts(self.pages)]
        own = _sellers(lines, fields)
        conventions = Conventions.of(
            [*(line.text for line in lines), *printed],
            seller=[
                *(line.text for line in own),
                *(one.text for one in fields if not one.of_customer),
            ],
            address=[one.text for one in fields if one.type == "VENDOR_ADDRESS"],
        )
        self._read_accounts(lines, fields)
        self.other += (
            OtherField(type=PRINTED_DOMAIN, text=domain, reason="printed")
            for domain in dict.fromkeys(
                one
                for text in (
                    *(line.text for line in own),
                    *(found.text for found in fields if not found.of_customer),
                )
                for one in domains_in(text)
            )
        )
        code = self._read_currency(fields, own)
        digits = minor_units().get(code)
        candidates: dict[str, list[_Candidate]] = {}
        for one in fields:
            # An empty value says nothing.
            if one.name and one.text.strip():
                candidates.setdefault(one.name, []).append(_meant(one, conventions, digits))
            else:
                self.other.append(_other(one, "unmapped"))
        if not self._read_sums(candidates, digits):
            self._choose_total(candidates.get("total", []), lines, conventions, digits)
        for name, found in candidates.items():
            if name not in self.readings:
                self._choose(name, found)
        self._doubt_parties()
        self._total_from_amount_due()
        kind, kind_doubt = _kind(self.pages[0], fields)
        return Invoice(
            kind=kind,
            kind_doubt=kind_doubt,
            readings=self.readings,
            taxes=self.taxes,
            line_items=tuple(
                _line_item(item, page.number, conventions, digits)
                for page in self.pages
                for item in page.items
            ),
            other=tuple(self.other),
            pages=tuple(page.number for page in self.pages),
        )

    def _read_currency(self, fields: Sequence[_Found], lines: Sequence[_Line]) -> str:
        money = sorted(
            (one for one in fields if one.name in AMOUNTS), key=lambda one: one.name != "total"
        )
        code, doubt, text = currency_of(
            (one.text for one in money),
            (one.label for one in money),
            (
                *(line.text for line in lines),
                *(one.text for one in fields if not one.of_customer and one.name not in AMOUNTS),
            ),
            (one.code for one in money if one.code),
            address=(one.text for one in fields if one.type == "VENDOR_ADDRESS"),
        )
        if code:
            shown = _showing(text, money, lines, fields)
            self.readings["currency"] = Reading(
                value=code,
                text=shown.text if shown else code,
                confidence=round(shown.confidence, 2) if shown else 50.0,
                place=shown.place if shown else None,
                source=self.source,
                doubt=doubt,
            )
        else:
            named = currencies_named(
                [*(line.text for line in lines), *(f"{one.label} {one.text}" for one in fields)]
            )
            self.other += (
                OtherField(type=NAMED_CURRENCY, text=one, reason="printed") for one in sorted(named)
            )
        return code

    def _read_accounts(self, lines: Sequence[_Line], fields: Sequence[_Found]) -> None:
        """Every account that is printed, whoever it belongs to."""
        found: dict[str, _Line | _Found] = {}
        printed: tuple[_Line | _Found, ...] = (*lines, *fields)
        for one in printed:
            for iban in ibans_in(one.text):
                found.setdefault(iban, one)
        for page in self.pages:
            for iban in ibans_in("\n".join(line.text for line in page.lines)):
                begins = (line for line in page.lines if iban[:4] in compact(line.text))
                found.setdefault(iban, next(begins, page.lines[0]))
        for at, (iban, one) in enumerate(found.items()):
            if at == 0:
                self.readings["iban"] = Reading(
                    value=iban,
                    text=one.text,
                    confidence=round(one.confidence, 2),
                    place=one.place,
                    source=self.source,
                )
            else:
                self.other.append(
                    OtherField(
                        type=PRINTED_IBAN,
                        text=iban,
                        confidence=round(one.confidence, 2),
                        place=one.place,
                        reason="printed",
                    )
                )
        self.other += (
            OtherField(type=PRINTED_ACCOUNT, text=one, reason="printed")
            for one in other_accounts([line.text for line in lines])
        )

    def _read_sums(self, candidates: Mapping[str, list[_Candidate]], digits: int | None) -> bool:
        """Total, subtotal and tax together, if there are values that add up."""
        totals = candidates.get("total", [])
        found = {
            "total": _by_trust(totals, _total_rank),
            "amount_due": _by_trust(candidates.get("amount_due", []), _confidence),
            "subtotal": _by_trust(candidates.get("subtotal", []), _confidence),
            "tax": [one for one in candidates.get("tax", []) if one.value],
        }
        every = [one for some in found.values() for one in some]
        amounts = {
            name: [
                Amount(every.index(one), Decimal(one.value), one.found.label, one.found.page)
                for one in some
                if name == "tax" or one.found.confidence >= _NOISE
                if not _NO_MONEY.search(one.found.label)
            ]
            for name, some in found.items()
        }
        best = weighed(amounts["total"], amounts["amount_due"], amounts["subtotal"], amounts["tax"])
        if best is None:
            return False
        for name, parts in (
            ("total", (best.total,)),
            ("subtotal", best.subtotals),
            ("tax", best.taxes),
        ):
            chosen = [every[one.at] for one in parts]
            self._settle(name, chosen, candidates.get(name, []))
        self.taxes = tuple(
            TaxByRate(category=STANDARD_RATE, rate=rate, base=base, tax=tax)
            for rate, base, tax in taxes_by_rate(
                best, Decimal(1).scaleb(-(2 if digits is None else digits))
            )
        )
        if best.doubt:
            total = self.readings["total"]
            self.readings["total"] = replace(total, doubt=total.doubt or best.doubt)
        return True

    def _choose_total(
        self,
        found: list[_Candidate],
        lines: Sequence[_Line],
        conventions: Conventions,
        digits: int | None,
    ) -> None:
        """The most credible total, which no subtotal and tax confirm."""
        if not any(one.value for one in found):
            return
        self._choose("total", found, _total_rank)
        total = self.readings["total"]
        larger = {
            amount
            for line in lines
            for amount in _printed_amounts(line.text, conventions, digits)
            if amount > abs(Decimal(total.value))
        }
        if larger and not total.doubt:
            doubt = f"nothing confirms it, and the document shows a larger amount: {max(larger):f}"
            self.readings["total"] = replace(total, doubt=doubt)

    def _settle(self, name: str, chosen: Sequence[_Candidate], found: Iterable[_Candidate]) -> None:
        """Take values that other values confirm; several, one for each rate of tax, are added."""
        reading = self._reading(chosen[0])
        added = EXACT.create_decimal(0)
        for one in chosen:
            added = EXACT.add(added, Decimal(one.value))
        if len(chosen) > 1:
            reading = replace(
                reading,
                value=f"{added:f}",
                text=" + ".join(one.found.text for one in chosen),
                confidence=round(min(one.found.confidence for one in chosen), 2),
                doubt=next((one.doubt for one in chosen if one.doubt), ""),
            )
        self.readings[name] = reading
        for one in found:
            if len(chosen) > 1 or one is not chosen[0]:
                same = one in chosen or _same(name, one.value, reading.value)
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
                reading, doubt=f"{CONTRADICTED} {chosen.value} and also {' and '.join(others)}"
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
        if vendor is None:
            return
        doubt = _no_name(vendor.value)
        if customer and vendor_key(vendor.value) == vendor_key(customer.value):
            doubt = "the customer has the same name"
        if doubt:
            self.readings["vendor"] = replace(vendor, doubt=doubt)

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
    if name in {"invoice_number", "vendor_tax_id", "customer_tax_id", "purchase_order"}:
        return number_key(one) == number_key(other)
    return one == other


def _kind(first: _Page, fields: Sequence[_Found]) -> tuple[InvoiceKind, str]:
    """The kind by the titles of the first page: lines above the items, in no row of amounts."""
    rows = [
        " ".join((field.get("ValueDetection") or {}).get("Text", "").split())
        for item in first.items
        for field in item.get("LineItemExpenseFields") or ()
    ]
    tops = [line.place.top for line in first.lines if line.place and line.text in rows]
    money = [
        line.place.top
        for line in first.lines
        if line.place and re.search(r"\d[.,]\d{2}(?![\d.,])", line.text)
    ]
    end = min([*tops, _TITLES_END])
    headings = [
        Heading(line.text, line.place.height if line.place else 0.0)
        for line in first.lines[:60]
        if line.text not in rows
        and (line.place is None or line.place.top < end)
        and not (line.place and any(abs(line.place.top - top) < 0.006 for top in money))
    ]
    labels = [
        one.label for one in fields if one.name == "invoice_number" or not (one.name or first.lines)
    ]
    heights = [line.place.height for line in first.lines if line.place]
    return kind_of(headings, labels, usual=median(heights) if heights else 0.0)


#: A title is above this part of the page's height.
_TITLES_END: Final = 0.5
#: Registered capital, which French, Italian and German law has on each invoice, is no total.
_CAPITAL: Final = re.compile(r"capital|kapital|cap\. ?soc|kapitaal|limit", re.IGNORECASE)
_PRINTED_AMOUNT: Final = re.compile(
    r"(?<![\w.,/\-:])\d{1,3}(?:[.,' \u2019]?\d{3})*[.,]\d{2}(?![\d.,/\-:])(?!\s*(?:%|[^\W\d_]{2,}))"
    r"|(?<![\w.,/\-:])\d{1,3}(?:[.,' \u2019]?\d{3})*[.,]\d{2}(?=\s*[A-Z]{3}\b)"
)


def _showing(
    text: str, money: Sequence[_Found], lines: Sequence[_Line], fields: Sequence[_Found]
) -> _Found | _Line | None:
    """What shows the currency: an amount or its label, a line, or another field."""
    for amount in money:
        if text in {amount.text, amount.label}:
            return amount
    for line in lines:
        if line.text == text:
            return line
    for other in fields:
        if other.text == text:
            return other
    return money[0] if money else None


def _printed_amounts(line: str, conventions: Conventions, digits: int | None) -> Iterator[Decimal]:
    """What looks like an amount of money in a line."""
    if _CAPITAL.search(line):
        return
    for match in _PRINTED_AMOUNT.finditer(line):
        amount, _ = conventions.amount(match[0], digits)
        if amount is not None:
            yield amount


def _sellers(lines: Sequence[_Line], fields: Sequence[_Found]) -> list[_Line]:
    """The lines without the customer's name and address."""
    customers = [one for one in fields if one.of_customer]
    boxes = [one.place for one in customers if one.place]
    texts = {" ".join(one.text.split()) for one in customers}
    parts = {" ".join(part.split()) for one in customers for part in one.text.split("\n")}

    def is_customers(line: _Line) -> bool:
        if line.place and boxes:
            return any(_inside(line.place, box) for box in boxes)
        text = " ".join(line.text.split())
        return text in parts or (len(text) > 3 and any(text in one for one in texts))

    return [line for line in lines if not is_customers(line)]


def _inside(small: Place, large: Place) -> bool:
    across, down = small.left + small.width / 2, small.top + small.height / 2
    return (
        small.page == large.page
        and large.left <= across <= large.left + large.width
        and large.top <= down <= large.top + large.height
    )


#: Words beside an amount; what is left of a name without them and without numbers is the name.
_NO_NAMES: Final = frozenset(
    re.findall(
        r"\S+",
        "ttc ht htva tvac net netto brutto gross total subtotal summe gesamt incl inkl "
        "excl exkl vat tax mwst ust tva btw iva moms invoice rechnung facture factuur "
        "factura fattura faktura fatura tel page seite date datum no nr",
    )
)


def _no_name(text: str) -> str:
    """Why a text is no vendor's name; empty if it can be one."""
    if re.search(r"\d[.,]\d{2}(?!\d)", text) and _names_money(text):
        return "it is an amount"
    words = [word for word in re.findall(r"[^\W\d_]+", text) if word.casefold() not in _NO_NAMES]
    if not [word for word in words if not is_currency(word)]:
        return "it is not a name"
    return ""


def _names_money(text: str) -> bool:
    return bool(re.search(r"[$€£¥₹]", text)) or any(
        is_currency(word) for word in re.findall(r"\b[A-Z]{3}\b", text)
    )


def _clean(text: str) -> str:
    """The text in valid Unicode and without control characters.

    Text layers of PDFs contain halves of characters beyond U+FFFF.
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) != "Cc" else " "
        for c in whole
        if c not in "\ufffe\uffff"
    )


def _line_item(
    item: Mapping[str, Any], page: int, conventions: Conventions, digits: int | None
) -> LineItem:
    texts: dict[str, str] = {}
    other: dict[str, str] = {}
    sure = 100.0
    for one in item.get("LineItemExpenseFields") or ():
        kind = (one.get("Type") or {}).get("Text") or "OTHER"
        value = one.get("ValueDetection") or {}
        text = " ".join(_clean(value.get("Text") or "").split())
        label = " ".join(_clean((one.get("LabelDetection") or {}).get("Text") or "").split())
        if kind != "EXPENSE_ROW" and text:
            sure = min(sure, float(value.get("Confidence") or 0.0))
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
            for one in item.get("LineItemExpenseFields") or ():
                if (one.get("Type") or {}).get("Text") in {"UNIT_PRICE", "PRICE"}:
                    yield _clean((one.get("ValueDetection") or {}).get("Text") or "")


def _found(one: Mapping[str, Any], page: int) -> _Found:
    kind, value = one.get("Type") or {}, one.get("ValueDetection") or {}
    number = int(one.get("PageNumber") or page)
    groups = (t for g in one.get("GroupProperties") or () for t in g.get("Types") or ())
    return _Found(
        type=kind.get("Text") or "OTHER",
        group=next(groups, ""),
        text=_clean(value.get("Text") or ""),
        label=_clean((one.get("LabelDetection") or {}).get("Text") or ""),
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
