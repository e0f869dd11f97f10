"""Lambda entry points of the invoice flow, and the only place where it is composed."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, BinaryIO

from aws_lambda_powertools.utilities.typing import LambdaContext

from finops.audit.recorder import audit_recorder
from finops.invoices.adapters.child_process import in_child
from finops.invoices.adapters.dynamodb import DynamoInvoices
from finops.invoices.adapters.s3 import S3Documents
from finops.invoices.adapters.ses import SesCustomerMail
from finops.invoices.adapters.sns import SnsNotifications, Topics
from finops.invoices.adapters.step_functions import StepFunctionsWorkflow
from finops.invoices.adapters.textract import Textract
from finops.invoices.adapters.vendors import DynamoVendors
from finops.invoices.decisions import answer
from finops.invoices.document_files import DocumentFile, inspect
from finops.invoices.domain import Failure, SourceDocument
from finops.invoices.einvoice.embedded import Embedded, read_embedded, unreadable
from finops.invoices.einvoice.reader import read_einvoice
from finops.invoices.einvoice.terms import EInvoice
from finops.invoices.extraction import EngineSettings, InvoiceExtractor
from finops.invoices.ports import NotificationChannel
from finops.invoices.review import ReviewDesk, ReviewRequests
from finops.invoices.rules import parse_rules
from finops.invoices.service import (
    FailureRecorder,
    InvoiceIntake,
    InvoiceNotifier,
    InvoiceProcessor,
    InvoiceValidator,
)
from finops.invoices.spending import SpendingCapReached, SpendingLimits
from finops.invoices.text_layer.pdf import analyze_text_layer
from finops.invoices.validation import ValidationSettings
from finops.invoices.vendors.service import VendorLearner, VendorMaster
from finops.shared.aws import client, with_stored_settings
from finops.shared.errors import RejectedInput
from finops.shared.events import created_objects, handle_messages, workflow_error_message
from finops.shared.left_alone import why_left_alone
from finops.shared.object_lock import locked_originals
from finops.shared.observability import MetricUnit, logger, metrics, status_metric
from finops.shared.people import PERSONAL_SESSION_ROLES


@logger.inject_lambda_context
@metrics.log_metrics
def receive_invoices(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Queue of S3 notifications: enters each file and starts its workflow."""
    intake = InvoiceIntake(
        store=_store(),
        originals=locked_originals(os.environ, client("s3")),
        new_salt=lambda: secrets.token_hex(32),
        workflow=_workflow(),
        clock=_now,
        audit=audit_recorder(),
    )

    def receive(notification: Mapping[str, Any]) -> None:
        for document in source_documents(notification):
            logger.set_correlation_id(document.document_id)
            record = intake.receive(document)
            metrics.add_metric("InvoicesReceived", MetricUnit.Count, 1)
            logger.info("invoice received", extra=_facts(record.id, object_key=document.key))

    return handle_messages(
        event, receive, failure="the document could not be received and will be retried"
    )


@logger.inject_lambda_context
@metrics.log_metrics
def extract_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow step: `{"invoice_id", "task_token"?}` → `{"outcome"}`.

    With a task token it starts a job, whose outcome the workflow gets later.
    """
    invoice = _invoice_of(event)
    try:
        if token := event.get("task_token"):
            _extractor().begin(invoice, str(token))
            return {}
        outcome = _extractor().extract(invoice)
    except SpendingCapReached:
        metrics.add_metric("SpendingCapsReached", MetricUnit.Count, 1)
        raise
    logger.info("document extracted", extra=_facts(invoice, outcome=outcome.value))
    return {"outcome": outcome.value}


@logger.inject_lambda_context
@metrics.log_metrics
def finish_extraction(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Queue of Textract's completion messages: collects the response of each job."""

    def finish(notification: Mapping[str, Any]) -> None:
        job = json.loads(notification["Message"])
        logger.set_correlation_id(job["JobTag"])
        _extractor().finish(job["JobTag"], job["JobId"])

    return handle_messages(
        event, finish, failure="Textract's results could not be read and will be retried"
    )


