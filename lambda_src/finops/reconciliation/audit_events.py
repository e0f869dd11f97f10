"""What the reconciliation flow tells the audit trail."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath

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

    Another person's run of the same month, or one into another place, is an action of its own,
    though its amounts are the same. Of files on a person's machine the trail names no folder.

    `said_to_be` is who asked for it, as the caller of the function wrote.
    """
    document = digest(stored.document)
    reports = {
        form: place if "://" in place else PurePath(place).name
        for form, place in stored.locations.items()
    }
    run = digest({"actor": actor, "said_to_be": said_to_be, "reports": reports})
    return AuditEvent(
        stream="reconciliation",
        action="month.closed" if report.revision == 1 else "month.reconciled",
        actor=actor,
        subject=report.month,
        version=f"{report.revision}/{document}/{run}",
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
            "reports": reports,
            **({"said_to_be": said_to_be} if said_to_be else {}),
        },
    )
