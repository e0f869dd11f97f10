"""One invoice: its document beside what was read of it, and the review."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from console import components, ui
from console.identity import Role, User
from console.rendering import page_image
from console.services import Services
from finops.deployment.descriptions import invoice_document, invoice_reviews
from finops.invoices.domain import (
    AMOUNTS,
    FIELDS,
    REQUIRED,
    InvoiceRecord,
    InvoiceStatus,
    Reading,
    Severity,
)
from finops.shared.errors import FinOpsError

#: Percent below which people look twice.
SURE: Final = 90.0


def rests(record: InvoiceRecord) -> bool:
    """Whether nothing more happens to it by itself."""
    waits = record.status is InvoiceStatus.NEEDS_REVIEW and not record.decision
    return record.status.is_final or waits


def show(services: Services, user: User) -> None:
    """The page of the invoice that the address names; up to date while the workflow is at work."""
    if st.button("All invoices", icon=":material/arrow_back:", type="tertiary"):
        ui.open_page("Invoices")
    with ui.failures("The invoice cannot be shown"):
        _show(services, user, services.invoices.store.find(st.query_params.get("id", "")))


def _show(services: Services, user: User, record: InvoiceRecord) -> None:
    _head(record)
    if not rests(record):
        _watch(services, record)
    document, facts = st.columns([11, 9], gap="medium")
    with document:
        _document(services, record)
    with facts:
        _issues(record)
        if record.status is InvoiceStatus.NEEDS_REVIEW and not record.decision:
            _review(services, user, record)
        elif record.invoice:
            _fields(record)
        if record.status is InvoiceStatus.PROCESSING_FAILED:
            _retry(services, user, record)
    _line_items(record)
    _history(record)


def _head(record: InvoiceRecord) -> None:
    read = record.invoice
    vendor = read.text("vendor") if read else ""
    st.title(vendor or record.file)
    facts = [ui.badge(record.status.value), f"`{record.file}`"]
    if read and read.text("total"):
        facts.append(f"**{ui.amount(read.text('total'), read.text('currency'))}**")
    if record.serial_number:
        facts.append(f"our number **{record.serial_number}**")
    if record.submitted_by:
        facts.append(f"submitted by {ui.plain(record.submitted_by)}")
    facts.append(f"received {ui.moment(record.received_at)}")
    st.markdown(" · ".join(facts))


def _watch(services: Services, record: InvoiceRecord) -> None:
    @st.fragment(run_every=1.0)
    def look() -> None:
        now = services.invoices.store.find(record.id)
        st.info(f"The workflow is at work: {ui.words(now.status.value)}.", icon=":material/sync:")
        if now.revision != record.revision:
            st.rerun()

    look()


def _document(services: Services, record: InvoiceRecord) -> None:
    pages = max(record.pages, 1)
    number = 1
    if pages > 1:
        number = int(
            st.number_input("Page", 1, pages, record.invoice.pages[0] if record.invoice else 1)
        )
    with ui.failures("The document cannot be shown"):
        image = rendered(services, record.id, record.document.version_id, number)
        readings = record.invoice.readings if record.invoice else {}
        boxes = [
            components.Box(
                title=f"{ui.words(name)}: {one.value or one.text} ({one.confidence:.0f} %)",
                sure=one.confidence >= SURE and not one.doubt,
                left=one.place.left,
                top=one.place.top,
                width=one.place.width,
                height=one.place.height,
            )
            for name, one in readings.items()
            if one.place and one.place.page == number
        ]
        components.document_page(
            f"document-{record.id}",
            image,
            alt=f"Page {number} of {record.file}",
            boxes=boxes,
        )
        if boxes:
            st.caption(
                f"Green: read with {SURE:.0f} % confidence or more. Orange: look twice. "
                "Point at a box, or step through them with the Tab key, to see what was read there."
            )


@st.cache_data(ttl="10m", max_entries=50, show_spinner="Fetching the page …")
def rendered(_services: Services, identifier: str, _version: str, number: int) -> str:
    """A page of an invoice's document as a data URL; a version of a document never changes."""
    record = _services.invoices.store.find(identifier)
    with _services.invoices.objects.open(record.document) as file:
        return page_image(file, record.media_type, number)


