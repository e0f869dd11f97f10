"""Use case of a spoke account: apply its parameters to its AWS Budgets, and report the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from finops.budgets.documents import BudgetDocument, decode_document
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    Delivery,
    Owner,
    Status,
    Threshold,
    TimeUnit,
    decimal_text,
    notification_changes,
)
from finops.budgets.ownership import ADOPTED_TAG, PARAMETER_TAG, owner_by_tags, owner_of
from finops.budgets.ports import (
    BudgetResult,
    Budgets,
    Parameters,
    Results,
    StoredParameter,
)
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput, TransientFailure

# Each further round needs yet another change of the parameter.
MAX_ROUNDS: Final = 5
# A budget with three alerts takes six calls: a hundred budgets must fit into two minutes, and more
# at a time would be throttled.
CONCURRENCY: Final = 8
# The longest that a budget takes whose calls are throttled.
SECONDS_A_BUDGET: Final = 30.0
#: How long after an edit scheduled runs answer it again.
LATE_ANSWERS: Final = timedelta(hours=1)
KEPT_AFTER_REMOVAL: Final = timedelta(days=1)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedAccount:
    """A run over all parameters: the results, and the names for which no time was left."""

    results: Sequence[BudgetResult]
    left: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What was done with a budget, as `BudgetResult.action`, and whose it is where it was asked."""

    action: str
    owner: Owner | None = None


