"""The rules for a row: the cells of a record become the values of a table row, or a problem."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Final

from finops.billing.dataset_format import DatasetFormat
from finops.billing.schemas import Column, Kind, Recognition, Schema
from finops.shared.money import major_of, product, rounded, was_currency
from finops.shared.rates import ExchangeRates

#: With a negative exponent, as programs write small 64-bit floats: 1.5e-05.
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE]-\d{1,3})?", re.ASCII)
_EXPONENT = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ISO_DAY = re.compile(r"(\d{4})([-/])(\d{2})\2(\d{2})", re.ASCII)
_DAY_AND_MONTH = re.compile(r"\d{3,4}", re.ASCII)
#: A day with a time of day and perhaps a zone.
_DAY_AND_TIME = re.compile(
    r"(.{1,40}?)[T ]\s{0,3}(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,18})?)?"
    r"\s{0,3}(?:[AaPp][Mm])?\s{0,3}(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
#: How BigQuery and others name the zone of a time.
_UTC = re.compile(r"(?<=\d) ?(?:UTC|GMT)")
#: The deepest that tags may be nested; MariaDB takes 32 levels, MySQL 100.
_DEEPEST: Final = 30
_YEARS: Final = range(1970, 2101)
_CACHED: Final = 10_000


class RowProblem(Exception):
    """Why a row is quarantined, with the column and the value at fault."""

    def __init__(self, reason: str, message: str, field: str = "", value: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.value = value


@dataclass(slots=True)
class Row:
    """A row as it goes into the table.

    Attributes:
        values: The rate, its date and source, the USD of each converted amount, then the schema's
            columns in order: texts, or None where there is no value.
        key: Identifies it in its dataset; empty in a schema without a key.
        amount: In the original currency.
        notes: What of it is not in the table as it stands in the file.
    """

    values: list[str | None]
    key: str
    currency: str
    amount: Decimal
    notes: Sequence[RowProblem] = ()


@dataclass(frozen=True, slots=True)
class _KnownRate:
    """A rate, with its value, date and source as texts."""

    usd_per_unit: Decimal
    texts: tuple[str, str, str]


Read = Callable[[str], "str | None"]
Note = Callable[[RowProblem], None]


class RowParser:
    """Reads the records of one file.

    Args:
        match: Which cell holds which column.
        style: How the dataset writes dates and numbers.
        rates: The rates to convert with.
        dataset: Its name, for messages.
        derive: Adds the cells of columns that are made of others, where there are any.
    """

    def __init__(
        self,
        match: Recognition,
        style: DatasetFormat,
        rates: ExchangeRates,
        dataset: str = "",
        derive: Callable[[Sequence[str]], Sequence[str]] | None = None,
    ) -> None:
        schema = match.schema
        names = [column.name for column in schema.columns]
        self._schema = schema
        self._rates = rates
        self._dataset = dataset
        self._derive = derive
        self._notes: list[RowProblem] = []
        self._known: dict[tuple[str, str], _KnownRate] = {}
        self._key = names.index(schema.key) if schema.key else -1
        self._amount = names.index(schema.amount)
        self._currency = names.index(schema.currency)
        self._day = names.index(schema.day)
        self._usd = [names.index(amount) for amount, _ in schema.usd]
        self._limit = Decimal(10) ** schema.digits
        self._readers = [
            (cell, column, self._reader(column, style))
            for cell, column in zip(match.cells, schema.columns, strict=True)
        ]

    def parse(self, fields: Sequence[str]) -> Row:
        """The row of a record.

        Raises:
            RowProblem: values break rules, or there is no rate; its message tells all problems.
        """
        nulls = self._schema.nulls
        if self._derive:
            fields = self._derive(fields)
        values: list[str | None] = []
        problems: list[RowProblem] = []
        if self._notes:
            self._notes = []
        for cell, column, read in self._readers:
            text = "" if cell is None else fields[cell].strip()
            if not text or text in nulls:
                if column.filled:
                    problems.append(
                        RowProblem("missing_value", f"{column.title} is empty", column.title)
                    )
                values.append(None)
                continue
            try:
                values.append(read(text))
            except RowProblem as problem:
                problems.append(problem)
                values.append(None)
        currency, moment = values[self._currency], values[self._day]
        rate = None
        if currency is not None and moment is not None:
            day = moment[:10]
            try:
                rate = self._known.get((currency, day)) or self._find_rate(currency, day)
            except RowProblem as problem:
                problems.append(problem)
        if problems or rate is None or currency is None:
            raise self._together(problems, fields)
        per_unit, digits = rate.usd_per_unit, self._schema.decimals
        amount = Decimal(values[self._amount] or 0)
        wire: list[str | None] = [*rate.texts]
        for one in self._usd:
            cost = amount if one == self._amount else Decimal(values[one] or 0)
            usd = product(cost, per_unit, digits)
            if not -self._limit < usd < self._limit:
                title, most = self._schema.columns[one].title, self._schema.digits
                raise RowProblem(
                    "out_of_range",
                    f"{title} {values[one]!r} has more than {most} digits before the decimal point"
                    f" in USD, by the rate {per_unit:f}",
                    title,
                    values[one] or "",
                )
            wire.append(f"{usd:f}")
        wire += values
        key = (values[self._key] or "") if self._key >= 0 else ""
        return Row(wire, key, currency, amount, self._notes)

    def _together(self, problems: Sequence[RowProblem], fields: Sequence[str]) -> RowProblem:
        """All problems of a row as one: its reason and field are those of the first."""
        first = problems[0]
        empty = {one.field for one in problems if one.reason == "missing_value"}
        columns = self._schema.columns
        both = {columns[self._currency].title, columns[self._day].title}
        amount, _, _ = self._readers[self._amount]
        if both <= empty and amount is not None and fields[amount].strip():
            title = columns[self._amount].title
            return RowProblem(
                "totals_row",
                f"a line with {title}, but without {' and '.join(sorted(both))}, is no bill: "
                "if it holds totals, leave it out",
                title,
                fields[amount].strip(),
            )
        if len(problems) == 1:
            return first
        message = "; ".join(one.message for one in problems)
        return RowProblem(first.reason, message, first.field, first.value)

    def _find_rate(self, currency: str, day: str) -> _KnownRate:
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
        if len(self._known) >= _CACHED:
            self._known.clear()
        known = _KnownRate(
            rate.usd_per_unit,
            (f"{rate.usd_per_unit:f}", rate.rate_date.isoformat(), rate.source[:64]),
        )
        self._known[currency, day] = known
        return known

    def _reader(self, column: Column, style: DatasetFormat) -> Read:
        where = f"dataset {self._dataset!r}" if self._dataset else "the dataset"
        declare = (
            f"if {where} writes others, declare them: `finops billing format "
            f"{self._dataset or 'DATASET'} --date-format … --decimal-comma`"
        )
        match column.kind:
            case Kind.TEXT:
                return _text(column)
            case Kind.CURRENCY:
                return _cached(_currency(column))
            case Kind.DATE:
                return _cached(_day(column, style, declare))
            case Kind.TIMESTAMP:
                return _cached(_moment(column, style, declare))
            case Kind.JSON:
                return _json(column, self._note)
            case Kind.DECIMAL:
                return _number(column, style, self._schema, self._note, declare)

    def _note(self, note: RowProblem) -> None:
        self._notes.append(note)


def _cached(read: Read) -> Read:
    seen: dict[str, str | None] = {}

    def cached(text: str) -> str | None:
        found = seen.get(text)
        if found is None:
            found = read(text)
            if len(seen) >= _CACHED:
                seen.clear()
            seen[text] = found
        return found

    return cached


def _text(column: Column) -> Read:
    length, title = column.length, column.title

    def read(text: str) -> str:
        if len(text) > length:
            raise RowProblem(
                "too_long",
                f"{title} has {len(text)} characters, but at most {length} are allowed",
                title,
                f"{text[:100]}…",
            )
        if not text.isprintable() and _CONTROL.search(text):
            raise RowProblem(
                "control_character", f"{title} contains control characters", title, text
            )
        return text

    return read


def _currency(column: Column) -> Read:
    def read(text: str) -> str:
        code = text.upper()
        if major := major_of(text):
            raise RowProblem(
                "unknown_currency",
                f"{column.title} {text!r} is a hundredth of {major}: write the amount in {major}",
                column.title,
                text,
            )
        if not was_currency(code):
            raise RowProblem(
                "unknown_currency",
                f"{column.title} {text!r} is not an ISO 4217 currency code",
                column.title,
                text,
            )
        return code

    return read


def _day(column: Column, style: DatasetFormat, declare: str) -> Read:
    def day_of(text: str) -> date | None:
        if iso := _ISO_DAY.fullmatch(text):
            return _date_or_none(int(iso[1]), int(iso[3]), int(iso[4]))
        if style.fiscal_year_start and _DAY_AND_MONTH.fullmatch(text):
            return _day_of_year(int(text[:-2]), int(text[-2:]), style.fiscal_year_start)
        return next((day for form in style.date_formats if (day := _by_format(text, form))), None)

    def read(text: str) -> str:
        found = day_of(text)
        if found is None and (timed := _DAY_AND_TIME.fullmatch(text)):
            # A bill has a day, which is the one that is written, whatever its zone.
            found = day_of(timed[1])
        if found is None or found.year not in _YEARS:
            forms = ["YYYY-MM-DD", "YYYY/MM/DD", *style.date_formats]
            raise RowProblem(
                "invalid_date",
                f"{column.title} {text!r} is not a date from 1970 to 2100 in a format of this "
                f"dataset: {', '.join(forms)}; {declare}",
                column.title,
                text,
            )
        return found.isoformat()

    return read


def _moment(column: Column, style: DatasetFormat, declare: str) -> Read:
    day = _day(column, style, declare)

    def read(text: str) -> str:
        if _ISO_DAY.fullmatch(text):
            return f"{day(text)} 00:00:00"
        try:
            found = datetime.fromisoformat(_UTC.sub("Z", text))
            # FOCUS's date/time format is UTC, and its sample data omits the Z.
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
            if found.year not in _YEARS:
                raise ValueError
        except (ValueError, OverflowError):
            raise RowProblem(
                "invalid_date",
                f"{column.title} {text!r} is not an ISO 8601 time such as 2026-01-31T00:00:00Z",
                column.title,
                text,
            ) from None
        return f"{found:%Y-%m-%d %H:%M:%S}"

    return read


def _json(column: Column, note: Note) -> Read:
    """Reads an object; a row whose cell is none keeps its cost, and goes without the cell."""

    def read(text: str) -> str | None:
        try:
            return _object(text, column.length)
        except (ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, _Unfit) else "is not a JSON object"
        note(
            RowProblem(
                TAGS_LEFT_OUT,
                f"{column.title} {why}: the row is loaded without them",
                column.title,
                text[:1000],
            )
        )
        return None

    return read


#: The reason of a row in the quarantine that is loaded all the same, without a cell.
TAGS_LEFT_OUT: Final = "tags_left_out"
#: The note of a number that has more digits than its column.
ROUNDED: Final = "rounded"


class _Unfit(ValueError):
    """Why a JSON text can't be stored."""


