"""Use case of the management account: find budgets that are not what their rows say, and repair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any, Final

from finops.budgets.approvals import is_approved, standing_budget
from finops.budgets.audit_events import (
    REPAIRER,
    repair_event,
    result_event,
    unseen_rejection_event,
)
from finops.budgets.comparison import (
    IN_BOTH_ACCOUNTS,
    NOT_REMOVED,
    PARAMETER_MISSING,
    AccountState,
    Drift,
    is_being_published,
    is_of_a_row,
    left_in,
    next_repair,
    repairs_so_far,
    was_published,
)
from finops.budgets.default_rows import DefaultRows
from finops.budgets.defaults import InheritedRow, is_default
from finops.budgets.documents import (
    BudgetDocument,
    budget_of,
    content_digest,
    decode_document,
)
from finops.budgets.domain import (
    Budget,
    BudgetChange,
    BudgetKey,
    Delivery,
    RemovalPolicy,
    Status,
    decimal_text,
    repair_version,
)
from finops.budgets.ports import (
    UNKNOWN_ACCOUNT,
    BudgetResult,
    BudgetStatus,
    BudgetTable,
    Deadlines,
    Organization,
    Spokes,
    StatusTable,
)
from finops.budgets.service import BudgetPublisher, Outcome, Publication
from finops.budgets.statuses import (
    KEPT,
    initial_status,
    is_gone_already,
    still_stands,
    waiting_status,
    was_removed_by_flow,
)
from finops.budgets.values import text_of
from finops.shared.audit import AuditRecorder, rfc3339
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure

#: Budgets that a scheduled run publishes again in one account.
MAX_REPAIRS: Final = 100
#: No account is begun with less time left: what calls take that AWS throttles or does not answer.
SECONDS_AN_ACCOUNT: Final = 60.0
#: For how long after a removal a run looks for what the flow still has of the budget.
REMOVALS_COMPARED: Final = timedelta(days=2)
#: The reason of drift that is not known, since a run had no time for the account.
NO_TIME_LEFT: Final = "no_time_left"

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What one run was asked for, and by whom."""

    repair: bool
    request_id: str
    scheduled: bool
    requested_by: str
    #: Where the flow has nothing, or nobody knows.
    unreached: set[Delivery] = field(default_factory=set)


