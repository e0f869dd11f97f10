"""The rules for a row: the cells of a record become the values of a table row, or a problem.

Records are read in blocks, column by column: each distinct cell of a column is read once, and where
all of them are values as they stand, none is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import compress, islice
from operator import attrgetter
from typing import Any, Final, TypeVar

from finops.billing.cells import Noted, Plain, Read, RowProblem, cell_reader, plain
from finops.billing.dataset_format import DatasetFormat
from finops.billing.file_format import Match
from finops.billing.reader import CsvTable
from finops.billing.schemas import Column, Kind, Recognition, Schema
from finops.billing.totals_rows import TotalsRows
from finops.billing.totals_words import TOTALS_ROW
from finops.shared.money import products
from finops.shared.rates import ExchangeRates

#: So many records are read at once.
_BLOCK: Final = 1_000
#: So many days, times and rates are remembered.
_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class Row:
    """A row as it goes into the table.

    Attributes:
        values: The rate, its date and source, the USD of each converted amount, then the schema's
            columns in order: texts, or None where there is no value.
        key: Identifies it in its dataset; empty in a schema without a key.
        amount: In the original currency.
        notes: What of it is not in the table as it stands in the file.
        line: On which its record begins; 0 until the loader knows.
        source: The record as it is in the file, for the quarantine; see `CsvTable.source`.
    """

    values: tuple[str | None, ...]
    key: str
    currency: str
    amount: Decimal
    notes: Sequence[RowProblem] = ()
    line: int = 0
    source: str = ""


@dataclass(slots=True)
class _Found:
    """What the rows of a block have besides values, by their numbers in it, from 0."""

    problems: dict[int, list[RowProblem]] = field(default_factory=dict)
    notes: dict[int, list[RowProblem]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _KnownRate:
    """A rate, with its value, date and source as texts."""

    usd_per_unit: Decimal
    texts: tuple[str, str, str]


_TEXTS: Final = attrgetter("texts")

Cell = TypeVar("Cell", bound=Hashable)
Value = TypeVar("Value")


def _each_once(
    cells: Sequence[Cell],
    distinct: Collection[Cell],
    read: Callable[[Cell], Value | None],
    found: _Found,
) -> Sequence[Value | None]:
    """The values of cells, of which each distinct one is read once; None for a problem."""
    try:
        values = dict(zip(distinct, map(read, distinct), strict=True))
    except (RowProblem, Noted):
        values = _with_problems(cells, distinct, read, found)
    return [*map(values.__getitem__, cells)]


def _with_problems(
    cells: Sequence[Cell],
    distinct: Collection[Cell],
    read: Callable[[Cell], Value | None],
    found: _Found,
) -> dict[Cell, Any]:
    """The value of each distinct cell, where some have problems or notes."""
    values: dict[Cell, Any] = {}
    told: dict[Cell, tuple[dict[int, list[RowProblem]], RowProblem]] = {}
    for cell in distinct:
        try:
            values[cell] = read(cell)
        except RowProblem as problem:
            values[cell] = None
            told[cell] = found.problems, problem
        except Noted as noted:
            values[cell] = noted.value
            told[cell] = found.notes, noted.note
    for number, cell in enumerate(cells):
        if cell in told:
            by_row, one = told[cell]
            by_row.setdefault(number, []).append(one)
    return values


class _Column:
    """Reads the cells of a column."""

    def __init__(self, column: Column, schema: Schema, read: Read, is_plain: Plain) -> None:
        self._column = column
        self._nulls = schema.nulls
        self._read_text = read
        # Days and times are long to read, and come again in further blocks.
        is_day = column.kind in {Kind.DATE, Kind.TIMESTAMP, Kind.PERIOD}
        self._read = lru_cache(_REMEMBERED)(self._value) if is_day else self._value
        self._is_plain = is_plain

    def values(self, cells: Sequence[str], found: _Found) -> Sequence[str | None]:
        """The values of cells; None where a cell is empty, or has a problem."""
        distinct = dict.fromkeys(cells)
        some_are_empty = "" in distinct
        if self._nulls.isdisjoint(distinct) and not (some_are_empty and self._column.filled):
            distinct.pop("", None)
            if self._is_plain(distinct):
                return [cell or None for cell in cells] if some_are_empty else cells
            if some_are_empty:
                distinct[""] = None
        return _each_once(cells, distinct, self._read, found)

    def _value(self, cell: str) -> str | None:
        text = cell.strip()
        if text and text not in self._nulls:
            return self._read_text(text)
        if self._column.filled:
            title = self._column.title
            raise RowProblem("missing_value", f"{title} is empty", title)
        return None


def _decimals(texts: Sequence[str | None]) -> list[Decimal | None]:
    return [None if text is None else Decimal(text) for text in texts]


def _column(column: Column, style: DatasetFormat, schema: Schema, dataset: str = "") -> _Column:
    read = cell_reader(column, style, schema, dataset)
    return _Column(column, schema, read, plain(column, style, schema))


#: Adds the cells of columns that are made of others; see `finops.billing.mapping`.
Derive = Callable[[Sequence[str]], Sequence[str]]


def _made(derive: Derive, fields: Sequence[str]) -> Sequence[str] | RowProblem:
    try:
        return derive(fields)
    except RowProblem as problem:
        return problem


def _totals_rows(
    match: Recognition, style: DatasetFormat, state: Mapping[str, Any] | None
) -> TotalsRows | None:
    """What finds lines of totals; None where rows have no identity."""
    schema, cells = match.schema, match.cells
    by_name = dict(zip((column.name for column in schema.columns), cells, strict=True))
    key, day = by_name.get(schema.key), by_name[schema.day]
    if key is None or day is None:
        return None
    is_hash = bool(match.id_cells)
    titles = style.id_from if is_hash else [schema.key]
    return TotalsRows(
        dict(zip(match.id_cells or (key,), titles, strict=True)),
        is_hash=is_hash,
        day=day,
        texts=[
            cell
            for column, cell in zip(schema.columns, cells, strict=True)
            if column.kind is Kind.TEXT and column.name != schema.key and cell is not None
        ],
        state=state,
    )


class TotalsScan:
    """Follows the totals of a file that will be loaded in parts.

    Args:
        match: Which cell holds which column.
        style: How the dataset writes dates and numbers.
        derive: Adds the cells of columns that are made of others, where there are any.
    """

    def __init__(self, match: Recognition, style: DatasetFormat, derive: Derive | None) -> None:
        schema = match.schema
        self._totals = _totals_rows(match, style, None)
        self._derive = derive
        names = [column.name for column in schema.columns]
        self._read = [
            (match.cells[at], _column(schema.columns[at], style, schema))
            for at in (names.index(schema.amount), names.index(schema.currency))
        ]

    def see(self, records: Sequence[Sequence[str]]) -> None:
        """Take the next records."""
        derive = self._derive
        made = records if derive is None else [_made(derive, one) for one in records]
        rows = [one for one in made if not isinstance(one, RowProblem)]
        if self._totals is None or not rows:
            return
        cells = [*zip(*rows, strict=True)]
        nothing = ("",) * len(rows)
        texts, currencies = (
            column.values(nothing if at is None else cells[at], _Found())
            for at, column in self._read
        )
        self._totals.among(cells, _decimals(texts), currencies)

    def state(self) -> dict[str, Any] | None:
        """What is known of totals after the records so far."""
        return self._totals.to_document() if self._totals else None


class RowParser:
    """Reads the records of one file.

    Args:
        match: Which cell holds which column.
        style: How the dataset writes dates and numbers.
        rates: The rates to convert with.
        dataset: Its name, for messages.
        derive: Adds the cells of columns that are made of others, where there are any.
        totals: What is known of the file's totals where its part begins; see `TotalsScan`.
    """

    def __init__(
        self,
        match: Recognition,
        style: DatasetFormat,
        rates: ExchangeRates,
        dataset: str = "",
        derive: Derive | None = None,
        totals: Mapping[str, Any] | None = None,
    ) -> None:
        schema = match.schema
        names = [column.name for column in schema.columns]
        self._schema = schema
        self._rates = rates
        self._derive = derive
        self._rate = lru_cache(_REMEMBERED)(self._find_rate)
        self._key = names.index(schema.key) if schema.key else -1
        self._amount = names.index(schema.amount)
        self._currency = names.index(schema.currency)
        self._day = names.index(schema.day)
        self._usd = [names.index(amount) for amount, _ in schema.usd]
        self._limit = Decimal(10) ** schema.digits
        self._cells = match.cells
        self._instead = match.instead
        self._totals = _totals_rows(match, style, totals)
        self._columns = [_column(one, style, schema, dataset) for one in schema.columns]

    def parse(self, fields: Sequence[str]) -> Row:
        """The row of a record.

        Raises:
            RowProblem: values break rules, or there is no rate; its message tells all problems.
        """
        (found,) = self.parse_all([fields])
        if isinstance(found, RowProblem):
            raise found
        return found

    def parse_all(self, records: Sequence[Sequence[str]]) -> list[Row | RowProblem]:
        """The row of each record, or all its problems as one."""
        if self._derive is None:
            return self._parsed(records)
        made = [_made(self._derive, fields) for fields in records]
        rows = iter(self._parsed([one for one in made if not isinstance(one, RowProblem)]))
        return [one if isinstance(one, RowProblem) else next(rows) for one in made]

    def _parsed(self, records: Sequence[Sequence[str]]) -> list[Row | RowProblem]:
        if not records:
            return []
        found = _Found()
        cells = [*zip(*records, strict=True)]
        nothing = ("",) * len(records)
        values = [
            column.values(nothing if cell is None else cells[cell], found)
            for cell, column in zip(self._cells, self._columns, strict=True)
        ]
        for at, cell in self._instead:
            others = self._columns[at].values(cells[cell], found)
            values[at] = [own or other for own, other in zip(values[at], others, strict=True)]
        amounts = _decimals(values[self._amount])
        if self._totals:
            for number, one in self._totals.among(cells, amounts, values[self._currency]).items():
                found.problems.setdefault(number, []).insert(0, one)
        days = [moment and moment[:10] for moment in values[self._day]]
        pairs = [*zip(values[self._currency], days, strict=True)]
        rates = _each_once(pairs, dict.fromkeys(pairs), self._rate, found)
        problems = {
            number: self._together(some, records[number]) for number, some in found.problems.items()
        }
        numbers: Sequence[int] = range(len(records))
        if problems:
            is_good = [number not in problems for number in numbers]
            numbers = [*compress(numbers, is_good)]
            values = [[*compress(one, is_good)] for one in values]
            rates = [*compress(rates, is_good)]
            amounts = [*compress(amounts, is_good)]
        rows = self._converted(values, rates, amounts)
        if found.notes:
            for number, row in zip(numbers, rows, strict=True):
                if isinstance(row, Row):
                    row.notes = found.notes.get(number, ())
        if not problems:
            return rows
        rest = iter(rows)
        return [problems.get(number) or next(rest) for number in range(len(records))]

    def _converted(
        self,
        values: Sequence[Sequence[str | None]],
        rates: Sequence[_KnownRate | None],
        found_amounts: Sequence[Decimal | None],
    ) -> list[Row | RowProblem]:
        """The rows of values without problems."""
        known = [rate for rate in rates if rate is not None]
        if not known:
            return []
        texts = zip(*map(_TEXTS, known), strict=True)
        factors = [rate.usd_per_unit for rate in known]
        amounts = [one for one in found_amounts if one is not None]
        # The faster one writes an exponent from the seventh digit after the point on.
        text_of = str if self._schema.decimals <= 6 else "{:f}".format
        converted = []
        too_large: dict[int, RowProblem] = {}
        for one in self._usd:
            given = values[one]
            costs = amounts if one == self._amount else [Decimal(text or 0) for text in given]
            usd = products(costs, factors, self._schema.decimals)
            if not -self._limit < min(usd) <= max(usd) < self._limit:
                for number, amount in enumerate(usd):
                    if abs(amount) >= self._limit and number not in too_large:
                        text = given[number] or ""
                        too_large[number] = self._too_large(one, text, factors[number])
            converted.append([*map(text_of, usd)])
        # Neither is ever empty.
        keys: Sequence[Any] = values[self._key] if self._key >= 0 else [""] * len(known)
        currencies: Sequence[Any] = values[self._currency]
        whole = zip(*texts, *converted, *values, strict=True)
        rows = map(Row, whole, keys, currencies, amounts)
        if not too_large:
            return [*rows]
        return [too_large.get(number, row) for number, row in enumerate(rows)]

    def _too_large(self, column: int, text: str, per_unit: Decimal) -> RowProblem:
        title, most = self._schema.columns[column].title, self._schema.digits
        return RowProblem(
            "out_of_range",
            f"{title} {text!r} has more than {most} digits before the decimal point"
            f" in USD, by the rate {per_unit:f}",
            title,
            text,
        )

    def _together(self, problems: Sequence[RowProblem], fields: Sequence[str]) -> RowProblem:
        """All problems of a row as one: its reason and field are those of the first."""
        first = problems[0]
        empty = {one.field for one in problems if one.reason == "missing_value"}
        columns = self._schema.columns
        both = {columns[self._currency].title, columns[self._day].title}
        amount = self._cells[self._amount]
        if both <= empty and amount is not None and fields[amount].strip():
            title = columns[self._amount].title
            return RowProblem(
                TOTALS_ROW,
                f"a line with {title}, but without {' and '.join(sorted(both))}, is no bill: "
                "if it holds totals, leave it out",
                title,
                fields[amount].strip(),
            )
        if len(problems) == 1 or first.reason == TOTALS_ROW:
            return first
        message = "; ".join(one.message for one in problems)
        return RowProblem(first.reason, message, first.field, first.value)

    def _find_rate(self, pair: tuple[str | None, str | None]) -> _KnownRate | None:
        """The rate of a currency and day."""
        currency, day = pair
        if currency is None or day is None:
            return None
        on = date.fromisoformat(day)
        rate = self._rates.rate_on(currency, on)
        if rate is None:
            title = next(c.title for c in self._schema.columns if c.kind is Kind.CURRENCY)
            raise RowProblem(
                "no_rate",
                f"{self._rates.policy.refusal(currency, on)}: "
                "load one with `finops fx load`, then load this file again",
                title,
                currency,
            )
        per_unit = rate.usd_per_unit
        return _KnownRate(per_unit, (f"{per_unit:f}", rate.rate_date.isoformat(), rate.source[:64]))


def _problem(table: CsvTable[Match], line: int) -> RowProblem:
    table.refuse_other_header(line, table.malformed)
    return RowProblem(*table.problem)


def blocks_of_rows(
    table: CsvTable[Match], parser: RowParser
) -> Iterator[list[tuple[int, str, Row | RowProblem]]]:
    """(line, source, row or problem) of all records, so many at once; see `CsvTable.source`.

    Raises:
        RejectedInput: as `CsvTable.refuse_other_header` does.
    """
    records = table.records()
    while read := [
        (line, table.source, _problem(table, line) if fields is None else fields)
        for line, fields in islice(records, _BLOCK)
    ]:
        rows = iter(parser.parse_all([one for _, _, one in read if isinstance(one, list)]))
        block: list[tuple[int, str, Row | RowProblem]] = []
        for line, source, one in read:
            row = next(rows) if isinstance(one, list) else one
            if isinstance(one, list) and isinstance(row, RowProblem):
                table.refuse_other_header(line, one)
            block.append((line, source, row))
        yield block
