"""The trail's bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from finops.audit.ports import StoredObject
from finops.shared.aws import aws_errors
from finops.shared.errors import TransientFailure

#: Another writer's object is there, or is just being written.
_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


class S3TrailStore:
    """`TrailStore` in one bucket, versioned and locked."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def create(self, key: str, body: bytes) -> bool:
        try:
            with aws_errors("write_trail"):
                # S3 asks for a checksum of whatever goes into a locked bucket; boto3 adds one.
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*")
        except Exception as error:
            said = error.__cause__
            if isinstance(said, ClientError) and said.response["Error"]["Code"] in _TAKEN:
                return False
            raise
        return True

    def objects(self, prefix: str, *, page_size: int = 1000) -> Iterator[StoredObject]:
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=prefix, PaginationConfig={"PageSize": page_size}
        )
        found: StoredObject | None = None
        with aws_errors("list_trail"):
            for page in pages:
                rows = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                # Within a key, S3 lists the newest version first; sorting keeps that.
                for row in sorted(rows, key=lambda one: str(one["Key"])):
                    if found is not None and found.key != row["Key"]:
                        yield found
                        found = None
                    found = _with_version(found, row)
        if found is not None:
            yield found

    def read(self, found: StoredObject) -> bytes:
        if not found.version_id:
            return b""
        try:
            with aws_errors("read_trail"):
                answer = self._s3.get_object(
                    Bucket=self._bucket, Key=found.key, VersionId=found.version_id
                )
                return bytes(answer["Body"].read())
        except (HTTPError, OSError) as error:
            raise TransientFailure(
                f"the connection to S3 was lost: {error}", code="connection_lost", step="read_trail"
            ) from error

    def folders(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=prefix, Delimiter="/"
        )
        with aws_errors("list_trail"):
            return [
                str(one["Prefix"]).removeprefix(prefix).removesuffix("/")
                for page in pages
                for one in page.get("CommonPrefixes", ())
            ]


def _with_version(found: StoredObject | None, row: Mapping[str, Any]) -> StoredObject:
    """The object with one more version added: an older one, or a delete marker."""
    is_version = "Size" in row
    before = found or StoredObject(key=row["Key"], version_id="", versions=0, deleted=False)
    return StoredObject(
        key=before.key,
        version_id=row["VersionId"] if is_version else before.version_id,
        versions=before.versions + is_version,
        deleted=before.deleted or not is_version,
    )
