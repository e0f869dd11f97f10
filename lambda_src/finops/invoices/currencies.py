"""The currency of a document: by code, by symbol, by words, and by the seller's country."""

# ruff: noqa: E501 - a pattern that is broken up is harder to read than a long one
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from finops.invoices.places import CANADA, UNITED_STATES
from finops.shared.money import is_money

#: Symbols of one currency; a longer symbol comes before those it contains.
_SYMBOLS: Final = tuple(
    (re.compile((r"(?<![A-Za-z])" if symbol[0].isascii() else "") + re.escape(symbol)), code)
    for symbol, code in (
        *(("US$", "USD"), ("U$S", "USD"), ("US $", "USD"), ("CA$", "CAD"), ("C$", "CAD")),
        *(("Can$", "CAD"), ("AU$", "AUD"), ("A$", "AUD"), ("NZ$", "NZD"), ("HK$", "HKD")),
        *(("S$", "SGD"), ("MX$", "MXN"), ("Mex$", "MXN"), ("R$", "BRL"), ("NT$", "TWD")),
        *(("AR$", "ARS"), ("RD$", "DOP"), ("TT$", "TTD"), ("J$", "JMD"), ("BZ$", "BZD")),
        *(("EC$", "XCD"), ("Bds$", "BBD"), ("FJ$", "FJD"), ("N$", "NAD"), ("$U", "UYU")),
        *(("€", "EUR"), ("£", "GBP"), ("₹", "INR"), ("₩", "KRW"), ("₺", "TRY"), ("₪", "ILS")),
        *(("₴", "UAH"), ("₫", "VND"), ("฿", "THB"), ("₱", "PHP"), ("₦", "NGN"), ("₸", "KZT")),
        *(("₽", "RUB"), ("₡", "CRC"), ("₲", "PYG"), ("₵", "GHS"), ("৳", "BDT"), ("₾", "GEL")),
        *(("zł", "PLN"), ("Kč", "CZK"), ("CHF", "CHF"), ("SFr", "CHF"), ("sFr", "CHF")),
    )
)


@dataclass(frozen=True, slots=True)
class _Signs:
    """What tells a currency: its name in words, and its country."""

    words: re.Pattern[str]
    country: re.Pattern[str]


def _signs(words: str, country: str) -> _Signs:
    return _Signs(re.compile(words, re.IGNORECASE), re.compile(country))


@dataclass(frozen=True, slots=True)
class _Shared:
    """A symbol that currencies share, and the one that is guessed without any sign."""

    symbol: re.Pattern[str]
    guess: str
    signs: Mapping[str, _Signs]


