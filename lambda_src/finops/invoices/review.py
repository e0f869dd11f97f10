"""Human review of invoices that could not be read with confidence or do not add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from finops.invoices.audit_events import given_up_event
from finops.invoices.domain import InvoiceRecord, InvoiceStatus, Issue, Review, Severity
from finops.invoices.ports import Clock, InvoiceStore, Workflow
from finops.invoices.second_decision import already_decided, intended
from finops.invoices.separation import part_in
from finops.invoices.validation import canonical, missing
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput, TransientFailure
from finops.shared.people import PERSONAL_SESSION_ROLES, chose_own_name, name_of


class Decision(StrEnum):
    """What a reviewer decided; also the outcome that the workflow gets."""

    APPROVED = "APPROVED"
    CORRECTED = "CORRECTED"
    REJECTED = "REJECTED"
    NOT_DUPLICATE = "NOT_DUPLICATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequests:
    """The workflow's side: it asks for a review, and reminds if nobody decides."""

    store: InvoiceStore
    workflow: Workflow
    clock: Clock
    audit: AuditRecorder
    maximum_escalations: int

    def ask(self, invoice: str, task_token: str) -> InvoiceRecord:
        """Wait for a decision; a decision that was made before is passed on at once."""
        record = self.store.find(invoice)
        record = self.store.save(
            replace(
                record,
                status=record.status if record.status.is_final else InvoiceStatus.NEEDS_REVIEW,
                task_token=task_token,
                updated_at=self.clock(),
            )
        )
        if record.decision:
            self.workflow.resume(task_token, {"outcome": record.decision})
        return record

    def escalate(self, invoice: str) -> bool:
        """Count a reminder. Returns False after the last one: the invoice has then failed."""
        record = self.store.find(invoice)
        if record.decision:
            return True
        now = self.clock()
        if record.escalations < self.maximum_escalations:
            self.store.save(replace(record, escalations=record.escalations + 1, updated_at=now))
            return True
        issue = Issue(
            code="not_reviewed",
            severity=Severity.ERROR,
            message=f"nobody reviewed the invoice after {_reminders(record.escalations)}",
        )
        record = self.store.save(
            replace(
                record,
                status=InvoiceStatus.VALIDATION_FAILED,
                issues=(*record.issues, issue),
                updated_at=now,
            )
        )
        self.audit.record(given_up_event(record, now))
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDesk:
    """The reviewer's side.

    Attributes:
        separation_of_duties: Whether an approver must be somebody who neither submitted nor
            corrected the invoice.
        personal_session_roles: Names of roles, by patterns, whose sessions have their person's name
            for certain. A session of another role may neither correct nor approve.
        proven: Whether AWS, or the console's sign-in, tells who the reviewers are.
    """

    store: InvoiceStore
    workflow: Workflow
    clock: Clock
    separation_of_duties: bool = True
    personal_session_roles: Sequence[str] = PERSONAL_SESSION_ROLES
    proven: bool = False

    def decide(
        self,
        invoice: str,
        reviewer: str,
        *,
        corrections: Mapping[str, str] | None = None,
        approve: bool = False,
        reject: bool = False,
        reason: str = "",
        seen: int | None = None,
    ) -> InvoiceRecord:
        """Correct values, and approve or reject the invoice; the workflow continues.

        With corrections alone the invoice is checked again, and needs another review if something
        is still wrong. Without any argument, an earlier decision is sent to the workflow again.

        Args:
            invoice: Its id.
            reviewer: Who decides, as the audit trail will name them.
            corrections: Values by field, as people write them; an empty value clears the field.
            approve: Accept the invoice despite its issues.
            reject: Refuse it for good.
            reason: Required to reject.
            seen: How many reviews the reviewer knows; None for all.

        Raises:
            RejectedInput: the invoice is not waiting for review, the decision is not valid, or
                there are reviews that the reviewer has not seen.
        """
        record = self.store.find(invoice)
        asked = intended(approve=approve, reject=reject)
        _knows_all(record, seen, asked)
        if record.decision and not (corrections or approve or reject):
            return self._tell(record)
        self._may_decide(record, reviewer, approve=approve, reject=reject, reason=reason)
        if corrections:
            self._has_a_name(record, reviewer)
        changed = self._corrected(record, corrections or {})
        if not (corrections or approve or reject):
            raise RejectedInput(
                f"there is no decision about {invoice}",
                code="no_decision",
                remedy="Correct a value, approve the invoice, or reject it",
            )
        if approve:
            _can_be_approved(changed)
            if self.separation_of_duties and _differences(record, changed) != ({}, {}):
                raise RejectedInput(
                    "whoever corrects an invoice cannot approve it",
                    code="own_correction",
                    remedy="Save the corrections, and let somebody else approve",
                )
        decision = Decision.REJECTED if reject else Decision.CORRECTED
        if approve:
            decision = Decision.APPROVED
        try:
            return self._tell(self._save(record, changed, reviewer, decision, reason))
        except TransientFailure as error:
            if error.code == "changed_meanwhile":
                _knows_all(self.store.find(invoice), len(record.reviews), asked)
            raise

    def not_a_duplicate(
        self, invoice: str, reviewer: str, *, reason: str, seen: int | None = None
    ) -> InvoiceRecord:
        """Decide that a duplicate is an invoice of its own; another execution processes it.

        Args:
            invoice: Its id.
            reviewer: Who decides, as the audit trail will name them.
            reason: Kept with the decision.
            seen: How many reviews the reviewer knows; None for all.

        Raises:
            RejectedInput: it is not a duplicate, the reason is missing, or there are reviews that
                the reviewer has not seen.
        """
        record = self.store.find(invoice)
        last = record.reviews[-1].decision if record.reviews else ""
        if record.status is InvoiceStatus.VALIDATING and last == Decision.NOT_DUPLICATE:
            # The decision was saved, but the execution may not have been started.
            return self._start_again(record)
        _knows_all(record, seen, "decision")
        if record.status is not InvoiceStatus.DUPLICATE:
            raise RejectedInput(
                f"{record.id} is {record.status}, and not a duplicate",
                code="not_a_duplicate",
                value=record.status.value,
                remedy="Approve an invoice that only resembles another one",
            )
        if not reason.strip():
            raise RejectedInput(
                "the decision that an invoice is not a duplicate needs a reason",
                code="no_reason",
                field="reason",
                remedy="Give the reason",
            )
        self._has_no_other_part(record, reviewer)
        now = self.clock()
        other = record.duplicate_of
        review = Review(
            reviewer=reviewer,
            at=now,
            decision=Decision.NOT_DUPLICATE.value,
            reason=reason.strip(),
            before={"duplicate_of": other},
            after={"duplicate_of": ""},
            proven=self._proves(reviewer),
        )
        reviews = (*record.reviews, review)
        return self._start_again(
            self.store.save(
                replace(
                    record,
                    status=InvoiceStatus.VALIDATING,
                    duplicate_of="",
                    distinct_from=(*record.distinct_from, other),
                    execution=f"{record.id}-review-{len(reviews)}",
                    issues=tuple(one for one in record.issues if one.code != "duplicate"),
                    reviews=reviews,
                    task_token="",
                    updated_at=now,
                )
            )
        )

    def _start_again(self, record: InvoiceRecord) -> InvoiceRecord:
        self.workflow.start(record.execution, {"invoice_id": record.id, "kind": "INVOICE"})
        return record

    def _may_decide(
        self, record: InvoiceRecord, reviewer: str, *, approve: bool, reject: bool, reason: str
    ) -> None:
        if approve and reject:
            raise RejectedInput(
                "an invoice cannot be approved and rejected at once", code="contradiction"
            )
        asked = intended(approve=approve, reject=reject)
        if record.status is not InvoiceStatus.NEEDS_REVIEW:
            if record.reviews:
                raise already_decided(record, asked, code="not_in_review")
            raise RejectedInput(
                f"{record.id} is {record.status}, so it is not waiting for review",
                code="not_in_review",
                value=record.status.value,
            )
        if record.decision:
            raise already_decided(record, asked)
        if reject and not reason.strip():
            raise RejectedInput(
                "a rejection needs a reason",
                code="no_reason",
                field="reason",
                remedy="Give the reason",
            )
        if approve:
            self._has_no_other_part(record, reviewer)

    def obstacle(self, record: InvoiceRecord, reviewer: str) -> str:
        """Why this person may not approve an invoice that waits; empty if they may."""
        try:
            self._has_no_other_part(record, reviewer)
        except RejectedInput as error:
            return error.explanation
        return ""

    def _has_no_other_part(self, record: InvoiceRecord, reviewer: str) -> None:
        if not self.separation_of_duties:
            return
        if part := part_in(record, reviewer):
            raise RejectedInput(
                f"{name_of(reviewer)} {part} {record.id}, so somebody else must approve it",
                code="own_invoice",
            )
        self._has_a_name(record, reviewer)

    def _has_a_name(self, record: InvoiceRecord, reviewer: str) -> None:
        """Refuse who may be another person under each name."""
        if self.separation_of_duties and chose_own_name(reviewer, self.personal_session_roles):
            raise RejectedInput(
                f"{reviewer} may be a name that its user chose, so nobody knows who else may have "
                f"submitted or corrected {record.id}",
                code="unproven_session",
                value=reviewer,
                remedy="Decide in the console or with another identity, or, once the role's trust "
                "policy prescribes sts:RoleSessionName, name the role in"
                " review.personal_session_roles",
            )

    def _proves(self, reviewer: str) -> bool:
        """Whether it is certain who this is: AWS tells a session by the name that it was given."""
        return self.proven and not chose_own_name(reviewer, self.personal_session_roles)

    def _corrected(self, record: InvoiceRecord, corrections: Mapping[str, str]) -> InvoiceRecord:
        if record.invoice is None:
            raise RejectedInput(f"{record.id} has not been read", code="not_read")
        currency = record.invoice.text("currency")
        values = {name: canonical(name, text, currency) for name, text in corrections.items()}
        return replace(record, invoice=record.invoice.corrected(values))

    def _save(
        self,
        record: InvoiceRecord,
        changed: InvoiceRecord,
        reviewer: str,
        decision: Decision,
        reason: str,
    ) -> InvoiceRecord:
        now = self.clock()
        before, after = _differences(record, changed)
        review = Review(
            reviewer=reviewer,
            at=now,
            decision=decision.value,
            reason=reason.strip(),
            before=before,
            after=after,
            proven=self._proves(reviewer),
        )
        accepted = record.accepted_matches
        if decision is Decision.APPROVED and record.duplicate_of:
            # Whoever approves it has seen which invoice it resembles.
            accepted = (*accepted, record.duplicate_of)
            settled = [one for one in record.issues if one.code == "near_match"]
            review = replace(review, settled=tuple(f"{one.code}: {one.message}" for one in settled))
        changed = replace(
            changed,
            accepted_matches=accepted,
            decision=decision.value,
            approved=decision is Decision.APPROVED,
            reviews=(*record.reviews, review),
            updated_at=now,
        )
        if decision is Decision.REJECTED:
            issue = Issue(
                code="rejected_by_reviewer",
                severity=Severity.ERROR,
                message=f"{name_of(reviewer)} rejected the invoice: {reason.strip()}",
            )
            changed = replace(
                changed,
                status=InvoiceStatus.VALIDATION_FAILED,
                issues=(*changed.issues, issue),
            )
        return self.store.save(changed)

    def _tell(self, record: InvoiceRecord) -> InvoiceRecord:
        # If the workflow is not waiting, it is about to ask again, and finds the decision.
        if record.task_token:
            self.workflow.resume(record.task_token, {"outcome": record.decision})
        return record


