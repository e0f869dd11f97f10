"""Reconciling a month: collect, compare, store and announce."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

from finops.reconciliation.audit_events import reconciled_event
from finops.reconciliation.aws_budgets import AwsBudget, budgets_in, with_kept
from finops.reconciliation.collection import EvidenceCollector
from finops.reconciliation.comparison.report import compare
from finops.reconciliation.domain import UnitBudget
from finops.reconciliation.ports import ReportStore, RevisionTaken, Stored
from finops.reconciliation.report import Report, as_document
from finops.reconciliation.revisions import closed_budgets, differences
from finops.shared.audit import AuditRecorder, NoAudit
from finops.shared.errors import ConfigurationError, RejectedInput
from finops.shared.periods import Month

#: Runs that may close the same month at once before one gives up.
_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a run.

    Attributes:
        is_new: Whether a report was written: a closed month with unchanged amounts is left alone.
    """

    report: Report
    stored: Stored
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """The use case.

    Attributes:
        evidence: Collects what is compared.
        render: A report in one format.
        render_pages: What stands beside its HTML, by name.
        formats: Which files are written.
        actor: Who did it, for the audit trail.
        said_to_be: Who asked for it, as the caller wrote.
    """

    evidence: EvidenceCollector
    store: ReportStore
    render: Callable[[Report, str], bytes]
    formats: Sequence[str]
    render_pages: Callable[[Report], Mapping[str, bytes]] = lambda _report: {}
    audit: AuditRecorder = field(default_factory=NoAudit)
    actor: str = "schedule"
    said_to_be: str = ""
    correlation_id: str = ""

    def run(
        self, month: Month, *, now: datetime, close: bool = False, allow_empty: bool = False
    ) -> Outcome:
        """Reconcile a month and store the report.

        A month that is not closed has one report, which each run replaces. Closing makes it
        revision 1. After that, changed amounts make a new revision, which lists the changes;
        without changes nothing is written. Its budgets stay those that it was closed with.

        Args:
            month: Which.
            now: UTC.
            close: Whether to close the month, if it is open.
            allow_empty: Whether a month that is over may be without any charge.

        Raises:
            RejectedInput: the month has not begun, has no charge or no rate for a currency, or is
                closed too early.
        """
        today = now.date()
        if month.first > today:
            raise RejectedInput(
                f"{month} has not started yet", code="invalid_month", value=str(month)
            )
        if close and month.end > today:
            raise RejectedInput(
                f"{month} is not over until {month.end}",
                code="closed_too_early",
                remedy="Reconcile the month without closing it",
            )
        known = self._closed_budgets(month)
        report = self._report(month, today, known, close=close, allow_empty=allow_empty)
        for _ in range(_TRIES):
            newest = self.store.newest(str(month))
            found = closed_budgets(newest.document) if newest else None
            if found != known:  # Another run has closed the month meanwhile.
                known = found
                report = self._report(month, today, known, close=close, allow_empty=allow_empty)
            if newest is None and not close:
                return self._written(report, now)
            revision = self._revision(report, newest)
            if newest and not revision.changes:
                report = replace(revision, revision=newest.revision, changes=())
                return Outcome(report=report, stored=newest, is_new=False)
            try:
                return self._written(revision, now)
            except RevisionTaken:
                continue
        raise ConfigurationError(
            f"other runs kept writing revisions of {month} at the same time",
            code="contended",
            step="write_report",
        )

    def _closed_budgets(self, month: Month) -> Mapping[str, UnitBudget] | None:
        newest = self.store.newest(str(month))
        return closed_budgets(newest.document) if newest else None

    def _report(
        self,
        month: Month,
        today: date,
        budgets: Mapping[str, UnitBudget] | None,
        *,
        close: bool,
        allow_empty: bool,
    ) -> Report:
        """The report; closed months are compared with the budgets that they were closed with."""
        evidence = self.evidence.collect(
            month,
            today,
            closed=close or budgets is not None,
            allow_empty=allow_empty,
            closed_budgets=lambda one: budgets if one == month else self._closed_budgets(one),
        )
        report = compare(evidence)
        # A source's notes are whole only after the comparison, which asks it for more.
        notes = (*report.notes, *self.evidence.source.notes)
        report = replace(report, notes=tuple(dict.fromkeys(notes)))
        if today < month.end:
            return report
        kept = self._kept_budgets(str(month))
        return replace(report, aws_budgets=with_kept(report.aws_budgets, kept))

    def _kept_budgets(self, month: str) -> tuple[AwsBudget, ...]:
        """What runs in the month have read of AWS Budgets, which tells of later ones by now."""
        newest = self.store.newest(month)
        document = newest.document if newest else self.store.provisional(month)
        return budgets_in(document) if document else ()

    def _revision(self, report: Report, newest: Stored | None) -> Report:
        """The report as the next revision of its month, with what it changes."""
        if newest is None:
            return replace(report, revision=1)
        changes = differences(newest.document, as_document(report))
        return replace(report, revision=newest.revision + 1, changes=changes)

    def _written(self, report: Report, now: datetime) -> Outcome:
        files = {name: self.render(report, name) for name in self.formats}
        pages = self.render_pages(report) if "html" in files else {}
        stored = self.store.write(report, files, pages)
        self.audit.record(
            reconciled_event(
                report,
                stored,
                now,
                actor=self.actor,
                said_to_be=self.said_to_be,
                correlation_id=self.correlation_id,
            )
        )
        return Outcome(report=report, stored=stored, is_new=True)
