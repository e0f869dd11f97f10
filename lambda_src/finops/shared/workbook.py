"""Excel workbooks that look alike: cell formats, status colours, and what a cell can hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from finops.shared.money import minor_units

#: Of a status: (background, text), dark enough on each other to be read in print.
GOOD: Final = ("#DDF3E4", "#18603A")
WARNING: Final = ("#FFF1CC", "#7A5200")
BAD: Final = ("#FBDFDD", "#8C1D18")
NEUTRAL: Final = ("#E8E8EC", "#44444F")

#: The creation time of every workbook, so that the same data give the same bytes.
CREATED: Final = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)

#: Excel keeps 15 significant digits of a number; an amount with more is written as text:
#: https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
_EXACT_DIGITS: Final = 15


def is_exact(value: Decimal) -> bool:
    """Whether a cell can hold this number without rounding it."""
    return len(value.as_tuple().digits) <= _EXACT_DIGITS


class Red(Enum):
    """Which numbers are red."""

    NONE = "none"
    NEGATIVE = "negative"
    POSITIVE = "positive"

    def format(self, positive: str, negative: str, zero: str = "") -> str:
        """A spreadsheet's format of numbers; a zero is one of the positive ones without its own."""
        above = "[Red]" if self is Red.POSITIVE else ""
        below = "[Red]" if self is Red.NEGATIVE else ""
        zero = zero or (positive if above else "")
        return ";".join(filter(None, (f"{above}{positive}", f"{below}{negative}", zero)))


class Styles:
    """The cell formats of one workbook.

    Attributes:
        head: Of a column's name; `number_head` of a column of numbers.
        date: `2026-03-31`.
        statuses: By status.
    """

    def __init__(self, book: Any, statuses: Mapping[str, tuple[str, str]]) -> None:
        """Add the formats.

        Args:
            book: The `xlsxwriter.Workbook` they are for.
            statuses: Each status with its colours.
        """
        head = {"bold": True, "bg_color": "#1F3A5F", "font_color": "#FFFFFF", "valign": "vcenter"}
        self._book = book
        self._amounts: dict[tuple[int, bool, Red], Any] = {}
        self.head = book.add_format({**head, "text_wrap": True})
        self.number_head = book.add_format({**head, "text_wrap": True, "align": "right"})
        self.date = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        self.statuses = {
            status: book.add_format({"bg_color": background, "font_color": text})
            for status, (background, text) in statuses.items()
        }

    def amount(
        self,
        currency: str,
        value: Decimal = Decimal(0),
        *,
        total: bool = False,
        red: Red = Red.NEGATIVE,
    ) -> Any:
        """The format of an amount, with thousands separated.

        Args:
            currency: ISO 4217; its minor units are shown.
            value: Its decimals are shown where it has more than the currency.
            total: Of a sum below its column.
            red: Which amounts are bad news.
        """
        exponent = value.as_tuple().exponent
        decimals = -exponent if isinstance(exponent, int) else 0
        digits = max(minor_units().get(currency) or 0, decimals)
        key = (digits, total, red)
        if key not in self._amounts:
            number = "#,##0" + (f".{'0' * digits}" if digits else "")
            line = {"bold": True, "top": 1} if total else {}
            self._amounts[key] = self._book.add_format(
                {**line, "num_format": red.format(number, f"-{number}")}
            )
        return self._amounts[key]
