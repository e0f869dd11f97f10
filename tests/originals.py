"""Originals in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from finops.shared.errors import ConfigurationError
from finops.shared.retention import Original


@dataclass
class FakeOriginals:
    """`Originals` that says which versions were locked, and from when they are kept."""

    kept: dict[str, datetime] = field(default_factory=dict)
    may_lock: bool = True

    def keep(self, original: Original, received: datetime) -> None:
        if not self.may_lock:
            raise ConfigurationError("not allowed", code="AccessDenied", step="lock_original")
        self.kept[original.version_id] = received
