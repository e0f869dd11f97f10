"""What the flow still has of budgets where nobody wants them: a move that stopped left it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from finops.budgets.comparison import NOT_REMOVED, Drift, is_of_a_row
from finops.budgets.domain import BudgetKey, Delivery, RemovalPolicy
from finops.budgets.drift_repairs import MAX_REPAIRS, DriftRepairs
from finops.budgets.drift_run import Clock, Documents, Run, reason_of
from finops.budgets.ports import BudgetStatus, StatusTable
from finops.budgets.statuses import was_removed_by_flow
from finops.shared.errors import FinOpsError

#: For how long after a removal a run looks for what the flow still has of the budget.
REMOVALS_COMPARED: Final = timedelta(days=2)


class Leftovers:
    """Finds what is left of budgets that were removed, and removes it."""

    def __init__(
        self,
        *,
        statuses: StatusTable,
        repairs: DriftRepairs,
        removal: RemovalPolicy,
        clock: Clock,
    ) -> None:
        self._statuses = statuses
        self._repairs = repairs
        self._removal = removal
        self._clock = clock

    def of(
        self,
        documents: Documents,
        statuses: Mapping[BudgetKey, BudgetStatus],
        kept: Collection[BudgetKey],
        run: Run,
    ) -> list[Drift]:
        """What the flow still has of budgets that were removed lately; with repair, it goes.

        A process that is stopped while it moves a budget leaves it where no status says. What a
        spoke began with is not of a row, and stays.
        """
        since = self._clock() - REMOVALS_COMPARED
        gone = {
            key.budget_name: status
            for key, status in statuses.items()
            if self._removal is RemovalPolicy.DELETE
            and key not in kept
            and was_removed_by_flow(status)
            and status.edited_at
            and status.edited_at >= since
        }
        if not gone:
            return []
        found = [
            (delivery, gone[name])
            for delivery in Delivery
            for name, text in sorted(if_reached(documents, delivery, run).items())
            if name in gone and is_of_a_row(text)
        ]
        at_most = None if run.requested_by else MAX_REPAIRS
        return [self._remove(delivery, status, run) for delivery, status in found[:at_most]]

    def _remove(self, delivery: Delivery, status: BudgetStatus, run: Run) -> Drift:
        drift = Drift(key=status.key, wanted=None, actual=None, reason=NOT_REMOVED)
        if not run.repair:
            return drift
        try:
            newest = self._statuses.get(status.key)
            if newest is None or newest.version != status.version:
                return replace(drift, error="It was edited meanwhile: the next run compares it")
            self._repairs.remove_from(delivery, drift, status, run)
        except Exception as error:  # noqa: BLE001 - one budget must not stop the others
            return replace(drift, error=reason_of(error))
        return replace(drift, repaired=True)


def if_reached(documents: Documents, delivery: Delivery, run: Run) -> Mapping[str, str]:
    """The parameters of an account, where the flow may have what is not wanted there.

    That is what a spoke began with, and what a move could not remove while a role was refused, or
    before it was stopped. An account without a spoke has none.
    """
    if delivery in run.unreached:
        return {}
    try:
        return documents(delivery)
    except FinOpsError as error:
        if error.step == "assume_role" and delivery is Delivery.PAYER:
            run.unreached.add(Delivery.PAYER)  # it is one for all
        return {}
