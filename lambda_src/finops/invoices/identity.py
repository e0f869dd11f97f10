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

#: Legal forms say nothing about who the vendor is: "ACME GmbH" and "Acme" are one.
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
    """The vendor as compared with others: no accents, case, punctuation or legal form."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).casefold()
    words = _WORDS.findall("".join(c for c in plain if not unicodedata.combining(c)))
    # "B.V." and "S. à r. l." are one word each.
    joined = [
        text
        for single, run in groupby(words, key=lambda word: len(word) == 1)
        for text in (["".join(run)] if single else run)
    ]
    kept = [word for word in joined if word not in _LEGAL_FORMS]
    return "".join(kept or joined) or plain.strip()


def number_key(number: str) -> str:
    """The invoice number as compared with others: letters and digits only, in capitals."""
    plain = unicodedata.normalize("NFKC", number).upper()
    return "".join(_WORDS.findall(plain)) or plain.strip()


def duplicate_key(invoice: Invoice) -> str:
    """The same for two invoices that are one: vendor, number and year."""
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
    """The same for two invoices that may be one: vendor, total and date, whatever the number."""
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
