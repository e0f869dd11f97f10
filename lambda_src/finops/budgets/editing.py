"""Edits of the budgets table, and their status: what command line and console share."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

from finops.budgets.approvals import standing_budget
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.comparison import spend_is_known
from finops.budgets.domain import BudgetKey, Status, decimal_text, period_start
from finops.budgets.ports import BudgetStatus
from finops.budgets.rows import parse_budget
from finops.budgets.values import parse_amount, text_of
from finops.shared.errors import RejectedInput

#: `*` or the unit whose row the account inherits.
DEFAULT_OF: Final = "default_of"
#: DynamoDB takes 400 KB, with what an edit adds:
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
LARGEST_ROW: Final = 390 * 1024
_NO_NOTES: Final = frozenset(
    {"account_id", "budget_name", "updated_by", "request_id", *(one.name for one in ATTRIBUTES)}
)
#: How long a filtered budget may count nothing before somebody should look at its filters.
_LONG_WITHOUT_COSTS: Final = timedelta(days=3)


def as_edit(row: Mapping[str, Any], amount: Decimal, editor: str) -> dict[str, Any]:
    """A row as it is stored: the amount as a number, and who edited it."""
    return {**row, "amount": amount, "updated_by": editor, "request_id": str(uuid.uuid4())}


def edited_meanwhile(what: str = "this budget") -> RejectedInput:
    """Why an edit is not written that was made to something else than is there by now."""
    return RejectedInput(
        f"somebody has edited {what} meanwhile",
        code="edited_meanwhile",
        remedy="Discard the change to see what is there now, and type yours again",
    )


def with_notes(row: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it replaces another one: people's notes stay of which it says nothing.

    A note that is None in it goes. What only looks like a note, and is refused, goes too.

    Raises:
        RejectedInput: with its notes the row would be larger than DynamoDB takes.
    """
    kept = {
        name: value for name, value in before.items() if name not in _NO_NOTES and name not in row
    }
    while kept:
        try:
            parse_budget({**row, **kept}, defaults=True)
            break
        except RejectedInput as error:
            if error.field not in kept:
                break  # of the row itself, whose status says so
            del kept[error.field]
    whole = {name: value for name, value in {**kept, **row}.items() if value is not None}
    if (size := sum(len(f"{name}{value}".encode()) for name, value in whole.items())) > LARGEST_ROW:
        raise RejectedInput(
            f"budget {row['budget_name']} of account {row['account_id']} would have {size} bytes"
            f" with its notes in the table, and a row has at most {LARGEST_ROW}",
            code="row_too_large",
            remedy="Shorten its notes, or give the file a column for them",
        )
    return whole


def in_turn(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows with their accounts in turn: the first of each account, then the second of each."""
    accounts: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        accounts.setdefault(row["account_id"], []).append(row)
    turns = itertools.zip_longest(*accounts.values())
    return [row for turn in turns for row in turn if row is not None]


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
    `has_row` is false for the status of a row that was removed.
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
        DEFAULT_OF: status.default_of if status else "",
        "note": _note_unreached(status) or (_note(calculated) if calculated else ""),
        "adopted": bool(status and status.adopted),
        "has_row": bool(row),
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
