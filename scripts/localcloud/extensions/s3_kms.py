"""Objects that a KMS key encrypts need Signature Version 4, and the key.

AWS: "Using server-side encryption with AWS KMS keys (SSE-KMS)"
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
boto3 signs links and upload forms with version 2 unless told otherwise
(https://github.com/boto/boto3/issues/2680). An object whose key is disabled, or scheduled for
deletion, cannot be read: "Key states of AWS KMS keys"
https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
MiniStack takes version 2 for any object, and asks for no key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ministack.services import kms, s3

from localcloud.extensions._patch import Response, wrap

_HEADER: Final = "x-amz-server-side-encryption"
_MESSAGE: Final = (
    "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature"
    " Version 4."
)


def _get(
    original: Callable[..., Response],
    bucket: str,
    key: str,
    headers: dict[str, Any],
    query: dict[str, Any] | None = None,
) -> Response:
    response = original(bucket, key, headers, query)
    told = {name.lower(): value for name, value in response[1].items()}
    if not str(told.get(_HEADER, "")).startswith("aws:kms"):
        return response
    if "AWSAccessKeyId" in (query or {}):
        return s3._error("InvalidArgument", _MESSAGE, 400, f"/{bucket}/{key}")
    wanted = kms._resolve_key(told.get(f"{_HEADER}-aws-kms-key-id", ""))
    if wanted is None or wanted["KeyState"] == "Enabled":
        return response
    arn, state = wanted["Arn"], wanted["KeyState"]
    if state == "Disabled":
        return s3._error("KMS.DisabledException", f"{arn} is disabled.", 400)
    said = "pending deletion" if state == "PendingDeletion" else state
    return s3._error("KMS.KMSInvalidStateException", f"{arn} is {said}.", 400)


def _post(
    original: Callable[..., Response], bucket: str, body: bytes, headers: dict[str, Any]
) -> Response:
    encrypted = "aws:kms" in str(s3._bucket_encryption.get(bucket, ""))
    if encrypted:
        parts = s3._parse_multipart_form(headers.get("content-type", ""), body) or ()
        if any(name.lower() == "awsaccesskeyid" for name, *_ in parts):
            return s3._error("InvalidArgument", _MESSAGE, 400, f"/{bucket}")
    return original(bucket, body, headers)


def install() -> None:
    """Refuse version 2, and objects whose key cannot be used."""
    wrap(s3, "_get_object", _get)
    wrap(s3, "_post_object", _post)
