"""The reconciliation flow as Terraform deployed it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from finops.shared.periods import Month
from localcloud.endpoints import MANAGEMENT_ACCOUNT
from tests.flows.deployment import Deployment

FUNCTION, PAYER_ROLE = "finops-reconcile-month", "finops-cost-reader"
PAYERS = (MANAGEMENT_ACCOUNT, "555555555555", "666666666666")


def months_ago(count: int) -> Month:
    """A past month."""
    return Month.of(datetime.now(UTC).date()).plus(-count)


@dataclass
class ReconciliationFlow:
    """Bucket and function of the flow."""

    deployment: Deployment
    outputs: Mapping[str, Any]

    @property
    def bucket(self) -> str:
        return str(self.outputs["bucket"])

    def run(self, month: Month, *, close: bool = False) -> dict[str, Any]:
        """The function's answer; where it failed, with errorMessage."""
        answer = self.deployment.client("lambda").invoke(
            FunctionName=FUNCTION,
            Payload=json.dumps({"month": str(month), "close": close}).encode(),
        )
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return found if "errorMessage" in found else dict(found["months"][0])

    def keys(self, prefix: str) -> list[str]:
        pages = (
            self.deployment.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self.bucket, Prefix=prefix)
        )
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def read(self, location: str) -> bytes:
        """The content of a report that an answer names."""
        key = location.partition(f"{self.bucket}/")[2]
        body = self.deployment.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"]
        content: bytes = body.read()
        return content

    def forget(self, prefix: str) -> None:
        """Delete everything below a prefix."""
        for key in self.keys(prefix):
            self.deployment.client("s3").delete_object(Bucket=self.bucket, Key=key)

    @contextmanager
    def reopened(self, month: Month) -> Iterator[None]:
        """Reopen the month, as if it had never been closed."""
        self.forget(f"reports/{month}/")
        yield
        self.forget(f"reports/{month}/")

    def costs(self, month: Month) -> Decimal:
        """The total cost of all payers, by one query without groups for each."""
        today = datetime.now(UTC).date()
        whole = Decimal(0)
        for payer in PAYERS:
            answer = self.deployment.client("ce", payer).get_cost_and_usage(
                TimePeriod={
                    "Start": str(month.first),
                    "End": str(min(month.end, today + timedelta(days=1))),
                },
                Granularity="MONTHLY",
                Metrics=["UnblendedCost"],
            )
            (result,) = answer["ResultsByTime"]
            whole += Decimal(result["Total"]["UnblendedCost"]["Amount"])
        return whole
