"""S3: reports, answers of Cost Explorer, and exports."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from finops.reconciliation.adapters.export_files import ExportFiles, of_counted
from finops.reconciliation.deliveries import FoundFile, counted_files, is_manifest
from finops.reconciliation.report import MEDIA_TYPES
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.periods import Month

#: What S3 says of an object that is there, or is just being written.
_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_PARTITION: Final = "BILLING_PERIOD="


class S3Files:
    """`ReportFiles` in a bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def names(self, prefix: str) -> Iterator[str]:
        with aws_errors("list_reports"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            ):
                for found in page.get("Contents", ()):
                    yield found["Key"]

    def read(self, name: str) -> bytes:
        with aws_errors("read_report"):
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        return body

    def write(self, name: str, content: bytes) -> None:
        with aws_errors("write_report"):
            self._s3.put_object(**self._object(name, content))

    def create(self, name: str, content: bytes) -> bool:
        try:
            with aws_errors("write_report"):
                self._s3.put_object(**self._object(name, content), IfNoneMatch="*")
        except FinOpsError as error:
            if error.code in _TAKEN:
                return False
            raise
        return True

    def location(self, name: str) -> str:
        return f"s3://{self._bucket}/{name}"

    def link(self, location: str, seconds: int) -> str:
        """A URL of a report that opens without an account, for so long.

        It ends with the credentials that signed it, at the latest: a function's live for hours.
        """
        url: str = self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": location.partition(f"{self._bucket}/")[2]},
            ExpiresIn=seconds,
        )
        return url

    def _object(self, name: str, content: bytes) -> dict[str, Any]:
        kind = name.rpartition(".")[2]
        return {
            "Bucket": self._bucket,
            "Key": name,
            "Body": content,
            "ContentType": MEDIA_TYPES.get(kind, "application/octet-stream"),
        }


class S3AnswerCache:
    """`AnswerCache` under a prefix of a bucket."""

    def __init__(self, s3: Any, bucket: str, prefix: str = "cache/cost-explorer/") -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    def get(self, key: str) -> Mapping[str, Any] | None:
        with aws_errors("read_cache"):
            try:
                body = self._s3.get_object(Bucket=self._bucket, Key=f"{self._prefix}{key}.json")
            except self._s3.exceptions.NoSuchKey:
                return None
            answer: Mapping[str, Any] = json.loads(body["Body"].read())
            return answer

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        with aws_errors("write_cache"):
            self._s3.put_object(
                Bucket=self._bucket,
                Key=f"{self._prefix}{key}.json",
                Body=json.dumps(answer, separators=(",", ":")).encode(),
                ContentType="application/json",
            )


def download_export(s3: Any, uri: str, months: Sequence[Month], folder: Path) -> ExportFiles:
    """Fetch the files of an export that count, for DuckDB, which reads from disk.

    Args:
        s3: The client.
        uri: `s3://bucket/prefix`.
        months: Files of other billing periods are left alone, where keys name periods
            (`BILLING_PERIOD=2026-10/`) as Data Exports' do.
        folder: Where they go.

    Raises:
        RejectedInput: `no_export`, or as `counted_files` says.
    """
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    wanted = {f"{_PARTITION}{month}" for month in months}
    with aws_errors("download_export"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [
            FoundFile(one["Key"], one["LastModified"].timestamp())
            for page in pages
            for one in page.get("Contents", ())
            if _partition(one["Key"]) in {None, *wanted}
        ]
        counted = counted_files(
            found,
            {
                one.name: s3.get_object(Bucket=bucket, Key=one.name)["Body"].read()
                for one in found
                if is_manifest(one.name)
            },
        )
        if not counted.files:
            raise RejectedInput(
                f"{uri} has no export of {', '.join(map(str, months[-1:]))}",
                code="no_export",
                remedy="AWS delivers the first export within 24 hours of its creation",
            )
        delivered = {one.name: one.modified for one in found}
        for key in counted.files:
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, key, str(path))
            os.utime(path, (delivered[key], delivered[key]))
    return of_counted(counted, folder)


def _partition(key: str) -> str | None:
    return next((one for one in key.upper().split("/") if one.startswith(_PARTITION)), None)