@logger.inject_lambda_context
@metrics.log_metrics
def validate_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow step: `{"invoice_id"}` → `{"outcome": VALID, REVIEW or INVALID}`."""
    invoice = _invoice_of(event)
    outcome = InvoiceValidator(
        store=_store(),
        objects=_objects(),
        workflow=_workflow(),
        settings=_validation_settings,
        json_currency=os.environ["JSON_CURRENCY"],
        clock=_now,
        audit=audit_recorder(),
        vendors=VendorMaster(store=_vendors()),
        measure=_measure,
        separation_of_duties=_separation_of_duties(),
        personal_session_roles=_personal_session_roles(),
    ).validate(invoice)
    logger.info("invoice validated", extra=_facts(invoice, outcome=outcome.value))
    return {"outcome": outcome.value}


@logger.inject_lambda_context
def review_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow step: `{"invoice_id", "task_token"}` waits for a reviewer's decision.

    Without a task token the time for a review is over: `{"outcome": WAIT or GIVE_UP}`.

    Function URL: a person's decision, by the person's own signature (see `DecisionRequest`).
    """
    if "requestContext" in event:
        desk = ReviewDesk(
            store=_store(),
            workflow=_workflow(),
            clock=_now,
            separation_of_duties=_separation_of_duties(),
            personal_session_roles=_personal_session_roles(),
            proven=True,
        )
        return answer(desk, event)
    invoice = _invoice_of(event)
    requests = ReviewRequests(
        store=_store(),
        workflow=_workflow(),
        clock=_now,
        audit=audit_recorder(),
        maximum_escalations=int(os.environ["MAXIMUM_ESCALATIONS"]),
    )
    if token := event.get("task_token"):
        requests.ask(invoice, str(token))
        return {}
    if requests.escalate(invoice):
        return {"outcome": "WAIT"}
    return {"outcome": "GIVE_UP"}


@logger.inject_lambda_context
@metrics.log_metrics
def process_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow step: `{"invoice_id"}` → `{"outcome": PROCESSED, DUPLICATE or NEEDS_REVIEW}`."""
    invoice = _invoice_of(event)
    learner = VendorLearner(
        store=_vendors(), new_salt=lambda: secrets.token_hex(32), audit=audit_recorder()
    )
    status = InvoiceProcessor(
        store=_store(), clock=_now, audit=audit_recorder(), vendors=learner
    ).process(invoice)
    logger.info("invoice filed", extra=_facts(invoice, outcome=status.value))
    return {"outcome": status.value}


@logger.inject_lambda_context
@metrics.log_metrics
def notify_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow step: `{"invoice_id", "event"?}` sends notifications → `{"status"}`."""
    invoice = _invoice_of(event)
    status = InvoiceNotifier(
        store=_store(), channels=_channels(), clock=_now, audit=audit_recorder()
    ).notify(invoice, str(event.get("event", "")))
    metrics.add_metric(status_metric("Invoices", status), MetricUnit.Count, 1)
    return {"status": status.value}


