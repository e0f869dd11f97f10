"""The audit events of the vendor master.

Vendors can be people, and entries are locked for years: what identifies a vendor is stated as a
digest, which the salt of its record makes provable (see `personal_digest`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from finops.invoices.vendors.vendor import SINGLE, Change, FactChange, FactKind, Vendor
from finops.shared.audit import AuditEvent, personal_digest, rfc3339

STREAM: Final = "invoices"


def changed_event(vendor: Vendor, change: Change) -> AuditEvent:
    """A vendor was added or changed; the same event for each replay."""
    return AuditEvent(
        stream=STREAM,
        action="vendor.added" if change.revision == 1 else "vendor.changed",
        actor=change.actor,
        subject=_subject(vendor),
        version=f"{change.revision}",
        occurred_at=change.at,
        details={
            "why": change.why,
            "actor_proven": "yes" if change.proven else "no",
            "before": {_stated(vendor, one): one.before for one in change.facts if one.before},
            "after": {_stated(vendor, one): one.after for one in change.facts if one.after},
        },
    )


def removed_event(vendor: Vendor, actor: str, now: datetime, *, proven: bool) -> AuditEvent:
    """A vendor was removed, with its salt: its digests then prove nothing."""
    return AuditEvent(
        stream=STREAM,
        action="vendor.removed",
        actor=actor,
        subject=_subject(vendor),
        version=rfc3339(now),
        occurred_at=now,
        details={"actor_proven": "yes" if proven else "no"},
    )


def _subject(vendor: Vendor) -> str:
    return f"vendor {personal_digest(vendor.audit_salt, 'vendor', vendor.id)}"


def _stated(vendor: Vendor, one: FactChange) -> str:
    """The kind of a fact and its value: a digest, unless it identifies nobody."""
    plain = one.kind in SINGLE or one.kind == FactKind.NUMBER_FORM
    value = one.value if plain else personal_digest(vendor.audit_salt, one.kind, one.value)
    return f"{one.kind} {value}"
