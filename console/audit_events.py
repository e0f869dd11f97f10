"""What the console tells the audit trail."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from console.identity import User
from finops.shared.audit import AuditEvent


def console_event(
    user: User,
    action: str,
    subject: str,
    version: str,
    details: Mapping[str, Any],
    now: datetime,
) -> AuditEvent:
    """A person did something in the console, with the role that they had.

    Args:
        user: Who did it.
        action: What was done, such as `budget.edited`.
        subject: The id of what was changed.
        version: Identifies this change of the subject; a random one if empty.
        details: Further facts, small enough for an audit entry.
        now: UTC.
    """
    return AuditEvent(
        stream="console",
        action=action,
        actor=user.identity,
        subject=subject,
        version=version or uuid.uuid4().hex,
        occurred_at=now,
        details={"role": user.role.value, **details},
    )
