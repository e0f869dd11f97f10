"""The page of invoices and the page of one: what each role sees, and what a decision does."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from console import presses, ui
from console.identity import Role, User
from console.rendering import page_image
from console.views.invoice import review as decisions
from console.views.invoice import same_vendor
from console.views.invoice.decisions import desk as desk_of
from console.views.invoice.inbox import Inbox
from console.views.invoices import listing
from finops.invoices.domain import Erasure, InvoiceStatus, Issue, Severity
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
    for name in ("Approve", "Approve and next"):
        assert button(app, name).disabled
    assert not button(app, "Reject").disabled
    assert any("the approver submitted" in found.value for found in app.caption)
    assert any("somebody else must approve it" in found.value for found in app.caption)
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
    assert desk_of(stage.services, person).proven is proven


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


def test_an_invoice_that_came_as_json_is_said_to_have_no_page(stage: Stage) -> None:
    put(stage, replace(waiting("json/march.json"), media_type="", pages=0))
    app = of(stage, Role.VIEWER)
    assert not app.exception
    assert not any("cannot be shown" in one.value for one in app.warning)
    assert any("came as JSON, so there is no page" in one.value for one in app.markdown)


@pytest.fixture
def inbox(stage: Stage) -> list[str]:
    """Three invoices that wait, oldest first; one of them is the approver's own. Their ids."""
    now = datetime.now(UTC)
    found = [
        replace(
            waiting(f"raw/{name}.pdf"), received_at=now - timedelta(hours=hours), submitted_by=by
        )
        for name, hours, by in (
            ("first", 4, "edda"),
            ("own", 3, "the approver"),
            ("second", 2, "edda"),
            ("third", 1, "edda"),
        )
    ]
    put(stage, *found)
    for one in found:
        stage.invoices.objects.objects[one.document.key] = document(paper(one.file))
    return [one.id for one in found]


def said(app: AppTest) -> str:
    return " ".join(one.value for one in app.markdown)


def at(app: AppTest) -> str:
    found = app.query_params["id"]
    return found if isinstance(found, str) else found[0]


def test_approve_and_next_goes_through_the_inbox_until_it_is_empty(
    stage: Stage, inbox: list[str]
) -> None:
    first, own, second, third = inbox
    app = stage.page("invoice", Role.APPROVER)
    assert at(app) == first
    assert "**3 wait for your review** · 1 for somebody else" in said(app)
    label(app, "Total").set_value("1200.00")
    for expected in (second, third):
        button(app, "Approve and next").click()
        app.run()
        assert not app.exception
        assert at(app) == expected
    assert "**1 waits for your review**" in said(app)
    button(app, "Approve and next").click()
    app.run()
    assert "**Nothing waits for your review** · 1 for somebody else" in said(app)
    assert "id" not in app.query_params
    records = stage.invoices.store.records
    assert [records[one].decision for one in inbox] == ["APPROVED", "", "APPROVED", "APPROVED"]
    assert records[own].reviews == ()


def test_what_is_typed_for_one_invoice_is_never_another_ones(
    stage: Stage, inbox: list[str]
) -> None:
    app = stage.page("invoice", Role.APPROVER, id=inbox[0])
    label(app, "Vendor").set_value("Somebody else")
    label(app, "Reason").set_value("typed for the first")
    button(app, "Next").click()
    app.run()
    assert at(app) == inbox[2]
    assert label(app, "Vendor").value == "Bäckerei Ähre GmbH"
    assert label(app, "Reason").value == ""
    assert button(app, "Previous") is not None
    button(app, "Previous").click()
    app.run()
    assert at(app) == inbox[0]


def test_a_rejection_goes_on_and_saved_corrections_stay(stage: Stage, inbox: list[str]) -> None:
    app = stage.page("invoice", Role.APPROVER, id=inbox[0])
    label(app, "Reason").set_value("not ours")
    button(app, "Reject").click()
    app.run()
    assert at(app) == inbox[2]
    label(app, "Total").set_value("1190.00")
    button(app, "Save corrections").click()
    app.run()
    assert at(app) == inbox[2]


