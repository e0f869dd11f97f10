"""S3 and Step Functions behind the billing ports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Final

from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from finops.billing.domain import FileStatus, Quarantined, SourceObject
from finops.billing.ports import FileEntry
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from finops.shared.spreadsheets import guard

#: S3's smallest part is 5 MiB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_PART: Final = 8 << 20
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
QUARANTINE_PREFIX: Final = "quarantine/"
QUARANTINE_COLUMNS: Final = ("line", "reason", "field", "value", "message", "raw")


class S3Objects:
    """`Objects` in one bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def open(self, source: SourceObject, start: int = 0, end: int | None = None) -> BinaryIO:
        """See the port."""
        request = {"Bucket": source.bucket, "Key": source.key}
        if source.version_id:
            request["VersionId"] = source.version_id
        if start or end is not None:
            request["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            with aws_errors("read_object"):
                answer = self._s3.get_object(**request)
            if "Range" in request and "ContentRange" not in answer:
                raise ConfigurationError(
                    f"S3 answered all of {source.uri} in place of {request['Range']}",
                    code="range_ignored",
                    step="read_object",
                )
            return _Body(answer["Body"])  # type: ignore[return-value]
        except Exception as error:
            said = error.__cause__
            if isinstance(said, ClientError) and said.response["Error"]["Code"] in _GONE:
                raise RejectedInput(
                    f"{source.uri} is gone, or this version of it",
                    code="object_is_gone",
                    step="read_object",
                    remedy="Drop the file again",
                ) from error
            raise

    def write(self, key: str, pieces: Iterable[bytes]) -> None:
        """See the port."""
        upload = Upload(self._s3, self._bucket, key)
        try:
            for piece in pieces:
                upload.write(piece)
            upload.close()
        except BaseException:
            upload.abandon()
            raise

    def read(self, key: str) -> Iterator[bytes]:
        """See the port."""
        with aws_errors("read_object"):
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
        with aws_errors("read_object"):
            yield from body.iter_chunks(1 << 20)

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin so, in order."""
        with aws_errors("list_objects"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            ):
                yield from (one["Key"] for one in page.get("Contents", ()))


class _Body:
    """A body whose broken connection is a transient failure, not the end of the file."""

    def __init__(self, body: StreamingBody) -> None:
        self._body = body

    def read(self, size: int = -1, /) -> bytes:
        try:
            with aws_errors("read_object"):
                return bytes(self._body.read(size if size >= 0 else None))
        except (HTTPError, OSError) as error:
            raise TransientFailure(
                f"S3 broke off: {error}", code="connection_lost", step="read_object"
            ) from error


class Upload:
    """An object written piece by piece: small ones at once, large ones in parts."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3 = s3
        self._where = {"Bucket": bucket, "Key": key}
        self._buffer = io.BytesIO()
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []

    def write(self, piece: bytes) -> None:
        """Take some bytes; sends a part where there are enough."""
        self._buffer.write(piece)
        if self._buffer.tell() >= _PART:
            self._send_part()

    def close(self) -> None:
        """Send what is left; the object is there afterwards, and not before."""
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
        """Leave nothing behind; the bucket's lifecycle removes what a kill leaves."""
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


class S3Quarantine:
    """`Quarantine` as a CSV file that a spreadsheet can open safely.

    It is written under a key that is the load's own, so that a load that is tried again
    overwrites what an earlier try left.
    """

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._uri = f"s3://{bucket}/{key}"
        self._upload = Upload(s3, bucket, key)
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._count = 0

    @classmethod
    def open(
        cls, s3: Any, bucket: str, entry: FileEntry, number: int | None = None
    ) -> S3Quarantine:
        """The quarantine of a load: DATASET/LOAD/rows.csv, or NUMBER.csv of a part."""
        name = "rows" if number is None else f"{number:05}"
        return cls(s3, bucket, f"{QUARANTINE_PREFIX}{entry.dataset}/{entry.load_id}/{name}.csv")

    def put(self, row: Quarantined) -> None:
        """See the port."""
        if not self._count:
            # The mark tells spreadsheets that this is UTF-8.
            self._text.write("\ufeff")
            self._writer.writerow(QUARANTINE_COLUMNS)
        self._count += 1
        self._writer.writerow(
            [
                row.line,
                row.reason,
                row.field,
                guard(row.value),
                guard(row.message),
                guard(row.raw.rstrip("\r\n")),
            ]
        )
        if self._text.tell() > 1 << 16:
            self._flush()

    def close(self) -> str:
        """See the port."""
        if not self._count:
            return ""
        self._flush()
        self._upload.close()
        return self._uri

    def abandon(self) -> None:
        """See the port."""
        self._upload.abandon()

    def _flush(self) -> None:
        # Bytes that are no text stay visible in the raw line.
        self._upload.write(self._text.getvalue().encode("utf-8", "backslashreplace"))
        self._text.seek(0)
        self._text.truncate()


class StepFunctionsWorkflow:
    """`Workflow` as a Step Functions state machine."""

    def __init__(self, states: Any, workflow_arn: str) -> None:
        self._states = states
        self._arn = workflow_arn

    def is_running(self, entry: FileEntry) -> bool:
        """See the port."""
        if entry.status is not FileStatus.LOADING or not entry.execution:
            return False
        arn = self._arn.replace(":stateMachine:", ":execution:")
        with aws_errors("describe_execution"):
            found = self._states.describe_execution(
                executionArn=f"{arn}:{_execution_name(entry, entry.execution)}"
            )
        return str(found["status"]) == "RUNNING"

    def start(self, entry: FileEntry, execution: int) -> None:
        """See the port."""
        try:
            with aws_errors("start_execution"):
                self._states.start_execution(
                    stateMachineArn=self._arn,
                    name=_execution_name(entry, execution),
                    input=json.dumps({"load_id": entry.load_id, "object": entry.source.uri}),
                )
        except Exception as error:
            said = error.__cause__
            # Another delivery of the same event was quicker.
            if (
                isinstance(said, ClientError)
                and said.response["Error"]["Code"] == "ExecutionAlreadyExists"
            ):
                return
            raise


def _execution_name(entry: FileEntry, execution: int) -> str:
    return f"{entry.source.file_id}-{execution}"
