"""Use case of the management account: find budgets that are not what their rows say, and repair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from finops.budgets.audit_events import (
    REPAIRER,
    repair_event,
    result_event,
    unseen_rejection_event,
)
from finops.budgets.comparison import AccountState, Drift, next_repair, repairs_so_far
from finops.budgets.documents import BudgetDocument
from finops.budgets.domain import (
    Budget,
    BudgetChange,
    BudgetKey,
    RemovalPolicy,
    Status,
    decimal_text,
    repair_version,
)
from finops.budgets.ports import (
    BudgetResult,
    BudgetStatus,
    BudgetTable,
    Deadlines,
    Spokes,
    StatusTable,
)
from finops.budgets.rows import parse_budget
from finops.budgets.service import (
    BudgetPublisher,
    Outcome,
    Publication,
    initial_status,
    is_gone_already,
)
from finops.budgets.values import text_of
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure

#: Budgets that a scheduled run publishes again in one account.
MAX_REPAIRS: Final = 100
#: No account is begun with less time left: what calls take that AWS throttles or does not answer.
SECONDS_AN_ACCOUNT: Final = 60.0
#: The reason of drift that is not known, since a run had no time for the account.
NO_TIME_LEFT: Final = "no_time_left"

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What one run was asked for, and by whom."""

    repair: bool
    request_id: str
    requested_by: str


#: The rows and statuses of one account.
_Known = tuple[list[Mapping[str, Any]], dict[BudgetKey, BudgetStatus]]


