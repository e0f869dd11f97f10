"""Who uses the console, and what they may do.

On AWS, users sign in with Streamlit's OIDC login, and their Cognito groups give them their role.
Only on the local cloud may anyone choose a name and a role: that session's calls are signed with
the local cloud's own keys, so it cannot reach an AWS account.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import streamlit as st

from console.idle import IdleTime
from finops.deployment.environment import LOCAL, Environment
from finops.shared.people import person

GROUPS_CLAIM: Final = "cognito:groups"
#: Streamlit's own path, which ends the session; console/server.py has it end the provider's too.
SIGN_OUT_PATH: Final = "/auth/logout"

_SESSION_KEY: Final = "development_user"


class Role(StrEnum):
    """What a person may do. Each role includes the ones before it."""

    VIEWER = "viewer"
    EDITOR = "editor"
    APPROVER = "approver"


_ORDER: Final = tuple(Role)
MEANING: Final = {
    Role.VIEWER: "can view everything and change nothing",
    Role.EDITOR: "can also upload files, correct invoices and edit budgets",
    Role.APPROVER: "can also approve and reject invoices, and approve raises of budgets",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person.

    Attributes:
        name: To be shown: the verified address, else the user name. Either may change.
        sub: Cognito's id, which never changes; empty on a local cloud.
    """

    name: str
    role: Role
    sub: str = ""

    @property
    def identity(self) -> str:
        """How records and the audit trail name this person."""
        return person(self.name, self.sub)

    def may(self, role: Role) -> bool:
        """Whether this person's role includes that one."""
        return _ORDER.index(self.role) >= _ORDER.index(role)


def allows_development_login(environment: Environment) -> bool:
    """Whether anyone may choose a name and a role: on the local cloud only."""
    return environment.name == LOCAL and environment.endpoint_url is not None


def from_claims(claims: Mapping[str, Any], *, prefix: str, now: float) -> User | None:
    """The person that a Cognito ID token identifies.

    Args:
        claims: The token's claims.
        prefix: How the groups' names begin, such as `finops` in `finops-editor`.
        now: Seconds since 1970.

    Returns:
        None where the token has expired, or the person is in none of the console's groups.
    """
    if float(claims.get("exp", 0)) <= now:
        return None
    groups = claims.get(GROUPS_CLAIM) or ()
    roles = [role for role in _ORDER if f"{prefix}-{role}" in groups]
    verified = claims.get("email_verified") in (True, "true")
    name = (claims.get("email") if verified else None) or claims.get("cognito:username")
    sub = claims.get("sub")
    if not roles or not name or not sub:
        return None
    return User(name=str(name), role=roles[-1], sub=str(sub))


def current(environment: Environment) -> User | None:
    """The person of this session; None where nobody with a role has signed in."""
    if allows_development_login(environment):
        user: User | None = st.session_state.get(_SESSION_KEY)
        return user
    if not st.user.is_logged_in:
        return None
    claims = st.user.to_dict()
    if _idle_time().is_over(claims):
        return None
    return from_claims(claims, prefix=environment.prefix, now=time.time())


def note_use(environment: Environment) -> None:
    """Note that the person of this session has opened a page, or done something on it.

    Parts of a page that draw themselves again by the clock do not come here.
    """
    if not allows_development_login(environment) and st.user.is_logged_in:
        _idle_time().use(st.user.to_dict())


@st.cache_resource(show_spinner=False)
def _idle_time() -> IdleTime:
    return IdleTime(os.environ)


def sign_in(environment: Environment) -> None:
    """Draw the sign-in page."""
    st.title("FinOps console")
    if allows_development_login(environment):
        st.write("This is the local cloud. Choose a name and a role. Nothing here reaches AWS.")
        _development_login()
    elif st.user.is_logged_in:
        groups = ", ".join(f"`{environment.prefix}-{role}`" for role in _ORDER)
        st.warning(
            f"Your session has ended, or you are not in any of the console's groups ({groups}). "
            "Sign in again, or ask whoever runs the console for access.",
            icon=":material/lock:",
        )
        _link_to_sign_out("Sign in again")
    else:
        st.write("Sign in with your organization's account.")
        st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)


def sign_out(environment: Environment) -> None:
    """Draw the way out."""
    with st.container(key="sign-out"):
        if not allows_development_login(environment):
            _link_to_sign_out("Sign out")
        elif st.button("Sign out", icon=":material/logout:"):
            st.session_state.clear()
            st.rerun()


def _link_to_sign_out(label: str) -> None:
    # The redirect of st.logout is lost when the page is drawn again, as after a double click: the
    # page then looks signed out, and the session goes on.
    st.markdown(f'<a href="{SIGN_OUT_PATH}" target="_self">{label}</a>', unsafe_allow_html=True)


def _development_login() -> None:
    with st.form("sign-in", width=420):
        name = st.text_input(
            "Name", value="anna", max_chars=60, help="The audit trail records this name."
        )
        role = st.radio(
            "Role",
            _ORDER,
            index=_ORDER.index(Role.APPROVER),
            format_func=str.capitalize,
            captions=[MEANING[one].capitalize() for one in _ORDER],
        )
        if st.form_submit_button("Sign in", type="primary"):
            if name.strip():
                st.session_state[_SESSION_KEY] = User(name=name.strip(), role=role)
                st.rerun()
            st.error("Enter a name.")
