"""The one place that knows where the cloud answers."""

from __future__ import annotations

import json

from localcloud.settings import Settings


def endpoint_url(settings: Settings | None = None) -> str:
    """The endpoint of these settings: the one named from outside, else the cloud that is up.

    A cloud that is down answers at its settings' port once it is up.
    """
    settings = settings or Settings.from_environment()
    if settings.external:
        from localstack_client import config  # with boto3, which takes long to import

        host, port = config.parse_localstack_host(settings.external)
        return f"http://{host}:{port}"
    try:
        return str(json.loads(settings.ready_file.read_text())["endpoint_url"])
    except FileNotFoundError:
        return f"http://127.0.0.1:{settings.port}"
