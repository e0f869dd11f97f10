"""Which printed lines are the seller's, and what can be a vendor's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from finops.invoices.domain import Place
from finops.invoices.textract_response.pages import Line, SummaryField
from finops.shared.money import is_currency


def sellers(lines: Sequence[Line], fields: Sequence[SummaryField]) -> list[Line]:
    """The lines without the customer's name and address."""
    customers = [one for one in fields if one.of_customer]
    boxes = [one.place for one in customers if one.place]
    texts = {" ".join(one.text.split()) for one in customers}
    parts = {" ".join(part.split()) for one in customers for part in one.text.split("\n")}

    def is_customers(line: Line) -> bool:
        if line.place and boxes:
            return any(_inside(line.place, box) for box in boxes)
        text = " ".join(line.text.split())
        return text in parts or (len(text) > 3 and any(text in one for one in texts))

    return [line for line in lines if not is_customers(line)]


def _inside(small: Place, large: Place) -> bool:
    across, down = small.left + small.width / 2, small.top + small.height / 2
    return (
        small.page == large.page
        and large.left <= across <= large.left + large.width
        and large.top <= down <= large.top + large.height
    )


#: Words beside an amount; what is left of a name without them and without numbers is the name.
_NO_NAMES: Final = frozenset(
    re.findall(
        r"\S+",
        "ttc ht htva tvac net netto brutto gross total subtotal summe gesamt incl inkl "
        "excl exkl vat tax mwst ust tva btw iva moms invoice rechnung facture factuur "
        "factura fattura faktura fatura tel page seite date datum no nr",
    )
)


def no_name(text: str) -> str:
    """Why a text is no vendor's name; empty if it can be one."""
    if re.search(r"\d[.,]\d{2}(?!\d)", text) and _names_money(text):
        return "it is an amount"
    words = [word for word in re.findall(r"[^\W\d_]+", text) if word.casefold() not in _NO_NAMES]
    if not [word for word in words if not is_currency(word)]:
        return "it is not a name"
    return ""


def _names_money(text: str) -> bool:
    return bool(re.search(r"[$€£¥₹]", text)) or any(
        is_currency(word) for word in re.findall(r"\b[A-Z]{3}\b", text)
    )
