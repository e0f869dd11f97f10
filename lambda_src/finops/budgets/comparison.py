"""What the table wants of an account's budgets, compared with what the account has.

Pure: no AWS, no I/O, no clock.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from finops.budgets.deadlines import LONGEST_DEADLINE_SECONDS
from finops.budgets.documents import SEED_VERSION, content_digest, decode_document, is_removal
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    BudgetKey,
    Spend,
    Status,
    decimal_text,
)
from finops.budgets.ports import BudgetStatus
from finops.shared.errors import RejectedInput

#: A younger edit may still be on its way to the spoke, and does not count as drift. Its deadline
#: ends it before, unless that was lost.
PUBLICATION_TIME: Final = timedelta(seconds=LONGEST_DEADLINE_SECONDS + 60)
#: The schedule publishes a budget again at once, then after 10, 20, 40 minutes and so on, as long
#: as its account does not make it right. Less than the schedule's period, which is 15 minutes.
REPAIR_PAUSE: Final = timedelta(minutes=10)
LONGEST_REPAIR_PAUSE: Final = timedelta(hours=4)
#: The reason of drift that the flow has the budget in the other account, too.
IN_BOTH_ACCOUNTS: Final = "in_both_accounts"
#: The reason of drift whose row is gone.
NOT_REMOVED: Final = "not_removed"
#: The reason of drift whose parameter somebody has deleted.
PARAMETER_MISSING: Final = "parameter_missing"
#: For so long AWS may throttle the runs that compare an account, or not answer them, before that
#: counts as a failure. Several runs are tried.
UNREACHED_TIME: Final = timedelta(hours=1)
#: AWS calculates the spend of budgets up to three times a day, 8 to 12 hours apart.
CALCULATION_TIME: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One budget that is not what its row says. Amounts are plain numbers of USD, or None.

    Attributes:
        reason: Why it counts as drift: a stable word.
        repaired: Whether its document was published again.
        error: Why it could not be compared or repaired; empty otherwise.
    """

    key: BudgetKey
    wanted: str | None
    actual: str | None
    reason: str
    repaired: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """Everything that is known of one account's budgets.

    Attributes:
        wanted: The budget of each row; None where the row was removed and the budget has to go.
        statuses: How the newest edit of each budget ended.
        documents: Parameter values by budget name.
        actual: AWS Budgets by name.
        inherited: The budgets of `wanted` that come from a default, which no stream publishes.
        held: Those that stand while a newer edit waits or is rejected, of which the status is.
        elsewhere: Names of those that the flow has in the other account, too: see `left_in`.
    """

    wanted: Mapping[BudgetKey, Budget | None]
    statuses: Mapping[BudgetKey, BudgetStatus]
    documents: Mapping[str, str]
    actual: Mapping[str, ActualBudget]
    inherited: Collection[BudgetKey] = ()
    held: AbstractSet[BudgetKey] = frozenset()
    elsewhere: Collection[str] = ()

    def drift(self, now: datetime) -> Iterator[Drift]:
        """The budgets that are not what their rows say, in the order of their keys."""
        for key in sorted(self.wanted):
            budget, status = self.wanted[key], self.statuses.get(key)
            if status and is_being_published(status, now) and not self._is_outdated(key, status):
                continue
            actual = self.actual.get(key.budget_name)
            reason = _drift_reason(budget, status, self.documents.get(key.budget_name), actual, now)
            if not reason and status and budget:
                confirmed = status.status is Status.APPLIED or key in self.held
                reason = "" if confirmed else "not_confirmed"
            if not reason and status and key.budget_name in self.elsewhere:
                reason = IN_BOTH_ACCOUNTS
            if reason:
                yield Drift(
                    key=key,
                    wanted=decimal_text(budget.amount_at(now)) if budget else None,
                    actual=decimal_text(actual.amount) if actual and actual.amount else None,
                    reason=reason,
                )

    def standing(self, now: datetime) -> Iterator[tuple[BudgetStatus, str]]:
        """The statuses of edits beside which something stands as it should, with its amount."""
        wrong = {one.key for one in self.drift(now)}
        for key in sorted(self.held - wrong):
            if budget := self.wanted.get(key):
                yield self.statuses[key], decimal_text(budget.amount_at(now))

    def answered(self, key: BudgetKey) -> BudgetStatus | None:
        """The status of a budget, unless that is of another one than is wanted now."""
        status = self.statuses.get(key)
        if status is None or self._is_outdated(key, status):
            return None
        beside = status.status in (Status.WAITING, Status.REJECTED)
        return None if beside and key not in self.held else status

    def _is_outdated(self, key: BudgetKey, status: BudgetStatus) -> bool:
        """Whether the newest status is of a default that was edited or removed since."""
        budget = self.wanted[key]
        if budget is None:
            # No stream publishes that an account has a default no more.
            return bool(status.default_of and status.content)
        inherited = key in self.inherited and key not in self.held
        return inherited and content_digest(budget) != status.content

    def spends(self, now: datetime) -> Iterator[tuple[BudgetKey, Spend]]:
        """What budgets have cost so far, where that is not what their statuses say."""
        for key in sorted(self.wanted):
            status, actual = self.statuses.get(key), self.actual.get(key.budget_name)
            if status and actual and actual.spend and _is_news(actual, status, now):
                yield key, actual.spend

    def gone(self, now: datetime) -> Iterator[BudgetStatus]:
        """The removals that are done, though the account has not said so."""
        for key in sorted(self.wanted):
            status = self.statuses.get(key)
            if self.wanted[key] is not None or not status or is_being_published(status, now):
                continue
            parameter = self.documents.get(key.budget_name)
            if _is_gone(parameter, self.actual.get(key.budget_name)):
                yield status


