"""A panel that follows this session's uploads and edits until each has finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one upload or edit has come.

    Attributes:
        finished: Whether nothing more happens to it by itself.
        draw: Draws its line of the panel.
    """

    finished: bool
    draw: Callable[[], object]


def track(key: str, name: object, value: str) -> None:
    """Add an upload or edit to those that this session follows.

    Args:
        key: Which panel.
        name: What identifies it.
        value: What the panel needs to know of it besides.
    """
    st.session_state.setdefault(key, {})[name] = value


def follow(
    key: str,
    title: str,
    look_up: Callable[[dict[Any, str]], Sequence[Progress]],
    *,
    seconds: float,
    when_finished: Callable[[], None],
    most: int | None = None,
) -> None:
    """Draw the panel, which updates itself until everything in it has finished.

    Args:
        key: Which panel.
        title: Its heading.
        look_up: Finds the state of everything that is tracked.
        seconds: Between two updates.
        when_finished: Called once everything has finished, before the page is drawn again.
        most: How many lines are drawn; all of them where this is left out.
    """
    tracked: dict[Any, str] = st.session_state.get(key, {})
    if not tracked:
        return
    is_open = not all(one.finished for one in look_up(tracked))

    @st.fragment(run_every=seconds if is_open else None)
    def panel() -> None:
        found = look_up(tracked)
        finished = sum(one.finished for one in found)
        with st.container(border=True):
            st.markdown(f"**{title}**: {finished} of {len(found)} finished")
            st.progress(finished / len(found))
            for one in found[:most]:
                one.draw()
            if most is not None and len(found) > most:
                st.caption(f"and {len(found) - most} more in the table below")
        if is_open and finished == len(found):
            when_finished()
            st.rerun()

    panel()
    if not is_open and st.button("Clear this list", type="tertiary", icon=":material/done_all:"):
        del st.session_state[key]
        st.rerun()
