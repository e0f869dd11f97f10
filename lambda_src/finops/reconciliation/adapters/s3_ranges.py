"""Objects of S3 as files of DuckDB, which reads the parts of them that a query needs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError
from fsspec import AbstractFileSystem

from finops.reconciliation.adapters.export_files import StoredObject
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, TransientFailure

#: Of a content that breaks off; requests that fail are tried again by botocore.
_TRIES: Final = 5
#: The object is another one than was listed, or gone:
#: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
_CHANGED: Final = frozenset({"PreconditionFailed", "NoSuchKey"})


class S3Ranges(AbstractFileSystem):  # type: ignore[misc]
    """DuckDB's file system of the objects of an export.

    Of a Parquet file DuckDB asks for the footer and the columns of a query, of others for one part
    after another: https://duckdb.org/docs/stable/guides/python/filesystems

    Args:
        s3: The client.
        objects: By their URIs.
    """

    protocol = ("s3",)
    cachable = False

    def __init__(self, s3: Any, objects: Mapping[str, StoredObject]) -> None:
        super().__init__()
        self._s3 = s3
        self._objects = objects
        self._failure: FinOpsError | None = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def glob(self, path: str, **_: Any) -> list[str]:
        """The object of this very name: keys may hold what looks like a pattern."""
        return [path] if path in self._objects else []

    def exists(self, path: str, **_: Any) -> bool:
        """Whether it is an object of the export."""
        return path in self._objects

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Its size, without a request."""
        return {"name": path, "size": self._objects[path].size, "type": "file"}

    def modified(self, path: str) -> datetime:
        """When it was written."""
        return self._objects[path].written

    def open(self, path: str, mode: str = "rb", **_: Any) -> _Reader:
        """For reading only."""
        del mode
        return _Reader(self, self._objects[path])

    def taken_failure(self) -> FinOpsError | None:
        """What S3 refused since it was last asked for; DuckDB tells it as text only."""
        # Kept, it would hold the connection, which holds this, and no garbage collector sees it.
        failure, self._failure = self._failure, None
        return failure

    def content(self, stored: StoredObject, first: int, count: int) -> bytes:
        """Bytes of an object.

        Raises:
            FinOpsError: as S3 answered.
        """
        try:
            with aws_errors("read_export"):
                return self._range(stored, first, count)
        except FinOpsError as error:
            self._failure = _changed(stored) if error.code in _CHANGED else error
            raise

    def _range(self, stored: StoredObject, first: int, count: int) -> bytes:
        for left in reversed(range(_TRIES)):
            answer = self._s3.get_object(
                Bucket=stored.bucket,
                Key=stored.key,
                Range=f"bytes={first}-{first + count - 1}",
                IfMatch=stored.etag,
            )
            try:
                body: bytes = answer["Body"].read()
            except BotoCoreError:
                if not left:
                    raise
            else:
                return body
        raise AssertionError


class _Reader:
    """An open object."""

    def __init__(self, ranges: S3Ranges, stored: StoredObject) -> None:
        self._ranges = ranges
        self._stored = stored
        self._at = 0

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    def read(self, count: int) -> bytes:
        count = min(count, self._stored.size - self._at)
        if count <= 0:
            return b""
        content = self._ranges.content(self._stored, self._at, count)
        self._at += len(content)
        return content

    def close(self) -> None:
        """Nothing is held open."""


def _changed(stored: StoredObject) -> TransientFailure:
    return TransientFailure(
        f"{stored.uri} was delivered anew while it was read",
        code="export_changed",
        step="read_export",
        remedy="Run again",
    )
