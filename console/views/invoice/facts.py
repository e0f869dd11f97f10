"""What is known of the invoice: its heading, issues, fields, line items and decisions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import streamlit as st

from console import cards, ui
from finops.deployment.descriptions import invoice_document, invoice_reviews
from finops.invoices.domain import AMOUNTS, FIELDS, InvoiceRecord, Severity
from finops.shared.people import name_of


def head(record: InvoiceRecord) -> None:
    """Draw the title, and status, total and origin below it."""
    read = record.invoice
    vendor = read.text("vendor") if read else ""
    st.title(ui.escaped(vendor or record.file))
    facts = [ui.badge(record.status.value), ui.escaped(record.file)]
    if read and read.text("total"):
        total = ui.amount(read.text("total"), read.text("currency"))
        facts.append(f"**{ui.escaped(total)}**")
    if record.serial_number:
        facts.append(f"internal number **{record.serial_number}**")
    if record.submitted_by:
        facts.append(f"submitted by {ui.escaped(name_of(record.submitted_by))}")
    facts.append(f"received {ui.moment(record.received_at)}")
    st.markdown(" · ".join(facts))


def issues(record: InvoiceRecord, *, beside: Collection[str] = ()) -> None:
    """Draw why the invoice failed, and what its validation found.

    Args:
        record: The invoice.
        beside: Fields that have what was found beside them, on the same page.
    """
    if record.failure and not record.failure.resumed:
        st.error(
            f"The step {ui.escaped(record.failure.step)} failed: "
            f"{ui.escaped(record.failure.cause)}",
            icon=":material/error:",
        )
    for severity, show_as, icon in (
        (Severity.ERROR, st.error, ":material/error:"),
        (Severity.REVIEW, st.warning, ":material/visibility:"),
        (Severity.FLAG, st.info, ":material/info:"),
    ):
        texts = [
            ui.escaped(one.message)
            for one in record.issues
            if one.severity is severity
            and (one.severity is Severity.FLAG or one.field not in beside)
        ]
        if texts:
            show_as(
                texts[0] if len(texts) == 1 else "\n".join(f"- {one}" for one in texts), icon=icon
            )


def fields(record: InvoiceRecord) -> None:
    """Draw each field with its confidence and where it was read."""
    if record.invoice is None:
        return
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
            "text": "Text in the document",
            "page": st.column_config.NumberColumn("Page", width=60),
            "source": st.column_config.TextColumn("Read by", width="small"),
        },
    )


def line_items(record: InvoiceRecord) -> None:
    """Draw the line items, if there are any."""
    if record.invoice is None or not record.invoice.line_items:
        return
    st.header("Line items")
    currency = record.invoice.text("currency")
    rows = [one | {"currency": currency} for one in invoice_document(record)["line_items"]]
    amounts = ("unit_price", "amount", "tax")
    if cards.is_narrow():
        labels = {"description": "Description", "product_code": "Code", "quantity": "Quantity"}
        labels |= {"unit_price": "Unit price", "amount": "Amount", "tax": "Tax"}
        named = [one | {"description": one["description"] or "—"} for one in rows]
        cards.plain("line-items", named, labels, money=amounts)
        return
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


def decisions(record: InvoiceRecord) -> None:
    """Draw who decided what about the invoice, and what they changed."""
    if not record.reviews:
        return
    st.header("Decisions")
    rows: list[dict[str, Any]] = [
        {
            "at": review.at,
            "reviewer": shown["reviewer"],
            "decision": ui.words(review.decision),
            "reason": shown["reason"],
            "changes": "; ".join(
                f"{ui.words(name)}: {before or 'empty'} → {review.after.get(name) or 'empty'}"
                for name, before in review.before.items()
            ),
        }
        for review, shown in zip(record.reviews, invoice_reviews(record), strict=True)
    ]
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="",
        alt="Review decisions",
        column_config={
            "at": st.column_config.DatetimeColumn(
                "Time (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"
            ),
            "reviewer": "Reviewer",
            "decision": "Decision",
            "reason": "Reason",
            "changes": st.column_config.TextColumn("Changes", width="large"),
        },
    )
