"""Text from outside is never markup, on any page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from google.protobuf.json_format import MessageToDict
from streamlit.testing.v1 import AppTest

from console.identity import Role
from console.reports import StoredReport
from finops.billing.domain import FileStatus
from finops.budgets.domain import BudgetKey, Status
from finops.budgets.ports import BudgetStatus
from finops.invoices.domain import Failure, InvoiceRecord, InvoiceStatus, Issue, Reading, Severity
from finops.reconciliation.report import as_document
from tests.console.conftest import Stage, put, waiting
from tests.console.test_billing import LOADED, Billing, draw
from tests.console.test_billing_formats import Formats
from tests.console.test_billing_formats import page as page_of_formats
from tests.console.test_reports import Shelf
from tests.invoices.vendors.test_recognition import vendor
from tests.reconciliation.sample_report import sample_report

HOSTILE: Final = (
    "[pay](https://evil.example) **b** `c` $d$ :red[e] <b>f</b>"
    " HTTP://evil.example www.evil.example pay@evil.example"
)
#: What a browser would take for a link, code, a formula, a colour and an element.
MARKUP: Final = ("[pay](", "`c`", "$d$", ":red[e", "<b>")
#: What becomes a link of itself once the escapes are read, as Streamlit's remark-gfm finds it:
#: https://github.com/syntax-tree/mdast-util-gfm-autolink-literal
ADDRESS: Final = re.compile(r"(?i)https?://|www\.|[-.\w+]@[-\w]")
#: The fields of Streamlit's elements that hold Markdown, and the elements that hold none.
FIELDS: Final = {"body", "label", "help", "text", "content", "captions"}
PLAIN: Final = {"json", "code", "text"}


def drawn(node: Any) -> Iterator[str]:
    """Every text of a page that the browser reads as Markdown."""
    if getattr(node, "proto", None) is not None and node.type not in PLAIN:
        yield from texts(MessageToDict(node.proto))
    for child in getattr(node, "children", {}).values():
        yield from drawn(child)


def texts(found: object, field: str = "") -> Iterator[str]:
    if isinstance(found, Mapping):
        for name, one in found.items():
            yield from texts(one, name)
    elif isinstance(found, list):
        for one in found:
            yield from texts(one, field)
    elif isinstance(found, str) and field in FIELDS:
        yield found


def hostile_invoice(key: str = f"raw/{HOSTILE}.pdf", **facts: Any) -> InvoiceRecord:
    one = waiting(key, **facts)
    assert one.invoice
    readings = {
        name: replace(reading, value=HOSTILE, text=HOSTILE)
        for name, reading in one.invoice.readings.items()
        if name not in {"invoice_date", "subtotal", "tax"}
    }
    readings |= {"notes": Reading(value=HOSTILE, text=HOSTILE)}
    issues = tuple(
        Issue(code="x", severity=severity, field=field, message=HOSTILE)
        for severity in Severity
        for field in ("", "vendor")
    )
    return replace(
        one,
        invoice=replace(one.invoice, readings=readings, kind_doubt=HOSTILE),
        issues=issues,
        submitted_by=HOSTILE,
    )


def of_invoice(stage: Stage, **facts: Any) -> AppTest:
    one = replace(hostile_invoice(), **facts)
    put(stage, one)
    return stage.page("invoice", Role.APPROVER, id=one.id)


def in_review(stage: Stage) -> AppTest:
    return of_invoice(stage)


def failed(stage: Stage) -> AppTest:
    failure = Failure(step=HOSTILE, error=HOSTILE, cause=HOSTILE, entered="", redrive=0)
    return of_invoice(stage, status=InvoiceStatus.PROCESSING_FAILED, failure=failure)


def duplicate(stage: Stage) -> AppTest:
    return of_invoice(stage, status=InvoiceStatus.DUPLICATE)


def processed(stage: Stage) -> AppTest:
    return of_invoice(stage, status=InvoiceStatus.PROCESSED, serial_number="INV-2026-000001")


def overview(stage: Stage) -> AppTest:
    reports(stage)
    put(stage, hostile_invoice())
    return stage.page("overview", Role.APPROVER)


def vendors(stage: Stage) -> AppTest:
    one = vendor(HOSTILE)
    stage.invoices.vendors.vendors = {one.id: replace(one, audit_salt="salt")}
    return stage.page("vendors", Role.APPROVER)


def reports(stage: Stage) -> AppTest:
    """Every name and sentence that people or providers have written."""
    written = {"name", "unit", "owner", "evidence", "subject", "service", "text", "line", "vendor"}

    def hostile(found: Any, field: str = "") -> Any:
        if isinstance(found, dict):
            return {name: hostile(one, name) for name, one in found.items()}
        if isinstance(found, list):
            return [hostile(one, field) for one in found]
        is_note = isinstance(found, str) and field in {"notes", "services", "units_of_account"}
        return HOSTILE if found and (field in written or is_note) else found

    document = json.loads(json.dumps(as_document(sample_report()), default=str))
    stage.settings["reports"] = Shelf(StoredReport(document=hostile(document), locations={}))
    return stage.page("reports", Role.APPROVER)


def budgets(stage: Stage) -> AppTest:
    key = BudgetKey(account_id="222222222222", budget_name=HOSTILE)
    row = {"account_id": key.account_id, "budget_name": key.budget_name, "amount": HOSTILE}
    stage.budgets.rows.items[key.account_id, key.budget_name] = row
    stage.budgets.statuses.items[key] = BudgetStatus(
        key=key, version="1", status=Status.REJECTED, error=HOSTILE
    )
    raised = replace(key, budget_name=f"{HOSTILE} raised")
    stage.budgets.statuses.items[raised] = BudgetStatus(
        key=raised,
        version="1",
        status=Status.WAITING,
        amount=HOSTILE,
        error=HOSTILE,
        updated_by=HOSTILE,
        approvals=(HOSTILE,),
    )
    app = stage.page("budgets", Role.APPROVER)
    app.session_state["budget_requests"] = {key: ""}
    return app.run()


def billing_file(stage: Stage) -> AppTest:
    source = replace(LOADED.source, key=f"billing/x/{HOSTILE.replace('/', '')}.csv")
    one = replace(LOADED, source=source, dataset=HOSTILE, status=FileStatus.FAILED, error=HOSTILE)
    stage.settings["billing"] = Billing(one)
    return draw(stage, Role.EDITOR, one.load_id)


def billing_format(stage: Stage) -> AppTest:
    stage.settings["billing"] = Formats()
    header = ";".join(["Nr", "Datum", "Betrag", HOSTILE.replace(";", "")])
    content = f"{header}\n1;31.03.2026;1,50;{HOSTILE}\n2;1.4.2026;2,50;{HOSTILE}\n"
    return page_of_formats(stage, content.encode())


def invoices(stage: Stage) -> AppTest:
    put(stage, hostile_invoice())
    return stage.page("invoices", Role.APPROVER)


PAGES: Final = (
    *(in_review, failed, duplicate, processed, overview, vendors, reports),
    *(budgets, billing_file, billing_format),
)


@pytest.mark.parametrize("page", PAGES)
def test_text_from_outside_is_never_markup(stage: Stage, page: Callable[[Stage], AppTest]) -> None:
    app = page(stage)
    assert not app.exception
    shown = [*drawn(app._tree)]
    assert any("evil" in one for one in shown), "the page shows nothing of it"
    assert [one for one in shown if any(mark in one for mark in MARKUP)] == []
    foreign = [one for one in shown if "evil" in one]
    assert [one for one in foreign if ADDRESS.search(re.sub(r"\\(.)", r"\1", one))] == []
