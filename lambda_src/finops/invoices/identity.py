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
_WORDS = re.compile(r"[^\W_]+")


def vendor_key(name: str) -> str:
    """A vendor's name for comparison: without accents, case, punctuation and legal form."""
    folded = unicodedata.normalize("NFKD", name.replace("ß", "ss")).casefold()
    words = _WORDS.findall("".join(c for c in folded if not unicodedata.combining(c)))
    # "B.V." and "S. à r. l." count as one word each.
    joined = [
        text
        for single, run in groupby(words, key=lambda word: len(word) == 1)
        for text in (["".join(run)] if single else run)
    ]
    kept = [word for word in joined if word not in _LEGAL_FORMS]
    return "".join(kept or joined) or folded.strip()


def number_key(number: str) -> str:
    """An invoice number for comparison: only its letters and digits, in upper case."""
    upper = unicodedata.normalize("NFKC", number).upper()
    return "".join(_WORDS.findall(upper)) or upper.strip()


def duplicate_key(invoice: Invoice) -> str:
    """Vendor, number and year: duplicates have the same key."""
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
    total = invoice.amount("total") or Decimal(0)
    return "|".join(
        quote(part, safe="")
        for part in (
            vendor_key(invoice.text("vendor")),
            f"{total.normalize():f}",
            invoice.text("currency"),
            invoice.text("invoice_date") or invoice.text("due_date"),
        )
    )
