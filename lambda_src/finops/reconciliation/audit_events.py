"""What the reconciliation flow tells the audit trail."""

from __future__ import annotations

from datetime import datetime

from finops.reconciliation.ports import Stored
from finops.reconciliation.report import Report
from finops.shared.audit import AuditEvent, digest


def reconciled_event(
    report: Report,
    stored: Stored,
    now: datetime,
    *,
    actor: str,
    said_to_be: str = "",
    correlation_id: str = "",
) -> AuditEvent:
    """A month was closed by its first revision, else reconciled.

    `said_to_be` is who asked for it, as the caller of the function wrote.
    """
    document = digest(stored.document)
    return AuditEvent(
        stream="reconciliation",
        action="month.closed" if report.revision == 1 else "month.reconciled",
        actor=actor,
        subject=report.month,
        version=f"{report.revision}/{document}",
        occurred_at=now,
        output_sha256=document,
        counts={
            "units": len(report.units),
            "unmapped_accounts": len(report.unmapped),
            "anomalies": len(report.anomalies),
            "invoices": len(report.invoices),
            "changes": len(report.changes),
        },
        correlation_id=correlation_id,
        details={
            "source": report.source,
            "revision": report.revision,
            "actual": report.totals.actual,
            "budget": report.totals.budget,
            "currency": report.currency,
            "reports": dict(stored.locations),
            **({"said_to_be": said_to_be} if said_to_be else {}),
        },
    )
