"""Makes the invoices of a document from its pages."""

from __future__ import annotations

import re
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
    OtherField,
    Reading,
    TaxByRate,
)
from finops.invoices.ibans import compact, ibans_in, other_accounts
from finops.invoices.identity import number_key, vendor_key
from finops.invoices.kinds import Heading, kind_of
from finops.invoices.textract_response.line_items import line_item
from finops.invoices.textract_response.pages import (
    BY_GROUP,
    Line,
    Page,
    SummaryField,
    invoices_of,
    item_texts,
)
from finops.invoices.textract_response.parties import no_name, sellers
from finops.invoices.totals import Amount, taxes_by_rate, weighed
from finops.invoices.vendors.evidence import (
    NAMED_CURRENCY,
    PRINTED_ACCOUNT,
    PRINTED_DOMAIN,
    PRINTED_IBAN,
    domains_in,
)
from finops.shared.money import EXACT, minor_units

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
#: Fields where a second value is a contradiction; of other fields the first is used.
_CRITICAL: Final = AMOUNTS | DATES | {"vendor", "invoice_number"}
#: A doubt about a field for which a document has several values.
CONTRADICTED: Final = "the document shows"
#: UNTDID 5305: any rate above zero.
STANDARD_RATE: Final = "S"
#: Percent: other values below this confidence are noise, and no contradiction.
_NOISE: Final = 50.0
#: A title is above this part of the page's height.
_TITLES_END: Final = 0.5
#: Registered capital, which French, Italian and German law has on each invoice, is no total.
_CAPITAL: Final = re.compile(r"capital|kapital|cap\. ?soc|kapitaal|limit", re.IGNORECASE)
_PRINTED_AMOUNT: Final = re.compile(
    r"(?<![\w.,/\-:])\d{1,3}(?:[.,' \u2019]?\d{3})*[.,]\d{2}(?![\d.,/\-:])(?!\s*(?:%|[^\W\d_]{2,}))"
    r"|(?<![\w.,/\-:])\d{1,3}(?:[.,' \u2019]?\d{3})*[.,]\d{2}(?=\s*[A-Z]{3}\b)"
)


def read_expense(response: Mapping[str, Any], *, source: str = "textract") -> list[Invoice]:
    """The invoices of a document: usually one, none if nothing was found.

    The next invoice starts at a page with another invoice number, or marked as page 1.

    Args:
        response: AnalyzeExpense's response, with the pages of a job joined.
        source: The engine: the `source` of each reading.
    """
    pages = [
        Page.of(number, one) for number, one in enumerate(response.get("ExpenseDocuments", ()), 1)
    ]
    return [
        _Reader(group, source).invoice()
        for group in invoices_of(pages)
        if any(p.holds for p in group)
    ]


@dataclass(slots=True)
class _Candidate:
    """A field with its canonical value."""

    found: SummaryField
    value: str
    doubt: str = ""


@dataclass(slots=True)
class _Reader:
    """Makes one invoice from its pages."""

    pages: list[Page]
    source: str
    readings: dict[str, Reading] = field(default_factory=dict)
    other: list[OtherField] = field(default_factory=list)
    taxes: tuple[TaxByRate, ...] = ()

    def invoice(self) -> Invoice:
        fields = [one for page in self.pages for one in page.fields]
        lines = [line for page in self.pages for line in page.lines]
        printed = [*(one.text for one in fields), *item_texts(self.pages)]
        own = sellers(lines, fields)
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
                line_item(item, page.number, conventions, digits)
                for page in self.pages
                for item in page.items
            ),
            other=tuple(self.other),
            pages=tuple(page.number for page in self.pages),
        )

    def _read_currency(self, fields: Sequence[SummaryField], lines: Sequence[Line]) -> str:
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

    def _read_accounts(self, lines: Sequence[Line], fields: Sequence[SummaryField]) -> None:
        """Every account that is printed, whoever it belongs to."""
        found: dict[str, Line | SummaryField] = {}
        printed: tuple[Line | SummaryField, ...] = (*lines, *fields)
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
        lines: Sequence[Line],
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
        doubt = no_name(vendor.value)
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


def _meant(found: SummaryField, conventions: Conventions, digits: int | None) -> _Candidate:
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
    own_type = one.found.type not in BY_GROUP and one.found.type != "TAX_PAYER_ID"
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


def _kind(first: Page, fields: Sequence[SummaryField]) -> tuple[InvoiceKind, str]:
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


def _showing(
    text: str, money: Sequence[SummaryField], lines: Sequence[Line], fields: Sequence[SummaryField]
) -> SummaryField | Line | None:
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


def _other(found: SummaryField, reason: str) -> OtherField:
    return OtherField(
        type=found.type,
        text=found.text,
        label=found.label,
        confidence=round(found.confidence, 2),
        place=found.place,
        group=found.group,
        reason=reason,
    )
