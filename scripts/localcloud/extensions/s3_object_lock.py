"""Object Lock asks for a checksum, and for a time to come.

AWS: "PutObject" https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html and "Object Lock
considerations" https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html: an
object that gets a retention period when it is stored, by its request or by the bucket's default,
needs ``Content-MD5`` or ``x-amz-checksum-*``. Parts of multipart uploads do, too
(https://github.com/s3tools/s3cmd/issues/1436). "PutObjectRetention"
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html takes no time that is
over (https://github.com/versity/versitygw/issues/1734 has S3's answer). MiniStack takes both.

Whether an HTML form needs the field, too, no page says; this is the strict side.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from ministack.core.responses import now_iso
from ministack.services import s3

from localcloud.extensions._patch import Response, wrap

_LOCKED: Final = ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date")
_DATE: Final = re.compile(rb"<RetainUntilDate>([^<]*)</RetainUntilDate>")


def _refusal(bucket: str, names: Iterable[str], what: str) -> Response | None:
    given = {name.lower() for name in names}
    default = (s3._bucket_object_lock.get(bucket) or {}).get("default_retention")
    if not default and given.isdisjoint(_LOCKED):
        return None
    if any(one == "content-md5" or one.startswith("x-amz-checksum-") for one in given):
        return None
    # A checksum behind the body counts as well.
    if "x-amz-trailer" in given:
        return None
    message = (
        f"Content-MD5 OR x-amz-checksum- HTTP header is required for {what} requests with"
        " Object Lock parameters"
    )
    return s3._error("InvalidRequest", message, 400, f"/{bucket}")


def _put(
    original: Callable[..., Response], bucket: str, key: str, body: bytes, headers: dict[str, Any]
) -> Response:
    return _refusal(bucket, headers, "Put Object") or original(bucket, key, body, headers)


def _part(
    original: Callable[..., Response],
    bucket: str,
    key: str,
    body: bytes,
    query: dict[str, Any],
    headers: dict[str, Any],
) -> Response:
    return _refusal(bucket, headers, "Put Part") or original(bucket, key, body, query, headers)


def _post(
    original: Callable[..., Response], bucket: str, body: bytes, headers: dict[str, Any]
) -> Response:
    parts = s3._parse_multipart_form(headers.get("content-type", ""), body) or ()
    names = [name for name, *_ in parts]
    return _refusal(bucket, names, "Put Object") or original(bucket, body, headers)


def _retain(
    original: Callable[..., Response],
    bucket: str,
    key: str,
    body: bytes,
    headers: dict[str, Any],
    query: dict[str, Any] | None = None,
) -> Response:
    date = _DATE.search(body)
    if date and date[1].decode() <= now_iso():
        return s3._error(
            "InvalidArgument", "The retain until date must be in the future!", 400, f"/{bucket}"
        )
    return original(bucket, key, body, headers, query)


def install() -> None:
    """Ask for checksums, and for times to come."""
    wrap(s3, "_put_object", _put)
    wrap(s3, "_upload_part", _part)
    wrap(s3, "_post_object", _post)
    wrap(s3, "_put_object_retention", _retain)
