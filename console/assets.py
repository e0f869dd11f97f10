"""What a first visit loads, made light: compressed scripts, the icons in use, no font unseen."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import anyio.to_thread
import pyarrow as pa
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.icons import FONT

#: The smaller one first, which browsers accept by HTTPS and on this machine. At this level Brotli
#: (RFC 7932), which Arrow has for Streamlit's tables, takes no longer than gzip.
_CODECS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "br": partial(pa.Codec("brotli", compression_level=6).compress, asbytes=True),
    "gzip": gzip.compress,
}
_PATHS: Final = ("/static/js/", "/static/css/")
_ICONS: Final = re.compile(r"/static/media/MaterialSymbols-Rounded\.[^/]+\.woff2")
#: A font of 170 KB that every page would load first, and that the console's theme does not use:
#: its link in the page, and its declaration in the styles, which count until the theme is there.
_PRELOADED_FONT: Final = re.compile(rb'<link\s+rel="preload"[^>]*?SourceSans[^>]*>\s*')
_DECLARED_FONT: Final = re.compile(rb"@font-face\s*\{[^}]*SourceSans[^}]*\}")
#: The font's name does not say which icons it has, so it is asked for again after a day.
_ICONS_KEPT: Final = "public, max-age=86400"


class LightIcons:
    """ASGI middleware that sends the icons that pages use, in place of Streamlit's whole font."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the small font, or pass the request on."""
        if scope["type"] == "http" and _ICONS.fullmatch(scope["path"]):
            headers = {"Cache-Control": _ICONS_KEPT}
            icons = FileResponse(FONT, media_type="font/woff2", headers=headers)
            await icons(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class LightPages:
    """ASGI middleware that takes what no page uses out of Streamlit's page of HTML."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and change its answer where that is HTML."""
        start: Message = {}
        body = b""

        async def change(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                if not _is_html(message):
                    await send(message)
            elif not (start and _is_html(start)):
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    page = _PRELOADED_FONT.sub(b"", body)
                    if body:
                        MutableHeaders(scope=start)["Content-Length"] = str(len(page))
                    await send(start)
                    await send({"type": "http.response.body", "body": page})

        await self._app(scope, receive, change if scope["type"] == "http" else send)


def _is_html(start: Message) -> bool:
    return Headers(scope=start).get("Content-Type", "").startswith("text/html")


class CompressedAssets:
    """ASGI middleware that keeps what it has compressed.

    Streamlit leaves these to a proxy. Their names hold a digest of their content, so they never
    change while the server runs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[tuple[str, str], tuple[MutableHeaders, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with compressed bytes where the browser takes them."""
        coding = _coding(scope)
        if not coding:
            await self._app(scope, receive, send)
            return
        kept = scope["path"], coding
        if kept not in self._kept and not await self._compress(coding, scope, receive, send):
            return
        headers, body = self._kept[kept]
        await send({"type": "http.response.start", "status": 200, "headers": headers.raw})
        await send({"type": "http.response.body", "body": body})

    async def _compress(self, coding: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Keep the answer of a file that exists; send any other as it is."""
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, collect)
        start, *rest = messages
        if start["status"] != 200:
            for message in messages:
                await send(message)
            return False
        body = b"".join(message.get("body", b"") for message in rest)
        if scope["path"].endswith(".css"):
            body = _DECLARED_FONT.sub(b"", body)
        compressed = await anyio.to_thread.run_sync(_CODECS[coding], body)
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["Content-Encoding"] = coding
        headers["Content-Length"] = str(len(compressed))
        headers.add_vary_header("Accept-Encoding")
        del headers["ETag"]
        self._kept[scope["path"], coding] = headers, compressed
        return True


def _coding(scope: Scope) -> str:
    """How to compress the answer; empty where it passes as it is."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return ""
    headers = Headers(scope=scope)
    if not scope["path"].startswith(_PATHS) or "Range" in headers:
        return ""
    accepted = re.findall(r"[^\s,;]+", headers.get("Accept-Encoding", ""))
    return next((one for one in _CODECS if one in accepted), "")
