"""A proxy between one function and AWS that throttles, loses answers, or kills the caller."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import psutil

#: Service identifiers by which botocore takes an endpoint from the environment.
SERVICES = (
    *("SSM", "STS", "BUDGETS", "EVENTBRIDGE", "DYNAMODB", "SQS", "RDS_DATA"),
    *("S3", "SES", "SFN", "SNS", "TEXTRACT"),
)
#: Headers that the proxy sets itself.
PER_CONNECTION = ("content-length", "transfer-encoding", "connection", "date", "server")


@dataclass(frozen=True)
class Call:
    """One request of the function."""

    operation: str
    body: str
    path: str = ""


class Killed(BaseException):
    """The caller was killed, and needs no answer."""


#: What to do with a call: forward it by calling `forward`, and answer (status, headers, body).
Answer = tuple[int, dict[str, str], bytes]
Fault = Callable[[Call, Callable[[], Answer], Callable[[], None]], Answer]


def pass_on(_: Call, forward: Callable[[], Answer], __: Callable[[], None]) -> Answer:
    """No fault."""
    return forward()


def refusal(code: str, status: int = 400) -> Answer:
    """An error as the JSON protocols of AWS answer it."""
    body = {"__type": code, "message": "made by the test", "Message": "made by the test"}
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code}
    return status, headers, json.dumps(body).encode()


class FaultProxy:
    """Forwards to `target` as `fault` says, and keeps every call and its answer."""

    def __init__(self, target: str) -> None:
        parsed = urlparse(target)
        self._target = (parsed.hostname or "127.0.0.1", parsed.port or 80)
        self.fault: Fault = pass_on
        self.calls: list[Call] = []
        self._answers: list[tuple[Call, bytes]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                proxy._serve(self)

            do_GET = do_HEAD = do_PUT = do_POST  # noqa: N815 - the server looks for these names

            def log_message(self, *_: Any) -> None:
                """Say nothing: every call is kept anyway."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """Variables that send a function's calls through here."""
        return {f"AWS_ENDPOINT_URL_{one}": f"http://127.0.0.1:{self.port}" for one in SERVICES}

    @contextmanager
    def faulty(self, fault: Fault) -> Iterator[None]:
        """Apply the fault for a while."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = pass_on

    def answers(self, operation: str) -> list[bytes]:
        """The target's answers to the calls of an operation."""
        return [answer for call, answer in self._answers if call.operation == operation]

    def forget(self) -> None:
        """Forget the calls so far."""
        self.calls.clear()
        self._answers.clear()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        target = request.headers.get("x-amz-target", "").rpartition(".")[2]
        action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
        # S3's operations are methods.
        path = request.path.strip("/") if request.command == "POST" else request.command
        operation = target or action or path
        call = Call(operation=operation, body=body.decode(errors="replace"), path=request.path)
        self.calls.append(call)

        def forward() -> Answer:
            target = http.client.HTTPConnection(*self._target, timeout=120)
            with closing(target) as connection:
                # Unchanged, the Host too: it is part of what is signed.
                headers = dict(request.headers.items())
                connection.request(request.command, request.path, body, headers)
                answer = connection.getresponse()
                found = (answer.status, dict(answer.getheaders()), answer.read())
            self._answers.append((call, found[2]))
            return found

        def kill() -> None:
            os.kill(self._caller(request.client_address[1]), signal.SIGKILL)
            raise Killed

        try:
            status, headers, content = self.fault(call, forward, kill)
        except Killed:
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in headers.items():
            if name.lower() not in PER_CONNECTION:
                request.send_header(name, value)
        length = str(len(content))
        if request.command == "HEAD":
            length = {name.lower(): value for name, value in headers.items()}["content-length"]
        request.send_header("Content-Length", length)
        request.end_headers()
        request.wfile.write(content)

    def _caller(self, port: int) -> int:
        """The process at the other end of a connection."""
        for one in psutil.net_connections(kind="tcp"):
            if one.laddr and one.laddr.port == port and one.raddr and one.raddr.port == self.port:
                assert one.pid
                return int(one.pid)
        raise AssertionError(f"nobody is at port {port}")


def once(operation: str, fault: Fault) -> tuple[Fault, Callable[[], bool]]:
    """The fault at the first call of the operation, and whether that call was made."""
    lock, struck = threading.Lock(), threading.Event()

    def at_first(call: Call, forward: Callable[[], Answer], kill: Callable[[], None]) -> Answer:
        with lock:
            mine = call.operation == operation and not struck.is_set()
            if mine:
                struck.set()
        return (fault if mine else pass_on)(call, forward, kill)

    return at_first, struck.is_set


def kill_before(_: Call, forward: Callable[[], Answer], kill: Callable[[], None]) -> Answer:
    """The function is killed before its call has an effect."""
    kill()
    return forward()


def kill_after(_: Call, forward: Callable[[], Answer], kill: Callable[[], None]) -> Answer:
    """The function is killed after its call has had its effect, before it gets the answer."""
    answer = forward()
    kill()
    return answer


def lose_answer(_: Call, forward: Callable[[], Answer], __: Callable[[], None]) -> Answer:
    """The call has its effect, and the connection breaks."""
    forward()
    raise Killed
