"""Edits of the budgets table, and their status: what command line and console share."""

from __future__ import annotations

import csv
import io
import itertools
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final

from finops.budgets.approvals import standing_budget
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.comparison import spend_is_known
from finops.budgets.domain import BudgetKey, Status, decimal_text, period_start
from finops.budgets.ports import BudgetStatus
from finops.budgets.rows import DEFAULT_BUDGET_NAME, parse_budget
from finops.budgets.values import parse_amount, quoted, text_of, unseen_in
from finops.shared.errors import RejectedInput
from finops.shared.spreadsheets import guard, unguard

_ONE_LINE: Final = frozenset({"account_id", "budget_name", *(one.name for one in ATTRIBUTES)})
#: The next line of the file, which a quote that is not closed makes part of a value.
_LINE_WITHIN: Final = re.compile(r"\n\s*[0-9]{12}\s*,")
#: What a list tells of each budget beyond its row.
_OUTCOME: Final = ("status", "applied_amount", "applied_at", "error")
_SPEND: Final = ("actual_spend", "forecasted_spend", "variance", "forecast_variance", "spend_at")
#: `*` or the unit whose row the account inherits.
_DEFAULT_OF: Final = "default_of"
#: DynamoDB takes 400 KB, with what an edit adds:
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_LARGEST_ROW: Final = 390 * 1024
#: How long a filtered budget may count nothing before somebody should look at its filters.
_LONG_WITHOUT_COSTS: Final = timedelta(days=3)
#: Begins what a column without a name is called; names are trimmed.
#: 12,500.00 without quotes is an amount of 12, and a note.
_PART_OF_AN_AMOUNT: Final = re.compile(r"[0-9]{1,3},[0-9]{3}\.[0-9]{1,2}")
_UNNAMED: Final = " "
_OTHER_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def as_edit(row: Mapping[str, Any], amount: Decimal, editor: str) -> dict[str, Any]:
    """A row as it is stored: the amount as a number, and who edited it."""
    return {**row, "amount": amount, "updated_by": editor, "request_id": str(uuid.uuid4())}


