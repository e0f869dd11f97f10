"""Budgets: every account's, edited in place or by a file, until each edit has its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from console import ui
from console.identity import Role, User
from console.services import Services
from finops.budgets.domain import BudgetKey, Status, TimeUnit
from finops.budgets.editing import as_edit, joined, read_budgets
from finops.budgets.rows import DEFAULT_BUDGET_NAME, parse_budget
from finops.deployment.functions import invoke
from finops.shared.errors import FinOpsError, RejectedInput

#: What is edited in the table, by the row's own names.
EDITABLE: Final = ("amount", "time_unit", "thresholds", "emails")
_WAITING: Final = "budget_requests"
_SHOWN: Final = "budgets_shown"
_EDITOR: Final = "budget_editor"
_DRIFT: Final = "budget_drift"


def show(services: Services, user: User) -> None:
    """The page."""
    st.title("Budgets")
    with ui.failures("The budgets cannot be read"):
        with st.skeleton(height=320):
            found = listed(services, services.environment.name)
        if user.may(Role.EDITOR):
            with st.container(horizontal=True):
                _new(services, user)
                _import(services, user)
                _remove(services, user, found)
        _follow(services)
        if not found:
            ui.empty("No account has a budget yet. Add one, or import a CSV file.")
            return
        _table(services, user, found)
        _drift(services, user)


@st.cache_data(ttl=5, max_entries=4, show_spinner=False)
def listed(_services: Services, _deployment: str) -> list[dict[str, Any]]:
    """Every budget with its status, its thresholds and addresses as people write them."""
    rows = list(_services.budgets.rows.rows(None))
    statuses = list(_services.budgets.statuses.all(None))
    settings = {(row["account_id"], row["budget_name"]): row for row in rows}
    return [
        one
        | {
            name: as_text(settings.get((one["account_id"], one["name"]), {}).get(name))
            for name in ("thresholds", "emails")
        }
        for one in joined(rows, statuses)
    ]


def as_text(value: object) -> str:
    """A list of a row as people write it: `ACTUAL:80, FORECASTED:100`; empty for none."""
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list | tuple | set | frozenset):
        return str(value)
    texts = (
        f"{one.get('type', 'ACTUAL')}:{one.get('percent')}"
        if isinstance(one, Mapping)
        else str(one)
        for one in value
    )
    return ", ".join(texts)


def _table(services: Services, user: User, found: Sequence[dict[str, Any]]) -> None:
    edits: Mapping[int, Mapping[str, Any]] = st.session_state.get(_EDITOR, {}).get(
        "edited_rows", {}
    )
    # Rows stay as they were while somebody is typing into them.
    if not edits or _SHOWN not in st.session_state:
        st.session_state[_SHOWN] = found
    found = st.session_state[_SHOWN]
    search, status = st.columns([3, 2])
    text = search.text_input(
        "Search", placeholder="Account, name or who edited it", icon=":material/search:"
    )
    wanted = status.selectbox(
        "Status",
        ["", *(one.value for one in Status)],
        key="budget_status",
        bind="query-params",
        format_func=lambda one: ui.words(one) if one else "Any",
    )
    rows = [
        one
        for one in found
        if (not wanted or one["status"] == wanted)
        and text.strip().casefold()
        in f"{one['account_id']} {one['name']} {one['updated_by']}".casefold()
    ]
    if not rows:
        ui.empty("No budget is like that.")
        return
    may_edit = user.may(Role.EDITOR)
    spent = spent_this_month(services, services.environment.name)
    frame = pd.DataFrame([_row(one, spent) for one in rows])
    # A column without any value has no type of its own.
    numbers = dict.fromkeys(("amount", "applied", "spent"), float)
    frame = frame.astype({**numbers, "applied_at": "datetime64[us, UTC]"})
    st.data_editor(
        frame,
        key=_EDITOR,
        hide_index=True,
        height=ui.height(len(rows)),
        placeholder="",
        alt="Budgets: status, account, name, amount, period, alerts, addresses and errors",
        disabled=[name for name in frame.columns if not may_edit or name not in EDITABLE],
        column_config={
            "status": ui.status_column(list(Status)),
            "account_id": st.column_config.TextColumn("Account"),
            "name": st.column_config.TextColumn("Name"),
            "amount": st.column_config.NumberColumn(
                "Amount (USD)", format="dollar", min_value=0.01, step=0.01, required=True
            ),
            "applied": st.column_config.NumberColumn("In force (USD)", format="dollar"),
            "spent": st.column_config.NumberColumn(
                "Account's costs this month (USD)",
                format="dollar",
                help="All costs of the account, as the month's newest report has them.",
            ),
            "time_unit": st.column_config.SelectboxColumn(
                "Period", options=[one.value for one in TimeUnit]
            ),
            "thresholds": st.column_config.TextColumn(
                "Alerts at %", help="Such as ACTUAL:80, FORECASTED:100; empty: the defaults."
            ),
            "emails": st.column_config.TextColumn(
                "Mail to", help="Addresses with commas between; empty: the defaults."
            ),
            "applied_at": st.column_config.DatetimeColumn(
                "Applied (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC"
            ),
            "updated_by": "Edited by",
            "error": st.column_config.TextColumn("Why not", width="large"),
        },
    )
    edits = st.session_state.get(_EDITOR, {}).get("edited_rows", {})
    if may_edit and edits:
        with st.container(horizontal=True):
            label = "Apply 1 change" if len(edits) == 1 else f"Apply {len(edits)} changes"
            if st.button(label, type="primary", icon=":material/check:"):
                changes = {_key(rows[number]): dict(changed) for number, changed in edits.items()}
                save(services, user, changes)
            if st.button("Discard", icon=":material/undo:"):
                _forget()
                st.rerun()
    elif may_edit:
        st.caption("Columns with a pen are edited in place: click twice, or press Enter on a cell.")


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def spent_this_month(_services: Services, _deployment: str) -> dict[str, float]:
    """The costs of each account, USD, by the report of this month; empty where there is none."""
    try:
        report = _services.reports.newest(f"{datetime.now(UTC):%Y-%m}")
    except FinOpsError:
        return {}
    if report is None or report.document["currency"] != "USD":
        return {}
    return {one["account"]: float(one["amount"]) for one in report.document["accounts"]}


def _row(one: Mapping[str, Any], spent: Mapping[str, float]) -> dict[str, Any]:
    return {
        "status": [ui.words(one["status"])],
        "account_id": one["account_id"],
        "name": one["name"],
        "amount": _number(one["amount"]),
        "applied": _number(one["applied_amount"]),
        "spent": spent.get(one["account_id"]),
        "time_unit": str(one["time_unit"]).upper(),
        "thresholds": one["thresholds"],
        "emails": one["emails"],
        "applied_at": datetime.fromisoformat(one["applied_at"]) if one["applied_at"] else None,
        "updated_by": one["updated_by"],
        "error": one["error"],
    }


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None  # whatever else was typed: the error says so


def _key(one: Mapping[str, Any]) -> BudgetKey:
    return BudgetKey(account_id=one["account_id"], budget_name=one["name"])


def save(services: Services, user: User, changes: Mapping[BudgetKey, Mapping[str, Any]]) -> None:
    """Write what was changed of each row, where the row can be as it then is."""
    refused = []
    for key, changed in changes.items():
        try:
            edit(services, user, key, changed)
        except RejectedInput as error:
            refused.append((key, error))
    listed.clear()
    if refused:
        for key, why in refused:
            ui.show_failure(f"{key.account_id}/{key.budget_name} is as it was", why)
        return
    _forget()
    st.rerun()


def edit(services: Services, user: User, key: BudgetKey, changed: Mapping[str, Any]) -> None:
    """Write these attributes of a budget's row, which need not exist, and wait for its answer.

    Args:
        services: Where to.
        user: Who edits.
        key: Which budget.
        changed: Amount as a number or text, lists as comma separated text; empty for the defaults.

    Raises:
        RejectedInput: the row would not be a budget.
    """
    if not user.may(Role.EDITOR):
        raise RejectedInput("your role does not edit budgets", code="not_allowed")
    names = {"account_id": key.account_id, "budget_name": key.budget_name}
    before = {row["budget_name"]: row for row in services.budgets.rows.rows(key.account_id)}.get(
        key.budget_name, {}
    )
    wanted = {name: _typed(name, value) for name, value in changed.items()}
    budget = parse_budget({**before, **names, **wanted})
    row = as_edit({**names, **wanted}, budget.amount, user.name)
    request = row["request_id"]
    services.budgets.edits.merge(
        budget.key, {name: value for name, value in row.items() if name not in names}
    )
    _expect(budget.key, request)
    services.record(
        user,
        "budget.edited",
        f"{key.account_id}/{key.budget_name}",
        version=request,
        before={name: before.get(name) for name in wanted},
        after=wanted,
    )


def _typed(name: str, value: Any) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if name == "amount":
        return str(value)
    if name in ("thresholds", "emails"):
        return [part.strip() for part in str(value).split(",") if part.strip()]
    return str(value)


def _forget() -> None:
    st.session_state.pop(_EDITOR, None)
    st.session_state.pop(_SHOWN, None)


def _expect(key: BudgetKey, request: str) -> None:
    st.session_state.setdefault(_WAITING, {})[key] = request


def _follow(services: Services) -> None:
    """Show what becomes of this session's edits, until each has its answer."""
    waiting: dict[BudgetKey, str] = st.session_state.get(_WAITING, {})
    if not waiting:
        return
    open_ = any(status is Status.PENDING for status, _ in _answers(services, waiting).values())

    @st.fragment(run_every=0.7 if open_ else None)
    def progress() -> None:
        answers = _answers(services, waiting)
        done = sum(status is not Status.PENDING for status, _ in answers.values())
        with st.container(border=True):
            st.markdown(f"**Your edits**: {done} of {len(waiting)} answered")
            st.progress(done / len(waiting))
            for key, (status, error) in list(answers.items())[:20]:
                name = f"{key.account_id} / {key.budget_name}"
                st.markdown(f"{ui.badge(status.value)} **{ui.plain(name)}** {ui.plain(error)}")
            if len(answers) > 20:
                st.caption(f"and {len(answers) - 20} more, which stand in the table")
        if open_ and done == len(waiting):
            listed.clear()
            st.rerun()

    progress()
    if not open_ and st.button("Clear this list", type="tertiary", icon=":material/done_all:"):
        del st.session_state[_WAITING]
        st.rerun()


