"""Approvals of raises that people send to a function's URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from finops.budgets.approval_desk import ApprovalDesk
from finops.budgets.approvals import people_of
from finops.budgets.domain import BudgetKey
from finops.shared.signed_requests import DecisionError, answered, caller, request_of

_Text = Annotated[str, msgspec.Meta(max_length=128)]


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person approves; who it is stands in no field.

    `content` is the digest of the raise that the person has seen.
    """

    account_id: _Text
    budget_name: _Text
    content: _Text


class ApprovalAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many people have approved the raise, or why this one could not."""

    approvals: int = 0
    error: DecisionError | None = None


def answer(desk: ApprovalDesk, event: Mapping[str, Any]) -> dict[str, Any]:
    """Approve what an event of a function URL asks for; returns the HTTP answer.

    Raises:
        ConfigurationError: The deployment is wrong; Lambda then answers 502.
    """

    def approve() -> ApprovalAnswer:
        asked = request_of(event, ApprovalRequest)
        key = BudgetKey(account_id=asked.account_id, budget_name=asked.budget_name)
        status = desk.approve(key, caller(event), content=asked.content)
        return ApprovalAnswer(approvals=people_of(status.approvals))

    return answered(approve, lambda error: ApprovalAnswer(error=error))
