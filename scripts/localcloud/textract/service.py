"""AnalyzeExpense and its jobs, apart from HTTP: requests in, answers or refusals out.

https://docs.aws.amazon.com/textract/latest/dg/api-async.html
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from localcloud.textract.errors import TextractError

#: Pages of an answer to GetExpenseAnalysis, unless fewer are asked for.
_PAGES = 20


class Surroundings(Protocol):
    """What the service needs of the cloud around it, as the caller."""

    @property
    def account(self) -> str:
        """Whose jobs these are."""

    def object(self, bucket: str, key: str, version: str) -> bytes:
        """An object that the caller may read.

        Raises:
            TextractError: there is none, or they may not.
        """

    def pass_role(self, role_arn: str) -> None:
        """Hand the service a role.

        Raises:
            TextractError: the caller may not.
        """

    def publish(self, topic_arn: str, role_arn: str, message: str) -> None:
        """Tell a topic as the role."""


class Reading(Protocol):
    """Who reads."""

    def read(self, content: bytes, *, synchronous: bool) -> dict[str, Any]:
        """AnalyzeExpense's answer."""


@dataclass
class _Job:
    account: str
    request: str
    status: str = "IN_PROGRESS"
    message: str = ""
    answer: dict[str, Any] = field(default_factory=dict)


class Textract:
    """The operations."""

    def __init__(self, readers: Reading, per_second: float = 0, job_seconds: float = 1) -> None:
        self._readers = readers
        self._model = ServiceModel(
            Loader().load_service_model("textract", "service-2"), service_name="textract"
        )
        self._jobs: dict[str, _Job] = {}
        self._tokens: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="textract-job")
        self._per_second, self._job_seconds = per_second, job_seconds
        self._recent: list[float] = []
        self.operations: dict[str, Callable[[dict[str, Any], Surroundings], dict[str, Any]]] = {
            "AnalyzeExpense": self._analyze,
            "StartExpenseAnalysis": self._start,
            "GetExpenseAnalysis": self._get,
        }

    def answer(self, operation: str, request: dict[str, Any], around: Surroundings) -> Any:
        """The answer to a request.

        Raises:
            TextractError: it is refused.
        """
        shape = self._model.operation_model(operation).input_shape
        report = ParamValidator().validate(_with_bytes(request), shape)
        if report.has_errors():
            raise TextractError("InvalidParameterException", report.generate_report())
        if operation != "GetExpenseAnalysis":
            self._throttle()
        return self.operations[operation](request, around)

    def _throttle(self) -> None:
        if not self._per_second:
            return
        now = time.monotonic()
        with self._lock:
            self._recent = [one for one in self._recent if now - one < 1]
            if len(self._recent) >= self._per_second:
                raise TextractError(
                    "ProvisionedThroughputExceededException", "Provisioned rate exceeded"
                )
            self._recent.append(now)

    def _analyze(self, request: dict[str, Any], around: Surroundings) -> dict[str, Any]:
        document = request["Document"]
        if "Bytes" in document:
            content = b64decode(document["Bytes"])
            if not content:
                raise TextractError("InvalidParameterException", "Request has an empty document")
        elif "S3Object" in document:
            content = _object(document["S3Object"], around)
        else:
            raise TextractError("InvalidParameterException", "Request has no document")
        return self._readers.read(content, synchronous=True)

    def _start(self, request: dict[str, Any], around: Surroundings) -> dict[str, Any]:
        content = _object(request["DocumentLocation"].get("S3Object", {}), around)
        if channel := request.get("NotificationChannel"):
            around.pass_role(channel["RoleArn"])
        token = request.get("ClientRequestToken")
        asked = json.dumps(request, sort_keys=True)
        with self._lock:
            known = self._tokens.get((around.account, token)) if token else None
            if known:
                if self._jobs[known].request != asked:
                    raise TextractError(
                        "IdempotentParameterMismatchException",
                        "The request token was used with other parameters",
                    )
                return {"JobId": known}
            job_id = uuid.uuid4().hex
            self._jobs[job_id] = _Job(account=around.account, request=asked)
            if token:
                self._tokens[around.account, token] = job_id
        # No job is over by the time that its caller may ask about it.
        later = threading.Timer(
            self._job_seconds, self._pool.submit, (self._run, job_id, content, request, around)
        )
        later.daemon = True
        later.start()
        return {"JobId": job_id}

    def _run(
        self, job_id: str, content: bytes, request: dict[str, Any], around: Surroundings
    ) -> None:
        job = self._jobs[job_id]
        try:
            job.answer = self._readers.read(content, synchronous=False)
            job.status = "SUCCEEDED"
        except TextractError as error:
            job.message, job.status = f"{error.code}: {error}", "FAILED"
        except Exception as error:
            job.message, job.status = f"InternalServerError: {error}", "FAILED"
        channel = request.get("NotificationChannel")
        if not channel:
            return
        place = request["DocumentLocation"]["S3Object"]
        message = {
            "JobId": job_id,
            "Status": job.status,
            "API": "StartExpenseAnalysis",
            "JobTag": request.get("JobTag"),
            "Timestamp": int(time.time() * 1000),
            "DocumentLocation": {
                "S3ObjectName": place["Name"],
                "S3Bucket": place["Bucket"],
            },
        }
        around.publish(channel["SNSTopicArn"], channel["RoleArn"], json.dumps(message))

    def _get(self, request: dict[str, Any], around: Surroundings) -> dict[str, Any]:
        job = self._jobs.get(request["JobId"])
        if job is None or job.account != around.account:
            raise TextractError("InvalidJobIdException", "Request has invalid Job Id")
        if job.status != "SUCCEEDED":
            said = {"JobStatus": job.status}
            return said | ({"StatusMessage": job.message} if job.message else {})
        pages = job.answer["ExpenseDocuments"]
        token = request.get("NextToken", "0")
        if not token.isdigit() or int(token) > len(pages):
            raise TextractError("InvalidParameterException", "Request has an invalid next token")
        first = int(token)
        last = first + min(int(request.get("MaxResults", _PAGES)), _PAGES)
        answer = {
            "DocumentMetadata": job.answer["DocumentMetadata"],
            "JobStatus": job.status,
            "ExpenseDocuments": pages[first:last],
            "AnalyzeExpenseModelVersion": "1.0",
        }
        return answer | ({"NextToken": str(last)} if last < len(pages) else {})


def _object(place: dict[str, Any], around: Surroundings) -> bytes:
    if not place.get("Bucket") or not place.get("Name"):
        raise TextractError("InvalidParameterException", "Request has no object to read")
    return around.object(place["Bucket"], place["Name"], place.get("Version", ""))


def _with_bytes(request: dict[str, Any]) -> dict[str, Any]:
    """As a client would have written it: JSON carries bytes as text."""
    document = request.get("Document")
    if not isinstance(document, dict) or "Bytes" not in document:
        return request
    return {**request, "Document": {**document, "Bytes": str(document["Bytes"]).encode()}}