def _answers(
    services: Services, waiting: Mapping[BudgetKey, str]
) -> dict[BudgetKey, tuple[Status, str]]:
    table = services.budgets.statuses
    found = table.all() if len(waiting) > 5 else filter(None, map(table.get, waiting))
    known = {one.key: one for one in found}
    answers = {}
    for key, request in waiting.items():
        one = known.get(key)
        mine = one is not None and one.request_id == request
        answers[key] = (one.status, one.error) if one and mine else (Status.PENDING, "")
    return answers


def _new(services: Services, user: User) -> None:
    @st.dialog("New budget")
    def ask() -> None:
        with st.form("new-budget", border=False):
            account = st.text_input("Account", placeholder="222222222222", help="12 digits.")
            name = st.text_input("Name", value=DEFAULT_BUDGET_NAME)
            amount = st.text_input("Amount (USD)", placeholder="1250.50")
            unit = st.selectbox(
                "Period", [one.value for one in TimeUnit], format_func=str.capitalize
            )
            thresholds = st.text_input("Alerts at %", placeholder="ACTUAL:80, FORECASTED:100")
            emails = st.text_input("Mail to", placeholder="finance@example.com")
            if not st.form_submit_button("Add", type="primary"):
                return
        key = BudgetKey(account_id=account.strip(), budget_name=name.strip())
        changed = {
            "amount": amount,
            "time_unit": unit,
            "thresholds": thresholds,
            "emails": emails,
        }
        try:
            if any(one == key for one in map(_key, listed(services, services.environment.name))):
                raise RejectedInput(
                    "this account has a budget of that name", code="known", remedy="Edit it there"
                )
            edit(services, user, key, {name: one for name, one in changed.items() if one.strip()})
        except FinOpsError as error:
            ui.show_failure("Not added", error)
            return
        listed.clear()
        st.rerun()

    if st.button("New budget", icon=":material/add:"):
        ask()


