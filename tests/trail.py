"""What the audit trail takes for one thing."""

from __future__ import annotations

from finops.audit.domain import facts_digest
from finops.shared.audit import AuditEvent


def stated(event: AuditEvent) -> tuple[str, str]:
    """Events that agree in this are replays, of which the trail holds one."""
    return event.entry_id, facts_digest(event.document("any version"))