def test_the_doubtful_field_comes_first_with_what_the_document_says(stage: Stage) -> None:
    one = waiting()
    assert one.invoice
    readings = dict(one.invoice.readings)
    readings["tax"] = replace(readings["tax"], text="190,00 [x](y)", doubt="it may be a rate")
    put(stage, replace(one, invoice=replace(one.invoice, readings=readings)))
    app = of(stage, Role.EDITOR)
    labels = [each.label.partition(" · ")[0] for each in app.text_input]
    assert labels[:3] == ["Reason", "Tax", "Vendor"]
    assert {"Vendor", "Invoice number", "Invoice date", "Currency", "Total"} <= set(labels)
    assert label(app, "Tax").label == "Tax · 100 % · check"
    assert "it may be a rate" in said(app)
    (evidence,) = [each.value for each in app.caption if "190,00" in each.value]
    assert evidence == r'In the document: "190,00 \[x\]\(y\)", page 1'


@pytest.mark.parametrize(("pressed", "asked"), [("Reject", "rejection"), ("Approve", "approval")])
def test_whoever_decides_second_is_told_who_was_first(
    shown: Stage, pressed: str, asked: str
) -> None:
    app = of(shown, Role.APPROVER)
    (one,) = shown.invoices.store.records.values()
    desk = replace(shown.invoices.review_desk, separation_of_duties=False)
    decided = desk.decide(one.id, "bea", approve=True)
    done = replace(decided, status=InvoiceStatus.PROCESSED, decision="")
    shown.invoices.store.records[one.id] = done
    label(app, "Reason").set_value("not ours")
    button(app, pressed).click()
    app.run()
    (told,) = (one.value for one in app.warning if "was not saved" in one.value)
    plain = told.replace("\\", "")
    assert f"was already approved by bea at {decided.reviews[-1].at:%Y-%m-%d %H:%M} UTC" in plain
    assert f"your {asked} was not recorded" in plain
    assert shown.invoices.store.records[one.id] == done
    assert not shown.recorded()
    app.run()
    assert not any("was not saved" in one.value for one in app.warning)


def test_a_reminder_keeps_what_is_typed(shown: Stage) -> None:
    app = of(shown, Role.APPROVER)
    (one,) = shown.invoices.store.records.values()
    shown.invoices.store.records[one.id] = replace(one, escalations=1, revision=one.revision + 1)
    label(app, "Total").set_value("1190.00")
    button(app, "Save corrections").click()
    app.run()
    (review,) = shown.invoices.store.records[one.id].reviews
    assert dict(review.after) == {"total": "1190.00"}


def test_names_from_outside_are_never_markup(stage: Stage) -> None:
    hostile = "`a` **b** [c](http://d) $e$ :red[f]"
    one = replace(waiting(f"raw/{hostile}.pdf"), received_at=datetime.now(UTC))
    assert one.invoice
    readings = {
        name: replace(reading, value=hostile, text=hostile)
        for name, reading in one.invoice.readings.items()
        if name in {"vendor", "invoice_number"}
    }
    doubt = Issue(code="x", severity=Severity.REVIEW, field="vendor", message=hostile)
    read = replace(one.invoice, readings={**one.invoice.readings, **readings})
    put(stage, replace(one, invoice=read, issues=(doubt, replace(doubt, field=""))))
    app = of(stage, Role.APPROVER)
    assert not app.exception
    shown = [*app.markdown, *app.caption, *app.warning, *app.title]
    found = [each.value for each in shown if "http" in each.value]
    assert len(found) >= 5
    for text in found:
        assert "http\\:" in text
        assert "\\`a\\`" in text


