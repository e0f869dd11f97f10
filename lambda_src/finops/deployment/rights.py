"""The rights of IAM that AWS's operations need."""

from __future__ import annotations

from typing import Any, Final

#: Operations of S3 whose right has another name:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
_OTHERWISE: Final = {
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:HeadBucket": "s3:ListBucket",
}


def right(client: Any, operation: str) -> str:
    """The right that a call needs, such as `states:DescribeStateMachine`.

    Args:
        client: A client of boto3.
        operation: The name of its method.
    """
    name = client.meta.method_to_api_mapping[operation]
    called = f"{client.meta.service_model.signing_name}:{name}"
    return _OTHERWISE.get(called, called)
