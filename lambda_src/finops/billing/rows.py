"""The rules for a row: the cells of a record become the values of a table row, or a problem."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any, Final

from finops.billing.schemas import Column, Kind, Recognition
from finops.shared.errors import RejectedInput
from finops.shared.money import is_currency, product
from finops.shared.rates import ExchangeRates

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_EXPONENT = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ISO_DAY = re.compile(r"(\d{4})([-/])(\d{2})\2(\d{2})", re.ASCII)
_YEARS: Final = range(1970, 2101)
_CACHED: Final = 10_000
_WIDE = Context(prec=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFormat:
    """The rules of a dataset; how it writes dates and numbers is never guessed.

    Attributes:
        date_formats: strptime formats such as `%d/%m/%Y`, tried in order after the ISO forms.
        decimal_comma: Whether 1,50 means one and a half.
        thousands: The separator of thousands, such as `.`, an apostrophe or a space; may be empty.
        replace: Whether a file corrects bills that another file brought. Otherwise only a new
            version of the same object does, and other values of the same id are a conflict.
    """

    date_formats: tuple[str, ...] = ()
    decimal_comma: bool = False
    thousands: str = ""
    replace: bool = False

    @classmethod
    def from_document(cls, name: str, document: Mapping[str, Any]) -> DatasetFormat:
        """Read a dataset's entry in the module's setting `datasets`.

        Raises:
            RejectedInput: a setting is unknown, or both separators are the same.
        """
        unknown = document.keys() - {one.name for one in fields(cls)}
        if unknown:
            raise RejectedInput(
                f"dataset {name} has unknown settings: {', '.join(sorted(unknown))}",
                code="invalid_dataset_format",
            )
        found = cls(
            date_formats=tuple(document.get("date_formats") or ()),
            decimal_comma=bool(document.get("decimal_comma")),
            thousands=str(document.get("thousands") or ""),
            replace=bool(document.get("replace")),
        )
        if found.thousands == ("," if found.decimal_comma else "."):
            raise RejectedInput(
                f"dataset {name} uses {found.thousands!r} both for decimals and for thousands",
                code="invalid_dataset_format",
            )
        return found


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
        values: The rate, its date, the USD of each converted amount, then the schema's columns in
            order: texts, or None where there is no value.
        key: Identifies it in its dataset; empty in a schema without a key.
        amount: In the original currency.
    """

    values: list[str | None]
    key: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class _KnownRate:
    """A rate, with its value and date as texts."""

    usd_per_unit: Decimal
    texts: tuple[str, str]


Read = Callable[[str], "str | None"]


