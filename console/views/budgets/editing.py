"""Writes to the budgets table, and the panel that follows them until each has its status."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import streamlit as st

from console import tracking, ui
from console.identity import Role, User
from console.services import Services
from console.views.budgets.listing import list_budgets, title
from finops.budgets.attributes import ATTRIBUTES, Form
from finops.budgets.domain import BudgetKey, Status
from finops.budgets.editing import as_edit, edited_meanwhile
from finops.budgets.rows import parse_budget
from finops.shared.errors import RejectedInput

_REQUESTS: Final = "budget_requests"
#: The trail is locked for years: of these it is told that they changed, and no address.
_PEOPLE: Final = frozenset({"emails"})


def edit(
    services: Services,
    user: User,
    key: BudgetKey,
    changed: Mapping[str, Any],
    *,
    seen: Mapping[str, str] | None = None,
    new: bool = False,
) -> None:
    """Set these attributes of a budget's row, which need not exist, and follow the edit.

    No other attribute is written, and nothing where the row is edited at the same time.

    Args:
        services: The deployment's services.
        user: Who edits.
        key: Which budget.
        changed: The amount in USD as a number or text; lists as comma-separated text, empty for
            the spoke's defaults.
        seen: The texts that the editor saw of these attributes, where there was a row.
        new: Whether the editor saw no row, and there has to be none.

    Raises:
        RejectedInput: the role cannot edit, the row would not be a valid budget, or it does not say
            any more what the editor saw.
    """
    _check_role(user)
    names = {"account_id": key.account_id, "budget_name": key.budget_name}
    rows = () if new else services.budgets.rows.rows(key.account_id)
    before = {row["budget_name"]: row for row in rows}.get(key.budget_name, {})
    if before:
        check_seen({one.name: one.show(before.get(one.name)) for one in ATTRIBUTES}, seen or {})
    wanted = {name: typed(name, value) for name, value in changed.items()}
    budget = parse_budget({**before, **names, **wanted}, defaults=True)
    row = as_edit(wanted, budget.amount, user.identity)
    request = row["request_id"]
    services.budgets.edits.merge(
        budget.key,
        {name: value for name, value in row.items() if name != "amount" or name in wanted},
        seen=before,
    )
    tracking.track(_REQUESTS, budget.key, request)
    services.record(
        user,
        "budget.edited",
        f"{key.account_id}/{key.budget_name}",
        version=request,
        changed=sorted(wanted),
        before={name: before.get(name) for name in wanted if name not in _PEOPLE},
        after={name: value for name, value in wanted.items() if name not in _PEOPLE},
    )


def shown(texts: Mapping[str, str | None]) -> dict[str, str]:
    """The text of each cell that can be edited, by the texts of all attributes."""
    cells = {one: texts[one.name] or "" for one in ATTRIBUTES if one.label}
    return {one.name: text.upper() if one.choices else text for one, text in cells.items()}


def check_seen(texts: Mapping[str, str | None], seen: Mapping[str, str]) -> None:
    """Check that the attributes have the texts that an editor saw.

    Raises:
        RejectedInput: somebody has changed one since.
    """
    now = shown(texts)
    changed = [
        one.label
        for one in ATTRIBUTES
        if seen.get(one.name, now.get(one.name)) != now.get(one.name)
    ]
    if changed:
        raise edited_meanwhile(f"{', '.join(changed)} of this budget")


def typed(name: str, value: Any) -> Any:
    """A row's value of an attribute from what was typed; None where nothing was.

    Raises:
        RejectedInput: a map is not JSON.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    (attribute,) = (one for one in ATTRIBUTES if one.name == name)
    if attribute.form is Form.LIST:
        return [part.strip() for part in re.split("[,;]", str(value)) if part.strip()]
    return attribute.read_cell(str(value))


def replace_all(
    services: Services, user: User, rows: Sequence[Mapping[str, Any]], file: str
) -> None:
    """Replace these rows as a whole, and follow the edits.

    Raises:
        RejectedInput: the role cannot edit.
    """
    _check_role(user)
    services.budgets.edits.put_all(rows)
    for row in rows:
        key = BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"])
        tracking.track(_REQUESTS, key, row["request_id"])
        services.record(
            user,
            "budget.imported",
            f"{key.account_id}/{key.budget_name}",
            version=row["request_id"],
            file=file,
            amount=row["amount"],
        )
    list_budgets.clear()


def remove(services: Services, user: User, key: BudgetKey) -> None:
    """Remove a budget's row.

    Raises:
        RejectedInput: the role cannot edit, or there is no such row.
    """
    _check_role(user)
    if not services.budgets.edits.delete(key):
        raise RejectedInput(
            f"{title(key)} has no row of its own",
            code="no_row",
            remedy="If it comes from a default, remove or edit that, or add a budget of this name",
        )
    services.record(user, "budget.removed", f"{key.account_id}/{key.budget_name}")
    list_budgets.clear()


def _check_role(user: User) -> None:
    if not user.may(Role.EDITOR):
        raise RejectedInput("your role cannot edit budgets", code="not_allowed")


def follow(services: Services) -> None:
    """Draw the panel of this session's edits."""

    def look_up(requests: Mapping[BudgetKey, str]) -> list[tracking.Progress]:
        return [
            tracking.Progress(
                finished=status is not Status.PENDING,
                draw=partial(_draw, key, status, error),
            )
            for key, (status, error) in results(services, requests).items()
        ]

    tracking.follow(
        _REQUESTS,
        "Your edits",
        look_up,
        seconds=0.7,
        when_finished=list_budgets.clear,
        most=20,
    )


def _draw(key: BudgetKey, status: Status, error: str) -> None:
    st.markdown(f"{ui.badge(status.value)} **{ui.escaped(title(key))}** {ui.escaped(error)}")


def results(
    services: Services, requests: Mapping[BudgetKey, str]
) -> dict[BudgetKey, tuple[Status, str]]:
    """The status and error of each edit; PENDING while the status is of another edit."""
    table = services.budgets.statuses
    found = table.all() if len(requests) > 5 else filter(None, map(table.get, requests))
    known = {one.key: one for one in found}
    answers = {}
    for key, request in requests.items():
        one = known.get(key)
        mine = one is not None and one.request_id == request
        answers[key] = (one.status, one.error) if one and mine else (Status.PENDING, "")
    return answers
