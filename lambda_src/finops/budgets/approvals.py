"""Raises that wait until two proven people have approved them.

A raise is measured by what the budget would be in a year, against what it was when the calendar
month (UTC) began, or what was approved since: steps that are small add up within a month. A budget
that is lowered, removed or made again keeps what it is measured against.

Pure: no AWS, no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from finops.budgets.defaults import is_default
from finops.budgets.documents import BudgetDocument, content_digest, decode_document
from finops.budgets.domain import Budget, decimal_text
from finops.budgets.ports import BudgetStatus
from finops.shared.errors import RejectedInput
from finops.shared.people import same_person
from finops.shared.periods import Month

#: The words of so many people let a raise through: the one who wants it, and another.
PEOPLE: Final = 2
_MONTHS: Final = 12
_NEW: Final = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What raises are measured against, in USD a year.

    Attributes:
        month: The calendar month (UTC) for which `usd` holds.
        usd: What the budget was when the month began, or was approved to be since; of a new one,
            what it was first.
        standing: What was published last, which is the baseline of the next month.
        is_new: Whether there was no budget when the month began, nor one approved since.
    """

    month: str
    usd: Decimal
    standing: Decimal
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseLimit:
    """How far people may raise a budget alone; None where one of the two does not count.

    `percent` is of the baseline, and `usd` a month. Of a budget that is new all counts as the raise
    in USD until the month ends, and nothing as one in percent when it is made.
    """

    percent: Decimal | None = None
    usd: Decimal | None = None

    def reason_to_wait(self, budget: Budget, status: BudgetStatus | None, now: datetime) -> str:
        """Why a budget has to wait; empty where it may take effect."""
        if is_approved(status, content_digest(budget)):
            return ""
        if (
            status
            and is_default(status.key.account_id)
            and not (status.document or status.baseline)
        ):
            # Of a version that did not keep what it handed on.
            return "nobody knows what accounts inherit of this default until now"
        base = baseline_of(status, now)
        raised = budget.yearly - (base.usd if base and not base.is_new else 0)
        share = (budget.yearly - base.usd) * 100 / base.usd if base and base.usd else None
        too_much = self.usd is not None and raised > self.usd * _MONTHS
        too_far = self.percent is not None and share is not None and share > self.percent
        if not (too_much or too_far):
            return ""
        limits = [
            f"{decimal_text(limit)} {unit}"
            for limit, unit in ((self.percent, "percent"), (self.usd, "USD a month"))
            if limit is not None
        ]
        by = f"{raised / _MONTHS:.2f} USD a month"
        by += f" ({share:.1f} percent of what it was when the month began)" if share else ""
        if amounts := amounts_of(budget):
            by += f", to {amounts}"
        return f"it raises the budget by {by}, and raises above {' or '.join(limits)} wait"


def amounts_of(budget: Budget) -> str:
    """What the months of a plan become, in USD, as people read it; empty without a plan."""
    if not budget.planned_amounts:
        return ""
    planned = [
        f"{one.amount:.2f}{' a year' if one.annual else ''} from {one.start} on"
        for one in budget.planned_amounts
    ]
    highest = f"at most {budget.plan.largest:.2f} at once"
    return ", ".join([f"{budget.amount:.2f}", *planned, highest])


def baseline_of(status: BudgetStatus | None, now: datetime) -> Baseline | None:
    """What raises are measured against now; None where there never was a budget."""
    month = str(Month.of(now.date()))
    if status is None:
        return None
    if not (known := _from_text(status.baseline)):
        # Of before there was a limit.
        if not (budget := standing_budget(status)):
            return None
        return Baseline(month=month, usd=budget.yearly, standing=budget.yearly)
    if known.month == month:
        return known
    return Baseline(month=month, usd=known.standing, standing=known.standing)


def standing_budget(status: BudgetStatus) -> Budget | None:
    """The budget that was published last; None where that is a removal or nothing."""
    document = standing_document(status)
    return document.budget if document else None


def standing_document(status: BudgetStatus) -> BudgetDocument | None:
    """What was published last, or what a default handed on; None where nobody knows it."""
    if not status.document:
        return None
    try:
        return decode_document(status.document, defaults=is_default(status.key.account_id))
    except RejectedInput:
        return None


def baseline_after(budget: Budget | None, status: BudgetStatus | None, now: datetime) -> str:
    """What later raises are measured against, once this budget is published, as text."""
    base = baseline_of(status, now)
    if budget is not None:
        approved = is_approved(status, content_digest(budget))
        usd = base.usd if base and not approved else budget.yearly
        is_new = not approved and (base is None or base.is_new)
        month = str(Month.of(now.date()))
        base = Baseline(month=month, usd=usd, standing=budget.yearly, is_new=is_new)
    return _as_text(base) if base else ""


def _as_text(base: Baseline) -> str:
    words = [base.month, decimal_text(base.usd), decimal_text(base.standing)]
    return " ".join([*words, _NEW] if base.is_new else words)


def is_approved(status: BudgetStatus | None, content: str) -> bool:
    """Whether enough people have approved exactly this content."""
    if status is None or status.content != content:
        return False
    return people_of(status.approvals) >= PEOPLE


def people_of(approvals: Sequence[str]) -> int:
    """How many people are certainly different ones."""
    known: list[str] = []
    for one in approvals:
        if not any(same_person(one, other) for other in known):
            known.append(one)
    return len(known)


def _from_text(text: str) -> Baseline | None:
    if not text:
        return None
    month, usd, standing, *is_new = text.split(" ")
    return Baseline(
        month=month, usd=Decimal(usd), standing=Decimal(standing), is_new=is_new == [_NEW]
    )
