"""Uvicorn serves the requests, with httptools and uvloop, and connections last as AWS's do.

MiniStack's own server, Hypercorn, takes more processor time to read and write a request in Python
than the emulator takes to answer it, and keeps a connection that the client has closed until its
idle time is over, so a busy test left thousands of them.

The SDKs drop a connection after at most 90 seconds of idleness (Go's default transport). MiniStack
closes it after 75, and so may take a request, act on it, and hang up without an answer; the SDK
then sends it again, and a creation is refused as a duplicate. AWS's endpoints outlast their
clients; what a client does about a broken connection:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

from __future__ import annotations

from typing import Any

import hypercorn.asyncio
import uvicorn
import uvloop

from localcloud.extensions._patch import replace

_IDLE_SECONDS = 3600
_STOP_SECONDS = 3


async def _serve(app: Any, config: Any) -> None:
    """Serve the application at the address of Hypercorn's configuration, until a signal."""
    host, _, port = config.bind[0].rpartition(":")
    settings = uvicorn.Config(
        app,
        host=host,
        port=int(port),
        interface="asgi3",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    await uvicorn.Server(settings).serve()


def install() -> None:
    """Serve with Uvicorn wherever MiniStack asks Hypercorn to."""
    uvloop.install()
    replace(hypercorn.asyncio, "serve", _serve)
