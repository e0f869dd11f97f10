"""Values of elements: text, amounts and dates, with the line of the file in each refusal."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from typing import Final

from finops.invoices.einvoice.xml_reader import Element
from finops.shared.errors import RejectedInput

#: XML Schema's decimal: no exponent, no thousands separators.
_DECIMAL: Final = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,12})?|\.\d{1,12})", re.ASCII)
#: XML Schema's date, which may carry a time zone.
_DATE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T[\d:.]{5,18})?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)


class Amounts:
    """Amounts of a document, and which of them are in another currency than the document's."""

    def __init__(self, currency: str) -> None:
        self._currency = currency
        self.elsewhere: list[str] = []

    def __call__(self, parent: Element | None, path: str, term: str) -> Decimal | None:
        """The amount at a path, which may be there once; None if it is not there.

        Args:
            parent: Where the path starts.
            path: Names of elements, such as `cbc:PayableAmount`.
            term: The business term, such as `BT-115`.

        Raises:
            RejectedInput: it is there twice, or is not an amount.
        """
        element = only(parent, path, term)
        return None if element is None else self.of(element, term)

    def of(self, element: Element, term: str) -> Decimal:
        """The amount of an element.

        Raises:
            RejectedInput: it is not an amount.
        """
        code = element.attributes.get("currencyID", "").strip()
        if code and code != self._currency:
            self.elsewhere.append(f"{term} in {code[:10]} (line {element.line})")
        return number_of(element, term)

    def required(self, parent: Element, path: str, term: str) -> Decimal:
        """As the call, for an amount without which its group means nothing."""
        found = self(parent, path, term)
        if found is None:
            raise missing(parent, term)
        return found


def only(parent: Element | None, path: str, term: str) -> Element | None:
    """The element at a path; None if there is none.

    Raises:
        RejectedInput: there are several. Which of two totals is meant is not guessed.
    """
    if parent is None:
        return None
    found = list(parent.all(path))
    if len(found) > 1:
        first, second = found[:2]
        raise invalid(
            "duplicate_term",
            f"line {second.line}: {term} ({path.rpartition('/')[2]}) is there twice, first in line "
            f"{first.line}",
        )
    return found[0] if found else None


def text(parent: Element | None, path: str, term: str) -> str:
    """The text at a path as one line; empty if it is not there.

    Raises:
        RejectedInput: it is there twice.
    """
    return line_of(only(parent, path, term))


def first(parent: Element | None, *paths: str) -> str:
    """The first text that is there at one of the paths, as one line."""
    for path in paths if parent is not None else ():
        for element in parent.all(path) if parent is not None else ():
            if found := line_of(element):
                return found
    return ""


def line_of(element: Element | None) -> str:
    """An element's text as one line, without characters that nobody sees."""
    if element is None:
        return ""
    seen = "".join(c for c in element.text if unicodedata.category(c) not in {"Cf", "Co", "Cn"})
    return " ".join("".join(" " if c < " " or c == "\x7f" else c for c in seen).split())


def number(parent: Element | None, path: str, term: str) -> Decimal | None:
    """A quantity or rate at a path; None if it is not there.

    Raises:
        RejectedInput: it is there twice, or is not a number.
    """
    element = only(parent, path, term)
    return None if element is None else number_of(element, term)


def number_of(element: Element, term: str) -> Decimal:
    """The number of an element.

    Raises:
        RejectedInput: it is not a decimal number of XML Schema.
    """
    if not _DECIMAL.fullmatch(element.text):
        raise invalid(
            "invalid_amount",
            f"line {element.line}: {term} {element.text[:40]!r} is not a number with a decimal "
            "point",
        )
    return Decimal(element.text)


def iso_date(element: Element | None, term: str) -> date | None:
    """A date such as 2026-03-31, with or without a time and a time zone.

    Raises:
        RejectedInput: it is not such a date.
    """
    if element is None or not element.text:
        return None
    match = _DATE.fullmatch(element.text)
    try:
        return date.fromisoformat(match[1] if match else "")
    except ValueError as error:
        raise _no_date(element, term) from error


def basic_date(element: Element | None, term: str) -> date | None:
    """A date such as 20260331, UNTDID 2379's format 102.

    Raises:
        RejectedInput: it is not such a date, or in another format.
    """
    if element is None or not element.text:
        return None
    shown = element.text
    try:
        if element.attributes.get("format", "102") != "102" or not re.fullmatch(
            r"\d{8}", shown, re.ASCII
        ):
            raise ValueError
        return date(int(shown[:4]), int(shown[4:6]), int(shown[6:]))
    except ValueError as error:
        raise _no_date(element, term) from error


def missing(parent: Element, term: str) -> RejectedInput:
    """The refusal of a group without what it is about."""
    return invalid("missing", f"line {parent.line}: {term} is missing in {parent.name}")


def invalid(code: str, message: str) -> RejectedInput:
    """The refusal of an invoice whose sender must correct it."""
    return RejectedInput(
        message,
        code=code,
        field="document",
        step="read",
        remedy="Ask the sender for a corrected file",
    )


def _no_date(element: Element, term: str) -> RejectedInput:
    return invalid(
        "invalid_date", f"line {element.line}: {term} {element.text[:40]!r} is not a date"
    )
