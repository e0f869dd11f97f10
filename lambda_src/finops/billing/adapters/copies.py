"""Versions of objects, and copies of them that never replace what they were not meant to."""

from __future__ import annotations

from typing import Any, Final

from finops.billing.domain import SourceObject
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput

#: Bytes that one request copies; S3 takes up to 5 GB, and a gigabyte within a minute.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html
AT_ONCE: Final = 1 << 30
#: The destination is not as it was, or somebody else writes it at the same time:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
#: HEAD's answer has no body, so botocore tells the status:
#: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
_NO_OBJECT: Final = frozenset({"404", "NoSuchKey", "NotFound"})


def version_of(s3: Any, bucket: str, key: str, version_id: str = "") -> SourceObject:
    """A version of an object; by default the newest."""
    where = {"Bucket": bucket, "Key": key} | ({"VersionId": version_id} if version_id else {})
    with aws_errors("read_object"):
        head = s3.head_object(**where)
    return SourceObject(
        bucket=bucket,
        key=key,
        version_id=head.get("VersionId", ""),
        etag=head["ETag"].strip('"'),
        size=head["ContentLength"],
        order="",
    )


def newest_version(s3: Any, bucket: str, key: str) -> SourceObject | None:
    """The newest version of an object; None where there is none."""
    try:
        return version_of(s3, bucket, key)
    except ConfigurationError as error:
        if error.code in _NO_OBJECT:
            return None
        raise


def copy_version(s3: Any, source: SourceObject, key: str, before: SourceObject | None) -> str:
    """Copy a version of an object to another key of its bucket.

    Args:
        s3: The client.
        source: What is copied.
        key: Where to.
        before: The newest version there; None where the key is free.

    Returns:
        The copy's id in the ledger.

    Raises:
        RejectedInput: with code `key_is_taken`, where another version is there meanwhile.
    """
    condition = {"IfMatch": before.etag} if before else {"IfNoneMatch": "*"}
    where = {"Bucket": source.bucket, "Key": key}
    version = {"VersionId": source.version_id} if source.version_id else {}
    copied = {"Bucket": source.bucket, "Key": source.key, **version}
    try:
        with aws_errors("copy_file"):
            if source.size <= AT_ONCE:
                done = s3.copy_object(**where, CopySource=copied, **condition)
                etag = done["CopyObjectResult"]["ETag"]
            else:
                done = _copy_in_parts(s3, copied, source.size, where, condition)
                etag = done["ETag"]
    except FinOpsError as error:
        if error.code not in _CHANGED:
            raise
        raise RejectedInput(
            f"somebody else has written {key} meanwhile, and it was not replaced",
            code="key_is_taken",
            step="copy_file",
            remedy=f"The rows of {source.key} were taken back: drop that file again, where it was "
            "or under another name",
        ) from error
    return SourceObject(
        bucket=source.bucket,
        key=key,
        version_id=done.get("VersionId", ""),
        etag=etag.strip('"'),
        size=source.size,
        order="",
    ).file_id


def _copy_in_parts(
    s3: Any, copied: dict[str, str], size: int, where: dict[str, str], condition: dict[str, str]
) -> Any:
    head = s3.head_object(**copied)
    # Unlike a copy by one request, parts bring no metadata, such as who dropped the file.
    upload = s3.create_multipart_upload(
        **where, Metadata=head.get("Metadata", {}), ContentType=head["ContentType"]
    )
    of = {**where, "UploadId": upload["UploadId"]}
    try:
        parts = []
        for number, start in enumerate(range(0, size, AT_ONCE), 1):
            part = s3.upload_part_copy(
                **of,
                CopySource=copied,
                PartNumber=number,
                CopySourceRange=f"bytes={start}-{min(start + AT_ONCE, size) - 1}",
            )
            parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
        return s3.complete_multipart_upload(**of, MultipartUpload={"Parts": parts}, **condition)
    except BaseException:
        s3.abort_multipart_upload(**of)
        raise
