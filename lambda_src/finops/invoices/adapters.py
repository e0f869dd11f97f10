"""DynamoDB, S3, Textract, Step Functions, SNS and SES behind the invoice ports."""

from __future__ import annotations

import io
import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final

import msgspec
from botocore.exceptions import ClientError

from finops.invoices.domain import InvoiceRecord, InvoiceStatus, SourceDocument, serial_number
from finops.invoices.identity import duplicate_key, near_match_key
from finops.invoices.messages import customer_mail, message
from finops.invoices.ports import Filed
from finops.shared.audit import digest
from finops.shared.aws import aws_errors
from finops.shared.errors import RejectedInput, TransientFailure

#: DynamoDB's largest item is 400 KB, with the attributes beside the record.
_LARGEST_RECORD: Final = 300_000
_TRIES: Final = 12
#: By what else than id and file people look for an invoice.
_SEARCHED: Final = ("serial_number", "vendor", "invoice_number")


class DynamoInvoices:
    """`InvoiceStore` in one table, with the claims that make an invoice unique beside it.

    Items by their `id`: an invoice; `claim#…` of a processed invoice's vendor, number and year;
    `match#…` of its vendor, total and date; `serial#YEAR`, the last number given in that year.
    Records too large for an item lie in the bucket.
    """

    def __init__(self, dynamodb: Any, table: str, objects: S3Documents) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._objects = objects

    def create(self, record: InvoiceRecord) -> InvoiceRecord:
        """See the port."""
        try:
            with aws_errors("write_invoice"):
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=self._item(record),
                    ConditionExpression="attribute_not_exists(id)",
                )
        except Exception as error:
            if _code(error) == "ConditionalCheckFailedException":
                return self.find(record.id)
            raise
        return record

    def find(self, invoice_id: str) -> InvoiceRecord:
        """See the port."""
        with aws_errors("read_invoice"):
            item = self._dynamodb.get_item(
                TableName=self._table, Key={"id": {"S": invoice_id}}, ConsistentRead=True
            ).get("Item")
        if not item or "record" not in item:
            raise RejectedInput(
                f"there is no invoice {invoice_id!r}",
                code="unknown_invoice",
                value=invoice_id,
                remedy="List them: finops invoices list",
            )
        return self._record(item)

    def save(self, record: InvoiceRecord) -> InvoiceRecord:
        """See the port."""
        changed = replace(record, revision=record.revision + 1)
        try:
            with aws_errors("write_invoice"):
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=self._item(changed),
                    **self._seen(record),
                )
        except Exception as error:
            if _code(error) == "ConditionalCheckFailedException":
                raise _changed_meanwhile(record) from error
            raise
        return changed

    def file(self, record: InvoiceRecord, year: int, *, accepted_match: str) -> Filed:
        """See the port.

        One transaction takes the year's next number, the claims and the record. Where another
        invoice was filed at the same moment, all is tried again.
        """
        if record.invoice is None:
            raise ValueError(f"{record.id} has not been read")
        claim = f"claim#{duplicate_key(record.invoice)}"
        match = f"match#{near_match_key(record.invoice)}"
        for attempt in range(_TRIES):
            if (holder := self._holder(claim)) not in {"", record.id}:
                return Filed(duplicate_of=holder)
            resembled = self._holder(match)
            if resembled not in {"", record.id, accepted_match}:
                return Filed(nearly_matches=resembled)
            last = self._last_serial(year)
            changed = replace(
                record,
                revision=record.revision + 1,
                serial_number=serial_number(year, last + 1),
            )
            if self._commit(record, changed, year, last, claim, "" if resembled else match):
                return Filed(record=changed)
            time.sleep(random.uniform(0.02, 0.05 * 2 ** min(attempt, 5)))  # noqa: S311
        raise TransientFailure(
            f"{record.id} found no moment to be numbered: others were quicker {_TRIES} times",
            code="too_busy",
            step="file_invoice",
        )

    def page(
        self,
        *,
        status: str = "",
        month: str = "",
        search: str = "",
        newest_first: bool = True,
        limit: int = 100,
        start: Mapping[str, Any] | None = None,
    ) -> tuple[list[InvoiceRecord], Mapping[str, Any] | None]:
        """Invoices of a status or of a month in which they were received.

        Args:
            status: This one; the month counts then as well, where one is given.
            month: As YYYY-MM.
            search: What the file's name, the vendor or a number holds, in whatever case.
            newest_first: Else the oldest.
            limit: So many, and a few more where they are searched for.
            start: Where the last page ended.

        Returns:
            A page of them, and where the next one starts.
        """
        index, name, value = (
            ("by_status", "status", status) if status else ("by_month", "received_month", month)
        )
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": "#key = :value",
            "ExpressionAttributeNames": {"#key": name},
            "ExpressionAttributeValues": {":value": {"S": value}},
            "ScanIndexForward": not newest_first,
        }
        if status and month:
            request["KeyConditionExpression"] += " AND begins_with(received_at, :month)"
            request["ExpressionAttributeValues"][":month"] = {"S": month}
        if search:
            request["FilterExpression"] = "contains(searched, :search)"
            request["ExpressionAttributeValues"][":search"] = {"S": search.casefold()}
        else:
            request["Limit"] = limit
        found: list[InvoiceRecord] = []
        while True:
            if start:
                request["ExclusiveStartKey"] = start
            with aws_errors("list_invoices"):
                answer = self._dynamodb.query(**request)
            found += [self._record(item) for item in answer["Items"]]
            start = answer.get("LastEvaluatedKey")
            if not start or not search or len(found) >= limit:
                return found, start

    def all(self, *, status: str = "", months: list[str] | None = None) -> Iterator[InvoiceRecord]:
        """All invoices of a status or of these months, newest first."""
        for month in months or [""]:
            start: Mapping[str, Any] | None = None
            while True:
                found, start = self.page(status=status, month=month, start=start)
                yield from found
                if not start:
                    break

    def count(self, status: InvoiceStatus) -> int:
        """How many invoices have this status."""
        with aws_errors("count_invoices"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                IndexName="by_status",
                Select="COUNT",
                KeyConditionExpression="#status = :status",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":status": {"S": status.value}},
            )
            return sum(int(page["Count"]) for page in pages)

    def _commit(
        self,
        record: InvoiceRecord,
        changed: InvoiceRecord,
        year: int,
        last: int,
        claim: str,
        match: str,
    ) -> bool:
        counter = {
            "TableName": self._table,
            "Key": {"id": {"S": f"serial#{year}"}},
            "UpdateExpression": "SET serial = :next",
            "ConditionExpression": "serial = :last" if last else "attribute_not_exists(serial)",
            "ExpressionAttributeValues": {":next": {"N": str(last + 1)}}
            | ({":last": {"N": str(last)}} if last else {}),
        }
        claims = [
            {
                "TableName": self._table,
                "Item": {"id": {"S": key}, "invoice_id": {"S": record.id}},
                "ConditionExpression": "attribute_not_exists(id) OR invoice_id = :me",
                "ExpressionAttributeValues": {":me": {"S": record.id}},
            }
            for key in (claim, match)
            if key
        ]
        put = {"TableName": self._table, "Item": self._item(changed), **self._seen(record)}
        try:
            with aws_errors("file_invoice"):
                self._dynamodb.transact_write_items(
                    TransactItems=[
                        {"Put": put},
                        {"Update": counter},
                        *({"Put": one} for one in claims),
                    ]
                )
        except Exception as error:
            if _code(error) != "TransactionCanceledException":
                raise
            reasons = _reasons(error)
            if reasons and reasons[0] == "ConditionalCheckFailed":
                raise _changed_meanwhile(record) from error
            return False
        return True

    def _holder(self, key: str) -> str:
        with aws_errors("read_claim"):
            item = self._dynamodb.get_item(
                TableName=self._table, Key={"id": {"S": key}}, ConsistentRead=True
            ).get("Item", {})
        return str(item.get("invoice_id", {}).get("S", ""))

    def _last_serial(self, year: int) -> int:
        with aws_errors("read_serial"):
            item = self._dynamodb.get_item(
                TableName=self._table, Key={"id": {"S": f"serial#{year}"}}, ConsistentRead=True
            ).get("Item", {})
        return int(item.get("serial", {}).get("N", "0"))

    def _seen(self, record: InvoiceRecord) -> dict[str, Any]:
        return {
            "ConditionExpression": "revision = :seen",
            "ExpressionAttributeValues": {":seen": {"N": str(record.revision)}},
        }

    def _item(self, record: InvoiceRecord) -> dict[str, Any]:
        text = msgspec.json.encode(record).decode()
        item = {
            "id": {"S": record.id},
            "status": {"S": record.status.value},
            "revision": {"N": str(record.revision)},
            "received_at": {"S": record.received_at.isoformat()},
            "received_month": {"S": f"{record.received_at:%Y-%m}"},
            "updated_at": {"S": record.updated_at.isoformat()},
            "file": {"S": record.file},
        }
        # For people who look at the table; the record is what counts.
        shown = {"serial_number": record.serial_number, "duplicate_of": record.duplicate_of}
        if record.invoice:
            for name in ("vendor", "invoice_number", "invoice_date", "currency", "total"):
                shown[name] = record.invoice.text(name)
        item |= {name: {"S": value} for name, value in shown.items() if value}
        names = (record.id, record.file, *(shown.get(one, "") for one in _SEARCHED))
        item["searched"] = {"S": "\n".join(names).casefold()}
        if len(text) <= _LARGEST_RECORD:
            return item | {"record": {"S": text}}
        key = f"textract/{record.id}/record-{record.revision}.json"
        self._objects.write_text(key, text)
        return item | {"record": {"S": ""}, "record_key": {"S": key}}

    def _record(self, item: Mapping[str, Any]) -> InvoiceRecord:
        text = item["record"]["S"]
        if "record_key" in item:
            text = self._objects.read_text(item["record_key"]["S"]) or ""
        return msgspec.json.decode(text, type=InvoiceRecord)


