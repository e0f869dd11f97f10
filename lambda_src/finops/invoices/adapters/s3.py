"""The bucket of documents and of what engines read in them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from finops.invoices.domain import SourceDocument
from finops.shared.audit import digest
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput


class S3Documents:
    """`Objects` in one bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def open(self, document: SourceDocument) -> BinaryIO:
        file = _RangeFile(self._s3, _where(document), document.size)
        return io.BufferedReader(file, buffer_size=1 << 18)

    def owner(self, document: SourceDocument) -> str:
        with _or_gone(_where(document)):
            answer = self._s3.head_object(**_where(document))
        return str(answer.get("Metadata", {}).get("submitted-by", ""))

    def write_json(self, key: str, content: Mapping[str, Any]) -> str:
        text = json.dumps(content, separators=(",", ":"))
        self.write_text(key, text)
        return digest(text)

    def read_json(self, key: str) -> dict[str, Any] | None:
        text = self.read_text(key)
        return None if text is None else dict(json.loads(text))

    def write_text(self, key: str, text: str) -> None:
        """Write a text that this flow keeps."""
        with aws_errors("write_object"):
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=text.encode(), ContentType="application/json"
            )

    def read_text(self, key: str) -> str | None:
        """A text that this flow keeps; None if there is no such object."""
        try:
            with aws_errors("read_object"):
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
                return str(body.read(), "utf-8")
        except FinOpsError as error:
            if error.code == "NoSuchKey":
                return None
            raise


class _RangeFile(io.RawIOBase):
    """One version of an object as a seekable file, which downloads only what is read."""

    def __init__(self, s3: Any, where: Mapping[str, str], size: int) -> None:
        self._s3 = s3
        self._where = where
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        with _or_gone(self._where):
            found = self._s3.get_object(
                **self._where, Range=f"bytes={self._at}-{self._at + wanted - 1}"
            )["Body"].read()
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def _where(document: SourceDocument) -> dict[str, str]:
    where = {"Bucket": document.bucket, "Key": document.key}
    return where | ({"VersionId": document.version_id} if document.version_id else {})


@contextmanager
def _or_gone(where: Mapping[str, str]) -> Iterator[None]:
    """Refuse the document if the object, or this version of it, does not exist.

    S3 says so only to who may list the bucket:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    try:
        with aws_errors("read_object"):
            yield
    except FinOpsError as error:
        # HeadObject has no body, and so no code but the status.
        if error.code not in {"NoSuchKey", "NoSuchVersion", "404"}:
            raise
        raise RejectedInput(
            f"s3://{where['Bucket']}/{where['Key']}, or this version of it, no longer exists",
            code="object_is_gone",
            step="read_object",
            remedy="Drop the file again",
        ) from error
