"""The table of invoices, as it is read, listed and searched."""

from __future__ import annotations

import random
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from finops.invoices.adapters.s3 import S3Documents
from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure

_TRIES: Final = 12
#: BatchGetItem takes no more keys:
#: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_KEYS_AT_ONCE: Final = 100


def searchable(text: str) -> str:
    """The text as it is searched: without case, and with one form of each letter.

    A Mac writes an umlaut in a file's name as two characters.
    https://unicode.org/reports/tr15/
    """
    return unicodedata.normalize("NFKC", text).casefold()


class StoredInvoices:
    """Reads invoices: one by its id, and lists by the table's indexes.

    `by_status` and `by_month` hold whole records in the order of receipt. `search_by_status` and
    `search_by_month` hold only what people search for.
    """

    def __init__(self, dynamodb: Any, table: str, objects: S3Documents) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._objects = objects

    def find(self, invoice_id: str) -> InvoiceRecord:
        with aws_errors("read_invoice"):
            item = self._dynamodb.get_item(
                TableName=self._table, Key={"id": {"S": invoice_id}}, ConsistentRead=True
            ).get("Item")
        if not item or "record" not in item:
            raise RejectedInput(
                f"invoice {invoice_id!r} does not exist",
                code="unknown_invoice",
                value=invoice_id,
                remedy="List the invoices: finops invoices list",
            )
        return self._record(item)

    def page(
        self,
        *,
        status: str = "",
        month: str = "",
        newest_first: bool = True,
        limit: int = 100,
        start: Mapping[str, Any] | None = None,
    ) -> tuple[list[InvoiceRecord], Mapping[str, Any] | None]:
        """One page of the invoices with a status, or received in a month.

        Args:
            status: Only invoices with this status, in the month if one is given.
            month: Only invoices received in this month, as YYYY-MM.
            newest_first: By time of receipt; otherwise the oldest come first.
            limit: How many.
            start: What the call for the previous page returned.

        Returns:
            The invoices, and where the next page starts: None on the last page.
        """
        request = self._request(status, month, newest_first, start) | {"Limit": limit}
        answer = self._query(request)
        return [self._record(item) for item in answer["Items"]], answer.get("LastEvaluatedKey")

    def search(
        self,
        text: str,
        *,
        status: str = "",
        month: str = "",
        newest_first: bool = True,
        limit: int = 100,
        start: Mapping[str, Any] | None = None,
    ) -> tuple[list[Mapping[str, Any]], Mapping[str, Any] | None]:
        """One page of the invoices of `page` that have a text, as keys for `read`.

        Args:
            text: A part of the id, the file name, the vendor or a number, in any case.
            status: See `page`.
            month: See `page`.
            newest_first: See `page`.
            limit: How many.
            start: What the call for the previous page returned.

        Returns:
            The keys, and where the next page starts: None on the last page.
        """
        request = self._request(status, month, newest_first, start)
        found = list(islice(self._matches(request, text), limit + 1))
        return found[:limit], found[limit - 1] if len(found) > limit else None

    def ids(self, text: str, *, status: str) -> Iterator[str]:
        """The ids of all invoices with this status that have a text (see `search`)."""
        request = self._request(status, "", True, None)
        return (one["id"]["S"] for one in self._matches(request, text))

    def read(self, keys: Iterable[Mapping[str, Any]], *, status: str = "") -> list[InvoiceRecord]:
        """The invoices of these keys, in their order, without those that are gone.

        Args:
            keys: What `search` returned.
            status: Only those that have this status now.
        """
        found = (
            self._record(item)
            for some in _batches(keys)
            for item in self._items(some)
            if "record" in item
        )
        return [one for one in found if not status or one.status == status]

    def all(
        self,
        *,
        status: str = "",
        months: list[str] | None = None,
        search: str = "",
        newest_first: bool = True,
    ) -> Iterator[InvoiceRecord]:
        """All invoices with a status, or received in these months, newest first.

        Args:
            status: See `page`.
            months: In the order wanted.
            search: See `search`.
            newest_first: See `page`.
        """
        for month in months or [""]:
            request = self._request(status, month, newest_first, None)
            if search:
                for keys in _batches(self._matches(request, search)):
                    yield from self.read(keys, status=status)
            else:
                for answer in self._answers(request):
                    yield from map(self._record, answer["Items"])

    def count(self, status: InvoiceStatus) -> int:
        """The number of invoices with this status."""
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

    def _request(
        self, status: str, month: str, newest_first: bool, start: Mapping[str, Any] | None
    ) -> dict[str, Any]:
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
        if start:
            request["ExclusiveStartKey"] = start
        return request

    def _matches(self, request: dict[str, Any], text: str) -> Iterator[Mapping[str, Any]]:
        """The keys of the invoices that have a text, by the index without records."""
        request |= {
            "FilterExpression": "contains(searched, :text)",
            "ProjectionExpression": "id, received_at, #key",
            "ExpressionAttributeValues": {
                **request["ExpressionAttributeValues"],
                ":text": {"S": searchable(text)},
            },
        }
        lean = request | {"IndexName": f"search_{request['IndexName']}"}
        try:
            yield from self._found(lean)
        except FinOpsError as error:
            # A deployment of an earlier version has no such index, and none may be read while it is
            # being filled.
            if error.code != "ValidationException":
                raise
            yield from self._found(request)

    def _found(self, request: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
        for answer in self._answers(request):
            yield from answer["Items"]

    def _answers(self, request: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The answers to a query, page after page."""
        while True:
            answer = self._query(request)
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            request = request | {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _query(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with aws_errors("list_invoices"):
            answer: Mapping[str, Any] = self._dynamodb.query(**request)
        return answer

    def _items(self, keys: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The items of at most a hundred keys, in their order."""
        wanted: Mapping[str, Any] = {
            self._table: {"Keys": [{"id": one["id"]} for one in keys], "ConsistentRead": True}
        }
        found: dict[str, Mapping[str, Any]] = {}
        for attempt in range(_TRIES):
            with aws_errors("read_invoices"):
                answer = self._dynamodb.batch_get_item(RequestItems=wanted)
            found |= {one["id"]["S"]: one for one in answer["Responses"].get(self._table, ())}
            # An answer has 16 MB at most.
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return (found[one["id"]["S"]] for one in keys if one["id"]["S"] in found)
            time.sleep(random.uniform(0.02, 0.05 * 2 ** min(attempt, 5)))  # noqa: S311
        raise TransientFailure(
            f"{len(wanted[self._table]['Keys'])} invoices could not be read in {_TRIES} tries",
            code="too_busy",
            step="read_invoices",
        )

    def _record(self, item: Mapping[str, Any]) -> InvoiceRecord:
        text = item["record"]["S"]
        if "record_key" in item:
            text = self._objects.read_text(item["record_key"]["S"]) or ""
        return msgspec.json.decode(text, type=InvoiceRecord)


def _batches(keys: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    rest = iter(keys)
    while some := list(islice(rest, _KEYS_AT_ONCE)):
        yield some
