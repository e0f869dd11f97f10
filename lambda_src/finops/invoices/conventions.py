"""How a document writes numbers and dates, decided from the whole document and not from one value.

`1.234` can be two numbers, and `03/04/2026` two dates. A value that the document leaves open is
marked as uncertain, and a person decides.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_MONTHS: Final = {
    1: "january jan januar jänner jaenner janvier janv januari enero ene gennaio gen janeiro "
    "styczeń stycznia sty",
    2: "february feb febr februar février fevrier févr fevr februari febrero febbraio fevereiro "
    "fev luty lutego lut",
    3: "march mar märz maerz mrz mars maart mrt marzo março marco marts marzec marca",
    4: "april apr avril avr abril abr aprile kwiecień kwietnia kwi",
    5: "may mai mei mayo maggio mag maj maio",
    6: "june jun juni juin junio giugno giu junho czerwiec czerwca cze",
    7: "july jul juli juillet juil julio luglio lug julho lipiec lipca lip",
    8: "august aug août aout augustus agosto ago agustus augusti sierpień sierpnia sie",
    9: "september sep sept septembre septiembre setiembre settembre set setembro wrzesień "
    "września wrz",
    10: "october oct oktober okt octobre octubre ottobre ott outubro out październik października "
    "paź paz",
    11: "november nov novembre noviembre novembro listopad listopada lis",
    12: "december dec dezember dez décembre decembre déc diciembre dic dicembre dezembro "
    "grudzień grudnia gru des desember",
}
_MONTH_OF: Final = {name: number for number, names in _MONTHS.items() for name in names.split()}

#: A number with marks in it; the last character is a digit.
_NUMBER = re.compile(r"\d(?:[\d.,'\u2019 ]*\d)?")
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})\s?[-/.年]\s?(\d{1,2})\s?[-/.月]\s?(\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<![\d.])(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})(?!\d)")
_DAY_FIRST = re.compile(
    r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|er|º|\.)?[\s\-/.,]{0,6}(?:of\s|de\s|of)?\s{0,3}([^\W\d_]{3,12})"
    r"[\s\-/.,]{0,6}(?:de\s|del\s)?'?(\d{4}|\d{2})(?!\d)"
)
_MONTH_FIRST = re.compile(
    r"([^\W\d_]{3,12})[\s\-/.,]{0,6}(\d{1,2})(?:st|nd|rd|th)?[\s,\-/.]{1,6}(\d{4})(?!\d)"
)

#: Words of languages and countries that write the day before the month.
_DAY_BEFORE_MONTH: Final = frozenset(
    re.findall(
        r"\w+",
        "rechnung rechnungsnummer rechnungsdatum datum facture factuur factuurnummer factura "
        "fattura fatura faktura fakturanummer betrag gesamtbetrag mwst ust tva btw iva moms gmbh "
        "bv sarl srl sas eur gbp chf sek nok dkk pln vat bic iban ",
    )
)
_UNITED_STATES = re.compile(
    r"\bUSA\b|\bU\.S\.A|\bUnited States\b|\b[A-Z]{2}[ ,]+\d{5}(?:-\d{4})?\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """How a document writes numbers and dates.

    Attributes:
        decimal_mark: `.` or `,`; empty if the document shows neither, or both.
        day_first: Whether the day comes before the month; None if the document does not show it.
        american: Whether the document mentions the United States.
    """

    decimal_mark: str = ""
    day_first: bool | None = None
    american: bool = False

    @classmethod
    def of(cls, texts: Iterable[str]) -> Conventions:
        """The conventions of a document with these texts."""
        known = [_normalized(text) for text in texts]
        marks = Counter(mark for text in known for mark in _decimal_marks(text))
        orders = Counter(order for text in known for order in _orders(text))
        american = any(_UNITED_STATES.search(text) for text in known)
        words = {word for text in known for word in re.findall(r"[^\W\d_]+", text.casefold())}
        return cls(
            decimal_mark=next(iter(marks)) if len(marks) == 1 else "",
            day_first=_day_first(orders, american=american, words=words),
            american=american,
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
        line = _normalized(text)
        found = _NUMBER.findall(line)
        if not found:
            return None, "it contains no number"
        if len(found) > 1:
            return None, f"it contains {len(found)} numbers"
        if "%" in line:
            return None, "it is a percentage"
        value, doubt = self._number(found[0].replace("\u2019", "'"), digits)
        return (-value if value is not None and _is_negative(line) else value), doubt

    def date(self, text: str) -> tuple[dt.date | None, str]:
        """A date as the document writes it, None if the text has none, and why it is uncertain."""
        line = _normalized(text)
        if match := _YEAR_FIRST.search(line):
            return _made(*match.groups())
        for pattern, order in ((_DAY_FIRST, (2, 1, 0)), (_MONTH_FIRST, (2, 0, 1))):
            for match in pattern.finditer(line):
                year, month, day = (match.groups()[at] for at in order)
                if number := _MONTH_OF.get(month.casefold().rstrip(".")):
                    return _made(year, str(number), day)
        if match := _NUMERIC.search(line):
            return self._numeric(*match.groups())
        return None, "it contains no date"

    def _numeric(self, first: str, mark: str, second: str, year: str) -> tuple[dt.date | None, str]:
        a, b = int(first), int(second)
        if a > 12 or b > 12 or a == b:
            day, month = (a, b) if a > 12 or a == b else (b, a)
            return _made(year, str(month), str(day))
        day_first = True if mark == "." else self.day_first
        guess = day_first if day_first is not None else not self.american
        found, doubt = _made(year, *((second, first) if guess else (first, second)))
        if day_first is None and found:
            other, _ = _made(year, *((first, second) if guess else (second, first)))
            doubt = f"{first}{mark}{second}{mark}{year} can mean {found} or {other}"
        return found, doubt

    def _number(self, body: str, digits: int | None) -> tuple[Decimal | None, str]:
        whole = re.sub(r"[ ']", "", body)
        if whole != body and not re.fullmatch(r"\d{1,3}([ ']\d{3})+([.,]\d+)?", body):
            return None, f"{body!r} is not a number, or is two"
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
        if len(after) != 3 or len(before) > 3 or before == "0":
            return _split(whole, mark)
        if digits == 0:
            return _split(whole, "")
        if self.decimal_mark:
            return _split(whole, mark if self.decimal_mark == mark else "")
        thousands, _ = _split(whole, "")
        as_decimal, _ = _split(whole, mark)
        guess = as_decimal if digits == 3 else thousands
        return guess, f"{body} can mean {thousands} or {as_decimal}"


def _normalized(text: str) -> str:
    """The text with ordinary characters, spaces and minus signs (Unicode NFKC)."""
    composed = unicodedata.normalize("NFKC", text)
    return re.sub(r"\s+", " ", re.sub(r"[\u2010-\u2015\u2212]", "-", composed)).strip()


def _split(whole: str, decimal: str) -> tuple[Decimal | None, str]:
    """The number with this decimal mark; the other marks must separate thousands (or lakhs)."""
    before, _, after = whole.rpartition(decimal) if decimal else (whole, "", "")
    groups = re.split(r"[.,]", before)
    in_threes = all(len(one) == 3 for one in groups[1:])
    indian = len(groups) > 2 and len(groups[-1]) == 3 and all(len(one) == 2 for one in groups[1:-1])
    if len(groups) > 1 and not ((in_threes or indian) and 1 <= len(groups[0]) <= 3):
        return None, f"{whole!r} has separators in the wrong places"
    return Decimal("".join(groups) + (f".{after}" if after else "")), ""


def _is_negative(text: str) -> bool:
    stripped = re.sub(r"[^\d()\-+]", "", text)
    return (
        stripped.startswith(("-", "("))
        or stripped.endswith("-")
        or re.search(r"\d\s*CR\b", text) is not None
    )


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


def _orders(text: str) -> Iterable[bool]:
    """For each date that can only be read in one way, whether the day comes first."""
    for first, mark, second, _ in _NUMERIC.findall(text):
        if mark == "." or (int(first) > 12 >= int(second) >= 1 and int(first) <= 31):
            yield True
        elif int(second) > 12 >= int(first) >= 1 and int(second) <= 31:
            yield False


def _day_first(orders: Counter[bool], *, american: bool, words: set[str]) -> bool | None:
    if orders:
        return next(iter(orders)) if len(orders) == 1 else None
    elsewhere = bool(words & _DAY_BEFORE_MONTH)
    if american == elsewhere:
        return None
    return elsewhere


def _made(year: str, month: str, day: str) -> tuple[dt.date | None, str]:
    full = int(year) + (2000 if len(year) == 2 else 0)
    try:
        return dt.date(full, int(month), int(day)), ""
    except ValueError:
        return None, f"there is no date {full:04}-{int(month):02}-{int(day):02}"