class DriftRepairer:
    """Compares every row with its status, its parameter and its AWS Budget, and repairs drift."""

    def __init__(
        self,
        *,
        table: BudgetTable,
        statuses: StatusTable,
        spokes: Spokes,
        publisher: BudgetPublisher,
        deadlines: Deadlines,
        removal: RemovalPolicy,
        audit: AuditRecorder,
        clock: Clock,
        concurrency: int = 8,
    ) -> None:
        self._table = table
        self._statuses = statuses
        self._spokes = spokes
        self._publisher = publisher
        self._deadlines = deadlines
        self._removal = removal
        self._audit = audit
        self._clock = clock
        self._concurrency = concurrency

    def run(
        self,
        *,
        repair: bool,
        request_id: str,
        account_ids: Sequence[str] | None = None,
        requested_by: str = "",
        seconds_left: Callable[[], float] = lambda: float("inf"),
    ) -> list[Drift]:
        """The drift of every account, or of these; with `repair`, each is published again.

        An edit whose deadline has not passed is being published, and is not drift. The schedule
        publishes at most `MAX_REPAIRS` budgets of an account, and none again before its time, so
        that an account whose answers are late is not given more to do. A person gets all at once.
        The audit trail names who asked. Accounts for which no time is left are not compared: their
        budgets have the reason `NO_TIME_LEFT`.

        Args:
            repair: Whether to publish what has drifted.
            request_id: Of this run.
            account_ids: The accounts to compare; all that the tables know where None.
            requested_by: Who asked; empty for the schedule.
            seconds_left: The time until the process ends.
        """
        run = _Run(repair=repair, request_id=request_id, requested_by=requested_by)
        known = self._known(account_ids)

        def check(account: str) -> list[Drift]:
            rows, statuses = known[account] if account_ids is None else self._known_of(account)
            names = {str(row.get("budget_name")) for row in rows}
            keys = {BudgetKey(account_id=account, budget_name=name) for name in names}
            if seconds_left() < SECONDS_AN_ACCOUNT:
                return [_not_reached(key) for key in sorted(keys | set(statuses))]
            try:
                return self._check_account(account, rows, statuses, run)
            except Exception as error:  # noqa: BLE001 - one account must not stop the others
                return [_not_compared(key, error) for key in sorted(keys or statuses)]

        with ThreadPoolExecutor(self._concurrency) as pool:
            checked = pool.map(check, sorted(known))
            return [drift for found in checked for drift in found]

    def _known(self, account_ids: Sequence[str] | None) -> Mapping[str, _Known]:
        """The accounts of a run, with what both tables hold of each where it is of all of them."""
        if account_ids is not None:
            return dict.fromkeys(account_ids, ([], {}))
        known: dict[str, _Known] = defaultdict(lambda: ([], {}))
        for row in self._table.rows():
            known[str(row.get("account_id"))][0].append(row)
        for status in self._statuses.all():
            known[status.key.account_id][1][status.key] = status
        return known

    def _known_of(self, account_id: str) -> _Known:
        statuses = {one.key: one for one in self._statuses.all(account_id)}
        return list(self._table.rows(account_id)), statuses

    def _check_account(
        self,
        account_id: str,
        rows: Sequence[Mapping[str, Any]],
        statuses: Mapping[BudgetKey, BudgetStatus],
        run: _Run,
    ) -> list[Drift]:
        budgets, rejections, failures = _parse_rows(account_id, rows)
        if run.repair:
            for key, rejection in rejections.items():
                self._reject_if_unseen(key, rejection, statuses.get(key), run)
        removed = self._removed(statuses, kept={*budgets, *rejections, *failures})
        unknown = [_not_compared(key, error) for key, error in failures.items()]
        if not budgets and not removed:
            return unknown
        try:
            state = AccountState(
                wanted={**budgets, **dict.fromkeys(removed)},
                statuses=statuses,
                documents=self._spokes.documents(account_id),
                actual=self._spokes.budgets(account_id),
            )
        except FinOpsError as error:
            return unknown + [_unreachable(key, budget, error) for key, budget in budgets.items()]
        if run.repair:
            for status in state.gone(self._clock()):
                self._record_removal(status)
            for key, spend in state.spends(self._clock()):
                self._statuses.write_spend(key, spend, self._clock())
        found = list(state.drift(self._clock()))
        return unknown + (self._repair(found, state, run) if run.repair else found)

    def _record_removal(self, status: BudgetStatus) -> None:
        """Record what the account has not answered: the budget is gone."""
        result = BudgetResult(
            key=status.key,
            version=status.version,
            request_id=status.request_id,
            status=Status.REMOVED,
            action="unchanged",
            amount="",
            reported_at=self._clock(),
        )
        if self._statuses.write_result(result).written:
            self._audit.record(result_event(result, seen_by=REPAIRER))

    def _removed(
        self, statuses: Mapping[BudgetKey, BudgetStatus], *, kept: set[BudgetKey]
    ) -> list[BudgetKey]:
        """Published budgets whose row is gone, where the spoke must remove them too."""
        if self._removal is not RemovalPolicy.DELETE:
            return []
        return [
            key
            for key, status in statuses.items()
            if key not in kept
            and status.document
            and status.status is not Status.REMOVED
            and not is_gone_already(status)
        ]

    def _repair(self, found: Sequence[Drift], state: AccountState, run: _Run) -> list[Drift]:
        """Publish each budget again that is due. Returns the drift with what became of it."""
        repaired: list[Drift] = []
        waiting: list[BudgetDocument] = []
        for drift in found:
            if not run.requested_by and (
                pause := self._pause(state.statuses.get(drift.key), len(waiting))
            ):
                repaired.append(replace(drift, error=pause))
                continue
            try:
                publication = self._repair_one(drift, state, run)
            except Exception as error:  # noqa: BLE001 - one budget must not stop the others
                repaired.append(replace(drift, error=_reason(error)))
                continue
            if publication.document:
                waiting.append(publication.document)
            failure = publication.error.explanation if publication.error else ""
            repaired.append(replace(drift, repaired=not failure, error=failure))
        self._deadlines.schedule(waiting)
        return repaired

    def _pause(self, status: BudgetStatus | None, published: int) -> str:
        """Why a budget is not published again by this run; empty where it is."""
        if published >= MAX_REPAIRS:
            return f"A later run repairs it: one repairs at most {MAX_REPAIRS} budgets an account"
        due = next_repair(status)
        if due and self._clock() < due:
            tried = repairs_so_far(status)
            return (
                f"Its account has not answered {tried} repairs; the next is after {due:%H:%M} UTC"
            )
        return ""

    def _repair_one(self, drift: Drift, state: AccountState, run: _Run) -> Publication:
        status = state.statuses.get(drift.key)
        document = BudgetDocument(
            key=drift.key,
            version=repair_version(status.version if status else None),
            request_id=run.request_id,
            edited_at=None,
            budget=state.wanted[drift.key],
        )
        publication = self._publish_again(document, status)
        if publication.outcome is not Outcome.SKIPPED:
            self._audit.record(
                repair_event(
                    document,
                    reason=drift.reason,
                    actual=drift.actual,
                    requested_by=run.requested_by,
                    now=self._clock(),
                    error=publication.error,
                )
            )
        return publication

    def _publish_again(self, document: BudgetDocument, status: BudgetStatus | None) -> Publication:
        change = BudgetChange(
            key=document.key,
            version=document.version,
            request_id=document.request_id,
            edited_at=self._clock(),
            row={"updated_by": status.updated_by if status else ""},
        )
        same = status is not None and status.content == document.content_digest
        pending = initial_status(
            change,
            Status.PENDING,
            document=document,
            wanted_since=status.wanted_since if status and same else None,
            repairs=repairs_so_far(status) + 1,
        )
        if not self._statuses.begin(pending):
            return Publication(outcome=Outcome.SKIPPED)
        try:
            return self._publisher.publish_document(document)
        except TransientFailure as error:
            return Publication(outcome=Outcome.FAILED, error=error)

    def _reject_if_unseen(
        self, key: BudgetKey, error: RejectedInput, status: BudgetStatus | None, run: _Run
    ) -> None:
        """Reject a bad row whose stream record was lost, so that its editor learns why."""
        if status is not None and status.status is Status.REJECTED:
            return
        change = BudgetChange(
            key=key,
            version=repair_version(status.version if status else None),
            request_id=run.request_id,
            edited_at=self._clock(),
            row={},
        )
        rejection = initial_status(change, Status.REJECTED, error=error)
        if self._statuses.begin(rejection):
            self._audit.record(unseen_rejection_event(rejection, error, change.edited_at))


