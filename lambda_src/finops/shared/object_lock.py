"""Originals that S3 Object Lock keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError
from finops.shared.retention import LockMode, Original, Retention, RetentionPeriod

_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_STEP: Final = "lock_original"


class LockedOriginals:
    """`Originals` in buckets with Object Lock; without a period it does nothing.

    Each original is locked by itself. A default of the bucket would lock what flows write beside
    originals, too, and S3 would refuse uploads without a checksum, such as those of HTML forms
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html).
    """

    def __init__(self, s3: Any, period: RetentionPeriod | None) -> None:
        self._s3 = s3
        self._period = period

    def keep(self, original: Original, received: datetime) -> None:
        """Lock it, as `Originals` says."""
        if self._period is None:
            return
        where = {"Bucket": original.bucket, "Key": original.key, "VersionId": original.version_id}
        wanted = self._period.of(received)
        try:
            self._lock(where, wanted)
        except ConfigurationError as refused:
            if refused.code in _GONE:
                return
            # S3 answers AccessDenied for a shorter lock, too.
            held = self._held(where) if refused.code == "AccessDenied" else None
            if held is None:
                raise
            if held.joined(wanted) != held:
                self._lock(where, held.joined(wanted))

    def _lock(self, where: Mapping[str, str], retention: Retention) -> None:
        with aws_errors(_STEP, remedy="Apply again"):
            self._s3.put_object_retention(
                **where,
                Retention={"Mode": retention.mode.value, "RetainUntilDate": retention.until},
            )

    def _held(self, where: Mapping[str, str]) -> Retention | None:
        try:
            with aws_errors(_STEP):
                found = self._s3.get_object_retention(**where)["Retention"]
        except ConfigurationError:
            return None
        return Retention(mode=LockMode(found["Mode"]), until=found["RetainUntilDate"])


def locked_originals(variables: Mapping[str, str], s3: Any) -> LockedOriginals:
    """Originals as a function's environment says: `ORIGINALS_LOCK_MODE`, `ORIGINALS_LOCK_YEARS`."""
    years = variables.get("ORIGINALS_LOCK_YEARS")
    if not years:
        return LockedOriginals(s3, None)
    mode = LockMode(variables["ORIGINALS_LOCK_MODE"])
    return LockedOriginals(s3, RetentionPeriod(mode=mode, years=int(years)))
