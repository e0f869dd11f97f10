"""Drift of the management account: every row held against what really stands in its spoke."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from finops.budgets.audit_events import SCHEDULE, repair_event, unseen_rejection_event
from finops.budgets.documents import BudgetDocument, decode_document
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    BudgetChange,
    BudgetKey,
    RemovalPolicy,
    Status,
    plain,
    repair_version,
)
from finops.budgets.ports import (
    BudgetStatus,
    BudgetTable,
    Deadlines,
    Spokes,
    StatusTable,
)
from finops.budgets.rows import parse_budget
from finops.budgets.service import BudgetPublisher, Outcome, Publication, opening_status
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure

IN_FLIGHT: Final = timedelta(seconds=60)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One budget that is not what its row says. Amounts are plain numbers of USD, or None."""

    key: BudgetKey
    wanted: str | None
    actual: str | None
    reason: str
    repaired: bool = False
    error: str = ""


class DriftRepairer:
    """Compares every row with its status, its parameter and its AWS Budget, and mends the rest."""

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
        account_id: str | None = None,
        requested_by: str = SCHEDULE,
    ) -> list[Drift]:
        """All differences, and with `repair` the versions that were published to end them.

        An edit younger than a minute is on its way, and not drift. Who asked for it goes into the
        audit trail.
        """
        wanted: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in self._table.rows(account_id):
            wanted[str(row.get("account_id"))].append(row)
        known: dict[str, dict[BudgetKey, BudgetStatus]] = defaultdict(dict)
        for status in self._statuses.all(account_id):
            known[status.key.account_id][status.key] = status
        accounts = sorted({*wanted, *known})

        def work(account: str) -> list[Drift]:
            return self._account(
                account, wanted[account], known[account], repair, request_id, requested_by
            )

        with ThreadPoolExecutor(self._concurrency) as pool:
            return [drift for found in pool.map(work, accounts) for drift in found]

    def _account(
        self,
        account_id: str,
        rows: Sequence[Mapping[str, Any]],
        statuses: Mapping[BudgetKey, BudgetStatus],
        repair: bool,
        request_id: str,
        requested_by: str,
    ) -> list[Drift]:
        budgets: dict[BudgetKey, Budget] = {}
        refused: set[BudgetKey] = set()
        for row in rows:
            key = BudgetKey(account_id=account_id, budget_name=str(row.get("budget_name")))
            try:
                budgets[key] = parse_budget(row)
            except RejectedInput as error:
                refused.add(key)
                if repair:
                    self._reject_if_unseen(key, error, statuses.get(key), request_id)
        removed = [
            key
            for key, status in statuses.items()
            if key not in budgets
            and key not in refused
            and status.document
            and status.status is not Status.REMOVED
            and self._removal is RemovalPolicy.DELETE
        ]
        if not budgets and not removed:
            return []
        try:
            documents = self._spokes.documents(account_id)
            actual = self._spokes.budgets(account_id)
        except FinOpsError as error:
            return [
                Drift(
                    key=key,
                    wanted=plain(budget.amount),
                    actual=None,
                    reason="unreachable",
                    error=str(error),
                )
                for key, budget in budgets.items()
            ]
        found: list[Drift] = []
        published: list[BudgetDocument] = []
        for key in sorted([*budgets, *removed]):
            budget, status = budgets.get(key), statuses.get(key)
            standing = actual.get(key.budget_name)
            if status and _on_its_way(status, self._clock()):
                continue
            reason = _drift_reason(budget, status, documents.get(key.budget_name), standing)
            if reason is None:
                continue
            trouble = ""
            amount = plain(standing.amount) if standing and standing.amount else None
            if repair:
                document = _repair_document(key, budget, status, request_id)
                publication = self._republish(document, status)
                trouble = str(publication.error or "")
                if publication.outcome is not Outcome.SKIPPED:
                    self._audit.record(
                        repair_event(
                            document,
                            reason=reason,
                            actual=amount,
                            actor=requested_by,
                            now=self._clock(),
                            error=publication.error,
                        )
                    )
                if publication.document:
                    published.append(publication.document)
            found.append(
                Drift(
                    key=key,
                    wanted=plain(budget.amount) if budget else None,
                    actual=amount,
                    reason=reason,
                    repaired=repair and not trouble,
                    error=trouble,
                )
            )
        self._deadlines.schedule(published)
        return found

    def _republish(self, document: BudgetDocument, status: BudgetStatus | None) -> Publication:
        change = BudgetChange(
            key=document.key,
            version=document.version,
            request_id=document.request_id,
            edited_at=self._clock(),
            row={"updated_by": status.updated_by if status else ""},
        )
        if not self._statuses.open(opening_status(change, Status.PENDING, document=document)):
            return Publication(outcome=Outcome.SKIPPED)
        try:
            return self._publisher.put(document)
        except TransientFailure as error:
            return Publication(outcome=Outcome.FAILED, error=error)

    def _reject_if_unseen(
        self,
        key: BudgetKey,
        error: RejectedInput,
        status: BudgetStatus | None,
        request_id: str,
    ) -> None:
        """A bad row whose stream record was lost still gets its reason."""
        if status is not None and status.status is Status.REJECTED:
            return
        change = BudgetChange(
            key=key,
            version=repair_version(status.version if status else None),
            request_id=request_id,
            edited_at=self._clock(),
            row={},
        )
        rejection = opening_status(change, Status.REJECTED, error=error)
        if self._statuses.open(rejection):
            self._audit.record(unseen_rejection_event(rejection, error, change.edited_at))


def _repair_document(
    key: BudgetKey, budget: Budget | None, status: BudgetStatus | None, request_id: str
) -> BudgetDocument:
    return BudgetDocument(
        key=key,
        version=repair_version(status.version if status else None),
        request_id=request_id,
        edited_at=None,
        budget=budget,
    )


def _on_its_way(status: BudgetStatus, now: datetime) -> bool:
    return (
        status.status is Status.PENDING
        and status.edited_at is not None
        and now - status.edited_at < IN_FLIGHT
    )


def _drift_reason(
    budget: Budget | None,
    status: BudgetStatus | None,
    parameter: str | None,
    actual: ActualBudget | None,
) -> str | None:
    """Why a budget needs publishing again, or None where it stands as its row says."""
    if budget is None:
        return "not_removed"
    if status is None or not status.document:
        return "edit_not_seen"
    expected = decode_document(status.document)
    if replace(expected, budget=budget).content_digest != expected.content_digest:
        return "edit_not_seen"
    if parameter is None:
        return "parameter_missing"
    if not _same_json(parameter, status.document):
        return "parameter_changed"
    if actual is None:
        return "budget_missing"
    if not actual.limit_matches(budget):
        return "budget_changed"
    if status.status is not Status.APPLIED:
        return "not_confirmed"
    return None


def _same_json(left: str, right: str) -> bool:
    try:
        return bool(json.loads(left) == json.loads(right))
    except ValueError:
        return False