@logger.inject_lambda_context
@metrics.log_metrics
def fail_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow step: records the failure of another step, and fails the execution.

    `{"invoice_id", "step", "error", "cause", "entered", "redrive"}`; after a redrive it returns
    `{"resume": step}`.
    """
    invoice = _invoice_of(event)
    metrics.add_metric("InvoicesProcessingFailed", MetricUnit.Count, 1)
    failure = Failure(
        step=str(event["step"]),
        error=str(event["error"]),
        cause=workflow_error_message(str(event["cause"])),
        entered=str(event["entered"]),
        redrive=int(event["redrive"]),
    )
    recorder = FailureRecorder(
        store=_store(), channels=_channels(), clock=_now, audit=audit_recorder()
    )
    return {"resume": recorder.record(invoice, failure)}


def source_documents(notification: Mapping[str, Any]) -> Iterator[SourceDocument]:
    """The documents that an S3 notification reports, without what programs leave beside them."""
    for created in created_objects(notification):
        if why := why_left_alone(created.key):
            logger.info("not received: %s is by its name %s", created.key, why)
            continue
        yield SourceDocument(
            bucket=created.bucket,
            key=created.key,
            version_id=created.version_id,
            etag=created.etag,
            size=created.size,
            principal=created.principal,
        )


def _invoice_of(event: Mapping[str, Any]) -> str:
    invoice = event.get("invoice_id")
    if not isinstance(invoice, str) or not invoice:
        raise RejectedInput(
            "the event has no invoice_id",
            code="no_invoice_id",
            field="invoice_id",
            value=invoice,
            step="read_event",
            remedy="Start the function from the workflow, or send the id of an invoice",
        )
    logger.set_correlation_id(invoice)
    return invoice


def _separation_of_duties() -> bool:
    return os.environ.get("SEPARATION_OF_DUTIES", "true") == "true"


def _personal_session_roles() -> tuple[str, ...]:
    listed = os.environ.get("PERSONAL_SESSION_ROLES")
    return tuple(json.loads(listed)) if listed else PERSONAL_SESSION_ROLES


def _facts(invoice: str, **facts: str) -> dict[str, str]:
    return {"invoice_id": invoice, **facts}


def _now() -> datetime:
    return datetime.now(UTC)


@cache
def _objects() -> S3Documents:
    return S3Documents(client("s3"), os.environ["BUCKET"])


@cache
def _store() -> DynamoInvoices:
    return DynamoInvoices(client("dynamodb"), os.environ["TABLE"], _objects())


@cache
def _vendors() -> DynamoVendors:
    return DynamoVendors(client("dynamodb"), os.environ["VENDORS_TABLE"])


@cache
def _workflow() -> StepFunctionsWorkflow:
    return StepFunctionsWorkflow(client("stepfunctions"), os.environ["WORKFLOW_ARN"])


@cache
def _channels() -> tuple[NotificationChannel, ...]:
    topics = SnsNotifications(
        client("sns"),
        Topics(
            success=os.environ["SUCCESS_TOPIC_ARN"],
            failure=os.environ["FAILURE_TOPIC_ARN"],
            review=os.environ["REVIEW_TOPIC_ARN"],
        ),
    )
    sender = os.environ.get("MAIL_SENDER")
    if not sender:
        return (topics,)
    customers = json.loads(with_stored_settings(os.environ, client("s3"))["CUSTOMERS"])
    return topics, SesCustomerMail(client("sesv2"), sender, customers)


@cache
def _extractor() -> InvoiceExtractor:
    # Children that read documents have what their parent has imported.
    import PIL.Image  # noqa: F401
    import pypdfium2  # noqa: F401

    # Textract allows few calls a second; a retry after a second usually succeeds.
    textract = client("textract", retries={"mode": "standard", "total_max_attempts": 8})
    variables = with_stored_settings(os.environ, client("s3"))
    return InvoiceExtractor(
        store=_store(),
        objects=_objects(),
        engine=Textract(
            textract,
            topic_arn=os.environ["COMPLETION_TOPIC_ARN"],
            role_arn=os.environ["COMPLETION_ROLE_ARN"],
        ),
        workflow=_workflow(),
        inspect=_inspected,
        text_layer=_text_layer,
        einvoice=_einvoice,
        embedded=_embedded,
        measure=_measure,
        clock=_now,
        audit=audit_recorder(),
        settings=EngineSettings(
            engine=os.environ["ENGINE"],
            trusted_vendors=tuple(json.loads(variables["TRUSTED_VENDORS"])),
            shadow=os.environ["SHADOW"] == "true",
            price_per_page=Decimal(os.environ["PRICE_PER_PAGE"]),
            limits=SpendingLimits(
                daily_pages=int(os.environ["DAILY_PAGES"]),
                daily_usd=Decimal(os.environ["DAILY_USD"]),
                pages_without_consent=int(os.environ["PAGES_WITHOUT_CONSENT"]),
            ),
        ),
    )


def _inspected(file: BinaryIO, size: int) -> DocumentFile:
    return in_child(lambda theirs: inspect(theirs, size), file, DocumentFile)


def _einvoice(file: BinaryIO) -> EInvoice:
    return in_child(read_einvoice, file, EInvoice)


def _embedded(file: BinaryIO) -> Embedded:
    try:
        return in_child(read_embedded, file, Embedded)
    except RejectedInput as error:
        # The page is read as any other; a person learns that it may not be all.
        logger.warning("the files in a PDF could not be read", extra={"error_code": error.code})
        return Embedded(findings=(unreadable(error.message),))


def _measure(name: str, value: float) -> None:
    metrics.add_metric(name, MetricUnit.Count, value)


def _text_layer(file: BinaryIO) -> dict[str, Any] | None:
    try:
        return in_child(analyze_text_layer, file, dict[str, Any] | None)
    except RejectedInput as error:
        # A page that this engine cannot read is left to Textract.
        logger.warning("the text layer could not be read", extra={"error_code": error.code})
        return None


@cache
def _validation_settings() -> ValidationSettings:
    settings = json.loads(os.environ["CHECKS"])
    rules = _objects().read_text(os.environ["RULES_KEY"])
    return ValidationSettings(
        confidence=settings["confidence"],
        refuse_past_due=settings["refuse_past_due"],
        tolerance=settings["tolerance"],
        rules=parse_rules(rules) if rules else (),
    )
