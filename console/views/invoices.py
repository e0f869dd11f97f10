"""Invoices: dropped, followed, searched, reviewed and taken away as files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st

from console import components, ui
from console.identity import Role, User
from console.services import Services
from console.views import invoice
from finops.deployment.descriptions import invoice_document
from finops.invoices.document_files import LARGEST_DOCUMENT
from finops.invoices.domain import RAW_PREFIX, InvoiceRecord, InvoiceStatus
from finops.invoices.export import write_csv, write_json
from finops.invoices.workbook import write_xlsx
from finops.shared.errors import RejectedInput
from finops.shared.periods import last_months

PAGE_ROWS: Final = 100
KINDS: Final = ("pdf", "png", "jpg", "jpeg", "tif", "tiff")
FORMATS: Final = {
    "Excel": (
        write_xlsx,
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    "CSV": (write_csv, "csv", "text/csv"),
    "JSON": (write_json, "json", "application/json"),
}
_Page = tuple[list[InvoiceRecord], Mapping[str, Any] | None]
_TRACKED: Final = "tracked_invoices"
_STARTS: Final = "invoice_page_starts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the table shows."""

    status: str = ""
    month: str = ""
    search: str = ""
    newest_first: bool = True


def show(services: Services, user: User) -> None:
    """The page."""
    st.title("Invoices")
    with ui.failures("The invoices cannot be read"):
        if user.may(Role.EDITOR):
            drop(services, user)
            follow(services)
        table(services, _filters())


@st.fragment(run_every="10m")  # a form is good for a quarter of an hour
def drop(services: Services, user: User) -> None:
    """Take documents."""
    ended = components.upload(
        "upload-invoices",
        services.invoices.upload_form(user.name),
        prefix=RAW_PREFIX,
        kinds=KINDS,
        largest=LARGEST_DOCUMENT,
        label="Drop invoices here, or choose files",
        hint="PDF, PNG, JPEG or TIFF. They go from your browser straight to S3.",
    )
    if not ended:
        return
    tracked: dict[str, str] = st.session_state.setdefault(_TRACKED, {})
    for one in ended:
        if one.error or not one.key.startswith(RAW_PREFIX):
            continue
        document = services.invoices.document(one.key, one.version_id)
        if services.invoices.objects.owner(document) != user.name:
            continue
        tracked[document.document_id] = one.name
        services.record(
            user,
            "invoice.submitted",
            document.uri,
            version=document.document_id,
            bytes=document.size,
        )
    listed.clear()
    st.rerun()


def follow(services: Services) -> None:
    """Show how far the files of this session have come, until each has ended."""
    tracked: dict[str, str] = st.session_state.get(_TRACKED, {})
    if not tracked:
        return
    found = {one: _found(services, one) for one in tracked}
    open_ = not all(record and invoice.rests(record) for record in found.values())

    @st.fragment(run_every=1.0 if open_ else None)
    def progress() -> None:
        known = {one: _found(services, one) for one in tracked}
        resting = sum(bool(record and invoice.rests(record)) for record in known.values())
        with st.container(border=True):
            st.markdown(f"**Your uploads**: {resting} of {len(tracked)} through")
            st.progress(resting / len(tracked))
            for one, name in tracked.items():
                _uploaded(name, known[one])
        if open_ and resting == len(tracked):
            listed.clear()
            st.rerun()

    progress()
    if not open_ and st.button("Clear this list", type="tertiary", icon=":material/done_all:"):
        del st.session_state[_TRACKED]
        st.rerun()


def _uploaded(name: str, record: InvoiceRecord | None) -> None:
    status = (record.status if record else InvoiceStatus.RECEIVED).value
    reason = str(invoice_document(record)["reason"] or "") if record else ""
    left, right = st.columns([7, 1], vertical_alignment="center")
    left.markdown(f"{ui.badge(status)} **{ui.plain(name)}** {ui.plain(reason)}")
    if record and record.invoice and right.button("Show", key=f"open-{record.id}"):
        ui.open_page("Invoice", id=record.id)


def _filters() -> Filters:
    months = ["", *last_months(datetime.now(UTC))]
    search, status, month, order = st.columns([3, 2, 1.4, 1.4])
    return Filters(
        search=search.text_input(
            "Search",
            key="invoice_search",
            persist_state="session",
            placeholder="File, vendor or number",
            icon=":material/search:",
        ).strip(),
        status=status.selectbox(
            "Status",
            ["", *(one.value for one in InvoiceStatus)],
            key="status",
            bind="query-params",
            format_func=lambda one: ui.words(one) if one else "Any",
        ),
        month=month.selectbox(
            "Received",
            months,
            key="invoice_month",
            persist_state="session",
            format_func=lambda one: one or "Any month",
        ),
        newest_first=order.selectbox(
            "Order", ["Newest first", "Oldest first"], key="invoice_order", persist_state="session"
        )
        == "Newest first",
    )


