"""Use case of the management account: find budgets that are not what their rows say, and repair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, Final

from finops.budgets.comparison import AccountState, Drift, left_in
from finops.budgets.default_rows import DefaultRows
from finops.budgets.defaults import EVERY_ACCOUNT, InheritedRow, is_default
from finops.budgets.domain import Budget, BudgetKey, Delivery, RemovalPolicy, Status
from finops.budgets.drift_repairs import DriftRepairs
from finops.budgets.drift_run import (
    Clock,
    Documents,
    Known,
    Run,
    not_compared,
    not_reached,
    unreachable,
)
from finops.budgets.leftovers import Leftovers, if_reached
from finops.budgets.ports import (
    UNKNOWN_ACCOUNT,
    BudgetStatus,
    BudgetTable,
    Deadlines,
    Organization,
    Spokes,
    StatusTable,
)
from finops.budgets.service import BudgetPublisher
from finops.budgets.unanswered import UnansweredEdits
from finops.budgets.unseen_edits import UnseenEdits
from finops.budgets.wanted_budgets import Wanted, WantedBudgets
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError

#: No account is begun with less time left: what calls take that AWS throttles or does not answer.
SECONDS_AN_ACCOUNT: Final = 60.0
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
        self._removal = removal
        self._clock = clock
        self._concurrency = concurrency
        self._unanswered = UnansweredEdits(statuses=statuses, audit=audit, clock=clock)
        unseen = UnseenEdits(statuses=statuses, audit=audit, clock=clock)
        self._wanted = WantedBudgets(publisher=publisher, unseen=unseen)
        self._repairs = DriftRepairs(
            statuses=statuses,
            publisher=publisher,
            deadlines=deadlines,
            unanswered=self._unanswered,
            audit=audit,
            clock=clock,
        )
        self._leftovers = Leftovers(
            statuses=statuses, repairs=self._repairs, removal=removal, clock=clock
        )

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
            defaults: `*` and the units that have rows, or had; looked for where None.
            seconds_left: The time until the process ends.
        """
        run = Run(
            repair=repair, request_id=request_id, scheduled=scheduled, requested_by=requested_by
        )
        known = self._known(account_ids)
        if repair:
            had = filter(is_default, known) if account_ids is None else defaults
            for one in sorted({EVERY_ACCOUNT, *(had or ())}):
                self._publisher.defaults.end_lost(one, self._table)
        inherited = self._default_rows(defaults)

        def check(account: str) -> list[Drift]:
            rows, statuses = known[account] if account_ids is None else self._known_of(account)
            names = {str(row.get("budget_name")) for row in rows}
            keys = {BudgetKey(account_id=account, budget_name=name) for name in names}
            if seconds_left() < SECONDS_AN_ACCOUNT:
                # An account of which nothing is known yet may have defaults.
                some = keys | set(statuses) or {BudgetKey(account_id=account, budget_name="")}
                return [not_reached(key) for key in sorted(some)]
            try:
                return self._check_rows(account, rows, statuses, run, inherited)
            except Exception as error:  # noqa: BLE001 - one account must not stop the others
                if repair:
                    self._unanswered.note_not_compared(statuses.values(), error)
                return [not_compared(key, error) for key in sorted(keys or statuses)]

        with ThreadPoolExecutor(self._concurrency) as pool:
            checked = pool.map(check, sorted(one for one in known if not is_default(one)))
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
        run: Run,
        defaults: DefaultRows | None,
    ) -> list[Drift]:
        """Compare an account, and again where a default was edited after it was read."""
        in_effect = partial(
            self._publisher.defaults.row_in_effect, ends=run.repair, table=self._table
        )
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
        run: Run,
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
        return [*found, *(not_compared(key, error) for key in sorted(unsure))]

    def _known(self, account_ids: Sequence[str] | None) -> Mapping[str, Known]:
        """The accounts of a run, with what both tables hold of each where it is of all of them."""
        if account_ids is not None:
            return dict.fromkeys(account_ids, ([], {}))
        known: dict[str, Known] = defaultdict(lambda: ([], {}))
        # In this order: a status whose row is written meanwhile is not one without a row.
        for status in self._statuses.all():
            known[status.key.account_id][1][status.key] = status
        for row in self._table.rows():
            known[str(row.get("account_id"))][0].append(row)
        return known

    def _known_of(self, account_id: str) -> Known:
        statuses = {one.key: one for one in self._statuses.all(account_id)}
        return list(self._table.rows(account_id)), statuses

    def _check_account(
        self,
        account_id: str,
        rows: Sequence[Mapping[str, Any]],
        statuses: Mapping[BudgetKey, BudgetStatus],
        run: Run,
        inherited: Mapping[str, InheritedRow],
        defaults: DefaultRows | None,
    ) -> list[Drift]:
        wanted = self._wanted.of(account_id, rows, statuses, run, inherited, defaults)
        if run.repair:
            self._end_without_rows(wanted, run)
        found = [not_compared(key, error) for key, error in wanted.failures.items()]
        documents = cache(partial(self._spokes.documents, account_id))
        delivered: dict[Delivery, dict[BudgetKey, Budget | None]] = defaultdict(dict)
        for key, budget in wanted.budgets.items():
            delivered[budget.delivery][key] = budget
        for key in self._removed(wanted):
            delivered[wanted.statuses[key].delivery][key] = None
        if run.repair:
            # Of what nothing is to be compared, nothing is unknown.
            compared = {*wanted.failures, *(key for some in delivered.values() for key in some)}
            others = wanted.statuses.keys() - compared
            self._unanswered.reached(wanted.statuses[key] for key in sorted(others))
        for delivery, some in delivered.items():
            found += self._compare(documents, account_id, delivery, some, wanted, run)
        return found + self._leftovers.of(documents, wanted.statuses, wanted.kept, run)

    def _compare(
        self,
        documents: Documents,
        account_id: str,
        delivery: Delivery,
        some: Mapping[BudgetKey, Budget | None],
        wanted: Wanted,
        run: Run,
    ) -> list[Drift]:
        """Compare and repair the budgets of an account that are delivered in one way."""
        try:
            state = AccountState(
                wanted=some,
                statuses=wanted.statuses,
                documents=documents(delivery),
                actual=self._spokes.budgets(account_id)
                if delivery is Delivery.SPOKE
                else self._spokes.payer_budgets(account_id, {one.budget_name for one in some}),
                inherited=wanted.sources,
                held=wanted.held,
                elsewhere=left_in(if_reached(documents, delivery.other, run)),
            )
        except FinOpsError as error:
            if run.repair:
                for key, budget in some.items():
                    self._unanswered.fail_unreached(
                        key,
                        budget,
                        error,
                        wanted.statuses.get(key),
                        run,
                        default_of=wanted.sources.get(key, ""),
                        beside=key in wanted.held,
                    )
            return [
                unreachable(key, budget, error)
                for key, budget in some.items()
                if budget or error.code != UNKNOWN_ACCOUNT
            ]
        if run.repair:
            self._unanswered.reached(wanted.statuses[key] for key in some if key in wanted.statuses)
            for status in state.gone(self._clock()):
                self._unanswered.record_removal(status)
            for key, spend in state.spends(self._clock()):
                self._statuses.write_spend(key, spend, self._clock())
        found = list(state.drift(self._clock()))
        if not run.repair:
            return found
        for status, amount in state.standing(self._clock()):
            if status.repairs or status.applied_amount != amount:
                # The answer to the edit before came while this one had the status.
                self._statuses.note_standing(status.key, status.version, amount)
        return self._repairs.repair(found, state, run, wanted.sources)

    def _end_without_rows(self, wanted: Wanted, run: Run) -> None:
        """Record that nobody wants a budget any more, where there is nothing to remove.

        A default that an account has no more is one of them, and a row whose removal's stream
        record was lost.
        """
        for key, status in wanted.statuses.items():
            if key in wanted.kept or status.status is Status.REMOVED:
                continue
            if not self._has_to_go(status):
                self._unanswered.end(status, run)

    def _removed(self, wanted: Wanted) -> list[BudgetKey]:
        """Published budgets whose row is gone, where the spoke must remove them too."""
        return [
            key
            for key, status in wanted.statuses.items()
            if key not in wanted.kept
            and status.status is not Status.REMOVED
            and self._has_to_go(status)
        ]

    def _has_to_go(self, status: BudgetStatus) -> bool:
        """Whether there may be a budget to remove where no row wants one."""
        return status.published and self._removal is RemovalPolicy.DELETE
