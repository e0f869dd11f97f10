"""Whether the pages of a hybrid invoice say the same as its XML.

People see the page, and machines pay by the XML: who changes one of them robs somebody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from typing import Final

from finops.invoices.currencies import symbols_in
from finops.invoices.domain import Issue, Severity
from finops.invoices.einvoice.terms import EInvoice
from finops.invoices.ibans import compact, ibans_in, is_iban
from finops.invoices.identity import printed_number
from finops.invoices.text_layer.layout import analyze_expense
from finops.invoices.text_layer.words import PageWords, lines_of
from finops.shared.money import WIDE, is_money

_SPACES: Final = " \u00a0\u2009\u202f"
#: An amount with cents, with or without separators of thousands.
_AMOUNT: Final = re.compile(
    rf"(?<![\w.,])\d{{1,3}}(?:[.,'\u2019{_SPACES}]\d{{3}}){{1,5}}[.,]\d{{2}}(?![\d%]|[.,/-]\d)|"
    r"(?<![\w.,])\d{1,12}[.,]\d{2}(?![\d%]|[.,/-]\d)"
)
_CENTS: Final = re.compile(r"\d{1,12}[.,]\d{2}(?!\d|[.,/-]\d)")
_DIGITS: Final = re.compile(rf"[\d.,'\u2019{_SPACES}]+")
_IBAN: Final = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,40}")
_CODE: Final = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")
_NAMES_CURRENCY: Final = re.compile(
    r"\b(?:currency|w[äa]hrung|devise|valuta|moneda|divisa|moeda|waluta)\b", re.IGNORECASE
)
_TOTALS: Final = frozenset({"TOTAL", "AMOUNT_DUE"})


def differences(read: EInvoice, pages: Sequence[PageWords | None]) -> tuple[Issue, ...]:
    """What the pages show in another way than the XML: total, number, IBAN or currency.

    Args:
        read: The XML.
        pages: The words of each page; None for a page without text, which cannot be compared.
    """
    words = [page for page in pages if page is not None]
    if not words:
        return (
            _issue("page_not_compared", "document", "the pages have no text to compare the XML to"),
        )
    with localcontext(WIDE):
        found = list(_differences(read, _Shown(words)))
    if found and len(words) < len(pages):
        missing = ", ".join(f"{number}" for number, one in enumerate(pages, 1) if one is None)
        found.append(
            _issue("page_not_compared", "document", f"these pages have no text: {missing}")
        )
    return tuple(found)


def further_ibans(read: EInvoice, pages: Sequence[PageWords | None]) -> tuple[str, ...]:
    """The accounts that the pages show besides those of the XML, if they show one of these too.

    If they do not, that is a difference. An account that the XML debits is the customer's.
    """
    lines = (line for page in pages if page is not None for line in lines_of(page))
    text = "\n".join(" ".join(piece.text for piece in line.pieces) for line in lines)
    printed = ibans_in(text)
    debited = [compact(one.debited_account) for one in read.payment_means]
    others = [one for one in printed if not _starts(one, (*read.accounts, *debited))]
    confirmed = len(others) < len(printed) or not read.accounts
    return tuple(others) if confirmed else ()


class _Shown:
    """What the pages show."""

    def __init__(self, pages: Sequence[PageWords]) -> None:
        self.lines = [
            [_plain(piece.text) for piece in line.pieces]
            for page in pages
            for line in lines_of(page)
        ]
        self.text = "\n".join(" ".join(line) for line in self.lines)
        fields = [
            field
            for document in analyze_expense(pages)["ExpenseDocuments"]
            for field in document["SummaryFields"]
        ]
        self.labelled = [
            _plain(field["ValueDetection"]["Text"])
            for field in fields
            if field["Type"]["Text"] in _TOTALS
        ]
        self.number = next(
            (
                field["ValueDetection"]["Text"]
                for field in fields
                if field["Type"]["Text"] == "INVOICE_RECEIPT_ID"
            ),
            "",
        )

    def amounts(self) -> set[Decimal]:
        """Each amount with cents, with the separators that its piece of a line shows."""
        return {
            _value(text) for line in self.lines for piece in line for text in _AMOUNT.findall(piece)
        }

    def holds(self, amount: Decimal) -> bool:
        """Whether the amount is there, also without cents or beside another number."""
        if abs(amount) in self.amounts():
            return True
        if abs(amount) in {_value(text) for text in _CENTS.findall(self.text)}:
            return True
        if amount != amount.to_integral_value():
            return False
        runs = _DIGITS.findall(self.text)
        return f"{abs(amount):.0f}" in {
            re.sub(r"\D", "", text) for run in runs for text in (run, *run.split())
        }

    def currencies(self) -> tuple[set[str], set[str]]:
        """The currencies of the totals, and those beside any amount or named as the currency."""
        totals: set[str] = set()
        anywhere: set[str] = set()
        labelled = {text for text in self.labelled if text}
        for line in self.lines:
            whole = " ".join(line)
            has_amount = _AMOUNT.search(whole)
            if not has_amount and not _NAMES_CURRENCY.search(whole):
                continue
            found = _currencies(whole)
            anywhere |= found
            if has_amount and any(text in whole for text in labelled):
                totals |= found
        return totals, anywhere


def _differences(read: EInvoice, shown: _Shown) -> Iterator[Issue]:
    yield from _number(read, shown)
    yield from _total(read, shown)
    yield from _account(read, shown)
    yield from _currency(read, shown)


def _number(read: EInvoice, shown: _Shown) -> Iterator[Issue]:
    number = printed_number(read.number)
    if not number:
        return
    text = re.sub(r"[\u2010-\u2015\u2212]", "-", shown.text.upper())
    spaced = "[ \n]?".join(re.escape(c) for c in number[:60])
    if not re.search(rf"(?<![A-Z0-9]){spaced}(?![A-Z0-9])", text):
        page = f"number {shown.number!r}" if shown.number else "no such number"
        yield _differs("invoice_number", f"shows {page}", f"{read.number!r}")


def _total(read: EInvoice, shown: _Shown) -> Iterator[Issue]:
    known = {abs(one) for one in _amounts(read)}
    for amount in (read.totals.gross, read.totals.due):
        if amount and not shown.holds(amount):
            totals = ", ".join(dict.fromkeys(text for text in shown.labelled if text))
            page = f"shows the total {totals[:80]}" if totals else "does not show that total"
            yield _differs("total", page, f"{amount}")
            return
    strange = [
        value
        for text in shown.labelled
        for found in _AMOUNT.findall(text)
        if (value := _value(found)) and value not in known
    ]
    largest = max(shown.amounts(), default=Decimal(0))
    if known and largest > max(known):
        strange.append(largest)
    if strange:
        yield _differs("total", f"shows {max(strange)}", f"the total {read.totals.gross}")


def _account(read: EInvoice, shown: _Shown) -> Iterator[Issue]:
    known = read.accounts
    debited = {"".join(one.debited_account.split()).upper() for one in read.payment_means}
    printed = list(dict.fromkeys(_ibans(shown.text)))
    others = [one for one in printed if not _starts(one, debited)]
    if not known or not others or any(_starts(one, known) for one in printed):
        return
    yield _differs("iban", f"shows IBAN {others[0]}", known[0])


def _currency(read: EInvoice, shown: _Shown) -> Iterator[Issue]:
    own = {read.currency, read.tax_currency} - {""}
    of_totals, anywhere = shown.currencies()
    found = of_totals or anywhere
    if found and own and not found & own:
        yield _differs("currency", f"shows {' and '.join(sorted(found))}", read.currency)


def _amounts(read: EInvoice) -> Iterator[Decimal]:
    totals = read.totals
    for one in (
        *(totals.lines, totals.allowances, totals.charges, totals.net, totals.tax, totals.gross),
        *(totals.prepaid, totals.rounding, totals.due, totals.tax_in_tax_currency),
        totals.third_party,
    ):
        if one is not None:
            yield one
    for tax in read.taxes:
        yield from (tax.base, tax.tax, tax.base + tax.tax)
    for allowance in (*read.allowances, *(a for line in read.line_items for a in line.allowances)):
        yield from (one for one in (allowance.amount, allowance.base) if one is not None)
    for line in read.line_items:
        yield from (one for one in (line.net, line.price, line.quantity) if one is not None)
        if line.rate:
            yield (line.net * (1 + line.rate / 100)).quantize(Decimal("0.01"))


def _ibans(text: str) -> Iterator[str]:
    """What is printed like an IBAN, and is one by its check digits or by its label."""
    for match in _IBAN.finditer(text):
        groups = match[0].split(" ")
        for count in range(len(groups), 0, -1):
            joined = "".join(groups[:count])
            if is_iban(joined):
                yield joined
                break
        else:
            before = text[max(0, match.start() - 12) : match.start()].upper()
            if "IBAN" in before:
                yield "".join(groups)[:34]


def _starts(printed: str, known: Iterable[str]) -> bool:
    return any(one and printed.startswith(one) for one in known)


def _currencies(text: str) -> set[str]:
    return {code for code in _CODE.findall(text) if is_money(code)} | symbols_in(text)


def _value(text: str) -> Decimal:
    return Decimal(re.sub(r"\D", "", text[:-3]) + "." + text[-2:])


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _differs(field: str, page: str, xml: str) -> Issue:
    return _issue(
        "page_differs_from_xml", field, f"possible fraud: the page {page}, but the XML says {xml}"
    )


def _issue(code: str, field: str, message: str) -> Issue:
    return Issue(code=code, severity=Severity.REVIEW, field=field, message=message)
