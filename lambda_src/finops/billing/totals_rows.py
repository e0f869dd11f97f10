"""Finds the lines of totals among the rows of a file: they are no bills, and never money.

A line is one where its id says so (`Summe`), whatever its amount. It is one, too, where its amount
is the sum of the rows above, all of them or those since another line of totals, and it has not what
makes a bill: its id or day is empty, its id has no digit though those of all bills above have, or
its id has a word for totals, or another text begins with one. So `Total FRA` is an id, unless its
amount is such a sum.
"""

from __future__ import annotations

import operator
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from functools import partial
from itertools import compress
from typing import Any, Final, cast

from finops.billing.cells import RowProblem
from finops.billing.totals_words import (
    TOTALS_ROW,
    begin_with_total,
    end_with_total,
    is_name,
    is_total,
)
from finops.shared.money import EXACT

#: Beginnings of sums that are remembered of each currency, besides that of all rows.
_MOST_STARTS: Final = 50
#: Half of the last digit that totals are written with.
_ROUNDING: Final = Decimal("0.005")
_DIGIT = re.compile(r"\d")
_NO_DIGIT = re.compile(r"\D*")


@dataclass(slots=True)
class _Sums:
    """The amounts of one currency so far, and what the sum was where each totals row stands.

    Attributes:
        whole: The sum of all rows.
        count: How many they are.
        starts: (sum, count) at each line of totals.
    """

    whole: Decimal = Decimal(0)
    count: int = 0
    starts: list[tuple[Decimal, int]] = field(default_factory=list)

    def add(self, amounts: Sequence[Decimal]) -> None:
        """Add the amounts of further rows."""
        with localcontext(EXACT):
            self.whole = sum(amounts, self.whole)
        self.count += len(amounts)

    def rows_of(self, amount: Decimal) -> int:
        """How many rows above have this sum; 0 where none do."""
        for start, before in ((Decimal(0), 0), *reversed(self.starts)):
            rows = self.count - before
            if rows and abs(EXACT.subtract(self.whole, start) - amount) < _ROUNDING:
                return rows
        return 0

    def begin(self) -> None:
        """A further sum begins here."""
        self.starts = [*self.starts[1 - _MOST_STARTS :], (self.whole, self.count)]


class TotalsRows:
    """Finds the lines of totals of one file, or of a part of it, in the order of its rows.

    Args:
        ids: The title of each cell that identifies a bill: of its id, or those whose hash it is.
        is_hash: Whether the id is a hash.
        day: The cell of a bill's day.
        texts: Other cells that hold texts.
        state: What `to_document` returned before this part of the file.
    """

    def __init__(
        self,
        ids: Mapping[int, str],
        *,
        is_hash: bool,
        day: int,
        texts: Sequence[int],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._ids = ids
        self._is_hash = is_hash
        self._day = day
        self._texts = [*dict.fromkeys((*ids, *texts))]
        self._sums: dict[str, _Sums] = defaultdict(_Sums)
        #: The cells in which each id so far has a digit.
        self._numbered = set(ids)
        if state:
            self._numbered = set(state["numbered"])
            for currency, (whole, count, starts) in state["sums"].items():
                before = [(Decimal(one), rows) for one, rows in starts]
                self._sums[currency] = _Sums(Decimal(whole), count, before)

    def to_document(self) -> dict[str, Any]:
        """What is known after the rows so far, for the part of the file that follows."""
        return {
            "numbered": sorted(self._numbered),
            "sums": {
                currency: [str(one.whole), one.count, [(str(at), rows) for at, rows in one.starts]]
                for currency, one in self._sums.items()
            },
        }

    def among(
        self,
        columns: Sequence[Sequence[str]],
        amounts: Sequence[Decimal | None],
        currencies: Sequence[str | None],
    ) -> dict[int, RowProblem]:
        """Which of the next rows are lines of totals, by their number from 0.

        Args:
            columns: The cells of each column.
            amounts: Of each row; None where it has none that can be read.
            currencies: The same.
        """
        named, lacking = self._doubtful(columns)
        found: dict[int, RowProblem] = {}
        start = 0
        for number in sorted({*named, *lacking}):
            self._add(amounts[start:number], currencies[start:number])
            start = number
            cells = {at: columns[at][number].strip() for at in (*self._texts, self._day)}
            currency = currencies[number]
            problem = self._problem(cells, named.get(number, ()), amounts[number], currency)
            if problem is None:
                self._numbered -= {at for at in self._ids if not _DIGIT.search(cells[at])}
                continue
            found[number] = problem
            start += 1
            for one in [self._sums[currency]] if currency else self._sums.values():
                one.begin()
        self._add(amounts[start:], currencies[start:])
        return found

    def _add(self, amounts: Sequence[Decimal | None], currencies: Sequence[str | None]) -> None:
        """Add rows that are none of totals."""
        codes = {*currencies}
        if len(codes) == 1 and None not in codes and None not in amounts:
            self._sums[currencies[0] or ""].add(cast("Sequence[Decimal]", amounts))
            return
        for code in codes - {None}:
            some = compress(amounts, map(partial(operator.eq, code), currencies))
            self._sums[code or ""].add([one for one in some if one is not None])

    def _doubtful(self, columns: Sequence[Sequence[str]]) -> tuple[dict[int, list[int]], set[int]]:
        """The cells with a word for totals by row, and the rows that may lack an id or a day."""
        named: dict[int, list[int]] = {}
        lacking: set[int] = set()
        for at in self._texts:
            cells = columns[at]
            if at not in self._ids:
                words = begin_with_total({*cells})
            else:
                words = begin_with_total(cells)
                # Most ids end with a digit.
                if not all(map(str.isdigit, {one[-1:] for one in cells})):
                    words |= end_with_total(cells)
                    is_missing = _NO_DIGIT.fullmatch if at in self._numbered else operator.not_
                    lacking |= {number for number, one in enumerate(cells) if is_missing(one)}
            if words:
                for number, cell in enumerate(cells):
                    if cell in words:
                        named.setdefault(number, []).append(at)
        if "" in columns[self._day]:
            lacking |= {number for number, one in enumerate(columns[self._day]) if not one}
        return named, lacking

    def _problem(
        self,
        cells: Mapping[int, str],
        named: Sequence[int],
        amount: Decimal | None,
        currency: str | None,
    ) -> RowProblem | None:
        for at in named:
            text = cells[at]
            if at in self._ids and is_total(text) and not (self._is_hash and is_name(text)):
                return _row_of_totals(self._ids[at], text, "names a line of totals")
        is_bare = not cells[self._day] or any(
            not _DIGIT.search(cells[at])
            for at in self._ids
            if at in self._numbered or not (cells[at] or self._is_hash)
        )
        if not amount or currency is None or not (named or is_bare):
            return None
        rows = self._sums[currency].rows_of(amount)
        # One equal amount is no evidence against a bill that has an id, a day and a currency.
        if not rows or (rows == 1 and not is_bare):
            return None
        at = next((one for one in named if one in self._ids), next(iter(self._ids)))
        above = f"the {rows} rows above it" if rows > 1 else "the row above it"
        said = f"stands in a line of totals: {amount:f} {currency} is the sum of {above}"
        return _row_of_totals(self._ids[at], cells[at], said)


def _row_of_totals(title: str, text: str, said: str) -> RowProblem:
    message = f"{title} {text!r} {said}: leave it out; if it is a bill, give it another id"
    return RowProblem(TOTALS_ROW, message, title, text)
