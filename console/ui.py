"""How the pages show things: amounts, moments and statuses, failures, and what is empty."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st

from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput, TransientFailure
from finops.shared.money import minor_units, rounded
from finops.shared.observability import logger

#: Colours of statuses, by what they ask of a person: green nothing, orange a look, red to act.
STATUS_COLOURS: Final[Mapping[str, str]] = {
    "APPLIED": "green",
    "PROCESSED": "green",
    "LOADED": "green",
    "RECEIVED": "blue",
    "EXTRACTING": "blue",
    "VALIDATING": "blue",
    "LOADING": "blue",
    "PENDING": "blue",
    "NEEDS_REVIEW": "orange",
    "LOADED_WITH_REJECTS": "orange",
    "DUPLICATE": "gray",
    "SUPERSEDED": "gray",
    "REMOVED": "gray",
    "REJECTED": "red",
    "VALIDATION_FAILED": "red",
    "PROCESSING_FAILED": "red",
    "FAILED": "red",
}


def words(status: str) -> str:
    """A status as people read it: `NEEDS_REVIEW` is "Needs review"."""
    return status.replace("_", " ").capitalize()


def badge(status: str) -> str:
    """A status as a coloured badge, in Markdown."""
    return f":{STATUS_COLOURS.get(status, 'gray')}-badge[{words(status)}]"


def moment(at: datetime | None) -> str:
    """An instant, in UTC and said to be so."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""


def amount(value: Decimal | str | None, currency: str = "") -> str:
    """An amount with thousands marks and the currency's digits; whatever is none, as it is."""
    if value is None or value == "":
        return ""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return str(value)
    digits = minor_units().get(currency)
    exponent = number.as_tuple().exponent
    places = max(2 if digits is None else digits, -exponent if isinstance(exponent, int) else 0)
    return f"{rounded(number, min(places, 6)):,f} {currency}".rstrip()


def plain(text: str) -> str:
    """Text of others, with nothing in it that Markdown understands."""
    marks = r"\`*_{}[]()#+-.!|~<>$:&"
    return "".join(f"\\{c}" if c in marks else " " if c in "\r\n" else c for c in text)


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Show why something could not be done, in words, and go on with the page.

    Args:
        what: What was to be done, such as "The invoices could not be read".
    """
    try:
        yield
    except FinOpsError as error:
        show_failure(what, error)
    except Exception:  # noqa: BLE001 - what nobody thought of is for the log, not for the page
        number = uuid.uuid4().hex[:8]
        logger.exception("page failed", extra={"number": number})
        st.error(
            f"**{what}.** Something is wrong here: tell whoever runs the console, with the "
            f"number {number}.",
            icon=":material/error:",
        )


def show_failure(what: str, error: FinOpsError) -> None:
    """Show why something could not be done."""
    if isinstance(error, ConfigurationError) and error.code == "not_deployed":
        st.info(f"**Not deployed here.** {plain(str(error))}", icon=":material/cloud_off:")
    elif isinstance(error, RejectedInput):
        remedy = f" {plain(error.remedy)}." if error.remedy else ""
        st.warning(f"**{what}:** {plain(error.message)}.{remedy}", icon=":material/block:")
    elif isinstance(error, TransientFailure):
        st.warning(
            f"**{what} just now:** {plain(str(error))}. Try again in a moment.",
            icon=":material/sync_problem:",
        )
    else:
        st.error(f"**{what}:** {plain(str(error))}", icon=":material/error:")


def empty(text: str, icon: str = ":material/inbox:") -> None:
    """Say that there is nothing, and what would put something there."""
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown(f"{icon} &nbsp; {text}", text_alignment="center")


def flash(text: str, icon: str = ":material/check_circle:") -> None:
    """Say this after the page is drawn anew."""
    st.session_state["flash"] = (text, icon)


def show_flash() -> None:
    """Say what was left to be said."""
    if said := st.session_state.pop("flash", None):
        st.toast(said[0], icon=said[1])


def status_column(statuses: Sequence[str], *, label: str = "Status") -> Any:
    """A column of coloured statuses; its cells are lists of one."""
    shown = [words(one) for one in statuses]
    return st.column_config.MultiselectColumn(
        label,
        options=shown,
        color=[STATUS_COLOURS.get(one, "gray") for one in statuses],
        width=150,
        disabled=True,
    )


def money_table(
    rows: Sequence[Mapping[str, Any]], money: Sequence[str], *, currency: str = "currency"
) -> Any:
    """A table whose amounts sort as numbers, and are shown with their currency's digits.

    Args:
        rows: With amounts as texts or Decimals.
        money: Columns that hold amounts.
        currency: The column that names the currency of its row.
    """
    frame = pd.DataFrame(list(rows))
    if frame.empty:
        return frame
    numbers = frame.copy()
    for column in money:
        numbers[column] = pd.to_numeric(frame[column], errors="coerce")
    style = numbers.style
    for code, part in frame.groupby(currency, dropna=False):
        digits = minor_units().get(str(code))
        style = style.format(
            _formatter(2 if digits is None else digits),
            subset=pd.IndexSlice[part.index, list(money)],
            na_rep="",
        )
    return style


def _formatter(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:,.{digits}f}"


def money_column(label: str, **settings: Any) -> Any:
    """A column of amounts, at the right."""
    return st.column_config.NumberColumn(label, alignment="right", **settings)


def height(rows: int, most: int = 15) -> int | Literal["content"]:
    """Of a table, in pixels: all rows where they are few, else as many as are seen at once."""
    return "content" if rows <= most else 38 + 35 * most


def day(text: str | None) -> date | None:
    """A date of a record."""
    return date.fromisoformat(text) if text else None


def know_pages(pages: Mapping[str, Any]) -> list[Any]:
    """Let every page lead to every other, by its title."""
    st.session_state["pages"] = dict(pages)
    return list(pages.values())


def link(title: str, label: str, **query: str) -> None:
    """A link to another page, of this console and in this session."""
    known = st.session_state.get("pages", {})
    if title in known:
        st.page_link(known[title], label=label, query_params=query or None)


def open_page(title: str, **query: str) -> None:
    """Go to another page of this console, in this session."""
    st.switch_page(st.session_state["pages"][title], query_params=query)