def left_in(documents: Mapping[str, str]) -> set[str]:
    """The names of budgets that the flow has made, and not removed since, by their parameters."""
    return {name for name, text in documents.items() if not is_removal(text)}


def is_of_a_row(text: str) -> bool:
    """Whether a parameter holds a budget that a row asked for: none that a spoke began with."""
    try:
        document = decode_document(text)
    except RejectedInput:
        return False
    return document.budget is not None and document.version != SEED_VERSION


def next_repair(status: BudgetStatus | None) -> datetime | None:
    """When the schedule may publish a budget again; None where it may at once."""
    if status is None or not status.repairs:
        return None
    if status.status in (Status.WAITING, Status.REJECTED):
        last = status.repaired_at
    else:
        last = status.edited_at if repairs_so_far(status) else None
    pause = REPAIR_PAUSE * (1 << min(status.repairs - 1, 10))
    return last + min(pause, LONGEST_REPAIR_PAUSE) if last else None


def repairs_so_far(status: BudgetStatus | None) -> int:
    """How often drift repair has published a budget again that has not been right since."""
    unanswered = status is not None and status.status in (Status.PENDING, Status.FAILED)
    return status.repairs if status and unanswered else 0


def is_overdue(status: Status, edited_at: datetime | None, now: datetime) -> bool:
    """Whether an edit has had no answer for longer than any account is given."""
    return status is Status.PENDING and (edited_at is None or now - edited_at >= PUBLICATION_TIME)


def is_long_unreached(unreached_at: datetime | None, now: datetime) -> bool:
    """Whether no run has been able to read an account for longer than AWS may be slow."""
    return unreached_at is not None and now - unreached_at >= UNREACHED_TIME


def _is_news(actual: ActualBudget, status: BudgetStatus, now: datetime) -> bool:
    """Whether the spend of a budget is to be written: once a day, and when it differs.

    "When you modify a budget, the calculatedSpend drops to zero until AWS has new usage data", and
    for a day such a zero does not count:
    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_UpdateBudget.html
    """
    spend = actual.spend
    if spend is None:
        return False
    changed = actual.updated_at
    if not spend.actual and changed and now - changed < CALCULATION_TIME:
        return False
    forecast = "" if spend.forecast is None else decimal_text(spend.forecast)
    before = (status.actual_spend, status.forecasted_spend)
    known = spend_is_known(status) and before == (decimal_text(spend.actual), forecast)
    return not known or status.spend_at is None or now - status.spend_at >= CALCULATION_TIME


def was_published(budget: Budget | None, status: BudgetStatus) -> bool:
    """Whether what was published last asks for this budget, or for its absence where None."""
    try:
        published = decode_document(status.document)
    except RejectedInput:
        return False
    return replace(published, budget=budget).content_digest == published.content_digest


def spend_is_known(status: BudgetStatus) -> bool:
    """Whether the status's spend is that of the budget as it was last applied."""
    return status.spend_at is not None and (
        status.applied_at is None or status.spend_at >= status.applied_at
    )


def is_being_published(status: BudgetStatus, now: datetime) -> bool:
    """Whether the account still has time to answer."""
    return status.status is Status.PENDING and not is_overdue(status.status, status.edited_at, now)


def _drift_reason(
    budget: Budget | None,
    status: BudgetStatus | None,
    parameter: str | None,
    actual: ActualBudget | None,
    now: datetime,
) -> str:
    """Why a budget has to be published again; empty where it is as its row says."""
    if budget is None:
        return "" if _is_gone(parameter, actual) else NOT_REMOVED
    if status is None or not was_published(budget, status):
        return "edit_not_seen"
    if parameter is None:
        return PARAMETER_MISSING
    if not _same_json(parameter, status.document):
        return "parameter_changed"
    if actual is None:
        return "budget_missing"
    if not actual.settings_match(budget, now):
        return "budget_changed"
    return ""


def _is_gone(parameter: str | None, actual: ActualBudget | None) -> bool:
    """Whether a budget that an account may have been told of is gone, and stays so."""
    return actual is None and (parameter is None or is_removal(parameter))


def _same_json(left: str, right: str) -> bool:
    try:
        return bool(json.loads(left) == json.loads(right))
    except ValueError:
        return False