class S3Documents:
    """`Objects` in one bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def open(self, document: SourceDocument) -> BinaryIO:
        """See the port."""
        file = _RangeFile(self._s3, _where(document), document.size)
        return io.BufferedReader(file, buffer_size=1 << 18)

    def owner(self, document: SourceDocument) -> str:
        """See the port."""
        with aws_errors("read_object"):
            answer = self._s3.head_object(**_where(document))
        return str(answer.get("Metadata", {}).get("submitted-by", ""))

    def write_json(self, key: str, content: Mapping[str, Any]) -> str:
        """See the port."""
        text = json.dumps(content, separators=(",", ":"))
        self.write_text(key, text)
        return digest(text)

    def read_json(self, key: str) -> dict[str, Any] | None:
        """See the port."""
        text = self.read_text(key)
        return None if text is None else dict(json.loads(text))

    def write_text(self, key: str, text: str) -> None:
        """Keep a text of ours."""
        with aws_errors("write_object"):
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=text.encode(), ContentType="application/json"
            )

    def read_text(self, key: str) -> str | None:
        """A text of ours, None where there is none."""
        try:
            with aws_errors("read_object"):
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
                return str(body.read(), "utf-8")
        except Exception as error:
            if _code(error) == "NoSuchKey":
                return None
            raise


class _RangeFile(io.RawIOBase):
    """One version of an object as a seekable file: reads the ranges that are asked for."""

    def __init__(self, s3: Any, where: Mapping[str, str], size: int) -> None:
        self._s3 = s3
        self._where = where
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        try:
            with aws_errors("read_object"):
                found = self._s3.get_object(
                    **self._where, Range=f"bytes={self._at}-{self._at + wanted - 1}"
                )["Body"].read()
        except Exception as error:
            if _code(error) in {"NoSuchKey", "NoSuchVersion", "404"}:
                raise RejectedInput(
                    f"s3://{self._where['Bucket']}/{self._where['Key']} is gone, or this version",
                    code="object_is_gone",
                    step="read_object",
                    remedy="Drop the file again",
                ) from error
            raise
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


#: What Textract says of documents that it cannot read:
#: https://docs.aws.amazon.com/textract/latest/APIReference/API_AnalyzeExpense.html
_UNREADABLE: Final = {
    "BadDocumentException": ("corrupt_file", "Save or scan it again"),
    "UnsupportedDocumentException": ("unsupported_type", "Save it as PDF, PNG, JPEG or TIFF"),
    "DocumentTooLargeException": ("too_large", "Split it, or scan it at a lower resolution"),
}


class Textract:
    """`ExpenseEngine` as Amazon Textract's AnalyzeExpense."""

    def __init__(self, textract: Any, *, topic_arn: str = "", role_arn: str = "") -> None:
        self._textract = textract
        self._channel = {"SNSTopicArn": topic_arn, "RoleArn": role_arn}

    def analyze(self, document: SourceDocument) -> dict[str, Any]:
        """See the port."""
        with _readable(document), aws_errors("analyze_expense"):
            answer = self._textract.analyze_expense(Document={"S3Object": _s3_object(document)})
        return _content(answer)

    def start(self, document: SourceDocument, invoice_id: str, attempt: int) -> str:
        """See the port."""
        with _readable(document), aws_errors("start_expense_analysis"):
            answer = self._textract.start_expense_analysis(
                DocumentLocation={"S3Object": _s3_object(document)},
                ClientRequestToken=f"{document.document_id}-{attempt}",
                JobTag=invoice_id,
                NotificationChannel=self._channel,
            )
        return str(answer["JobId"])

    def collect(self, job_id: str) -> dict[str, Any] | None:
        """See the port."""
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


