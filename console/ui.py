"""How pages show amounts, times, statuses, tables, failures, and empty lists."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st

from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput, TransientFailure
from finops.shared.money import minor_units, rounded
from finops.shared.observability import logger

#: Colours of statuses: green is done, blue in progress, orange to check, red to fix.
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
    "WAITING": "orange",
    "LOADED_WITH_REJECTS": "orange",
    "DUPLICATE": "gray",
    "SUPERSEDED": "gray",
    "WITHDRAWN": "gray",
    "IGNORED": "gray",
    "REMOVED": "gray",
    "REJECTED": "red",
    "VALIDATION_FAILED": "red",
    "PROCESSING_FAILED": "red",
    "FAILED": "red",
}


def words(name: str) -> str:
    """A status or field name as people read it: `NEEDS_REVIEW` is "Needs review"."""
    return name.replace("_", " ").capitalize()


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 row", "2,000 rows", "2 entries", "2 days"."""
    if number != 1:
        ends_in_y = noun.endswith("y") and noun[-2:-1] not in "aeou"
        noun = f"{noun.removesuffix('y')}ies" if ends_in_y else f"{noun}s"
    return f"{number:,} {noun}"


def badge(status: str) -> str:
    """A status as a coloured badge, in Markdown."""
    return f":{STATUS_COLOURS.get(status, 'gray')}-badge[{words(status)}]"


def moment(at: datetime | None) -> str:
    """An instant in UTC, such as "2026-03-31 14:05 UTC"; empty for none."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""


def amount(value: Decimal | str | None, currency: str = "") -> str:
    """An amount with thousands separators and its currency's decimals: "1,234.50 EUR".

    Text that is not a number is returned as it is.
    """
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


#: Where an address begins to be one. The browser makes links of addresses after it has read
#: the escapes, so these are parted by a character that has no width (WORD JOINER).
#: https://github.github.com/gfm/#autolinks-extension-
_IN_ADDRESSES: Final = re.compile(r"(?i)(?<=:)(?=//)|(?<=www)(?=\.)|(?=@)")


def escaped(text: str) -> str:
    """Text from outside: on one line, every character of Markdown escaped, no address a link."""
    marks = r"\`*_{}[]()#+-.!|~<>$:&"
    text = _IN_ADDRESSES.sub("\u2060", text)
    return "".join(f"\\{c}" if c in marks else " " if c in "\r\n" else c for c in text)


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Show a failure in words, and go on with the page.

    Args:
        what: What failed, such as "The invoices cannot be read".
    """
    try:
        yield
    except FinOpsError as error:
        show_failure(what, error)
    except Exception:  # noqa: BLE001 - details of unexpected errors go to the log
        number = uuid.uuid4().hex[:8]
        logger.exception("page failed", extra={"number": number})
        st.error(
            f"**{escaped(what)}.** Something went wrong. Report it to whoever runs the console, "
            f"with the number {number}.",
            icon=":material/error:",
        )


def show_failure(what: str, error: FinOpsError) -> None:
    """Show a failure: what failed, why, and what to do."""
    if isinstance(error, ConfigurationError) and error.code == "not_deployed":
        st.info(f"**Not deployed here.** {escaped(error.explanation)}", icon=":material/cloud_off:")
    elif isinstance(error, RejectedInput):
        remedy = f" {escaped(error.remedy)}." if error.remedy else ""
        st.warning(
            f"**{escaped(what)}:** {escaped(error.message)}.{remedy}", icon=":material/block:"
        )
    elif isinstance(error, TransientFailure):
        st.warning(
            f"**{escaped(what)}:** {escaped(error.explanation)}. Try again in a moment.",
            icon=":material/sync_problem:",
        )
    else:
        st.error(f"**{escaped(what)}:** {escaped(error.explanation)}", icon=":material/error:")


def empty(text: str, icon: str = ":material/inbox:") -> None:
    """Show that a list is empty, and what to do about it."""
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown(f"{icon} &nbsp; {text}", text_alignment="center")


def flash(text: str, icon: str = ":material/check_circle:", *, stays: bool = False) -> None:
    """Show a message after the page is drawn again: for some seconds, or until it is closed."""
    st.session_state["flash"] = (text, icon, "infinite" if stays else "short")


def show_flash() -> None:
    """Show the message that `flash` left, if any."""
    if message := st.session_state.pop("flash", None):
        text, icon, duration = message
        st.toast(text, icon=icon, duration=duration)


def status_filter(statuses: Iterable[str], key: str) -> str:
    """A box to filter by status, kept in the page's address; empty for any."""
    return st.selectbox(
        "Status",
        ["", *map(str, statuses)],
        key=key,
        bind="query-params",
        format_func=lambda one: words(one) if one else "Any",
    )


def status_column(statuses: Sequence[str], *, label: str = "Status") -> Any:
    """A column of coloured statuses; each cell is a list of one status."""
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
    """A table whose amounts sort as numbers and show their currency's decimals, or all they have.

    Args:
        rows: The rows, with amounts as text or Decimal.
        money: The columns that hold amounts.
        currency: The column that holds each row's currency.
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
    """Unit prices may have more decimals than the currency: up to six."""
    return lambda value: (
        f"{value:,.{digits}f}" if round(value, digits) == value else f"{value:,.6f}".rstrip("0")
    )


def ticked(
    rows: Any,
    ids: Sequence[str] | Sequence[int],
    *,
    key: str,
    mode: Literal["single-row", "multi-row"] = "multi-row",
    **options: Any,
) -> list[int]:
    """Draw a table whose ticks stay with their rows while rows come, go and change places.

    Streamlit keeps ticks by position, and a browser may send one for rows that it no longer
    shows. So a table of other rows is another table, ticked where the one before was.

    Args:
        rows: What `st.dataframe` draws.
        ids: Of the rows, in their order.
        key: Where the ticks are kept.
        mode: How many rows can be ticked.
        options: For `st.dataframe`.

    Returns:
        The positions of the ticked rows.
    """
    kept = f"{key}_ticked"
    before = st.session_state.get(kept, ())
    default = [number for number, one in enumerate(ids) if one in before]
    event = st.dataframe(
        rows,
        key=f"{key}-{hash(tuple(ids))}",
        hide_index=True,
        placeholder="",
        on_select="rerun",
        selection_mode=mode,
        selection_default={"selection": {"rows": default}},
        **options,
    )
    chosen = [number for number in event["selection"]["rows"] if number < len(ids)]
    st.session_state[kept] = [ids[number] for number in chosen]
    return chosen


def money_column(label: str, **settings: Any) -> Any:
    """A column of amounts, aligned right."""
    return st.column_config.NumberColumn(label, alignment="right", **settings)


def height(rows: int, most: int = 15) -> int | Literal["content"]:
    """The height of a table in pixels: it shows all its rows, or the first so many and scrolls."""
    return "content" if rows <= most else 38 + 35 * most


def day(text: str | None) -> date | None:
    """A date from its ISO 8601 text; None for none."""
    return date.fromisoformat(text) if text else None


def register_pages(pages: Mapping[str, Any]) -> list[Any]:
    """Let every page link to every other by its title."""
    st.session_state["pages"] = dict(pages)
    return list(pages.values())


def link(title: str, label: str, **query: str) -> None:
    """A link to another page of the console, in the same session."""
    known = st.session_state.get("pages", {})
    if title in known:
        st.page_link(known[title], label=label, query_params=query or None)


def open_page(title: str, **query: str) -> None:
    """Go to another page of the console, in the same session."""
    st.switch_page(st.session_state["pages"][title], query_params=query)
