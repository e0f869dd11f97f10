"""Vendors: what is known of each, how it became known, and changes by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import streamlit as st

from console import presses, ui
from console.identity import Role, User
from console.services import Services
from finops.deployment.descriptions import vendor_document
from finops.invoices.vendors.desk import VendorDesk
from finops.invoices.vendors.vendor import BANK_DETAILS, FactKind, Vendor
from finops.shared.audit import AuditEvent
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.people import name_of

_LABELS: Final = {
    FactKind.ALIAS: "Also called",
    FactKind.VAT_ID: "Tax id",
    FactKind.IBAN: "IBAN",
    FactKind.ACCOUNT: "Other account",
    FactKind.DOMAIN: "Domain",
    FactKind.COUNTRY: "Country",
    FactKind.CURRENCY: "Currency",
    FactKind.DATE_ORDER: "Order of dates",
    FactKind.NUMBER_FORM: "Form of numbers",
}
_ENTERED: Final = tuple(kind for kind in FactKind if kind not in BANK_DETAILS)


def show(services: Services, user: User) -> None:
    """Draw the page."""
    st.title("Vendors")
    with ui.failures("The vendors cannot be read"):
        if user.may(Role.APPROVER):
            _new(services, user)
        known = list(services.invoices.vendors.all())
        if not known:
            ui.empty("No vendor is known yet. The approval of an invoice makes its vendor known.")
            return
        _table(known)
        names = {one.id: one.name for one in known}
        chosen = st.selectbox(
            "Vendor", list(names), format_func=names.__getitem__, key="vendor", bind="query-params"
        )
        vendor = next((one for one in known if one.id == chosen), None)
        if vendor:
            _facts(vendor)
            if user.may(Role.APPROVER):
                _change(services, user, vendor)
            _history(vendor)


def edit(services: Services, user: User) -> VendorDesk:
    """The desk, which tells the console's audit stream who changed what.

    Raises:
        RejectedInput: the role cannot change vendors.
    """
    if not user.may(Role.APPROVER):
        raise RejectedInput("your role cannot change vendors", code="not_allowed")
    return replace(
        services.invoices.vendor_desk, audit=_Trail(services, user), proven=bool(user.sub)
    )


@dataclass(frozen=True, slots=True)
class _Trail:
    """Records the desk's events as the console's, which may write no other stream."""

    services: Services
    user: User

    def record(self, *events: AuditEvent) -> None:
        """Record each."""
        for one in events:
            self.services.record(self.user, one.action, one.subject, one.version, **one.details)


def _table(known: Sequence[Vendor]) -> None:
    rows = [vendor_document(one) for one in known]
    st.dataframe(
        [
            {
                "name": one["name"],
                "vat_ids": ", ".join(one["vat_ids"]),
                "ibans": ", ".join((*one["ibans"], *one["accounts"])),
                "currency": one["currency"],
                "country": one["country"],
                "aliases": ", ".join(one["aliases"]),
            }
            for one in rows
        ],
        hide_index=True,
        height=ui.height(len(rows)),
        placeholder="",
        alt="Vendors",
        column_config={
            "name": st.column_config.TextColumn("Name", width="medium"),
            "vat_ids": "Tax ids",
            "ibans": st.column_config.TextColumn("Accounts", width="large"),
            "currency": "Currency",
            "country": "Country",
            "aliases": "Also called",
        },
    )


def _facts(vendor: Vendor) -> None:
    st.header(ui.escaped(vendor.name))
    rows = [
        {
            "kind": _LABELS[one.kind],
            "value": one.value,
            "state": one.state.capitalize(),
            "who": ", ".join(
                name_of(who)
                for who in (
                    [one.revoked_by or one.set_by]
                    if one.revoked_by or one.set_by
                    else [approval.approver for approval in one.approvals]
                )
            ),
            "invoices": ", ".join(approval.invoice_id for approval in one.approvals),
        }
        for one in vendor.facts
    ]
    if not rows:
        st.caption("Nothing but its name is known.")
        return
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        placeholder="",
        alt="What is known of the vendor",
        column_config={
            "kind": "Fact",
            "value": st.column_config.TextColumn("Value", width="medium"),
            "state": "State",
            "who": st.column_config.TextColumn("Who", width="medium"),
            "invoices": "Approved invoices",
        },
    )


def _history(vendor: Vendor) -> None:
    changes: list[Mapping[str, Any]] = vendor_document(vendor)["history"]
    with st.expander(f"History: {ui.counted(len(changes), 'change')}"):
        st.dataframe(
            [{**one, "changes": "; ".join(one["changes"])} for one in reversed(changes)],
            hide_index=True,
            height=ui.height(len(changes)),
            placeholder="",
            alt="Changes of the vendor",
        )


def _new(services: Services, user: User) -> None:
    @st.dialog("New vendor")
    def ask() -> None:
        services.require(user)
        with st.form("new-vendor", border=False):
            name = st.text_input("Name", help="As its invoices are to name it.")
            tax_id = st.text_input("Tax id", placeholder="DE123456789")
            if not presses.submit("Add", type="primary"):
                return
        entered = {FactKind.VAT_ID: (tax_id,)} if tax_id.strip() else {}
        _done(
            "The vendor was not added",
            lambda: edit(services, user).add(name, entered, by=user.identity),
        )

    if presses.button("New vendor", icon=":material/add:"):
        ask()


def _change(services: Services, user: User, vendor: Vendor) -> None:
    with st.expander("Change"):
        st.caption(
            "Accounts are not entered here: the approval of an invoice that shows one makes it "
            "known."
        )
        with st.form("enter-fact", clear_on_submit=True):
            kind = st.selectbox("Fact", _ENTERED, format_func=_LABELS.__getitem__)
            value = st.text_input("Value")
            if presses.submit("Enter"):
                services.require(user)
                desk = edit(services, user)
                _done(
                    "The fact was not entered",
                    lambda: desk.change(vendor, {kind: (value,)}, by=user.identity),
                )
        if vendor.facts:
            with st.form("revoke-fact"):
                at = st.selectbox(
                    "Fact to revoke, or to restore",
                    range(len(vendor.facts)),
                    format_func=lambda at: (
                        f"{_LABELS[vendor.facts[at].kind]} {vendor.facts[at].value}"
                        f" ({vendor.facts[at].state})"
                    ),
                )
                undo = bool(vendor.facts[at].revoked_by)
                if presses.submit("Revoke or restore"):
                    services.require(user)
                    fact = vendor.facts[at]
                    desk = edit(services, user)
                    _done(
                        "The fact was not changed",
                        lambda: desk.revoke(
                            vendor, fact.kind, fact.value, by=user.identity, undo=undo
                        ),
                    )


def _done(failed: str, act: Callable[[], Vendor]) -> None:
    try:
        changed = act()
    except FinOpsError as error:
        ui.show_failure(failed, error)
        return
    ui.flash(f"{ui.escaped(changed.name)} was saved.")
    st.rerun()
