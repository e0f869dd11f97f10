"""https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html.

What the login page remembers:
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-managed-login.html.
"""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

import pytest

from tests.localcloud.contract.aws import Account, unique

pytestmark = pytest.mark.needs("cognito_sessions")

APP = "https://console.example.com"
BACK = f"{APP}/oauth2callback"


@dataclass
class Browser:
    """Keeps cookies, and follows no redirect."""

    endpoint: str
    client: str
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """(status, where to go next or what the page says)."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        address = urlsplit(self.endpoint).netloc
        with closing(http.client.HTTPConnection(address, timeout=120)) as connection:
            connection.request(
                "POST" if form else "GET",
                path,
                urlencode(form) if form else None,
                kind | ({"Cookie": cookies} if cookies else {}),
            )
            answer = connection.getresponse()
            said = answer.read().decode()
        for one in answer.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(one).items():
                self.cookies[name] = morsel.value
                if not morsel.value:
                    del self.cookies[name]
        return answer.status, answer.headers.get("Location") or said

    def authorize(self) -> tuple[int, str]:
        asked = {
            "client_id": self.client,
            "response_type": "code",
            "redirect_uri": BACK,
            "scope": "openid",
            "state": "s",
        }
        return self.ask(f"/oauth2/authorize?{urlencode(asked)}")

    def log_in(self) -> tuple[int, str]:
        form = {
            "username": "anna@example.com",
            "password": "Secret-1234-secret",
            "client_id": self.client,
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "openid",
            "state": "s",
        }
        return self.ask("/login", form)

    def log_out(self, **asked: str) -> tuple[int, str]:
        return self.ask(f"/logout?{urlencode(asked)}")


@pytest.fixture
def browser(management: Account) -> Browser:
    """A browser whose user has an account in a pool."""
    cognito = management.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName=unique("contract"))["UserPool"]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool,
        ClientName="contract",
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid"],
        SupportedIdentityProviders=["COGNITO"],
        CallbackURLs=[BACK],
        LogoutURLs=[APP],
    )["UserPoolClient"]["ClientId"]
    person = {"UserPoolId": pool, "Username": "anna@example.com"}
    cognito.admin_create_user(**person, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(**person, Password="Secret-1234-secret", Permanent=True)
    assert management.endpoint_url
    return Browser(management.endpoint_url, client)


def test_who_has_logged_in_is_signed_in_again_without_a_password(browser: Browser) -> None:
    status, page = browser.authorize()
    assert (status, "password" in page) == (200, True)
    assert browser.log_in()[0] == 302
    status, target = browser.authorize()
    assert status == 302
    assert target.startswith(f"{BACK}?")
    assert "code=" in target


def test_signing_out_wants_the_client_and_an_allowed_address(browser: Browser) -> None:
    browser.log_in()
    openid = {"client_id": browser.client, "post_logout_redirect_uri": BACK}
    refused = (openid, {"logout_uri": APP}, {"client_id": browser.client, "logout_uri": BACK})
    for asked in refused:
        status, said = browser.log_out(**asked)
        assert status == 400, json.dumps(asked)
        assert "logout_uri" in said or "client_id" in said
    assert browser.authorize()[0] == 302  # still signed in

    assert browser.log_out(client_id=browser.client, logout_uri=APP) == (302, APP)
    status, page = browser.authorize()
    assert (status, "password" in page) == (200, True)
