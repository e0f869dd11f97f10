"""Budgets in CSV files: what an import reads, and what a list writes."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.documents import content_digest
from finops.budgets.domain import BudgetKey
from finops.budgets.editing import DEFAULT_OF, LARGEST_ROW, as_edit
from finops.budgets.rows import DEFAULT_BUDGET_NAME, parse_budget
from finops.budgets.values import quoted, unseen_in
from finops.shared.errors import RejectedInput
from finops.shared.spreadsheets import guard, unguard

_ONE_LINE: Final = frozenset({"account_id", "budget_name", *(one.name for one in ATTRIBUTES)})
#: The next line of the file, which a quote that is not closed makes part of a value.
_LINE_WITHIN: Final = re.compile(r"\n\s*[0-9]{12}\s*,")
#: What a list tells of each budget beyond its row.
_OUTCOME: Final = ("status", "applied_amount", "applied_at", "error")
_SPEND: Final = ("actual_spend", "forecasted_spend", "variance", "forecast_variance", "spend_at")
#: What a list says of a budget without a row of its own, by which an import sees an edit of it.
_LISTED_AS: Final = "listed_as"
_REMOVED: Final = "removed"
_OF_A_LIST: Final = (*_OUTCOME, *_SPEND, DEFAULT_OF, _LISTED_AS)
#: 12,500.00 without quotes is an amount of 12, and a note.
_PART_OF_AN_AMOUNT: Final = re.compile(r"[0-9]{1,3},[0-9]{3}\.[0-9]{1,2}")
#: Begins what a column without a name is called; names are trimmed.
_UNNAMED: Final = " "
#: The first line by which Excel is told the separator.
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_OTHER_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_budgets(
    content: bytes, *, name: str, editor: str, known: Callable[[], Iterable[Mapping[str, Any]]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The valid rows of a CSV file as they are stored, and why each other line was rejected.

    Args:
        content: The file's bytes.
        name: The file's name.
        editor: Who edits these budgets.
        known: Lists the budgets as `joined` does, where a file that `csv_of` wrote has a line of a
            budget that an account inherits. Such a line sets nothing, and is rejected where
            somebody has edited it. A line of a removed row sets nothing either, until it is edited.

    Raises:
        RejectedInput: the file is not UTF-8, has no column for the account or the amount, has one
            twice, or separates them by something else than commas.
    """

    @cache
    def inherited() -> dict[tuple[Any, Any], Mapping[str, Any]]:
        return {(one["account_id"], one["name"]): one for one in known() if one[DEFAULT_OF]}

    rows: dict[BudgetKey, dict[str, Any]] = {}
    lines: dict[BudgetKey, int] = {}
    rejected: list[dict[str, Any]] = []
    with io.StringIO(_text(content, name), newline="") as text, _long_fields(len(content)):
        before = _skip_separator(text, name)
        reader = csv.DictReader(text, strict=True)
        reader.fieldnames = columns = _columns(reader, name)
        # People delete columns of a list before they import it.
        listed = set(_OUTCOME) <= set(columns) or not {DEFAULT_OF, _LISTED_AS}.isdisjoint(columns)

        def line() -> int:
            # DictReader's own number stays at the line before one that it cannot read.
            return before + reader.reader.line_num

        while True:
            begins = line() + 1
            try:
                record = next(reader, None)
                if record is None:
                    break
                row = _row(record, listed=listed)
                if listed and _sets_nothing(row, inherited, told=DEFAULT_OF in columns):
                    continue
                budget = parse_budget(row, defaults=True)
                if budget.key in rows:
                    raise RejectedInput(
                        f"line {lines[budget.key]} already sets this budget",
                        code="duplicate_line",
                        field="account_id",
                        value=row["account_id"],
                    )
            except RejectedInput as error:
                at = begins if error.code == "open_quote" else line()
                rejected.append(_rejection(at, error.field, error.explanation, error.value))
            except csv.Error as error:
                if "unexpected end" in str(error):
                    reason = (
                        "a double quote that opens in this line is not closed, so that the lines"
                        " after it were not read"
                    )
                    rejected.append(_rejection(begins, "", reason, None))
                else:
                    reason = f"the line is not valid CSV: {error}"
                    rejected.append(_rejection(line(), "", reason, None))
            else:
                lines[budget.key] = line()
                rows[budget.key] = as_edit(
                    {**row, "budget_name": budget.key.budget_name}, budget.amount, editor
                )
    return list(rows.values()), rejected


