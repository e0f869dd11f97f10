"""Buttons of the pages: a press counts only in the session that has drawn the button.

After a restart, or when a connection was lost for long, the browser still shows the page of the
session before. What is pressed there reaches a new session that has not drawn it: from what it
knows, with none of what the person saw. Streamlit calls `on_click` only for buttons that the
session has drawn, which is how the two are told apart.
"""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

_SEEN: Final = "seen_press"


def button(label: str, *, place: Any = None, **settings: Any) -> bool:
    """Draw a button; returns whether it was pressed in this session.

    Args:
        label: What it says.
        place: Where it is drawn: a container, or here.
        settings: Of `st.button`.
    """
    return _draw((place or st).button, label, settings)


def submit(label: str, *, note: Any = None, **settings: Any) -> bool:
    """Draw the button of a form; returns whether it was pressed in this session.

    Args:
        label: What it says.
        note: What `unanswered` returns where the next page has no such form any more.
        settings: Of `st.form_submit_button`.
    """
    return _draw(st.form_submit_button, label, settings, note)


def unanswered() -> Any:
    """The note of the last press whose button was not drawn again; None where there is none."""
    return st.session_state.get(_SEEN, ("", None))[1]


def forget() -> None:
    """Forget the last press."""
    st.session_state.pop(_SEEN, None)


def _draw(draw: Any, label: str, settings: dict[str, Any], note: Any = None) -> bool:
    name = settings.get("key") or label
    if not draw(label, on_click=_see, args=(name, note), **settings):
        return False
    seen, _ = st.session_state.pop(_SEEN, ("", None))
    if seen == name:
        return True
    st.warning(
        "The session ended before this was done. Check the page, and press again.",
        icon=":material/replay:",
    )
    return False


def _see(name: str, note: Any) -> None:
    st.session_state[_SEEN] = (name, note)
