"""S3: reports, answers of Cost Explorer, and exports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from finops.reconciliation.adapters.export_files import (
    ExportFiles,
    StoredObject,
    of_objects,
)
from finops.reconciliation.deliveries import (
    COMPARED_MONTHS,
    CountedFiles,
    FoundFile,
    counted_files,
)
from finops.reconciliation.report import MEDIA_TYPES
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.export_manifests import is_manifest
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


@dataclass(frozen=True, kw_only=True)
class CountedExport:
    """The files of an export in S3 that count.

    Attributes:
        uri: `s3://bucket/folder`, or one file.
        bucket: Its bucket.
        counted: Keys.
        listed: S3's listing of each key below the folder, of the months that were asked for.
    """

    uri: str
    bucket: str
    counted: CountedFiles
    listed: Mapping[str, Mapping[str, Any]]

    @property
    def names(self) -> Sequence[str]:
        """Keys of the files that count."""
        return self.counted.files

    @property
    def notes(self) -> Sequence[str]:
        """What was left out."""
        return self.counted.notes

    @property
    def size(self) -> int:
        """Bytes of the files that count, as they lie in S3."""
        return sum(self.listed[key]["Size"] for key in self.names)

    @property
    def delivered(self) -> float:
        """When the newest of them was made, in seconds since 1970."""
        return max(self.counted.delivered.values())

    @property
    def version(self) -> str:
        """Another one when any of the files was replaced, has come or gone."""
        parts = [f"{key} {self.listed[key]['ETag']} {self._written(key)}" for key in self.names]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def left_out(self) -> bool:
        """Whether folders of billing periods hold files that do not count."""
        folders = tuple({_partition_folder(key) for key in self.names})
        return any(key.startswith(folders) for key in self.listed.keys() - set(self.names))

    def locations(self, months: Sequence[Month]) -> list[str]:
        """URIs of the files of these billing periods, and of those in no period's folder."""
        wanted = {None, *(f"{_PARTITION}{month}" for month in months)}
        return [f"s3://{self.bucket}/{key}" for key in self.names if _partition(key) in wanted]

    def _written(self, key: str) -> float:
        moment: float = self.listed[key]["LastModified"].timestamp()
        return moment


def counted_export(s3: Any, uri: str, months: Sequence[Month]) -> CountedExport:
    """Which files of an export count.

    Args:
        s3: The client.
        uri: `s3://bucket/folder`, or one file.
        months: Files of other billing periods are left alone, where keys name periods
            (`BILLING_PERIOD=2026-10/`) as Data Exports' do.

    Raises:
        RejectedInput: `no_export`, or as `counted_files` says.
    """
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    wanted = {f"{_PARTITION}{month}" for month in months}
    with aws_errors("read_export"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        listed = {
            one["Key"]: one
            for page in pages
            for one in page.get("Contents", ())
            # A prefix is not yet a folder: exports-2/ begins as exports/ does.
            if _is_in(one["Key"], prefix) and _partition(one["Key"]) in {None, *wanted}
        }
        counted = counted_files(
            [
                FoundFile(key, one["LastModified"].timestamp(), one["Size"])
                for key, one in listed.items()
            ],
            {
                key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                for key in listed
                if is_manifest(key)
            },
            months[-COMPARED_MONTHS:],
        )
    if not counted.files:
        raise RejectedInput(
            f"{uri} has no export of {', '.join(map(str, months[-1:]))}",
            code="no_export",
            remedy="AWS delivers the first export within 24 hours of its creation",
        )
    return CountedExport(uri=uri, bucket=bucket, counted=counted, listed=listed)


def stored_files(export: CountedExport) -> ExportFiles:
    """The files of an export that count, where they lie."""
    objects = {
        key: StoredObject(
            bucket=export.bucket,
            key=key,
            size=export.listed[key]["Size"],
            etag=export.listed[key]["ETag"],
            written=export.listed[key]["LastModified"],
        )
        for key in export.names
    }
    return of_objects(export.counted, objects, origin=export.uri)


def _is_in(key: str, folder: str) -> bool:
    return not folder or key == folder or key.startswith(f"{folder}/")


def _partition_folder(key: str) -> str:
    """What a key has before and with its billing period's folder; the key where there is none."""
    folder = _partition(key)
    return key[: key.upper().index(folder) + len(folder)] + "/" if folder else key


def _partition(key: str) -> str | None:
    return next((one for one in key.upper().split("/") if one.startswith(_PARTITION)), None)
