"""The page of invoices and the page of one: what each role sees, and what a decision does."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from console import ui
from console.identity import Role, User
from console.rendering import page_image
from console.views.invoice import review as decisions
from console.views.invoices import listing
from finops.invoices.domain import Erasure, InvoiceStatus
from finops.invoices.einvoice.reader import read_einvoice
from finops.invoices.einvoice.terms import RESPONSE_KEY
from finops.shared.errors import RejectedInput
from sample_einvoices import Sale, ubl
from tests.console.conftest import Stage, put, user, waiting
from tests.flows.invoices import document, paper


@pytest.fixture
def shown(stage: Stage) -> Stage:
    """An invoice that waits for review."""
    one = waiting()
    put(stage, one)
    stage.invoices.objects.objects[one.document.key] = document(paper("RE-7"))
    return stage


def of(stage: Stage, role: Role) -> AppTest:
    (one,) = stage.invoices.store.records.values()
    return stage.page("invoice", role, id=one.id)


def label(app: AppTest, begin: str) -> Any:
    return next(one for one in app.text_input if one.label.startswith(begin))


def button(app: AppTest, name: str) -> Any:
    return next((one for one in app.button if one.label == name), None)


def test_the_newest_invoices_are_listed(shown: Stage) -> None:
    app = shown.page("invoices")
    assert not app.exception
    table = app.dataframe[0].value
    assert table["file"].tolist() == ["march.pdf"]
    assert table["total"].tolist() == [1200.0]
    assert table["status"].tolist() == [["Needs review"]]


def test_an_empty_list_says_so(stage: Stage) -> None:
    app = stage.page("invoices")
    assert not app.dataframe
    assert any("No invoices have been uploaded" in one.value for one in app.markdown)


def test_an_unknown_invoice_is_said_to_be_unknown(stage: Stage) -> None:
    app = stage.page("invoice", id="nothing")
    assert "The invoice cannot be shown" in app.warning[0].value


def test_the_page_of_an_erased_invoice_says_so(shown: Stage) -> None:
    (one,) = shown.invoices.store.records.values()
    erasure = Erasure(at=one.updated_at, by="dpo", reason="a request")
    final = replace(one, status=InvoiceStatus.PROCESSED)
    shown.invoices.store.records[one.id] = final.erased(erasure)
    app = of(shown, Role.VIEWER)
    assert not app.exception
    assert any("was erased on" in found.value for found in app.markdown)


def test_an_approver_corrects_and_approves(shown: Stage) -> None:
    shown.invoices.separation_of_duties = False
    app = of(shown, Role.APPROVER)
    assert not app.exception
    label(app, "Total").set_value("1190.00")
    label(app, "Reason").set_value("the vendor confirmed it")
    button(app, "Approve").click()
    app.run()
    assert not app.exception
    (one,) = shown.invoices.store.records.values()
    (review,) = one.reviews
    assert (review.reviewer, review.decision, review.reason) == (
        "the approver",
        "APPROVED",
        "the vendor confirmed it",
    )
    assert dict(review.before) == {"total": "1200.00"}
    assert dict(review.after) == {"total": "1190.00"}
    assert shown.invoices.workflow.resumed == [("token", {"outcome": "APPROVED"})]
    assert shown.recorded() == [("the approver", "invoice.approved", one.id)]


def test_a_rejection_needs_a_reason_and_saves_no_corrections(shown: Stage) -> None:
    app = of(shown, Role.APPROVER)
    label(app, "Total").set_value("1.00")
    button(app, "Reject").click()
    app.run()
    assert "needs a reason" in app.warning[-1].value
    assert not shown.recorded()
    label(app, "Reason").set_value("ordered twice")
    button(app, "Reject").click()
    app.run()
    (one,) = shown.invoices.store.records.values()
    assert one.status is InvoiceStatus.VALIDATION_FAILED
    assert one.reviews[0].after == {}


def test_an_editor_corrects_but_does_not_decide(shown: Stage) -> None:
    app = of(shown, Role.EDITOR)
    assert button(app, "Approve").disabled
    assert button(app, "Reject").disabled
    label(app, "Total").set_value("1190.00")
    button(app, "Save corrections").click()
    app.run()
    (one,) = shown.invoices.store.records.values()
    assert [review.decision for review in one.reviews] == ["CORRECTED"]


@pytest.mark.parametrize("what", ["approve", "reject"])
def test_a_decision_that_bypasses_a_disabled_button_is_refused(shown: Stage, what: str) -> None:
    def script(*arguments: object) -> None:
        from console.views.invoice import review

        *who_and_what, chosen = arguments
        decision = {"approve": False, "reject": False, chosen: True}
        review.decide(*who_and_what, corrections={}, reason="because", **decision)  # type: ignore[arg-type]

    (one,) = shown.invoices.store.records.values()
    arguments = (shown.services, user(Role.EDITOR), one, what)
    app = AppTest.from_function(script, args=arguments).run()
    assert "Your role does not allow that" in app.error[0].value
    assert shown.invoices.store.records == {one.id: one}
    assert not shown.recorded()


def test_a_viewer_sees_the_fields_and_no_form(shown: Stage) -> None:
    app = of(shown, Role.VIEWER)
    assert not app.exception
    assert not app.text_input
    assert button(app, "Approve") is None
    fields = app.dataframe[0].value
    assert dict(zip(fields["field"], fields["value"], strict=True))["Total"] == "1,200.00 EUR"


def test_people_approve_their_own_invoices_only_where_that_is_allowed(shown: Stage) -> None:
    (one,) = shown.invoices.store.records.values()
    put(shown, replace(one, submitted_by="the approver"))
    app = of(shown, Role.APPROVER)
    button(app, "Approve").click()
    app.run()
    assert "somebody else must approve it" in app.warning[-1].value
    assert not shown.recorded()
    shown.invoices.separation_of_duties = False
    app = of(shown, Role.APPROVER)
    button(app, "Approve").click()
    app.run()
    assert shown.recorded() == [("the approver", "invoice.approved", one.id)]


def test_a_page_reads_month_after_month_until_it_is_full(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_ROWS", 4)
    now = datetime.now(UTC)
    days = [timedelta(days=20 * number) for number in range(10)]
    put(
        stage,
        *(
            replace(waiting(f"raw/{number}.pdf"), received_at=now - ago, task_token="")
            for number, ago in enumerate(days)
        ),
    )
    for newest_first in (True, False):
        start, seen = None, []
        while True:
            found, start = listing.list_invoices(
                stage.services, "test", listing.Filters(newest_first=newest_first), start
            )
            assert len(found) <= 4
            seen += [int(one.file.removesuffix(".pdf")) for one in found]
            if start is None:
                break
        assert seen == sorted(range(10), reverse=not newest_first)


@pytest.mark.parametrize("page", [0, 2])
def test_a_page_that_does_not_exist_is_refused(page: int) -> None:
    import io

    file = io.BytesIO(document(paper("RE-7")))
    assert page_image(file, "application/pdf", 1).startswith("data:image/jpeg;base64,")
    with pytest.raises(RejectedInput, match="no page"):
        page_image(file, "application/pdf", page)


@pytest.mark.parametrize(("sub", "proven"), [("6f9d", True), ("", False)])
def test_a_decision_is_proven_by_whoever_cognito_has_signed_in(
    stage: Stage, sub: str, proven: bool
) -> None:
    person = User(name="anna", role=Role.APPROVER, sub=sub)
    assert decisions._desk(stage.services, person).proven is proven


def test_nobody_decides_about_what_was_decided_since_the_page_was_drawn(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = waiting()
    put(stage, drawn)
    desk = replace(stage.invoices.review_desk, separation_of_duties=False)
    desk.decide(drawn.id, "bea", corrections={"total": "1.00"})
    corrected = stage.invoices.store.find(drawn.id)
    stage.invoices.store.records[drawn.id] = replace(corrected, decision="")
    failures: list[RejectedInput] = []
    monkeypatch.setattr(ui, "show_failure", lambda _what, error: failures.append(error))
    decisions.decide(
        stage.services,
        user(Role.APPROVER),
        drawn,
        corrections={},
        approve=True,
        reject=False,
        reason="",
    )
    assert [one.code for one in failures] == ["decided_already"]
    assert len(stage.invoices.store.find(drawn.id).reviews) == 1


def test_nobody_is_told_to_have_decided_what_somebody_else_has(stage: Stage) -> None:
    """Whoever presses without a change sends an earlier decision to the workflow again."""
    drawn = waiting()
    put(stage, drawn)
    desk = replace(stage.invoices.review_desk, separation_of_duties=False)
    decided = desk.decide(drawn.id, "bea", reject=True, reason="not ours")
    decisions._tell(stage.services, user(Role.EDITOR), decided)
    assert stage.recorded() == []
    decisions._tell(stage.services, User(name="bea", role=Role.APPROVER, sub=""), decided)
    assert [action for _, action, _ in stage.recorded()] == ["invoice.rejected"]


@pytest.mark.parametrize("now", [None, user(Role.VIEWER), user(Role.EDITOR, "somebody else")])
def test_an_open_tab_signs_no_form_once_its_session_has_ended(
    stage: Stage, now: User | None
) -> None:
    """What draws the form runs again every ten minutes, without the page that checks claims."""
    app = stage.page("invoices", Role.EDITOR)
    assert stage.invoices.signed == ["the editor"]
    stage.who = now
    app.run()
    assert "Your session has ended" in app.warning[-1].value
    assert stage.invoices.signed == ["the editor"]


def test_an_e_invoice_is_shown_by_its_terms_and_never_as_markup(stage: Stage) -> None:
    sale = Sale(seller="<script>x</script> **bold**")
    read = read_einvoice(io.BytesIO(ubl(sale)))
    one = replace(
        waiting(), media_type="application/xml", engine="xml", response_key="textract/a.json"
    )
    put(stage, one)
    stage.invoices.objects.write_json(one.response_key, {RESPONSE_KEY: msgspec.to_builtins(read)})
    app = of(stage, Role.VIEWER)
    assert not app.exception
    table = next(one.value for one in app.dataframe if "term" in one.value)
    values = dict(zip(table["term"], table["value"], strict=True))
    assert (values["BT-27"], values["BT-112"]) == (sale.seller, "119.00")
    assert not any("script" in one.value for one in app.markdown)
