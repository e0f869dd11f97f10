"""The billing flow as Terraform deployed it, used as people use it."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from finops.billing.database.store import AuroraBillingStore
from finops.billing.domain import FileEntry, FileStatus, SourceObject
from finops.shared.data_api import DataApi
from tests.flows.deployment import PATIENCE, Deployment, eventually

LOADER = "finops-load-billing-file"
FETCHER = "finops-fetch-billing-rates"
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


def company() -> str:
    """A company of the test's own: the same bill in two datasets is refused."""
    return _company_of(os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0])


@functools.cache
def _company_of(test: str) -> str:
    return f"Acme {hashlib.sha256(test.encode()).hexdigest()[:8]}"


def bill(number: object, **cells: str) -> dict[str, str]:
    """A row of a billing file."""
    row = dict(
        zip(
            HEADER,
            (
                str(number),
                company(),
                "DE",
                "Berlin",
                "Bakery",
                "Roll",
                "2026-03-05",
                "USD",
                "10.50",
            ),
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


def many_bills(count: int, seed: int = 1, of: str = "") -> list[dict[str, str]]:
    """Bills with quoted line breaks, several currencies, credits, and a bad row now and then."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        row = bill(
            number,
            company_name=f'{of or company()} "{number % 7}", Ltd',
            item="two\nlines" if number % 5 == 0 else "Röll",
            currency=chance.choice(["USD", "EUR", "JPY"]),
            bill_amount=f"{chance.randrange(-(10**6), 10**7) / 100:.2f}",
        )
        if number % 97 == 0:
            row["bill_date"] = "2026-02-30"
        rows.append(row)
    return rows


class EcbSite(ThreadingHTTPServer):
    """The ECB's file of a day, at a path of any name.

    Attributes:
        status: Of each answer.
        rates: Of the file, besides that of the yen: what one euro costs in each currency.
        asked: How often it was asked.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _EcbAnswer)
        self.status = 200
        self.rates = {"USD": "1.5"}
        self.asked = 0

    @property
    def content(self) -> bytes:
        rates = {"JPY": "150"} | self.rates
        # A day on which no other test has rates.
        cubes = "".join(f'<Cube currency="{one}" rate="{x}"/>' for one, x in rates.items())
        return f'<Envelope><Cube><Cube time="2001-03-05">{cubes}</Cube></Cube></Envelope>'.encode()

    @property
    def key(self) -> str:
        """Where the file is dropped."""
        return f"rates/ecb/2001-03-05-{hashlib.sha256(self.content).hexdigest()[:16]}.xml"


class _EcbAnswer(BaseHTTPRequestHandler):
    server: EcbSite

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status)
        if self.server.status != 200:
            self.send_header("Location", "/another.xml")
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


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

    def loaded_rates(self, key: str) -> FileEntry:
        """The row in the ledger of the one version of a file of rates, once it is loaded."""

        def look() -> list[dict[str, Any]]:
            found = self.deployment.client("s3").list_object_versions(
                Bucket=self.outputs["bucket"], Prefix=key
            )
            return list(found.get("Versions", ()))

        (one,) = eventually(look, what=f"the object {key}")
        return self.ended(
            SourceObject(
                bucket=self.outputs["bucket"],
                key=key,
                version_id=one["VersionId"],
                etag=one["ETag"].strip('"'),
                size=one["Size"],
                order="",
            )
        )

    @contextmanager
    def fetching_from(self, url: str, **settings: str) -> Iterator[None]:
        """Lets the function that fetches rates ask another URL for a while."""
        functions = self.deployment.client("lambda")
        found = functions.get_function_configuration(FunctionName=FETCHER)
        before = found["Environment"]["Variables"]

        def configure(variables: dict[str, str]) -> None:
            functions.update_function_configuration(
                FunctionName=FETCHER, Environment={"Variables": variables}
            )
            functions.get_waiter("function_updated_v2").wait(
                FunctionName=FETCHER, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
            )

        configure(before | {"RATES_URL": url} | settings)
        try:
            yield
        finally:
            configure(before)

    @contextmanager
    def ecb(self) -> Iterator[EcbSite]:
        """A server in the ECB's place, which the function that fetches rates asks."""
        site = EcbSite()
        thread = threading.Thread(target=site.serve_forever, daemon=True)
        thread.start()
        try:
            with self.fetching_from(
                f"http://127.0.0.1:{site.server_port}/daily.xml", RATES_URL_IS_PRIVATE="yes"
            ):
                yield site
        finally:
            site.shutdown()
            thread.join()
            site.server_close()

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
