"""Amazon Textract's AnalyzeExpense, synchronous and as jobs, on real documents.

AWS: "Analyzing invoices and receipts"
https://docs.aws.amazon.com/textract/latest/dg/analyzing-document-expense.html and the API reference
https://docs.aws.amazon.com/textract/latest/APIReference/API_AnalyzeExpense.html
MiniStack has no such service. Objects are read with the permissions of the caller, completions
are published with those of the role. FINOPS_TEXTRACT_TPS limits the calls of a second.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator, router
from ministack.core.responses import get_account_id, get_region, json_response
from ministack.core.router import extract_access_key_id
from ministack.services import s3, sns

from localcloud.extensions._permissions import role_allows
from localcloud.textract.errors import TextractError
from localcloud.textract.readers import Readers
from localcloud.textract.service import Textract

Response = Any
_THREADS = 64


@dataclass(frozen=True)
class _Caller:
    """The cloud around the service, as who calls it."""

    account: str
    region: str
    access_key: str
    context: contextvars.Context

    def _may(self, action: str, resource: str, **context: str) -> bool:
        if not ministack.app.AUTH:
            return True
        denied = self.context.copy().run(
            iam_evaluator.enforce,
            self.access_key,
            action,
            action.partition(":")[0],
            self.region,
            resource_arn=resource,
            service_context=context,
        )
        return not denied

    def object(self, bucket: str, key: str, version: str) -> bytes:
        action = "s3:GetObjectVersion" if version else "s3:GetObject"
        content = None
        if self._may(action, f"arn:aws:s3:::{bucket}/{key}"):
            content = self.context.copy().run(s3._get_object_data, bucket, key, version or None)
        if content is None:
            raise TextractError(
                "InvalidS3ObjectException",
                "Unable to get object metadata from S3. Check object key, region and/or access "
                "permissions.",
            )
        return bytes(content)

    def pass_role(self, role_arn: str) -> None:
        context = {"iam:passedtoservice": "textract.amazonaws.com"}
        if not self._may("iam:PassRole", role_arn, **context):
            raise TextractError(
                "AccessDeniedException", f"not authorized to perform: iam:PassRole on {role_arn}"
            )

    def publish(self, topic_arn: str, role_arn: str, message: str) -> None:
        def publish() -> None:
            if role_allows(role_arn, "sns:Publish", topic_arn):
                sns._publish({"TopicArn": topic_arn, "Message": message})

        self.context.copy().run(publish)


class _Endpoint:
    def __init__(self, service: Textract) -> None:
        self._service = service
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="textract")

    async def handle_request(
        self, _method: str, _path: str, headers: dict[str, str], body: bytes, _query: Any
    ) -> Response:
        operation = headers.get("x-amz-target", "").partition(".")[2]
        if operation not in self._service.operations:
            return _refusal(TextractError("UnknownOperationException", f"no {operation}"))
        caller = _Caller(
            account=get_account_id(),
            region=get_region(),
            access_key=extract_access_key_id(headers) or "",
            context=contextvars.copy_context(),
        )
        try:
            answer = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._service.answer, operation, json.loads(body or b"{}"), caller
            )
        except TextractError as error:
            return _refusal(error)
        return json_response(answer)


def _refusal(error: TextractError) -> Response:
    body = {"__type": error.code, "Message": str(error), "message": str(error)}
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": error.code}
    return error.status, headers, json.dumps(body).encode()


def install() -> None:
    """Serve Textract in the emulator's port."""
    readers = Readers(os.environ["FINOPS_READER_PYTHON"], os.environ["FINOPS_READER_PATH"])
    service = Textract(readers, float(os.environ.get("FINOPS_TEXTRACT_TPS", "0")))
    router.SERVICE_PATTERNS["textract"] = {
        "target_prefixes": ["Textract."],
        "credential_scope": "textract",
    }
    iam_actions.SERVICE_TO_IAM_NAMESPACE["textract"] = "textract"
    ministack.app.SERVICE_HANDLERS["textract"] = _Endpoint(service).handle_request
