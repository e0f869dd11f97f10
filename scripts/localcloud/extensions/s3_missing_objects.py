"""Only who may list a bucket is told that an object does not exist; others are refused.

AWS: "GetObject" https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html and "HeadObject"
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html, permissions: 404 with
``s3:ListBucket``, 403 without. The request has no prefix, so a grant that asks for one
(``s3:prefix``) does not count. MiniStack answers 404 to everybody.

A missing version needs ``s3:ListBucketVersions``, too, and PutObjectRetention answers alike: no
page says so; this is the strict side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ministack.app
from ministack.core.router import extract_access_key_id
from ministack.services import s3

from localcloud.extensions._patch import Response, wrap


def _read(
    original: Callable[..., Response],
    bucket: str,
    key: str,
    headers: dict[str, Any] | None = None,
    query: dict[str, Any] | None = None,
) -> Response:
    headers, query = headers or {}, query or {}
    return _told(original(bucket, key, headers, query), bucket, headers, query)


def _lock(
    original: Callable[..., Response],
    bucket: str,
    key: str,
    body: bytes,
    headers: dict[str, Any],
    query: dict[str, Any] | None = None,
) -> Response:
    return _told(original(bucket, key, body, headers, query), bucket, headers, query or {})


def _told(
    response: Response, bucket: str, headers: dict[str, Any], query: dict[str, Any]
) -> Response:
    if response[0] != 404 or not ministack.app.AUTH or s3._ensure_bucket(bucket) is None:
        return response
    if not extract_access_key_id(headers, query):
        return response
    actions = ["s3:ListBucket"]
    if s3._qp(query, "versionId", ""):
        actions.append("s3:ListBucketVersions")
    for action in actions:
        denied = ministack.app._enforce_data_plane(
            "s3", action, headers, query, "", resource_arn=f"arn:aws:s3:::{bucket}"
        )
        if denied:
            return denied
    return response


def install() -> None:
    """Refuse who may not list the bucket."""
    wrap(s3, "_get_object", _read)
    wrap(s3, "_head_object", _read)
    wrap(s3, "_put_object_retention", _lock)
