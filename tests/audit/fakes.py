"""The audit ports in memory, as S3 and KMS behave."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from finops.audit.ports import StoredObject
from finops.shared.audit import AuditEvent
from finops.shared.errors import FinOpsError

NOW = datetime(2026, 3, 5, 8, 15, 30, 123456, tzinfo=UTC)


class FakeStore:
    """A versioned bucket: each key has its versions, the oldest first; None is a delete marker."""

    def __init__(self) -> None:
        self.versions: dict[str, list[bytes | None]] = {}
        self.reads = 0
        #: Raised by the next writes, in turn; None lets one through.
        self.failures: list[FinOpsError | None] = []
        #: The next write takes place, and its answer is lost.
        self.lose_answer = False
        self._lock = threading.Lock()

    def create(self, key: str, body: bytes) -> bool:
        with self._lock:
            if self.failures and (failure := self.failures.pop(0)):
                raise failure
            versions = self.versions.setdefault(key, [])
            if versions and versions[-1] is not None:
                return False
            versions.append(body)
            if self.lose_answer:
                # botocore asks again, and finds its own object there.
                self.lose_answer = False
                return False
            return True

    def objects(self, prefix: str, *, page_size: int = 1000) -> Iterator[StoredObject]:
        with self._lock:
            found = sorted(key for key in self.versions if key.startswith(prefix))
        for key in found:
            bodies = [one for one in self.versions[key] if one is not None]
            yield StoredObject(
                key=key,
                version_id="1" if bodies else "",
                versions=len(bodies),
                deleted=None in self.versions[key],
            )

    def read(self, found: StoredObject) -> bytes:
        with self._lock:
            self.reads += 1
            return next((one for one in self.versions[found.key] if one is not None), b"")

    def folders(self, prefix: str) -> list[str]:
        keys = (key.removeprefix(prefix) for key in self.versions if key.startswith(prefix))
        return sorted({key.split("/")[0] for key in keys if "/" in key})

    @property
    def bodies(self) -> dict[str, bytes]:
        """The first versions, without claims."""
        return {
            key: next(one for one in versions if one is not None)
            for key, versions in sorted(self.versions.items())
            if not key.startswith("ids/")
        }


class FakeSigner:
    """A key that whoever has it can sign with."""

    def __init__(self, secret: str = "secret") -> None:
        self._secret = secret

    @property
    def key(self) -> str:
        return "arn:aws:kms:us-east-1:111111111111:key/heads"

    def sign(self, message: bytes) -> str:
        return hashlib.sha256(self._secret.encode() + message).hexdigest()

    def verify(self, message: bytes, signature: str) -> bool:
        return signature == self.sign(message)


class Clock:
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def event(number: int, stream: str = "billing", **facts: Any) -> AuditEvent:
    return AuditEvent(
        **{
            "stream": stream,
            "action": "billing_file.loaded",
            "actor": "arn:aws:iam::111111111111:role/loader",
            "subject": f"load/{number}",
            "version": "1",
            "occurred_at": NOW,
            "counts": {"rows_read": number},
            "correlation_id": "c",
            **facts,
        }
    )


def message(number: int, stream: str = "billing", **facts: Any) -> dict[str, Any]:
    return event(number, stream, **facts).document("code")
