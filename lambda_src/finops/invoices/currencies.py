"""The currency of a document: by code, by symbol, and by the countries it mentions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from finops.shared.money import is_currency

#: Symbols of one currency; a longer symbol comes before those it contains.
_SYMBOLS: Final = (
    ("US$", "USD"),
    ("CA$", "CAD"),
    ("C$", "CAD"),
    ("AU$", "AUD"),
    ("A$", "AUD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("S$", "SGD"),
    ("MX$", "MXN"),
    ("R$", "BRL"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("₹", "INR"),
    ("₩", "KRW"),
    ("₺", "TRY"),
    ("₪", "ILS"),
    ("₴", "UAH"),
    ("₫", "VND"),
    ("฿", "THB"),
    ("zł", "PLN"),
    ("Kč", "CZK"),
    ("CHF", "CHF"),
    ("SFr", "CHF"),
)
#: Symbols that currencies share: (pattern, the default, the signs of each currency).
_SHARED: Final = (
    (
        re.compile(r"\$"),
        "USD",
        {
            "USD": r"\bUSA\b|\bU\.S\.A|United States|\b[A-Z]{2}[ ,]+\d{5}(?:-\d{4})?\b",
            "CAD": r"\bCanada\b|\b[A-Z]\d[A-Z] ?\d[A-Z]\d\b|\bGST/HST\b|\bHST\b",
            "AUD": r"\bAustralia\b|\bABN\b",
            "NZD": r"\bNew Zealand\b",
            "SGD": r"\bSingapore\b",
            "MXN": r"\bM[eé]xico\b|\bRFC\b",
        },
    ),
    (
        re.compile(r"[¥￥]"),
        "JPY",
        {"JPY": r"\bJapan\b|\bTokyo\b|日本|請求書", "CNY": r"\bChina\b|中国|发票|人民币"},
    ),
    (
        re.compile(r"(?<![^\W\d_])kr\b\.?", re.IGNORECASE),
        "SEK",
        {
            "SEK": r"\bSverige\b|\bSweden\b|\bSE\d{12}\b|\bmoms\b.*\borg\.?nr\b",
            "NOK": r"\bNorge\b|\bNorway\b|\bMVA\b",
            "DKK": r"\bDanmark\b|\bDenmark\b|\bCVR\b",
        },
    ),
)
_CODE_AT_NUMBER = re.compile(r"(?<![A-Z])([A-Z]{3})\s?[-(]?\d|\d\s?([A-Z]{3})(?![A-Z])")
_CODE = re.compile(r"(?<![A-Za-z])([A-Z]{3})(?![A-Za-z])")


def currency_of(
    amounts: Iterable[str], labels: Iterable[str], lines: Iterable[str], codes: Iterable[str]
) -> tuple[str, str]:
    """The currency of a document.

    Args:
        amounts: The texts of its amounts.
        labels: The labels of the amounts, such as `Total EUR`.
        lines: The whole text.
        codes: The currencies that the engine found.

    Returns:
        The ISO 4217 code, empty if there is no sign of any, and why it is uncertain (else empty).
    """
    written = list(amounts)
    stated = {code for code in codes if is_currency(code)}
    at_amounts = {code for text in written for code in _unshared(text)}
    at_labels = {
        code for text in labels for code in (*_unshared(text), *_codes(text)) if is_currency(code)
    }
    found = at_amounts or at_labels or stated
    text = "\n".join(lines)
    shared = next((one for one in _SHARED if any(one[0].search(each) for each in written)), None)
    if not found and shared:
        return _decided(shared[1], shared[2], text)
    if not found:
        beside = {
            code
            for match in _CODE_AT_NUMBER.finditer(text)
            if is_currency(code := match[1] or match[2])
        } | {code for symbol, code in _SYMBOLS if symbol in text}
        if len(beside) == 1:
            return beside.pop(), "the document names it, but not next to the total"
        return "", ""
    if len(found) > 1:
        if len(at_amounts & stated) == 1:
            return (at_amounts & stated).pop(), f"there are amounts in {', '.join(sorted(found))}"
        first = sorted(found)[0]
        return first, f"there are amounts in {', '.join(sorted(found))}"
    code = next(iter(found))
    if at_amounts and stated and stated != at_amounts:
        return code, f"the document says {code}, the engine {', '.join(sorted(stated))}"
    return code, ""


def _unshared(text: str) -> Iterable[str]:
    """The currencies in a text, leaving out symbols that currencies share."""
    for symbol, code in _SYMBOLS:
        if symbol in text:
            yield code
            return
    for match in _CODE_AT_NUMBER.finditer(text):
        if is_currency(code := match[1] or match[2]):
            yield code


def _codes(text: str) -> list[str]:
    return [code for code in _CODE.findall(text) if is_currency(code)]


def _decided(guess: str, signs: dict[str, str], text: str) -> tuple[str, str]:
    codes = {code for code in signs if re.search(rf"\b{code}\b", text)}
    if len(codes) == 1:
        return codes.pop(), ""
    spoken = {code for code, pattern in signs.items() if re.search(pattern, text)}
    if len(spoken) == 1:
        return spoken.pop(), ""
    several = ", ".join(signs)
    return guess, f"several currencies use its symbol ({several}), and the document names none"
