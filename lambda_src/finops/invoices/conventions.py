"""How a document writes numbers and dates, decided from the whole document and not from one value.

`1.234` can be two numbers, and `03/04/2026` two dates. A value that the document leaves open is
marked as uncertain, and a person decides.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from finops.invoices.months import month_of, words_of
from finops.invoices.places import names_united_states
from finops.invoices.written_amounts import parts_of, plain

_NUMBER = re.compile(r"\d(?:[\d.,'\u2019 ]*\d)?")
_YEAR_FIRST = re.compile(
    r"(?<!\d)(?P<year>\d{4})\s?(?:(?P<mark>[-/.])|年)\s?(?P<month>\d{1,2})\s?(?:(?P=mark)|月)\s?"
    r"(?P<day>\d{1,2})(?!\d)"
)
#: A letter before it is the era of a calendar: "R8.3.14" is in Japan's year Reiwa 8.
_NUMERIC = re.compile(r"(?<![\w.])(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})(?!\d)")
_DAY_FIRST = re.compile(
    r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|er|º|\.)?[\s\-/.,]{0,6}(?:of\s|de\s|of)?\s{0,3}([^\W\d_]{3,12})"
    r"[\s\-/.,]{0,6}(?:de\s|del\s)?'?(\d{4}|\d{2})(?!\d)"
)
_MONTH_FIRST = re.compile(
    r"([^\W\d_]{3,12})[\s\-/.,]{0,6}(\d{1,2})(?:st|nd|rd|th)?[\s,\-/.]{1,6}(\d{4})(?!\d)"
)
#: Years of our calendar in which an invoice can be dated; 1447 is Islamic, 2569 Buddhist.
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2099

#: Words of languages and countries that write the day before the month.
_DAY_BEFORE_MONTH: Final = frozenset(
    re.findall(
        r"\w+",
        "rechnung rechnungsnummer rechnungsdatum datum facture factuur factuurnummer factura "
        "fattura fatura faktura fakturanummer betrag gesamtbetrag mwst ust tva btw iva moms gmbh "
        "bv sarl srl sas eur gbp chf sek nok dkk pln vat bic iban ",
    )
)
#: Words of languages that may write a year of two digits first: Swedish, Danish and Norwegian,
#: Polish, Hungarian, Lithuanian, Latvian.
_YEAR_MAY_BE_FIRST: Final = frozenset(
    re.findall(
        r"\S+",
        "faktura fakturanummer fakturadatum moms mva sek nok dkk pln huf számla szamla "
        "kelte áfa fizetési sąskaita pvm rēķins",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """How a document writes numbers and dates.

    Attributes:
        decimal_mark: `.` or `,`; empty if the document shows neither, or both.
        day_first: Whether the day comes before the month; None if the document does not show it.
        american: Whether the seller is in the United States.
        years: The years of those dates that show all four digits.
        words: The words of the document in lower case.
    """

    decimal_mark: str = ""
    day_first: bool | None = None
    american: bool = False
    years: frozenset[int] = frozenset()
    words: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        seller: Iterable[str] | None = None,
        address: Iterable[str] = (),
    ) -> Conventions:
        """The conventions of a document.

        Args:
            texts: All its texts.
            seller: Those texts that tell the seller's country and language: without the customer's
                name and address. All, if None.
            address: The seller's address, if it is known; it alone then tells the country.
        """
        known = [plain(text) for text in texts]
        own = known if seller is None else [plain(text) for text in seller]
        marks = Counter(mark for text in known for mark in _decimal_marks(text))
        places = [plain(text) for text in address] or own
        american = any(names_united_states(text) for text in places)
        orders = Counter(order for text in known for order in _orders(text, american=american))
        words = {word for text in own for word in words_of(text)}
        return cls(
            decimal_mark=next(iter(marks)) if len(marks) == 1 else "",
            day_first=_day_first(orders, american=american, words=words),
            american=american,
            years=frozenset(year for text in known for year in _years(text)),
            words=frozenset(words),
        )

    def amount(self, text: str, digits: int | None = None) -> tuple[Decimal | None, str]:
        """An amount as the document writes it.

        Args:
            text: With or without currency, separators and sign; `(1.00)`, `1.00-` and `1.00 CR` are
                negative.
            digits: Decimals of its currency, if known: JPY 0, USD 2, KWD 3.

        Returns:
            The amount, None if the text is not one, and why it is uncertain (else empty).
        """
        written = parts_of(plain(text))
        if not written.number:
            return None, written.doubt
        value, doubt = self._number(written.number, 0 if written.whole else digits)
        if value is None:
            return None, doubt
        return (-value if written.negative else value), written.doubt or doubt

    def date(self, text: str) -> tuple[dt.date | None, str]:
        """A date as the document writes it, None if the text has none, and why it is uncertain."""
        line = plain(text)
        found, doubt = self._first_date(line)
        if found is None or doubt:
            return found, doubt
        others = {other for other, _ in self._dates(line)} - {found, None}
        if others:
            return found, f"it contains several dates: {text.strip()}"
        return found, ""

    def _first_date(self, line: str) -> tuple[dt.date | None, str]:
        return next(self._dates(line), (None, "it contains no date"))

    def _dates(self, line: str) -> Iterator[tuple[dt.date | None, str]]:
        """The dates in a text: by the year first, by the name of the month, by numbers alone."""
        found = False
        for match in _YEAR_FIRST.finditer(line):
            found = True
            yield _made(match["year"], match["month"], match["day"])
        for pattern, order in ((_DAY_FIRST, (2, 1, 0)), (_MONTH_FIRST, (2, 0, 1))):
            for match in pattern.finditer(line):
                year, name, day = (match.groups()[at] for at in order)
                month, doubt = month_of(name, self.words)
                if month:
                    found = True
                    made, why = _made(year, str(month), day)
                    yield made, why or doubt or self._other_year(made, year, day)
            if found:
                return
        if not found:
            for match in _NUMERIC.finditer(line):
                yield self._numeric(*match.groups())

    def _other_year(self, found: dt.date | None, year: str, day: str) -> str:
        """Why 26 March 14 may be in 2026: other dates of the document are, and none is in 2014."""
        first = 2000 + int(day)
        if found and len(year) == 2 and found.year not in self.years and first in self.years:
            return f"its year can be {found.year} or {first}"
        return ""

    def _numeric(self, first: str, mark: str, second: str, year: str) -> tuple[dt.date | None, str]:
        found, doubt = self._day_and_month(first, mark, second, year)
        if len(year) == 4 or found is None:
            return found, doubt
        return self._year_of_two_digits((first, mark, second, year), found, doubt)

    def _day_and_month(
        self, first: str, mark: str, second: str, year: str
    ) -> tuple[dt.date | None, str]:
        a, b = int(first), int(second)
        if a > 12 or b > 12 or a == b:
            day, month = (a, b) if a > 12 or a == b else (b, a)
            return _made(year, str(month), str(day))
        day_first = True if mark == "." and not self.american else self.day_first
        guess = day_first if day_first is not None else not self.american
        found, doubt = _made(year, *((second, first) if guess else (first, second)))
        if day_first is None and found:
            other, _ = _made(year, *((first, second) if guess else (second, first)))
            doubt = f"{first}{mark}{second}{mark}{year} can mean {found} or {other}"
        return found, doubt

    def _year_of_two_digits(
        self, written: tuple[str, str, str, str], found: dt.date, doubt: str
    ) -> tuple[dt.date | None, str]:
        """Whether the year comes last, or first: 26-03-14 can be in 2026 or in 2014."""
        first, mark, second, last = written
        other, _ = _made(first, second, last) if len(first) == 2 else (None, "")
        if other is None or other == found:
            return found, doubt
        # Nobody is known to put a year of two digits before slashes where the day comes first.
        usual = mark == "/" or (mark == "." and not self.american)
        if self._year_is_last and (usual or _YEAR_MAY_BE_FIRST.isdisjoint(self.words)):
            return found, doubt
        fits = [one for one in (found, other) if one.year in self.years]
        if len(fits) == 1:
            return fits[0], doubt if fits[0] == found else ""
        return found, f"{first}{mark}{second}{mark}{last} can mean {found} or {other}"

    @property
    def _year_is_last(self) -> bool:
        return self.day_first is not None or self.american

    def _number(self, body: str, digits: int | None) -> tuple[Decimal | None, str]:
        whole = re.sub(r"[ ']", "", body)
        if whole != body and not re.fullmatch(r"\d{1,3}([ ']\d{3})+([.,]\d+)?", body):
            return None, f"{body!r} is not a number, or is two"
        if whole[0] in ".,":
            if re.fullmatch(r"[.,]\d{1,2}", whole):
                return Decimal(f"0.{whole[1:]}"), ""
            return None, f"{body!r} starts with a separator"
        dots, commas = whole.count("."), whole.count(",")
        if not dots and not commas:
            return Decimal(whole), ""
        if dots and commas:
            decimal = "." if whole.rindex(".") > whole.rindex(",") else ","
            return _split(whole, decimal)
        mark = "." if dots else ","
        if dots + commas > 1 or whole != body:
            # A repeated mark separates thousands; one after other separators is decimal.
            return _split(whole, mark if whole != body else "")
        before, _, after = whole.partition(mark)
        if len(after) != 3 or before == "0":
            return _split(whole, mark)
        if len(before) > 3:
            value, doubt = _split(whole, mark)
            if digits is not None and digits < 3:
                doubt = f"{body} has three decimals, or lacks a separator"
            return value, doubt
        if digits == 0:
            return _split(whole, "")
        if self.decimal_mark:
            return _split(whole, mark if self.decimal_mark == mark else "")
        thousands, _ = _split(whole, "")
        as_decimal, _ = _split(whole, mark)
        guess = as_decimal if digits == 3 else thousands
        return guess, f"{body} can mean {thousands} or {as_decimal}"


def _split(whole: str, decimal: str) -> tuple[Decimal | None, str]:
    """The number with this decimal mark; the other marks must separate thousands (or lakhs)."""
    before, _, after = whole.rpartition(decimal) if decimal else (whole, "", "")
    groups = re.split(r"[.,]", before)
    in_threes = all(len(one) == 3 for one in groups[1:])
    indian = len(groups) > 2 and len(groups[-1]) == 3 and all(len(one) == 2 for one in groups[1:-1])
    if len(groups) > 1 and not ((in_threes or indian) and 1 <= len(groups[0]) <= 3):
        return None, f"{whole!r} has separators in the wrong places"
    return Decimal("".join(groups) + (f".{after}" if after else "")), ""


def _decimal_marks(text: str) -> Iterable[str]:
    """The decimal marks of those amounts in a text that can only be read in one way."""
    for found in _NUMBER.findall(text):
        match = re.fullmatch(r"(?:\d{1,3}(?:[.,' ]\d{3})+|\d+)([.,])\d{2}", found)
        if match and not _NUMERIC.search(text) and not re.search(r"\d[.,]\d+[.,]\d+[.,]", found):
            thousands = re.search(r"[.,]", found[:-3])
            if thousands is None or thousands[0] != match[1]:
                yield match[1]
        elif re.fullmatch(r"\d{1,3}(,\d{3}){2,}", found):
            yield "."
        elif re.fullmatch(r"\d{1,3}(\.\d{3}){2,}", found):
            yield ","


def _orders(text: str, *, american: bool) -> Iterable[bool]:
    """For each date that can only be read in one way, whether the day comes first."""
    for first, mark, second, year in _NUMERIC.findall(text):
        a, b = int(first), int(second)
        if 1 <= b <= 12 and (12 < a <= 31 or (mark == "." and a <= 31 and not american)):
            # A day above 12 may also be a year: 26-03-14.
            if len(year) == 4 or mark != "-":
                yield True
        elif 12 < b <= 31 and 1 <= a <= 12:
            yield False


def _years(text: str) -> Iterable[int]:
    """The years of the dates in a text, where all four digits are printed."""
    for pattern, group in ((_YEAR_FIRST, 1), (_NUMERIC, 4), (_DAY_FIRST, 3), (_MONTH_FIRST, 3)):
        for match in pattern.finditer(text):
            if len(match[group]) == 4:
                yield int(match[group])


def _day_first(orders: Counter[bool], *, american: bool, words: set[str]) -> bool | None:
    if orders:
        return next(iter(orders)) if len(orders) == 1 else None
    elsewhere = bool(words & _DAY_BEFORE_MONTH)
    if american == elsewhere:
        return None
    return elsewhere


def _made(year: str, month: str, day: str) -> tuple[dt.date | None, str]:
    full = int(year) + (2000 if len(year) == 2 else 0)
    if not _FIRST_YEAR <= full <= _LAST_YEAR:
        return None, f"{full} is not a year of an invoice, or is one of another calendar"
    try:
        return dt.date(full, int(month), int(day)), ""
    except ValueError:
        return None, f"{full:04}-{int(month):02}-{int(day):02} is not a date of the calendar"
