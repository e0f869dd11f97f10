"""The rules for a cell: its text becomes the value of a column, or a problem."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from operator import eq
from typing import Final

from finops.billing.dataset_format import DatasetFormat
from finops.billing.period_identity import first_day
from finops.billing.record_ids import are_plain, has_invisible, is_error, is_nothing
from finops.billing.schemas import Column, Kind, Schema
from finops.billing.totals_words import TOTALS_ROW, begin_with_total, is_total
from finops.shared.money import major_of, rounded, was_currency

#: With a negative exponent, as programs write small 64-bit floats: 1.5e-05.
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE]-\d{1,3})?", re.ASCII)
#: As FOCUS takes them; Oracle writes .5.
_EXPONENT = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WITHOUT_MARKS = re.compile(r"%[dmyY]%[dmyY]")
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?E\+\d{2,3}", re.ASCII | re.IGNORECASE)
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
#: So many objects of at most so many characters are remembered of a column.
_REMEMBERED: Final = 10_000
_LONGEST_REMEMBERED: Final = 256


class RowProblem(Exception):
    """Why a row is quarantined, with the column and the value at fault."""

    def __init__(self, reason: str, message: str, field: str = "", value: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.value = value


class Noted(Exception):
    """A value that is not what its cell says, with the note that tells so."""

    def __init__(self, value: str | None, note: RowProblem) -> None:
        super().__init__(note.message)
        self.value = value
        self.note = note


Read = Callable[[str], str]
Plain = Callable[[Collection[str]], bool]


def cell_reader(column: Column, style: DatasetFormat, schema: Schema, dataset: str) -> Read:
    """What reads a cell of a column that is not empty.

    Args:
        column: Of the schema.
        style: How the dataset writes dates and numbers.
        schema: How many digits its amounts have.
        dataset: Its name, for messages; or empty.

    The reader raises `RowProblem` where the cell breaks a rule, and `Noted` where the value is not
    quite what the cell says.
    """
    where = f"dataset {dataset!r}" if dataset else "the dataset"
    command = f"`finops billing format {dataset or 'DATASET'}"
    declare = f"if {where} writes others, declare them: {command}"
    days = f"{declare} --date-format …`"
    numbers = f"{declare} --decimal-comma --thousands …`"
    match column.kind:
        case Kind.TEXT if column.name == schema.key:
            return _not_damaged(column, _id(column))
        case Kind.TEXT if column.name in schema.period[:1]:
            return _not_damaged(column, _no_total(column, _text(column)))
        case Kind.TEXT if column.name in schema.period:
            return _not_damaged(column, _text(column))
        case Kind.TEXT:
            return _text(column)
        case Kind.CURRENCY:
            constant = f": where all rows are in one, {command} --constant currency=CODE`"
            return _currency(column, constant if schema.key else "")
        case Kind.DATE:
            return _day(column, style, days)
        case Kind.TIMESTAMP:
            return _moment(column, style, days)
        case Kind.PERIOD:
            moment = _moment(column, style, days)
            return lambda text: f"{first_day(datetime.fromisoformat(moment(text)))} 00:00:00"
        case Kind.JSON:
            return _json(column)
        case Kind.DECIMAL:
            return _number(column, style, schema, numbers)


def plain(column: Column, style: DatasetFormat, schema: Schema) -> Plain:
    """Whether all of some cells that are not empty are surely values as they stand."""
    if column.kind is Kind.TEXT:
        length, is_id = column.length, column.name == schema.key
        identifies = is_id or column.name in schema.period

        def are_texts(cells: Collection[str]) -> bool:
            return (
                max(map(len, cells), default=0) <= length
                and not _CONTROL.search("".join(cells))
                and all(map(eq, cells, map(str.strip, cells)))
                and (not is_id or are_plain(cells))
                and not (identifies and any("+" in one for one in cells))
                and (is_id or not identifies or not begin_with_total(cells))
            )

        return are_texts
    if column.kind is Kind.DECIMAL and not style.decimal_comma and style.thousands != ".":
        whole, part = schema.digits - 1, schema.decimals
        numbers = re.compile(
            rf"(?:-?(?:0|[1-9]\d{{0,{whole}}})(?:\.\d{{1,{part}}})?;)*+", re.ASCII
        ).fullmatch

        def are_numbers(cells: Collection[str]) -> bool:
            joined = ";".join((*cells, ""))
            return numbers(joined) is not None and joined.count(";") == len(cells)

        return are_numbers
    return lambda _: False


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


def _id(column: Column) -> Read:
    title, read_text = column.title, _text(column)

    def read(text: str) -> str:
        if is_nothing(text):
            raise RowProblem("missing_value", f"{title} {text!r} is no id", title, text)
        if has_invisible(text):
            message = f"{title} {text!r} holds characters that are not seen: remove them"
            raise RowProblem("control_character", message, title, text)
        return read_text(text)

    return read


def _not_damaged(column: Column, read_text: Read) -> Read:
    """Spreadsheets show the id 123456789012 as 1.23457E+11, and some save what they show."""
    title = column.title

    def read(text: str) -> str:
        if _SHORTENED.fullmatch(text):
            message = (
                f"{title} {text!r} is what a spreadsheet made of a longer number: export the file"
                " again, or give the column the format of text before it is filled"
            )
            raise RowProblem("damaged_id", message, title, text)
        return read_text(text)

    return read


def _no_total(column: Column, read_text: Read) -> Read:
    """The account of a charge that has no id: a word for totals is none."""
    title = column.title

    def read(text: str) -> str:
        if is_total(text):
            message = f"{title} {text!r} names a line of totals: leave it out"
            raise RowProblem(TOTALS_ROW, message, title, text)
        return read_text(text)

    return read


def _currency(column: Column, declare: str) -> Read:
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
                f"{column.title} {text!r} is not an ISO 4217 currency code such as EUR or USD"
                f"{declare}",
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


def _json(column: Column) -> Read:
    """Reads an object; a row whose cell is none keeps its cost, and goes without the cell."""
    remembered = lru_cache(_REMEMBERED)(_object)

    def read(text: str) -> str:
        try:
            short = len(text) <= _LONGEST_REMEMBERED
            return (remembered if short else _object)(text, column.length)
        except (ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, _Unfit) else "is not a JSON object"
        message = f"{column.title} {why}: the row is loaded without them"
        raise Noted(None, RowProblem(TAGS_LEFT_OUT, message, column.title, text[:1000]))

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


def _number(column: Column, style: DatasetFormat, schema: Schema, declare: str) -> Read:
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
        if is_error(text):
            raise problem(text, "is an error of a spreadsheet: correct the formula or the number")
        if is_nothing(text):
            raise problem(text, "is not an amount: write a number, or leave the row out")
        if not pattern.fullmatch(digits_text):
            raise problem(
                text,
                f"is not a number with a decimal comma; {declare}"
                if style.decimal_comma
                else f"is not a number such as -1234.56; {declare}",
            )
        number = Decimal(digits_text)
        kept = rounded(number, decimals) if abs(number) < limit else number
        if abs(kept) >= limit:
            raise problem(
                text, f"has more than {digits} digits before the decimal point", "out_of_range"
            )
        if kept != number:
            message = f"is rounded to {decimals} digits after the point"
            raise Noted(f"{kept:f}", problem(text, message, ROUNDED))
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
        found = datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        return None
    # Without marks, one that lost its first zero would be another day: 1122026 is 01.12.2026.
    return None if _WITHOUT_MARKS.search(form) and found.strftime(form) != text else found
