"""The format of a dataset: what its files say in their own way, declared as data.

It is the module's setting `datasets`, and above that the object `billing/DATASET/_format.json`,
whose keys go before the setting's. A format that breaks a rule refuses every file of its dataset:
nothing falls back to a default that would read a file wrongly.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime
from types import UnionType
from typing import Any, Final

from finops.billing.schemas import BILLING, Kind, spelt_alike
from finops.shared.errors import RejectedInput
from finops.shared.json_objects import each_key_once

FORMAT_NAME: Final = "_format.json"
#: Bytes of a format; a longer one is no format. The ledger keeps it with each load.
LONGEST_FORMAT: Final = 8 << 10
#: Encodings that a format may declare, by Python's names:
#: https://docs.python.org/3/library/codecs.html#standard-encodings
ENCODINGS: Final = (
    *("utf-8", "utf-16-le", "utf-16-be", "ascii"),
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("iso8859-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-15"),
    *("cp437", "cp850", "cp852", "cp858", "cp866", "mac-roman", "koi8-r", "koi8-u", "cp874"),
    *("cp932", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "cp949"),
)
_COLUMNS: Final = tuple(one.name for one in BILLING.columns if one.in_file)
#: Columns whose value may be the same in all rows.
_FIXED: Final = tuple(
    one.name
    for one in BILLING.columns
    if one.in_file and one.kind in (Kind.TEXT, Kind.CURRENCY) and one.name != BILLING.key
)
_MOST: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SignColumn:
    """A column that says whether an amount is a charge or a credit.

    Attributes:
        column: Its header in the file.
        negative: Values of a credit, such as `H`; their amounts are subtracted.
        positive: Values of a charge, such as `S`.
    """

    column: str
    negative: tuple[str, ...]
    positive: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """Which rows are bills, by a column. The others go to the quarantine, where they are counted.

    Letters of any case are the same, and `*` stands for any text.

    Attributes:
        column: Its header in the file.
        keep: The values of bills; where there are none, all but those of `leave_out`.
        leave_out: Values of rows that are no bills, such as `Draft`.
        message: What the quarantine says of a row that is left out, besides its value.
    """

    column: str
    keep: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    message: str = ""

    def takes(self, text: str) -> bool:
        """Whether a row with this value is a bill."""
        if _is_like(text, self.leave_out):
            return False
        return not self.keep or _is_like(text, self.keep)


def _is_like(text: str, patterns: Sequence[str]) -> bool:
    folded = " ".join(text.split()).casefold()
    return any(
        re.fullmatch(".*".join(map(re.escape, one.strip().casefold().split("*"))), folded)
        for one in patterns
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFormat:
    """The rules of a dataset; how it writes dates and numbers is never guessed.

    Attributes:
        columns: The file's header of a column of bills, such as bill_amount: `Betrag`.
        constants: The value of a column in every row, whatever the file says.
        defaults: The value of a column where a row or the file has none.
        date_formats: strptime formats such as `%d/%m/%Y`, tried in order after the ISO forms.
        decimal_comma: Whether 1,50 means one and a half.
        thousands: The separator of thousands, such as `.`, an apostrophe or a space; may be empty.
        debit: The header of a column of charges; with `credit` in place of one amount.
        credit: The header of a column of credits, whose amounts are subtracted.
        sign: The column that says whether an amount is a charge or a credit.
        negate: Whether charges are written as negative amounts, and credits as positive ones.
        id_from: Headers of the columns whose values together identify a bill; its id is their hash.
        extra: Headers of columns that are kept as a JSON object.
        rows: Which rows are bills.
        fiscal_year_start: The first day of the year in which days without a year are, which are
            written as a day and two digits of the month (DATEV).
        delimiter: What separates cells; empty where it shows by the header.
        encoding: One of `ENCODINGS`; empty where it shows by the file.
        skip_lines: Lines above the header that are left out.
        sheet: The sheet of a workbook; empty where only one holds bills.
        replace: Whether a file corrects bills that another file brought. Otherwise only a new
            version of the same object does, and other values of the same id are a conflict.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    date_formats: tuple[str, ...] = ()
    decimal_comma: bool = False
    thousands: str = ""
    debit: str = ""
    credit: str = ""
    sign: SignColumn | None = None
    negate: bool = False
    id_from: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    rows: tuple[RowFilter, ...] = ()
    fiscal_year_start: date | None = None
    delimiter: str = ""
    encoding: str = ""
    skip_lines: int = 0
    sheet: str = ""
    replace: bool = False

    @classmethod
    def from_document(cls, name: str, document: Mapping[str, Any]) -> DatasetFormat:
        """Read the format of a dataset, as JSON or as the module's setting `datasets` has it.

        Raises:
            RejectedInput: with code `invalid_dataset_format`; the message names every key that
                breaks a rule, and what would be right.
        """
        return _Reader(name).read(document)

    @property
    def maps(self) -> bool:
        """Whether it says which columns of a file hold what, beyond how values are written."""
        return bool(
            self.columns or self.constants or self.defaults or self.id_from
            or self.debit or self.credit or self.sign or self.extra or self.negate or self.rows
        )  # fmt: skip

    @property
    def only_adds(self) -> bool:
        """Whether it names no column of the file as a bill's id, day, currency or amount."""
        return self.maps and not (
            self.columns or self.id_from or self.debit or self.credit or self.sign
        )

    def to_document(self) -> dict[str, Any]:
        """As JSON, without what is not set."""
        return {name: _plain(value) for name, value in asdict(self).items() if value}

    @property
    def id_rule(self) -> str:
        """What a bill's id is made of: empty for a column that is known as the record id.

        Within a dataset it stays the same while rows are loaded, or bills would count twice.
        """
        if self.id_from:
            rule = "hash of " + ", ".join(spelt_alike(one) for one in self.id_from)
        else:
            header = spelt_alike(self.columns.get(BILLING.key, ""))
            known = BILLING.by_header.get(header)
            is_known = known is not None and BILLING.columns[known].name == BILLING.key
            rule = "" if not header or is_known else f"column {header}"
        return _shortened(rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedFormat:
    """The format that a load used, as the ledger keeps it.

    Attributes:
        source: The key of its object, `datasets` for the module's setting, or a built-in's name.
        version: The beginning of the SHA-256 of what it says: 16 hexadecimal digits.
        format: What it says.
        typed: Whether the file's cells have types, as in workbooks and Parquet files: 12.50 is
            then 12.5, of which an id has another hash.
    """

    source: str
    version: str
    format: DatasetFormat
    typed: bool = False

    @property
    def id_rule(self) -> str:
        """What the ids of its bills are made of; see `DatasetFormat.id_rule`."""
        rule = self.format.id_rule
        is_other = self.typed and self.format.id_from
        return _shortened(f"{rule} of typed cells") if is_other else rule

    def to_document(self) -> dict[str, Any]:
        """As a JSON document."""
        return {
            "source": self.source,
            "version": self.version,
            "format": self.format.to_document(),
            **({"typed": True} if self.typed else {}),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> UsedFormat:
        """What `to_document` returned."""
        return cls(
            source=document["source"],
            version=document["version"],
            format=DatasetFormat.from_document(document["source"], document["format"]),
            typed=document.get("typed", False),
        )


def _shortened(rule: str) -> str:
    """As it fits the ledger's column: two rules that differ do so here, too."""
    if len(rule) <= 128:
        return rule
    return f"{rule[:60]}… {hashlib.sha256(rule.encode()).hexdigest()[:32]}"


def used_format(source: str, form: DatasetFormat) -> UsedFormat:
    """A format with its version, which is the same for the same rules."""
    text = json.dumps(form.to_document(), sort_keys=True)
    return UsedFormat(
        source=source, version=hashlib.sha256(text.encode()).hexdigest()[:16], format=form
    )


def format_key(dataset: str) -> str:
    """The key of a dataset's format, such as `billing/acme/_format.json`."""
    return f"billing/{dataset}/{FORMAT_NAME}"


def is_format(key: str) -> bool:
    """Whether an object is the format of a dataset, and holds no bills."""
    return key.startswith("billing/") and key.rpartition("/")[2] == FORMAT_NAME


def format_document(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object of a format's file.

    Raises:
        RejectedInput: with code `invalid_dataset_format`; it names the line.
    """
    if len(content) > LONGEST_FORMAT:
        raise invalid_format(where, [f"has more than {LONGEST_FORMAT:,} bytes"])
    try:
        found = json.loads(content.decode("utf-8-sig"), object_pairs_hook=each_key_once)
    except UnicodeDecodeError as error:
        raise invalid_format(where, [f"byte {error.start} is not UTF-8"]) from None
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise invalid_format(where, [f"is not JSON: {problem}"]) from None
    except (ValueError, RecursionError) as error:
        raise invalid_format(where, [str(error) or "is nested too deep"]) from None
    if not isinstance(found, dict):
        raise invalid_format(where, ['must be an object such as {"decimal_comma": true}'])
    return found


def invalid_format(where: str, problems: Sequence[str]) -> RejectedInput:
    """The refusal of a format, and of every file of its dataset."""
    return RejectedInput(
        f"the format {where} can't be used: {'; '.join(problems)}",
        code="invalid_dataset_format",
        step="read_format",
        remedy="Correct it (`finops billing format DATASET`, or the module's setting `datasets`), "
        "then drop the files again",
    )


class _Reader:
    """Reads a format's document, and collects what breaks a rule."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[str] = []

    def read(self, document: Mapping[str, Any]) -> DatasetFormat:
        known = [one.name for one in fields(DatasetFormat)]
        for key in sorted(document.keys() - set(known)):
            self._problems.append(f"{key} is unknown; known are {', '.join(known)}")
        texts = {
            one: self._text(document, one) for one in ("debit", "credit", "thousands", "sheet")
        }
        found = DatasetFormat(
            columns=self._by_column(document, "columns", _COLUMNS),
            constants=self._by_column(document, "constants", _FIXED),
            defaults=self._by_column(document, "defaults", _FIXED),
            date_formats=self._list(document, "date_formats", _checked_date),
            decimal_comma=self._flag(document, "decimal_comma"),
            sign=self._sign(document),
            negate=self._flag(document, "negate"),
            id_from=self._list(document, "id_from"),
            extra=self._list(document, "extra"),
            rows=self._rows(document),
            fiscal_year_start=self._day(document, "fiscal_year_start"),
            delimiter=self._text(document, "delimiter"),
            encoding=self._encoding(document),
            skip_lines=self._count(document, "skip_lines"),
            replace=self._flag(document, "replace"),
            **texts,
        )
        self._problems += _contradictions(found)
        if self._problems:
            raise invalid_format(self._name, self._problems)
        return found

    def _value(
        self, document: Mapping[str, Any], key: str, kind: type | UnionType, example: str
    ) -> Any:
        value = document.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self._problems.append(f"{key} must be {example}, and is {_shown(value)}")
            return None
        return value

    def _flag(self, document: Mapping[str, Any], key: str) -> bool:
        return bool(self._value(document, key, bool, "true or false"))

    def _text(self, document: Mapping[str, Any], key: str) -> str:
        return self._value(document, key, str, "a text") or ""

    def _count(self, document: Mapping[str, Any], key: str) -> int:
        value = self._value(document, key, int, "a whole number") or 0
        if not 0 <= value <= 1000:
            self._problems.append(f"{key} must be from 0 to 1000, and is {value}")
            return 0
        return int(value)

    def _list(
        self,
        document: Mapping[str, Any],
        key: str,
        check: Callable[[str], str] = lambda _text: "",
        *,
        of_values: bool = False,
    ) -> tuple[str, ...]:
        value = self._value(document, key, list | tuple, "a list of texts")
        found: list[str] = []
        for at, one in enumerate(value or ()):
            if not isinstance(one, str) or not (of_values or one.strip()):
                self._problems.append(f"{key}[{at}] must be a text, and is {_shown(one)}")
            elif problem := check(one):
                self._problems.append(f"{key}[{at}] {one!r} {problem}")
            else:
                found.append(one)
        if len(found) > _MOST:
            self._problems.append(f"{key} has more than {_MOST} entries")
        is_of_columns = key != "date_formats" and not of_values
        if is_of_columns and len({spelt_alike(one) for one in found}) < len(found):
            self._problems.append(f"{key} names a column twice")
        return tuple(found)

    def _by_column(
        self, document: Mapping[str, Any], key: str, known: Sequence[str]
    ) -> dict[str, str]:
        value = self._value(document, key, dict, "an object of column and text") or {}
        found = {}
        for column, text in value.items():
            if column not in known:
                self._problems.append(
                    f"{key}.{column} is no column that can be set here: {', '.join(known)}"
                )
            elif not isinstance(text, str) or not text.strip():
                self._problems.append(f"{key}.{column} must be a text, and is {_shown(text)}")
            else:
                found[column] = text.strip()
        return found

    def _encoding(self, document: Mapping[str, Any]) -> str:
        text = self._text(document, "encoding")
        if not text:
            return ""
        try:
            name = codecs.lookup(text).name
        except (LookupError, ValueError):
            name = ""
        for one in ENCODINGS:
            if codecs.lookup(one).name == name:
                return one
        self._problems.append(f"encoding {text!r} is not one of {', '.join(ENCODINGS)}")
        return ""

    def _sign(self, document: Mapping[str, Any]) -> SignColumn | None:
        value = self._value(
            document,
            "sign",
            dict,
            'such as {"column": "S/H", "negative": ["H"], "positive": ["S"]}',
        )
        if value is None:
            return None
        for key in sorted(value.keys() - {"column", "negative", "positive"}):
            self._problems.append(f"sign.{key} is unknown")
        before = len(self._problems)
        column = self._text(value, "column")
        lists = {one: self._list(value, one, of_values=True) for one in ("negative", "positive")}
        if not column or not all(lists.values()):
            self._problems.append("sign needs column, negative and positive")
        elif set(lists["negative"]) & set(lists["positive"]):
            self._problems.append("sign has a value that is both negative and positive")
        return None if len(self._problems) > before else SignColumn(column=column, **lists)

    def _rows(self, document: Mapping[str, Any]) -> tuple[RowFilter, ...]:
        example = 'a list such as [{"column": "Status", "leave_out": ["Draft"]}]'
        value = self._value(document, "rows", list | tuple, example)
        found = []
        for at, one in enumerate(value or ()):
            before = len(self._problems)
            rule = one if isinstance(one, dict) else {}
            for key in sorted(rule.keys() - {one.name for one in fields(RowFilter)}):
                self._problems.append(f"rows[{at}].{key} is unknown")
            column = self._text(rule, "column")
            lists = {name: self._list(rule, name, of_values=True) for name in ("keep", "leave_out")}
            if not column or bool(lists["keep"]) == bool(lists["leave_out"]):
                self._problems.append(f"rows[{at}] needs a column, and either keep or leave_out")
            if len(self._problems) == before:
                message = self._text(rule, "message")
                found.append(RowFilter(column=column, message=message, **lists))
        return tuple(found)

    def _day(self, document: Mapping[str, Any], key: str) -> date | None:
        text = self._text(document, key)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self._problems.append(f"{key} {text!r} is not a day such as 2026-01-01")
            return None


def _contradictions(form: DatasetFormat) -> list[str]:
    problems = []
    mark = "," if form.decimal_comma else "."
    if form.thousands == mark:
        problems.append(f"{form.thousands!r} stands both for decimals and for thousands")
    elif len(form.thousands) > 1 or form.thousands.isdigit() or form.thousands in ("-", "+"):
        problems.append(f"thousands {form.thousands!r} must be one character that is no digit")
    if form.delimiter and (
        len(form.delimiter) != 1 or form.delimiter.isalnum() or form.delimiter in "\r\n\"'. -_"
    ):
        problems.append(f"delimiter {form.delimiter!r} must be one mark such as , ; | or a tab")
    if bool(form.debit) != bool(form.credit):
        problems.append("debit and credit must both be named")
    if form.debit and spelt_alike(form.debit) == spelt_alike(form.credit):
        problems.append("debit and credit name the same column")
    ways = {
        f"columns.{BILLING.amount}": BILLING.amount in form.columns,
        "debit and credit": bool(form.debit or form.credit),
    }
    if all(ways.values()):
        problems.append(f"{' and '.join(ways)} exclude each other")
    if form.sign and (form.debit or form.credit):
        problems.append("sign, and debit and credit, exclude each other")
    if form.id_from and BILLING.key in form.columns:
        problems.append(f"id_from and columns.{BILLING.key} exclude each other")
    problems += [
        f"constants.{name} leaves nothing for columns or defaults to say"
        for name in sorted(form.constants.keys() & {*form.columns, *form.defaults})
    ]
    headers = [spelt_alike(one) for one in form.columns.values()]
    if len(set(headers)) < len(headers):
        problems.append("columns uses one header for two columns")
    return problems


def _checked_date(form: str) -> str:
    """What is wrong with a strptime format; empty where it gives back the day it was given."""
    days = (date(2026, 3, 5), date(1999, 12, 31))
    try:
        read = [datetime.strptime(one.strftime(form), form).date() for one in days]  # noqa: DTZ007
    except ValueError as error:
        return f"is not a date format ({error})"
    return "" if read == list(days) else "must have a day, a month and a year, as %d.%m.%Y has"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"