def _object(text: str, longest: int) -> str:
    """The shortest text of a JSON object that any database takes.

    Raises:
        ValueError: it is not an object, or holds what only some programs write, such as NaN.
    """
    # Some exports of Azure leave the braces out.
    written = f"{{{text}}}" if text.startswith('"') else text
    found = json.loads(written, parse_constant=_not_finite, parse_float=_finite, parse_int=_whole)
    if not isinstance(found, dict):
        raise _Unfit("is not a JSON object")
    if _depth(found) > _DEEPEST:
        raise _Unfit(f"is nested more than {_DEEPEST} levels deep")
    shortest = json.dumps(found, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    try:
        size = len(shortest.encode())
    except UnicodeEncodeError:
        raise _Unfit("holds half a character (a lone surrogate)") from None
    if size > longest:
        raise _Unfit(f"has {size} bytes, but at most {longest} are kept")
    return shortest


def _not_finite(name: str) -> None:
    raise _Unfit(f"holds {name}, which JSON does not have")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise _Unfit(f"holds the number {text[:40]}, which is too large")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _depth(document: object) -> int:
    level, depth = [document], 0
    while level:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return depth


def _number(column: Column, style: DatasetFormat, schema: Schema, note: Note, declare: str) -> Read:
    title, digits, decimals = column.title, schema.digits, schema.decimals
    pattern = _EXPONENT if schema.exponents else _NUMBER
    limit = Decimal(10) ** digits
    point = "," if style.decimal_comma else "."
    thousands = style.thousands
    grouped = (
        re.compile(rf"[+-]?\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+(?:{re.escape(point)}\d+)?")
        if thousands
        else None
    )

    def problem(text: str, message: str, reason: str = "invalid_amount") -> RowProblem:
        return RowProblem(reason, f"{title} {text!r} {message}", title, text)

    def read(text: str) -> str:
        digits_text = text
        if grouped is not None and grouped.fullmatch(text):
            digits_text = digits_text.replace(thousands, "")
        if style.decimal_comma:
            if "." in digits_text:
                raise problem(text, "has a decimal point, but this dataset uses a decimal comma")
            digits_text = digits_text.replace(",", ".", 1)
        if not pattern.fullmatch(digits_text):
            raise problem(
                text,
                f"is not a number with a decimal comma; {declare}"
                if style.decimal_comma
                else f"is not a number such as -1234.56; {declare}",
            )
        number = Decimal(digits_text)
        if abs(number) < limit:
            kept = rounded(number, decimals)
            if kept != number:
                note(problem(text, f"is rounded to {decimals} digits after the point", ROUNDED))
                number = kept
        if abs(number) >= limit:
            raise problem(
                text, f"has more than {digits} digits before the decimal point", "out_of_range"
            )
        return f"{number:f}"

    return read


def _day_of_year(day: int, month: int, start: date) -> date | None:
    """The day in the fiscal year that begins at `start`."""
    found = _date_or_none(start.year, month, day)
    if found is None or found < start:
        found = _date_or_none(start.year + 1, month, day)
    return found if found and (found - start).days < 366 else None


def _date_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _by_format(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        return None