#: The rows and statuses of one account.
_Known = tuple[list[Mapping[str, Any]], dict[BudgetKey, BudgetStatus]]
#: The parameters of one account by budget name, where they are delivered so.
_Documents = Callable[[Delivery], Mapping[str, str]]
#: A default that is edited while a run brings it to an account is brought again so often.
_MAX_ROUNDS: Final = 5


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
        organization: Organization | None = None,
        concurrency: int = 8,
    ) -> None:
        self._table = table
        self._organization = organization
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
        scheduled: bool = False,
        requested_by: str = "",
        defaults: Sequence[str] | None = None,
        seconds_left: Callable[[], float] = lambda: float("inf"),
    ) -> list[Drift]:
        """The drift of every account, or of these; with `repair`, each is published again.

        An edit whose deadline has not passed is being published, and is not drift. The schedule
        publishes at most `MAX_REPAIRS` budgets of an account, and none again before its time, so
        that an account whose answers are late is not given more to do; so does whoever gives no
        name. A person who does gets all at once.
        The audit trail names who asked. Accounts for which no time is left are not compared: their
        budgets have the reason `NO_TIME_LEFT`.

        Args:
            repair: Whether to publish what has drifted.
            request_id: Of this run.
            account_ids: The accounts to compare; all that the tables know where None.
            scheduled: Whether the schedule asked, and no person.
            requested_by: Who asked, by their own words; may be empty.
            defaults: `*` and the units that have rows; looked for where None.
            seconds_left: The time until the process ends.
        """
        run = _Run(
            repair=repair, request_id=request_id, scheduled=scheduled, requested_by=requested_by
        )
        known = self._known(account_ids)
        inherited = self._default_rows(defaults)

        def check(account: str) -> list[Drift]:
            rows, statuses = known[account] if account_ids is None else self._known_of(account)
            names = {str(row.get("budget_name")) for row in rows}
            keys = {BudgetKey(account_id=account, budget_name=name) for name in names}
            if seconds_left() < SECONDS_AN_ACCOUNT:
                # An account of which nothing is known yet may have defaults.
                some = keys | set(statuses) or {BudgetKey(account_id=account, budget_name="")}
                return [_not_reached(key) for key in sorted(some)]
            try:
                return self._check_rows(account, rows, statuses, run, inherited)
            except Exception as error:  # noqa: BLE001 - one account must not stop the others
                return [_not_compared(key, error) for key in sorted(keys or statuses)]

        with ThreadPoolExecutor(self._concurrency) as pool:
            checked = pool.map(check, sorted(known))
            return [drift for found in checked for drift in found]

    def _default_rows(self, known: Collection[str] | None) -> DefaultRows | None:
        if self._organization is None:
            return None
        return DefaultRows(self._table, self._organization, known=known)

    def _check_rows(
        self,
        account: str,
        rows: Sequence[Mapping[str, Any]],
        statuses: Mapping[BudgetKey, BudgetStatus],
        run: _Run,
        defaults: DefaultRows | None,
    ) -> list[Drift]:
        """Compare an account, and again where a default was edited after it was read."""
        in_effect = partial(self._publisher.row_in_effect, ends=run.repair, table=self._table)
        so_far = {one.default_of for one in statuses.values() if one.status is not Status.REMOVED}

        def inherits(found: DefaultRows | None) -> dict[str, InheritedRow]:
            return found.of(account, own=own, so_far=so_far, in_effect=in_effect) if found else {}

        for _ in range(_MAX_ROUNDS):
            own = {str(row.get("budget_name")) for row in rows}
            try:
                inherited = inherits(defaults)
            except FinOpsError as error:
                return self._check_own_rows(account, rows, statuses, run, error)
            found = self._check_account(account, rows, statuses, run, inherited, defaults)
            if not any(one.repaired and one.key.budget_name in inherited for one in found):
                break
            # Whoever writes reads again afterwards: docs/decisions/0002.
            defaults = self._default_rows({one.default_of for one in inherited.values()})
            if inherits(defaults) == inherited:
                break
            rows, statuses = self._known_of(account)
        return found

    def _check_own_rows(
        self,
        account: str,
        rows: Sequence[Mapping[str, Any]],
        statuses: Mapping[BudgetKey, BudgetStatus],
        run: _Run,
        error: FinOpsError,
    ) -> list[Drift]:
        """Compare the account's own rows where nobody knows which defaults it inherits.

        What has no row of its own may have a default's: it stays as it is, and is told.
        """
        own = {
            BudgetKey(account_id=account, budget_name=str(row.get("budget_name"))) for row in rows
        }
        some = {key: status for key, status in statuses.items() if key in own}
        found = self._check_account(account, rows, some, run, {}, None)
        others = {key for key, status in statuses.items() if status.status is not Status.REMOVED}
        unsure = others - own or {BudgetKey(account_id=account, budget_name="")}
        return [*found, *(_not_compared(key, error) for key in sorted(unsure))]

    def _known(self, account_ids: Sequence[str] | None) -> Mapping[str, _Known]:
        """The accounts of a run, with what both tables hold of each where it is of all of them."""
        if account_ids is not None:
            return dict.fromkeys(account_ids, ([], {}))
        known: dict[str, _Known] = defaultdict(lambda: ([], {}))
        for row in self._table.rows():
            known[str(row.get("account_id"))][0].append(row)
        for status in self._statuses.all():
            known[status.key.account_id][1][status.key] = status
        return {account: facts for account, facts in known.items() if not is_default(account)}

    def _known_of(self, account_id: str) -> _Known:
        statuses = {one.key: one for one in self._statuses.all(account_id)}
        return list(self._table.rows(account_id)), statuses

    def _check_account(
        self,
        account_id: str,
        rows: Sequence[Mapping[str, Any]],
        statuses: Mapping[BudgetKey, BudgetStatus],
        run: _Run,
        inherited: Mapping[str, InheritedRow],
        defaults: DefaultRows | None,
    ) -> list[Drift]:
        budgets, rejections, failures = _parse_rows(account_id, rows, statuses)
        if run.repair:
            for key, rejection in rejections.items():
                seen = self._reject_if_unseen(key, rejection, statuses.get(key), run)
                statuses = {**statuses, **seen}
        # A default that is refused changes nothing in its accounts, as a row of their own.
        by_default, refused, broken = _parse_rows(
            account_id, [one.row for one in inherited.values()], statuses
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
            own = {str(row.get("budget_name")) for row in rows}
            names = defaults.of(account_id, own=own)
            kept |= {BudgetKey(account_id=account_id, budget_name=name) for name in names}
            unsure = _not_lost(defaults, statuses, kept)
            kept |= unsure.keys()
            failures |= {key: error for key, error in unsure.items() if error}
        if run.repair:
            self._end_defaults(statuses, kept, run)
        removed = self._removed(statuses, kept=kept)
        unknown = [_not_compared(key, error) for key, error in failures.items()]
        documents = cache(partial(self._spokes.documents, account_id))
        wanted: dict[Delivery, dict[BudgetKey, Budget | None]] = defaultdict(dict)
        for key, budget in budgets.items():
            wanted[budget.delivery][key] = budget
        for key in removed:
            wanted[statuses[key].delivery][key] = None
        for delivery, some in wanted.items():
            unknown += self._compare(
                documents, account_id, delivery, some, statuses, run, sources, held
            )
        return unknown + self._left_after_removal(documents, statuses, kept, run)

    def _left_after_removal(
        self,
        documents: _Documents,
        statuses: Mapping[BudgetKey, BudgetStatus],
        kept: Collection[BudgetKey],
        run: _Run,
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
            for name, text in sorted(_if_reached(documents, delivery, run).items())
            if name in gone and is_of_a_row(text)
        ]
        at_most = None if run.requested_by else MAX_REPAIRS
        return [self._remove_left(delivery, status, run) for delivery, status in found[:at_most]]

    def _remove_left(self, delivery: Delivery, status: BudgetStatus, run: _Run) -> Drift:
        drift = Drift(key=status.key, wanted=None, actual=None, reason=NOT_REMOVED)
        if not run.repair:
            return drift
        try:
            newest = self._statuses.get(status.key)
            if newest is None or newest.version != status.version:
                return replace(drift, error="It was edited meanwhile: the next run compares it")
            self._remove_from(delivery, drift, status, run)
        except Exception as error:  # noqa: BLE001 - one budget must not stop the others
            return replace(drift, error=_reason(error))
        return replace(drift, repaired=True)

    def _held(
        self,
        budgets: Mapping[BudgetKey, Budget],
        statuses: Mapping[BudgetKey, BudgetStatus],
        sources: Mapping[BudgetKey, str],
        run: _Run,
    ) -> tuple[dict[BudgetKey, Budget], dict[BudgetKey, BudgetStatus], set[BudgetKey]]:
        """The budgets that may take effect, and the standing ones of those that wait, named last.

        An account that inherits from the same default as before does so by the default's own edit.
        """
        wanted, known, held = dict(budgets), dict(statuses), set[BudgetKey]()
        for key, budget in budgets.items():
            status, source = statuses.get(key), sources.get(key, "")
            if source and (status is None or _came_from(status, source)):
                continue
            if not (reason := self._publisher.reason_to_go_on_waiting(budget, status)):
                continue
            if run.repair:
                known |= self._hold_if_unseen(key, budget, reason, status, source, run)
            standing = standing_budget(status) if status else None
            del wanted[key]
            if standing:
                wanted[key] = standing
                held.add(key)
        return wanted, known, held

    def _hold_if_unseen(
        self,
        key: BudgetKey,
        budget: Budget,
        reason: str,
        status: BudgetStatus | None,
        source: str,
        run: _Run,
    ) -> dict[BudgetKey, BudgetStatus]:
        """Have a raise wait whose stream record was lost. Returns its status, where it is new."""
        content = content_digest(budget)
        if status and status.status is Status.WAITING and status.content == content:
            return {}
        waiting = waiting_status(self._seen(key, status, run), budget, reason, source)
        if not self._statuses.begin(waiting, after=status.version if status else ""):
            return {}
        return {key: found} if (found := self._statuses.get(key)) else {}

    def _compare(
        self,
        documents: _Documents,
        account_id: str,
        delivery: Delivery,
        wanted: Mapping[BudgetKey, Budget | None],
        statuses: Mapping[BudgetKey, BudgetStatus],
        run: _Run,
        sources: Mapping[BudgetKey, str],
        held: set[BudgetKey],
    ) -> list[Drift]:
        """Compare and repair the budgets of an account that are delivered in one way.

        `sources` says of each inherited budget whose default it is, and `held` which budgets stand
        beside an edit that waits or is rejected.
        """
        try:
            state = AccountState(
                wanted=wanted,
                statuses=statuses,
                documents=documents(delivery),
                actual=self._spokes.budgets(account_id)
                if delivery is Delivery.SPOKE
                else self._spokes.payer_budgets(account_id, {one.budget_name for one in wanted}),
                inherited=sources,
                held=held,
                elsewhere=left_in(_if_reached(documents, delivery.other, run)),
            )
        except FinOpsError as error:
            if run.repair:
                for key, budget in wanted.items():
                    if budget and key in held:
                        continue  # it stands, and the status is of another edit
                    self._fail_unreached(key, budget, error, statuses.get(key), sources, run)
            return [
                _unreachable(key, budget, error)
                for key, budget in wanted.items()
                if budget or error.code != UNKNOWN_ACCOUNT
            ]
        if run.repair:
            for status in state.gone(self._clock()):
                self._record_removal(status)
            for key, spend in state.spends(self._clock()):
                self._statuses.write_spend(key, spend, self._clock())
        found = list(state.drift(self._clock()))
        if not run.repair:
            return found
        for status, amount in state.standing(self._clock()):
            if status.repairs or status.applied_amount != amount:
                # The answer to the edit before came while this one had the status.
                self._statuses.note_standing(status.key, status.version, amount)
        return self._repair(found, state, run, sources)

    def _end_defaults(
        self, statuses: Mapping[BudgetKey, BudgetStatus], kept: set[BudgetKey], run: _Run
    ) -> None:
        """Record that accounts have a default no more, where there is nothing to remove."""
        for key, status in statuses.items():
            if not status.default_of or key in kept or status.status is Status.REMOVED:
                continue
            if status.document and self._removal is RemovalPolicy.DELETE:
                continue
            self._end(status, run)

    def _end(self, status: BudgetStatus, run: _Run) -> None:
        """Record that nobody wants a budget any more, and that what there may be is kept."""
        ended = initial_status(
            self._seen(status.key, status, run),
            Status.REMOVED,
            action=KEPT if status.document else "",
        )
        self._statuses.begin(
            replace(ended, amount=status.amount, default_of=status.default_of),
            after=status.version,
        )

    def _fail_unreached(
        self,
        key: BudgetKey,
        budget: Budget | None,
        error: FinOpsError,
        status: BudgetStatus | None,
        sources: Mapping[BudgetKey, str],
        run: _Run,
    ) -> None:
        """Tell that an account cannot be reached, so that nobody knows what it has.

        One call that AWS throttles or does not answer says nothing of the account.
        """
        if isinstance(error, TransientFailure):
            return
        if status and budget is None and error.code == UNKNOWN_ACCOUNT:
            # It has left, and whatever it has is its own.
            self._end(status, run)
            return
        if status and budget is None and status.status in (Status.WAITING, Status.REJECTED):
            return
        if status and was_published(budget, status):
            told = (status.error_code, status.error_step) == (error.code, error.step)
            failed = status.status is Status.FAILED and told
            # What was never applied has failed by itself, and its reason says whether the account
            # was told of it.
            if (
                status.applied_amount
                and not failed
                and not is_being_published(status, self._clock())
            ):
                self._statuses.mark_unreached(key, status.version, error)
            return
        if status and status.error == error.explanation:
            return
        self._fail(self._seen(key, status, run), budget, error, status, sources.get(key, ""))

    def _fail(
        self,
        change: BudgetChange,
        budget: Budget | None,
        error: FinOpsError,
        status: BudgetStatus | None,
        default_of: str,
        repairs: int = 0,
    ) -> None:
        """Mark as FAILED what was not published. What stood before stays, and so do approvals."""
        if status and budget and is_approved(status, content_digest(budget)):
            self._statuses.mark_failed(change.key, status.version, error, standing=status.status)
            return
        failed = replace(
            initial_status(change, Status.FAILED, error=error, repairs=repairs),
            amount=decimal_text(budget.amount) if budget else "",
            default_of=default_of or (status.default_of if status and not budget else ""),
            # An account that has the default later has it by the default's own edit.
            content=content_digest(budget) if default_of else "",
        )
        self._statuses.begin(failed, after=status.version if status else "")

    def _seen(self, key: BudgetKey, status: BudgetStatus | None, run: _Run) -> BudgetChange:
        """What a run has found, as an edit that nobody made."""
        return BudgetChange(
            key=key,
            version=repair_version(status.version if status else None),
            request_id=run.request_id,
            edited_at=self._clock(),
            row={},
        )

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
            delivery=status.delivery,
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

    def _repair(
        self,
        found: Sequence[Drift],
        state: AccountState,
        run: _Run,
        default_of: Mapping[BudgetKey, str],
    ) -> list[Drift]:
        """Publish each budget again that is due. Returns the drift with what became of it."""
        repaired: list[Drift] = []
        waiting: list[BudgetDocument] = []
        for drift in found:
            if not run.requested_by and (
                pause := self._pause(state.answered(drift.key), len(waiting))
            ):
                repaired.append(replace(drift, error=pause))
                continue
            try:
                source = default_of.get(drift.key, "")
                publication = self._repair_one(drift, state, run, source)
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
            tried = status.repairs if status else 0
            unanswered = repairs_so_far(status) > 0
            problem = "Its account has not answered" if unanswered else "It is not right after"
            return f"{problem} {tried} repairs; the next is after {due:%H:%M} UTC"
        return ""

    def _repair_one(
        self, drift: Drift, state: AccountState, run: _Run, default_of: str
    ) -> Publication:
        status = state.statuses.get(drift.key)
        if status and drift.reason == IN_BOTH_ACCOUNTS:
            return self._remove_from(status.delivery.other, drift, status, run)
        if status and drift.key in state.held:
            return self._repair_held(drift, status, run)
        document = BudgetDocument(
            key=drift.key,
            version=repair_version(status.version if status else None),
            request_id=run.request_id,
            edited_at=None,
            budget=state.wanted[drift.key],
            removed_from=status.delivery if status else Delivery.SPOKE,
            known=bool(drift.reason == PARAMETER_MISSING and status and status.applied_amount),
        )
        self._publisher.record_approvals(status)
        publication = self._publish_again(document, status, default_of)
        if publication.outcome is not Outcome.SKIPPED:
            self._record_repair(drift, document, document.version, publication, run)
        return publication

    def _remove_from(
        self, delivery: Delivery, drift: Drift, status: BudgetStatus, run: _Run
    ) -> Publication:
        """Remove what the flow has where it is not wanted; what is where it is wanted stays."""
        document = decode_document(status.document)
        self._publisher.remove_from(delivery, document)
        done = Publication(outcome=Outcome.PUBLISHED)
        version = f"{status.version} {rfc3339(self._clock())}"
        self._record_repair(drift, document, version, done, run)
        return done

    def _repair_held(self, drift: Drift, status: BudgetStatus, run: _Run) -> Publication:
        """Publish again what stands beside an edit that waits or is rejected.

        The status stays that edit's, and no answer is recorded.
        """
        document, now = decode_document(status.document), self._clock()
        self._statuses.note_repairs(drift.key, status.version, status.repairs + 1, now)
        try:
            publication = self._publisher.publish_document(document)
        except TransientFailure as error:
            publication = Publication(outcome=Outcome.FAILED, error=error)
        version = f"{status.version} {rfc3339(now)}"
        self._record_repair(drift, document, version, publication, run)
        return replace(publication, document=None)

    def _record_repair(
        self,
        drift: Drift,
        document: BudgetDocument,
        version: str,
        publication: Publication,
        run: _Run,
    ) -> None:
        self._audit.record(
            repair_event(
                document,
                version=version,
                reason=drift.reason,
                actual=drift.actual,
                scheduled=run.scheduled,
                requested_by=run.requested_by,
                now=self._clock(),
                error=publication.error,
            )
        )

    def _publish_again(
        self, document: BudgetDocument, status: BudgetStatus | None, default_of: str
    ) -> Publication:
        change = BudgetChange(
            key=document.key,
            version=document.version,
            request_id=document.request_id,
            edited_at=self._clock(),
            row={"updated_by": status.updated_by if status else ""},
        )
        same = status is not None and status.content == document.content_digest
        pending = replace(
            initial_status(
                change,
                Status.PENDING,
                document=document,
                wanted_since=status.wanted_since if status and same else None,
                repairs=1 if default_of and not same else repairs_so_far(status) + 1,
                default_of=default_of,
            ),
            baseline=self._publisher.baseline_after(document.budget, status),
        )
        try:
            # After what it has read only: another run at once may have read another default.
            if not self._publisher.begin_where_wanted(pending, document, status):
                return Publication(outcome=Outcome.SKIPPED)
        except FinOpsError as error:
            self._fail(change, document.budget, error, status, default_of, pending.repairs)
            return Publication(outcome=Outcome.FAILED, error=error)
        try:
            return self._publisher.publish_document(document)
        except TransientFailure as error:
            return Publication(outcome=Outcome.FAILED, error=error)

    def _reject_if_unseen(
        self, key: BudgetKey, error: RejectedInput, status: BudgetStatus | None, run: _Run
    ) -> dict[BudgetKey, BudgetStatus]:
        """Reject a bad row whose stream record was lost, so that its editor learns why.

        Returns its status, where it is new.
        """
        if status is not None and status.status is Status.REJECTED:
            return {}
        change = self._seen(key, status, run)
        rejection = initial_status(change, Status.REJECTED, error=error)
        if not self._statuses.begin(rejection):
            return {}
        self._audit.record(
            unseen_rejection_event(
                rejection,
                error,
                scheduled=run.scheduled,
                requested_by=run.requested_by,
                now=change.edited_at,
            )
        )
        return {key: found} if (found := self._statuses.get(key)) else {}


def _if_reached(documents: _Documents, delivery: Delivery, run: _Run) -> Mapping[str, str]:
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


def _parse_rows(
    account_id: str,
    rows: Sequence[Mapping[str, Any]],
    statuses: Mapping[BudgetKey, BudgetStatus],
) -> tuple[dict[BudgetKey, Budget], dict[BudgetKey, RejectedInput], dict[BudgetKey, Exception]]:
    """The budgets of an account's rows, why others are rejected, and what failed."""
    budgets: dict[BudgetKey, Budget] = {}
    rejections: dict[BudgetKey, RejectedInput] = {}
    failures: dict[BudgetKey, Exception] = {}
    for row in rows:
        key = BudgetKey(account_id=account_id, budget_name=str(row.get("budget_name")))
        try:
            budgets[key] = budget_of(row)
        except RejectedInput as error:
            if standing := still_stands(row, statuses.get(key)):
                budgets[key] = standing
            else:
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


def _unreachable(key: BudgetKey, budget: Budget | None, error: FinOpsError) -> Drift:
    return Drift(
        key=key,
        wanted=decimal_text(budget.amount) if budget else None,
        actual=None,
        reason="unreachable",
        error=error.explanation,
    )
