"""Account numbers by ISO 13616 in a text, known by their length and their check digits.

Lengths are those of the IBAN registry:
https://www.swift.com/standards/data-standards/iban-international-bank-account-number
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_LENGTHS: Final = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
        "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 "
        "IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 "
        "MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 "
        "SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30",
    )
}
_BETWEEN: Final = r"[ \n./|_\u00b7\u2022-]{0,2}"
_START: Final = re.compile(
    rf"(?:(?<![A-Z0-9])|(?<=IBAN))[A-Z]{_BETWEEN}[A-Z]{_BETWEEN}\d{_BETWEEN}\d"
)
#: What may follow without a space.
_NEXT_WORD: Final = re.compile(r"BIC|SWIFT|[\W_]|$")
#: Characters of the longest IBAN, with separators.
_LONGEST: Final = 34 * 3
_SHORTEST: Final = 15
_FEWEST_DIGITS: Final = 6
_DIGIT: Final = re.compile(r"\d")
_MOST_DIGITS: Final = 60
_SEPARATORS: Final = frozenset(" \n./|_\u00b7\u2022-")
#: Separators in a row that still divide one number, and not two.
_WIDEST_GAP: Final = 2
#: In what another line goes on with; more are a word of the text.
_MOST_LETTERS: Final = 4
#: Words of an account in other forms.
_BANK: Final = re.compile(
    r"\b(?:iban|bic|swift|sort[ -]?code|routing|aba|blz|bsb|clabe|ifsc|kto|bank\w*|banque|"
    r"konto[ .-]{0,2}(?:nr|nummer)\w*|rekeningnummer)\b",
    re.IGNORECASE,
)
#: A label of an account's number, which stands alone.
_LABEL: Final = re.compile(
    r"(?:sort[ -]?code|(?:aba )?routing(?: number| no\.?)?|aba(?: number| no\.?)?|blz|bsb|clabe|"
    r"bank account(?: number| no\.?)?|k(?:on)?to[ .-]{0,2}(?:nr|nummer)\.?|rekeningnummer)\s?:?",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"\d[\d /-]{4,30}\d")
#: Lines after a label.
_COLUMN: Final = 3
#: Dates and amounts, which change from one invoice to the next. 20-00-00 is a sort code.
_DATE_OR_AMOUNT: Final = re.compile(
    r"\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\b\d{1,2}-\d{1,2}-\d{4}\b|"
    r"(?<![\d.,])\d{1,3}(?:[.,' ]?\d{3}){0,4}[.,]\d{2}(?!\d)"
)


def compact(text: str) -> str:
    """An account number without spaces, in upper case."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).upper()


def is_iban(text: str) -> bool:
    """Whether a compact text has the check digits of ISO 7064, MOD 97-10, and its country's length.

    The length of a country that is not in the registry is not judged.
    """
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", text):
        return False
    if len(text) != _LENGTHS.get(text[:2], len(text)):
        return False
    digits = "".join(str(int(c, 36)) for c in text[4:] + text[:4])
    return int(digits) % 97 == 1


def ibans_in(text: str) -> tuple[str, ...]:
    """The IBANs that are printed in a text, compact, each once.

    Spaces, dots, hyphens, slashes and the ends of lines may divide them, and letters may be small;
    invisible characters and digits of other scripts do not hide them.
    """
    if len(text) < _SHORTEST or len(_DIGIT.findall(text)) < _FEWEST_DIGITS:
        return ()
    normal = unicodedata.normalize("NFKC", text)
    plain = "".join(
        f"{unicodedata.decimal(c, c)}" for c in normal if unicodedata.category(c) != "Cf"
    )
    plain = re.sub(r"[\u2010-\u2015\u2212]", "-", plain).upper()
    lines = (" ".join(line.split()) for line in plain.splitlines())
    plain = "\n".join(line for line in lines if line)
    found = (_at(plain, match.start()) for match in _START.finditer(plain))
    return tuple(dict.fromkeys(one for one in found if one))


def other_account_in(line: str) -> str:
    """The digits of a line that speaks of a bank account and shows no IBAN; else empty.

    Without those of dates and amounts.
    """
    if not _BANK.search(line) or ibans_in(line):
        return ""
    left = _DATE_OR_AMOUNT.sub(" ", unicodedata.normalize("NFKC", line))
    digits = re.sub(r"\D", "", left)
    return digits[:_MOST_DIGITS] if len(digits) >= _FEWEST_DIGITS else ""


def other_accounts(lines: Sequence[str]) -> tuple[str, ...]:
    """The accounts of a page that are no IBANs, each once.

    A column may have a label in one line, and its number in one of the next.
    """
    found = [other_account_in(line) for line in lines]
    for at, line in enumerate(lines):
        if _LABEL.fullmatch(line.strip()):
            after = lines[at + 1 : at + 1 + _COLUMN]
            numbers = " ".join(one for one in after if _NUMBER.fullmatch(one.strip()))
            found.append(other_account_in(f"{line} {numbers}"))
    return tuple(dict.fromkeys(one for one in found if one))


def _at(text: str, start: int) -> str:
    """The IBAN that begins here; empty if none does."""
    kept: list[str] = []
    length, gap, lines, letters = len(text), 0, 1, 0
    for at, c in enumerate(text[start : start + _LONGEST], start):
        if c.isascii() and c.isalnum():
            kept.append(c)
            gap = 0
            letters += lines > 1 and c.isalpha()
        elif c in _SEPARATORS and gap < _WIDEST_GAP:
            gap += 1
            lines += c == "\n"
            if lines > 1 and not text[start : start + 4].isalnum():
                # Invoice No 12345, and its date in the next line, are no Norwegian account.
                return ""
        else:
            return ""
        if len(kept) == 2:
            length = _LENGTHS.get("".join(kept), 0)
        if len(kept) >= length:
            joined = "".join(kept)
            ends = letters <= _MOST_LETTERS and _NEXT_WORD.match(text, at + 1)
            return joined if ends and is_iban(joined) else ""
    return ""