def table(services: Services, filters: Filters) -> None:
    """A page of invoices, and what can be done with the chosen ones."""
    starts: list[Mapping[str, Any] | None] = st.session_state.setdefault(_STARTS, [None])
    if st.session_state.get("invoice_filters") != filters:
        st.session_state["invoice_filters"] = filters
        starts[:] = [None]
    with st.skeleton(height=320):
        records, following = listed(services, services.environment.name, filters, starts[-1])
    if not records:
        ui.empty(
            "No invoice is like that."
            if filters != Filters()
            else "No invoice has been dropped in the last twelve months."
        )
    else:
        chosen = _grid(records)
        _actions(records, chosen)
    _pages(starts, following)


def _grid(records: Sequence[InvoiceRecord]) -> list[InvoiceRecord]:
    rows = [_row(one) for one in records]
    event = st.dataframe(
        ui.money_table(rows, ("total",)),
        hide_index=True,
        height=ui.height(len(rows)),
        placeholder="",
        on_select="rerun",
        selection_mode="multi-row",
        key="invoice_grid",
        alt="Invoices: status, file, vendor, number, date, total and what is wrong",
        column_config={
            "status": ui.status_column(list(InvoiceStatus)),
            "file": st.column_config.TextColumn("File", width="medium"),
            "vendor": st.column_config.TextColumn("Vendor", width="medium"),
            "number": st.column_config.TextColumn("Invoice no."),
            "date": st.column_config.DateColumn("Date", format="YYYY-MM-DD"),
            "due": st.column_config.DateColumn("Due", format="YYYY-MM-DD"),
            "total": ui.money_column("Total"),
            "currency": st.column_config.TextColumn("Currency", width=80),
            "confidence": st.column_config.NumberColumn("Confidence", format="%.0f %%"),
            "ours": st.column_config.TextColumn("Our no."),
            "received": st.column_config.DatetimeColumn(
                "Received (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"
            ),
            "reason": st.column_config.TextColumn("What is wrong", width="large"),
        },
    )
    return [records[number] for number in event["selection"]["rows"] if number < len(records)]


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


def _actions(records: Sequence[InvoiceRecord], chosen: Sequence[InvoiceRecord]) -> None:
    what = f"{len(chosen)} chosen" if chosen else f"all {len(records)} on this page"
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Open invoice",
            type="primary",
            icon=":material/open_in_new:",
            disabled=len(chosen) != 1,
            help="Choose one invoice by the box at its left.",
        )
        if pressed and len(chosen) == 1:
            ui.open_page("Invoice", id=chosen[0].id)
        for name in FORMATS:
            download(chosen or records, name, f"{name}: {what}")


def download(records: Sequence[InvoiceRecord], name: str, label: str) -> None:
    """A button that makes a file of these invoices when it is pressed."""
    write, ending, media_type = FORMATS[name]

    def written() -> bytes:
        file = io.BytesIO()
        write(records, file)
        return file.getvalue()

    st.download_button(
        label,
        data=written,
        file_name=f"invoices.{ending}",
        mime=media_type,
        icon=":material/download:",
        on_click="ignore",
        key=f"download-{ending}",
    )


def _pages(starts: list[Mapping[str, Any] | None], following: Mapping[str, Any] | None) -> None:
    if len(starts) == 1 and not following:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Back", icon=":material/chevron_left:", disabled=len(starts) == 1):
            starts.pop()
            st.rerun()
        st.markdown(f"Page {len(starts)}")
        if st.button(
            "Next", icon=":material/chevron_right:", icon_position="right", disabled=not following
        ):
            starts.append(following)
            st.rerun()


@st.cache_data(ttl=5, max_entries=200, show_spinner=False)
def listed(
    _services: Services, _deployment: str, filters: Filters, start: Mapping[str, Any] | None
) -> tuple[list[InvoiceRecord], Mapping[str, Any] | None]:
    """A page of invoices by the index that fits, and where the next one starts.

    Without a status it goes from month to month, as many as it takes to fill a page.
    """
    start = dict(start or {})
    months = [filters.month] if filters.month or filters.status else last_months(datetime.now(UTC))
    if not filters.newest_first:
        months.reverse()
    months = months[months.index(start.pop("month")) if "month" in start else 0 :]

    def page(month: str, start: Mapping[str, Any] | None, limit: int) -> _Page:
        return _services.invoices.store.page(
            status=filters.status,
            month=month,
            search=filters.search,
            newest_first=filters.newest_first,
            limit=limit,
            start=start or None,
        )

    with ThreadPoolExecutor(len(months)) as pool:
        # What is searched for may be in any month: all of them are asked at once.
        asked = {
            month: pool.submit(page, month, None, PAGE_ROWS)
            for month in (months[1:] if filters.search else ())
        }
        found: list[InvoiceRecord] = []
        for number, month in enumerate(months):
            more, after = (
                asked[month].result()
                if month in asked
                else page(month, start, PAGE_ROWS - len(found))
            )
            found += more
            start = {}
            if after:
                return found, {**after, "month": month}
            if len(found) >= PAGE_ROWS:
                ended = number + 1 == len(months)
                return found, None if ended else {"month": months[number + 1]}
    return found, None


def _found(services: Services, identifier: str) -> InvoiceRecord | None:
    try:
        return services.invoices.store.find(identifier)
    except RejectedInput:
        return None
