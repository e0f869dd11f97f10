"""Raises that wait: what they are, who has approved them, and the button that approves one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from console import presses, ui
from console.identity import Role, User
from console.services import Services
from console.views.budgets.listing import key_of, list_budgets, title
from finops.budgets.approvals import PEOPLE, amounts_of, people_of, standing_budget
from finops.budgets.defaults import is_default
from finops.budgets.domain import BudgetKey, Status
from finops.budgets.ports import BudgetStatus
from finops.shared.audit import AuditEvent
from finops.shared.errors import RejectedInput
from finops.shared.people import name_of, same_person

#: So many are drawn; the others come when these are decided.
_MOST: Final = 20


def show(services: Services, user: User, budgets: Sequence[Mapping[str, Any]]) -> None:
    """Draw the raises that wait; nothing where there are none."""
    keys = [key_of(one) for one in budgets if one["status"] == Status.WAITING]
    found = map(services.budgets.statuses.get, keys[:_MOST])
    waiting = [one for one in found if one and one.status is Status.WAITING]
    if not waiting:
        return
    st.header("Raises that wait")
    st.caption(
        "Two people approve each: whoever wants it, and somebody else. Until then the AWS "
        "Budget stays as it is. To take a raise back, edit or remove the budget."
    )
    for one in waiting:
        _draw(services, user, one)
    if len(keys) > _MOST:
        st.caption(f"{len(keys) - _MOST:,} more wait.")


def obstacle(user: User, status: BudgetStatus) -> str:
    """Why this person cannot approve a raise; empty if they can."""
    if people_of(status.approvals) >= PEOPLE:
        return "Everybody who has to has approved it. A run applies it within minutes."
    if not user.may(Role.APPROVER):
        return "Only an approver can approve a raise."
    if any(same_person(user.identity, one) for one in status.approvals):
        return "You have approved it. Somebody else has to approve it as well."
    return ""


def approve(services: Services, user: User, key: BudgetKey, content: str) -> BudgetStatus:
    """Approve a raise that waits, if it is still the one with this content.

    Raises:
        RejectedInput: this person may not, nothing waits, or something else waits.
    """
    if not user.may(Role.APPROVER):
        raise RejectedInput("your role cannot approve raises", code="not_allowed")
    desk = services.budgets.approval_desk(_OwnStream(services, user))
    return desk.approve(key, user.identity, content=content)


@dataclass(frozen=True, slots=True)
class _OwnStream:
    """Records approvals in the console's stream of the trail, the only one that it may write."""

    services: Services
    user: User

    def record(self, *events: AuditEvent) -> None:
        for one in events:
            if one.actor != self.user.identity:
                continue
            self.services.record(self.user, one.action, one.subject, one.version, **one.details)


def _draw(services: Services, user: User, status: BudgetStatus) -> None:
    standing = standing_budget(status)
    before = _amounts(amounts_of(standing), standing.amount) if standing else "no budget"
    # A default has none of its own, and says by how much it is raised.
    change = "" if is_default(status.key.account_id) else f"{before} → "
    reason = obstacle(user, status)
    own = f"{title(status.key)}-{status.content}"
    with st.container(border=True, key=f"raise-{own}"):
        text, button = st.columns([5, 1], vertical_alignment="center")
        with text:
            st.markdown(
                f"**{ui.escaped(title(status.key))}**: {ui.escaped(change)}"
                f"**{ui.escaped(_amounts(status.amounts, status.amount))}**"
            )
            st.caption(ui.escaped(_facts(status)))
            if reason:
                st.caption(reason)
        # By the content: a click on what has changed meanwhile approves nothing.
        pressed = presses.button(
            "Approve",
            place=button,
            key=f"approve-{own}",
            icon=":material/check:",
            type="primary",
            disabled=bool(reason),
            help=reason or None,
        )
    if pressed:
        with ui.failures("The raise was not approved"):
            people = people_of(approve(services, user, status.key, status.content).approvals)
            list_budgets.clear()
            ui.flash(f"Approved by {people} of {PEOPLE} people: {ui.escaped(title(status.key))}")
            st.rerun()


def _amounts(planned: str, amount: str | Decimal) -> str:
    return f"{planned} USD" if planned else ui.amount(amount, "USD")


def _facts(status: BudgetStatus) -> str:
    reason = status.error.partition(". ")[0]
    editor = f"; edited by {name_of(status.updated_by)}" if status.updated_by else ""
    approved = ", ".join(map(name_of, status.approvals)) or "nobody"
    return f"Because {reason}{editor}; approved by {approved}"
