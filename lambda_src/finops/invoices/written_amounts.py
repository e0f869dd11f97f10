"""The parts of a written amount: its number, its sign, and what else stands beside it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from finops.shared.money import is_currency

#: A number with marks in it, or cents alone (`.50`); the last character is a digit.
_NUMBER = re.compile(r"(?:(?<![\w.,])[.,])?\d(?:[\d.,'\u2019 ]*\d)?")
#: No cents, as Switzerland (`100.-`, `100.--`), Scandinavia (`100:-`) and India (`100/-`) write it.
_NO_CENTS = re.compile(r"\s?[.,:]\s?(?:-{1,3}|=)|\s?/\s?[-=]{1,2}")
#: A currency in brackets of its own is no sign: `(EUR) 119.00`.
_BRACKETED = re.compile(r"[(\[] ?([A-Z]{0,3}[^\w\s()\[\]]|[A-Za-z]{3}) ?[)\]]")
_DOLLARS: Final = re.compile(r"(?<![A-Za-z])(?:[A-Z]{1,3}|[A-Z][a-z]{1,2}|U)\.?\s?\$S?")
_CURRENCIES: Final = frozenset(
    {
        *(
            "euro",
            "euros",
            "dollar",
            "dollars",
            "pound",
            "pounds",
            "yen",
            "yuan",
            "rupee",
            "rupees",
        ),
        *("kr", "kč", "zł", "fr", "sfr", "rs", "re", "ft", "lei", "kn", "rm", "rp", "dh", "dhs"),
        *("sr", "円", "元", "원", "圓", "tl", "r", "us"),
    }
)
_CREDIT: Final = frozenset({"cr", "credit"})
_DEBIT: Final = frozenset({"dr", "debit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenAmount:
    """An amount in its parts.

    Attributes:
        number: Digits and marks, such as `1'250` or `.50`; empty unless there is one.
        whole: Whether it says that there are no cents: `1,250.-` is 1250.
        negative: By a minus sign, brackets around it, or the word credit (CR).
        doubt: Why no number was found, or what makes it uncertain; else empty.
    """

    number: str = ""
    whole: bool = False
    negative: bool = False
    doubt: str = ""


def parts_of(text: str) -> WrittenAmount:
    """The parts of an amount with ordinary characters (see `plain`)."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return WrittenAmount(doubt="it contains no number")
    if len(found) > 1:
        return WrittenAmount(doubt=f"it contains {len(found)} numbers")
    if "%" in text:
        return WrittenAmount(doubt="it is a percentage")
    if any(unicodedata.category(c) == "No" for c in text):
        return WrittenAmount(doubt="it contains raised digits or fractions")
    (match,) = found
    number = match[0].replace("\u2019", "'")
    before, after = text[: match.start()], text[match.end() :]
    if no_cents := _NO_CENTS.match(after):
        after = after[no_cents.end() :]
    around = _without_currency(f"{before}#{after}")
    words = re.findall(r"[^\W\d_]+", around)
    credit = any(word.casefold() in _CREDIT for word in words)
    others = [
        word
        for word in words
        if word.casefold() not in _CREDIT | _DEBIT | _CURRENCIES and not is_currency(word.upper())
    ]
    signs = around.count("-") + credit + ("(" in around or ")" in around)
    doubt = ""
    if others:
        doubt = f"it also says {' '.join(others)!r}"
    elif strange := re.sub(r"[\w\s#()*.,:;+=\u2019'-]", "", around):
        doubt = f"{strange[0]!r} stands beside it"
    elif signs > 1:
        doubt = "it has several signs"
    elif re.search(r"\([^)]*$|^[^(]*\)", around):
        doubt = "it has only one bracket"
    elif re.match(r"0\d", number):
        doubt = "it starts with a zero"
    elif "-" in before and number[0] in ".,":
        doubt = "a dash before cents can mean no whole units, or a minus"
    return WrittenAmount(number=number, whole=no_cents is not None, negative=signs > 0, doubt=doubt)


def plain(text: str) -> str:
    """The text with ordinary characters, spaces and minus signs (Unicode NFKC).

    Raised digits stay: `1.250⁰⁰` is not `1.25000`.
    """
    kept = "".join(
        c if unicodedata.category(c) == "No" else unicodedata.normalize("NFKC", c)
        for c in unicodedata.normalize("NFC", text)
    )
    dashed = re.sub(r"[\u2010-\u2015\u2212]", "-", kept.translate({0x66B: ".", 0x66C: ","}))
    return re.sub(r"\s+", " ", dashed).strip()


def _without_currency(around: str) -> str:
    around = _BRACKETED.sub(lambda match: " " if _names_money(match[1]) else match[0], around)
    around = _DOLLARS.sub(" ", around)
    return "".join(" " if unicodedata.category(c) == "Sc" else c for c in around)


def _names_money(text: str) -> bool:
    return is_currency(text.upper()) or unicodedata.category(text[-1]) == "Sc"