class StepFunctionsWorkflow:
    """`Workflow` as a Step Functions state machine."""

    def __init__(self, states: Any, workflow_arn: str) -> None:
        self._states = states
        self._arn = workflow_arn

    def start(self, name: str, request: Mapping[str, Any]) -> None:
        """See the port."""
        try:
            with aws_errors("start_execution"):
                self._states.start_execution(
                    stateMachineArn=self._arn, name=name, input=json.dumps(request)
                )
        except Exception as error:
            if _code(error) != "ExecutionAlreadyExists":
                raise

    def resume(self, task_token: str, output: Mapping[str, Any]) -> bool:
        """See the port."""
        try:
            with aws_errors("resume_workflow"):
                self._states.send_task_success(taskToken=task_token, output=json.dumps(output))
        except Exception as error:
            if _code(error) in _WAITS_NO_LONGER:
                return False
            raise
        return True

    def redrive(self, name: str) -> None:
        """See the port."""
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            with aws_errors("redrive_execution"):
                self._states.redrive_execution(executionArn=arn)
        except Exception as error:
            if _code(error) in {"ExecutionNotRedrivable", "ExecutionDoesNotExist"}:
                raise RejectedInput(
                    f"the workflow of {name} cannot go on: {error.__cause__}",
                    code="not_redrivable",
                    remedy="Drop the file again",
                ) from error
            raise


