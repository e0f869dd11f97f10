"""The invoice flow as Terraform deployed it, used as people use it."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any

from finops.invoices.adapters.dynamodb import DynamoInvoices
from finops.invoices.adapters.s3 import S3Documents
from finops.invoices.adapters.step_functions import StepFunctionsWorkflow
from finops.invoices.adapters.vendors import DynamoVendors
from finops.invoices.domain import InvoiceRecord, InvoiceStatus, SourceDocument
from finops.invoices.review import ReviewDesk
from finops.shared.errors import RejectedInput
from tests.flows.deployment import PATIENCE, Deployment, eventually
from tests.invoices.fakes import FakeClock

STEPS = {
    "receive": "finops-receive-invoices",
    "extract": "finops-extract-invoice",
    "finish": "finops-finish-extraction",
    "validate": "finops-validate-invoice",
    "review": "finops-review-invoice",
    "process": "finops-process-invoice",
    "notify": "finops-notify-invoice",
    "fail": "finops-fail-invoice",
}
ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})


def json_invoice(number: str, **changes: Any) -> bytes:
    """A JSON invoice in the shape of the contract."""
    invoice = {
        "invoiceId": number,
        "customerId": f"C-{number}",
        "customerEmail": "bill@example.com",
        "amount": "120.50",
        "dueDate": "2099-12-31",
        "description": "Bread",
        "items": [{"description": "Bread", "quantity": 10, "rate": "12.05"}],
    }
    return json.dumps({"invoice": invoice | changes}).encode()


def mailed_invoice(number: str, **changes: Any) -> bytes:
    """A JSON invoice of the customer that gets mail, of an amount that resembles no other."""
    amount = f"{1 + uuid.uuid4().int % 4_000_000 / 100:.2f}"
    items = [{"description": "Bread", "quantity": 1, "rate": amount}]
    return json_invoice(number, customerId="C-mailed", amount=amount, items=items, **changes)


def unique(prefix: str) -> str:
    """A number that no other invoice has.

    It ends in a digit: of eight hexadecimal digits one in 2,500 are letters alone, which no reader
    takes for an invoice number.
    """
    return f"{prefix}-{uuid.uuid4().hex[:8]}7"


def document(*invoices: dict[str, str], pages: int = 1) -> bytes:
    """A PDF with a text layer: so many pages for each invoice, the totals on the last."""
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_font("Helvetica", size=11)
    for one in invoices:
        for number in range(1, pages + 1):
            pdf.add_page()
            pdf.set_font("Helvetica", "B", 18)
            pdf.text(15, 20, one["vendor"])
            pdf.set_font("Helvetica", size=11)
            pdf.text(15, 27, "12 Mill Lane, London W1A 1AA")
            pdf.text(15, 60, "Bill to:")
            pdf.text(15, 66, "Harbour Foods Ltd")
            pdf.set_font("Helvetica", "B", 16)
            pdf.text(140, 40, "INVOICE")
            pdf.set_font("Helvetica", size=11)
            facts = {
                "Invoice number:": one["number"],
                "Invoice date:": one.get("date", "2026-03-31"),
                "Due date:": one.get("due", "2099-12-31"),
                "Page:": f"{number} of {pages}",
            }
            for line, (label, value) in enumerate(facts.items()):
                pdf.text(120, 60 + 6 * line, label)
                pdf.text(160, 60 + 6 * line, value)
            for column, text in (
                (15, "Description"),
                (110, "Qty"),
                (130, "Unit price"),
                (170, "Amount"),
            ):
                pdf.text(column, 100, text)
            if number == 1:
                for column, text in ((15, "Bread"), (110, "1"), (130, one["subtotal"])):
                    pdf.text(column, 108, text)
                pdf.text(170, 108, one["subtotal"])
            if number == pages:
                sums = {
                    "Subtotal": one["subtotal"],
                    "VAT 20%": one["tax"],
                    "Total EUR": one["total"],
                }
                if "iban" in one:
                    pdf.text(15, 270, f"Pay to IBAN {one['iban']}")
                for line, (label, value) in enumerate(sums.items()):
                    pdf.text(130, 130 + 7 * line, label)
                    pdf.text(170, 130 + 7 * line, value)
    return bytes(pdf.output())


def paper(number: str, **changes: str) -> dict[str, str]:
    """The text of an invoice whose totals add up."""
    return {
        "vendor": f"Bakers {number} Ltd",
        "number": number,
        "subtotal": "100.00",
        "tax": "20.00",
        "total": "120.00",
    } | changes


@dataclass
class InvoiceFlow:
    """Bucket, table, workflow and functions of the deployed flow."""

    deployment: Deployment
    outputs: dict[str, Any]

    @contextmanager
    def reviews_within(self, *, seconds: int) -> Iterator[None]:
        """Invoices that come meanwhile wait only so long for a person."""
        states, arn = self.deployment.client("stepfunctions"), self.outputs["workflow_arn"]
        before = states.describe_state_machine(stateMachineArn=arn)["definition"]
        changed = json.loads(before)
        changed["States"]["ReviewInvoice"]["TimeoutSeconds"] = seconds
        states.update_state_machine(stateMachineArn=arn, definition=json.dumps(changed))
        try:
            yield
        finally:
            states.update_state_machine(stateMachineArn=arn, definition=before)

    @cached_property
    def objects(self) -> S3Documents:
        return S3Documents(self.deployment.client("s3"), self.outputs["bucket"])

    @cached_property
    def store(self) -> DynamoInvoices:
        return DynamoInvoices(
            self.deployment.client("dynamodb"), self.outputs["table"], self.objects
        )

    @cached_property
    def vendors(self) -> DynamoVendors:
        return DynamoVendors(self.deployment.client("dynamodb"), self.outputs["vendors_table"])

    @cached_property
    def workflow(self) -> StepFunctionsWorkflow:
        return StepFunctionsWorkflow(
            self.deployment.client("stepfunctions"), self.outputs["workflow_arn"]
        )

    @property
    def review_desk(self) -> ReviewDesk:
        return ReviewDesk(store=self.store, workflow=self.workflow, clock=FakeClock())

    def put(self, key: str, body: bytes, owner: str = "") -> SourceDocument:
        """Drop a file. Returns the version that S3 made of it."""
        put = self.deployment.client("s3").put_object(
            Bucket=self.outputs["bucket"],
            Key=key,
            Body=body,
            Metadata={"submitted-by": owner} if owner else {},
        )
        return SourceDocument(
            bucket=self.outputs["bucket"],
            key=key,
            version_id=put["VersionId"],
            etag=put["ETag"].strip('"'),
            size=len(body),
        )

    def found(self, invoice: str) -> InvoiceRecord | None:
        try:
            return self.store.find(invoice)
        except RejectedInput:
            return None

    def until(
        self, invoice: str, wanted: Callable[[InvoiceRecord], object], within: float = PATIENCE
    ) -> InvoiceRecord:
        """The invoice's record once the condition holds."""

        def look() -> InvoiceRecord | None:
            found = self.found(invoice)
            return found if found and wanted(found) else None

        return eventually(look, within=within, every=0.05, what=f"{invoice}: {self.found(invoice)}")

    def ended(self, invoice: str, within: float = PATIENCE) -> InvoiceRecord:
        """The invoice once it is final and announced, or waits for review."""

        def through(record: InvoiceRecord) -> bool:
            if record.status is InvoiceStatus.NEEDS_REVIEW:
                return bool(record.task_token) and not record.decision
            announced = any(one.startswith(record.status.value) for one in record.announced)
            return record.status.is_final and announced

        return self.until(invoice, through, within)

    def mailed(self, invoice: InvoiceRecord | None) -> list[str]:
        """Whom the emulator has mailed about the invoice."""
        url = f"{self.deployment.url}/_ministack/ses/messages"
        with urllib.request.urlopen(url, timeout=120) as answer:
            by_account = json.load(answer)["messages"]
        return [
            address
            for mail in chain.from_iterable(by_account.values())
            if invoice and invoice.serial_number and invoice.serial_number in mail["Subject"]
            for address in mail["To"]
        ]

    def drop(self, key: str, body: bytes, owner: str = "") -> InvoiceRecord:
        """Drop a file and wait for its end."""
        return self.ended(self.put(key, body, owner).document_id)

    def numbers(self) -> list[int]:
        """The serial numbers of all invoices, whatever their status, in order."""
        return sorted(
            int(one.serial_number.rsplit("-", 1)[1])
            for status in InvoiceStatus
            for one in self.store.all(status=status.value)
            if one.serial_number
        )

    @contextmanager
    def numbering(self) -> Iterator[None]:
        """Whatever is numbered meanwhile must take the next numbers, each once."""
        before = self.numbers()
        yield
        first = max(before, default=0) + 1
        taken = [number for number in self.numbers() if number >= first]
        assert taken, "no invoice was numbered"
        assert taken == list(range(first, first + len(taken)))

    def execution(self, invoice: str) -> dict[str, Any]:
        arn = self.outputs["workflow_arn"].replace(":stateMachine:", ":execution:")
        states = self.deployment.client("stepfunctions")
        return dict(states.describe_execution(executionArn=f"{arn}:{invoice}"))

    def executed(self, invoice: str) -> str:
        """How the invoice's execution ended."""

        def look() -> str | None:
            status = str(self.execution(invoice)["status"])
            return status if status in ENDED else None

        return eventually(look, every=0.05, what=f"the end of the execution {invoice}")

    def event(self, source: SourceDocument) -> dict[str, Any]:
        """The event of a version as its queue hands it to the intake."""
        record = {
            "eventName": "ObjectCreated:Put",
            "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
            "s3": {
                "bucket": {"name": source.bucket},
                "object": {
                    "key": source.key,
                    "size": source.size,
                    "eTag": source.etag,
                    "versionId": source.version_id,
                },
            },
        }
        return {
            "Records": [{"messageId": source.version_id, "body": json.dumps({"Records": [record]})}]
        }

    @contextmanager
    def listening(self, topic: str) -> Iterator[Callable[[int, str], list[dict[str, Any]]]]:
        """A queue on one of the topics: gives a function that awaits messages about an invoice."""
        sqs, sns = self.deployment.client("sqs"), self.deployment.client("sns")
        name = unique("listening")
        arn = f"arn:aws:sqs:{self.outputs['region']}:{self.outputs['account_id']}:{name}"
        policy = {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            },
        }
        url = sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy)})[
            "QueueUrl"
        ]
        subscription = sns.subscribe(
            TopicArn=self.outputs["topic_arns"][topic],
            Protocol="sqs",
            Endpoint=arn,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        heard: list[dict[str, Any]] = []

        def listen(count: int, invoice: str) -> list[dict[str, Any]]:
            def about() -> list[dict[str, Any]]:
                heard.extend(json.loads(one) for one in self.deployment.messages(url))
                return [one for one in heard if invoice in one["Message"]]

            eventually(lambda: len(about()) >= count, what=f"{count} messages on {topic}")
            return about()

        try:
            yield listen
        finally:
            sns.unsubscribe(SubscriptionArn=subscription)
            sqs.delete_queue(QueueUrl=url)
