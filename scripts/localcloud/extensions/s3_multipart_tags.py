"""An object that is uploaded in parts keeps the tags of the upload's first call.

AWS: "CreateMultipartUpload" https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
MiniStack forgets them, so Terraform finds every large object without its tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from ministack.services import s3

from localcloud.extensions._patch import Response, wrap


def _create(
    original: Callable[..., Response], bucket: str, key: str, headers: dict[str, Any]
) -> Response:
    response = original(bucket, key, headers)
    tagging = headers.get("x-amz-tagging", "")
    begun = re.search(rb"<UploadId>([^<]+)", response[2])
    if tagging and begun:
        tags = dict(parse_qsl(tagging, keep_blank_values=True))
        s3._multipart_uploads[begun[1].decode()]["tags"] = tags
    return response


def _complete(
    original: Callable[..., Response],
    bucket: str,
    key: str,
    body: bytes,
    query: dict[str, Any],
    headers: dict[str, Any] | None = None,
) -> Response:
    upload = s3._multipart_uploads.get(s3._qp(query, "uploadId")) or {}
    response = original(bucket, key, body, query, headers)
    status, answered, _ = response
    if status == 200 and "tags" in upload:
        s3._object_tags[(bucket, key, answered.get("x-amz-version-id"))] = upload["tags"]
        s3._persist_version_state(bucket, key, s3._buckets[bucket])  # a restart reads them there
    return response


def install() -> None:
    """Keep the tags."""
    wrap(s3, "_create_multipart_upload", _create)
    wrap(s3, "_complete_multipart_upload", _complete)