_DOLLARS: Final = {
    "USD": _signs(
        r"\b(?:US|U\. ?S\.|American|United States)[ -]?dollars?\b|\bdollars? (?:US|am[ée]ricains?)\b|"
        r"\bd[óo]lares (?:americanos|estadounidenses)\b",
        UNITED_STATES + r"|\bEcuador\b|\bEl Salvador\b",
    ),
    "CAD": _signs(r"\bCanadian dollars?\b|\bdollars? canadiens?\b", CANADA),
    "AUD": _signs(r"\bAustralian dollars?\b", r"\bAustralia\b|\bABN:? ?\d"),
    "NZD": _signs(r"\bNew Zealand dollars?\b", r"\bNew Zealand\b"),
    "SGD": _signs(r"\bSingapore dollars?\b", r"\bSingapore\b"),
    "HKD": _signs(r"\bHong Kong dollars?\b|港[幣币元]", r"\bHong ?Kong\b|香港|\bKowloon\b"),
    "TWD": _signs(
        r"\b(?:New )?Taiwan dollars?\b|新台幣|新臺幣", r"\bTaiwan\b|\bTaipei\b|[台臺][灣湾北]"
    ),
    "MXN": _signs(
        r"\bMexican pesos?\b|\bpesos? mexicanos?\b|\bM\.N\.",
        r"(?<!New )\bM[eé]xico\b(?! Beach)|\bRFC:? ?[A-ZÑ&]{3,4}-?\d{6}",
    ),
    "ARS": _signs(
        r"\bArgentin(?:e|ian) pesos?\b|\bpesos? argentinos?\b",
        r"\bArgentina\b|\bBuenos Aires\b|\bCUIT\b|\bAFIP\b",
    ),
    "CLP": _signs(
        r"\bChilean pesos?\b|\bpesos? chilenos?\b",
        r"\bChile\b|\bR\.?U\.?T\.?:? ?\d|\bSantiago de Chile\b",
    ),
    "COP": _signs(
        r"\bColombian pesos?\b|\bpesos? colombianos?\b|\bpesos? m/?cte\b",
        r"\bColombia\b(?!,? (?:MD|SC|MO))|\bBogot[áa]\b|\bDIAN\b",
    ),
    "UYU": _signs(r"\bUruguayan pesos?\b|\bpesos? uruguayos?\b", r"\bUruguay\b|\bMontevideo\b"),
    "DOP": _signs(
        r"\bDominican pesos?\b|\bpesos? dominicanos?\b",
        r"\bDominican Republic\b|\bRep[úu]blica Dominicana\b",
    ),
    "JMD": _signs(r"\bJamaican dollars?\b", r"\bJamaica\b(?!,? (?:NY|New York|Queens|Plain))"),
    "TTD": _signs(r"\bTrinidad and Tobago dollars?\b", r"\bTrinidad\b"),
    "BBD": _signs(r"\bBarbad(?:os|ian) dollars?\b", r"\bBarbados\b"),
    "BSD": _signs(r"\bBahamian dollars?\b", r"\bBahamas\b"),
    "BMD": _signs(r"\bBermud(?:a|ian) dollars?\b", r"\bBermuda\b"),
    "BZD": _signs(r"\bBelize dollars?\b", r"\bBelize\b"),
    "NAD": _signs(r"\bNamibian? dollars?\b", r"\bNamibia\b"),
    "FJD": _signs(r"\bFiji(?:an)? dollars?\b", r"\bFiji\b"),
}
_SHARED: Final = (
    _Shared(re.compile(r"\$"), "USD", _DOLLARS),
    _Shared(
        re.compile(r"[¥￥]"),
        "JPY",
        {
            "JPY": _signs(r"\bJapanese yen\b|\byen\b|日本円", r"\bJapan\b|\bTokyo\b|日本|請求書"),
            "CNY": _signs(
                r"\brenminbi\b|\bRMB\b|\byuan\b|人民币", r"\bChina\b|\bShanghai\b|中国|发票"
            ),
        },
    ),
    _Shared(
        re.compile(r"(?<![^\W\d_])kr\b\.?", re.IGNORECASE),
        "SEK",
        {
            "SEK": _signs(
                r"\b(?:Swedish kron(?:a|or)|svenska kronor)\b",
                r"\bSverige\b|\bSweden\b|\bSE\d{12}\b|\bmoms\b.*\borg\.?nr\b",
            ),
            "NOK": _signs(
                r"\b(?:Norwegian kroner|norske kroner)\b", r"\bNorge\b|\bNorway\b|\bMVA\b"
            ),
            "DKK": _signs(
                r"\b(?:Danish kroner|danske kroner)\b", r"\bDanmark\b|\bDenmark\b|\bCVR\b"
            ),
            "ISK": _signs(r"\bíslenskar krónur\b", r"\bÍsland\b|\bIceland\b|\bkennitala\b"),
        },
    ),
    _Shared(
        re.compile(r"(?<![^\W\d_])Rs\b\.?|₨", re.IGNORECASE),
        "INR",
        {
            "INR": _signs(r"\bIndian rupees?\b", r"\bIndia\b|\bGSTIN\b"),
            "PKR": _signs(r"\bPakistani? rupees?\b", r"\bPakistan\b"),
            "LKR": _signs(r"\bSri Lankan? rupees?\b", r"\bSri Lanka\b"),
            "NPR": _signs(r"\bNepal(?:i|ese) rupees?\b", r"\bNepal\b"),
            "MUR": _signs(r"\bMauriti(?:us|an) rupees?\b", r"\bMauritius\b"),
        },
    ),
)
#: Countries with a symbol that elsewhere means one currency only.
_ELSEWHERE: Final = {
    "GBP": re.compile(r"\bEgypt\b|\bLebanon\b|\bSyria\b|\bSudan\b|\bGibraltar\b|\bFalkland\b"),
    "CAD": re.compile(r"\bNicaragua\b|\bc[óo]rdobas?\b"),
}
_CODE_AT_NUMBER = re.compile(
    r"(?<![A-Za-z])([A-Z]{3})[)\]]?\s?[-(]?[.,]?\d|\d\s?[(\[]?([A-Z]{3})(?![A-Za-z])"
)
_CODE = re.compile(r"(?<![A-Za-z])([A-Z]{3})(?![A-Za-z])")
#: What says that a code is the currency of the document, and not a word such as CAD or ALL.
_STATED = re.compile(
    r"(?i:currency|w[äa]hrung|devise|moneda|valuta|waluta|m[ée]na)\W{0,3}(?:\w+\W){0,2}?([A-Z]{3})\b|"
    r"\b(?i:in|en|em)\s([A-Z]{3})\b"
)


