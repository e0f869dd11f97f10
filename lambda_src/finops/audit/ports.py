"""What the audit use cases need from the outside, as Protocols that adapters and fakes fill.

Any call may raise `TransientFailure` (try again later) or `ConfigurationError` (somebody must fix
the deployment).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object of the bucket.

    Attributes:
        version_id: Of the first version, which is the one that counts; empty if all versions were
            removed and only a delete marker is left.
        versions: How many versions there are.
        deleted: Whether a delete marker was ever set.
    """

    key: str
    version_id: str
    versions: int
    deleted: bool


class TrailStore(Protocol):
    """The bucket."""

    def create(self, key: str, body: bytes) -> bool:
        """Write an object, if there is none under this key. Returns whether it was written."""

    def objects(self, prefix: str, *, page_size: int = 1000) -> Iterator[StoredObject]:
        """Objects under this prefix, also deleted ones, by key; listed page by page."""

    def read(self, found: StoredObject) -> bytes:
        """The first version of an object."""

    def folders(self, prefix: str) -> list[str]:
        """The names between this prefix and the next slash."""


class Signer(Protocol):
    """A key that signs heads."""

    @property
    def key(self) -> str:
        """The key's name, which heads record."""

    def sign(self, message: bytes) -> str:
        """Sign a message; the signature as text."""

    def verify(self, message: bytes, signature: str) -> bool:
        """Whether the key has signed the message."""