def _sets_nothing(
    row: dict[str, Any],
    inherited: Callable[[], Mapping[tuple[Any, Any], Mapping[str, Any]]],
    *,
    told: bool,
) -> bool:
    """Whether a line of a list is of a budget without a row of its own, and was not edited.

    Takes out of the row what only a list has. `told` is whether the file says what is inherited.

    Raises:
        RejectedInput: an inherited budget was edited.
    """
    mark, source = row.pop(_LISTED_AS, ""), row.pop(DEFAULT_OF, "")
    if not told:
        source = inherited().get(_key_of(row), {}).get(DEFAULT_OF, "")
    if source:
        _refuse_changed(row, source, mark, inherited())
        return True
    return bool(mark) and mark == _mark_of_removed(row)


def _refuse_changed(
    row: Mapping[str, Any],
    source: str,
    mark: str,
    inherited: Mapping[tuple[Any, Any], Mapping[str, Any]],
) -> None:
    """Refuse a line that changes what an account inherits, which an import would not carry out.

    Raises:
        RejectedInput: it asks for something else than the account has.
    """
    if one := inherited.get(_key_of(row)):
        # The default may have been edited since the list was made, also by the same file.
        as_listed = mark and mark == _mark_of(row)
        if as_listed or _asked(row) == _asked(_row_of(one)):
            return
    raise RejectedInput(
        f"the account inherits this budget from {source}, and not as the line says",
        code="inherited_budget",
        field=DEFAULT_OF,
        value=source,
        remedy=f"Leave its {DEFAULT_OF} empty, which makes it a row of the account's own, or edit"
        f" the row of {source}",
    )


