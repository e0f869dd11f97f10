"""Connections stay open until the client closes them, and then close at once.

The SDKs drop a connection after at most 90 seconds of idleness (Go's default transport). MiniStack
closes it after 75, and so may take a request, act on it, and hang up without an answer; the SDK
then sends it again, and a creation is refused as a duplicate. AWS's endpoints outlast their
clients; what a client does about a broken connection:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
Hypercorn keeps a connection that the client has closed until the idle time is over, so a busy test
left thousands of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config

from localcloud.extensions._patch import replace

_SECONDS = 3600.0


def _reading(original: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    async def read(server: Any) -> None:
        await original(server)
        await server.idle_task.stop()

    return read


def install() -> None:
    """Keep connections longer than every client does; MiniStack's own setting is ignored."""
    replace(TCPServer, "_read_data", _reading(TCPServer._read_data))
    Config.keep_alive_timeout = property(lambda _: _SECONDS, lambda *_: None)
