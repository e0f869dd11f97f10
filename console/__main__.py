"""Start the console: `python -m console`, on the local cloud or in its container.

Outside the local cloud it needs the login's settings, and stops where one is missing: CONSOLE_URL,
OIDC_METADATA_URL and OIDC_CLIENT_ID. Set OIDC_CLIENT_SECRET where the provider needs it; without it
the client is public and PKCE protects the login. COOKIE_SECRET signs sessions. Where it is not set
it is random, and sessions end when the server stops. After CONSOLE_IDLE_MINUTES without use people
sign in again.
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
            f"set {', '.join(missing)}: outside the local cloud everyone signs in with OIDC"
        )
    secret = variables.get("OIDC_CLIENT_SECRET", "")
    settings = {
        "redirect_uri": f"{variables['CONSOLE_URL'].rstrip('/')}/oauth2callback",
        "cookie_secret": variables.get("COOKIE_SECRET") or secrets.token_urlsafe(48),
        "client_id": variables["OIDC_CLIENT_ID"],
        # Streamlit requires a value; token_endpoint_auth_method says that it is not sent.
        "client_secret": secret or "none",
        "server_metadata_url": variables["OIDC_METADATA_URL"],
        "client_kwargs": {
            "scope": "openid email",
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
        },
    }
    # Strings are written alike in JSON and TOML.
    lines = ["[auth]", *(f"{name} = {_toml(value)}" for name, value in settings.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + " }"
    return json.dumps(value)


def command(port: int, variables: Mapping[str, str]) -> list[str]:
    """The command that starts the server; on the local cloud it listens on this machine only.

    Raises:
        MissingSetting: the login is not set up.
    """
    server = str(Path(__file__).with_name("server.py"))
    started = [sys.executable, "-m", "streamlit", "run", server, f"--server.port={port}"]
    if allows_development_login(named_environment(variables.get("FINOPS_ENV", LOCAL), variables)):
        return [*started, "--server.address=127.0.0.1"]
    folder = Path(tempfile.mkdtemp(prefix="console-"))
    login = folder / "secrets.toml"
    login.touch(mode=0o600)
    login.write_text(login_settings(variables))
    return [*started, "--server.address=0.0.0.0", f"--secrets.files={login}"]


def main() -> None:
    """Replace this process with the server."""
    try:
        arguments = command(int(os.environ.get("CONSOLE_PORT", DEFAULT_PORT)), os.environ)
    except MissingSetting as error:
        sys.exit(f"console: {error}")
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "finops-console")
    os.chdir(Path(__file__).parents[1])
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main()
