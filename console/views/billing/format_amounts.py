"""How a dataset's files write amounts: in one column, in two, or with a column of signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from console import ui
from finops.billing.checking import Sample

_ONE: Final = "one column"
_TWO: Final = "charges and credits in two columns"
_SIGN: Final = "one column, and another says whether it is a charge or a credit"
#: Values of rows that are looked at for signs.
_MOST_MARKS: Final = 8


def has_one_column(document: Mapping[str, Any]) -> bool:
    """Ask how amounts are written, and tell whether one column holds them."""
    said = _TWO if document.get("debit") else _SIGN if document.get("sign") else _ONE
    ways = [_ONE, _TWO, _SIGN]
    chosen = st.radio(
        "How amounts are written", ways, ways.index(said), horizontal=True, key="format_amounts"
    )
    return chosen != _TWO


def chosen_amounts(
    document: Mapping[str, Any], sample: Sample, titles: Sequence[str]
) -> dict[str, Any]:
    """What a format says of amounts beyond their column, as a person chose it.

    Args:
        document: The format so far.
        sample: The beginning of a file of it.
        titles: The columns of the file.

    Returns:
        The keys debit, credit, sign and negate, as far as they are set.
    """
    chosen: dict[str, Any] = {}
    way = st.session_state["format_amounts"]
    if way == _TWO:
        left, right = st.columns(2)
        for place, name, label in ((left, "debit", "Charges"), (right, "credit", "Credits")):
            if title := _column(place, label, titles, document.get(name, ""), f"format_{name}"):
                chosen[name] = title
    elif way == _SIGN and (sign := _sign(document.get("sign") or {}, sample, titles)):
        chosen["sign"] = sign
    if st.checkbox(
        "Charges are negative amounts", bool(document.get("negate")), key="format_negate"
    ):
        chosen["negate"] = True
    return chosen


def _sign(said: Mapping[str, Any], sample: Sample, titles: Sequence[str]) -> dict[str, Any]:
    first, second, third = st.columns(3)
    title = _column(first, "Column of signs", titles, said.get("column", ""), "format_sign")
    marks = _marks(sample, title)
    first.caption(ui.escaped(", ".join(marks)) or "no column")
    known = said if title == said.get("column") else {}
    found: dict[str, Any] = {"column": title}
    for place, name, label in (
        (second, "positive", "Signs of charges"),
        (third, "negative", "Signs of credits"),
    ):
        options = list(dict.fromkeys([*known.get(name, ()), *marks]))
        found[name] = place.multiselect(
            label,
            options,
            [*known.get(name, ())],
            # Its options are those of the column.
            key=f"format_{name}_{title}",
            accept_new_options=True,
            help="Rows with any other sign are rejected.",
        )
    return found if title else {}


def _column(place: Any, label: str, titles: Sequence[str], said: str, key: str) -> str:
    options = ["", *titles]
    found: str = place.selectbox(
        label,
        options,
        index=options.index(said) if said in options else 0,
        key=key,
        format_func=lambda one: one or "—",
    )
    return found


def _marks(sample: Sample, title: str) -> list[str]:
    if title not in sample.header:
        return []
    at = sample.header.index(title)
    found = dict.fromkeys(row[at].strip() for row in sample.rows if row[at].strip())
    return [*found] if len(found) <= _MOST_MARKS else []