def _differences(
    before: InvoiceRecord, after: InvoiceRecord
) -> tuple[dict[str, str], dict[str, str]]:
    if before.invoice is None or after.invoice is None:
        return {}, {}
    old, new = (
        {"kind": one.kind.value, **{name: one.text(name) for name in one.readings}}
        for one in (before.invoice, after.invoice)
    )
    changed = [name for name in sorted({*old, *new}) if old.get(name, "") != new.get(name, "")]
    return (
        {name: old.get(name, "") for name in changed},
        {name: new.get(name, "") for name in changed},
    )


def _knows_all(record: InvoiceRecord, seen: int | None, asked: str) -> None:
    """Refuse a decision about what the reviewer has not seen, and one that is sent again."""
    if seen in {None, len(record.reviews)}:
        return
    if record.reviews:
        raise already_decided(record, asked)
    raise RejectedInput(
        f"{record.id} has no reviews, of which the decision knows {seen}",
        code="decided_already",
        remedy="View it again",
    )


def _can_be_approved(record: InvoiceRecord) -> None:
    """Refuse to approve another kind of document, or one that lacks required fields."""
    if record.invoice is None:
        return
    if not record.invoice.kind.is_processed:
        raise RejectedInput(
            f"{record.id} is a {record.invoice.kind.words}, which is not processed",
            code="not_an_invoice",
            field="kind",
            remedy="Reject it, or correct its kind as well: --set kind=INVOICE",
        )
    if lacking := missing(record.invoice):
        raise RejectedInput(
            f"{record.id} cannot be approved without {', '.join(lacking)}",
            code="still_missing",
            field=lacking[0],
            remedy="Enter the missing values as well",
        )


def _reminders(count: int) -> str:
    return "1 reminder" if count == 1 else f"{count} reminders"
