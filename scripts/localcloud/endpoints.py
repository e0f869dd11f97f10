"""Sessions of the accounts that call the cloud."""

from __future__ import annotations

from typing import Any

import boto3

from localcloud.address import endpoint_url

__all__ = ["MANAGEMENT_ACCOUNT", "REGION", "AccountSession", "account_session", "endpoint_url"]

REGION = "us-east-1"
MANAGEMENT_ACCOUNT = "111111111111"


class AccountSession(boto3.Session):  # type: ignore[misc]  # boto3 has no types
    """A session of one account, whose clients go to the local endpoint."""

    def __init__(self, account_id: str, url: str, region: str = REGION) -> None:
        # On LocalStack and MiniStack a 12-digit access key is that account's root.
        super().__init__(
            aws_access_key_id=account_id, aws_secret_access_key="test", region_name=region
        )
        self.endpoint_url = url

    def client(self, *args: Any, **kwargs: Any) -> Any:
        """As ``boto3.Session.client``, with the endpoint filled in."""
        return super().client(*args, **{"endpoint_url": self.endpoint_url, **kwargs})

    def resource(self, *args: Any, **kwargs: Any) -> Any:
        """As ``boto3.Session.resource``, with the endpoint filled in."""
        return super().resource(*args, **{"endpoint_url": self.endpoint_url, **kwargs})


def account_session(
    account_id: str = MANAGEMENT_ACCOUNT, url: str | None = None, region: str = REGION
) -> AccountSession:
    """A session as root of ``account_id`` (12 digits) on the local cloud."""
    return AccountSession(account_id, url or endpoint_url(), region)
