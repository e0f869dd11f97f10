"""What is pressed for a session that is gone decides nothing, on any page."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.testing.v1 import AppTest

import console.views

VIEWS = Path(console.views.__file__).parent
#: How Streamlit draws a button that does something on the server.
DRAWN = {"button", "form_submit_button"}


def new() -> AppTest:
    """A session that has drawn nothing."""

    def script() -> None:
        import streamlit as st

        from console import presses

        left, _ = st.columns(2)
        if presses.button("Remove", place=left, key="remove"):
            st.markdown("removed")
        if presses.button("Other"):
            st.markdown("another")
        with st.form("form"):
            saved = presses.submit("Save", note=("one", 1))
        st.markdown(f"saved: {saved}")

    return AppTest.from_function(script, default_timeout=60)


def page() -> AppTest:
    """A session that has drawn its page."""
    return new().run()


def test_a_press_counts_once() -> None:
    app = page()
    app.button(key="remove").click().run()
    assert [one.value for one in app.markdown] == ["removed", "saved: False"]
    app.run()
    assert [one.value for one in app.markdown] == ["saved: False"]
    app.button[2].click().run()
    assert [one.value for one in app.markdown] == ["saved: True"]
    assert not app.warning


@pytest.mark.parametrize(("at", "done"), [(0, "removed"), (1, "another"), (2, "saved: True")])
def test_a_press_for_a_session_that_is_gone_does_nothing(at: int, done: str) -> None:
    """A new session gets the press with its first run, before it has drawn a button."""
    states = WidgetStates()
    pressed = states.widgets.add()
    pressed.id = page().button[at].id
    pressed.trigger_value = True
    app = new()._run(states)
    assert done not in [one.value for one in app.markdown]
    assert [one.value for one in app.warning] == [
        "The session ended before this was done. Check the page, and press again."
    ]
    app.run()
    app.button[at].click().run()
    assert done in [one.value for one in app.markdown]
    assert not app.warning


def buttons(tree: ast.AST) -> Iterator[str]:
    """Where a page draws a button by itself."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in DRAWN
            and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "presses")
        ):
            yield f"line {node.lineno}: {ast.unparse(node.func)}"


def test_every_button_of_a_page_is_drawn_so() -> None:
    found = {
        str(file.relative_to(VIEWS)): list(buttons(ast.parse(file.read_text())))
        for file in VIEWS.rglob("*.py")
    }
    assert len(found) > 20
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert list(buttons(ast.parse("st.button('x')\nleft.form_submit_button('y')"))) == [
        "line 1: st.button",
        "line 2: left.form_submit_button",
    ]
