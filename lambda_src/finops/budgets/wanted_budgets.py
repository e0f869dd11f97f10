"""Which budgets an account shall have by its rows and its defaults, beside what waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from finops.budgets.approvals import standing_budget
from finops.budgets.default_rows import DefaultRows
from finops.budgets.defaults import InheritedRow
from finops.budgets.documents import budget_of
from finops.budgets.domain import Budget, BudgetKey, Status
from finops.budgets.drift_run import Run
from finops.budgets.ports import BudgetStatus
from finops.budgets.service import BudgetPublisher
from finops.budgets.statuses import still_stands
from finops.budgets.unseen_edits import UnseenEdits
from finops.shared.errors import FinOpsError, RejectedInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an account shall have.

    Attributes:
        budgets: What shall stand.
        statuses: The statuses, with those of edits that nobody had seen.
        sources: Of each inherited budget, whose default it is.
        held: Those that stand beside an edit that waits or is rejected.
        kept: All that have a row, or may have one.
        failures: Why nobody knows what is wanted.
    """

    budgets: Mapping[BudgetKey, Budget]
    statuses: Mapping[BudgetKey, BudgetStatus]
    sources: Mapping[BudgetKey, str]
    held: set[BudgetKey]
    kept: Collection[BudgetKey]
    failures: Mapping[BudgetKey, Exception]


class WantedBudgets:
    """Reads rows and statuses; with repair, edits that nobody had seen get their statuses."""

    def __init__(self, *, publisher: BudgetPublisher, unseen: UnseenEdits) -> None:
        self._publisher = publisher
        self._unseen = unseen

    def of(
        self,
        account_id: str,
        rows: Sequence[Mapping[str, Any]],
        statuses: Mapping[BudgetKey, BudgetStatus],
        run: Run,
        inherited: Mapping[str, InheritedRow],
        defaults: DefaultRows | None,
    ) -> Wanted:
        """What an account shall have by its own rows, and by those that it inherits."""
        own = {
            BudgetKey(account_id=account_id, budget_name=str(row.get("budget_name"))): (
                row,
                partial(budget_of, row),
            )
            for row in rows
        }
        budgets, rejections, failures = _parsed(own, statuses)
        if run.repair:
            for key, rejection in rejections.items():
                seen = self._unseen.reject(key, rejection, statuses.get(key), run)
                statuses = {**statuses, **seen}
        # A default that is refused changes nothing in its accounts, as a row of their own.
        by_default, refused, broken = _parsed(
            {
                BudgetKey(account_id=account_id, budget_name=name): (
                    one.row,
                    partial(self._publisher.defaults.budget_of, one),
                )
                for name, one in inherited.items()
            },
            statuses,
        )
        failures |= broken
        sources = {key: inherited[key.budget_name].default_of for key in by_default}
        budgets |= by_default
        kept = {*budgets, *rejections, *failures, *refused}
        budgets, statuses, held = self._held(budgets, statuses, sources, run)
        for key in {*rejections, *refused} - budgets.keys():
            status = statuses.get(key)
            if (
                status
                and status.status is not Status.REMOVED
                and (standing := standing_budget(status))
            ):
                # What was accepted last goes on standing.
                budgets[key] = standing
                if status.status in (Status.REJECTED, Status.WAITING):
                    held.add(key)
                if status.default_of:
                    sources[key] = status.default_of
        if defaults:
            # Whose default waits and has handed on nothing keeps what it has.
            names = defaults.of(account_id, own={one.budget_name for one in own})
            kept |= {BudgetKey(account_id=account_id, budget_name=name) for name in names}
            unsure = _not_lost(defaults, statuses, kept)
            kept |= unsure.keys()
            failures |= {key: error for key, error in unsure.items() if error}
        return Wanted(
            budgets=budgets,
            statuses=statuses,
            sources=sources,
            held=held,
            kept=kept,
            failures=failures,
        )

    def _held(
        self,
        budgets: Mapping[BudgetKey, Budget],
        statuses: Mapping[BudgetKey, BudgetStatus],
        sources: Mapping[BudgetKey, str],
        run: Run,
    ) -> tuple[dict[BudgetKey, Budget], dict[BudgetKey, BudgetStatus], set[BudgetKey]]:
        """The budgets that may take effect, and the standing ones of those that wait, named last.

        An account that inherits from the same default as before does so by the default's own edit.
        """
        wanted, known, held = dict(budgets), dict(statuses), set[BudgetKey]()
        for key, budget in budgets.items():
            status, source = statuses.get(key), sources.get(key, "")
            if source and (status is None or _came_from(status, source)):
                continue
            if not (reason := self._publisher.raises.reason_to_go_on_waiting(budget, status)):
                continue
            if run.repair:
                known |= self._unseen.hold(key, budget, reason, status, source, run)
            standing = standing_budget(status) if status else None
            del wanted[key]
            if standing:
                wanted[key] = standing
                held.add(key)
        return wanted, known, held


def _came_from(status: BudgetStatus, default_of: str) -> bool:
    """Whether what was published last came from this default."""
    published = bool(status.content) and status.status is not Status.WAITING
    return published and status.default_of == default_of


def _not_lost(
    defaults: DefaultRows, statuses: Mapping[BudgetKey, BudgetStatus], kept: Collection[BudgetKey]
) -> dict[BudgetKey, FinOpsError | None]:
    """The other budgets that an account inherits still, or why nobody knows: those stay, too."""
    found: dict[BudgetKey, FinOpsError | None] = {}
    for key, status in statuses.items():
        if not status.default_of or key in kept or status.status is Status.REMOVED:
            continue
        try:
            if not defaults.has_lost(key.account_id, status.default_of, key.budget_name):
                found[key] = None
        except FinOpsError as error:
            found[key] = error
    return found


def _parsed(
    found: Mapping[BudgetKey, tuple[Mapping[str, Any], Callable[[], Budget]]],
    statuses: Mapping[BudgetKey, BudgetStatus],
) -> tuple[dict[BudgetKey, Budget], dict[BudgetKey, RejectedInput], dict[BudgetKey, Exception]]:
    """The budgets of rows, why others are rejected, and what failed; each row with its reader."""
    budgets: dict[BudgetKey, Budget] = {}
    rejections: dict[BudgetKey, RejectedInput] = {}
    failures: dict[BudgetKey, Exception] = {}
    for key, (row, read) in found.items():
        try:
            budgets[key] = read()
        except RejectedInput as error:
            if standing := still_stands(row, statuses.get(key)):
                budgets[key] = standing
            else:
                rejections[key] = error
        except Exception as error:  # noqa: BLE001 - one row must not stop the others
            failures[key] = error
    return budgets, rejections, failures
