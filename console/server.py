"""The console's server: Streamlit's pages, protected, and with a sign-out that Cognito takes."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.starlette import App

# All pages, so that whoever comes first waits for no imports.
from console import pages as _pages  # noqa: F401
from console.assets import CompressedAssets, LightIcons, LightPages
from console.identity import SIGN_OUT_PATH
from console.protection import Protection

#: Seconds that the provider has for its metadata.
_TIMEOUT: Final = 30.0


def cognito_sign_out(endpoint: str, variables: Mapping[str, str]) -> str:
    """Where a browser goes to sign out of Cognito.

    Streamlit names the address to come back to as OpenID Connect does; Cognito wants it as
    `logout_uri`, and to be one of the client's allowed sign-out URLs
    (https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html).
    """
    query = {"client_id": variables["OIDC_CLIENT_ID"], "logout_uri": variables["CONSOLE_URL"]}
    return f"{endpoint}?{urlencode(query)}"


class CognitoSignOut:
    """ASGI middleware that ends the provider's session whenever the console's is ended.

    Streamlit leaves out the provider where its cookie is gone, as on the second click of a double
    click, or where the metadata cannot be read. The next person on the browser would then be signed
    in as the last.
    """

    def __init__(self, app: ASGIApp, provider: httpx.AsyncBaseTransport | None = None) -> None:
        self._app = app
        self._provider = provider
        self._endpoint = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and correct where the answer to a sign-out leads."""
        if scope["type"] != "http" or not scope["path"].endswith(SIGN_OUT_PATH):
            await self._app(scope, receive, send)
            return
        try:
            where = cognito_sign_out(await self._end_of_session(), os.environ).encode()
        except (httpx.HTTPError, LookupError, ValueError):
            refused = PlainTextResponse(
                "You are still signed in: the sign-in service does not answer. "
                "Reload this page to try again.",
                status_code=502,
            )
            await refused(scope, receive, send)
            return

        async def correct(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, where if name.lower() == b"location" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self._app(scope, receive, correct)

    async def _end_of_session(self) -> str:
        if not self._endpoint:
            async with httpx.AsyncClient(timeout=_TIMEOUT, transport=self._provider) as client:
                found = await client.get(os.environ["OIDC_METADATA_URL"])
            self._endpoint = str(found.raise_for_status().json()["end_session_endpoint"])
        return self._endpoint


app: Any = App(
    Path(__file__).with_name("app.py"),
    middleware=[
        Middleware(Protection, variables=os.environ),
        Middleware(CompressedAssets),
        Middleware(LightIcons),
        Middleware(LightPages),
        Middleware(CognitoSignOut),
    ],
)
# After each run of a page Streamlit looks for garbage; in what was imported there is none.
gc.freeze()
