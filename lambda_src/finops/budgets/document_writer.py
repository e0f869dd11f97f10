"""Documents are written to the account where their budget is wanted, and to no other.

Every step compares before it writes and reads again afterwards (docs/decisions/0002).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from finops.budgets.documents import BudgetDocument, decode_document
from finops.budgets.domain import BudgetKey, Delivery
from finops.budgets.ownership import may_be_untagged
from finops.budgets.ports import BudgetStatus, Spokes, StatusTable
from finops.budgets.publications import Outcome, Publication
from finops.shared.errors import ConfigurationError, TransientFailure

# A writer that finds a newer version publishes that one; each round needs yet another edit.
MAX_ROUNDS: Final = 5
_OF_NO_EDIT: Final = "0"


class DocumentWriter:
    """Writes documents, moves budgets from one account to the other, and removes them."""

    def __init__(self, *, statuses: StatusTable, spokes: Spokes) -> None:
        self._statuses = statuses
        self._spokes = spokes

    def begin_where_wanted(
        self,
        pending: BudgetStatus,
        document: BudgetDocument,
        before: BudgetStatus | None,
    ) -> bool:
        """Begin a version; before, move what an earlier one made in the other account.

        In this order a process that is stopped does it again. What cannot be written where it is
        wanted stays where it is. Returns whether to work on it: not where the status is of another
        version by now, whose budget may be elsewhere.

        Args:
            pending: The version's status.
            document: What is to be published.
            before: The status until now.
        """
        moved = (
            before is not None
            and before.version <= document.version
            and before.delivery is not document.delivery
            and before.published
        )
        if before and moved:
            self._spokes.put_document(document)
            self._remove_elsewhere(before.delivery, document, before)
        if self._statuses.begin(pending, after=before.version if before else ""):
            return True
        if moved and (newest := self._statuses.get(document.key)):
            # It may want the budget where this one has removed it, and not where this one put it.
            wanted = decode_document(newest.document)
            if wanted.delivery is not document.delivery:
                self._remove_elsewhere(document.delivery, wanted)
            self._spokes.put_document(wanted)
        return False

    def remove_from(self, delivery: Delivery, document: BudgetDocument) -> None:
        """Remove the budget of a document's key from an account, unless it is wanted there by now.

        Raises:
            FinOpsError: it could not be removed.
        """
        self._remove_elsewhere(delivery, document)
        newest = self._statuses.get(document.key)
        if newest and newest.document:
            wanted = decode_document(newest.document)
            if wanted.delivery is delivery:
                self._spokes.put_document(wanted)

    def _remove_elsewhere(
        self, delivery: Delivery, document: BudgetDocument, before: BudgetStatus | None = None
    ) -> None:
        """Remove the budget of a document's key from the account that shall not have it.

        An account whose spoke is gone has none: the spoke's removal has removed it. The answer is
        of a version that no status has, so that nobody takes it for one to the document.
        """
        removal = replace(
            document,
            version=_OF_NO_EDIT,
            edited_at=None,
            budget=None,
            removed_from=delivery,
            untagged=may_be_untagged(before, delivery),
        )
        try:
            self._spokes.put_document(removal)
        except ConfigurationError as error:
            if error.step != "assume_role":
                raise

    def write(self, document: BudgetDocument, *, published: bool = True) -> Publication:
        """Write a document whose status is PENDING, or the newer one that replaced it meanwhile.

        Parameter Store has no conditional write, so a slow writer may overwrite a newer version.
        Each writer therefore reads the status afterwards, and writes the newer document again.

        Args:
            document: What is to be published.
            published: Whether the account may have a budget of an earlier version.
        """
        try:
            for _ in range(MAX_ROUNDS):
                self._spokes.put_document(document)
                published = True
                current = self._statuses.get(document.key)
                if current is None or current.version <= document.version:
                    return Publication(outcome=Outcome.PUBLISHED, document=document)
                newest = decode_document(current.document)
                if newest.version <= document.version:
                    return Publication(outcome=Outcome.PUBLISHED, document=document)
                if newest.delivery is not document.delivery:
                    self._remove_elsewhere(document.delivery, document)
                document = newest
        except ConfigurationError as error:
            self._statuses.mark_failed(document.key, document.version, error, published=published)
            return Publication(outcome=Outcome.FAILED, error=error)
        except TransientFailure as error:
            self._statuses.mark_failed(document.key, document.version, error)
            raise
        raise overtaken(document.key)


def overtaken(key: BudgetKey) -> TransientFailure:
    """Why an edit is tried again that others have overtaken."""
    return TransientFailure(
        f"budget {key.budget_name} of account {key.account_id} is edited faster than it can be"
        " published",
        code="overtaken",
        step="put_parameter",
    )
