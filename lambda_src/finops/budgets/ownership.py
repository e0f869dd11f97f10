"""Whose an AWS Budget is. Nothing else decides it.

The flow tags what it makes, in the call that makes it, with the name of the parameter that asked
for it. So a budget without this tag was made by hand, and so is a copy, whose tag names the budget
that was copied. AWS keeps tags when a budget is updated, and drops them with the budget:
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CreateBudget.html

Earlier versions had no tag. A document says whether one of them may have made its budget.

Pure: no AWS, no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from finops.budgets.documents import BudgetDocument, decode_document, is_removal
from finops.budgets.domain import Delivery, Owner, Status
from finops.budgets.ports import BudgetStatus, StoredParameter
from finops.shared.errors import RejectedInput

#: The tag of a budget that the flow has made: the name of the parameter that asked for it.
PARAMETER_TAG: Final = "finops:parameter"
#: The tag of a budget that was made by hand, and which a row has taken over.
ADOPTED_TAG: Final = "finops:adopted"


def owner_by_tags(tags: Mapping[str, str], parameter: str) -> Owner | None:
    """Whose a budget is by its tags; None where they do not say it."""
    if PARAMETER_TAG in tags:
        return Owner.FLOW if tags[PARAMETER_TAG] == parameter else Owner.HAND
    return Owner.HAND if ADOPTED_TAG in tags else None


def owner_of(
    tags: Mapping[str, str],
    parameter: str,
    document: BudgetDocument,
    found: StoredParameter,
    updated_at: datetime | None,
) -> Owner:
    """Whose a budget is that exists.

    Args:
        tags: Of the budget.
        parameter: The name of its parameter.
        document: What the parameter holds.
        found: The parameter, as it was read.
        updated_at: When the budget was last changed.
    """
    if owner := owner_by_tags(tags, parameter):
        return owner
    if document.untagged is False:
        return Owner.HAND
    if document.budget is None:
        # It has removed what there was, so that a later one is another.
        later = updated_at is not None and _is_before(found.written_at, updated_at)
        return Owner.HAND if later else Owner.FLOW
    if document.untagged or found.version > 1 or updated_at is None:
        return Owner.FLOW
    return Owner.HAND if _is_before(updated_at, found.written_at) else Owner.FLOW


def may_be_untagged(status: BudgetStatus | None, delivery: Delivery) -> bool:
    """Whether a version of the flow that did not tag may have made the budget that is there."""
    return status is not None and status.delivery is delivery and status.untagged


def published_by_document(status: Status, document: str) -> bool:
    """`BudgetStatus.published` of a status that earlier versions wrote, which does not say it."""
    unanswered = status in (Status.PENDING, Status.FAILED)
    return bool(document) and (unanswered or not is_removal(document))


def untagged_by_document(document: str, applied_amount: str, *, adopted: bool) -> bool:
    """`BudgetStatus.untagged` of a status that earlier versions wrote, which does not say it."""
    if not document or not applied_amount or adopted:
        return False
    try:
        return decode_document(document).untagged is not False
    except RejectedInput:
        return False


def _is_before(one: datetime, other: datetime) -> bool:
    """Whether it is in an earlier second: AWS tells some times to the second only."""
    return one.replace(microsecond=0) < other.replace(microsecond=0)
