"""The health document says which cloud answers and what extends it.

LocalStack: "Internal endpoints" https://docs.localstack.cloud/references/internal-endpoints/
By it the supervisor recognizes its own emulator on the port, and tests learn which capabilities
an endpoint has.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ministack import app

from localcloud import extensions
from localcloud.extensions._patch import wrap


def _health(original: Any, path: str, request_id: str) -> Any:
    response = original(path, request_id)
    if response is None:
        return None
    status, headers, body = response
    document = json.loads(body)
    installed = [*extensions.EXTENSIONS]
    if os.environ.get("FINOPS_DATABASE_SOCKET"):
        installed.append("rds_data_api")
    document["finops"] = {
        "cloud": os.environ.get("FINOPS_LOCAL_CLOUD_ID"),
        "extensions": installed,
    }
    return status, headers, json.dumps(document).encode()


def install() -> None:
    """Add to the health document."""
    wrap(app, "_handle_health_request", _health)
