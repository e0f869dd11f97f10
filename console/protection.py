"""What protects every answer of the server, whether or not a load balancer stands before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A load balancer asks by the container's address.
HEALTH_PATH: Final = "/_stcore/health"
#: What Streamlit tells anybody, and nobody here asks for.
CLOSED_PATHS: Final = ("/_stcore/metrics", "/_stcore/agent/")
_LOCAL: Final = ("127.0.0.1", "localhost")


def hosts(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The names by which people reach the console; this machine's only where none is set."""
    named = urlsplit(variables.get("CONSOLE_URL", "")).hostname
    return (named,) if named else _LOCAL


def content_security_policy(variables: Mapping[str, str]) -> str:
    """What pages may load, and from where.

    Files go from the browser to S3. Streamlit has scripts and styles within its page, compiles the
    specifications of charts, and loads a component's script from a `blob:` address.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
    """
    uploads = variables.get("AWS_ENDPOINT_URL") or "https://*.amazonaws.com"
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            f"connect-src 'self' {uploads}",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class Protection:
    """ASGI middleware: only known hosts, no open metrics, and headers that browsers obey.

    A page of somebody else whose name leads to this machine (DNS rebinding) names its own host.
    """

    def __init__(self, app: ASGIApp, variables: Mapping[str, str]) -> None:
        self._app = app
        self._known = TrustedHostMiddleware(
            app, allowed_hosts=list(hosts(variables)), www_redirect=False
        )
        self._headers = {
            "Content-Security-Policy": content_security_policy(variables),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it may be answered, and add the headers to its answer."""
        if scope["type"] == "lifespan" or scope["path"] == HEALTH_PATH:
            await self._app(scope, receive, send)
            return
        app = _nothing if scope["path"].startswith(CLOSED_PATHS) else self._known

        async def protect(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await app(scope, receive, protect)


_nothing: Final = PlainTextResponse("Not found", status_code=404)
