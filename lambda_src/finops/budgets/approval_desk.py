"""Use case of the management account: people approve raises that wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from finops.budgets.approvals import baseline_after, is_approved
from finops.budgets.audit_events import approval_events
from finops.budgets.defaults import is_default
from finops.budgets.documents import content_digest
from finops.budgets.domain import BudgetKey, Status
from finops.budgets.ports import AccountQueue, BudgetStatus, BudgetTable, StatusTable
from finops.budgets.rows import parse_budget
from finops.budgets.statuses import handed_on
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput
from finops.shared.people import PERSONAL_SESSION_ROLES, chose_own_name, same_person


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDesk:
    """Approves raises by the words of two proven people.

    Nobody has proven who edits a row, so that whoever wants the raise approves it as well.

    Attributes:
        personal_session_roles: Names of roles, by patterns, whose sessions have their person's name
            for certain. A session of another role may not approve.
    """

    table: BudgetTable
    statuses: StatusTable
    accounts: AccountQueue
    audit: AuditRecorder
    clock: Callable[[], datetime]
    personal_session_roles: Sequence[str] = PERSONAL_SESSION_ROLES

    def approve(self, key: BudgetKey, approver: str, *, content: str) -> BudgetStatus:
        """Approve what waits, if it is this content; the second approval has it published.

        Called again after it was stopped, it finishes what two people have approved.

        Args:
            key: The budget.
            approver: A person whom AWS has proven.
            content: Of the raise that the person has seen, by its digest.

        Returns:
            The status, which is WAITING until a drift run has published the budget.

        Raises:
            RejectedInput: nothing waits, something else waits, or this person cannot approve it.
        """
        status = self.statuses.get(key)
        if status is None or status.status is not Status.WAITING:
            raise _refused(key, "does not wait for an approval", "not_waiting", status)
        if not is_approved(status, content):
            self._may_approve(status, approver, content)
            status = self.statuses.approve(key, content, approver)
            if status is None:
                raise _refused(key, "has changed since you looked", "changed_meanwhile", None)
        # Also those of calls that were stopped once the table had them.
        self.audit.record(*approval_events(status, self.clock()))
        if is_approved(status, content):
            self._let_through(status)
        return status

    def _may_approve(self, status: BudgetStatus, approver: str, content: str) -> None:
        if status.content != content:
            raise _refused(status.key, "has changed since you looked", "changed_meanwhile", status)
        if chose_own_name(approver, self.personal_session_roles):
            raise RejectedInput(
                f"{approver} may be a name that its user chose, so nobody knows who else approves",
                code="unproven_session",
                value=approver,
                remedy="Approve with another identity, or, once the role's trust policy prescribes"
                " sts:RoleSessionName, name the role in publisher.raises.personal_session_roles",
            )
        if any(same_person(approver, one) for one in status.approvals):
            raise RejectedInput(
                "you have approved this raise already",
                code="own_approval",
                value=approver,
                remedy="Let somebody else approve it",
            )

    def _let_through(self, status: BudgetStatus) -> None:
        key = status.key
        if not is_default(key.account_id):
            self.accounts.send([[key.account_id]], defaults=None)
            return
        (row,) = [
            one for one in self.table.rows(key.account_id) if one["budget_name"] == key.budget_name
        ] or [{}]
        try:
            budget = parse_budget(row, defaults=True)
        except RejectedInput:
            return  # as below: the row was removed, or is not valid any more
        if content_digest(budget) != status.content:
            return  # its own edit is on its way
        baseline = baseline_after(budget, status, self.clock())
        self.statuses.begin(handed_on(status, budget, baseline), after=status.version)
        self.accounts.send_all_accounts()


def _refused(key: BudgetKey, problem: str, code: str, status: BudgetStatus | None) -> RejectedInput:
    return RejectedInput(
        f"budget {key.budget_name} of account {key.account_id} {problem}",
        code=code,
        value=status.status.value if status else None,
        remedy="See `finops budgets list --status WAITING`",
    )
