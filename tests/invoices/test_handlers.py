"""The Lambda entry points, composed from their environment as in AWS.

S3, DynamoDB, SNS, SES and Step Functions are moto's. Textract and the workflow's task tokens, which
moto lacks, are the fakes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
from moto import mock_aws

from finops.audit.recorder import audit_recorder
from finops.invoices import handlers
from finops.invoices.adapters.dynamodb import DynamoInvoices
from finops.invoices.adapters.s3 import S3Documents
from finops.invoices.adapters.ses import SesCustomerMail
from finops.invoices.document_files import DocumentFile
from finops.invoices.domain import InvoiceRecord, InvoiceStatus, Review, SourceDocument
from finops.invoices.einvoice.embedded import read_embedded
from finops.invoices.einvoice.reader import read_einvoice
from finops.invoices.extraction import InvoiceExtractor
from finops.invoices.service import InvoiceFailed
from finops.shared.audit import NoAudit
from finops.shared.errors import ConfigurationError, RejectedInput
from finops.shared.observability import metrics
from tests.invoices.builders import invoice, processed, record
from tests.invoices.fakes import FakeClock, FakeEngine, FakeWorkflow
from tests.invoices.resources import (
    BUCKET,
    TABLE,
    VENDORS,
    make_bucket,
    make_table,
    make_vendors_table,
)
from tests.invoices.responses import GOOD, answer
from tests.invoices.vendors.test_recognition import ACME, OURS, THEIRS, VAT
from tests.lambda_context import Context

Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]
JSON = {"invoiceId": "A-7", "customerId": "C-1", "amount": "120.50", "dueDate": "2099-12-31"}
CACHED = (
    handlers._objects,
    handlers._store,
    handlers._workflow,
    handlers._channels,
    handlers._extractor,
    handlers._vendors,
    handlers._validation_settings,
    audit_recorder,
)


class Deployed:
    """What the functions find in AWS and in their environment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.s3 = make_bucket()
        self.store = DynamoInvoices(make_table(), TABLE, S3Documents(self.s3, BUCKET))
        make_vendors_table()
        self.states = boto3.client("stepfunctions")
        sns, self.sqs = boto3.client("sns"), boto3.client("sqs")
        self.queue = self.sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        queue_arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"]
        topics = {
            name: sns.create_topic(Name=name)["TopicArn"]
            for name in ("success", "failure", "review")
        }
        for arn in topics.values():
            sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
        environment = {
            "BUCKET": BUCKET,
            "TABLE": TABLE,
            "VENDORS_TABLE": VENDORS,
            "WORKFLOW_ARN": self.states.create_state_machine(
                name="invoices",
                definition='{"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}',
                roleArn="arn:aws:iam::123456789012:role/states",
            )["stateMachineArn"],
            **{f"{name.upper()}_TOPIC_ARN": arn for name, arn in topics.items()},
            "JSON_CURRENCY": "USD",
            "RULES_KEY": "rules.json",
            "CHECKS": '{"confidence": {"default": 80}, "refuse_past_due": false, "tolerance": 1}',
            "MAXIMUM_ESCALATIONS": "1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    def drop(self, key: str, body: bytes) -> dict[str, Any]:
        """Put an object. Returns the message that S3 sends about it."""
        put = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        stored = {
            "key": quote_plus(key, safe="/"),
            "size": len(body),
            "eTag": put["ETag"].strip('"'),
            "versionId": put["VersionId"],
        }
        notification = {
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-04-01T12:00:00.000Z",
            "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
            "s3": {"bucket": {"name": BUCKET}, "object": stored},
        }
        return message(put["VersionId"], {"Records": [notification]})

    def only(self, status: str) -> InvoiceRecord:
        (found,) = self.store.all(status=status)
        return found

    def executions(self) -> list[str]:
        arn = self.states.list_state_machines()["stateMachines"][0]["stateMachineArn"]
        listed = self.states.list_executions(stateMachineArn=arn)["executions"]
        return [one["name"] for one in listed]

    def published(self) -> list[dict[str, Any]]:
        """The data of each message that a subscriber got."""
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        bodies = [json.loads(one["Body"]) for one in answer.get("Messages", ())]
        return [json.loads(one["Message"]) for one in bodies]


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AUDIT_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    metrics.namespace, metrics.service = "FinOps", "test"
    for cached in CACHED:
        cached.cache_clear()
    with mock_aws():
        yield Deployed(monkeypatch)
    for cached in CACHED:
        cached.cache_clear()


def message(name: str, body: Any) -> dict[str, Any]:
    return {"messageId": name, "body": body if isinstance(body, str) else json.dumps(body)}


def call(handler: Handler, **event: Any) -> dict[str, Any]:
    return handler(event, Context())


def failed(answer: Mapping[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def counted(printed: str, metric: str) -> float:
    """What the function's embedded metrics say."""
    documents = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return sum(sum(one[metric]) for one in documents if "_aws" in one and metric in one)


class TestReceiving:
    def test_a_dropped_file_becomes_a_record_and_an_execution(self, deployed: Deployed) -> None:
        dropped = deployed.drop("raw/März 1.pdf", b"%PDF-")
        assert failed(call(handlers.receive_invoices, Records=[dropped])) == []
        found = deployed.only("RECEIVED")
        assert found.file == "März 1.pdf"
        assert found.document.size == 5
        assert found.document.principal == "AWS:AIDAEXAMPLE"
        assert deployed.executions() == [found.id]
        assert failed(call(handlers.receive_invoices, Records=[dropped])) == []
        assert deployed.executions() == [found.id]

    @pytest.mark.parametrize("body", ["nonsense", "[]", '{"Records": [{"eventName": "?"}]}'])
    def test_one_bad_message_never_blocks_the_others(
        self, deployed: Deployed, body: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        messages = [
            deployed.drop("raw/a.pdf", b"%PDF-"),
            message("bad", body),
            deployed.drop("raw/b.pdf", b"%PDF-"),
        ]
        assert failed(call(handlers.receive_invoices, Records=messages)) == ["bad"]
        assert len(deployed.executions()) == 2
        assert counted(capsys.readouterr().out, "InvoicesReceived") == 2

    def test_a_file_is_retried_while_the_workflow_cannot_be_started(
        self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arn = deployed.states.list_state_machines()["stateMachines"][0]["stateMachineArn"]
        monkeypatch.setenv("WORKFLOW_ARN", arn + "-of-yesterday")
        dropped = deployed.drop("raw/a.pdf", b"%PDF-")
        assert failed(call(handlers.receive_invoices, Records=[dropped])) == [dropped["messageId"]]
        monkeypatch.setenv("WORKFLOW_ARN", arn)
        handlers._workflow.cache_clear()
        assert failed(call(handlers.receive_invoices, Records=[dropped])) == []
        assert deployed.executions() == [deployed.only("RECEIVED").id]

    @pytest.mark.parametrize(
        "notification",
        [
            {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET},
            {"Records": []},
        ],
    )
    def test_the_test_event_of_s3_is_not_a_file(
        self, deployed: Deployed, notification: dict[str, Any]
    ) -> None:
        assert failed(call(handlers.receive_invoices, Records=[message("a", notification)])) == []
        assert deployed.executions() == []

    @pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._invoice.pdf"])
    def test_what_programs_leave_is_no_invoice(self, deployed: Deployed, name: str) -> None:
        dropped = [deployed.drop(f"raw/{one}", b"%PDF-") for one in (name, "a.pdf")]
        assert failed(call(handlers.receive_invoices, Records=dropped)) == []
        assert deployed.executions() == [deployed.only("RECEIVED").id]


class TestSteps:
    def test_another_account_of_a_known_vendor_is_counted_for_its_alarm(
        self, deployed: Deployed, capsys: pytest.CaptureFixture[str]
    ) -> None:
        known = ACME.told(None, actor="ann", why="entered")
        handlers._vendors().save(known, None)
        for number, (iban, outcome) in enumerate(((OURS, "VALID"), (THEIRS, "REVIEW"))):
            read = invoice(iban=iban, vendor_tax_id=VAT)
            one = deployed.store.create(record(f"raw/{number}.pdf", invoice=read)).id
            capsys.readouterr()
            assert call(handlers.validate_invoice, invoice_id=one) == {"outcome": outcome}
            counts = counted(capsys.readouterr().out, "BankDetailsChanged")
            assert counts == (outcome == "REVIEW")

    def test_a_json_invoice_is_validated_processed_and_notified(
        self,
        deployed: Deployed,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("MAIL_SENDER", "us@example.com")
        monkeypatch.setenv("SETTINGS_KEY", "config/settings.json")
        known = {"CUSTOMERS": json.dumps({JSON["customerId"]: ["bill@example.com"]})}
        deployed.s3.put_object(Bucket=BUCKET, Key="config/settings.json", Body=json.dumps(known))
        ses = boto3.client("sesv2")
        ses.create_email_identity(EmailIdentity="us@example.com")
        body = {"invoice": JSON | {"customerEmail": "else@example.com"}}
        dropped = deployed.drop("json/a.json", json.dumps(body).encode())
        call(handlers.receive_invoices, Records=[dropped])
        one = deployed.only("RECEIVED").id
        assert call(handlers.validate_invoice, invoice_id=one) == {"outcome": "VALID"}
        assert call(handlers.process_invoice, invoice_id=one) == {"outcome": "PROCESSED"}
        capsys.readouterr()
        assert call(handlers.notify_invoice, invoice_id=one) == {"status": "PROCESSED"}
        assert counted(capsys.readouterr().out, "InvoicesProcessed") == 1
        (said,) = deployed.published()
        assert (said["id"], said["event"], said["total"]) == (one, "PROCESSED", "120.50")
        assert said["serial_number"].endswith("-000001")
        assert boto3.client("ses").get_send_quota()["SentLast24Hours"] == 1
        # Every step may be run again.
        assert call(handlers.process_invoice, invoice_id=one) == {"outcome": "PROCESSED"}
        assert call(handlers.notify_invoice, invoice_id=one) == {"status": "PROCESSED"}
        assert deployed.published() == []

    def test_without_a_sender_customers_get_no_email(self, deployed: Deployed) -> None:
        assert not any(isinstance(one, SesCustomerMail) for one in handlers._channels())

    def test_the_environments_rules_are_read_from_the_bucket(self, deployed: Deployed) -> None:
        rule = {"name": "large", "expression": "total > 100", "message": "over 100"}
        deployed.s3.put_object(Bucket=BUCKET, Key="rules.json", Body=json.dumps([rule]))
        one = deployed.store.create(record(invoice=invoice(), status=InvoiceStatus.EXTRACTING))
        assert call(handlers.validate_invoice, invoice_id=one.id) == {"outcome": "REVIEW"}
        assert "large" in {issue.code for issue in deployed.only("NEEDS_REVIEW").issues}

    def test_rules_that_cannot_be_read_stop_the_workflow(self, deployed: Deployed) -> None:
        deployed.s3.put_object(Bucket=BUCKET, Key="rules.json", Body=b"{")
        one = deployed.store.create(record(invoice=invoice()))
        with pytest.raises(ConfigurationError, match="rules"):
            call(handlers.validate_invoice, invoice_id=one.id)
        assert deployed.store.find(one.id) == one

    def test_an_event_is_sent_instead_of_the_status(self, deployed: Deployed) -> None:
        one = deployed.store.create(record(invoice=invoice(), status=InvoiceStatus.NEEDS_REVIEW))
        call(handlers.notify_invoice, invoice_id=one.id, event="REVIEW_ESCALATED")
        (said,) = deployed.published()
        assert (said["event"], said["status"]) == ("REVIEW_ESCALATED", "NEEDS_REVIEW")

    @pytest.mark.parametrize(
        "handler",
        [
            handlers.extract_invoice,
            handlers.validate_invoice,
            handlers.review_invoice,
            handlers.process_invoice,
            handlers.notify_invoice,
            handlers.fail_invoice,
        ],
        ids=lambda handler: str(handler.__name__),
    )
    def test_a_step_needs_the_id_of_an_invoice(
        self, deployed: Deployed, extraction: Extraction, handler: Handler
    ) -> None:
        failure = {"step": "Any", "error": "E", "cause": "", "entered": "1", "redrive": 0}
        for invoice_id in (None, "", 7, {"id": "a"}):
            with pytest.raises(RejectedInput) as refused:
                call(handler, invoice_id=invoice_id, **failure)
            assert refused.value.code == "no_invoice_id"
        with pytest.raises(RejectedInput) as refused:
            call(handler, invoice_id="nobodys", **failure)
        assert refused.value.code == "unknown_invoice"
        with pytest.raises(RejectedInput, match="invoice_id"):
            call(handler, **failure)


class Extraction:
    """The extractor with Textract and task tokens as fakes."""

    def __init__(self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine, self.workflow, self.pages = FakeEngine(), FakeWorkflow(), 1
        self.deployed = deployed
        extractor = InvoiceExtractor(
            store=deployed.store,
            objects=S3Documents(deployed.s3, BUCKET),
            engine=self.engine,
            workflow=self.workflow,
            inspect=lambda _file, size: DocumentFile(
                kind="PDF", media_type="application/pdf", pages=self.pages, size=size
            ),
            text_layer=lambda _file: None,
            einvoice=read_einvoice,
            embedded=read_embedded,
            clock=FakeClock(),
            audit=NoAudit(),
        )
        monkeypatch.setattr(handlers, "_extractor", lambda: extractor)

    def receive(self, key: str) -> str:
        """A document that Textract can read. Returns its invoice's id."""
        put = self.deployed.s3.put_object(Bucket=BUCKET, Key=key, Body=b"%PDF-")
        source = SourceDocument(bucket=BUCKET, key=key, version_id=put["VersionId"], size=5)
        self.engine.answers[key] = answer(GOOD)
        return self.deployed.store.create(record(document=source)).id

    def completion(self, one: str, name: str = "a") -> dict[str, Any]:
        """The message that Textract sends when a job is done."""
        said = {"JobId": f"job-{one}-0", "JobTag": one, "Status": "SUCCEEDED"}
        return message(name, {"Type": "Notification", "Message": json.dumps(said)})


@pytest.fixture
def extraction(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Extraction:
    return Extraction(deployed, monkeypatch)


class TestExtraction:
    def test_one_page_is_read_at_once(self, extraction: Extraction) -> None:
        one = extraction.receive("raw/a.pdf")
        assert call(handlers.extract_invoice, invoice_id=one) == {"outcome": "EXTRACTED"}
        assert extraction.engine.analyzed == ["raw/a.pdf"]

    def test_a_document_that_cannot_be_read_is_rejected(self, extraction: Extraction) -> None:
        one = extraction.receive("raw/a.pdf")
        extraction.engine.answers["raw/a.pdf"] = RejectedInput("blurred", code="unreadable")
        assert call(handlers.extract_invoice, invoice_id=one) == {"outcome": "REJECTED"}
        assert extraction.deployed.only("REJECTED").issues[0].code == "unreadable"

    def test_many_pages_are_a_job_that_the_workflow_waits_for(self, extraction: Extraction) -> None:
        extraction.pages = 3
        one = extraction.receive("raw/a.pdf")
        assert call(handlers.extract_invoice, invoice_id=one) == {"outcome": "ASYNCHRONOUS"}
        extraction.engine.unfinished.add(f"job-{one}-0")
        extraction.workflow.waiting.add("token")
        assert call(handlers.extract_invoice, invoice_id=one, task_token="token") == {}
        assert extraction.workflow.resumed == []
        extraction.engine.unfinished.clear()
        done = call(handlers.finish_extraction, Records=[extraction.completion(one)])
        assert failed(done) == []
        assert extraction.workflow.resumed == [("token", {"outcome": "EXTRACTED"})]

    @pytest.mark.parametrize(
        "bad",
        [
            message("bad", "nonsense"),
            message("bad", {"Type": "SubscriptionConfirmation"}),
            message("bad", {"Message": json.dumps({"JobId": "j", "JobTag": "nobodys"})}),
        ],
        ids=["no JSON", "no completion", "unknown invoice"],
    )
    def test_one_bad_completion_never_blocks_the_others(
        self, extraction: Extraction, bad: dict[str, Any]
    ) -> None:
        extraction.pages = 3
        one = extraction.receive("raw/a.pdf")
        extraction.engine.unfinished.add(f"job-{one}-0")
        call(handlers.extract_invoice, invoice_id=one, task_token="token")
        extraction.engine.unfinished.clear()
        records = [bad, extraction.completion(one, "good")]
        assert failed(call(handlers.finish_extraction, Records=records)) == ["bad"]
        assert extraction.deployed.store.find(one).response_key


class TestReview:
    @pytest.fixture
    def waiting(self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> InvoiceRecord:
        workflow = FakeWorkflow()
        monkeypatch.setattr(handlers, "_workflow", lambda: workflow)
        return deployed.store.create(record(invoice=invoice(), status=InvoiceStatus.NEEDS_REVIEW))

    def test_a_task_token_waits_for_a_person(
        self, deployed: Deployed, waiting: InvoiceRecord
    ) -> None:
        assert call(handlers.review_invoice, invoice_id=waiting.id, task_token="token") == {}
        assert deployed.store.find(waiting.id).task_token == "token"

    def test_reminders_end_where_the_environment_says(
        self, deployed: Deployed, waiting: InvoiceRecord
    ) -> None:
        assert call(handlers.review_invoice, invoice_id=waiting.id) == {"outcome": "WAIT"}
        assert call(handlers.review_invoice, invoice_id=waiting.id) == {"outcome": "GIVE_UP"}
        assert deployed.only("VALIDATION_FAILED").issues[-1].code == "not_reviewed"

    @pytest.mark.parametrize(
        ("settings", "code"),
        [
            ({}, "unproven_session"),
            ({"PERSONAL_SESSION_ROLES": '["Finance"]'}, ""),
            ({"PERSONAL_SESSION_ROLES": "[]"}, "unproven_session"),
            ({"SEPARATION_OF_DUTIES": "false"}, ""),
        ],
    )
    def test_a_decision_by_url_is_of_whoever_signed_under_the_deployments_rules(
        self,
        deployed: Deployed,
        waiting: InvoiceRecord,
        monkeypatch: pytest.MonkeyPatch,
        settings: Mapping[str, str],
        code: str,
    ) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        arn = "arn:aws:sts::111111111111:assumed-role/Finance/bea"
        iam = {"userArn": arn, "callerId": "AROAFINANCE:bea", "userId": "AROAFINANCE:bea"}
        request = {"invoice_id": waiting.id, "reviews": 0, "approve": True}
        said = call(
            handlers.review_invoice,
            requestContext={"authorizer": {"iam": iam}},
            body=json.dumps(request),
        )
        reviews = deployed.store.find(waiting.id).reviews
        if code:
            assert json.loads(said["body"])["error"]["code"] == code
            assert not reviews
        else:
            assert said["statusCode"] == 200
            is_personal = "PERSONAL_SESSION_ROLES" in settings
            assert [(one.reviewer, one.proven) for one in reviews] == [(arn, is_personal)]

    def test_the_workflow_takes_no_approval_of_a_session_that_may_be_anybodys(
        self, deployed: Deployed, waiting: InvoiceRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arn = "arn:aws:sts::111111111111:assumed-role/Finance/bea"
        approval = Review(reviewer=arn, at=waiting.received_at, decision="APPROVED", proven=True)
        approved = replace(waiting, approved=True, decision="APPROVED", reviews=(approval,))
        deployed.store.save(approved)
        call(handlers.validate_invoice, invoice_id=waiting.id)
        assert not deployed.store.find(waiting.id).approved
        deployed.store.save(replace(deployed.store.find(waiting.id), approved=True))
        monkeypatch.setenv("PERSONAL_SESSION_ROLES", '["Fin*"]')
        call(handlers.validate_invoice, invoice_id=waiting.id)
        assert deployed.store.find(waiting.id).approved


class TestFailure:
    EVENT: Mapping[str, Any] = {
        "step": "ProcessInvoice",
        "error": "TransientFailure",
        "cause": json.dumps({"errorMessage": "too busy", "stackTrace": []}),
        "entered": "2026-04-01T12:00:00Z",
        "redrive": 0,
    }

    def test_a_failed_step_is_recorded_and_notified_and_fails_the_execution(
        self, deployed: Deployed, capsys: pytest.CaptureFixture[str]
    ) -> None:
        one = deployed.store.create(record(invoice=invoice(), status=InvoiceStatus.VALIDATING))
        with pytest.raises(InvoiceFailed, match="ProcessInvoice failed: too busy"):
            call(handlers.fail_invoice, invoice_id=one.id, **self.EVENT)
        assert counted(capsys.readouterr().out, "InvoicesProcessingFailed") == 1
        found = deployed.only("PROCESSING_FAILED")
        assert found.failure
        assert (found.failure.step, found.failure.cause) == ("ProcessInvoice", "too busy")
        (said,) = deployed.published()
        assert said["event"] == "PROCESSING_FAILED"

    def test_a_redriven_execution_continues_with_the_step(self, deployed: Deployed) -> None:
        one = deployed.store.create(record(invoice=invoice(), status=InvoiceStatus.VALIDATING))
        with pytest.raises(InvoiceFailed):
            call(handlers.fail_invoice, invoice_id=one.id, **self.EVENT)
        again = {**self.EVENT, "redrive": 1}
        assert call(handlers.fail_invoice, invoice_id=one.id, **again) == {
            "resume": "ProcessInvoice"
        }
        assert deployed.only("VALIDATING").id == one.id

    def test_a_processed_invoice_stays_processed(self, deployed: Deployed) -> None:
        one = deployed.store.create(processed())
        with pytest.raises(InvoiceFailed):
            call(
                handlers.fail_invoice, invoice_id=one.id, **{**self.EVENT, "step": "NotifyInvoice"}
            )
        assert deployed.only("PROCESSED").id == one.id
