"""A copy keeps to the conditions on what stands where it goes.

AWS: "CopyObject" https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html, If-Match and
If-None-Match, and https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html.
MiniStack keeps to them in PutObject and CompleteMultipartUpload only, and copies all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import s3

from localcloud.extensions._patch import Response, wrap


def _copy(
    original: Callable[..., Response], bucket: str, key: str, headers: dict[str, Any]
) -> Response:
    there = s3._ensure_bucket(bucket)
    if there is not None:
        refused = s3._check_put_preconditions(headers, there.get("objects", {}).get(key))
        if refused:
            return refused
    return original(bucket, key, headers)


def install() -> None:
    """Keep to them."""
    wrap(s3, "_copy_object", _copy)
