"""The audit trail of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

from finops.audit.adapters.kms import KmsSigner
from finops.audit.adapters.s3 import S3TrailStore
from finops.audit.recorder import SqsAuditRecorder
from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.shared.aws import aws_errors


class AuditDeployment:
    """Bucket, queue and signing key of the audit trail, as its functions are configured."""

    def __init__(self, environment: Environment, aws: Aws | None = None) -> None:
        self._aws = aws or Aws(environment)
        self._prefix = environment.prefix

    @property
    def changed_at(self) -> datetime:
        """When Lambda last changed the function that writes heads."""
        with aws_errors("find_deployment"):
            found = self._aws.client("lambda").get_function_configuration(
                FunctionName=f"{self._prefix}-write-audit-head"
            )
        return datetime.fromisoformat(found["LastModified"])

    @cached_property
    def store(self) -> S3TrailStore:
        """The entries and heads in the bucket."""
        return S3TrailStore(self._aws.client("s3"), self._variables("write-audit-head")["BUCKET"])

    @cached_property
    def signer(self) -> KmsSigner | None:
        """The KMS key that signs heads; None if heads are not signed."""
        key_arn = self._variables("write-audit-head").get("SIGNING_KEY_ARN")
        return KmsSigner(self._aws.client("kms"), key_arn) if key_arn else None

    @cached_property
    def recorder(self) -> SqsAuditRecorder:
        """Sends entries to the queue."""
        queue_url = self._variables("append-audit-entries")["QUEUE_URL"]
        return SqsAuditRecorder(self._aws.client("sqs"), queue_url, code_version="")

    def _variables(self, function: str) -> Mapping[str, str]:
        return self._aws.function_variables(f"{self._prefix}-{function}", module="audit")
