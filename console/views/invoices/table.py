"""The table of invoices: filtered, page by page, opened and downloaded."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import streamlit as st

from console import cards, presses, ui
from console.services import Services
from console.views.invoices.listing import Filters, Start, list_invoices, matching
from finops.deployment.descriptions import invoice_document
from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from finops.invoices.export import write_csv, write_json
from finops.invoices.workbook import write_xlsx
from finops.shared.periods import last_months

FORMATS: Final = {
    "Excel": (
        write_xlsx,
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    "CSV": (write_csv, "csv", "text/csv"),
    "JSON": (write_json, "json", "application/json"),
}
_FILTERS: Final = "invoice_filters"
_STARTS: Final = "invoice_page_starts"


def show(services: Services) -> None:
    """Draw a page of invoices, and what can be done with the selected ones."""
    filters = _filters()
    starts: list[Start] = st.session_state.setdefault(_STARTS, [None])
    if st.session_state.get(_FILTERS) != filters:
        st.session_state[_FILTERS] = filters
        starts[:] = [None]
    with st.skeleton(height=320):
        records, following = list_invoices(services, services.environment.name, filters, starts[-1])
    if records:
        everything = partial(matching, services, filters)
        is_part = len(starts) > 1 or following is not None
        if cards.is_narrow():
            cards.draw("invoices", records, _card)
            _exports(records, (), everything if is_part else None)
        else:
            _actions(records, _table(records), everything if is_part else None)
    elif filters != Filters():
        ui.empty("No invoices match your filters.")
    else:
        ui.empty("No invoices have been uploaded in the last twelve months.")
    _pages(starts, following)


def _filters() -> Filters:
    search, status, month, order = st.columns([3, 2, 1.4, 1.4])
    text = search.text_input(
        "Search",
        key="invoice_search",
        bind="query-params",
        placeholder="File, vendor or number",
        icon=":material/search:",
    )
    with status:
        wanted = ui.status_filter(InvoiceStatus, "status")
    received = month.selectbox(
        "Received",
        ["", *last_months(datetime.now(UTC))],
        key="invoice_month",
        bind="query-params",
        format_func=lambda one: one or "Any month",
    )
    newest, oldest = "Newest first", "Oldest first"
    chosen = order.selectbox("Order", [newest, oldest], key="invoice_order", bind="query-params")
    return Filters(
        search=text.strip(), status=wanted, month=received, newest_first=chosen == newest
    )


def _table(records: Sequence[InvoiceRecord]) -> list[InvoiceRecord]:
    """Draw the invoices; returns the selected ones."""
    column = st.column_config
    rows = [_row(one) for one in records]
    chosen = ui.ticked(
        ui.money_table(rows, ("total",)),
        [one.id for one in records],
        height=ui.height(len(rows)),
        key="invoice_grid",
        alt="Invoices: status, file, vendor, number, date, total and issues",
        column_config={
            "status": ui.status_column(list(InvoiceStatus)),
            "file": column.TextColumn("File", width="medium"),
            "vendor": column.TextColumn("Vendor", width="medium"),
            "number": column.TextColumn("Invoice no."),
            "date": column.DateColumn("Date", format="YYYY-MM-DD"),
            "due": column.DateColumn("Due", format="YYYY-MM-DD"),
            "total": ui.money_column("Total"),
            "currency": column.TextColumn("Currency", width=80),
            "confidence": column.NumberColumn("Confidence", format="%.0f %%"),
            "ours": column.TextColumn("Internal no."),
            "received": column.DatetimeColumn(
                "Received (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"
            ),
            "reason": column.TextColumn("Issues", width="large"),
        },
    )
    return [records[number] for number in chosen]


def _card(record: InvoiceRecord) -> None:
    row = _row(record)
    amount = ui.amount(row["total"], row["currency"])
    facts = (
        ("Total", amount),
        ("Invoice no.", row["number"]),
        ("Date", row["date"]),
        ("Due", row["due"]),
        ("File", row["file"] if row["vendor"] else ""),
        ("Issues", row["reason"]),
    )
    st.markdown(
        cards.text(row["vendor"] or row["file"], facts, badge=ui.badge(record.status.value))
    )
    ui.link("Invoice", "Open invoice", id=record.id)


def _row(record: InvoiceRecord) -> dict[str, Any]:
    shown = invoice_document(record)
    return {
        "status": [ui.words(record.status.value)],
        "file": record.file,
        "vendor": shown["vendor"],
        "number": shown["invoice_number"],
        "date": ui.day(shown["invoice_date"]),
        "due": ui.day(shown["due_date"]),
        "total": shown["total"],
        "currency": shown["currency"] or "",
        "confidence": shown["confidence"],
        "ours": record.serial_number or None,
        "received": record.received_at,
        "reason": shown["reason"],
    }


def _actions(
    records: Sequence[InvoiceRecord],
    selected: Sequence[InvoiceRecord],
    everything: Callable[[], Iterable[InvoiceRecord]] | None,
) -> None:
    """Draw what can be done with selected invoices, or with those of the page.

    Args:
        records: Those of the page.
        selected: Of these.
        everything: Finds all that match the filters; None where the page has them all.
    """
    pressed = presses.button(
        "Open invoice",
        type="primary",
        icon=":material/open_in_new:",
        disabled=len(selected) != 1,
        help="Tick the box to the left of one invoice.",
    )
    if pressed and len(selected) == 1:
        ui.open_page("Invoice", id=selected[0].id)
    _exports(records, selected, everything)


def _exports(
    records: Sequence[InvoiceRecord],
    selected: Sequence[InvoiceRecord],
    everything: Callable[[], Iterable[InvoiceRecord]] | None,
) -> None:
    if everything and st.toggle(
        "Export every invoice that matches the filters",
        key="invoice_export_all",
        help="Not only this page. Writing thousands takes some seconds.",
    ):
        find, what = everything, "all that match"
    elif selected:
        find, what = (lambda: selected), f"{len(selected)} selected"
    else:
        find, what = (lambda: records), f"all {len(records)} on this page"
    with st.container(horizontal=True, vertical_alignment="center"):
        for name in FORMATS:
            _download(find, name, f"{name}: {what}")


def _download(find: Callable[[], Iterable[InvoiceRecord]], name: str, label: str) -> None:
    """A button that writes these invoices to a file once it is pressed."""
    write, ending, media_type = FORMATS[name]

    def content() -> bytes:
        file = io.BytesIO()
        write(find(), file)
        return file.getvalue()

    st.download_button(
        label,
        data=content,
        file_name=f"invoices.{ending}",
        mime=media_type,
        icon=":material/download:",
        on_click="ignore",
        key=f"download-{ending}",
    )


def _pages(starts: list[Start], following: Start) -> None:
    if len(starts) == 1 and not following:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if presses.button("Back", icon=":material/chevron_left:", disabled=len(starts) == 1):
            starts.pop()
            st.rerun()
        st.markdown(f"Page {len(starts)}")
        if presses.button(
            "Next", icon=":material/chevron_right:", icon_position="right", disabled=not following
        ):
            starts.append(following)
            st.rerun()
