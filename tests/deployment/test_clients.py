"""Clients of a deployment, and the connections that they open."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from botocore.httpsession import URLLib3Session

from finops.deployment.clients import Aws
from finops.deployment.environment import LOCAL, Environment
from finops.deployment.functions import invoke
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure


class Lambda(BaseHTTPRequestHandler):
    #: What the URL of the function answers, and the requests that it got.
    url_status = 200
    got: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_GET(self) -> None:
        found = {
            "FunctionUrl": "https://abc123.lambda-url.us-east-1.on.aws/",
            "AuthType": "AWS_IAM",
        }
        self.answer(200, found)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/_aws/lambda-url/"):
            self.got.append((self.path, self.headers["Authorization"] or "", body))
            self.answer(self.url_status, {"said": "x"})
        else:
            self.answer(200, {"drift": []})

    def answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
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


def post(endpoint: str) -> tuple[int, bytes]:
    aws = Aws(Environment(name=LOCAL, prefix="finops", endpoint_url=endpoint, region="us-east-1"))
    try:
        return aws.post("finops-review-invoice", b"{}", remedy="attach the policy")
    finally:
        aws.client("lambda")._endpoint.http_session.close()


def test_a_request_to_a_functions_url_is_signed_for_lambda(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html"""
    monkeypatch.setattr(Lambda, "got", [])
    assert post(endpoint) == (200, b'{"said": "x"}')
    ((path, authorization, body),) = Lambda.got
    assert (path, body) == ("/_aws/lambda-url/abc123/", b"{}")
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=111111111111/")
    assert "/us-east-1/lambda/aws4_request" in authorization


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (403, ConfigurationError, "AccessDenied"),
        (429, TransientFailure, "TooManyRequestsException"),
        (502, ConfigurationError, "function_failed"),
    ],
)
def test_what_a_functions_url_refuses_is_told(
    endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    error: type[FinOpsError],
    code: str,
) -> None:
    monkeypatch.setattr(Lambda, "url_status", status)
    monkeypatch.setattr(Lambda, "got", [])
    with pytest.raises(error) as refused:
        post(endpoint)
    assert refused.value.code == code
    assert len(Lambda.got) == 1


@pytest.mark.parametrize(
    ("key", "named"), [("arn:aws:kms:eu-central-1:1:key/1", "key/1"), (None, "alias/aws/lambda")]
)
def test_variables_that_the_caller_may_not_decrypt_are_told_with_the_right_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, key: str | None, named: str
) -> None:
    denied = {"ErrorCode": "AccessDeniedException", "Message": "KMS access was denied"}
    found = {"FunctionName": "finops-a", "KMSKeyArn": key, "Environment": {"Error": denied}}
    functions = SimpleNamespace(get_function_configuration=lambda **_: found)
    monkeypatch.setattr(Aws, "client", lambda self, service: functions)
    aws = Aws(Environment(name="prod", prefix="finops"))
    with pytest.raises(ConfigurationError, match=r"environment of finops-a: .*was denied") as told:
        aws.function_variables("finops-a", module="audit")
    assert told.value.code == "AccessDeniedException"
    assert "kms:Decrypt" in told.value.remedy
    assert named in told.value.remedy
    del found["Environment"]
    assert aws.function_variables("finops-a", module="audit") == {}
