"""What makes two invoices the same, or alike."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Final
from urllib.parse import quote

from finops.invoices.domain import Invoice

#: Legal forms are ignored: "ACME GmbH" and "Acme" are the same vendor.
_LEGAL_FORMS: Final = frozenset(
    {
        *("ab", "ag", "aps", "as", "asa", "bv", "bvba", "co", "company", "corp", "corporation"),
        *("ek", "eirl", "eurl", "gbr", "gmbh", "inc", "incorporated", "kg", "kgaa", "limited"),
        *("llc", "llp", "lp", "ltd", "ltda", "mbh", "nv", "ohg", "oy", "oyj", "plc", "pte", "pty"),
        *("pvt", "sa", "sae", "sarl", "sas", "sasu", "se", "sl", "slu", "spa", "sprl", "srl"),
        *("srls", "ug", "vof"),
    }
)
#: One spelling of each legal form that has several.
_SPELLED: Final = {
    "limited": "ltd",
    "incorporated": "inc",
    "corporation": "corp",
    "company": "co",
    "mbh": "gmbh",
}
#: The type of the other field with the seller's tax number, where the tax id is its VAT id.
TAX_NUMBER: Final = "BT-32"
#: A tax id's country, as in DE123456789 or CHE-123.456.789.
_COUNTRY = re.compile(r"^(?:CHE|[A-Z]{2})(?=[A-Z]?\d{5})")
_WORDS = re.compile(r"[^\W_]+")


def vendor_key(name: str) -> str:
    """A vendor's name for comparison: without accents, case, punctuation and legal form."""
    joined = _joined(name)
    kept = [word for word in joined if word not in _LEGAL_FORMS]
    return "".join(kept or joined) or _folded(name).strip()


def _joined(name: str) -> list[str]:
    """The words of a name; "B.V." and "S. à r. l." count as one word each."""
    words = _WORDS.findall(_folded(name))
    return [
        text
        for single, run in groupby(words, key=lambda word: len(word) == 1)
        for text in (["".join(run)] if single else run)
    ]


def _folded(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.replace("ß", "ss")).casefold()
    return "".join(
        c for c in folded if not unicodedata.combining(c) and unicodedata.category(c) != "Cf"
    )


def mixes_alphabets(name: str) -> bool:
    """Whether a name may look like another one: some Cyrillic and Greek letters look Latin."""
    letters = (unicodedata.name(c, "").partition(" ")[0] for c in name if c.isalpha())
    return len({"LATIN", "CYRILLIC", "GREEK"} & {*letters}) > 1


def number_key(number: str) -> str:
    """An invoice number for comparison: only its letters and digits, in upper case."""
    upper = unicodedata.normalize("NFKC", number).upper()
    return "".join(_WORDS.findall(upper)) or upper.strip()


def printed_number(number: str) -> str:
    """An invoice number as printed, but for case, spaces and the length of dashes.

    2026/11-2 is another number than 2026/1-12.
    """
    upper = unicodedata.normalize("NFKC", number).upper()
    seen = "".join(c for c in upper if unicodedata.category(c) not in {"Zs", "Cf", "Cc"})
    return re.sub(r"[\u2010-\u2015\u2212]", "-", seen)


def legal_name_key(name: str) -> str:
    """A vendor's name for comparison, with its legal form: an AG is not a GmbH."""
    words = [_SPELLED.get(word, word) for word in _joined(name)]
    return "".join(words) or vendor_key(name)


def number_index_key(invoice: Invoice) -> str:
    """Vendor and number without what is often written differently: duplicates have the same."""
    return "|".join(
        quote(part, safe="")
        for part in (
            vendor_key(invoice.text("vendor")),
            number_key(invoice.text("invoice_number")),
        )
    )


def tax_ids(invoice: Invoice) -> frozenset[str]:
    """The vendor's tax ids for comparison: without country, spaces and punctuation."""
    numbers = (one.text for one in invoice.other if one.type == TAX_NUMBER)
    found = (tax_id_key(text) for text in (invoice.text("vendor_tax_id"), *numbers))
    return frozenset(one for one in found if one)


def tax_id_key(text: str) -> str:
    """A tax id for comparison: without country, spaces and punctuation."""
    return _COUNTRY.sub("", _compact(text))


def same_tax_id(one: str, other: str) -> bool:
    """Whether two tax ids are one; either may lack its country."""
    countries = {match[0] for text in (one, other) if (match := _COUNTRY.match(_compact(text)))}
    return tax_id_key(one) == tax_id_key(other) and len(countries) < 2


def _compact(text: str) -> str:
    return re.sub(r"[\W_]", "", text).upper()


def tax_index_keys(invoice: Invoice) -> tuple[str, ...]:
    """For each tax id: the id and the number. Duplicates share one, however the vendor is named."""
    number = quote(number_key(invoice.text("invoice_number")), safe="")
    return tuple(f"{quote(one, safe='')}|{number}" for one in sorted(tax_ids(invoice)))


def duplicate_key(invoice: Invoice) -> str:
    """Vendor, number and year: the claim of invoices that were processed by earlier versions."""
    dated = invoice.date("invoice_date") or invoice.date("due_date") or date.min
    return "|".join(
        quote(part, safe="")
        for part in (
            vendor_key(invoice.text("vendor")),
            number_key(invoice.text("invoice_number")),
            f"{dated:%Y}",
        )
    )


def near_match_key(invoice: Invoice) -> str:
    """Vendor, total and date: with the same key, two invoices may be duplicates."""
    total = invoice.signed_total or Decimal(0)
    return "|".join(
        quote(part, safe="")
        for part in (
            vendor_key(invoice.text("vendor")),
            f"{total.normalize():f}",
            invoice.text("currency"),
            invoice.text("invoice_date") or invoice.text("due_date"),
        )
    )
