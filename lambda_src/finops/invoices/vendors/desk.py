"""Where people change vendors by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from finops.invoices.vendors.audit_events import changed_event, removed_event
from finops.invoices.vendors.editing import Entered, added, revoked, with_facts
from finops.invoices.vendors.ports import VendorStore
from finops.invoices.vendors.vendor import FactKind, Vendor, vendor_id
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError, RejectedInput


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorDesk:
    """Adds and changes vendors in a person's name, and tells the audit trail.

    Attributes:
        new_salt: A random text for the digests of a vendor's data.
        proven: Whether it is certain who these people are.
    """

    store: VendorStore
    audit: AuditRecorder
    clock: Callable[[], datetime]
    new_salt: Callable[[], str]
    proven: bool = False

    def find(self, name: str) -> Vendor:
        """The vendor with this id or name.

        Raises:
            RejectedInput: there is none.
        """
        found = self.store.find(name) or self.store.find(vendor_id(name))
        if found is None:
            raise RejectedInput(
                f"vendor {name!r} does not exist",
                code="unknown_vendor",
                value=name,
                remedy="List the vendors: finops vendors list",
            )
        return found

    def add(self, name: str, entered: Entered, *, by: str) -> Vendor:
        """A new vendor.

        Raises:
            RejectedInput: a fact is not one, or there is a vendor of this name.
        """
        vendor = added(name, entered, by=by, now=self.clock(), salt=self.new_salt())
        if self.store.find(vendor.id):
            raise _known_already(vendor)
        try:
            return self._save(vendor, None, by=by, why="entered")
        except FinOpsError as error:
            if error.code == "changed_meanwhile":
                raise _known_already(vendor) from error
            raise

    def change(self, vendor: Vendor, entered: Entered, *, by: str, name: str = "") -> Vendor:
        """Enter facts of a vendor, or another name.

        Raises:
            RejectedInput: a fact is not one, or may not be entered by hand.
            TransientFailure: the vendor has changed since it was read.
        """
        changed = with_facts(vendor, entered, by=by, now=self.clock(), name=name)
        return self._save(changed, vendor, by=by, why="entered")

    def revoke(
        self, vendor: Vendor, kind: FactKind, value: str, *, by: str, undo: bool = False
    ) -> Vendor:
        """Revoke a fact, or take that back.

        Raises:
            RejectedInput: there is no such fact, or it is not in that state.
            TransientFailure: the vendor has changed since it was read.
        """
        changed = revoked(vendor, kind, value, by=by, now=self.clock(), undo=undo)
        return self._save(changed, vendor, by=by, why="restored" if undo else "revoked")

    def remove(self, vendor: Vendor, *, by: str) -> None:
        """Remove a vendor with all that is known of it.

        Raises:
            TransientFailure: the vendor has changed since it was read.
        """
        self.store.remove(vendor)
        self.audit.record(removed_event(vendor, by, self.clock(), proven=self.proven))

    def _save(self, changed: Vendor, before: Vendor | None, *, by: str, why: str) -> Vendor:
        changed = changed.told(before, actor=by, why=why, proven=self.proven)
        if changed is not before:
            self.store.save(changed, before)
            self.audit.record(changed_event(changed, changed.history[-1]))
        return changed


def _known_already(vendor: Vendor) -> RejectedInput:
    return RejectedInput(
        f"there is a vendor {vendor.name!r} already",
        code="known_vendor",
        field="name",
        value=vendor.name,
        remedy=f"Change it: finops vendors set {vendor.id}",
    )
