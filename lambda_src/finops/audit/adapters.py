"""S3, KMS and a temporary table behind the audit ports, and the flows' messages."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, NoReturn

import msgspec
from botocore.exceptions import ClientError
from msgspec import Meta, Struct
from urllib3.exceptions import HTTPError

from finops.audit.domain import HEADS
from finops.audit.ports import StoredObject
from finops.shared.audit import entry_id
from finops.shared.aws import aws_errors
from finops.shared.errors import RejectedInput, TransientFailure

#: Another writer's object is there, or is just being written.
_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_SIGNING_ALGORITHM: Final = "ECDSA_SHA_256"

Digest = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=2048)]


class _Message(Struct, frozen=True, forbid_unknown_fields=True):
    """What a flow sends, as `AuditEvent.document` writes it."""

    entry_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    stream: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
    action: Name
    actor: Name
    subject: Name
    version: str
    occurred_at: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00\Z")]
    input_sha256: Digest
    output_sha256: Digest
    counts: dict[str, int]
    correlation_id: str
    code_version: str
    details: dict[str, Any]


def decode_message(body: str) -> dict[str, Any]:
    """A flow's message as a document for the chain.

    Raises:
        RejectedInput: it is none.
    """
    try:
        document = json.loads(body, parse_float=_refuse, parse_constant=_refuse)
        message = msgspec.convert(document, _Message)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise RejectedInput(
            f"the message is no audit entry: {error}",
            code="invalid_audit_entry",
            value=body[:2000],
            remedy="Send entries through finops.shared.audit.AuditRecorder",
        ) from None
    named = entry_id(message.stream, message.action, message.subject, message.version)
    if message.stream == HEADS or message.entry_id != named:
        raise RejectedInput(
            f"the message has the id {message.entry_id} in stream {message.stream}, its own is "
            f"{named}",
            code="invalid_audit_entry",
            field="entry_id",
            value=message.entry_id,
        )
    return dict(document)


class S3TrailStore:
    """`TrailStore` in one bucket, versioned and locked."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def create(self, key: str, body: bytes) -> bool:
        """See the port."""
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
        """See the port."""
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
        """See the port."""
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
                f"S3 broke off: {error}", code="connection_lost", step="read_trail"
            ) from error

    def folders(self, prefix: str) -> list[str]:
        """See the port."""
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
    """What is known of a key with one more of its versions, an older one, or a delete marker."""
    is_version = "Size" in row
    before = found or StoredObject(key=row["Key"], version_id="", versions=0, deleted=False)
    return StoredObject(
        key=before.key,
        version_id=row["VersionId"] if is_version else before.version_id,
        versions=before.versions + is_version,
        deleted=before.deleted or not is_version,
    )


class KmsSigner:
    """`Signer` by an asymmetric KMS key of the curve P-256."""

    def __init__(self, kms: Any, key_arn: str) -> None:
        self._kms = kms
        self._key = key_arn

    @property
    def key(self) -> str:
        """See the port."""
        return self._key

    def sign(self, message: bytes) -> str:
        """See the port."""
        with aws_errors("sign_head"):
            answer = self._kms.sign(**self._request(message))
        return base64.b64encode(answer["Signature"]).decode()

    def verify(self, message: bytes, signature: str) -> bool:
        """See the port."""
        try:
            given = base64.b64decode(signature, validate=True)
        except ValueError:
            return False
        try:
            with aws_errors("verify_head", remedy="Allow kms:Verify on the signing key"):
                answer = self._kms.verify(**self._request(message), Signature=given)
        except Exception as error:
            said = error.__cause__
            if isinstance(said, ClientError) and (
                said.response["Error"]["Code"] == "KMSInvalidSignatureException"
            ):
                return False
            raise
        return bool(answer["SignatureValid"])

    def _request(self, message: bytes) -> dict[str, Any]:
        return {
            "KeyId": self._key,
            "Message": hashlib.sha256(message).digest(),
            "MessageType": "DIGEST",
            "SigningAlgorithm": _SIGNING_ALGORITHM,
        }


class SeenIds:
    """Which entry ids were met, in a temporary table on disk: a trail may hold millions."""

    def __init__(self) -> None:
        import sqlite3  # which no function uses

        self._table = sqlite3.connect("", isolation_level=None)
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute(
            "CREATE TABLE seen (stream TEXT, entry_id TEXT, sequence INTEGER, "
            "PRIMARY KEY (stream, entry_id)) WITHOUT ROWID"
        )

    def repeats(self, stream: str, entry_id: str, sequence: int) -> int | None:
        """Note an id. Returns the number under which it was met before, if it was."""
        added = self._table.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (stream, entry_id, sequence)
        )
        if added.rowcount:
            return None
        row = self._table.execute(
            "SELECT sequence FROM seen WHERE stream = ? AND entry_id = ?", (stream, entry_id)
        ).fetchone()
        return int(row[0])


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"{number} is a floating-point number")
