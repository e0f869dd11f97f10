"""The login page remembers who signed in, until that person signs out.

AWS: "The managed login sign-out endpoint: /logout"
https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html and
"User pool managed login"
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-managed-login.html
A login leaves a cookie that is valid for an hour. Meanwhile whoever uses the browser is signed in
as the same person, without a password. ``/logout`` ends that: it wants ``client_id``, and a
``logout_uri`` which the client allows. MiniStack asks for the password at each login, and takes any
``logout_uri`` of a client that allows none.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs

from ministack.services import cognito

from localcloud.extensions._patch import Response, wrap

_COOKIE: Final = "cognito"
_SECONDS: Final = 3600
#: (pool, person, end) by the cookie's value.
_sessions: dict[str, tuple[str, str, float]] = {}


def _login(
    original: Callable[..., Response],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
) -> Response:
    status, answered, content = original(method, path, headers, body, query)
    form = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
    if status != 302 or not form.get("username"):
        return status, answered, content
    pool_id, pool, _ = cognito._find_pool_by_client_id(form["client_id"])
    person, _ = cognito._authenticate_hosted_ui_user(pool, form["username"], form["password"])
    session = secrets.token_urlsafe()
    _sessions[session] = pool_id, person["Username"], time.time() + _SECONDS
    cookie = f"{_COOKIE}={session}; Path=/; HttpOnly; Max-Age={_SECONDS}"
    return status, {**answered, "Set-Cookie": cookie}, content


def _authorize(
    original: Callable[..., Response],
    method: str,
    path: str,
    headers: dict[str, str],
    query: dict[str, Any],
) -> Response:
    response = original(method, path, headers, query)
    pool_id, person, end = _sessions.get(_session(headers), ("", "", 0.0))
    client_id = cognito._qp(query, "client_id")
    known = response[0] == 200 and end > time.time()
    if not known or cognito._find_pool_by_client_id(client_id)[0] != pool_id:
        return response
    return cognito._issue_auth_code_redirect(
        client_id,
        pool_id,
        cognito._qp(query, "redirect_uri"),
        cognito._qp(query, "scope"),
        person,
        cognito._qp(query, "nonce"),
        cognito._qp(query, "code_challenge"),
        cognito._qp(query, "code_challenge_method"),
        cognito._qp(query, "state"),
    )


def _logout(
    original: Callable[..., Response],
    method: str,
    path: str,
    headers: dict[str, str],
    query: dict[str, Any],
) -> Response:
    status, answered, content = original(method, path, headers, query)
    if status != 302:
        return status, answered, content
    target = cognito._qp(query, "logout_uri")
    _, _, client = cognito._find_pool_by_client_id(cognito._qp(query, "client_id"))
    if target not in client.get("LogoutURLs", []):
        return cognito._oauth2_error("invalid_request", f"logout_uri is not allowed: {target}")
    _sessions.pop(_session(headers), None)
    return 302, {**answered, "Set-Cookie": f"{_COOKIE}=; Path=/; Max-Age=0"}, content


def _session(headers: dict[str, str]) -> str:
    found = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    return found.value if found else ""


def install() -> None:
    """Remember logins, and forget them at sign-out."""
    wrap(cognito, "handle_login_submit", _login)
    wrap(cognito, "handle_oauth2_authorize", _authorize)
    wrap(cognito, "handle_logout", _logout)
