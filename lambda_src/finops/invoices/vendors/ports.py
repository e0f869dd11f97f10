"""What the vendor master needs from its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from finops.invoices.vendors.vendor import Vendor


class VendorStore(Protocol):
    """The table of vendors.

    Any call can raise `TransientFailure` or `ConfigurationError`.
    """

    def find(self, vendor_id: str) -> Vendor | None:
        """The vendor with this id."""

    def having(self, keys: Sequence[str]) -> dict[str, list[Vendor]]:
        """The vendors that have each of these keys (see `Vendor.keys`), as they are now."""

    def save(self, vendor: Vendor, before: Vendor | None) -> None:
        """Write a vendor and its keys, all or nothing.

        Args:
            vendor: Its next revision.
            before: As it was read; None if it is new.

        Raises:
            TransientFailure: it has changed since, or exists; with code `changed_meanwhile`.
        """

    def remove(self, vendor: Vendor) -> None:
        """Remove a vendor and its keys, all or nothing.

        Raises:
            TransientFailure: it has changed since; with code `changed_meanwhile`.
        """

    def all(self) -> Iterator[Vendor]:
        """All vendors, by id."""
