"""The one place that knows where the cloud answers, and who calls it."""

from __future__ import annotations

import json
from typing import Any

import boto3
from localstack_client import config

from localcloud.settings import Settings

REGION = "us-east-1"
MANAGEMENT_ACCOUNT = "111111111111"


def endpoint_url(settings: Settings | None = None) -> str:
    """The endpoint of these settings: the one named from outside, else the cloud that is up.

    A cloud that is down answers at its settings' port once it is up.
    """
    settings = settings or Settings.from_environment()
    if settings.external:
        host, port = config.parse_localstack_host(settings.external)
        return f"http://{host}:{port}"
    try:
        return str(json.loads(settings.ready_file.read_text())["endpoint_url"])
    except FileNotFoundError:
        return f"http://127.0.0.1:{settings.port}"


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
