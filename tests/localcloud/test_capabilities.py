"""Capabilities that an endpoint lacks are named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from localcloud.extensions import EXTENSIONS
from localcloud.settings import REPOSITORY
from tests.capabilities import SERVICES, TRIES, Capabilities
from tests.conftest import CloudUnderTest

#: What no other endpoint has, and no AWS.
_OWN = {
    "health",
    "denials",
    "needed_statements",
    "web_server",
    "parsed_policies",
    "parsed_conditions",
    "service_models",
    "repeated_calls",
    "layer_archives",
}
NAMED = [*(name for name in EXTENSIONS if name not in _OWN), "rds_data_api"]


@contextmanager
def endpoint(document: dict[str, Any]) -> Iterator[str]:
    """An endpoint with only a health document."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_every_extension_names_its_services() -> None:
    assert set(SERVICES) == set(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_the_local_cloud_has_every_capability(local_cloud: CloudUnderTest, name: str) -> None:
    if local_cloud.settings.external:
        pytest.skip("another endpoint is under test")
    assert local_cloud.capabilities.lacking(name) is None


@pytest.mark.parametrize("name", TRIES)
def test_a_probe_finds_a_capability(local_cloud: CloudUnderTest, name: str) -> None:
    if local_cloud.settings.external:
        pytest.skip("another endpoint is under test")
    assert TRIES[name](local_cloud.account_session()) is None


def test_a_ministack_without_extensions_lacks_them() -> None:
    with endpoint({"services": {"ssm": "available"}, "iot_mtls": "disabled"}) as url:
        assert "without this project's extensions" in str(Capabilities(url).lacking("ssm_iam"))


def test_an_endpoint_without_a_service_lacks_what_needs_it() -> None:
    services = {"lambda": "running", "dynamodb": "available", "sqs": "disabled"}
    with endpoint({"services": services}) as url:
        capabilities = Capabilities(url)
        assert "no probe" in str(capabilities.lacking("stream_positions"))
        assert capabilities.lacking("stream_mappings") == "it has no sqs"
        assert capabilities.lacking("textract") == "it has no textract"


def test_a_test_is_skipped_before_a_session_fixture_fails() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    with endpoint({"services": {"s3": "available"}}) as url:
        ran = subprocess.run(
            [*command, "tests/localcloud/needs_textract.py"],
            env={**os.environ, "LOCALSTACK_HOST": url.removeprefix("http://")},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    assert "lacks textract: it has no textract" in ran.stdout
    assert "1 skipped" in ran.stdout
    assert ran.returncode == 0