class BudgetApplier:
    """Makes the account's AWS Budgets match its parameters, and reports the results."""

    def __init__(
        self,
        *,
        account_id: str,
        parameters: Parameters,
        budgets: Budgets,
        results: Results,
        topic_arn: str,
        default_thresholds: Sequence[Threshold],
        default_emails: Sequence[str],
        clock: Clock,
    ) -> None:
        self._account_id = account_id
        self._parameters = parameters
        self._budgets = budgets
        self._results = results
        self._topic_arn = topic_arn
        self._default_thresholds = default_thresholds
        self._default_emails = default_emails
        self._clock = clock

    def seed(self, document: BudgetDocument) -> None:
        """Write the account's first budget, unless it has a parameter."""
        self._parameters.add(document.key.budget_name, document.encode())

    def apply(self, budget_name: str) -> BudgetResult | None:
        """Apply the current value of one parameter, and report the result, also a failure.

        Returns None where the parameter is gone.

        Raises:
            TransientFailure: after reporting it; the same event can be retried.
            ConfigurationError: when the parameter does not hold a document for this account.
        """
        return self._apply(budget_name, quiet=False)

    def apply_all(
        self,
        *,
        report_unchanged: bool = False,
        seconds_left: Callable[[], float] = lambda: float("inf"),
    ) -> AppliedAccount:
        """Apply every parameter for which there is time.

        Budgets that were right already are reported where their parameter is young: the answer to
        the edit may be lost, or its event.

        Each run starts at another parameter, so that a later one reaches those for which there was
        no time. What AWS throttles or does not answer is tried by the next run, and not reported:
        the budget may be right.

        Args:
            report_unchanged: Whether to report all others that were right already, too.
            seconds_left: The time until the process ends.

        Raises:
            FinOpsError: the last one, after all parameters have been tried.
        """
        names = self._parameters.names()
        start = int(self._clock().timestamp()) % max(1, len(names))
        left: list[str] = []

        def work(name: str) -> BudgetResult | Exception | None:
            if seconds_left() < SECONDS_A_BUDGET:
                left.append(name)
                return None
            try:
                return self._apply(name, quiet=not report_unchanged, scheduled=True)
            except Exception as error:  # noqa: BLE001 - one budget must not stop the others
                return error

        with ThreadPoolExecutor(CONCURRENCY) as pool:
            found = list(pool.map(work, names[start:] + names[:start]))
        if failures := [one for one in found if isinstance(one, Exception)]:
            raise failures[-1]
        results = [one for one in found if isinstance(one, BudgetResult)]
        return AppliedAccount(
            results=sorted(results, key=lambda one: one.key), left=tuple(sorted(left))
        )

    def remove_all(self) -> list[str]:
        """Delete all parameters and the AWS Budgets that the flow has made. Returns their names."""
        removed = []
        for name in self._parameters.names():
            found = self._parameters.get(name)
            if found and self._is_the_flows(name, found):
                self._budgets.delete(name)
                removed.append(name)
            self._parameters.delete(name)
        return removed

    def _is_the_flows(self, name: str, found: StoredParameter) -> bool:
        owner = owner_by_tags(self._budgets.tags(name), self._parameters.name_of(name))
        if owner:
            return owner is Owner.FLOW
        try:
            document = self._own_document(name, found.value)
        except RejectedInput:
            return False
        actual = self._budgets.get(name)
        return actual is not None and self._owner(document, actual, found) is Owner.FLOW

    def _apply(
        self, budget_name: str, *, quiet: bool, scheduled: bool = False
    ) -> BudgetResult | None:
        found = self._parameters.get(budget_name)
        if found is None:
            return None
        try:
            document = self._own_document(budget_name, found.value)
        except RejectedInput as error:
            raise ConfigurationError(
                f"parameter of budget {budget_name} cannot be applied: {error.message}",
                code=error.code,
                step="read_parameter",
                remedy=error.remedy,
            ) from error
        age = self._clock() - found.written_at
        told = not quiet or age <= LATE_ANSWERS
        try:
            done, document = self._apply_newest(document, found, told=told)
        except FinOpsError as error:
            transient = isinstance(error, TransientFailure)
            if not (transient and scheduled):
                self._results.report([self._result(document, "failed", error)])
            if transient:
                raise
            return self._result(document, "failed", error)
        same = done.action in ("unchanged", "left")
        if document.budget is None and same and age > KEPT_AFTER_REMOVAL:
            self._parameters.delete(budget_name)
        result = self._result(document, done.action, owner=done.owner)
        if same and not told:
            return result
        self._results.report([result])
        return result

    def _apply_newest(
        self, document: BudgetDocument, found: StoredParameter, *, told: bool
    ) -> tuple[_Done, BudgetDocument]:
        """Apply the document, and again as long as its parameter has changed meanwhile."""
        done = self._apply_again_if_changed(document, found, told=told)
        for _ in range(MAX_ROUNDS):
            if done.action == "unchanged":
                return done, document
            latest = self._parameters.get(document.aws_name)
            if latest is None or latest.version == found.version:
                return done, document
            found = latest
            document = self._own_document(document.aws_name, found.value)
            repeated = self._apply_again_if_changed(document, found, told=told)
            if repeated.action == "unchanged":
                return done, document
            done = repeated
        raise TransientFailure(
            f"parameter of budget {document.aws_name} changes faster than it can be applied",
            code="overtaken",
            step="apply_budget",
        )

    def _apply_again_if_changed(
        self, document: BudgetDocument, found: StoredParameter, *, told: bool
    ) -> _Done:
        """Apply the document, and once more if somebody has changed the budget meanwhile."""
        try:
            return self._apply_once(document, found, told=told)
        except TransientFailure as error:
            if error.code != "overtaken":
                raise
            return self._apply_once(document, found, told=told)

    def _apply_once(self, document: BudgetDocument, found: StoredParameter, *, told: bool) -> _Done:
        """Apply the document. What is `told` to the management account says whose it is, too."""
        name = document.aws_name
        own = {PARAMETER_TAG: self._parameters.name_of(name)}
        actual = self._budgets.get(name)
        if document.budget is None:
            return self._remove(document, actual, found)
        wanted = self._with_defaults(document.budget)
        if actual is None:
            self._budgets.create(wanted, self._topic_arn, own)
            return _Done(action="created", owner=Owner.FLOW)
        changes = notification_changes(wanted, actual.notifications, self._topic_arn)
        settings = not actual.settings_match(wanted, self._clock())
        owner, adopted = None, False
        if changes or settings or told or document.untagged is not False:
            owner, adopted = self._claim(document, actual, found)
        # A daily budget has no alerts on the forecast: they go before it becomes one.
        alerts_first = wanted.time_unit is TimeUnit.DAILY
        if changes and alerts_first:
            self._budgets.change_notifications(wanted, changes)
        if settings:
            self._budgets.update_settings(wanted, actual)
        if changes and not alerts_first:
            self._budgets.change_notifications(wanted, changes)
        changed = "updated" if changes or settings else "unchanged"
        return _Done(action="adopted" if adopted else changed, owner=owner)

    def _remove(
        self, document: BudgetDocument, actual: ActualBudget | None, found: StoredParameter
    ) -> _Done:
        if actual is None:
            return _Done(action="unchanged")
        owner = self._owner(document, actual, found)
        if owner is Owner.FLOW:
            self._budgets.delete(document.aws_name)
        return _Done(action="removed" if owner is Owner.FLOW else "left", owner=owner)

    def _claim(
        self, document: BudgetDocument, actual: ActualBudget, found: StoredParameter
    ) -> tuple[Owner, bool]:
        """Whose a budget is, which its tags say from now on, and whether a row adopts it now."""
        name = document.aws_name
        tags = self._budgets.tags(name)
        parameter = self._parameters.name_of(name)
        owner = owner_of(tags, parameter, document, found, actual.updated_at)
        adopted = owner is Owner.HAND and ADOPTED_TAG not in tags
        if adopted:
            self._budgets.tag(name, {ADOPTED_TAG: "true"})
        elif owner is Owner.FLOW and PARAMETER_TAG not in tags:
            self._budgets.tag(name, {PARAMETER_TAG: parameter})
        return owner, adopted

    def _owner(
        self, document: BudgetDocument, actual: ActualBudget, found: StoredParameter
    ) -> Owner:
        tags = self._budgets.tags(document.aws_name)
        parameter = self._parameters.name_of(document.aws_name)
        return owner_of(tags, parameter, document, found, actual.updated_at)

    def _with_defaults(self, budget: Budget) -> Budget:
        """The budget with this account's default alerts where its row names none.

        Raises:
            ConfigurationError: it would have none at all, since all defaults are on the forecast,
                which AWS does not make for a day.
        """
        wanted = budget.with_defaults(self._default_thresholds, self._default_emails)
        if budget.thresholds is None and self._default_thresholds and not wanted.thresholds:
            raise ConfigurationError(
                "the account's default alerts are all on the forecast, which AWS does not make for"
                f" a {budget.time_unit} budget, so that it would have no alert",
                code="no_alerts",
                step="apply_budget",
                remedy="Write thresholds such as ACTUAL:100 in the row, or none for no alerts",
            )
        return wanted

    def _own_document(self, budget_name: str, text: str) -> BudgetDocument:
        document = decode_document(text)
        own = document.key.account_id == self._account_id or document.delivery is Delivery.PAYER
        if document.aws_name != budget_name or not own:
            raise RejectedInput(
                f"it holds budget {document.key.budget_name} of account {document.key.account_id}",
                code="foreign_document",
                field="account_id",
                value=document.key.account_id,
            )
        return document

    def _result(
        self,
        document: BudgetDocument,
        action: str,
        error: FinOpsError | None = None,
        owner: Owner | None = None,
    ) -> BudgetResult:
        done = Status.APPLIED if document.budget else Status.REMOVED
        now = self._clock()
        return BudgetResult(
            key=document.key,
            version=document.version,
            request_id=document.request_id,
            status=Status.FAILED if error else done,
            action=action,
            amount=decimal_text(document.budget.amount_at(now)) if document.budget else "",
            reported_at=now,
            latency_ms=_milliseconds(now - document.edited_at) if document.edited_at else None,
            error=error,
            content=document.content_digest,
            delivery=document.delivery,
            owner=owner,
        )


def _milliseconds(duration: timedelta) -> int:
    """DynamoDB gives the time of an edit to the second, so a latency is exact to a second."""
    return max(0, round(duration.total_seconds() * 1000))
