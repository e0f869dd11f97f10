"""How long the law asks for originals of invoices, bills and rates, and who keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol


class LockMode(StrEnum):
    """Who may delete an original before its time.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html#object-lock-retention-modes
    """

    GOVERNANCE = "GOVERNANCE"
    """Whoever has `s3:BypassGovernanceRetention`."""
    COMPLIANCE = "COMPLIANCE"
    """Nobody, not even the account's root user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The lock of one version of an object, until a time in UTC."""

    mode: LockMode
    until: datetime

    def joined(self, other: Retention) -> Retention:
        """The stricter mode of both, until the later time of both."""
        modes = {self.mode, other.mode}
        mode = LockMode.COMPLIANCE if LockMode.COMPLIANCE in modes else LockMode.GOVERNANCE
        return Retention(mode=mode, until=max(self.until, other.until))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPeriod:
    """A number of whole calendar years, after the one in which an original was received.

    Laws on books count from the end of a year, such as § 147 (4) of Germany's Abgabenordnung
    (https://www.gesetze-im-internet.de/ao_1977/__147.html). All originals of a year then have the
    same lock, and an event that is delivered again changes none.
    """

    mode: LockMode
    years: int

    def of(self, received: datetime) -> Retention:
        """The lock of an original that was received at this time."""
        end = datetime(received.astimezone(UTC).year + self.years + 1, 1, 1, tzinfo=UTC)
        return Retention(mode=self.mode, until=end)


class Original(Protocol):
    """One version of an object in S3."""

    @property
    def bucket(self) -> str:
        """Its bucket."""

    @property
    def key(self) -> str:
        """Its key."""

    @property
    def version_id(self) -> str:
        """Its version."""


class Originals(Protocol):
    """Keeps originals as long as the deployment's settings ask for."""

    def keep(self, original: Original, received: datetime) -> None:
        """Lock an original, unless it is gone. A lock that is there stays, or gets longer.

        Args:
            original: The version that a record names.
            received: When the record was made.

        Raises:
            ConfigurationError: It may not be locked, or its bucket has no Object Lock.
            TransientFailure: S3 could not be reached.
        """