def _import(services: Services, user: User) -> None:
    @st.dialog("Import budgets", width="large")
    def ask() -> None:
        st.write(
            "The first line names the columns: `account_id` and `amount`, and if wanted "
            "`budget_name`, `time_unit`, `thresholds` (`ACTUAL:80;FORECASTED:100`) and `emails`. "
            "A line replaces the row of its budget."
        )
        file = st.file_uploader("CSV file", type="csv")
        if file is None:
            return
        with ui.failures("The file cannot be imported"):
            rows, rejected = read_budgets(file.getvalue(), name=file.name, editor=user.name)
            if rejected:
                st.warning(f"{len(rejected)} lines cannot be taken.", icon=":material/block:")
                st.dataframe(
                    rejected,
                    hide_index=True,
                    placeholder="",
                    alt="Lines that cannot be taken, and why",
                    column_config={
                        "line": st.column_config.NumberColumn("Line", width=60),
                        "field": "Field",
                        "reason": st.column_config.TextColumn("Why not", width="large"),
                        "value": "Value",
                    },
                )
            if rows and st.button(f"Set {len(rows)} budgets", type="primary"):
                put(services, user, rows, file.name)
                st.rerun()

    if st.button("Import CSV", icon=":material/upload_file:"):
        ask()


def put(services: Services, user: User, rows: Sequence[Mapping[str, Any]], file: str) -> None:
    """Write these whole rows, and wait for their answers."""
    if not user.may(Role.EDITOR):
        raise RejectedInput("your role does not edit budgets", code="not_allowed")
    services.budgets.edits.put_all(rows)
    for row in rows:
        key = BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"])
        _expect(key, row["request_id"])
        services.record(
            user,
            "budget.imported",
            f"{key.account_id}/{key.budget_name}",
            version=row["request_id"],
            file=file,
            amount=row["amount"],
        )
    listed.clear()
    _forget()


