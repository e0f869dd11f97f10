"""How publishing an edit ends."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from finops.budgets.documents import BudgetDocument
from finops.shared.errors import FinOpsError


class Outcome(enum.StrEnum):
    """How publishing one edit ended; also the name of its metric."""

    PUBLISHED = "BudgetsPublished"
    REJECTED = "BudgetsRejected"
    WAITING = "BudgetsWaiting"
    FAILED = "BudgetsFailed"
    SKIPPED = "BudgetsSkipped"
    KEPT = "BudgetsKept"
    SUPERSEDED = "BudgetsSuperseded"
    #: The account's own row is gone, and it has a default again.
    DEFAULTED = "BudgetsDefaulted"
    #: A default was edited, which a drift run brings to its accounts.
    HANDED_ON = "BudgetDefaultsHandedOn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """An edit's outcome, with the document whose result the spoke has yet to report."""

    outcome: Outcome
    document: BudgetDocument | None = None
    error: FinOpsError | None = None