def symbols_in(text: str) -> set[str]:
    """The currencies that symbols in a text can mean: a `$` can mean each kind of dollar."""
    found, rest = set(), text
    for pattern, code in _SYMBOLS:
        rest, count = pattern.subn(" ", rest)
        if count:
            found.add(code)
    for shared in _SHARED:
        if shared.symbol.search(rest):
            found |= set(shared.signs)
    return found


def currencies_named(lines: Iterable[str]) -> set[str]:
    """The currencies that a text may name: by symbol, by code, or in words."""
    found: set[str] = set()
    for line in lines:
        found |= symbols_in(line)
        found.update(code for code in _CODE.findall(line) if is_money(code))
        found.update(
            code
            for shared in _SHARED
            for code, signs in shared.signs.items()
            if signs.words.search(line)
        )
        found.update(code for code, words in _WORDS.items() if words.search(line))
    return found


#: Currencies in words that share no symbol.
_WORDS: Final = {
    "EUR": re.compile(r"\beuros?\b", re.IGNORECASE),
    "GBP": re.compile(r"\b(?:pounds? sterling|british pounds?)\b", re.IGNORECASE),
    "CHF": re.compile(r"\b(?:swiss francs?|schweizer franken|francs suisses)\b", re.IGNORECASE),
    "PLN": re.compile(r"\bz[łl]ot(?:y|ych|e)\b", re.IGNORECASE),
}
#: Doubts that a known vendor's usual currency can end.
NOT_AT_TOTAL: Final = "the document names it, but not next to the total"
OPEN_SYMBOL: Final = "several currencies use its symbol"


class FoundCurrency(NamedTuple):
    """A document's currency.

    Attributes:
        code: ISO 4217; empty if there is no sign of any.
        doubt: Why it is uncertain; else empty.
        shown: The text that shows it: an amount, a label or a line; empty if none does.
    """

    code: str
    doubt: str = ""
    shown: str = ""


def currency_of(
    amounts: Iterable[str],
    labels: Iterable[str],
    lines: Iterable[str],
    codes: Iterable[str],
    address: Iterable[str] = (),
) -> FoundCurrency:
    """The currency of a document.

    Args:
        amounts: The texts of its amounts, the total's first.
        labels: The labels of the amounts, such as `Total EUR`.
        lines: The text without the customer's name and address, whose country says nothing.
        codes: The currencies that the engine found.
        address: The seller's, whose country decides before those of other lines.
    """
    written, named, text = list(amounts), list(labels), list(lines)
    stated = {code for code in codes if is_money(code)}
    at_amounts = _where(written, _unshared)
    at_labels = _where(named, lambda one: (*_unshared(one), *_codes(one)))
    found = at_amounts or at_labels
    if not found:
        shown = next((one for one in written if _shared_by(one)), "")
        if shared := _shared_by(shown):
            return _decided(shared, shown, text, stated, list(address))
        if len(stated) == 1:
            return FoundCurrency(next(iter(stated)))
        return _beside(text)
    first = next(iter(found))
    if len(found) > 1:
        if len(found.keys() & stated) == 1:
            (first,) = found.keys() & stated
        doubt = f"there are amounts in {', '.join(sorted(found))}"
        return FoundCurrency(first if stated else min(found), doubt, found[first])
    doubt = ""
    if at_amounts and stated and stated != set(at_amounts):
        doubt = f"the document says {first}, the engine {', '.join(sorted(stated))}"
    elif (elsewhere := _ELSEWHERE.get(first)) and any(elsewhere.search(one) for one in text):
        doubt = "the document names a country with another currency of this symbol"
    return FoundCurrency(first, doubt, found[first])


