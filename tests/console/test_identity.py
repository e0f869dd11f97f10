"""Who may use the console, and how it is started."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from console import server
from console.__main__ import REQUIRED, MissingSetting, command, login_settings
from console.identity import Role, User, allows_development_login, from_claims
from finops.deployment.environment import Environment, named_environment
from finops.shared.people import same_person

NOW = 1_800_000_000.0
CLAIMS = {
    "exp": NOW + 60,
    "email": "anna@example.com",
    "email_verified": True,
    "cognito:username": "a1b2",
    "sub": "6f9d",
    "cognito:groups": ["finops-editor", "others-approver"],
}
VARIABLES = {name: f"https://{name.lower()}.example.com" for name in REQUIRED}


def user(**changes: Any) -> User | None:
    return from_claims(CLAIMS | changes, prefix="finops", now=NOW)


def test_the_groups_of_this_deployment_give_the_role() -> None:
    assert user() == User(name="anna@example.com", role=Role.EDITOR, sub="6f9d")


def test_the_highest_of_several_roles_counts() -> None:
    found = user(**{"cognito:groups": ["finops-approver", "finops-viewer"]})
    assert found
    assert found.role is Role.APPROVER


@pytest.mark.parametrize(
    "changes",
    [
        {"cognito:groups": []},
        {"cognito:groups": None},
        {"cognito:groups": ["prod-approver", "approver"]},
        {"exp": NOW},
        {"exp": 0},
        {"email_verified": False, "cognito:username": ""},
        {"sub": None},
    ],
    ids=["no group", "none", "other groups", "just ended", "no end", "no name", "no id"],
)
def test_nobody_signs_in_without_a_role_a_name_and_a_valid_session(
    changes: dict[str, Any],
) -> None:
    assert user(**changes) is None


def test_an_unverified_address_is_not_used_as_a_name() -> None:
    found = user(email_verified=False)
    assert found
    assert found.name == "a1b2"


def test_a_person_who_changes_the_address_or_its_case_stays_the_same_person() -> None:
    """Cognito compares addresses by case, and may let people change their own."""
    before = user()
    assert before
    for address in ("Anna@Example.com", "somebody.else@example.com"):
        after = user(email=address)
        assert after
        assert same_person(before.identity, after.identity)
    other = user(email="ANNA@example.org", sub="77")
    assert other
    assert not same_person(before.identity, other.identity)


def test_each_role_includes_the_ones_before_it() -> None:
    allowed = {
        role: [wanted for wanted in Role if User(name="x", role=role).may(wanted)] for role in Role
    }
    assert allowed == {
        Role.VIEWER: [Role.VIEWER],
        Role.EDITOR: [Role.VIEWER, Role.EDITOR],
        Role.APPROVER: [Role.VIEWER, Role.EDITOR, Role.APPROVER],
    }


def test_people_choose_their_name_on_the_local_cloud_only() -> None:
    assert allows_development_login(named_environment("local"))
    assert not allows_development_login(named_environment("prod"))
    assert not allows_development_login(Environment(name="local", prefix="finops"))
    assert not allows_development_login(
        Environment(name="prod", prefix="finops", endpoint_url="http://127.0.0.1:4566")
    )


@pytest.mark.parametrize("missing", REQUIRED)
def test_outside_the_local_cloud_nothing_starts_without_the_login(missing: str) -> None:
    with pytest.raises(MissingSetting, match=missing):
        command(8501, VARIABLES | {"FINOPS_ENV": "prod", missing: ""})


def test_the_local_console_listens_on_this_machine_only() -> None:
    assert "--server.address=127.0.0.1" in command(8501, {})


def test_the_login_is_in_a_file_that_nobody_else_can_read() -> None:
    started = command(8501, VARIABLES | {"FINOPS_ENV": "prod"})
    secrets = Path(next(one for one in started if "secrets" in one).partition("=")[2])
    try:
        assert secrets.stat().st_mode & 0o777 == 0o600
        assert (
            tomllib.loads(secrets.read_text())["auth"]["client_id"] == VARIABLES["OIDC_CLIENT_ID"]
        )
    finally:
        secrets.unlink()
        secrets.parent.rmdir()


def test_the_login_comes_back_to_this_console() -> None:
    secret = 'a "quoted" \\ secret'
    found = tomllib.loads(
        login_settings(
            VARIABLES | {"CONSOLE_URL": "https://finops.example.com/", "OIDC_CLIENT_SECRET": secret}
        )
    )["auth"]
    assert found["redirect_uri"] == "https://finops.example.com/oauth2callback"
    assert found["client_secret"] == secret
    assert found["client_kwargs"]["token_endpoint_auth_method"] == "client_secret_basic"


def test_without_a_secret_the_login_uses_pkce() -> None:
    found, again = (tomllib.loads(login_settings(VARIABLES))["auth"] for _ in range(2))
    assert found["client_kwargs"]["code_challenge_method"] == "S256"
    assert found["client_kwargs"]["token_endpoint_auth_method"] == "none"
    assert len(found["cookie_secret"]) >= 64
    assert found["cookie_secret"] != again["cookie_secret"]


class TestSigningOut:
    """https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html."""

    @pytest.fixture(autouse=True)
    def settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in VARIABLES.items():
            monkeypatch.setenv(name, value)

    @staticmethod
    def sign_out(streamlits: Response, *provider: httpx.Response) -> list[httpx.Response]:
        """The answers to one sign-out after the other, by those of the provider's metadata."""
        asked = iter(provider)

        async def streamlit(scope: Scope, receive: Receive, send: Send) -> None:
            await streamlits(scope, receive, send)

        async def visit() -> list[httpx.Response]:
            app = server.CognitoSignOut(
                streamlit, provider=httpx.MockTransport(lambda _: next(asked))
            )
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="https://console.example.com"
            ) as browser:
                return [await browser.get("/auth/logout") for _ in range(2)]

        # Playwright's loop may be running in this thread.
        with start_blocking_portal() as portal:
            return portal.call(visit)

    @pytest.mark.parametrize(
        "streamlits",
        [
            "https://x.example.com/logout?client_id=a&post_logout_redirect_uri=b&id_token_hint=c",
            "/",
        ],
        ids=["first click", "second click, or no metadata"],
    )
    def test_it_always_leads_to_cognito_as_cognito_wants_it(self, streamlits: str) -> None:
        metadata = httpx.Response(
            200, json={"end_session_endpoint": "https://x.example.com/logout"}
        )
        for answer in self.sign_out(RedirectResponse(streamlits, 302), metadata):
            where = urlsplit(answer.headers["location"])
            assert where.geturl().startswith("https://x.example.com/logout?")
            assert parse_qs(where.query) == {
                "client_id": [VARIABLES["OIDC_CLIENT_ID"]],
                "logout_uri": [VARIABLES["CONSOLE_URL"]],
            }

    @pytest.mark.parametrize(
        "metadata",
        [httpx.Response(500), httpx.Response(200, text="<html>"), httpx.Response(200, json={})],
        ids=["fails", "no JSON", "no endpoint"],
    )
    def test_where_cognito_cannot_be_asked_the_person_stays_and_is_told(
        self, metadata: httpx.Response
    ) -> None:
        found, again = self.sign_out(
            RedirectResponse("/", 302),
            metadata,
            httpx.Response(200, json={"end_session_endpoint": "https://x.example.com/logout"}),
        )
        assert found.status_code == 502
        assert "You are still signed in" in found.text
        assert again.status_code == 302


def test_outside_the_local_cloud_the_server_corrects_the_sign_out() -> None:
    started = command(8501, VARIABLES | {"FINOPS_ENV": "prod"})
    assert Path(started[4]) == Path(server.__file__)
    secrets = Path(next(one for one in started if "secrets" in one).partition("=")[2])
    secrets.unlink()
    secrets.parent.rmdir()
