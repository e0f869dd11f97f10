"""The table of invoices."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import msgspec
from botocore.exceptions import ClientError

from finops.invoices.adapters.stored_invoices import StoredInvoices, searchable
from finops.invoices.domain import Erasure, Invoice, InvoiceRecord, serial_number
from finops.invoices.duplicates import first_resemblance, near_match
from finops.invoices.identity import (
    duplicate_key,
    near_match_key,
    number_index_key,
    tax_index_keys,
)
from finops.invoices.ports import Filed
from finops.invoices.spending import Charge, cap_reached, content_is_being_read
from finops.shared.audit import digest
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure

#: DynamoDB's largest item is 400 KB, with the attributes beside the record.
_LARGEST_RECORD: Final = 300_000
_TRIES: Final = 12
#: What people search for besides id and file name.
_SEARCHED: Final = ("serial_number", "vendor", "invoice_number")


class DynamoInvoices(StoredInvoices):
    """`InvoiceStore` in one table, which also holds the claims that keep an invoice unique.

    Items by `id`: the invoice itself; `number#…` with the ids of all processed invoices of a vendor
    and number, or of a tax id (`number#tax#…`) and number; `match#…` for a vendor, total and date;
    `claim#…` for a vendor, number and year, of earlier versions; `serial#YEAR` for the last serial
    number of that year; `content#SHA256` with the invoice for which a content was read;
    `spending#DAY` with the pages and USD of that day.
    A record that is too large for an item is kept in the bucket.
    """

    def create(self, record: InvoiceRecord) -> InvoiceRecord:
        try:
            with aws_errors("write_invoice"):
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=self._item(record),
                    ConditionExpression="attribute_not_exists(id)",
                )
        except FinOpsError as error:
            if error.code == "ConditionalCheckFailedException":
                return self.find(record.id)
            raise
        return record

    def save(self, record: InvoiceRecord) -> InvoiceRecord:
        changed = replace(record, revision=record.revision + 1)
        try:
            with aws_errors("write_invoice"):
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=self._item(changed),
                    **self._seen(record),
                )
        except FinOpsError as error:
            if error.code == "ConditionalCheckFailedException":
                raise _changed_meanwhile(record) from error
            raise
        return changed

    def file(self, record: InvoiceRecord, year: int) -> Filed:
        """One transaction writes the next serial number, the claims and the record.

        It is tried again when another invoice was filed at the same moment.
        """
        if record.invoice is None:
            raise ValueError(f"{record.id} has not been read")
        numbers = f"number#{number_index_key(record.invoice)}"
        taxed = [f"number#tax#{key}" for key in tax_index_keys(record.invoice)]
        claim = f"claim#{duplicate_key(record.invoice)}"
        match = f"match#{near_match_key(record.invoice)}"
        for attempt in range(_TRIES):
            known = {key: self._holders(key) for key in (numbers, *taxed)}
            others = dict.fromkeys(
                (*(one for ids in known.values() for one in ids), *self._holders(claim))
            )
            others.pop(record.id, None)
            if found := first_resemblance(
                record.invoice,
                self._invoices(others),
                accepted=record.accepted_matches,
                distinct=record.distinct_from,
            ):
                return Filed(resembles=found)
            resembled = "".join(self._holders(match))
            if resembled not in {"", record.id, *record.accepted_matches, *record.distinct_from}:
                return Filed(resembles=near_match(resembled))
            last = self._last_serial(year)
            changed = replace(
                record,
                revision=record.revision + 1,
                serial_number=serial_number(year, last + 1),
            )
            entries = known | ({} if resembled else {match: ()})
            if self._commit(record, changed, year, last, entries):
                return Filed(record=changed)
            time.sleep(random.uniform(0.02, 0.05 * 2 ** min(attempt, 5)))  # noqa: S311
        raise TransientFailure(
            f"{record.id} could not be numbered: other invoices came first {_TRIES} times",
            code="too_busy",
            step="file_invoice",
        )

    def erase(self, record: InvoiceRecord, erasure: Erasure) -> InvoiceRecord:
        left = record.erased(erasure)
        changed = replace(left, revision=record.revision + 1)
        keys = [f"content#{record.content_sha256}"] if record.content_sha256 else []
        if record.invoice:
            keys += [
                f"number#{number_index_key(record.invoice)}",
                *(f"number#tax#{key}" for key in tax_index_keys(record.invoice)),
                f"claim#{duplicate_key(record.invoice)}",
                f"match#{near_match_key(record.invoice)}",
            ]
        put = {"TableName": self._table, "Item": self._item(changed), **self._seen(record)}
        claims = [self._without(key, record.id) for key in keys]
        if self._transact(
            [{"Put": put}, *(one for claim in claims for one in claim)], "erase_invoice"
        ):
            raise _changed_meanwhile(record)
        return changed

    def _without(self, key: str, invoice: str) -> list[dict[str, Any]]:
        """What takes an invoice out of a claim, if it is in it."""
        known = self._holders(key)
        if invoice not in known:
            return []
        others = " ".join(one for one in known if one != invoice)
        unchanged = {
            "TableName": self._table,
            "ConditionExpression": "invoice_id = :known",
            "ExpressionAttributeValues": {":known": {"S": " ".join(known)}},
        }
        if others:
            return [{"Put": {"Item": {"id": {"S": key}, "invoice_id": {"S": others}}, **unchanged}}]
        return [{"Delete": {"Key": {"id": {"S": key}}, **unchanged}}]

    def reader_of(self, content_sha256: str) -> str:
        return next(iter(self._holders(f"content#{content_sha256}")), "")

    def charge(self, record: InvoiceRecord, charge: Charge) -> InvoiceRecord:
        limits = charge.limits
        pages_left = limits.daily_pages - charge.pages
        usd_left = limits.daily_usd - charge.usd
        if pages_left < 0 or usd_left < 0:
            raise cap_reached(record, charge)
        changed = replace(record, revision=record.revision + 1, charged_attempt=charge.attempt)
        put = {"TableName": self._table, "Item": self._item(changed), **self._seen(record)}
        count = {
            "TableName": self._table,
            "Key": {"id": {"S": f"spending#{charge.day}"}},
            "UpdateExpression": "ADD pages :pages, usd :usd",
            "ConditionExpression": "(attribute_not_exists(pages) OR pages <= :pages_left)"
            " AND (attribute_not_exists(usd) OR usd <= :usd_left)",
            "ExpressionAttributeValues": {
                ":pages": {"N": str(charge.pages)},
                ":usd": {"N": f"{charge.usd:f}"},
                ":pages_left": {"N": str(pages_left)},
                ":usd_left": {"N": f"{usd_left:f}"},
            },
        }
        claim = {
            "TableName": self._table,
            "Item": {
                "id": {"S": f"content#{record.content_sha256}"},
                "invoice_id": {"S": record.id},
            },
            "ConditionExpression": "attribute_not_exists(id) OR invoice_id IN (:own, :stale)",
            "ExpressionAttributeValues": {
                ":own": {"S": record.id},
                ":stale": {"S": charge.stale_holder or record.id},
            },
        }
        claims = [{"Put": claim}] if record.content_sha256 else []
        items = [{"Put": put}, {"Update": count}, *claims]
        for attempt in range(_TRIES):
            refused = self._transact(items, "charge_invoice")
            if not refused:
                return changed
            conditions = [one == "ConditionalCheckFailed" for one in refused]
            if conditions[:1] == [True]:
                raise _changed_meanwhile(record)
            # What is being read anyway costs nothing, so it waits also where the cap is reached.
            if conditions[2:3] == [True]:
                raise content_is_being_read(record, self.reader_of(record.content_sha256))
            if conditions[1:2] == [True]:
                raise cap_reached(record, charge)
            time.sleep(random.uniform(0.02, 0.05 * 2 ** min(attempt, 5)))  # noqa: S311
        raise TransientFailure(
            f"{record.id} could not be counted: other documents came first {_TRIES} times",
            code="too_busy",
            step="charge_invoice",
        )

    def _commit(
        self,
        record: InvoiceRecord,
        changed: InvoiceRecord,
        year: int,
        last: int,
        entries: Mapping[str, tuple[str, ...]],
    ) -> bool:
        counter = {
            "TableName": self._table,
            "Key": {"id": {"S": f"serial#{year}"}},
            "UpdateExpression": "SET serial = :next",
            "ConditionExpression": "serial = :last" if last else "attribute_not_exists(serial)",
            "ExpressionAttributeValues": {":next": {"N": str(last + 1)}}
            | ({":last": {"N": str(last)}} if last else {}),
        }
        # Each is written only if nobody else was entered since it was read.
        claims = [
            {
                "TableName": self._table,
                "Item": {"id": {"S": key}, "invoice_id": {"S": " ".join((*known, record.id))}},
                "ConditionExpression": "attribute_not_exists(id) OR invoice_id = :known",
                "ExpressionAttributeValues": {":known": {"S": " ".join(known) or record.id}},
            }
            for key, known in entries.items()
            if record.id not in known
        ]
        put = {"TableName": self._table, "Item": self._item(changed), **self._seen(record)}
        refused = self._transact(
            [{"Put": put}, {"Update": counter}, *({"Put": one} for one in claims)], "file_invoice"
        )
        if refused[:1] == ["ConditionalCheckFailed"]:
            raise _changed_meanwhile(record)
        return not refused

    def _transact(self, items: list[dict[str, Any]], step: str) -> list[str]:
        """Write all or nothing. Returns nothing, or why each item kept it from being written."""
        try:
            with aws_errors(step):
                self._dynamodb.transact_write_items(TransactItems=items)
        except FinOpsError as error:
            if error.code != "TransactionCanceledException":
                raise
            return _cancellation_reasons(error) or ["None"]
        return []

    def _invoices(self, ids: Iterable[str]) -> Iterator[tuple[str, Invoice]]:
        for one in ids:
            with suppress(RejectedInput):
                if read := self.find(one).invoice:
                    yield one, read

    def _holders(self, key: str) -> tuple[str, ...]:
        with aws_errors("read_claim"):
            item = self._dynamodb.get_item(
                TableName=self._table, Key={"id": {"S": key}}, ConsistentRead=True
            ).get("Item", {})
        return tuple(str(item.get("invoice_id", {}).get("S", "")).split())

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
        # Copies for people who look at the table; the code reads only the record.
        shown = {"serial_number": record.serial_number, "duplicate_of": record.duplicate_of}
        if record.invoice:
            for name in ("vendor", "invoice_number", "invoice_date", "currency", "total"):
                shown[name] = record.invoice.text(name)
            if (signed := record.invoice.signed_total) is not None:
                shown["signed_total"] = f"{signed:f}"
        item |= {name: {"S": value} for name, value in shown.items() if value}
        names = (record.id, record.file, *(shown.get(one, "") for one in _SEARCHED))
        item["searched"] = {"S": searchable("\n".join(names))}
        if len(text) <= _LARGEST_RECORD:
            return item | {"record": {"S": text}}
        # A key of its own content: of two writers of one revision the loser leaves the winner's.
        key = f"textract/{record.id}/record-{record.revision}-{digest(text)[:32]}.json"
        self._objects.write_text(key, text)
        return item | {"record": {"S": ""}, "record_key": {"S": key}}


def _cancellation_reasons(error: FinOpsError) -> list[str]:
    """The reason for each item of a cancelled transaction, in their order."""
    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return []
    return [str(one.get("Code", "")) for one in cause.response.get("CancellationReasons", [])]


def _changed_meanwhile(record: InvoiceRecord) -> TransientFailure:
    return TransientFailure(
        f"{record.id} was changed in the meantime", code="changed_meanwhile", step="write_invoice"
    )
