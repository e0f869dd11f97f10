"""A page of the invoice's document, with a box around each value that was read."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from console import components, ui
from console.rendering import page_image
from console.services import Services
from finops.invoices.document_files import XML_TYPE
from finops.invoices.domain import JSON_PREFIX, InvoiceRecord
from finops.invoices.einvoice.rendering import rows
from finops.invoices.extraction import HYBRID_ENGINE, einvoice_of
from finops.invoices.inbox import SURE, fields_to_check


def show(services: Services, record: InvoiceRecord) -> None:
    """Draw the page that is chosen, at first the one where the invoice begins.

    An e-invoice is drawn as what its XML says; one in a PDF below its page.
    """
    if record.erasure:
        ui.empty(f"The document was erased on {record.erasure.at:%Y-%m-%d}.")
        return
    if record.document.key.startswith(JSON_PREFIX):
        ui.empty(
            "This invoice came as JSON, so there is no page to show. "
            "The fields and line items hold what was read."
        )
        return
    if record.media_type == XML_TYPE:
        _einvoice(services, record)
        return
    _page(services, record)
    if record.engine == HYBRID_ENGINE:
        with st.expander("What the XML in the PDF says", expanded=True):
            _einvoice(services, record)


def _einvoice(services: Services, record: InvoiceRecord) -> None:
    with ui.failures("The e-invoice cannot be shown"):
        read = einvoice_of(record, services.invoices.objects)
        if read is None:
            ui.empty("The e-invoice could not be read.")
            return
        # A table takes no markup.
        st.dataframe(
            [asdict(row) for row in rows(read)],
            hide_index=True,
            height="content",
            alt="The e-invoice by its business terms",
            column_config={
                "section": st.column_config.TextColumn("Part", width="small"),
                "term": st.column_config.TextColumn("Term", width="small"),
                "name": st.column_config.TextColumn("Name", width="small"),
                "value": st.column_config.TextColumn("Value", width="large"),
            },
        )


def _page(services: Services, record: InvoiceRecord) -> None:
    pages = max(record.pages, 1)
    number = 1
    if pages > 1:
        number = int(
            st.number_input("Page", 1, pages, record.invoice.pages[0] if record.invoice else 1)
        )
    with ui.failures("The document cannot be shown"):
        image = rendered(services, record.id, record.document.version_id, number)
        boxes = _boxes(record, number)
        components.document_page(
            f"document-{record.id}",
            image,
            alt=f"Page {number} of {record.file}",
            boxes=boxes,
        )
        if boxes:
            st.caption(
                f"Green: read with at least {SURE:.0f} % confidence, and not in doubt. Orange: "
                "please check. Hover "
                "over a box, or move through the boxes with the Tab key, to see the value."
            )


@st.cache_data(ttl="10m", max_entries=50, show_spinner="Loading the page …")
def rendered(_services: Services, identifier: str, _version: str, number: int) -> str:
    """A page of an invoice's document as a data URL; a version of a document never changes."""
    record = _services.invoices.store.find(identifier)
    with _services.invoices.objects.open(record.document) as file:
        return page_image(file, record.media_type, number)


def _boxes(record: InvoiceRecord, page: int) -> list[components.Box]:
    readings = record.invoice.readings if record.invoice else {}
    doubtful = {one.name for one in fields_to_check(record) if one.is_doubtful}
    return [
        components.Box(
            title=f"{ui.words(name)}: {one.value or one.text} ({one.confidence:.0f} %)",
            sure=name not in doubtful,
            left=one.place.left,
            top=one.place.top,
            width=one.place.width,
            height=one.place.height,
        )
        for name, one in readings.items()
        if one.place and one.place.page == page
    ]
