"""Data Exports' definitions; nothing is exported.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Operations_AWS_Billing_and_Cost_Management_Data_Exports.html
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud.costs.contract import Document, Operation, page
from localcloud.costs.errors import CostsError, invalid

#: Whether a bucket lets Data Exports write under a prefix for an account.
MayWrite = Callable[[str, str, str], bool]

_PAGE = 100


class DataExports:
    """The operations."""

    def __init__(self, may_write: MayWrite) -> None:
        self._may_write = may_write
        self._lock = threading.Lock()
        self._exports: dict[str, Document] = {}
        self.operations: Mapping[str, Operation] = {
            "CreateExport": self._create,
            "GetExport": self._get,
            "ListExports": self._list,
            "UpdateExport": self._update,
            "DeleteExport": self._delete,
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def get_state(self) -> dict[str, Any]:
        """What outlives a stop of the emulator."""
        return {"exports": self._exports}

    def load_persisted_state(self, state: dict[str, Any]) -> None:
        """Take up what ``get_state`` gave."""
        self._exports = state["exports"]

    def reset(self) -> None:
        """Forget everything."""
        self._exports = {}

    def _create(self, request: Document, caller: str) -> Document:
        export = request["Export"]
        self._check(export, caller)
        with self._lock:
            if any(one["Export"]["Name"] == export["Name"] for one in self._of(caller)):
                raise invalid(f"An export named {export['Name']} exists already")
            name = f"{export['Name']}-{uuid.uuid4()}"
            arn = f"arn:aws:bcm-data-exports:us-east-1:{caller}:export/{name}"
            moment = _moment()
            self._exports[arn] = {
                "Export": export | {"ExportArn": arn},
                "ExportStatus": {
                    "StatusCode": "HEALTHY",
                    "CreatedAt": moment,
                    "LastUpdatedAt": moment,
                },
                "Tags": {one["Key"]: one["Value"] for one in request.get("ResourceTags", [])},
            }
        return {"ExportArn": arn}

    def _get(self, request: Document, caller: str) -> Document:
        found = self._found(request["ExportArn"], caller)
        return {"Export": found["Export"], "ExportStatus": found["ExportStatus"]}

    def _list(self, request: Document, caller: str) -> Document:
        exports = [
            {
                "ExportArn": one["Export"]["ExportArn"],
                "ExportName": one["Export"]["Name"],
                "ExportStatus": one["ExportStatus"],
            }
            for one in self._of(caller)
        ]
        return _paged("Exports", exports, request)

    def _update(self, request: Document, caller: str) -> Document:
        arn, export = request["ExportArn"], request["Export"]
        found = self._found(arn, caller)
        self._check(export, caller)
        if export["Name"] != found["Export"]["Name"]:
            raise invalid("The name of an export cannot be changed")
        found["Export"] = export | {"ExportArn": arn}
        found["ExportStatus"] = found["ExportStatus"] | {"LastUpdatedAt": _moment()}
        return {"ExportArn": arn}

    def _delete(self, request: Document, caller: str) -> Document:
        self._found(request["ExportArn"], caller)
        self._exports.pop(request["ExportArn"], None)
        return {"ExportArn": request["ExportArn"]}

    def _list_tags(self, request: Document, caller: str) -> Document:
        tags = self._found(request["ResourceArn"], caller)["Tags"]
        return _paged("ResourceTags", [{"Key": k, "Value": v} for k, v in tags.items()], request)

    def _tag(self, request: Document, caller: str) -> Document:
        tags = self._found(request["ResourceArn"], caller)["Tags"]
        tags.update((one["Key"], one["Value"]) for one in request["ResourceTags"])
        return {}

    def _untag(self, request: Document, caller: str) -> Document:
        tags = self._found(request["ResourceArn"], caller)["Tags"]
        for key in request["ResourceTagKeys"]:
            tags.pop(key, None)
        return {}

    def _of(self, caller: str) -> list[Document]:
        return [one for arn, one in self._exports.items() if arn.split(":")[4] == caller]

    def _found(self, arn: str, caller: str) -> Document:
        if arn not in self._exports or arn.split(":")[4] != caller:
            raise CostsError(
                "ResourceNotFoundException",
                f"Export {arn} was not found",
                ResourceId=arn,
                ResourceType="export",
            )
        return self._exports[arn]

    def _check(self, export: Document, caller: str) -> None:
        place = export["DestinationConfigurations"]["S3Destination"]
        output = place["S3OutputConfigurations"]
        if (output["Format"] == "PARQUET") != (output["Compression"] == "PARQUET"):
            raise invalid("PARQUET is both format and compression, or neither")
        if not self._may_write(place["S3Bucket"], place["S3Prefix"], caller):
            raise invalid(f"S3 bucket permission validation failed for {place['S3Bucket']}")


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _paged(name: str, items: list[Document], request: Document) -> Document:
    shown, following = page(
        items,
        request,
        request.get("NextToken"),
        request.get("MaxResults", _PAGE),
        changed="ValidationException",
        bad="ValidationException",
    )
    return {name: shown} | ({"NextToken": following} if following else {})