def _issues(record: InvoiceRecord) -> None:
    if record.failure and not record.failure.resumed:
        st.error(
            f"The step {ui.plain(record.failure.step)} failed: {ui.plain(record.failure.cause)}",
            icon=":material/error:",
        )
    for severity, show_as, icon in (
        (Severity.ERROR, st.error, ":material/error:"),
        (Severity.REVIEW, st.warning, ":material/visibility:"),
        (Severity.FLAG, st.info, ":material/info:"),
    ):
        said = [ui.plain(one.message) for one in record.issues if one.severity is severity]
        if said:
            show_as(said[0] if len(said) == 1 else "\n".join(f"- {one}" for one in said), icon=icon)


def _fields(record: InvoiceRecord) -> None:
    assert record.invoice  # noqa: S101 - the caller has looked
    currency = record.invoice.text("currency")
    rows = [
        {
            "field": ui.words(name),
            "value": ui.amount(one.value, currency) if name in AMOUNTS else one.value,
            "confidence": one.confidence,
            "text": one.text,
            "page": one.place.page if one.place else None,
            "source": one.source,
        }
        for name in FIELDS
        if (one := record.invoice.readings.get(name))
    ]
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        placeholder="",
        alt="Fields of the invoice with their confidence",
        column_config={
            "field": st.column_config.TextColumn("Field", width="small"),
            "value": "Value",
            "confidence": st.column_config.ProgressColumn(
                "Confidence", format="%.0f %%", min_value=0, max_value=100, width="small"
            ),
            "text": "As it stands there",
            "page": st.column_config.NumberColumn("Page", width=60),
            "source": st.column_config.TextColumn("Read by", width="small"),
        },
    )


def _review(services: Services, user: User, record: InvoiceRecord) -> None:
    if record.invoice is None:
        return
    if not user.may(Role.EDITOR):
        st.info("It waits for a person who may correct or approve it.", icon=":material/lock:")
        _fields(record)
        return
    st.subheader("Review")
    with st.form(f"review-{record.id}-{record.revision}"):
        typed = _inputs(record.invoice.readings)
        reason = st.text_input("Reason", help="Kept with the decision; a rejection needs one.")
        with st.container(horizontal=True):
            approve = st.form_submit_button(
                "Approve",
                type="primary",
                icon=":material/check:",
                disabled=not user.may(Role.APPROVER),
            )
            correct = st.form_submit_button("Save corrections", icon=":material/edit:")
            reject = st.form_submit_button(
                "Reject", icon=":material/close:", disabled=not user.may(Role.APPROVER)
            )
    if not user.may(Role.APPROVER):
        st.caption("Your role corrects values. Approving and rejecting takes an approver.")
    if not (approve or correct or reject):
        return
    corrections = {
        name: value.strip()
        for name, value in typed.items()
        if value.strip() != record.invoice.text(name)
    }
    decide(
        services,
        user,
        record,
        corrections={} if reject else corrections,
        approve=approve,
        reject=reject,
        reason=reason,
    )


def _inputs(readings: Mapping[str, Reading]) -> dict[str, str]:
    typed = {}
    left, right = st.columns(2)
    for number, name in enumerate(_shown(readings)):
        one = readings.get(name)
        unsure = one is not None and (one.confidence < SURE or bool(one.doubt))
        confidence = f" · {one.confidence:.0f} %" if one else " · not found"
        mark = " :orange[●]" if unsure or (one is None and name in REQUIRED) else ""
        about = (
            "; ".join(filter(None, (one.doubt, one.text and f"reads: {one.text}"))) if one else ""
        )
        with (left, right)[number % 2]:
            typed[name] = st.text_input(
                f"{ui.words(name)}{confidence}{mark}",
                value=one.value if one else "",
                help=ui.plain(about) or None,
                placeholder="2026-03-31" if name.endswith("date") else None,
            )
    return typed


