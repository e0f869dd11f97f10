"""The formats of datasets in the bucket, to read and to write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from finops.billing.audit_events import format_event
from finops.billing.dataset_format import UsedFormat, format_document, format_key
from finops.billing.settings import Settings
from finops.shared.audit import AuditRecorder
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput

_GONE = frozenset({"NoSuchKey", "404"})
_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", *_GONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFormat:
    """The object of a dataset's format.

    Attributes:
        document: What it says, as JSON; empty where there is no object.
        etag: Of this content; empty where there is no object.
    """

    document: Mapping[str, Any]
    etag: str


class DatasetFormats:
    """`billing/DATASET/_format.json` of each dataset.

    Args:
        s3: A client.
        bucket: The billing bucket.
        settings: The deployment's, whose formats are the base.
        audit: Records who changed what.
    """

    def __init__(self, s3: Any, bucket: str, settings: Settings, audit: AuditRecorder) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._settings = settings
        self._audit = audit

    def read(self, dataset: str, *, broken: bool = False) -> StoredFormat:
        """What the dataset's object says, whether or not it can be used.

        Args:
            dataset: Its name.
            broken: Whether an object that is not JSON is told as one that says nothing.

        Raises:
            RejectedInput: it is not a JSON object.
        """
        key = format_key(dataset)
        try:
            with aws_errors("read_format"):
                answer = self._s3.get_object(Bucket=self._bucket, Key=key)
                content = answer["Body"].read()
        except FinOpsError as error:
            if error.code in _GONE:
                return StoredFormat(document={}, etag="")
            raise
        document: dict[str, Any] = {}
        try:
            document = format_document(content, key)
        except RejectedInput:
            if not broken:
                raise
        return StoredFormat(document=document, etag=answer["ETag"])

    def used(self, dataset: str, document: Mapping[str, Any]) -> UsedFormat | None:
        """The format by which files would be read with this document; None where none is said.

        Raises:
            RejectedInput: the document breaks a rule.
        """
        content = json.dumps(document).encode() if document else None
        return self._settings.format_of(dataset, content)

    def write(
        self, dataset: str, document: Mapping[str, Any], before: StoredFormat, changed_by: str
    ) -> UsedFormat | None:
        """Write a dataset's format, unless somebody else has changed it since it was read.

        Args:
            dataset: Its name.
            document: What the object will say.
            before: What `read` returned.
            changed_by: Who asked for it.

        Raises:
            RejectedInput: the document breaks a rule; or with code `format_changed`.
        """
        used = self.used(dataset, document)
        key = format_key(dataset)
        condition = {"IfMatch": before.etag} if before.etag else {"IfNoneMatch": "*"}
        text = json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True)
        try:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
            with aws_errors("write_format"):
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=f"{text}\n".encode(),
                    ContentType="application/json",
                    **condition,
                )
        except FinOpsError as error:
            if error.code not in _CHANGED:
                raise
            raise RejectedInput(
                f"somebody else has changed {key} since it was read",
                code="format_changed",
                step="write_format",
                remedy=f"Look at it with `finops billing format {dataset}`, then try again",
            ) from error
        uri = f"s3://{self._bucket}/{key}"
        self._audit.record(format_event(dataset, uri, document, changed_by, datetime.now(UTC)))
        return used
