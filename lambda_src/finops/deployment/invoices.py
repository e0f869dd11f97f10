"""The invoice flow's resources, as the intake function is configured."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.recorder import CommandRecorder
from finops.deployment.uploads import upload_form
from finops.invoices.adapters.dynamodb import DynamoInvoices
from finops.invoices.adapters.s3 import S3Documents
from finops.invoices.adapters.step_functions import StepFunctionsWorkflow
from finops.invoices.adapters.vendors import DynamoVendors
from finops.invoices.decisions import DecisionAnswer, DecisionRequest
from finops.invoices.document_files import LARGEST_DOCUMENT
from finops.invoices.domain import (
    RAW_PREFIX,
    InvoiceRecord,
    InvoiceStatus,
    SourceDocument,
    upload_key,
)
from finops.invoices.erasure import InvoiceEraser
from finops.invoices.inbox import waiting
from finops.invoices.review import ReviewDesk
from finops.invoices.vendors.desk import VendorDesk
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError
from finops.shared.people import PERSONAL_SESSION_ROLES
from finops.shared.signed_requests import raise_for

_ATTACH: Final = (
    "Attach the policy of the output `reviewer_policy_json` of the module invoices to whoever"
    " decides about invoices"
)


class InvoiceDeployment:
    """Bucket, table and workflow of the invoice flow."""

    def __init__(self, environment: Environment, aws: Aws | None = None) -> None:
        self._aws = aws or Aws(environment)
        self._environment = environment

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The intake function's environment variables."""
        return self._aws.function_variables(self._environment.invoice_intake, module="invoices")

    @cached_property
    def objects(self) -> S3Documents:
        """The bucket."""
        return S3Documents(self._aws.client("s3"), self.variables["BUCKET"])

    @cached_property
    def store(self) -> DynamoInvoices:
        """The table."""
        return DynamoInvoices(self._aws.client("dynamodb"), self.variables["TABLE"], self.objects)

    @cached_property
    def vendors(self) -> DynamoVendors:
        """The table of vendors."""
        table = self.variables.get("VENDORS_TABLE", "")
        if not table:
            raise ConfigurationError(
                "this deployment has no table of vendors",
                code="not_deployed",
                step="find_vendors",
                remedy="Deploy this version of the module invoices",
            )
        return DynamoVendors(self._aws.client("dynamodb"), table)

    @property
    def vendor_desk(self) -> VendorDesk:
        """Where people change vendors."""
        return VendorDesk(
            store=self.vendors,
            audit=self.audit,
            clock=lambda: datetime.now(UTC),
            new_salt=lambda: secrets.token_hex(32),
        )

    @cached_property
    def workflow(self) -> StepFunctionsWorkflow:
        """The workflow."""
        return StepFunctionsWorkflow(
            self._aws.client("stepfunctions"), self.variables["WORKFLOW_ARN"]
        )

    @cached_property
    def audit(self) -> CommandRecorder:
        """Records in the flow's audit trail."""
        return CommandRecorder(self._aws.client("sqs"), self.variables.get("AUDIT_QUEUE_URL", ""))

    @property
    def caller(self) -> str:
        """Whose credentials these are, as the audit trail names them."""
        return self._aws.caller

    @property
    def review_desk(self) -> ReviewDesk:
        """Where the console, which knows who its people are, corrects, approves and rejects."""
        return ReviewDesk(
            store=self.store,
            workflow=self.workflow,
            clock=lambda: datetime.now(UTC),
            separation_of_duties=self.separation_of_duties,
        )

    @property
    def separation_of_duties(self) -> bool:
        """Whether somebody else must approve what a person submitted or corrected."""
        return self.variables.get("SEPARATION_OF_DUTIES", "true") == "true"

    @property
    def personal_session_roles(self) -> Sequence[str]:
        """Roles, by patterns, whose sessions have their person's name for certain."""
        listed = self.variables.get("PERSONAL_SESSION_ROLES")
        return tuple(json.loads(listed)) if listed else PERSONAL_SESSION_ROLES

    def waiting(self) -> Iterator[InvoiceRecord]:
        """The invoices that wait for review, in the order of the inbox."""
        status = InvoiceStatus.NEEDS_REVIEW.value
        return waiting(self.store.all(status=status, newest_first=False))

    def decide(
        self,
        record: InvoiceRecord,
        *,
        seen: int,
        corrections: Mapping[str, str] | None = None,
        approve: bool = False,
        reject: bool = False,
        not_duplicate: bool = False,
        reason: str = "",
    ) -> InvoiceRecord:
        """Have the flow's function decide, which AWS tells who asks.

        Args:
            record: The invoice.
            seen: How many of its reviews the person has seen.
            corrections: Values by field, as people write them; an empty value clears the field.
            approve: Accept the invoice despite its issues.
            reject: Refuse it for good.
            not_duplicate: Process a duplicate as an invoice of its own.
            reason: Required to reject, and for what is not a duplicate.

        Returns:
            The invoice with the status and revision of the decision.

        Raises:
            RejectedInput: the invoice is not waiting for review, or the decision is not valid.
        """
        request = DecisionRequest(
            invoice_id=record.id,
            reviews=seen,
            corrections=dict(corrections or {}),
            approve=approve,
            reject=reject,
            not_duplicate=not_duplicate,
            reason=reason,
        )
        status, content = self._aws.post(
            self._environment.review_function, msgspec.json.encode(request), remedy=_ATTACH
        )
        try:
            answer = msgspec.json.decode(content, type=DecisionAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            answer = DecisionAnswer()  # a proxy's page, or what Lambda says of a failed function
        raise_for(status, answer.error)
        if not answer.status:
            raise ConfigurationError(
                f"the decision was not taken: {status} {content.decode(errors='replace')[:200]}",
                code="decision_refused",
                step="decide",
                remedy=f"See the log group /aws/lambda/{self._environment.review_function}",
            )
        return replace(record, status=InvoiceStatus(answer.status), revision=answer.revision)

    @property
    def eraser(self) -> InvoiceEraser:
        """Erases personal data."""
        return InvoiceEraser(
            store=self.store,
            objects=self.objects,
            audit=self.audit,
            clock=lambda: datetime.now(UTC),
        )

    def upload(self, path: Path, owner: str, sent: Callable[[int], None]) -> str:
        """Upload a file into the bucket: each below a key of its own (see `upload_key`).

        Args:
            path: The file.
            owner: The person who submits it.
            sent: Called with the number of bytes of each part that was sent.

        Returns:
            The id of the invoice.
        """
        s3, bucket = self._aws.client("s3"), self.variables["BUCKET"]
        key = upload_key(path.name, uuid.uuid4().hex)
        with aws_errors("upload_file"):
            s3.upload_file(
                str(path),
                bucket,
                key,
                Callback=sent,
                ExtraArgs={"Metadata": {"submitted-by": owner}},
            )
        return self.document(key).document_id

    def upload_form(self, owner: str) -> dict[str, Any]:
        """A form by which a browser uploads documents in this person's name."""
        return upload_form(
            self._aws.client("s3"),
            self.variables["BUCKET"],
            RAW_PREFIX,
            largest=LARGEST_DOCUMENT,
            metadata={"submitted-by": owner},
        )

    def document(self, key: str, version_id: str = "") -> SourceDocument:
        """A version of an object in the bucket; by default the newest."""
        bucket = self.variables["BUCKET"]
        where = {"Bucket": bucket, "Key": key} | ({"VersionId": version_id} if version_id else {})
        with aws_errors("read_object"):
            head = self._aws.client("s3").head_object(**where)
        return SourceDocument(
            bucket=bucket,
            key=key,
            version_id=head.get("VersionId", ""),
            etag=head["ETag"].strip('"'),
            size=head["ContentLength"],
        )
