"""Where reports lie: a folder, and a bucket; and who is told of them."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto import mock_aws

from finops.reconciliation.adapters.export_files import ExportFiles
from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.adapters.folder import Folder
from finops.reconciliation.adapters.s3 import (
    S3AnswerCache,
    S3Files,
    counted_export,
    stored_files,
)
from finops.reconciliation.adapters.ses import MailChannel
from finops.reconciliation.adapters.sns import TopicChannel
from finops.reconciliation.adapters.webhook import WebhookChannel
from finops.reconciliation.delivery import Delivery
from finops.reconciliation.ports import RevisionTaken, Stored
from finops.reconciliation.report import Report
from finops.reconciliation.stores import Reports
from finops.shared.aws import client
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from finops.shared.periods import Month
from finops.shared.public_web import check_public
from tests.reconciliation.export_files import focus, write
from tests.reconciliation.fakes import OCTOBER, reconciler, usual

BUCKET = "reports-of-tests"
FILES = {"html": b"<p>", "json": b"{}"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def counting(s3: Any, uri: str, months: list[Month]) -> ExportFiles:
    """The files of an export that count."""
    return stored_files(counted_export(s3, uri, months))


@pytest.fixture(params=["folder", "bucket"])
def reports(request: pytest.FixtureRequest, tmp_path: Path) -> Reports:
    if request.param == "folder":
        return Reports(Folder(tmp_path))
    return Reports(S3Files(request.getfixturevalue("s3"), BUCKET))


@pytest.fixture(scope="module")
def report() -> Report:
    return (
        reconciler(usual()).run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC), close=True).report
    )


def test_an_open_months_report_is_replaced(reports: Reports, report: Report) -> None:
    opened = replace(report, revision=0)
    first = reports.write(opened, FILES)
    second = reports.write(opened, FILES)
    assert first.locations == second.locations
    assert first.locations["html"].endswith("provisional/2026-10/reconciliation-2026-10.html")
    assert reports.newest("2026-10") is None


def test_the_report_of_a_month_before_it_was_closed_is_read_back(
    reports: Reports, report: Report
) -> None:
    opened = replace(report, revision=0)
    assert reports.provisional(report.month) is None
    reports.write(opened, {"html": b"<p>"})
    assert reports.provisional(report.month) is None
    reports.write(opened, {"html": b"<p>", "json": b'{"month": "one"}'})
    assert reports.provisional(report.month) == {"month": "one"}
    assert reports.provisional("1999-01") is None


def test_a_revision_is_written_once_and_read_back(reports: Reports, report: Report) -> None:
    written = reports.write(report, FILES)
    with pytest.raises(RevisionTaken):
        reports.write(report, FILES)
    other = replace(report, revision=2, changes=())
    reports.write(other, FILES)
    newest = reports.newest("2026-10")
    assert newest
    assert newest.revision == 2
    assert newest.document == json.loads(json.dumps({**written.document, "revision": 2}))
    assert reports.newest("2026-09") is None
    reports.write(replace(report, month="2026-11", revision=0), FILES)
    assert reports.months() == {"2026-10": 2, "2026-11": 0}
    for number in range(3, 12):
        reports.write(replace(report, revision=number), FILES)
    last = reports.newest("2026-10")
    assert last
    assert last.revision == 11


def test_a_run_that_was_killed_before_its_revision_leaves_it_to_the_next(
    reports: Reports, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(reports._files, "create", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            reports.write(report, FILES)
    assert reports.newest("2026-10") is None
    assert reports.write(report, FILES).revision == 1


def test_answers_are_kept_in_the_bucket(s3: Any) -> None:
    cache = S3AnswerCache(s3, BUCKET)
    assert cache.get("1/a") is None
    cache.put("1/a", {"answer": {"x": "1"}})
    assert cache.get("1/a") == {"answer": {"x": "1"}}


def test_only_the_periods_of_an_export_that_are_wanted_count(s3: Any) -> None:
    for key in (
        "focus/data/BILLING_PERIOD=2026-10/a.parquet",
        "focus/data/BILLING_PERIOD=2026-09/a.parquet",
        "focus/data/BILLING_PERIOD=2020-01/a.parquet",
        "focus/metadata/BILLING_PERIOD=2026-10/manifest.json",
    ):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    months = [Month.parse("2026-09"), OCTOBER]
    assert counting(s3, f"s3://{BUCKET}/focus", months).names == [
        f"s3://{BUCKET}/focus/data/BILLING_PERIOD=2026-09/a.parquet",
        f"s3://{BUCKET}/focus/data/BILLING_PERIOD=2026-10/a.parquet",
    ]
    with pytest.raises(RejectedInput, match="has no export"):
        counting(s3, f"s3://{BUCKET}/other", months)


def test_of_an_export_in_a_bucket_only_its_newest_delivery_counts(s3: Any) -> None:
    """https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html."""
    folder = "focus/data/BILLING_PERIOD=2026-10"
    for run in ("2026-10-05T00:00:00Z-1", "2026-10-06T00:00:00Z-2"):
        s3.put_object(Bucket=BUCKET, Key=f"{folder}/{run}/e-1.parquet", Body=run.encode())
        uri = f"s3://{BUCKET}/{folder}/{run}/e-1.parquet"
        s3.put_object(
            Bucket=BUCKET,
            Key=f"focus/metadata/BILLING_PERIOD=2026-10/{run}/e-Manifest.json",
            Body=json.dumps({"executionId": run, "dataFiles": [uri]}).encode(),
        )
    found = counting(s3, f"s3://{BUCKET}/focus", [OCTOBER])
    key = f"{folder}/2026-10-06T00:00:00Z-2/e-1.parquet"
    assert found.names == [f"s3://{BUCKET}/{key}"]
    assert "2026-10-05T00:00:00Z-1/e-1.parquet" in found.notes[0]
    assert found.delivered == datetime(2026, 10, 6, tzinfo=UTC).timestamp()


def test_exports_of_two_buckets_stand_beside_each_other(s3: Any, tmp_path: Path) -> None:
    """Two payers with the same export: its keys are the same."""
    key = "focus/data/BILLING_PERIOD=2026-10/focus-00001.csv"
    s3.create_bucket(Bucket="payer-b")
    for at, bucket in enumerate((BUCKET, "payer-b")):
        text = write(tmp_path / "made.csv", [focus(f"{at + 1}.00", BillingAccountId=str(at))])
        s3.put_object(Bucket=bucket, Key=key, Body=text.read_bytes())
    found = [counting(s3, f"s3://{bucket}/focus", [OCTOBER]) for bucket in (BUCKET, "payer-b")]
    both = ExportedCosts(found[0] + found[1], s3=s3)
    [total] = both.control_totals(OCTOBER)
    assert total.amount == 3
    assert len(set((found[0] + found[1]).deliveries.values())) == 2


def test_what_only_begins_like_the_folder_is_another_export(s3: Any) -> None:
    for folder in ("focus", "focus-old"):
        key = f"{folder}/data/BILLING_PERIOD=2026-10/a.csv"
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"a")
    for uri in (f"s3://{BUCKET}/focus", f"s3://{BUCKET}/focus/"):
        [name] = counting(s3, uri, [OCTOBER]).names
        assert "/focus/data/" in name
    one = f"s3://{BUCKET}/focus-old/data/BILLING_PERIOD=2026-10/a.csv"
    assert counting(s3, one, [OCTOBER]).names == [one]


class Told(list[tuple[str, str]]):
    """A channel that remembers, and may fail."""

    failing = False

    def __call__(self, report: Report, link: str) -> None:
        if self.failing:
            raise TransientFailure("away", code="away")
        self.append((report.month, link))


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_a_link_is_signed_by_version_4_in_the_region_of_the_bucket(
    monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    """S3 serves what a KMS key encrypts to version 4 only.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    link = urlsplit(S3Files(client("s3"), BUCKET).link(f"s3://{BUCKET}/reports/a.html", 600))
    query = parse_qs(link.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert f"/{region}/s3/" in query["X-Amz-Credential"][0]
    hosts = {f"{BUCKET}.s3.{region}.amazonaws.com"}
    if region == "us-east-1":
        hosts.add(f"{BUCKET}.s3.amazonaws.com")
    assert link.hostname in hosts
    assert link.path == "/reports/a.html"


def test_each_channel_is_told_once_of_a_revision_and_again_after_a_failure(
    s3: Any, report: Report
) -> None:
    good, bad = Told(), Told()
    bad.failing = True
    files = S3Files(s3, BUCKET)
    stored = Reports(files).write(report, FILES)
    delivery = Delivery(
        marks=files,
        link=lambda location: files.link(location, 600),
        channels={"good": good, "bad": bad},
    )
    with pytest.raises(TransientFailure, match="bad: away"):
        delivery.announce(report, stored)
    bad.failing = False
    delivery.announce(report, stored)
    delivery.announce(report, stored)
    assert (len(good), len(bad)) == (1, 1)
    [(_, link)] = good
    assert f"/{stored.locations['html'].partition(BUCKET + '/')[2]}?" in link
    delivery.announce(replace(report, revision=2), stored)
    assert len(good) == 2


def test_topic_and_mail_carry_headline_and_link(report: Report) -> None:
    sent: dict[str, Any] = {}

    class Client:
        def publish(self, **request: Any) -> None:
            sent["topic"] = request

        def send_email(self, **request: Any) -> None:
            sent["mail"] = request

    TopicChannel(Client(), "arn:aws:sns:us-east-1:111111111111:t")(report, "https://link")
    MailChannel(Client(), "from@example.com", ["to@example.com"])(report, "https://link")
    assert sent["topic"]["Subject"] == "Cloud costs 2026-10 closed: USD 620.00"
    assert "https://link" in sent["topic"]["Message"]
    assert sent["mail"]["Destination"] == {"ToAddresses": ["to@example.com"]}
    assert "620.00" in sent["mail"]["Message"]["Body"]["Text"]["Data"]


class Webhook(http.server.BaseHTTPRequestHandler):
    """Answers with the status that its path names."""

    posted: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posted.append(json.loads(body))
        self.send_response(int(self.path.strip("/")))
        if self.path == "/302":
            self.send_header("Location", "/200")
        self.end_headers()

    def do_GET(self) -> None:
        """Where a followed redirect leads."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def webhook() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Secrets:
    def __init__(self, text: str) -> None:
        self.text = text

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - boto3's name
        return {"SecretString": self.text}


def test_a_webhook_is_posted_to_and_its_url_never_told(webhook: str, report: Report) -> None:
    WebhookChannel(Secrets(json.dumps({"url": f"{webhook}/200"})), "s", public=False)(
        report, "https://link"
    )
    assert Webhook.posted[-1]["text"].startswith("Cloud costs 2026-10")
    for status, kind in (
        (503, TransientFailure),
        (429, TransientFailure),
        (404, ConfigurationError),
    ):
        with pytest.raises(kind) as refused:
            WebhookChannel(Secrets(f"{webhook}/{status}"), "s", public=False)(
                report, "https://link"
            )
        assert str(status) in str(refused.value)
        assert webhook not in str(refused.value)
    with pytest.raises(TransientFailure, match="could not be reached"):
        WebhookChannel(Secrets("http://127.0.0.1:1/200"), "s", public=False)(report, "https://link")
    with pytest.raises(ConfigurationError, match="contains no URL"):
        WebhookChannel(Secrets('{"uri": "x"}'), "s")(report, "https://link")


def test_what_is_stored_says_its_type(s3: Any, report: Report) -> None:
    stored: Stored = Reports(S3Files(s3, BUCKET)).write(report, FILES)
    key = stored.locations["html"].partition(f"{BUCKET}/")[2]
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentType"].startswith("text/html")


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/services/1",
        "https://127.0.0.1:9001/2018-06-01/runtime",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[64:ff9b:1::a9fe:a9fe]/",
        "https://[2002:a00:1::1]/",
        "https://[::10.0.0.1]/",
        "https://[::ffff:0:10.0.0.1]/",
        "https://224.0.0.1/",
        "https://localhost/",
        "https://10.0.0.1/",
    ],
)
def test_a_webhook_reaches_nothing_that_only_the_function_reaches(url: str, report: Report) -> None:
    with pytest.raises(ConfigurationError) as refused:
        WebhookChannel(Secrets(url), "s")(report, "https://link")
    assert refused.value.code == "unsafe_webhook"
    assert url not in str(refused.value)


class SomewhereElse:
    """A connected socket of a name that led elsewhere a moment ago."""

    def getpeername(self) -> tuple[str, int]:
        return ("10.0.0.1", 443)

    def close(self) -> None:
        """Closed."""


def test_a_webhook_whose_name_leads_elsewhere_once_it_is_checked_is_refused(
    monkeypatch: pytest.MonkeyPatch, report: Report
) -> None:
    def connect(self: http.client.HTTPSConnection) -> None:
        self.sock = SomewhereElse()

    monkeypatch.setattr(http.client.HTTPSConnection, "connect", connect)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kind: found)
    with pytest.raises(ConfigurationError) as refused:
        WebhookChannel(Secrets("https://hooks.example.com/1"), "s")(report, "https://link")
    assert refused.value.code == "unsafe_webhook"


@pytest.mark.parametrize("address", ["8.8.8.8", "64:ff9b::808:808", "2600:1f18::1"])
def test_public_addresses_are_reached_also_through_a_gateway(address: str) -> None:
    check_public(address)


def test_a_webhook_follows_no_redirect(webhook: str, report: Report) -> None:
    before = len(Webhook.posted)
    with pytest.raises(ConfigurationError, match="302"):
        WebhookChannel(Secrets(f"{webhook}/302"), "s", public=False)(report, "https://link")
    assert len(Webhook.posted) == before + 1
