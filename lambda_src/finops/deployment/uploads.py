"""Forms by which a browser uploads files to S3 directly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from finops.shared.aws import aws_errors

#: What S3 takes in one request: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
LARGEST_FORM: Final = 5 << 30
_FORM_SECONDS: Final = 900


def upload_form(
    s3: Any,
    bucket: str,
    prefix: str,
    *,
    largest: int,
    metadata: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a browser needs to upload files to S3 directly: a URL and form fields.

    S3 accepts files below the prefix and up to the size, with exactly these metadata, for 15
    minutes.

    Args:
        s3: The client that signs.
        bucket: The bucket.
        prefix: The beginning that the keys must have.
        largest: The maximum size of a file, in bytes.
        metadata: The metadata of the objects.
    """
    fields = {f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()}
    with aws_errors("sign_upload"):
        return dict(
            s3.generate_presigned_post(
                bucket,
                f"{prefix}${{filename}}",
                Fields=fields,
                Conditions=[
                    *({name: value} for name, value in fields.items()),
                    ["content-length-range", 1, largest],
                ],
                ExpiresIn=_FORM_SECONDS,
            )
        )
