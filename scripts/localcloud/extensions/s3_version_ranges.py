"""A range of an object's version returns that range only, as for the current version.

AWS: "GetObject" https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
MiniStack returns the whole version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import s3

from localcloud.extensions._patch import Response, wrap


def _get(
    original: Callable[..., Response],
    bucket: str,
    key: str,
    headers: dict[str, Any],
    query: dict[str, Any] | None = None,
) -> Response:
    response = original(bucket, key, headers, query)
    wanted = headers.get("range", "")
    status, answered, body = response
    if not wanted or status != 200 or not s3._qp(query or {}, "versionId", ""):
        return response
    found = s3._parse_range(wanted, len(body))
    if found is None:
        refusal = s3._xml_body(s3._range_error_xml(bucket, key))
        return 416, {"Content-Type": "application/xml"}, refusal
    first, last = found
    # Checksums are of the whole object.
    answered = {
        name: value
        for name, value in answered.items()
        if name.lower() != "content-length" and not name.lower().startswith("x-amz-checksum-")
    }
    answered["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    answered["Content-Length"] = str(last - first + 1)
    return 206, answered, body[first : last + 1]


def install() -> None:
    """Return ranges of versions."""
    wrap(s3, "_get_object", _get)
