"""The invoices flow's table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from finops.reconciliation.domain import IssuedInvoice
from finops.shared.aws import aws_errors
from finops.shared.periods import Month

#: A payer's documents come in the months after theirs.
_MONTHS_AFTER: Final = 2


class DynamoProcessedInvoices:
    """`ProcessedInvoices` in the invoices flow's table, by the attributes that it shows people.

    Args:
        dynamodb: The client.
        table: Its name.
        number_key: An invoice number as it is compared with others.
        vendor_key: A vendor's name as it is compared with others.
    """

    def __init__(
        self,
        dynamodb: Any,
        table: str,
        *,
        number_key: Callable[[str], str],
        vendor_key: Callable[[str], str],
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._number_key = number_key
        self._vendor_key = vendor_key

    def numbered(self, numbers: Iterable[str], month: Month) -> list[IssuedInvoice]:
        wanted = {self._number_key(one) for one in numbers}
        return [
            found
            for received in range(_MONTHS_AFTER + 1)
            for item in self._received(month.plus(received))
            if (found := _processed(item))
            and (
                self._number_key(found.number) in wanted
                or (_is_cloud(self._vendor_key(found.issuer)) and _is_of(found, month))
            )
        ]

    def _received(self, month: Month) -> Iterator[Mapping[str, Any]]:
        with aws_errors("read_processed_invoices"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                IndexName="by_month",
                KeyConditionExpression="received_month = :month",
                FilterExpression="#status = :processed",
                ProjectionExpression="vendor, invoice_number, invoice_date, currency, "
                "#total, signed_total",
                ExpressionAttributeNames={"#status": "status", "#total": "total"},
                ExpressionAttributeValues={
                    ":month": {"S": str(month)},
                    ":processed": {"S": "PROCESSED"},
                },
            )
            for page in pages:
                yield from page["Items"]


def _processed(item: Mapping[str, Any]) -> IssuedInvoice | None:
    text = {name: value["S"] for name, value in item.items()}
    if not {"invoice_number", "currency", "total"} <= text.keys():
        return None
    issued_on = text.get("invoice_date")
    return IssuedInvoice(
        payer="",
        number=text["invoice_number"],
        issuer=text.get("vendor", ""),
        # Records of earlier versions have no signed total.
        amount=Decimal(text.get("signed_total", text["total"])),
        currency=text["currency"],
        issued_on=date.fromisoformat(issued_on) if issued_on else None,
    )


def _is_cloud(vendor_key: str) -> bool:
    return vendor_key.startswith(("amazonwebservices", "aws"))


def _is_of(one: IssuedInvoice, month: Month) -> bool:
    """Whether an invoice is of a month: AWS dates it in the first days of the next one."""
    return one.issued_on is not None and Month.of(one.issued_on).plus(-1) == month
