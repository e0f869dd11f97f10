"""Clients of a deployment, and the connections that they open."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session

from finops.deployment.clients import Aws
from finops.deployment.environment import LOCAL, Environment
from finops.deployment.functions import invoke


class Lambda(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"drift": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def endpoint() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Lambda) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="this kernel has another name")
def test_the_connection_of_a_long_call_is_kept_alive_through_a_nat_gateway(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://repost.aws/knowledge-center/lambda-vpc-timeout: below 350 seconds."""
    opened: list[tuple[int, int, int]] = []
    connect = socket.socket.connect

    def seen(self: socket.socket, address: Any) -> None:
        connect(self, address)
        opened.append(
            (
                self.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                self.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                self.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
            )
        )

    monkeypatch.setattr(socket.socket, "connect", seen)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = Aws(Environment(name=LOCAL, prefix="finops", endpoint_url=endpoint)).client("lambda")
    assert invoke(client, "finops-repair-budget-drift", {}) == {"drift": []}
    is_on, idle_seconds, interval_seconds = opened[-1]
    assert is_on == 1
    assert max(idle_seconds, interval_seconds) < 350
    session: URLLib3Session = client._endpoint.http_session
    session.close()
