"""Uploads of invoices, and the panel that follows them through the workflow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import streamlit as st

from console import components, presses, tracking, ui
from console.identity import User
from console.services import Services
from console.views.invoices.listing import list_invoices
from finops.deployment.descriptions import invoice_document
from finops.invoices.document_files import LARGEST_DOCUMENT
from finops.invoices.domain import RAW_PREFIX, InvoiceRecord, InvoiceStatus
from finops.shared.errors import RejectedInput

KINDS: Final = ("pdf", "png", "jpg", "jpeg", "tif", "tiff", "xml")
_TRACKED: Final = "tracked_invoices"


@st.fragment(run_every="10m")  # S3 accepts a signed form for 15 minutes
def show(services: Services, user: User) -> None:
    """Draw where documents are dropped, and follow those that were."""
    services.require(user)
    uploaded = components.upload(
        "upload-invoices",
        services.invoices.upload_form(user.identity),
        prefix=RAW_PREFIX,
        apart=True,
        kinds=KINDS,
        largest=LARGEST_DOCUMENT,
        label="Drop invoices here, or choose files",
        hint="PDF, PNG, JPEG or TIFF, or XML e-invoices. Your browser sends them directly to S3.",
    )
    if not uploaded:
        return
    for one in uploaded:
        if one.error or not one.key.startswith(RAW_PREFIX):
            continue
        document = services.invoices.document(one.key, one.version_id)
        if services.invoices.objects.owner(document) != user.identity:
            continue
        tracking.track(_TRACKED, document.document_id, one.name)
        services.record(
            user,
            "invoice.submitted",
            document.document_id,
            version=document.version_id,
            bytes=document.size,
        )
    list_invoices.clear()
    st.rerun()


def follow(services: Services) -> None:
    """Draw the panel of this session's uploads."""

    def look_up(names: Mapping[str, str]) -> list[tracking.Progress]:
        records = {one: _find(services, one) for one in names}
        return [
            tracking.Progress(
                finished=record is not None and record.is_settled,
                draw=partial(_draw, names[one], record),
            )
            for one, record in records.items()
        ]

    tracking.follow(
        _TRACKED, "Your uploads", look_up, seconds=1.0, when_finished=list_invoices.clear
    )


def _find(services: Services, identifier: str) -> InvoiceRecord | None:
    try:
        return services.invoices.store.find(identifier)
    except RejectedInput:
        return None


def _draw(name: str, record: InvoiceRecord | None) -> None:
    status = (record.status if record else InvoiceStatus.RECEIVED).value
    reason = str(invoice_document(record)["reason"] or "") if record else ""
    left, right = st.columns([7, 1], vertical_alignment="center")
    left.markdown(f"{ui.badge(status)} **{ui.escaped(name)}** {ui.escaped(reason)}")
    if record and record.invoice and presses.button("Show", place=right, key=f"open-{record.id}"):
        ui.open_page("Invoice", id=record.id)