def _parse_rows(
    account_id: str, rows: Sequence[Mapping[str, Any]]
) -> tuple[dict[BudgetKey, Budget], dict[BudgetKey, RejectedInput], dict[BudgetKey, Exception]]:
    """The budgets of an account's rows, why others are rejected, and what failed."""
    budgets: dict[BudgetKey, Budget] = {}
    rejections: dict[BudgetKey, RejectedInput] = {}
    failures: dict[BudgetKey, Exception] = {}
    for row in rows:
        key = BudgetKey(account_id=account_id, budget_name=str(row.get("budget_name")))
        try:
            budgets[key] = parse_budget(row)
        except RejectedInput as error:
            rejections[key] = error
        except Exception as error:  # noqa: BLE001 - one row must not stop the others
            failures[key] = error
    return budgets, rejections, failures


def _not_compared(key: BudgetKey, error: Exception) -> Drift:
    return Drift(key=key, wanted=None, actual=None, reason="not_compared", error=_reason(error))


def _not_reached(key: BudgetKey) -> Drift:
    return Drift(
        key=key,
        wanted=None,
        actual=None,
        reason=NO_TIME_LEFT,
        error="The run had no time left for this account: ask for fewer accounts at once",
    )


def _reason(error: Exception) -> str:
    return text_of(error.explanation if isinstance(error, FinOpsError) else repr(error))


def _unreachable(key: BudgetKey, budget: Budget, error: FinOpsError) -> Drift:
    return Drift(
        key=key,
        wanted=decimal_text(budget.amount),
        actual=None,
        reason="unreachable",
        error=error.explanation,
    )
