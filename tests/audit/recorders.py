"""The audit trail in memory, for tests of the flows."""

from __future__ import annotations

from finops.shared.audit import AuditEvent


class MemoryRecorder:
    """`AuditRecorder` that keeps events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, *events: AuditEvent) -> None:
        self.events.extend(events)
