"""Idle connections are closed by the client, not under a request that is on its way.

The SDKs drop a connection after at most 90 seconds of idleness (Go's default transport). MiniStack
closes it after 75, and so may take a request, act on it, and hang up without an answer; the SDK
then sends it again, and a creation is refused as a duplicate. AWS's endpoints outlast their
clients; what a client does about a broken connection:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

from __future__ import annotations

from hypercorn.config import Config

_SECONDS = 3600.0


def install() -> None:
    """Outlast every client; MiniStack's own setting is ignored."""
    Config.keep_alive_timeout = property(lambda _: _SECONDS, lambda *_: None)
