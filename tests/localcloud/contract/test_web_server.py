"""https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html."""

from __future__ import annotations

import socket

import pytest

from tests.conftest import CloudUnderTest


def test_a_connection_that_its_client_has_closed_is_closed(local_cloud: CloudUnderTest) -> None:
    if local_cloud.settings.external:
        pytest.skip("another endpoint is under test")
    with socket.create_connection(("127.0.0.1", local_cloud.port), timeout=20) as connection:
        connection.sendall(b"GET /_localstack/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            """Read what is left of the answer."""
