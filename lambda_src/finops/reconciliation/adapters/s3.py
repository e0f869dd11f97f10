"""S3: reports, answers of Cost Explorer, and exports."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from finops.reconciliation.adapters.export_files import ExportFiles, of_counted
from finops.reconciliation.deliveries import FoundFile, counted_files, is_manifest
from finops.reconciliation.report import MEDIA_TYPES
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput
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
        uri: `s3://bucket/folder`, or one file.
        months: Files of other billing periods are left alone, where keys name periods
            (`BILLING_PERIOD=2026-10/`) as Data Exports' do.
        folder: Where they go, each below its bucket's name.

    Raises:
        RejectedInput: `no_export`, or as `counted_files` says.
        ConfigurationError: `disk_too_small`.
    """
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    wanted = {f"{_PARTITION}{month}" for month in months}
    with aws_errors("download_export"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        listed = {
            one["Key"]: one
            for page in pages
            for one in page.get("Contents", ())
            # A prefix is not yet a folder: exports-2/ begins as exports/ does.
            if _is_in(one["Key"], prefix) and _partition(one["Key"]) in {None, *wanted}
        }
        counted = counted_files(
            [FoundFile(key, one["LastModified"].timestamp()) for key, one in listed.items()],
            {
                key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                for key in listed
                if is_manifest(key)
            },
        )
        if not counted.files:
            raise RejectedInput(
                f"{uri} has no export of {', '.join(map(str, months[-1:]))}",
                code="no_export",
                remedy="AWS delivers the first export within 24 hours of its creation",
            )
        root = folder / bucket
        root.mkdir(parents=True, exist_ok=True)
        size, free = sum(listed[key]["Size"] for key in counted.files), shutil.disk_usage(root).free
        if size > free:
            raise _too_small(uri, size, free)
        for key in counted.files:
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                s3.download_file(bucket, key, str(path))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise _too_small(uri, size, shutil.disk_usage(root).free) from None
            delivered = listed[key]["LastModified"].timestamp()
            os.utime(path, (delivered, delivered))
    return of_counted(counted, root, origin=uri)


def _is_in(key: str, folder: str) -> bool:
    return not folder or key == folder or key.startswith(f"{folder}/")


def _too_small(uri: str, size: int, free: int) -> ConfigurationError:
    return ConfigurationError(
        f"the files of {uri} that count have {size / 2**20:,.0f} MiB, and {free / 2**20:,.0f} MiB"
        " of the disk are free",
        code="disk_too_small",
        step="download_export",
        remedy="Raise reporting.ephemeral_storage_mb of modules/reconciliation, which may be up to"
        " 10240, or run `finops reconcile` where the disk is larger",
    )


def _partition(key: str) -> str | None:
    return next((one for one in key.upper().split("/") if one.startswith(_PARTITION)), None)