def _remove(services: Services, user: User, found: Sequence[Mapping[str, Any]]) -> None:
    @st.dialog("Remove a budget")
    def ask() -> None:
        st.write(
            "Its row is removed; the deployment's setting says what becomes of the AWS Budget."
        )
        chosen = st.selectbox(
            "Budget",
            [_key(one) for one in found],
            index=None,
            placeholder="Account / name",
            format_func=lambda one: f"{one.account_id} / {one.budget_name}",
        )
        if st.button("Remove", type="primary", disabled=chosen is None) and chosen:
            with ui.failures("Not removed"):
                services.budgets.edits.delete(chosen)
                services.record(user, "budget.removed", f"{chosen.account_id}/{chosen.budget_name}")
                listed.clear()
                _forget()
                ui.flash(f"{chosen.account_id} / {chosen.budget_name} was removed")
                st.rerun()

    if st.button("Remove", icon=":material/delete:", disabled=not found):
        ask()


def _drift(services: Services, user: User) -> None:
    st.subheader("Drift")
    st.caption(
        "Whether each account's AWS Budget is as its row wants it. Looked for by schedule too."
    )
    with st.container(horizontal=True):
        if st.button("Compare now", icon=":material/compare_arrows:"):
            st.session_state[_DRIFT] = compare(services, repair=False)
        drifted = st.session_state.get(_DRIFT)
        if drifted and user.may(Role.EDITOR) and st.button("Repair", icon=":material/build:"):
            drifted = st.session_state[_DRIFT] = compare(services, repair=True)
            for one in drifted:
                services.record(user, "budget.repaired", f"{one['account_id']}/{one['name']}")
    if drifted is None:
        return
    if not drifted:
        st.success("Every budget is as its row wants it.", icon=":material/check_circle:")
        return
    st.dataframe(
        drifted,
        hide_index=True,
        placeholder="",
        alt="Budgets that have drifted",
        column_order=("account_id", "name", "wanted", "actual", "reason", "repaired", "error"),
        column_config={
            "account_id": "Account",
            "name": "Name",
            "wanted": st.column_config.TextColumn("Wanted", alignment="right"),
            "actual": st.column_config.TextColumn("Actual", alignment="right"),
            "reason": "Why",
            "repaired": "Published again",
            "error": "Error",
        },
    )


def compare(services: Services, *, repair: bool) -> list[dict[str, Any]]:
    """What the drift function finds, and publishes again where it shall."""
    with st.spinner("Asking every account …"):
        answer = invoke(
            services.budgets.aws.client("lambda"),
            services.environment.drift_function,
            {"repair": repair},
        )
    return list(answer["drift"])
