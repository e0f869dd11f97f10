"""Decisions by a function's URL. The attacker writes the request; Lambda writes whose it is."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from finops.invoices.audit_events import reviewed_events
from finops.invoices.decisions import DecisionAnswer, answer
from finops.invoices.domain import Erasure, InvoiceRecord, InvoiceStatus
from finops.shared.errors import RejectedInput, TransientFailure
from finops.shared.signed_requests import DecisionError, caller, raise_for
from tests.invoices.responses import GOOD
from tests.invoices.responses import answer as textract_answer
from tests.invoices.test_service import Flow

BEA = ("arn:aws:iam::111111111111:user/bea", "AIDABEA")
CFO = ("arn:aws:iam::111111111111:user/cfo", "AIDACFO")


def event(body: Any, signer: tuple[str, str] | None = BEA, **changes: Any) -> dict[str, Any]:
    """As https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads."""
    context: dict[str, Any] = {"http": {"method": "POST"}, "requestId": "1"}
    if signer:
        arn, identifier = signer
        iam = {"userArn": arn, "callerId": identifier, "userId": identifier, "accessKey": "AKIA"}
        context["authorizer"] = {"iam": iam}
    text = body if isinstance(body, str) else json.dumps(body)
    return {"version": "2.0", "requestContext": context, "body": text} | changes


@pytest.fixture
def flow() -> Flow:
    return Flow(separation_of_duties=True)


@pytest.fixture
def waiting(flow: Flow) -> InvoiceRecord:
    """Submitted by ann; its total is not the sum."""
    return flow.run(flow.drop("raw/a.pdf", textract_answer(GOOD | {"total": "EUR 129.00"})))


def decided(
    flow: Flow, request: Any, signer: tuple[str, str] | None = BEA, **changes: Any
) -> tuple[int, dict[str, Any]]:
    desk = replace(flow.review_desk, proven=True)
    found = answer(desk, event(request, signer, **changes))
    return found["statusCode"], json.loads(found["body"])


def approval(record: InvoiceRecord, **changes: Any) -> dict[str, Any]:
    return {"invoice_id": record.id, "reviews": len(record.reviews), "approve": True} | changes


def test_the_reviewer_is_who_signed(flow: Flow, waiting: InvoiceRecord) -> None:
    status, said = decided(flow, approval(waiting))
    assert (status, said["invoice_id"]) == (200, waiting.id)
    record = flow.store.find(waiting.id)
    (review,) = record.reviews
    assert (review.reviewer, review.proven) == (f"{BEA[0]} <{BEA[1]}>", True)
    (entry,) = reviewed_events(record)
    assert (entry.actor, entry.details["actor_proven"]) == (review.reviewer, "yes")
    erased = record.erased(Erasure(at=record.updated_at, by="dpo", reason="a request"))
    assert erased.reviews[0].proven
    assert flow.check(waiting.id).status is InvoiceStatus.PROCESSED


@pytest.mark.parametrize("name", ["reviewer", "actor", "requestContext", "proven"])
def test_a_request_cannot_name_somebody_else(flow: Flow, waiting: InvoiceRecord, name: str) -> None:
    status, said = decided(flow, approval(waiting, **{name: CFO[0]}))
    assert (status, said["error"]["code"]) == (400, "invalid_decision")
    assert not flow.store.find(waiting.id).reviews


def test_no_header_names_somebody_else(flow: Flow, waiting: InvoiceRecord) -> None:
    forged = json.dumps(event("", CFO)["requestContext"])
    decided(flow, approval(waiting), headers={"x-amzn-request-context": forged})
    (review,) = flow.store.find(waiting.id).reviews
    assert review.reviewer == f"{BEA[0]} <{BEA[1]}>"


def test_a_request_that_nobody_signed_decides_nothing(flow: Flow, waiting: InvoiceRecord) -> None:
    status, said = decided(flow, approval(waiting), signer=None)
    assert (status, said["error"]["code"]) == (400, "unknown_caller")
    assert not flow.store.find(waiting.id).reviews


def test_a_request_that_is_sent_again_decides_nothing(flow: Flow, waiting: InvoiceRecord) -> None:
    """Somebody corrects; the request is replayed once the invoice is open again."""
    request = {
        "invoice_id": waiting.id,
        "reviews": 0,
        "corrections": {"total": "120.00"},
    }
    assert decided(flow, request)[0] == 200
    assert flow.check(waiting.id).status is InvoiceStatus.NEEDS_REVIEW
    status, said = decided(flow, request)
    assert (status, said["error"]["code"]) == (400, "decided_already")
    assert len(flow.store.find(waiting.id).reviews) == 1


def test_nobody_approves_what_was_corrected_after_they_looked(
    flow: Flow, waiting: InvoiceRecord
) -> None:
    seen = approval(waiting)
    flow.review_desk.decide(waiting.id, "eve", corrections={"total": "120.00"})
    flow.check(waiting.id)
    status, said = decided(flow, seen)
    assert (status, said["error"]["code"]) == (400, "decided_already")


def test_a_submitter_cannot_approve(flow: Flow, waiting: InvoiceRecord) -> None:
    ann = ("arn:aws:iam::111111111111:user/Ann", "AIDAANN")
    status, said = decided(flow, approval(waiting), ann)
    assert (status, said["error"]["code"]) == (400, "own_invoice")


def test_a_session_whose_name_somebody_chose_cannot_approve(
    flow: Flow, waiting: InvoiceRecord
) -> None:
    """Ann assumes a role and calls the session zoe."""
    zoe = ("arn:aws:sts::111111111111:assumed-role/Finance/zoe", "AROAFIN:zoe")
    status, said = decided(flow, approval(waiting), zoe)
    assert (status, said["error"]["code"]) == (400, "unproven_session")
    # Without the check, the workflow does not take the approval.
    lax = replace(flow.review_desk, separation_of_duties=False)
    lax.decide(waiting.id, zoe[0], approve=True)
    assert flow.check(waiting.id).status is InvoiceStatus.NEEDS_REVIEW


@pytest.mark.parametrize("kind", ["assumed-role/Finance", "federated-user"])
def test_a_correction_under_a_chosen_name_cannot_be_approved_under_another(
    flow: Flow, waiting: InvoiceRecord, kind: str
) -> None:
    """Bea corrects as zoe, and would approve as herself."""
    zoe = (f"arn:aws:sts::111111111111:{kind}/zoe", "111111111111:zoe")
    request = {"invoice_id": waiting.id, "reviews": 0, "corrections": {"total": "119.00"}}
    status, said = decided(flow, request, zoe)
    assert (status, said["error"]["code"]) == (400, "unproven_session")
    assert not flow.store.find(waiting.id).reviews
    rejection = {"invoice_id": waiting.id, "reviews": 0, "reject": True, "reason": "not ours"}
    assert decided(flow, rejection, zoe)[0] == 200


def test_a_session_that_its_role_names_after_its_person_approves(
    flow: Flow, waiting: InvoiceRecord
) -> None:
    role = "AWSReservedSSO_Finance_0123456789abcdef"
    bea = (f"arn:aws:sts::111111111111:assumed-role/{role}/bea@example.com", "AROA1:bea")
    assert decided(flow, approval(waiting), bea)[0] == 200
    assert flow.check(waiting.id).status is InvoiceStatus.PROCESSED


def test_a_chosen_session_name_decides_nothing_about_duplicates(flow: Flow) -> None:
    flow.run(flow.drop("raw/a.pdf"))
    again = flow.run(flow.drop("raw/b.pdf"))
    assert again.status is InvoiceStatus.DUPLICATE
    zoe = ("arn:aws:sts::111111111111:assumed-role/Finance/zoe", "AROAFIN:zoe")
    request = {"invoice_id": again.id, "reviews": 0, "not_duplicate": True, "reason": "two"}
    status, said = decided(flow, request, zoe)
    assert (status, said["error"]["code"]) == (400, "unproven_session")
    assert decided(flow, request)[0] == 200
    assert decided(flow, {**request, "approve": True})[1]["error"]["code"] == "contradiction"


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"invoice_id": "x"}', '{"invoice_id": 1, "reviews": 0}']
)
def test_what_is_no_decision_is_answered(flow: Flow, body: str) -> None:
    status, said = decided(flow, body)
    assert (status, said["error"]["code"]) == (400, "invalid_decision")


def test_a_body_may_come_in_base64(flow: Flow, waiting: InvoiceRecord) -> None:
    text = base64.b64encode(json.dumps(approval(waiting)).encode()).decode()
    assert decided(flow, text, isBase64Encoded=True)[0] == 200


def test_callers_are_named_as_sts_names_them() -> None:
    session = "arn:aws:sts::1:assumed-role/R/bea"
    assert caller(event({}, BEA)) == f"{BEA[0]} <{BEA[1]}>"
    assert caller(event({}, (session, "AROA:bea"))) == session


def test_a_client_gets_the_error_that_the_function_had() -> None:
    error = DecisionError(message="m", code="c", field="total", value="x", remedy="r")
    with pytest.raises(RejectedInput) as refused:
        raise_for(400, error)
    assert (refused.value.code, refused.value.field, refused.value.value) == ("c", "total", "x")
    with pytest.raises(TransientFailure):
        raise_for(503, error)
    raise_for(200, DecisionAnswer(invoice_id="i").error)


def test_who_confirms_what_was_doubtful_has_a_part_in_the_invoice(flow: Flow) -> None:
    """Values that stay as they were end the doubts about them, as any correction does."""
    record = flow.run(flow.drop("raw/a.pdf", textract_answer(GOOD, confidence=50.0)))
    flow.store.save(replace(record, submitted_by=CFO[0]))
    read = flow.store.find(record.id).invoice
    assert read
    same = {name: reading.value for name, reading in read.readings.items()}
    status, _ = decided(flow, approval(record, approve=False, corrections=same), CFO)
    assert status == 200
    checked = flow.check(record.id)
    assert checked.status is InvoiceStatus.NEEDS_REVIEW
    assert [one.code for one in checked.issues] == ["corrected"]


@pytest.mark.parametrize("uploader", ["AWS:AIDABEA", "AWS:AIDAOTHER"])
def test_a_caller_with_two_ids_is_known_by_both(
    flow: Flow, waiting: InvoiceRecord, uploader: str
) -> None:
    flow.store.save(replace(waiting, document=replace(waiting.document, principal=uploader)))
    sent = event(approval(waiting))
    sent["requestContext"]["authorizer"]["iam"]["userId"] = "AIDAOTHER"
    found = answer(replace(flow.review_desk, proven=True), sent)
    assert json.loads(found["body"])["error"]["code"] == "own_invoice"


@pytest.mark.parametrize(
    "changes",
    [
        {"invoice_id": "x" * 129},
        {"reason": "x" * 2001},
        {"corrections": {"vendor": "x" * 1001}},
        {"corrections": {"x" * 65: "1"}},
    ],
)
def test_a_decision_is_of_bounded_size(
    flow: Flow, waiting: InvoiceRecord, changes: dict[str, Any]
) -> None:
    status, said = decided(flow, approval(waiting, approve=False, **changes))
    assert (status, said["error"]["code"]) == (400, "invalid_decision")


def test_a_session_proves_no_name_that_its_user_chose(flow: Flow, waiting: InvoiceRecord) -> None:
    session = ("arn:aws:sts::111111111111:assumed-role/Anything/cfo", "AROAX:cfo")
    decided(flow, approval(waiting, approve=False, reject=True, reason="not ours"), session)
    (entry,) = reviewed_events(flow.store.find(waiting.id))
    assert entry.details["actor_proven"] != "yes"
