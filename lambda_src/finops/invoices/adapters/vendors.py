"""The table of vendors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from finops.invoices.vendors.vendor import Vendor
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, TransientFailure

#: A transaction takes 100 items: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_MOST_KEYS = 90


class DynamoVendors:
    """`VendorStore` in one table.

    Items by `id`: `vendor#ID` is the vendor itself; a key such as `iban#DE89…` or `alias#acme` has
    the ids of the vendors with it, as a set: several vendors may share an account or a name.
    """

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def find(self, vendor_id: str) -> Vendor | None:
        item = self._get(f"vendor#{vendor_id}")
        return _vendor(item) if item else None

    def having(self, keys: Sequence[str]) -> dict[str, list[Vendor]]:
        ids = {key: sorted(self._get(key).get("vendors", {}).get("SS", [])) for key in keys}
        vendors = {
            one: found
            for one in {one for some in ids.values() for one in some}
            if (found := self.find(one))
        }
        # A key of a vendor that has changed since it was read says nothing.
        return {
            key: [vendors[one] for one in some if one in vendors and key in vendors[one].keys]
            for key, some in ids.items()
        }

    def save(self, vendor: Vendor, before: Vendor | None) -> None:
        item = {
            "id": {"S": f"vendor#{vendor.id}"},
            "revision": {"N": str(vendor.revision)},
            # A copy for people who look at the table; the code reads only the record.
            "name": {"S": vendor.name},
            "record": {"S": msgspec.json.encode(vendor).decode()},
        }
        condition = (
            {
                "ConditionExpression": "revision = :seen",
                "ExpressionAttributeValues": {":seen": {"N": str(before.revision)}},
            }
            if before
            else {"ConditionExpression": "attribute_not_exists(id)"}
        )
        put = {"Put": {"TableName": self._table, "Item": item, **condition}}
        old = before.keys if before else frozenset()
        self._transact(vendor, put, vendor.keys - old, old - vendor.keys)

    def remove(self, vendor: Vendor) -> None:
        delete = {
            "Delete": {
                "TableName": self._table,
                "Key": {"id": {"S": f"vendor#{vendor.id}"}},
                "ConditionExpression": "revision = :seen",
                "ExpressionAttributeValues": {":seen": {"N": str(vendor.revision)}},
            }
        }
        self._transact(vendor, delete, frozenset(), vendor.keys)

    def all(self) -> Iterator[Vendor]:
        with aws_errors("list_vendors"):
            pages = self._dynamodb.get_paginator("scan").paginate(
                TableName=self._table,
                FilterExpression="begins_with(id, :vendor)",
                ExpressionAttributeValues={":vendor": {"S": "vendor#"}},
            )
            found = [_vendor(item) for page in pages for item in page["Items"]]
        yield from sorted(found, key=lambda one: one.id)

    def _get(self, key: str) -> dict[str, Any]:
        with aws_errors("read_vendor"):
            answer = self._dynamodb.get_item(
                TableName=self._table, Key={"id": {"S": key}}, ConsistentRead=True
            )
        return dict(answer.get("Item") or {})

    def _transact(
        self, vendor: Vendor, write: dict[str, Any], new: frozenset[str], gone: frozenset[str]
    ) -> None:
        changes = [*((key, "ADD") for key in sorted(new)), *((k, "DELETE") for k in sorted(gone))]
        if len(changes) > _MOST_KEYS:
            raise ValueError(f"{vendor.id} has {len(changes)} changed keys")
        updates = [
            {
                "Update": {
                    "TableName": self._table,
                    "Key": {"id": {"S": key}},
                    "UpdateExpression": f"{verb} vendors :vendor",
                    "ExpressionAttributeValues": {":vendor": {"SS": [vendor.id]}},
                }
            }
            for key, verb in changes
        ]
        try:
            with aws_errors("write_vendor"):
                self._dynamodb.transact_write_items(TransactItems=[write, *updates])
        except FinOpsError as error:
            if error.code == "TransactionCanceledException":
                raise TransientFailure(
                    f"the vendor {vendor.name} was changed in the meantime",
                    code="changed_meanwhile",
                    step="write_vendor",
                    remedy="Look at it again, then repeat the change",
                ) from error
            raise


def _vendor(item: dict[str, Any]) -> Vendor:
    return msgspec.json.decode(item["record"]["S"], type=Vendor)
