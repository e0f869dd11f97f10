"""Tables as cards, where the page is too narrow for a table's columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import streamlit as st

from console import components, presses, ui

#: Cards that are drawn before somebody asks for more.
AT_ONCE: Final = 20
_Row = TypeVar("_Row")


def watch_width() -> None:
    """Have the browser tell whether the page is narrow, and draw it again where that changes."""
    components.narrow(is_narrow())


def is_narrow() -> bool:
    """Whether tables are drawn as cards; a new session learns it with its first page."""
    told = st.session_state.get(components.NARROW) or {}
    return bool(told.get("narrow"))


def draw(key: str, rows: Sequence[_Row], card: Callable[[_Row], None]) -> None:
    """Draw each row as a card; the first ones, and the others on request.

    Args:
        key: What identifies the list on its page.
        rows: The rows.
        card: Draws what is in a row's card.
    """
    shown = f"{key}_cards"
    count = st.session_state.get(shown, AT_ONCE)
    for row in rows[:count]:
        with st.container(border=True):
            card(row)
    if len(rows) > count and presses.button(
        f"Show more ({len(rows) - count:,} left)", key=f"{key}_more", icon=":material/expand_more:"
    ):
        st.session_state[shown] = count + AT_ONCE
        st.rerun()


def text(title: str, facts: Iterable[tuple[str, object]], *, badge: str = "") -> str:
    """A card's text in Markdown: its title, and a line for each fact that is not empty.

    Args:
        title: Any text; it is escaped, as the facts are.
        facts: Each with its label.
        badge: A status, as `ui.badge` writes it.
    """
    lines = [f"{badge} **{ui.escaped(title)}**".strip()]
    lines += [
        f"{ui.escaped(label)}: {ui.escaped(str(value))}"
        for label, value in facts
        if value not in (None, "")
    ]
    return "  \n".join(lines)


def plain(
    key: str,
    rows: Sequence[Mapping[str, Any]],
    labels: Mapping[str, str],
    money: Sequence[str] = (),
) -> None:
    """Draw rows that are only read.

    Args:
        key: What identifies the list on its page.
        rows: The rows.
        labels: Of the columns that are shown; the first one's value is the title.
        money: The columns that hold amounts, in the row's `currency`.
    """
    title, *others = labels

    def card(row: Mapping[str, Any]) -> None:
        facts = [
            (labels[one], ui.amount(row[one], row["currency"]) if one in money else row[one])
            for one in others
        ]
        st.markdown(text(str(row[title]), facts))

    draw(key, rows, card)