_WAITS_NO_LONGER: Final = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """ARNs of the topics by what they tell of."""

    success: str
    failure: str
    review: str

    def of(self, event: str) -> str:
        """The topic on which an event is told."""
        if event == InvoiceStatus.PROCESSED.value:
            return self.success
        return self.review if event.startswith(("NEEDS_REVIEW", "REVIEW")) else self.failure


class TopicsAndMail:
    """`Announcer` by SNS, and to the customer by SES where a sender is set."""

    def __init__(self, sns: Any, topics: Topics, *, ses: Any = None, sender: str = "") -> None:
        self._sns = sns
        self._topics = topics
        self._ses = ses
        self._sender = sender

    def announce(self, record: InvoiceRecord, event: str) -> None:
        """See the port."""
        said = message(record, event)
        with aws_errors("publish"):
            self._sns.publish(
                TopicArn=self._topics.of(event),
                Subject=said.subject,
                MessageStructure="json",
                # Mail shows the text, everything else gets the facts.
                Message=json.dumps(
                    {"default": json.dumps(said.data), "email": said.text, "sms": said.subject}
                ),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in said.attributes.items()
                },
            )
        address = record.invoice.text("customer_email") if record.invoice else ""
        if event != InvoiceStatus.PROCESSED.value or not (self._ses and self._sender and address):
            return
        subject, text = customer_mail(record)
        with aws_errors("send_mail"):
            self._ses.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [address]},
                Content={
                    "Simple": {
                        "Subject": {"Data": subject, "Charset": "UTF-8"},
                        "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
                    }
                },
            )


@contextmanager
def _readable(document: SourceDocument) -> Iterator[None]:
    """Turn Textract's refusals of a document into refusals of ours."""
    try:
        yield
    except Exception as error:
        if (code := _code(error)) not in _UNREADABLE:
            raise
        name, remedy = _UNREADABLE[code]
        raise RejectedInput(
            f"Textract cannot read {document.file}: {error.__cause__}",
            code=name,
            step="extract",
            remedy=remedy,
        ) from error


def _job_failed(reason: str) -> Exception:
    lower = reason.lower()
    if "internal" in lower or "throttl" in lower:
        return TransientFailure(f"Textract failed: {reason}", code="job_failed", step="extract")
    return RejectedInput(
        f"Textract could not read it: {reason or 'no reason is given'}",
        code="unreadable",
        step="extract",
        remedy="See whether the file opens, and is no form of another kind",
    )


def _content(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: answer[name]
        for name in ("DocumentMetadata", "ExpenseDocuments", "AnalyzeExpenseModelVersion")
        if name in answer
    }


def _where(document: SourceDocument) -> dict[str, str]:
    where = {"Bucket": document.bucket, "Key": document.key}
    return where | ({"VersionId": document.version_id} if document.version_id else {})


def _s3_object(document: SourceDocument) -> dict[str, str]:
    found = {"Bucket": document.bucket, "Name": document.key}
    return found | ({"Version": document.version_id} if document.version_id else {})


def _code(error: BaseException | None) -> str:
    said = error.__cause__ if error else None
    return str(said.response["Error"]["Code"]) if isinstance(said, ClientError) else ""


def _reasons(error: BaseException) -> list[str]:
    said = error.__cause__
    if not isinstance(said, ClientError):
        return []
    return [str(one.get("Code", "")) for one in said.response.get("CancellationReasons", [])]


def _changed_meanwhile(record: InvoiceRecord) -> TransientFailure:
    return TransientFailure(
        f"{record.id} was changed meanwhile", code="changed_meanwhile", step="write_invoice"
    )
