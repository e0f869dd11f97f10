"""Edits that are not applied yet, kept by budget: searching or leaving the page loses none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import streamlit as st

from console import cards, components, ui
from console.identity import User
from console.views.budgets.editing import check_seen, shown, typed
from console.views.budgets.listing import key_of, title
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.domain import BudgetKey
from finops.shared.errors import RejectedInput

_UNSAVED: Final = "budget_unsaved"
_SEEN: Final = "budget_seen"

#: What was typed by attribute; None for an emptied cell.
Typed = Mapping[str, str | None]


def all_unsaved() -> Mapping[BudgetKey, Typed]:
    """What was typed, by budget."""
    found: Mapping[BudgetKey, Typed] = st.session_state.get(_UNSAVED, {})
    return found


def seen_of(key: BudgetKey) -> Mapping[str, str]:
    """The texts that were there when somebody typed over them."""
    found: Mapping[BudgetKey, Mapping[str, str]] = st.session_state.get(_SEEN, {})
    return found.get(key, {})


def keep(budget: Mapping[str, Any], edits: Typed) -> None:
    """Keep all that was typed for a listed budget; a cell typed back as it was is no edit."""
    key, before = key_of(budget), shown(budget)
    known, seen = all_unsaved().get(key, {}), seen_of(key)
    forget(key)
    if edits := {name: text for name, text in edits.items() if (text or "") != before[name]}:
        st.session_state[_UNSAVED] = {**all_unsaved(), key: edits}
        still = {name: seen[name] for name in edits if name in seen and known[name] == edits[name]}
        texts = {name: before[name] for name in edits} | still
        st.session_state[_SEEN] = {**st.session_state.get(_SEEN, {}), key: texts}


def as_document() -> list[list[Any]]:
    """What was typed, as JSON has it: `[account, name, typed, seen]` of each budget.

    `typed` and `seen` are the text that was typed, and the one before it, by attribute.
    """
    return [
        [key.account_id, key.budget_name, dict(typed), dict(seen_of(key))]
        for key, typed in all_unsaved().items()
    ]


def restore(document: Any, budgets: Sequence[Mapping[str, Any]]) -> int:
    """Take what a browser has kept of listed budgets, as if it were typed. Returns how many.

    What was typed since then stays.
    """
    known = {(one["account_id"], one["name"]): one for one in budgets}
    try:
        found = msgspec.convert(
            document, list[tuple[str, str, dict[str, str | None], dict[str, str]]]
        )
    except msgspec.ValidationError:
        return 0
    for account, name, texts, seen in found:
        if budget := known.get((account, name)):
            key = key_of(budget)
            newer = all_unsaved().get(key, {})
            keep(budget, {**{one: texts[one] for one in shown(budget) if one in texts}, **newer})
            before = {
                one: text if one in newer else seen.get(one, text)
                for one, text in seen_of(key).items()
            }
            st.session_state[_SEEN] = {**st.session_state.get(_SEEN, {}), key: before}
    return len(all_unsaved())


def keep_in_browser(user: User, budgets: Sequence[Mapping[str, Any]]) -> None:
    """Have what was typed outlast this session, and take what an earlier one left."""
    left = components.kept("budgets", user.identity, as_document())
    if left and (count := restore(left, budgets)):
        told = f"{ui.counted(count, 'change')} that you had not applied came back"
        ui.flash(told, stays=True)
        st.rerun()


def forget(key: BudgetKey | None = None) -> None:
    """Forget the edits of a budget, or of all."""
    for name in (_UNSAVED, _SEEN):
        kept = st.session_state.get(name, {})
        st.session_state[name] = {one: of for one, of in kept.items() if key not in (None, one)}


def check(budget: Mapping[str, Any] | None, changed: Typed, seen: Mapping[str, str]) -> None:
    """Check what was typed for a listed budget, or for one that is gone or edited since.

    Raises:
        RejectedInput: the flow would reject it.
    """
    if budget is None:
        raise RejectedInput(
            "somebody removed this budget meanwhile",
            code="removed",
            remedy="Discard the change, or add the budget again",
        )
    check_seen(budget, {name: text for name, text in seen.items() if name in changed})
    for one in ATTRIBUTES:
        if one.name in changed:
            one.parse(typed(one.name, changed[one.name]))


def changes(budgets: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each changed cell with its value before and after, and why it would be rejected."""
    known = {key_of(one): one for one in budgets}
    found = []
    for key, edits in all_unsaved().items():
        budget = known.get(key)
        for one in ATTRIBUTES:
            if one.name not in edits:
                continue
            found.append(
                {
                    "budget": title(key),
                    "column": one.label,
                    "before": shown(budget)[one.name] if budget else "",
                    "after": edits[one.name] or "",
                    "problem": _problem(budget, {one.name: edits[one.name]}, seen_of(key)),
                }
            )
    return found


def _problem(budget: Mapping[str, Any] | None, changed: Typed, seen: Mapping[str, str]) -> str:
    try:
        check(budget, changed, seen)
    except RejectedInput as reason:
        return reason.explanation
    return ""


def draw(found: Sequence[Mapping[str, str]]) -> None:
    """Draw changes that would be applied."""
    if cards.is_narrow():
        labels = {"budget": "Not applied yet", "column": "Column", "before": "Before"}
        cards.plain("changes", found, labels | {"after": "After", "problem": "Problem"})
        return
    st.dataframe(
        found,
        hide_index=True,
        placeholder="",
        height="content",
        alt="Changes that are not applied yet",
        column_config={
            "budget": st.column_config.TextColumn("Not applied yet", width="medium"),
            "column": "Column",
            "before": "Before",
            "after": "After",
            "problem": st.column_config.TextColumn("Problem", width="large"),
        },
    )
