"""The billing flow as Terraform deployed it, used as people use it."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from finops.billing.database.store import AuroraBillingStore
from finops.billing.domain import FileEntry, FileStatus, SourceObject
from finops.shared.data_api import DataApi
from tests.flows.deployment import PATIENCE, Deployment, eventually

LOADER = "finops-load-billing-file"
HEADER = (
    "record_id",
    "company_name",
    "country",
    "city",
    "product_line",
    "item",
    "bill_date",
    "currency",
    "bill_amount",
)


def bill(number: object, **cells: str) -> dict[str, str]:
    """A row of a billing file."""
    row = dict(
        zip(
            HEADER,
            (str(number), "Acme", "DE", "Berlin", "Bakery", "Roll", "2026-03-05", "USD", "10.50"),
            strict=True,
        )
    )
    return row | cells


def as_csv(rows: list[dict[str, str]], **style: Any) -> bytes:
    """A billing file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HEADER, **style)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def many_bills(count: int, seed: int = 1) -> list[dict[str, str]]:
    """Bills with quoted line breaks, several currencies, credits, and a bad row now and then."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        row = bill(
            number,
            company_name=f'Acme "{number % 7}", Ltd',
            item="two\nlines" if number % 5 == 0 else "Röll",
            currency=chance.choice(["USD", "EUR", "JPY"]),
            bill_amount=f"{chance.randrange(-(10**6), 10**7) / 100:.2f}",
        )
        if number % 97 == 0:
            row["bill_date"] = "2026-02-30"
        rows.append(row)
    return rows


@dataclass
class BillingFlow:
    """Bucket, database, queue and functions of the deployed flow."""

    deployment: Deployment
    outputs: dict[str, Any]

    @cached_property
    def database(self) -> DataApi:
        return DataApi(
            self.deployment.client("rds-data"),
            cluster_arn=self.outputs["database_arn"],
            secret_arn=self.outputs["database_secret_arn"],
            database=self.outputs["database_name"],
        )

    @cached_property
    def store(self) -> AuroraBillingStore:
        return AuroraBillingStore(self.database)

    def logins(self) -> dict[str, str]:
        """What the secrets of the database's users hold, by purpose."""
        secrets = self.deployment.client("secretsmanager")
        return {
            purpose: secrets.get_secret_value(SecretId=self.outputs[f"{purpose}_secret_arn"])[
                "SecretString"
            ]
            for purpose in ("loader", "reader")
        }

    def query(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        return self.database.execute(sql, values).rows

    def put(self, key: str, body: bytes) -> SourceObject:
        """Drop a file. Returns the version that S3 made of it."""
        s3 = self.deployment.client("s3")
        put = s3.put_object(Bucket=self.outputs["bucket"], Key=key, Body=body)
        return SourceObject(
            bucket=self.outputs["bucket"],
            key=key,
            version_id=put["VersionId"],
            etag=put["ETag"].strip('"'),
            size=len(body),
            order="",
        )

    def ended(self, source: SourceObject, within: float = PATIENCE) -> FileEntry:
        """The file's row in the ledger once it is loaded, rejected or failed."""

        def look() -> FileEntry | None:
            found = self.store.by_file_id(source.file_id)
            done = found and (found.status.is_final or found.status is FileStatus.FAILED)
            return found if done else None

        return eventually(look, within=within, every=0.05, what=f"the end of {source.key}")

    def drop(self, key: str, body: bytes, within: float = PATIENCE) -> FileEntry:
        """Drop a file and wait for its end."""
        return self.ended(self.put(key, body), within)

    def rows(self, dataset: str) -> dict[str, dict[str, Any]]:
        """The dataset's rows by id."""
        found = self.query(
            "SELECT * FROM billing_rows WHERE dataset = :dataset ORDER BY record_id LIMIT 1000",
            dataset=dataset,
        )
        return {row["record_id"]: row for row in found}

    def quarantined(self, entry: FileEntry) -> list[dict[str, str]]:
        """The rows of a quarantine file."""
        s3 = self.deployment.client("s3")
        key = entry.quarantine_uri.split("/", 3)[3]
        body = s3.get_object(Bucket=self.outputs["bucket"], Key=key)["Body"].read()
        return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))

    def event(self, source: SourceObject, time: str) -> dict[str, Any]:
        """The event of a version as its queue hands it to the loader."""
        record = {
            "eventName": "ObjectCreated:Put",
            "eventTime": time,
            "s3": {
                "bucket": {"name": source.bucket},
                "object": {
                    "key": source.key,
                    "size": source.size,
                    "eTag": source.etag,
                    "versionId": source.version_id,
                    "sequencer": "0055AED6DCD90281E5",
                },
            },
        }
        return {
            "Records": [
                {
                    "messageId": source.version_id,
                    "receiptHandle": "none",
                    "attributes": {"ApproximateReceiveCount": "1"},
                    "body": json.dumps({"Records": [record]}),
                }
            ]
        }

    def deliver(self, source: SourceObject, time: str = "2026-04-01T00:00:00.000Z") -> bool:
        """Hand a version's event to the loader. Returns whether it need not be retried."""
        answer = self.deployment.client("lambda").invoke(
            FunctionName=LOADER, Payload=json.dumps(self.event(source, time)).encode()
        )
        body = json.loads(answer["Payload"].read())
        return "FunctionError" not in answer and not body["batchItemFailures"]

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        """Disable the queue's mapping, so that a test can deliver events itself."""
        functions = self.deployment.client("lambda")
        (mapping,) = functions.list_event_source_mappings(FunctionName=LOADER)[
            "EventSourceMappings"
        ]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            self.deployment.client("sqs").purge_queue(QueueUrl=self.outputs["queue_url"])
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
