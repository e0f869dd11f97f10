"""Files in S3."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Final

from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from finops.billing.domain import SourceObject
from finops.shared.aws import aws_errors
from finops.shared.errors import (
    ConfigurationError,
    FinOpsError,
    RejectedInput,
    TransientFailure,
)

#: S3's smallest part is 5 MiB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_PART: Final = 8 << 20
#: Another writer's object is there, or is just being written.
_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404"})


class S3Objects:
    """`Objects` in one bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def open(self, source: SourceObject, start: int = 0, end: int | None = None) -> BinaryIO:
        request = _where(source)
        if start or end is not None:
            request["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            with aws_errors("read_object"):
                answer = self._s3.get_object(**request)
            if "Range" in request and "ContentRange" not in answer:
                raise ConfigurationError(
                    f"S3 returned all of {source.uri} instead of {request['Range']}",
                    code="range_ignored",
                    step="read_object",
                )
            return _Body(answer["Body"])  # type: ignore[return-value]
        except Exception as error:
            said = error.__cause__
            if isinstance(said, ClientError) and said.response["Error"]["Code"] in _GONE:
                raise RejectedInput(
                    f"{source.uri}, or this version of it, no longer exists",
                    code="object_is_gone",
                    step="read_object",
                    remedy="Drop the file again",
                ) from error
            raise

    def metadata(self, source: SourceObject) -> Mapping[str, str]:
        try:
            with aws_errors("read_object"):
                answer = self._s3.head_object(**_where(source))
        except ConfigurationError:
            # Gone, or not allowed: opening it says so, and the ledger then has the reason.
            return {}
        return dict(answer.get("Metadata", {}))

    def write(self, key: str, pieces: Iterable[bytes]) -> None:
        upload = Upload(self._s3, self._bucket, key)
        try:
            for piece in pieces:
                upload.write(piece)
            upload.close()
        except BaseException:
            upload.abandon()
            raise

    def create(self, key: str, content: bytes) -> bool:
        """Write an object, unless one of this key is there. Returns whether it was written."""
        try:
            with aws_errors("write_object"):
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except FinOpsError as error:
            if error.code in _TAKEN:
                return False
            raise
        return True

    def read(self, key: str) -> Iterator[bytes]:
        with aws_errors("read_object"):
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
        with aws_errors("read_object"):
            yield from body.iter_chunks(1 << 20)

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys with this prefix, in order."""
        with aws_errors("list_objects"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            ):
                yield from (one["Key"] for one in page.get("Contents", ()))


def _where(source: SourceObject) -> dict[str, str]:
    where = {"Bucket": source.bucket, "Key": source.key}
    return where | ({"VersionId": source.version_id} if source.version_id else {})


class _Body:
    """A response body that reports a lost connection as a transient failure, not as the end."""

    def __init__(self, body: StreamingBody) -> None:
        self._body = body

    def read(self, size: int = -1, /) -> bytes:
        try:
            with aws_errors("read_object"):
                return bytes(self._body.read(size if size >= 0 else None))
        except (HTTPError, OSError) as error:
            raise TransientFailure(
                f"the connection to S3 was lost: {error}",
                code="connection_lost",
                step="read_object",
            ) from error


class Upload:
    """An upload piece by piece: in one request, or in parts where the object is large."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3 = s3
        self._where = {"Bucket": bucket, "Key": key}
        self._buffer = io.BytesIO()
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []

    def write(self, piece: bytes) -> None:
        """Add some bytes; sends a part once there are enough."""
        self._buffer.write(piece)
        if self._buffer.tell() >= _PART:
            self._send_part()

    def close(self) -> None:
        """Send what is left. The object exists from now on."""
        with aws_errors("write_object"):
            if not self._upload_id:
                self._s3.put_object(**self._where, Body=self._buffer.getvalue())
                return
            if self._buffer.tell():
                self._send_part()
            self._s3.complete_multipart_upload(
                **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )

    def abandon(self) -> None:
        """Abort the upload. After a kill, the bucket's lifecycle rule removes its parts."""
        if self._upload_id:
            with suppress(Exception), aws_errors("abort_upload"):
                self._s3.abort_multipart_upload(**self._where, UploadId=self._upload_id)

    def _send_part(self) -> None:
        with aws_errors("write_object"):
            if not self._upload_id:
                begun = self._s3.create_multipart_upload(**self._where)
                self._upload_id = begun["UploadId"]
            number = len(self._parts) + 1
            sent = self._s3.upload_part(
                **self._where,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=self._buffer.getvalue(),
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._buffer = io.BytesIO()
