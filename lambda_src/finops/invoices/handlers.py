"""Lambda entry points of the invoice flow, and the only place where it is put together."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.typing import LambdaContext

from finops.audit.recorder import audit_recorder
from finops.invoices.adapters import (
    DynamoInvoices,
    S3Documents,
    StepFunctionsWorkflow,
    Textract,
    Topics,
    TopicsAndMail,
)
from finops.invoices.domain import Failure, InvoiceStatus, SourceDocument
from finops.invoices.extraction import EngineSettings, Extraction
from finops.invoices.reviewing import Waiting
from finops.invoices.rules import parse_rules
from finops.invoices.service import Announcing, Checking, Failing, Intake, Processing
from finops.invoices.validation import Checks
from finops.shared.aws import client
from finops.shared.observability import MetricUnit, logger, metrics


@logger.inject_lambda_context
@metrics.log_metrics
def receive_invoices(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Queue of S3 events → records and executions. Returns the messages to deliver again."""
    intake = Intake(store=_store(), workflow=_workflow(), clock=_now, audit=audit_recorder())
    failures = []
    for message in event["Records"]:
        try:
            for document in documents(json.loads(message["body"])):
                logger.set_correlation_id(document.document_id)
                record = intake.receive(document)
                metrics.add_metric("InvoicesReceived", MetricUnit.Count, 1)
                logger.info("invoice received", extra=_facts(record.id, object_key=document.key))
        except Exception:  # noqa: BLE001 - the message comes back
            logger.exception("a dropped file could not be taken in, and will be tried again")
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


@logger.inject_lambda_context
@metrics.log_metrics
def extract_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, {"invoice_id", "task_token"?} → {"outcome"}; with a token, the job is begun."""
    invoice = _invoice_of(event)
    if token := event.get("task_token"):
        _extraction().begin(invoice, str(token))
        return {}
    outcome = _extraction().extract(invoice)
    logger.info("document looked at", extra=_facts(invoice, outcome=outcome.value))
    return {"outcome": outcome.value}


@logger.inject_lambda_context
@metrics.log_metrics
def finish_extraction(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Queue of Textract's completions → answers collected. Returns what to deliver again."""
    failures = []
    for message in event["Records"]:
        try:
            said = json.loads(json.loads(message["body"])["Message"])
            logger.set_correlation_id(said["JobTag"])
            _extraction().finish(said["JobTag"], said["JobId"])
        except Exception:  # noqa: BLE001 - the message comes back
            logger.exception("a finished job could not be collected, and will be tried again")
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


@logger.inject_lambda_context
@metrics.log_metrics
def validate_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, {"invoice_id"} → {"outcome": VALID, REVIEW or INVALID}."""
    invoice = _invoice_of(event)
    outcome = Checking(
        store=_store(),
        objects=_objects(),
        workflow=_workflow(),
        checks=_checks,
        json_currency=os.environ["JSON_CURRENCY"],
        clock=_now,
        audit=audit_recorder(),
    ).validate(invoice)
    logger.info("invoice checked", extra=_facts(invoice, outcome=outcome.value))
    return {"outcome": outcome.value}


@logger.inject_lambda_context
def review_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, {"invoice_id", "task_token"?}: with a token, a person is waited for and told.

    Without, nobody came in time → {"outcome": WAIT or GIVE_UP}.
    """
    invoice = _invoice_of(event)
    waiting = Waiting(
        store=_store(),
        workflow=_workflow(),
        clock=_now,
        audit=audit_recorder(),
        maximum_escalations=int(os.environ["MAXIMUM_ESCALATIONS"]),
    )
    if token := event.get("task_token"):
        waiting.ask(invoice, str(token))
        return {}
    if waiting.escalate(invoice):
        return {"outcome": "WAIT"}
    return {"outcome": "GIVE_UP"}


@logger.inject_lambda_context
@metrics.log_metrics
def process_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, {"invoice_id"} → {"outcome": PROCESSED, DUPLICATE or NEEDS_REVIEW}."""
    invoice = _invoice_of(event)
    status = Processing(store=_store(), clock=_now, audit=audit_recorder()).process(invoice)
    logger.info("invoice filed", extra=_facts(invoice, outcome=status.value))
    return {"outcome": status.value}


@logger.inject_lambda_context
@metrics.log_metrics
def notify_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, {"invoice_id", "event"?} → its subscribers told: {"status"}."""
    invoice = _invoice_of(event)
    status = Announcing(
        store=_store(), announcer=_announcer(), clock=_now, audit=audit_recorder()
    ).announce(invoice, str(event.get("event", "")))
    metrics.add_metric(f"Invoices{_pascal(status)}", MetricUnit.Count, 1)
    return {"status": status.value}