def test_what_the_index_still_lists_as_waiting_is_not_the_next(
    stage: Stage, inbox: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, second, third = inbox
    listed = list(stage.invoices.waiting())
    monkeypatch.setattr(stage.invoices, "waiting", lambda: iter(listed))
    app = stage.page("invoice", Role.APPROVER, id=second)
    for expected in (third, first):
        button(app, "Approve and next").click()
        app.run()
        assert not app.exception
        assert at(app) == expected


def test_a_button_that_was_pressed_in_a_session_that_is_gone_decides_nothing(
    shown: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new session gets the press from the browser, but did not see it itself."""
    shown.invoices.separation_of_duties = False
    with monkeypatch.context() as patch:
        patch.setattr(presses, "_see", lambda *_: None)
        app = of(shown, Role.APPROVER)
        button(app, "Approve").click().run()
    assert any("press again" in one.value for one in app.warning)
    assert not shown.recorded()
    app.run()
    button(app, "Approve").click().run()
    assert [action for _, action, _ in shown.recorded()] == ["invoice.approved"]


@pytest.mark.parametrize("newest_first", [True, False])
def test_every_invoice_that_matches_is_exported_and_not_the_page_only(
    stage: Stage, *, newest_first: bool
) -> None:
    now = datetime.now(UTC)
    ages = [timedelta(days=one) for one in range(0, 330, 3)]
    put(
        stage,
        *(replace(waiting(f"raw/scan-{one.days}.pdf"), received_at=now - one) for one in ages),
        waiting("raw/other.pdf"),
    )
    filters = listing.Filters(search="scan", newest_first=newest_first)
    found = [one.file for one in listing.matching(stage.services, filters)]
    order = ages if newest_first else ages[::-1]
    assert found == [f"scan-{one.days}.pdf" for one in order]
    app = stage.page("invoices")
    labels = [one.proto.label for one in app.get("download_button")]
    assert labels[0] == "Excel: all 100 on this page"
    app.toggle[0].set_value(True).run()
    labels = [one.proto.label for one in app.get("download_button")]
    assert labels == ["Excel: all that match", "CSV: all that match", "JSON: all that match"]


def test_a_page_with_all_that_match_offers_no_more(shown: Stage) -> None:
    assert not shown.page("invoices").toggle


def test_several_invoices_of_a_vendor_are_approved_at_once(stage: Stage) -> None:
    stage.invoices.separation_of_duties = True
    first, second, third, own = (waiting(f"raw/{name}.pdf") for name in "abcd")
    own = replace(own, submitted_by="the approver")
    strange = waiting("raw/e.pdf")
    assert strange.invoice
    reading = replace(strange.invoice.readings["vendor"], value="Somebody else")
    readings = {**strange.invoice.readings, "vendor": reading}
    strange = replace(strange, invoice=replace(strange.invoice, readings=readings))
    put(stage, first, second, third, own, strange)
    found = Inbox(mine=[first, second, third, strange], others=1, more=False)
    assert same_vendor.others_of(found, first) == [second, third]
    stage.who = user(Role.APPROVER)
    # One was decided since it was shown, and own ones are refused even if a browser sends them.
    stage.invoices.review_desk.decide(
        third.id, "bea", corrections={}, approve=True, reject=False, reason="", seen=0
    )
    refused = same_vendor.approve(
        stage.services, user(Role.APPROVER), [second, third, own], "all fine"
    )
    assert [file for file, _ in refused] == ["c.pdf", "d.pdf"]
    (review,) = stage.invoices.store.find(second.id).reviews
    assert (review.reviewer, review.decision, review.reason) == (
        "the approver",
        "APPROVED",
        "all fine",
    )
    assert stage.recorded() == [("the approver", "invoice.approved", second.id)]


@pytest.mark.parametrize(("role", "offered"), [(Role.EDITOR, 0), (Role.APPROVER, 1)])
def test_only_approvers_are_offered_others_of_the_vendor(
    stage: Stage, role: Role, offered: int
) -> None:
    one = waiting("raw/a.pdf")
    put(stage, one, waiting("raw/b.pdf"))
    app = stage.page("invoice", role, id=one.id)
    assert not app.exception
    assert [part.label for part in app.expander].count("1 more of this vendor") == offered
    assert sum(found.label == "Approve 0 ticked invoices" for found in app.button) == offered
