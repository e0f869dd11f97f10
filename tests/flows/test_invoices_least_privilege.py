"""The invoice flow needs each statement of its policies, as budgets do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from finops.invoices.domain import InvoiceStatus, SourceDocument
from finops.invoices.review import ReviewDesk
from finops.invoices.vendors.vendor import vendor_id
from tests.flows.audit import is_recorded
from tests.flows.invoices import (
    STEPS,
    InvoiceFlow,
    document,
    json_invoice,
    mailed_invoice,
    paper,
    unique,
)
from tests.flows.privileges import (
    HUB,
    Once,
    answers,
    deployed,
    failure_is_kept,
    flow_of,
    happens,
    is_needed,
    log_is_written,
    one_a_role,
    patiently,
    without,
)
from tests.invoices.fakes import FakeClock

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions", "state_machine_permissions", "textract", "ses_iam"),
]

Probe = Callable[[InvoiceFlow, str], bool]
WORKFLOW, COMPLETION = "finops-invoice-workflow", "finops-invoice-extractions"
PROCESSED, REVIEW = InvoiceStatus.PROCESSED, InvoiceStatus.NEEDS_REVIEW
STUCK = frozenset({InvoiceStatus.PROCESSING_FAILED, InvoiceStatus.VALIDATION_FAILED})


def becomes(flow: InvoiceFlow, invoice: str, wanted: InvoiceStatus = PROCESSED) -> bool:
    """Whether the invoice gets this status and is announced in time."""

    def ended() -> bool:
        found = flow.found(invoice)
        if found is None:
            return False
        announced = any(one.startswith(wanted.value) for one in found.announced)
        return (found.status is wanted and announced) or found.status in STUCK

    if not happens(ended):
        return False
    found = flow.found(invoice)
    return bool(found and found.status is wanted)


def json_is_processed(flow: InvoiceFlow, name: str) -> bool:
    return becomes(flow, flow.put(f"json/{name}.json", json_invoice(name)).document_id)


def customer_is_mailed(flow: InvoiceFlow, name: str) -> bool:
    """A refused mail fails no invoice, so the mail itself is looked for."""
    invoice = flow.put(f"json/{name}.json", mailed_invoice(name)).document_id
    return becomes(flow, invoice) and happens(lambda: flow.mailed(flow.found(invoice)))


def page_is_processed(flow: InvoiceFlow, name: str) -> bool:
    return becomes(flow, flow.put(f"raw/{name}.pdf", document(paper(name))).document_id)


def job_is_processed(flow: InvoiceFlow, name: str) -> bool:
    body = document(paper(name), pages=2)
    return becomes(flow, flow.put(f"raw/{name}.pdf", body).document_id)


def both_invoices_are_processed(flow: InvoiceFlow, name: str) -> bool:
    body = document(paper(f"{name}A"), paper(f"{name}B"))
    first = flow.put(f"raw/{name}.pdf", body).document_id
    return becomes(flow, first) and becomes(flow, f"{first}-2")


def missing_file_is_refused(key: str) -> Probe:
    """A probe of a file that is gone when it is read: it is refused, and not tried again."""

    def probe(flow: InvoiceFlow, name: str) -> bool:
        source = flow.put(key.format(name), json_invoice(name))
        flow.ended(source.document_id)
        gone = replace(source, key=key.format(f"{name}-gone"))
        assert answers(flow.deployment, STEPS["receive"], flow.event(gone))
        issues = flow.ended(gone.document_id).issues
        return any(one.code == "object_is_gone" for one in issues)

    return probe


def missing_file_is_received(flow: InvoiceFlow, name: str) -> bool:
    """A file that is gone when it would be locked is left to the step that reads it."""
    gone = replace(flow.put(f"json/{name}.json", json_invoice(name)), key=f"json/{name}-gone.json")
    answer = flow.deployment.invoke(STEPS["receive"], flow.event(gone))
    return bool(answer == {"batchItemFailures": []})


def large(name: str, amount: str = "6000.00") -> bytes:
    """An invoice whose record is too large for an item of the table."""
    items = [{"description": "x" * 150, "quantity": 1, "rate": "2.00"} for _ in range(3000)]
    return json_invoice(name, amount=amount, items=items)


def large_invoice_is_processed(flow: InvoiceFlow, name: str) -> bool:
    return becomes(flow, flow.put(f"json/{name}.json", large(name)).document_id)


def large_invoice_is_reviewed(flow: InvoiceFlow, name: str) -> bool:
    invoice = flow.put(f"json/{name}.json", large(name, "60000.00")).document_id
    return becomes(flow, invoice, REVIEW) and happens(lambda: flow.store.find(invoice).task_token)


def large_invoice_is_known_again(flow: InvoiceFlow, name: str) -> bool:
    source = flow.put(f"json/{name}.json", large(name))
    flow.ended(source.document_id)
    answer = flow.deployment.invoke(STEPS["receive"], flow.event(source))
    return bool(answer == {"batchItemFailures": []})


def cold_start(flow: InvoiceFlow, step: str) -> None:
    """Make a function forget what it keeps between events."""
    functions = flow.deployment.client("lambda")
    name = STEPS[step]
    found = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**found, "COLD": uuid.uuid4().hex}}
    )
    functions.get_waiter("function_updated_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )


def rules_are_read(flow: InvoiceFlow, name: str) -> bool:
    cold_start(flow, "validate")
    return json_is_processed(flow, name)


def settings_are_read(step: str, probe: Probe) -> Probe:
    def cold(flow: InvoiceFlow, name: str) -> bool:
        cold_start(flow, step)
        return probe(flow, name)

    return cold


def finished_job_is_taken_up(flow: InvoiceFlow, name: str) -> bool:
    """A new execution finds a job that has ended: it is not announced again."""
    invoice = flow.put(f"raw/{name}.pdf", document(paper(name), pages=2)).document_id
    done = flow.ended(invoice)
    assert done.status is PROCESSED
    flow.store.save(
        replace(
            done,
            status=InvoiceStatus.RECEIVED,
            response_key="",
            invoice=None,
            serial_number="",
            announced=(),
        )
    )
    flow.workflow.start(f"{name}-again", {"invoice_id": invoice, "kind": "DOCUMENT"})
    return becomes(flow, invoice)


@dataclass
class Silent:
    """A workflow that ignores every call."""

    def start(self, name: str, request: Mapping[str, Any]) -> None:
        """Ignore the call."""

    def resume(self, task_token: str, output: Mapping[str, Any]) -> bool:
        """Ignore the call."""
        return False

    def redrive(self, name: str) -> None:
        """Ignore the call."""


def asked(flow: InvoiceFlow, name: str) -> str:
    """An invoice that waits for review."""
    body = document(paper(name, total="125.00"))
    invoice = flow.drop(f"raw/{name}.pdf", body)
    assert invoice.status is REVIEW
    return invoice.id


def earlier_decision_is_resumed(flow: InvoiceFlow, name: str) -> bool:
    invoice = asked(flow, name)
    reviewing = ReviewDesk(store=flow.store, workflow=Silent(), clock=FakeClock())
    decided = reviewing.decide(invoice, "bea", approve=True)
    payload = {"invoice_id": invoice, "task_token": decided.task_token}
    told = answers(flow.deployment, STEPS["review"], payload)
    return told and becomes(flow, invoice)


def other_invoice_is_processed(flow: InvoiceFlow, name: str) -> bool:
    """A person tells the function that a duplicate is an invoice of its own."""
    flow.drop(f"json/{name}.json", json_invoice(name))
    again = flow.drop(f"json/{name}-again.json", json_invoice(name, description="Rolls"))
    assert again.status is InvoiceStatus.DUPLICATE
    request = {
        "invoice_id": again.id,
        "reviews": len(again.reviews),
        "not_duplicate": True,
        "reason": "a test's",
    }
    iam = {"userArn": "arn:aws:iam::111111111111:user/bea", "callerId": "AIDABEA"}
    event = {"requestContext": {"authorizer": {"iam": iam}}, "body": json.dumps(request)}
    told = answers(flow.deployment, STEPS["review"], event)
    return told and becomes(flow, again.id)


def approval_is_learned(flow: InvoiceFlow, name: str) -> bool:
    """A person tells the function to approve an invoice of a vendor whom nobody knows."""
    invoice = asked(flow, name)
    request = {"invoice_id": invoice, "reviews": 0, "approve": True}
    iam = {"userArn": "arn:aws:iam::111111111111:user/bea", "callerId": "AIDABEA"}
    event = {"requestContext": {"authorizer": {"iam": iam}}, "body": json.dumps(request)}
    assert answers(flow.deployment, STEPS["review"], event)
    known = flow.vendors.find
    return becomes(flow, invoice) and known(vendor_id(paper(name)["vendor"])) is not None


def review_is_asked_for(flow: InvoiceFlow, name: str) -> bool:
    invoice = flow.put(f"raw/{name}.pdf", document(paper(name, total="125.00"))).document_id
    return becomes(flow, invoice, REVIEW) and happens(lambda: flow.store.find(invoice).task_token)


def failure_is_recorded_and_notified(flow: InvoiceFlow, name: str) -> bool:
    return _failure_is_notified(flow, flow.put(f"json/{name}.json", json_invoice(name)).document_id)


def failure_of_a_large_invoice_is_notified(flow: InvoiceFlow, name: str) -> bool:
    return _failure_is_notified(flow, flow.put(f"json/{name}.json", large(name)).document_id)


def _failure_is_notified(flow: InvoiceFlow, invoice: str) -> bool:
    flow.ended(invoice)
    facts = {"step": "NotifyInvoice", "error": "E", "cause": "c", "entered": "now", "redrive": 0}
    answers(flow.deployment, STEPS["fail"], {"invoice_id": invoice, **facts})
    found = flow.store.find(invoice)
    return bool(found.failure) and "PROCESSING_FAILED" in found.announced


def is_audited(flow: InvoiceFlow, invoice: str, action: str) -> bool:
    return happens(lambda: is_recorded(flow.deployment, "invoices", invoice, f"invoice.{action}"))


def audited(works: Probe, key: str, action: str) -> Probe:
    """A probe that also needs its entry in the audit trail."""

    def probe(flow: InvoiceFlow, name: str) -> bool:
        with patiently():
            assert works(flow, name)
        version = flow.deployment.client("s3").head_object(
            Bucket=flow.outputs["bucket"], Key=key.format(name)
        )["VersionId"]
        source = SourceDocument(
            bucket=flow.outputs["bucket"], key=key.format(name), version_id=version, size=0
        )
        return is_audited(flow, source.document_id, action)

    return probe


def failure_is_audited(flow: InvoiceFlow, name: str) -> bool:
    invoice = flow.put(f"json/{name}.json", json_invoice(name)).document_id
    return _failure_is_notified(flow, invoice) and is_audited(flow, invoice, "failed")


def giving_up_is_audited(flow: InvoiceFlow, name: str) -> bool:
    invoice = asked(flow, name)
    outcome = "WAIT"
    while outcome == "WAIT":
        outcome = flow.deployment.invoke(STEPS["review"], {"invoice_id": invoice})["outcome"]
    return is_audited(flow, invoice, "given_up")


def workflow_can_be_changed(flow: InvoiceFlow, _: str) -> bool:
    """Who sets up logs is asked whether the role may deliver them."""
    states, arn = flow.deployment.client("stepfunctions"), flow.outputs["workflow_arn"]
    found = states.describe_state_machine(stateMachineArn=arn)
    try:
        states.update_state_machine(
            stateMachineArn=arn, loggingConfiguration=found["loggingConfiguration"]
        )
    except ClientError:
        return False
    return True


def of_function(probe: Callable[..., bool]) -> Probe:
    return lambda flow, name: probe(flow.deployment, name)


#: (step of the flow, statement) → what cannot work without it.
_STEPS: dict[tuple[str, str], Probe] = {
    ("receive", "ConsumeFiles"): json_is_processed,
    ("receive", "StartWorkflow"): json_is_processed,
    ("receive", "UseTable"): json_is_processed,
    ("receive", "RecordAuditEntries"): audited(json_is_processed, "json/{}.json", "received"),
    ("extract", "RecordAuditEntries"): audited(page_is_processed, "raw/{}.pdf", "extracted"),
    ("finish", "RecordAuditEntries"): audited(job_is_processed, "raw/{}.pdf", "extracted"),
    ("validate", "RecordAuditEntries"): audited(json_is_processed, "json/{}.json", "validated"),
    ("process", "RecordAuditEntries"): audited(json_is_processed, "json/{}.json", "processed"),
    ("notify", "RecordAuditEntries"): audited(json_is_processed, "json/{}.json", "notified"),
    ("review", "RecordAuditEntries"): giving_up_is_audited,
    ("fail", "RecordAuditEntries"): failure_is_audited,
    ("receive", "LockOriginals"): json_is_processed,
    ("receive", "TellMissingObjects"): missing_file_is_received,
    ("receive", "KeepRecords"): large_invoice_is_known_again,
    ("extract", "ReadDocuments"): page_is_processed,
    ("extract", "ReadSettings"): settings_are_read("extract", page_is_processed),
    ("finish", "ReadSettings"): settings_are_read("finish", job_is_processed),
    ("extract", "TellMissingObjects"): missing_file_is_refused("raw/{}.pdf"),
    ("validate", "TellMissingObjects"): missing_file_is_refused("json/{}.json"),
    ("extract", "ReadByTextract"): page_is_processed,
    ("extract", "UseTable"): page_is_processed,
    ("extract", "CountSpending"): page_is_processed,
    ("extract", "KeepRecords"): page_is_processed,
    ("extract", "LetTextractTellOfCompletions"): job_is_processed,
    ("extract", "ResumeWorkflow"): finished_job_is_taken_up,
    ("finish", "ConsumeCompletions"): job_is_processed,
    ("finish", "CollectFromTextract"): job_is_processed,
    ("finish", "UseTable"): job_is_processed,
    ("finish", "KeepRecords"): job_is_processed,
    ("finish", "ResumeWorkflow"): job_is_processed,
    ("validate", "UseTable"): json_is_processed,
    ("validate", "KeepRecords"): page_is_processed,
    ("validate", "ReadJsonInvoices"): json_is_processed,
    ("validate", "ReadRules"): rules_are_read,
    ("validate", "StartWorkflow"): both_invoices_are_processed,
    ("review", "UseTable"): review_is_asked_for,
    ("review", "KeepRecords"): large_invoice_is_reviewed,
    ("review", "StartWorkflow"): other_invoice_is_processed,
    ("review", "ResumeWorkflow"): earlier_decision_is_resumed,
    ("process", "UseTable"): json_is_processed,
    ("process", "NumberInvoices"): json_is_processed,
    ("process", "LearnVendors"): approval_is_learned,
    ("validate", "KnowVendors"): page_is_processed,
    ("process", "KeepRecords"): large_invoice_is_processed,
    ("notify", "UseTable"): json_is_processed,
    ("notify", "TellSubscribers"): json_is_processed,
    ("notify", "MailCustomers"): customer_is_mailed,
    ("notify", "ReadSettings"): settings_are_read("notify", json_is_processed),
    ("notify", "KeepRecords"): large_invoice_is_processed,
    ("fail", "UseTable"): failure_is_recorded_and_notified,
    ("fail", "TellSubscribers"): failure_is_recorded_and_notified,
    ("fail", "KeepRecords"): failure_of_a_large_invoice_is_notified,
}
NEEDED: dict[tuple[str, str], Probe] = {
    **{(STEPS[step], sid): probe for (step, sid), probe in _STEPS.items()},
    **{(one, "SendFailures"): of_function(failure_is_kept(one, HUB)) for one in STEPS.values()},
    **{(one, "WriteLogs"): of_function(log_is_written(one, HUB)) for one in STEPS.values()},
    (WORKFLOW, "InvokeFunctions"): json_is_processed,
    (WORKFLOW, "DeliverLogs"): workflow_can_be_changed,
    (COMPLETION, "TellOfCompletions"): job_is_processed,
}


@pytest.fixture
def name() -> str:
    """A number that no other probe has seen."""
    return unique("P").upper()


def test_every_statement_that_is_deployed_is_needed_by_something(invoices: InvoiceFlow) -> None:
    found = {
        (role, sid) for _, role, sid in deployed(invoices.deployment) if flow_of(role) == "invoices"
    }
    assert found == set(NEEDED)


@pytest.mark.needs("needed_statements")
@pytest.mark.parametrize(
    ("role", "sid"), sorted(NEEDED), ids=[f"{role}-{sid}" for role, sid in sorted(NEEDED)]
)
def test_no_statement_grants_what_nothing_asks_for(
    invoices: InvoiceFlow, once: Once, name: str, role: str, sid: str
) -> None:
    assert once.works(NEEDED[(role, sid)], invoices, name)
    assert is_needed(invoices.deployment, HUB, role, sid)


@pytest.mark.parametrize(("role", "sid"), one_a_role(NEEDED))
def test_without_one_statement_something_fails(
    invoices: InvoiceFlow, name: str, role: str, sid: str
) -> None:
    works = NEEDED[(role, sid)]
    with without(invoices.deployment, HUB, role, sid):
        assert not works(invoices, name)
    for queue in invoices.outputs["queue_urls"].values():
        invoices.deployment.client("sqs").purge_queue(QueueUrl=queue)
    assert works(invoices, f"{name}X")