@logger.inject_lambda_context
@metrics.log_metrics
def fail_invoice(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, a failed step → its failure recorded, and the execution failed.

    After a redrive → {"resume": step}.
    """
    invoice = _invoice_of(event)
    metrics.add_metric("InvoicesProcessingFailed", MetricUnit.Count, 1)
    failure = Failure(
        step=str(event["step"]),
        error=str(event["error"]),
        cause=_cause(event),
        entered=str(event["entered"]),
        redrive=int(event["redrive"]),
    )
    failing = Failing(store=_store(), announcer=_announcer(), clock=_now, audit=audit_recorder())
    return {"resume": failing.record(invoice, failure)}


def documents(event: Mapping[str, Any]) -> Iterator[SourceDocument]:
    """The objects that an S3 notification tells of; its test event tells of none.

    Keys are URL-encoded in events, and as they are everywhere else.
    """
    for record in event.get("Records", ()):
        if not record["eventName"].startswith("ObjectCreated:"):
            continue
        stored = record["s3"]
        found = stored["object"]
        key = unquote_plus(found["key"])
        if key.endswith("/"):  # what a console makes of a new folder
            continue
        yield SourceDocument(
            bucket=stored["bucket"]["name"],
            key=key,
            version_id=found.get("versionId", ""),
            etag=found.get("eTag", "").strip('"'),
            size=int(found.get("size", 0)),
            principal=record.get("userIdentity", {}).get("principalId", ""),
        )


def _invoice_of(event: Mapping[str, Any]) -> str:
    invoice = str(event["invoice_id"])
    logger.set_correlation_id(invoice)
    return invoice


def _cause(event: Mapping[str, Any]) -> str:
    """The message of the function's error within what Step Functions says of it."""
    cause = str(event["cause"])
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause[:2000] or "the workflow says no more"


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
def _workflow() -> StepFunctionsWorkflow:
    return StepFunctionsWorkflow(client("stepfunctions"), os.environ["WORKFLOW_ARN"])


@cache
def _announcer() -> TopicsAndMail:
    sender = os.environ.get("MAIL_SENDER", "")
    return TopicsAndMail(
        client("sns"),
        Topics(
            success=os.environ["SUCCESS_TOPIC_ARN"],
            failure=os.environ["FAILURE_TOPIC_ARN"],
            review=os.environ["REVIEW_TOPIC_ARN"],
        ),
        ses=client("sesv2") if sender else None,
        sender=sender,
    )


@cache
def _extraction() -> Extraction:
    from finops.invoices.document_files import inspect
    from finops.invoices.text_layer.pdf import analyze_text_layer

    # Textract's own limits are low, and a second's wait is the cure.
    textract = client("textract", retries={"mode": "standard", "total_max_attempts": 8})
    return Extraction(
        store=_store(),
        objects=_objects(),
        engine=Textract(
            textract,
            topic_arn=os.environ["COMPLETION_TOPIC_ARN"],
            role_arn=os.environ["COMPLETION_ROLE_ARN"],
        ),
        workflow=_workflow(),
        inspect=inspect,
        text_layer=analyze_text_layer,
        clock=_now,
        audit=audit_recorder(),
        settings=EngineSettings(
            engine=os.environ["ENGINE"],
            trusted_vendors=tuple(json.loads(os.environ["TRUSTED_VENDORS"])),
            shadow=os.environ["SHADOW"] == "true",
            price_per_page=Decimal(os.environ["PRICE_PER_PAGE"]),
        ),
    )


@cache
def _checks() -> Checks:
    settings = json.loads(os.environ["CHECKS"])
    rules = _objects().read_text(os.environ["RULES_KEY"])
    return Checks(
        confidence=settings["confidence"],
        refuse_past_due=settings["refuse_past_due"],
        tolerance=settings["tolerance"],
        rules=parse_rules(rules) if rules else (),
    )


def _pascal(status: InvoiceStatus) -> str:
    return "".join(word.title() for word in status.value.split("_"))
