"""Amazon Textract's AnalyzeExpense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from finops.invoices.domain import SourceDocument
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure

#: Our code and remedy for each error by which Textract says that it cannot read a document:
#: https://docs.aws.amazon.com/textract/latest/APIReference/API_AnalyzeExpense.html
_UNREADABLE: Final = {
    "BadDocumentException": ("corrupt_file", "Save or scan it again"),
    "UnsupportedDocumentException": ("unsupported_type", "Save it as PDF, PNG, JPEG or TIFF"),
    "DocumentTooLargeException": ("too_large", "Split it, or scan it at a lower resolution"),
}


class EngineFailure(TransientFailure):
    """Textract failed by itself; it may do so on this document each time.

    The workflow knows it by this name, and tries again a few times only.
    """


class Textract:
    """`ExpenseEngine` as Amazon Textract's AnalyzeExpense."""

    def __init__(self, textract: Any, *, topic_arn: str = "", role_arn: str = "") -> None:
        self._textract = textract
        self._channel = {"SNSTopicArn": topic_arn, "RoleArn": role_arn}

    def analyze(self, document: SourceDocument) -> dict[str, Any]:
        with _readable(document), aws_errors("analyze_expense"):
            answer = self._textract.analyze_expense(Document={"S3Object": _s3_object(document)})
        return _content(answer)

    def start(self, document: SourceDocument, invoice_id: str, attempt: int) -> str:
        with _readable(document), aws_errors("start_expense_analysis"):
            answer = self._textract.start_expense_analysis(
                DocumentLocation={"S3Object": _s3_object(document)},
                ClientRequestToken=f"{document.document_id}-{attempt}",
                JobTag=invoice_id,
                NotificationChannel=self._channel,
            )
        return str(answer["JobId"])

    def collect(self, job_id: str) -> dict[str, Any] | None:
        pages: list[dict[str, Any]] = []
        request = {"JobId": job_id}
        while True:
            with aws_errors("get_expense_analysis"):
                answer = self._textract.get_expense_analysis(**request)
            status = answer["JobStatus"]
            if status == "IN_PROGRESS":
                return None
            if status == "FAILED":
                raise _job_failed(answer.get("StatusMessage", ""))
            pages.append(_content(answer))
            if not answer.get("NextToken"):
                break
            request["NextToken"] = answer["NextToken"]
        return {
            **pages[0],
            "ExpenseDocuments": [one for page in pages for one in page["ExpenseDocuments"]],
        }


@contextmanager
def _readable(document: SourceDocument) -> Iterator[None]:
    """Translate Textract's errors about a document into `RejectedInput`, and its own failures."""
    try:
        yield
    except FinOpsError as error:
        if error.code == "InternalServerError":
            raise EngineFailure(
                f"Textract failed on {document.file}: {error.__cause__}",
                code=error.code,
                step=error.step,
            ) from error
        if error.code not in _UNREADABLE:
            raise
        name, remedy = _UNREADABLE[error.code]
        raise RejectedInput(
            f"Textract cannot read {document.file}: {error.__cause__}",
            code=name,
            step="extract",
            remedy=remedy,
        ) from error


def _job_failed(reason: str) -> Exception:
    lower = reason.lower()
    if "throttl" in lower:
        return TransientFailure(f"Textract failed: {reason}", code="job_failed", step="extract")
    if "internal" in lower:
        return EngineFailure(f"Textract failed: {reason}", code="job_failed", step="extract")
    return RejectedInput(
        f"Textract could not read the document: {reason or 'it gives no reason'}",
        code="unreadable",
        step="extract",
        remedy="Check that the file opens and is an invoice",
    )


def _content(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: answer[name]
        for name in ("DocumentMetadata", "ExpenseDocuments", "AnalyzeExpenseModelVersion")
        if name in answer
    }


def _s3_object(document: SourceDocument) -> dict[str, str]:
    found = {"Bucket": document.bucket, "Name": document.key}
    return found | ({"Version": document.version_id} if document.version_id else {})
