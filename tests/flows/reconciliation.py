"""The reconciliation flow as Terraform deployed it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from finops.shared.periods import Month
from localcloud.endpoints import MANAGEMENT_ACCOUNT
from tests.flows.deployment import Deployment

FUNCTION, PAYER_ROLE = "finops-reconcile-month", "finops-cost-reader"
PAYERS = (MANAGEMENT_ACCOUNT, "555555555555", "666666666666")


FOCUS_COLUMNS = (
    *("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "BillingCurrency"),
    *("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"),
    *("BillingAccountId", "SubAccountId", "SubAccountName", "ServiceName", "ChargeCategory"),
    *("ChargeClass", "InvoiceId", "InvoiceIssuerName", "Tags"),
)


def focus_export(month: Month, account: str) -> bytes:
    """Charges of one account, with a credit, a tax and a tag."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FOCUS_COLUMNS)
    writer.writeheader()
    for day in month.days:
        for service, category, cost in (
            ("Amazon EC2", "Usage", f"{day.day}.0000001"),
            ("Amazon S3", "Usage", "0.3"),
            ("Amazon EC2", "Credit", "-0.25"),
        ):
            writer.writerow(
                {
                    **dict.fromkeys(("BilledCost", "EffectiveCost"), cost),
                    **dict.fromkeys(("ListCost", "ContractedCost"), cost),
                    "BillingCurrency": "USD",
                    "BillingPeriodStart": f"{month.first} 00:00:00",
                    "BillingPeriodEnd": f"{month.end} 00:00:00",
                    "ChargePeriodStart": f"{day} 00:00:00",
                    "ChargePeriodEnd": f"{day} 23:59:59",
                    "BillingAccountId": "111111111111",
                    "SubAccountId": account,
                    "SubAccountName": "made by a test",
                    "ServiceName": service,
                    "ChargeCategory": category,
                    "InvoiceId": "INV-1",
                    "InvoiceIssuerName": "Amazon Web Services, Inc.",
                    "Tags": '{"team": "fraud"}' if service == "Amazon S3" else "{}",
                }
            )
    return text.getvalue().encode()


#: As AWS Data Exports writes them.
_FOCUS_TYPES = {
    **dict.fromkeys(("BilledCost", "EffectiveCost"), "DOUBLE"),
    **dict.fromkeys(("BillingPeriodStart", "BillingPeriodEnd"), "TIMESTAMP"),
    **dict.fromkeys(("ChargePeriodStart", "ChargePeriodEnd"), "TIMESTAMP"),
}


def as_parquet(csv: bytes, folder: Path) -> bytes:
    """A FOCUS export in CSV as one in Parquet."""
    source, made = folder / "made.csv", folder / "made.parquet"
    source.write_bytes(csv)
    typed = ", ".join(f"CAST({one} AS {kind}) AS {one}" for one, kind in _FOCUS_TYPES.items())
    tags = "CAST(CAST(Tags AS JSON) AS MAP(VARCHAR, VARCHAR)) AS Tags"
    duckdb.execute(
        f"COPY (SELECT * REPLACE ({typed}, {tags}) FROM read_csv('{source}', all_varchar = true))"
        f" TO '{made}' (FORMAT parquet)"
    )
    return made.read_bytes()


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
        """The function's answer of a month; where it failed, with errorMessage."""
        found = self.answer(month=str(month), close=close)
        return found if "errorMessage" in found else dict(found["months"][0])

    def answer(self, **event: Any) -> dict[str, Any]:
        """The function's whole answer."""
        answer = self.deployment.client("lambda").invoke(
            FunctionName=FUNCTION, Payload=json.dumps(event).encode()
        )
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return found

    def deliver(self, month: Month, content: bytes) -> None:
        """A file of FOCUS as Parquet, in the export that Athena has a table of."""
        bucket, _, folder = self.outputs["athena_export_uri"][5:].partition("/")
        key = f"{folder}/BILLING_PERIOD={month}/made-by-a-test.parquet"
        self.deployment.client("s3").put_object(Bucket=bucket, Key=key, Body=content)

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
