"""Start the console: `python -m console`, on the local cloud or in its container.

Anywhere but on the local cloud it needs Cognito's settings, and ends where one is missing:
CONSOLE_URL, OIDC_METADATA_URL and OIDC_CLIENT_ID. OIDC_CLIENT_SECRET is for providers that want
one; else the client is a public one, and its codes are bound to their sessions by PKCE.
COOKIE_SECRET signs sessions, and is made up where it is not set: they then end with the server.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from console.identity import allows_development_login
from finops.deployment.environment import LOCAL, named_environment

DEFAULT_PORT: Final = 8501
REQUIRED: Final = ("CONSOLE_URL", "OIDC_METADATA_URL", "OIDC_CLIENT_ID")


class MissingSetting(Exception):
    """The login is not set up; the message names what is missing."""


def login_settings(variables: Mapping[str, str]) -> str:
    """Streamlit's secrets.toml for its OIDC login.

    Raises:
        MissingSetting: a variable is not set.
    """
    if missing := [name for name in REQUIRED if not variables.get(name)]:
        raise MissingSetting(
            f"{', '.join(missing)} must be set: outside the local cloud everybody signs in by OIDC"
        )
    secret = variables.get("OIDC_CLIENT_SECRET", "")
    settings = {
        "redirect_uri": f"{variables['CONSOLE_URL'].rstrip('/')}/oauth2callback",
        "cookie_secret": variables.get("COOKIE_SECRET") or secrets.token_urlsafe(48),
        "client_id": variables["OIDC_CLIENT_ID"],
        # Streamlit wants one, and this says that it is not sent.
        "client_secret": secret or "none",
        "server_metadata_url": variables["OIDC_METADATA_URL"],
        "client_kwargs": {
            "scope": "openid email",
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
        },
    }
    # TOML takes JSON's strings as they are.
    lines = ["[auth]", *(f"{name} = {_toml(value)}" for name, value in settings.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + " }"
    return json.dumps(value)


def command(port: int, variables: Mapping[str, str]) -> list[str]:
    """The command that runs the pages; on the local cloud only this machine reaches them.

    Raises:
        MissingSetting: the login is not set up.
    """
    app = Path(__file__).with_name("app.py")
    started = [sys.executable, "-m", "streamlit", "run", str(app), f"--server.port={port}"]
    if allows_development_login(named_environment(variables.get("FINOPS_ENV", LOCAL), variables)):
        return [*started, "--server.address=127.0.0.1"]
    folder = Path(tempfile.mkdtemp(prefix="console-"))
    login = folder / "secrets.toml"
    login.touch(mode=0o600)
    login.write_text(login_settings(variables))
    return [*started, "--server.address=0.0.0.0", f"--secrets.files={login}"]


def main() -> None:
    """Replace this process by the server."""
    try:
        arguments = command(int(os.environ.get("CONSOLE_PORT", DEFAULT_PORT)), os.environ)
    except MissingSetting as error:
        sys.exit(f"console: {error}")
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "finops-console")
    os.chdir(Path(__file__).parents[1])
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main()
