"""The console as its container serves it: Streamlit's pages, with a sign-out that Cognito takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.starlette import App

#: Streamlit's own path. It ends the session and sends the browser to the provider.
_SIGN_OUT: Final = "/auth/logout"


def cognito_sign_out(location: str, variables: Mapping[str, str]) -> str:
    """Where a browser goes to sign out of Cognito, from where Streamlit would send it.

    Streamlit names the address to come back to as OpenID Connect does; Cognito wants it as
    `logout_uri`, and to be one of the client's allowed sign-out URLs
    (https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html).
    """
    parts = urlsplit(location)
    asked = dict(parse_qsl(parts.query))
    if "post_logout_redirect_uri" not in asked:
        return location
    query = {"client_id": variables["OIDC_CLIENT_ID"], "logout_uri": variables["CONSOLE_URL"]}
    return parts._replace(query=urlencode(query)).geturl()


class CognitoSignOut:
    """ASGI middleware that corrects where signing out leads."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and correct the answer to a sign-out."""
        if scope["type"] != "http" or not scope["path"].endswith(_SIGN_OUT):
            await self._app(scope, receive, send)
            return

        async def correct(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [_corrected(*header) for header in message["headers"]]
            await send(message)

        await self._app(scope, receive, correct)


def _corrected(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name.lower() != b"location":
        return name, value
    return name, cognito_sign_out(value.decode(), os.environ).encode()


app: Any = App(Path(__file__).with_name("app.py"), middleware=[Middleware(CognitoSignOut)])