def _shown(readings: Mapping[str, Reading]) -> list[str]:
    always = (*REQUIRED, "due_date", "subtotal", "tax")
    return [name for name in FIELDS if name in always or name in readings]


def decide(
    services: Services,
    user: User,
    record: InvoiceRecord,
    *,
    corrections: Mapping[str, str],
    approve: bool,
    reject: bool,
    reason: str,
) -> None:
    """Hand the decision to the workflow, tell the audit trail, and draw the page anew."""
    # The buttons are off for others, but a browser's word is not taken for it.
    if not user.may(Role.APPROVER if approve or reject else Role.EDITOR):
        st.error("Your role does not allow that.", icon=":material/lock:")
        return
    try:
        decided = services.review_desk.decide(
            record.id,
            user.name,
            corrections=corrections,
            approve=approve,
            reject=reject,
            reason=reason,
        )
    except FinOpsError as error:
        ui.show_failure("That was not done", error)
        return
    review = decided.reviews[-1]
    services.record(
        user,
        f"invoice.{review.decision.lower()}",
        decided.id,
        version=f"{decided.id}/{decided.revision}",
        before=dict(review.before),
        after=dict(review.after),
        reason=review.reason,
    )
    ui.flash(f"{record.file}: {review.decision.lower()}")
    st.rerun()


def _retry(services: Services, user: User, record: InvoiceRecord) -> None:
    if user.may(Role.EDITOR) and st.button("Try again from there", icon=":material/replay:"):
        with ui.failures("It cannot go on"):
            services.invoices.workflow.redrive(record.id)
            services.record(
                user, "invoice.retried", record.id, version=f"{record.id}/{record.revision}"
            )
            st.rerun()


def _line_items(record: InvoiceRecord) -> None:
    items = record.invoice.line_items if record.invoice else ()
    if not items or record.invoice is None:
        return
    st.subheader("Line items")
    currency = record.invoice.text("currency")
    rows = [one | {"currency": currency} for one in invoice_document(record)["line_items"]]
    amounts = ("unit_price", "amount", "tax")
    st.dataframe(
        ui.money_table(rows, amounts),
        hide_index=True,
        placeholder="",
        alt="Line items",
        column_order=("description", "product_code", "quantity", *amounts, "currency"),
        column_config={
            "description": st.column_config.TextColumn("Description", width="large"),
            "product_code": "Code",
            "quantity": st.column_config.TextColumn("Quantity", alignment="right"),
            "unit_price": ui.money_column("Unit price"),
            "amount": ui.money_column("Amount"),
            "tax": ui.money_column("Tax"),
            "currency": st.column_config.TextColumn("Currency", width=80),
        },
    )


def _history(record: InvoiceRecord) -> None:
    if not record.reviews:
        return
    st.subheader("Decisions")
    rows: list[dict[str, Any]] = [
        {
            "at": review.at,
            "reviewer": shown["reviewer"],
            "decision": ui.words(review.decision),
            "reason": shown["reason"],
            "changes": "; ".join(
                f"{ui.words(name)}: {before or 'nothing'} → {review.after.get(name) or 'nothing'}"
                for name, before in review.before.items()
            ),
        }
        for review, shown in zip(record.reviews, invoice_reviews(record), strict=True)
    ]
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="",
        alt="Decisions of people",
        column_config={
            "at": st.column_config.DatetimeColumn(
                "At (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"
            ),
            "reviewer": "Who",
            "decision": "Decision",
            "reason": "Reason",
            "changes": st.column_config.TextColumn("Changes", width="large"),
        },
    )
