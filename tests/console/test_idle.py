"""An unused sign-in ends, whatever the browser does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import streamlit

from console import identity
from console.idle import IdleTime
from finops.deployment.environment import Environment
from tests.console.test_identity import CLAIMS, NOW

#: Until long after these tests were written.
ANNA: dict[str, Any] = {**CLAIMS, "iat": NOW, "exp": 4e9}


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Session:
    """As `st.user`."""

    claims: dict[str, Any] = field(default_factory=lambda: dict(ANNA))
    is_logged_in: bool = True

    def to_dict(self) -> dict[str, Any]:
        return self.claims


def idle_time(clock: Clock, minutes: str = "60") -> IdleTime:
    return IdleTime({"CONSOLE_IDLE_MINUTES": minutes}, clock)


def test_each_use_begins_the_time_again() -> None:
    clock = Clock()
    found = idle_time(clock)
    for _ in range(3):
        clock.now += 3599
        assert not found.is_over(ANNA)
        found.use(ANNA)
    clock.now += 3600
    assert found.is_over(ANNA)


def test_what_is_over_is_not_begun_again_by_a_click_or_a_reload() -> None:
    clock = Clock()
    found = idle_time(clock)
    found.use(ANNA)
    clock.now += 3600
    found.use(ANNA)
    assert found.is_over(ANNA)
    clock.now += 90_000
    found.use({**ANNA, "iat": clock.now})
    assert found.is_over(ANNA)
    assert not found.is_over({**ANNA, "iat": clock.now})


def test_another_persons_use_is_not_mine() -> None:
    clock = Clock()
    found = idle_time(clock)
    clock.now += 3000
    found.use({**ANNA, "sub": "bert"})
    clock.now += 600
    assert found.is_over(ANNA)
    assert not found.is_over({**ANNA, "sub": "bert"})


def test_a_token_that_the_server_has_not_seen_is_as_old_as_it_says() -> None:
    clock = Clock(NOW + 3600)
    assert idle_time(clock).is_over(ANNA)
    assert not idle_time(clock).is_over({**ANNA, "iat": NOW + 1})
    assert not idle_time(clock).is_over({**ANNA, "iat": None})


@pytest.mark.parametrize("minutes", ["", "0"])
def test_without_a_setting_nothing_ends(minutes: str) -> None:
    clock = Clock(NOW + 10**9)
    assert not idle_time(clock, minutes).is_over(ANNA)


def test_a_page_and_what_draws_itself_again_know_nobody_once_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page notes that it is used; a part that runs by the clock only asks who is there."""
    clock, session = Clock(), Session()
    found = idle_time(clock)
    monkeypatch.setattr(identity, "_idle_time", lambda: found)
    monkeypatch.setattr(streamlit, "user", session)
    prod = Environment(name="prod", prefix="finops")

    def page() -> object:
        who = identity.current(prod)
        identity.note_use(prod)
        return who

    assert page()
    clock.now += 3000
    assert page()
    for _ in range(3):
        clock.now += 1100
        by_itself = identity.current(prod)
    assert by_itself
    clock.now += 300
    assert identity.current(prod) is None
    assert page() is None
    session.claims["iat"] = clock.now
    assert page()
    session.is_logged_in = False
    assert page() is None
