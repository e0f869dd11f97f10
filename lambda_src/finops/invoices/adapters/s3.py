"""The bucket of documents and of what engines read in them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from finops.invoices.adapters.range_file import RangeFile
from finops.invoices.domain import TEXTRACT_PREFIX, SourceDocument
from finops.shared.audit import digest
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput


class S3Documents:
    """`Objects` in one bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def open(self, document: SourceDocument) -> BinaryIO:
        where = _where(document)

        def fetch(offset: int, count: int) -> bytes:
            wanted = f"bytes={offset}-{offset + count - 1}"
            with _or_gone(where):
                return bytes(self._s3.get_object(**where, Range=wanted)["Body"].read())

        file = RangeFile(document.size, fetch)
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

    def delete(self, document: SourceDocument, *, bypass_governance: bool) -> None:
        bypass = {"BypassGovernanceRetention": True} if bypass_governance else {}
        try:
            with aws_errors("delete_original"):
                self._s3.delete_object(**_where(document), **bypass)
        except FinOpsError as error:
            if error.code == "AccessDenied" and (until := self._locked_until(document)):
                raise RejectedInput(
                    f"Object Lock keeps {document.uri} until {until}",
                    code="locked",
                    step="delete_original",
                    remedy="In governance mode, whoever has s3:BypassGovernanceRetention can "
                    "erase it with --bypass-governance",
                ) from error
            raise

    def delete_kept(self, invoice_id: str) -> None:
        with aws_errors("delete_kept"):
            for page in self._s3.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=f"{TEXTRACT_PREFIX}{invoice_id}/"
            ):
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    self._s3.delete_object(
                        Bucket=self._bucket, Key=one["Key"], VersionId=one["VersionId"]
                    )

    def _locked_until(self, document: SourceDocument) -> str:
        """The end of a lock, in UTC; empty if there is none, or nobody may tell."""
        try:
            with aws_errors("delete_original"):
                found = self._s3.get_object_retention(**_where(document))["Retention"]
        except FinOpsError:
            return ""
        return f"{found['RetainUntilDate']:%Y-%m-%d} in {found['Mode'].lower()} mode"


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