def _key_of(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row.get("account_id"), row.get("budget_name", DEFAULT_BUDGET_NAME)


def _row_of(one: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a listed budget."""
    cells = {two.name: two.read_cell(text) for two in ATTRIBUTES if (text := one[two.name])}
    return {"account_id": one["account_id"], "budget_name": one["name"], **cells}


def _mark_of(row: Mapping[str, Any]) -> str:
    """What tells a line from one that asks for something else, however a program writes it."""
    try:
        budget = parse_budget(row)
    except RejectedInput:
        return ""
    said = f"{budget.key.account_id}/{budget.key.budget_name}/{content_digest(budget)}"
    return f"sha256:{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _mark_of_removed(row: Mapping[str, Any]) -> str:
    return f"{_REMOVED} {_mark_of(row)}".strip()


def _asked(row: Mapping[str, Any]) -> object:
    """What a line asks for, however it is written; what it says where that is not valid."""
    try:
        return parse_budget(row)
    except RejectedInput:
        return {one.name: row.get(one.name) for one in ATTRIBUTES}


@contextmanager
def _long_fields(longest: int) -> Iterator[None]:
    """Have the reader take fields of this length: what limits a row limits its fields, too."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, longest))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _skip_separator(text: io.StringIO, name: str) -> int:
    """Skip the line by which Excel is told the separator. Returns how many lines that are.

    Raises:
        RejectedInput: it names another one than the comma.
    """
    found = _SEPARATOR_LINE.fullmatch(text.readline().rstrip("\r\n"))
    if found is None:
        text.seek(0)
        return 0
    if found[1] != ",":
        raise _wrong_separator(name, _OTHER_SEPARATORS.get(found[1], quoted(found[1])))
    return 1


def _wrong_separator(name: str, words: str) -> RejectedInput:
    return RejectedInput(
        f"{name}: the columns are separated by {words}",
        code="wrong_separator",
        remedy="Save the file with commas between the columns",
    )


def _columns(reader: csv.DictReader[str], name: str) -> list[str]:
    """The names in the first line; a column without one has its number."""
    try:
        columns = [one.strip() for one in reader.fieldnames or ()]
    except csv.Error as error:
        raise RejectedInput(
            f"{name}: the first line is not valid CSV: {error}",
            code="invalid_header",
            remedy="Close each double quote in the line that opens it",
        ) from None
    if len(columns) == 1:
        for separator, words in _OTHER_SEPARATORS.items():
            if separator in columns[0]:
                raise _wrong_separator(name, words)
    twice = sorted({one for one in columns if one and columns.count(one) > 1})
    if twice:
        raise RejectedInput(
            f"{name}: the first line has the column {' and '.join(twice)} more than once",
            code="duplicate_column",
            field=twice[0],
            remedy="Keep one of them",
        )
    for one in columns:
        if unseen := unseen_in(one):
            raise RejectedInput(
                f"{name}: the column {quoted(one)} of the first line {unseen}",
                code="invalid_header",
                field=one,
                remedy="Type its name again, instead of copying it",
            )
    missing = sorted({"account_id", "amount"} - set(columns))
    if missing:
        raise RejectedInput(
            f"{name}: the first line has no column {' and '.join(missing)}",
            code="missing_column",
            remedy="Name the columns in the first line, such as"
            " account_id,budget_name,amount,thresholds,emails",
        )
    return [one or f"{_UNNAMED}{number}" for number, one in enumerate(columns, 1)]


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RejectedInput(
            f"{name} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}",
            code="not_utf8",
            remedy="Save it as 'CSV UTF-8'",
        ) from None


def _row(record: Mapping[str | None, Any], *, listed: bool) -> dict[str, Any]:
    """The row of a line; of one that `csv_of` wrote, without the outcome of the edit before.

    A note that the line leaves empty is None.
    """
    if None in record:
        raise RejectedInput(
            f"the line has more fields than the header: {record[None]!r}",
            code="too_many_fields",
            remedy="Put fields that contain commas in double quotes",
        )
    row = {str(name): value.strip() for name, value in record.items() if value and value.strip()}
    columns = [str(name) for name in record]
    beside = dict(itertools.pairwise(columns)).get("amount", "")
    if _PART_OF_AN_AMOUNT.fullmatch(f"{row.get('amount')},{row.get(beside)}"):
        raise RejectedInput(
            f"amount {row['amount']} and {beside} {row[beside]} look like one amount,"
            f" {row['amount']},{row[beside]}",
            code="amount_in_two_fields",
            field="amount",
            value=f"{row['amount']},{row[beside]}",
            remedy="Write amounts without thousands separators",
        )
    if unnamed := [one for one in row if one.startswith(_UNNAMED)]:
        raise RejectedInput(
            f"{quoted(row[unnamed[0]])} stands in column{unnamed[0]}, which has no name",
            code="unnamed_column",
            value=row[unnamed[0]],
            remedy="Name the column in the first line, or remove it",
        )
    if (size := sum(len(f"{one}{value}".encode()) for one, value in row.items())) > LARGEST_ROW:
        raise RejectedInput(
            f"the line has {size} bytes, and a row of the table at most {LARGEST_ROW}",
            code="line_too_large",
            remedy="Shorten its notes",
        )
    if listed:
        row = {
            name: unguard(value) for name, value in row.items() if name not in (*_OUTCOME, *_SPEND)
        }
    for name, value in row.items():
        # A note may run over lines, and a map of JSON too.
        one_line = name in _ONE_LINE and not value.startswith("{")
        if ("\n" in value and one_line) or _LINE_WITHIN.search(value):
            raise RejectedInput(
                f"{name} runs over more than one line",
                code="open_quote",
                field=name,
                value=value,
                remedy="Close the double quote in the line that opens it",
            )
    no_notes = {*_ONE_LINE, "updated_by", *(_OF_A_LIST if listed else ())}
    notes = {one for one in columns if one not in no_notes and not one.startswith(_UNNAMED)}
    cells = {one.name: one.read_cell(row[one.name]) for one in ATTRIBUTES if one.name in row}
    return dict.fromkeys(notes - row.keys()) | row | cells


def _rejection(line: int, field: str, reason: str, value: object) -> dict[str, Any]:
    return {
        "line": line,
        "field": field,
        "reason": reason,
        # As it can be written: JSON may have half a character.
        "value": None if value is None else str(value).encode(errors="backslashreplace").decode(),
    }


def csv_of(found: Iterable[Mapping[str, Any]]) -> str:
    """The listed budgets as a CSV file, with the columns that an import reads, and their status."""
    names = {"account_id": "account_id", "name": "budget_name"}
    names |= {one.name: one.name for one in ATTRIBUTES}
    names |= {one: one for one in (*_OUTCOME, *_SPEND, "updated_by", DEFAULT_OF)}

    def mark(one: Mapping[str, Any]) -> str:
        if one[DEFAULT_OF]:
            return _mark_of(_row_of(one))
        return "" if one["has_row"] else _mark_of_removed(_row_of(one))

    with io.StringIO(newline="") as text:
        writer = csv.writer(text)
        writer.writerow([*names.values(), _LISTED_AS])
        for one in found:
            writer.writerow([*(guard(str(one[name] or "")) for name in names), mark(one)])
        return text.getvalue()