class RowParser:
    """Reads the records of one file.

    Args:
        match: Which cell holds which column.
        style: How the dataset writes dates and numbers.
        rates: The rates to convert with.
    """

    def __init__(self, match: Recognition, style: DatasetFormat, rates: ExchangeRates) -> None:
        schema = match.schema
        names = [column.name for column in schema.columns]
        self._schema = schema
        self._rates = rates
        self._known: dict[tuple[str, str], _KnownRate] = {}
        self._key = names.index(schema.key) if schema.key else -1
        self._amount = names.index(schema.amount)
        self._currency = names.index(schema.currency)
        self._day = names.index(schema.day)
        self._usd = [names.index(amount) for amount, _ in schema.usd]
        self._readers = [
            (cell, column, self._reader(column, style))
            for cell, column in zip(match.cells, schema.columns, strict=True)
        ]

    def parse(self, fields: Sequence[str]) -> Row:
        """The row of a record.

        Raises:
            RowProblem: a value breaks a rule, or there is no rate for it.
        """
        nulls = self._schema.nulls
        values: list[str | None] = []
        for cell, column, read in self._readers:
            text = "" if cell is None else fields[cell].strip()
            if not text or text in nulls:
                if column.filled:
                    raise RowProblem("missing_value", f"{column.title} is empty", column.title)
                values.append(None)
                continue
            values.append(read(text))
        currency, moment = values[self._currency], values[self._day]
        # Both columns must be filled: a row without them was refused above.
        assert currency is not None and moment is not None  # noqa: S101, PT018
        day = moment[:10]
        rate = self._known.get((currency, day)) or self._find_rate(currency, day)
        per_unit, digits = rate.usd_per_unit, self._schema.decimals
        amount = Decimal(values[self._amount] or 0)
        wire: list[str | None] = [*rate.texts]
        for one in self._usd:
            cost = amount if one == self._amount else Decimal(values[one] or 0)
            wire.append(f"{product(cost, per_unit, digits):f}")
        wire += values
        return Row(wire, (values[self._key] or "") if self._key >= 0 else "", currency, amount)

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
            rate.usd_per_unit, (f"{rate.usd_per_unit:f}", rate.rate_date.isoformat())
        )
        self._known[currency, day] = known
        return known

    def _reader(self, column: Column, style: DatasetFormat) -> Read:
        match column.kind:
            case Kind.TEXT:
                return _text(column)
            case Kind.CURRENCY:
                return _cached(_currency(column))
            case Kind.DATE:
                return _cached(_day(column, style))
            case Kind.TIMESTAMP:
                return _cached(_moment(column, style))
            case Kind.JSON:
                return _json(column)
            case Kind.DECIMAL:
                schema = self._schema
                return _number(
                    column, style, schema.digits, schema.decimals, exponents=schema.exponents
                )


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
        if not is_currency(code):
            raise RowProblem(
                "unknown_currency",
                f"{column.title} {text!r} is not an ISO 4217 currency code",
                column.title,
                text,
            )
        return code

    return read


def _day(column: Column, style: DatasetFormat) -> Read:
    def read(text: str) -> str:
        iso = _ISO_DAY.fullmatch(text)
        found: date | None = None
        if iso:
            found = _date_or_none(int(iso[1]), int(iso[3]), int(iso[4]))
        else:
            for form in style.date_formats:
                found = _by_format(text, form)
                if found:
                    break
        if found is None or found.year not in _YEARS:
            forms = ["YYYY-MM-DD", "YYYY/MM/DD", *style.date_formats]
            raise RowProblem(
                "invalid_date",
                f"{column.title} {text!r} is not a date from 1970 to 2100 in a format of this "
                f"dataset: {', '.join(forms)}",
                column.title,
                text,
            )
        return found.isoformat()

    return read


def _moment(column: Column, style: DatasetFormat) -> Read:
    day = _day(column, style)

    def read(text: str) -> str:
        if _ISO_DAY.fullmatch(text):
            return f"{day(text)} 00:00:00"
        try:
            found = datetime.fromisoformat(text)
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
    def read(text: str) -> str:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise RowProblem(
                "invalid_json", f"{column.title} is not a JSON object", column.title, text[:200]
            )
        shortest = json.dumps(found, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        if len(shortest.encode("utf-8", "surrogatepass")) > column.length:
            raise RowProblem("too_long", f"{column.title} is too long", column.title, text[:100])
        return shortest

    return read


def _number(
    column: Column, style: DatasetFormat, digits: int, decimals: int, *, exponents: bool
) -> Read:
    title = column.title
    pattern = _EXPONENT if exponents else _NUMBER
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
                "is not a number with a decimal comma"
                if style.decimal_comma
                else "is not a number such as -1234.56; the dataset's format may allow others",
            )
        number = Decimal(digits_text)
        if abs(number) >= limit:
            raise problem(
                text, f"has more than {digits} digits before the decimal point", "out_of_range"
            )
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)  # noqa: S101 - the pattern excludes NaN
        if -exponent > decimals:
            number = number.normalize(_WIDE)
            exponent = number.as_tuple().exponent
            assert isinstance(exponent, int)  # noqa: S101
            if -exponent > decimals:
                raise problem(
                    text, f"has more than {decimals} digits after the decimal point", "too_precise"
                )
        return f"{number:f}"

    return read


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