def read_budgets(
    content: bytes, *, name: str, editor: str, known: Callable[[], Iterable[Mapping[str, Any]]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The valid rows of a CSV file as they are stored, and why each other line was rejected.

    Args:
        content: The file's bytes.
        name: The file's name.
        editor: Who edits these budgets.
        known: Lists the budgets as `joined` does, where a line is of one that an account inherits.
            Such a line sets nothing, and is rejected where it asks for something else.

    Raises:
        RejectedInput: the file is not UTF-8, has no column for the account or the amount, has one
            twice, or separates them by something else than commas.
    """

    @cache
    def inherited() -> dict[tuple[Any, Any], Mapping[str, Any]]:
        return {(one["account_id"], one["name"]): one for one in known() if one[_DEFAULT_OF]}

    rows: dict[BudgetKey, dict[str, Any]] = {}
    lines: dict[BudgetKey, int] = {}
    rejected: list[dict[str, Any]] = []
    with io.StringIO(_text(content, name), newline="") as text:
        reader = csv.DictReader(text, strict=True)
        reader.fieldnames = columns = _columns(reader, name)
        listed = set(_OUTCOME) <= set(columns)
        while True:
            begins = reader.line_num + 1
            try:
                record = next(reader, None)
                if record is None:
                    break
                row = _row(record, listed=listed)
                if listed and (source := row.pop(_DEFAULT_OF, "")):
                    _refuse_changed(row, source, inherited())
                    continue  # it would become a row of the account's own
                budget = parse_budget(row, defaults=True)
                if budget.key in rows:
                    raise RejectedInput(
                        f"line {lines[budget.key]} already sets this budget",
                        code="duplicate_line",
                        field="account_id",
                        value=row["account_id"],
                    )
            except RejectedInput as error:
                line = begins if error.code == "open_quote" else reader.line_num
                rejected.append(_rejection(line, error.field, error.explanation, error.value))
            except csv.Error as error:
                if "unexpected end" in str(error):
                    reason = (
                        "a double quote that opens in this line is not closed, so that the lines"
                        " after it were not read"
                    )
                    rejected.append(_rejection(begins, "", reason, None))
                else:
                    reason = f"the line is not valid CSV: {error}"
                    rejected.append(_rejection(reader.line_num, "", reason, None))
            else:
                lines[budget.key] = reader.line_num
                rows[budget.key] = as_edit(
                    {**row, "budget_name": budget.key.budget_name}, budget.amount, editor
                )
    return list(rows.values()), rejected


def _refuse_changed(
    row: Mapping[str, Any], source: str, inherited: Mapping[tuple[Any, Any], Mapping[str, Any]]
) -> None:
    """Refuse a line that changes what an account inherits, which an import would not carry out.

    Raises:
        RejectedInput: it asks for something else than the account has.
    """
    key = (row.get("account_id"), row.get("budget_name", DEFAULT_BUDGET_NAME))
    if one := inherited.get(key):
        cells = {two.name: two.read_cell(text) for two in ATTRIBUTES if (text := one[two.name])}
        if _asked(row) == _asked({"account_id": key[0], "budget_name": key[1], **cells}):
            return
    raise RejectedInput(
        f"the account inherits this budget from {source}, and not as the line says",
        code="inherited_budget",
        field=_DEFAULT_OF,
        value=source,
        remedy=f"Empty its {_DEFAULT_OF}, which makes it a row of the account's own, or edit the"
        f" row of {source}",
    )


def _asked(row: Mapping[str, Any]) -> object:
    """What a line asks for, however it is written; what it says where that is not valid."""
    try:
        return parse_budget(row)
    except RejectedInput:
        return {one.name: row.get(one.name) for one in ATTRIBUTES}


def in_turn(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows with their accounts in turn: the first of each account, then the second of each."""
    accounts: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        accounts.setdefault(row["account_id"], []).append(row)
    turns = itertools.zip_longest(*accounts.values())
    return [row for turn in turns for row in turn if row is not None]


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
                raise RejectedInput(
                    f"{name}: the columns are separated by {words}",
                    code="wrong_separator",
                    remedy="Save the file with commas between the columns",
                )
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
    """The row of a line; of one that `csv_of` wrote, without the outcome of the edit before."""
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
    if (size := sum(len(f"{one}{value}".encode()) for one, value in row.items())) > _LARGEST_ROW:
        raise RejectedInput(
            f"the line has {size} bytes, and a row of the table at most {_LARGEST_ROW}",
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
    return row | {one.name: one.read_cell(row[one.name]) for one in ATTRIBUTES if one.name in row}


def _rejection(line: int, field: str, reason: str, value: object) -> dict[str, Any]:
    return {
        "line": line,
        "field": field,
        "reason": reason,
        # As it can be written: JSON may have half a character.
        "value": None if value is None else str(value).encode(errors="backslashreplace").decode(),
    }


def changes_of(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, dict[str, str | None]]:
    """The attributes that an edit changed, as people write them; none where the row is new."""
    shown = {
        one.name: {"before": one.show(before.get(one.name)), "after": one.show(after.get(one.name))}
        for one in ATTRIBUTES
    }
    return {
        name: change
        for name, change in shown.items()
        if before and change["before"] != change["after"]
    }


def matching(
    found: Iterable[Mapping[str, Any]],
    *,
    name: str | None = None,
    status: str | None = None,
    at_least: Decimal | None = None,
    at_most: Decimal | None = None,
) -> list[Mapping[str, Any]]:
    """Those of the listed budgets that fit everything that is given.

    Args:
        found: As `joined` returns them.
        name: A pattern with * and ?.
        status: As the status table writes it.
        at_least: USD; leaves out amounts that are not numbers, as `at_most` does.
        at_most: USD.
    """

    def fits(one: Mapping[str, Any]) -> bool:
        if name is not None and not fnmatchcase(one["name"], name):
            return False
        if status is not None and one["status"] != status:
            return False
        if at_least is None and at_most is None:
            return True
        try:
            amount = parse_amount(one["amount"])
        except RejectedInput:
            return False
        return (at_least is None or amount >= at_least) and (at_most is None or amount <= at_most)

    return [one for one in found if fits(one)]


def csv_of(found: Iterable[Mapping[str, Any]]) -> str:
    """The listed budgets as a CSV file, with the columns that an import reads, and their status."""
    names = {"account_id": "account_id", "name": "budget_name"}
    names |= {one.name: one.name for one in ATTRIBUTES}
    names |= {one: one for one in (*_OUTCOME, *_SPEND, "updated_by", _DEFAULT_OF)}
    with io.StringIO(newline="") as text:
        writer = csv.writer(text)
        writer.writerow(names.values())
        for one in found:
            writer.writerow(guard(str(one[name] or "")) for name in names)
        return text.getvalue()


def joined(
    found: Iterable[Mapping[str, Any]], known: Iterable[BudgetStatus]
) -> list[dict[str, Any]]:
    """Rows with their status; a status without a row is left out once the budget was removed."""
    rows = {
        BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"]): row
        for row in found
    }
    statuses = {one.key: one for one in known}
    keys = set(rows) | {key for key, one in statuses.items() if one.status is not Status.REMOVED}

    def row_of(key: BudgetKey) -> Mapping[str, Any]:
        status = statuses.get(key)
        if key in rows or not status or not status.default_of:
            return rows.get(key, {})
        default = BudgetKey(account_id=status.default_of, budget_name=key.budget_name)
        # Until a default that was edited is applied, the account has the amount before.
        return {**rows.get(default, {}), "amount": status.amount}

    return [described(key, row_of(key), statuses.get(key)) for key in sorted(keys)]


def described(
    key: BudgetKey, row: Mapping[str, Any], status: BudgetStatus | None
) -> dict[str, Any]:
    """A budget as people and scripts read it: every attribute as text.

    `actual_spend` and `forecasted_spend` are what AWS Budgets calculated for the budget's current
    period, and a variance is what that is above the AWS Budget's amount; all None where AWS has not
    calculated them since the budget was last changed. `note` is what somebody should look at.
    """
    values = {"amount": status.amount if status else None, **row}
    calculated = status if status and spend_is_known(status) else None
    actual = calculated.actual_spend if calculated else ""
    forecast = calculated.forecasted_spend if calculated else ""
    limit = _limit(key, values, calculated)
    return {
        "account_id": key.account_id,
        "name": key.budget_name,
        **{one.name: one.show(values.get(one.name)) for one in ATTRIBUTES},
        "status": (status.status if status else Status.PENDING).value,
        "applied_amount": status.applied_amount if status else "",
        "applied_at": _iso(status.applied_at if status else None),
        "latency_ms": status.latency_ms if status else None,
        "error": status.error if status else "",
        "actual_spend": actual or None,
        "forecasted_spend": forecast or None,
        "variance": _variance(actual, limit),
        "forecast_variance": _variance(forecast, limit),
        "spend_at": _iso(calculated.spend_at if calculated else None),
        "updated_by": status.updated_by if status else text_of(row.get("updated_by", "")),
        _DEFAULT_OF: status.default_of if status else "",
        "note": _note_unreached(status) or (_note(calculated) if calculated else ""),
        "adopted": bool(status and status.adopted),
        "action": status.action if status else "",
    }


def _note_unreached(status: BudgetStatus | None) -> str:
    """What a status does not say that is of an edit which waits or is rejected."""
    if status is None or status.unreached_at is None or status.status is Status.FAILED:
        return ""
    return (
        f"No run could read what the account has since {status.unreached_at:%Y-%m-%d %H:%M} UTC:"
        " see `finops budgets drift`"
    )


def _note(calculated: BudgetStatus) -> str:
    """Why a budget may not count what its row means: AWS takes values that it does not know."""
    budget, read_at = standing_budget(calculated), calculated.spend_at
    if budget is None or read_at is None or budget.counts_whole_account or not budget.cost_filters:
        return ""
    begun = max(period_start(budget.time_unit, read_at), calculated.applied_at or read_at)
    if Decimal(calculated.actual_spend or 1) or read_at - begun < _LONG_WITHOUT_COSTS:
        return ""
    return (
        f"AWS has counted nothing since {begun:%Y-%m-%d}: look whether it knows each value of"
        " cost_filters by that name"
    )


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def _limit(
    key: BudgetKey, values: Mapping[str, Any], calculated: BudgetStatus | None
) -> Decimal | None:
    """The amount that the spend is of: in the AWS Budget, when it was read; None where unknown.

    A row does not say it whose edit waits or is refused.
    """
    moment = calculated.spend_at if calculated else None
    if calculated and moment and (standing := standing_budget(calculated)):
        return standing.amount_at(moment)
    try:
        if moment is None or not values.get("planned_amounts"):
            return parse_amount(values.get("amount"))
        named = {**values, "account_id": key.account_id, "budget_name": key.budget_name}
        return parse_budget(named, defaults=True).amount_at(moment)
    except RejectedInput:
        return None


def _variance(spend: str, limit: Decimal | None) -> str | None:
    return decimal_text(Decimal(spend) - limit) if spend and limit is not None else None