def _decided(
    shared: _Shared, amount: str, text: Sequence[str], stated: set[str], address: Sequence[str]
) -> FoundCurrency:
    """Which of the currencies with a symbol: as stated, else that of the seller's country."""
    several = ", ".join(shared.signs)
    open_doubt = f"{OPEN_SYMBOL} ({several}), and the document names none"
    said = _where(text, lambda one: _said(shared, one))
    if len(said) == 1:
        ((code, shown),) = said.items()
        return FoundCurrency(code, "", shown)
    at_home = _where(address, lambda one: _countries(shared, one))
    countries = at_home if len(at_home) == 1 else _where(text, lambda one: _countries(shared, one))
    mentioned = _where(text, lambda one: (c for c in _codes(one) if c in shared.signs))
    if said:
        return FoundCurrency(shared.guess, f"the document names {', '.join(sorted(said))}", amount)
    if len(countries) == 1:
        ((code, shown),) = countries.items()
        doubt = ""
        if mentioned and code not in mentioned:
            doubt = f"the seller's country uses {code}, but there is {', '.join(sorted(mentioned))}"
        elif stated and code not in stated:
            doubt = f"the seller's country uses {code}, the engine says {', '.join(sorted(stated))}"
        return FoundCurrency(code, doubt, shown)
    if countries:
        return FoundCurrency(
            shared.guess, f"the document names countries of {', '.join(sorted(countries))}", amount
        )
    voices = set(mentioned) | stated
    if len(voices) == 1:
        (code,) = voices
        certain = code == shared.guess or stated
        doubt = "" if certain else f"{code} may be a word, and not the currency"
        return FoundCurrency(code, doubt, mentioned.get(code, amount))
    return FoundCurrency(shared.guess, open_doubt, amount)


def _countries(shared: _Shared, line: str) -> Iterable[str]:
    return (code for code, signs in shared.signs.items() if signs.country.search(line))


def _said(shared: _Shared, line: str) -> Iterable[str]:
    """The currencies that a line states: in words, as `currency: USD`, or beside a number."""
    for code, signs in shared.signs.items():
        if signs.words.search(line):
            yield code
    for pattern in (_STATED, _CODE_AT_NUMBER):
        for match in pattern.finditer(line):
            if (code := match[1] or match[2]) in shared.signs:
                yield code


def _beside(text: Sequence[str]) -> FoundCurrency:
    """The only currency that the text shows at any amount."""
    beside = _where(
        text,
        lambda one: (
            *(code for symbol, code in _SYMBOLS if symbol.search(one)),
            *_unshared(one),
            # A column of its own.
            *(code for code in _codes(one) if one.strip(" ()[]") == code),
        ),
    )
    if len(beside) != 1:
        return FoundCurrency("")
    ((code, shown),) = beside.items()
    return FoundCurrency(code, NOT_AT_TOTAL, shown)


def _where(texts: Iterable[str], codes_of: Callable[[str], Iterable[str]]) -> dict[str, str]:
    """Each currency, with the first text that shows it."""
    found: dict[str, str] = {}
    for text in texts:
        for code in codes_of(text):
            if is_money(code):
                found.setdefault(code, text)
    return found


def _shared_by(text: str) -> _Shared | None:
    return next((one for one in _SHARED if one.symbol.search(text)), None)


def _unshared(text: str) -> Iterable[str]:
    """The currencies in a text, leaving out symbols that currencies share."""
    for symbol, code in _SYMBOLS:
        if symbol.search(text):
            yield code
            return
    for match in _CODE_AT_NUMBER.finditer(text):
        if is_money(code := match[1] or match[2]):
            yield code


def _codes(text: str) -> list[str]:
    return [code for code in _CODE.findall(text) if is_money(code)]
