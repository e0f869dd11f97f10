"""DynamoDB, S3, Textract and Step Functions behind the ports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from finops.invoices.adapters.dynamodb import DynamoInvoices
from finops.invoices.adapters.s3 import S3Documents
from finops.invoices.adapters.ses import SesCustomerMail
from finops.invoices.adapters.sns import SnsNotifications, Topics
from finops.invoices.adapters.step_functions import StepFunctionsWorkflow
from finops.invoices.adapters.textract import EngineFailure, Textract
from finops.invoices.domain import Erasure, InvoiceRecord, InvoiceStatus, LineItem, SourceDocument
from finops.invoices.identity import duplicate_key, number_index_key
from finops.invoices.spending import Charge, SpendingCapReached, SpendingLimits
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from finops.shared.observability import metrics
from tests.invoices.builders import invoice, record
from tests.invoices.resources import BUCKET, TABLE, make_bucket, make_table

WORKFLOW = "arn:aws:states:us-east-1:111111111111:stateMachine:finops-invoice-workflow"
TOPIC = "arn:aws:sns:us-east-1:111111111111:topic"
ROLE = "arn:aws:iam::111111111111:role/telling"
PROCESSED = InvoiceStatus.PROCESSED


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("finops.invoices.adapters.stored_invoices.time.sleep", lambda _: None)
    with mock_aws():
        yield


@pytest.fixture
def s3() -> Any:
    return make_bucket()


@pytest.fixture
def store(s3: Any) -> DynamoInvoices:
    return DynamoInvoices(make_table(), TABLE, S3Documents(s3, BUCKET))


def checked(key: str = "raw/a.pdf", **values: str) -> InvoiceRecord:
    return record(key, status=InvoiceStatus.VALIDATING, invoice=invoice(**values))


def filed(store: DynamoInvoices, one: InvoiceRecord, accepted: str = "", year: int = 2026) -> Any:
    saved = store.create(one)
    matches = (accepted,) if accepted else ()
    return store.file(replace(saved, status=PROCESSED, accepted_matches=matches), year)


class TestTable:
    def test_a_record_is_stored_completely(self, store: DynamoInvoices) -> None:
        one = checked()
        assert store.create(one) == one
        assert store.find(one.id) == one
        assert store.create(replace(one, submitted_by="other")) == one

    def test_an_unknown_id_is_refused(self, store: DynamoInvoices) -> None:
        filed(store, checked())
        for name in ("unknown", "serial#2026"):
            with pytest.raises(RejectedInput) as refused:
                store.find(name)
            assert refused.value.code == "unknown_invoice"

    def test_a_write_based_on_an_old_revision_fails(self, store: DynamoInvoices) -> None:
        one = store.create(checked())
        saved = store.save(replace(one, submitted_by="ann"))
        assert saved.revision == one.revision + 1
        with pytest.raises(TransientFailure) as refused:
            store.save(replace(one, submitted_by="bea"))
        assert refused.value.code == "changed_meanwhile"
        assert store.find(one.id).submitted_by == "ann"

    def test_the_pages_and_dollars_of_a_day_are_counted_with_the_record(
        self, store: DynamoInvoices
    ) -> None:
        def one(name: str, sha256: str) -> InvoiceRecord:
            return store.create(replace(record(f"raw/{name}.pdf"), content_sha256=sha256))

        limits = SpendingLimits(daily_pages=10, daily_usd=Decimal("0.05"))
        of_two = Charge(
            attempt=0, day=date(2026, 4, 1), pages=2, usd=Decimal("0.02"), limits=limits
        )
        first, second, third, fourth = (one(name, name * 64) for name in "abcd")
        charged = store.charge(first, of_two)
        assert store.find(first.id) == charged
        assert (charged.charged_attempt, store.reader_of("a" * 64)) == (0, first.id)
        with pytest.raises(TransientFailure, match="changed in the meantime"):
            store.charge(first, of_two)
        store.charge(second, of_two)
        with pytest.raises(SpendingCapReached):
            store.charge(third, of_two)
        assert store.find(third.id).charged_attempt == -1
        assert store.reader_of("c" * 64) == ""
        store.charge(third, replace(of_two, day=date(2026, 4, 2)))
        alone = replace(of_two, day=date(2026, 4, 3), pages=11, usd=Decimal(0))
        with pytest.raises(SpendingCapReached):
            store.charge(fourth, alone)

    def test_one_invoice_at_a_time_has_a_content_read(self, store: DynamoInvoices) -> None:
        charge = Charge(
            attempt=0, day=date(2026, 4, 1), pages=1, usd=Decimal(0), limits=SpendingLimits()
        )
        first, second = (
            store.create(replace(record(f"raw/{name}.pdf"), content_sha256="e" * 64))
            for name in "ab"
        )
        store.charge(first, charge)
        with pytest.raises(TransientFailure) as waits:
            store.charge(second, charge)
        assert waits.value.code == "content_is_being_read"
        full = replace(charge, pages=100, limits=SpendingLimits(daily_pages=100))
        with pytest.raises(TransientFailure):
            store.charge(second, full)
        store.charge(second, replace(charge, stale_holder=first.id))
        assert store.reader_of("e" * 64) == second.id

    def test_a_record_too_large_for_an_item_is_stored_in_the_bucket(
        self, store: DynamoInvoices
    ) -> None:
        lines = tuple(LineItem(description="x" * 500, text="y" * 500) for _ in range(1000))
        one = store.create(replace(checked(), invoice=replace(invoice(), line_items=lines)))
        assert store.find(one.id) == one
        again = store.save(replace(one, submitted_by="ann"))
        assert store.find(one.id) == again
        assert [found.id for found in store.all(status="VALIDATING")] == [one.id]

    def test_a_large_record_is_that_of_whoever_saved_its_revision(
        self, store: DynamoInvoices
    ) -> None:
        lines = tuple(LineItem(description="x" * 500, text="y" * 500) for _ in range(1000))
        one = store.create(replace(checked(), invoice=replace(invoice(), line_items=lines)))
        saved = store.save(replace(one, submitted_by="ann"))
        with pytest.raises(TransientFailure):
            store.save(replace(one, submitted_by="eve"))
        assert store.find(one.id) == saved

    def test_lists_are_newest_first_by_status_and_month(self, store: DynamoInvoices) -> None:
        for number in range(5):
            one = record(f"raw/{number}.pdf")
            store.create(
                replace(
                    one, received_at=one.received_at.replace(month=1 + number % 2, day=1 + number)
                )
            )
        assert [one.file for one in store.all(status="RECEIVED")] == [
            "3.pdf",
            "1.pdf",
            "4.pdf",
            "2.pdf",
            "0.pdf",
        ]
        assert store.count(InvoiceStatus.RECEIVED) == 5
        assert store.count(PROCESSED) == 0
        assert [one.file for one in store.all(months=["2026-02"])] == ["3.pdf", "1.pdf"]
        first, more = store.page(status="RECEIVED", limit=2)
        assert more
        rest, end = store.page(status="RECEIVED", limit=100, start=more)
        assert len(first) + len(rest) == 5
        assert end is None
        oldest, _ = store.page(status="RECEIVED", month="2026-01", newest_first=False)
        assert [one.file for one in oldest] == ["0.pdf", "2.pdf", "4.pdf"]

    def test_invoices_are_found_by_id_file_vendor_and_number(self, store: DynamoInvoices) -> None:
        for number in range(3):
            store.create(checked(f"raw/Scan {number}.pdf", vendor=f"Straße {number} GmbH"))
        filed(store, checked("raw/other.pdf", vendor="Ænima A/S", invoice_number="RE-77"))

        month = f"{checked().received_at:%Y-%m}"

        def found(text: str) -> list[str]:
            keys, _ = store.search(text, month=month)
            files = [one.file for one in store.read(keys)]
            assert files == [one.file for one in store.all(months=[month], search=text)]
            ids = [one for status in InvoiceStatus for one in store.ids(text, status=status)]
            assert sorted(ids) == sorted(one["id"]["S"] for one in keys)
            return sorted(files)

        store.create(checked("raw/Mu\u0308ller.pdf", vendor="Bäcker"))
        assert found("müller") == found("MU\u0308LLER") == ["Mu\u0308ller.pdf"]
        assert found("ba\u0308cker") == ["Mu\u0308ller.pdf"]
        assert found("SCAN 1") == ["Scan 1.pdf"]
        assert found("strasse 2") == ["Scan 2.pdf"]
        assert found("re-77") == found("inv-2026-000001") == found("ÆNIMA") == ["other.pdf"]
        assert found("scan") == ["Scan 0.pdf", "Scan 1.pdf", "Scan 2.pdf"]
        assert found("nobody") == []

    @pytest.mark.parametrize("newest_first", [True, False])
    def test_what_is_found_comes_in_pages_that_end_with_the_last(
        self, store: DynamoInvoices, *, newest_first: bool
    ) -> None:
        for number in range(12):
            one = record(f"raw/{'scan' if number % 2 else 'other'} {number:02}.pdf")
            store.create(replace(one, received_at=one.received_at + timedelta(minutes=number)))
        month = f"{one.received_at:%Y-%m}"
        start: Mapping[str, Any] | None = None
        pages = []
        while True:
            keys, start = store.search(
                "scan", month=month, newest_first=newest_first, limit=2, start=start
            )
            pages.append([one.file[5:7] for one in store.read(keys)])
            if not start:
                break
        order = ["11", "09", "07", "05", "03", "01"]
        assert sum(pages, []) == (order if newest_first else order[::-1])  # noqa: RUF017
        assert list(map(len, pages)) == [2, 2, 2]

    def test_a_search_reads_no_records_but_those_that_it_finds(
        self, store: DynamoInvoices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(3):
            store.create(record(f"raw/scan {number}.pdf"))
        answers = []
        query = store._dynamodb.query

        def answer(**request: Any) -> Any:
            answers.append((request["IndexName"], query(**request)))
            return answers[-1][1]

        monkeypatch.setattr(store._dynamodb, "query", answer)
        keys, _ = store.search("scan 1", status="RECEIVED")
        assert [one.file for one in store.read(keys, status="RECEIVED")] == ["scan 1.pdf"]
        ((index, found),) = answers
        assert index == "search_by_status"
        assert [one.keys() for one in found["Items"]] == [{"id", "received_at", "status"}]

    def test_what_has_changed_since_the_index_was_written_is_not_listed(
        self, store: DynamoInvoices
    ) -> None:
        one, gone = (store.create(record(f"raw/scan {name}.pdf")) for name in "ab")
        keys, _ = store.search("scan", status="RECEIVED")
        store.save(replace(one, status=InvoiceStatus.VALIDATING))
        store._dynamodb.delete_item(TableName=store._table, Key={"id": {"S": gone.id}})
        assert store.read(keys, status="RECEIVED") == []
        assert [found.id for found in store.read(keys)] == [one.id]

    def test_more_than_an_answer_holds_is_asked_for_again(
        self, store: DynamoInvoices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [store.create(record(f"raw/{number}.pdf")).id for number in range(105)]
        read = store._dynamodb.batch_get_item
        asked = []

        def half(RequestItems: Mapping[str, Any]) -> Any:  # noqa: N803
            ((table, wanted),) = RequestItems.items()
            keys = wanted["Keys"]
            asked.append(len(keys))
            some = max(1, len(keys) // 2)
            answer = read(RequestItems={table: {**wanted, "Keys": keys[:some]}})
            left = {table: {**wanted, "Keys": keys[some:]}} if keys[some:] else {}
            return {**answer, "UnprocessedKeys": left}

        monkeypatch.setattr(store._dynamodb, "batch_get_item", half)
        assert [one.id for one in store.read({"id": {"S": one}} for one in ids)] == ids
        assert max(asked) == 100
        monkeypatch.setattr(
            store._dynamodb,
            "batch_get_item",
            lambda **request: {"Responses": {}, "UnprocessedKeys": request["RequestItems"]},
        )
        with pytest.raises(TransientFailure, match="1 invoices could not be read"):
            store.read([{"id": {"S": ids[0]}}])

    @pytest.mark.parametrize(
        "said",
        [
            "The table does not have the specified index: search_by_status",
            "Cannot read from backfilling global secondary index: search_by_status",
        ],
    )
    def test_without_the_index_all_are_searched_the_same(
        self, store: DynamoInvoices, monkeypatch: pytest.MonkeyPatch, said: str
    ) -> None:
        """As an earlier version has deployed the table, and while DynamoDB fills the new index."""
        query = store._dynamodb.query

        def answer(**request: Any) -> Any:
            if request["IndexName"].startswith("search_"):
                error = {"Error": {"Code": "ValidationException", "Message": said}}
                raise ClientError(error, "Query")
            return query(**request)

        monkeypatch.setattr(store._dynamodb, "query", answer)
        for number in range(3):
            store.create(record(f"raw/scan {number}.pdf"))
        keys, start = store.search("scan", status="RECEIVED", limit=2)
        rest, end = store.search("scan", status="RECEIVED", limit=2, start=start)
        assert len(store.read([*keys, *rest])) == 3
        assert end is None

    def test_what_is_refused_for_another_reason_is_told(
        self, store: DynamoInvoices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "_table", "elsewhere")
        with pytest.raises(ConfigurationError) as refused:
            store.search("scan", status="RECEIVED")
        assert refused.value.code == "ResourceNotFoundException"


class TestFiling:
    def test_numbers_and_claims_are_written_together(self, store: DynamoInvoices) -> None:
        done = filed(store, checked()).record
        assert done.serial_number == "INV-2026-000001"
        assert store.find(done.id) == done
        other = filed(store, checked("raw/b.pdf", invoice_number="B", total="7")).record
        assert other.serial_number == "INV-2026-000002"
        same = filed(store, checked("raw/c.pdf")).resembles
        assert (same.invoice_id, same.same) == (done.id, True)
        near = filed(store, checked("raw/d.pdf", invoice_number="D")).resembles
        assert (near.invoice_id, near.same) == (done.id, False)
        accepted = filed(store, checked("raw/e.pdf", invoice_number="E"), accepted=done.id)
        assert accepted.record.serial_number == "INV-2026-000003"
        later = filed(store, checked("raw/f.pdf", invoice_number="F", total="8"), year=2027)
        assert later.record.serial_number == "INV-2027-000001"

    def test_every_invoice_of_a_number_is_compared(self, store: DynamoInvoices) -> None:
        one = filed(store, checked("raw/a.pdf", invoice_number="2026/1-12", total="1")).record
        two = filed(store, checked("raw/b.pdf", invoice_number="2026/11-2", total="2")).record
        assert one.serial_number
        assert two.serial_number
        for number, other in (("2026/1-12", one), ("2026/11-2", two)):
            again = checked(f"raw/{number[-2:]}.pdf", invoice_number=number, total="3")
            assert filed(store, again).resembles.invoice_id == other.id

    def test_a_vendor_is_known_by_its_tax_id_under_any_name(self, store: DynamoInvoices) -> None:
        done = filed(store, checked(vendor="Acme", vendor_tax_id="DE123456789", total="1")).record
        again = checked("raw/b.pdf", vendor="Emca", vendor_tax_id="DE 123456789", total="2")
        near = filed(store, again).resembles
        assert (near.invoice_id, near.same) == (done.id, False)

    def test_a_claim_of_an_earlier_version_still_counts(self, store: DynamoInvoices) -> None:
        done = filed(store, checked()).record
        table = {"TableName": store._table}
        key = f"number#{number_index_key(checked().invoice)}"  # type: ignore[arg-type]
        store._dynamodb.delete_item(**table, Key={"id": {"S": key}})
        old = f"claim#{duplicate_key(checked().invoice)}"  # type: ignore[arg-type]
        store._dynamodb.put_item(**table, Item={"id": {"S": old}, "invoice_id": {"S": done.id}})
        assert filed(store, checked("raw/c.pdf")).resembles.same

    def test_an_erased_invoice_leaves_no_claim_and_no_name(self, store: DynamoInvoices) -> None:
        named = {"vendor": "Jane Doe", "vendor_tax_id": "DE123456789", "iban": "DE02"}
        done = filed(store, checked(**named, total="1")).record
        charge = Charge(
            attempt=0, day=date(2026, 4, 1), pages=1, usd=Decimal(0), limits=SpendingLimits()
        )
        read = store.charge(replace(done, content_sha256="e" * 64), charge)
        other = filed(store, checked("raw/b.pdf", **named, total="2"), accepted=done.id).record
        erasure = Erasure(at=done.updated_at, by="dpo", reason="a request")
        left = store.erase(read, erasure)
        assert left == store.find(done.id)
        items = store._dynamodb.scan(TableName=store._table)["Items"]
        kept = {one["id"]["S"]: one for one in items}
        assert "Jane" not in str(kept[done.id])
        assert "DE02" not in str(kept[done.id])
        claims = {key: one["invoice_id"]["S"] for key, one in kept.items() if "invoice_id" in one}
        assert claims
        assert set(claims.values()) == {other.id}
        store.erase(other, erasure)
        ids = {one["id"]["S"] for one in store._dynamodb.scan(TableName=store._table)["Items"]}
        assert ids == {done.id, other.id, "serial#2026", "spending#2026-04-01"}
        assert filed(store, checked("raw/c.pdf", **named, total="1")).record

    def test_an_invoice_that_changes_meanwhile_is_not_erased(self, store: DynamoInvoices) -> None:
        done = filed(store, checked()).record
        saved = store.save(replace(done, announced=("x",)))
        with pytest.raises(TransientFailure):
            store.erase(done, Erasure(at=done.updated_at, by="dpo", reason="a request"))
        assert store.find(done.id) == saved

    def test_an_old_revision_takes_no_number(self, store: DynamoInvoices) -> None:
        one = store.create(checked())
        store.save(replace(one, submitted_by="ann"))
        with pytest.raises(TransientFailure) as refused:
            store.file(replace(one, status=PROCESSED), 2026)
        assert refused.value.code == "changed_meanwhile"
        assert filed(store, checked("raw/b.pdf")).record.serial_number == "INV-2026-000001"

    def test_a_lost_race_for_a_number_takes_the_next(
        self, store: DynamoInvoices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quicker = store.create(checked("raw/b.pdf", invoice_number="B", total="7"))
        last_serial = store._last_serial

        def overtaken(year: int) -> int:
            found = last_serial(year)
            monkeypatch.setattr(store, "_last_serial", last_serial)
            store.file(replace(quicker, status=PROCESSED), year)
            return found

        monkeypatch.setattr(store, "_last_serial", overtaken)
        assert filed(store, checked()).record.serial_number == "INV-2026-000002"
        assert store.find(quicker.id).serial_number == "INV-2026-000001"

    def test_a_lost_race_for_a_claim_is_a_duplicate(
        self, store: DynamoInvoices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quicker = store.create(checked("raw/b.pdf"))
        last_serial = store._last_serial

        def overtaken(year: int) -> int:
            monkeypatch.setattr(store, "_last_serial", last_serial)
            store.file(replace(quicker, status=PROCESSED), year)
            return last_serial(year)

        monkeypatch.setattr(store, "_last_serial", overtaken)
        assert filed(store, checked()).resembles.invoice_id == quicker.id
        assert last_serial(2026) == 1

    def test_a_transaction_that_always_loses_fails_as_transient(
        self, store: DynamoInvoices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = store.create(checked())
        monkeypatch.setattr(store, "_commit", lambda *_: False)
        with pytest.raises(TransientFailure) as refused:
            store.file(replace(one, status=PROCESSED), 2026)
        assert refused.value.code == "too_busy"


class TestBucket:
    def put(self, s3: Any, body: bytes, **metadata: str) -> SourceDocument:
        put = s3.put_object(Bucket=BUCKET, Key="raw/a.pdf", Body=body, Metadata=metadata)
        return SourceDocument(
            bucket=BUCKET, key="raw/a.pdf", version_id=put["VersionId"], size=len(body)
        )

    def test_a_version_is_read_in_pieces_from_anywhere(self, s3: Any) -> None:
        content = bytes(range(256)) * 4096
        old = self.put(s3, content)
        self.put(s3, b"newer")
        with S3Documents(s3, BUCKET).open(old) as file:
            assert file.read(4) == content[:4]
            file.seek(-5, 2)
            assert file.read() == content[-5:]
            file.seek(300_000)
            assert file.read(300_000) == content[300_000:600_000]
            assert file.seek(0) == 0
            assert file.read() == content
            assert file.read() == b""

    def test_a_missing_object_is_refused(self, s3: Any) -> None:
        gone = replace(self.put(s3, b"x"), key="raw/none.pdf", version_id="")
        with pytest.raises(RejectedInput) as refused, S3Documents(s3, BUCKET).open(gone) as file:
            file.read(1)
        assert refused.value.code == "object_is_gone"
        with pytest.raises(RejectedInput) as refused:
            S3Documents(s3, BUCKET).owner(gone)
        assert refused.value.code == "object_is_gone"

    def test_the_submitter_is_in_the_metadata(self, s3: Any) -> None:
        objects = S3Documents(s3, BUCKET)
        assert objects.owner(self.put(s3, b"x", **{"submitted-by": "ann"})) == "ann"
        assert objects.owner(self.put(s3, b"x")) == ""

    def test_one_version_is_deleted_for_good(self, s3: Any) -> None:
        first, second = self.put(s3, b"first"), self.put(s3, b"second")
        for _ in range(2):
            S3Documents(s3, BUCKET).delete(first, bypass_governance=False)
        (left,) = s3.list_object_versions(Bucket=BUCKET)["Versions"]
        assert left["VersionId"] == second.version_id

    def test_a_lock_is_told_with_its_end(self, s3: Any) -> None:
        document, until = self.put(s3, b"x"), datetime(2037, 1, 1, tzinfo=UTC)
        with Stubber(s3) as stub:
            stub.add_client_error("delete_object", "AccessDenied", http_status_code=403)
            lock = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
            stub.add_response("get_object_retention", {"Retention": lock})
            with pytest.raises(RejectedInput, match="until 2037-01-01 in governance mode") as told:
                S3Documents(s3, BUCKET).delete(document, bypass_governance=False)
        assert told.value.code == "locked"

    def test_who_may_not_delete_is_told_so(self, s3: Any) -> None:
        document = self.put(s3, b"x")
        with Stubber(s3) as stub:
            stub.add_client_error("delete_object", "AccessDenied", http_status_code=403)
            stub.add_client_error("get_object_retention", "AccessDenied", http_status_code=403)
            with pytest.raises(ConfigurationError, match="DeleteObject was refused"):
                S3Documents(s3, BUCKET).delete(document, bypass_governance=False)

    def test_all_versions_of_what_is_kept_are_deleted(self, s3: Any) -> None:
        objects = S3Documents(s3, BUCKET)
        for key in ("textract/a/0.json", "textract/a/0.json", "textract/a-2/0.json"):
            objects.write_json(key, {"a": key})
        s3.delete_object(Bucket=BUCKET, Key="textract/a/0.json")
        objects.delete_kept("a")
        found = s3.list_object_versions(Bucket=BUCKET)
        assert [one["Key"] for one in found["Versions"]] == ["textract/a-2/0.json"]
        assert "DeleteMarkers" not in found

    def test_json_documents_are_written_and_read(self, s3: Any) -> None:
        objects = S3Documents(s3, BUCKET)
        assert objects.read_json("textract/a.json") is None
        objects.write_json("textract/a.json", {"a": ["ü"]})
        assert objects.read_json("textract/a.json") == {"a": ["ü"]}


class TestTextract:
    @pytest.fixture
    def textract(self) -> Iterator[tuple[Any, Stubber]]:
        client = boto3.client("textract")
        with Stubber(client) as stub:
            yield Textract(client, topic_arn=TOPIC, role_arn=ROLE), stub
            stub.assert_no_pending_responses()

    @pytest.fixture
    def source(self) -> SourceDocument:
        return SourceDocument(bucket=BUCKET, key="raw/a.pdf", version_id="v1", size=9)

    def test_one_page_is_read_from_its_version(
        self, textract: tuple[Textract, Stubber], source: SourceDocument
    ) -> None:
        engine, stub = textract
        s3_object = {"Bucket": BUCKET, "Name": "raw/a.pdf", "Version": "v1"}
        answer = {"DocumentMetadata": {"Pages": 1}, "ExpenseDocuments": [{"ExpenseIndex": 1}]}
        stub.add_response("analyze_expense", answer, {"Document": {"S3Object": s3_object}})
        assert engine.analyze(source) == answer

    @pytest.mark.parametrize(
        ("code", "ours"),
        [
            ("BadDocumentException", "corrupt_file"),
            ("UnsupportedDocumentException", "unsupported_type"),
            ("DocumentTooLargeException", "too_large"),
        ],
    )
    def test_an_unreadable_document_is_refused(
        self, textract: tuple[Textract, Stubber], source: SourceDocument, code: str, ours: str
    ) -> None:
        engine, stub = textract
        stub.add_client_error("analyze_expense", code, "bad")
        with pytest.raises(RejectedInput) as refused:
            engine.analyze(source)
        assert refused.value.code == ours
        assert refused.value.remedy
        stub.add_client_error("start_expense_analysis", code, "bad")
        with pytest.raises(RejectedInput):
            engine.start(source, "abc", 0)

    def test_throttling_is_transient_and_missing_permissions_are_not(
        self, textract: tuple[Textract, Stubber], source: SourceDocument
    ) -> None:
        engine, stub = textract
        stub.add_client_error("analyze_expense", "AccessDeniedException", "no")
        with pytest.raises(ConfigurationError):
            engine.analyze(source)
        for code in ("LimitExceededException", "ProvisionedThroughputExceededException"):
            for _ in range(5):  # botocore's own tries
                stub.add_client_error(
                    "start_expense_analysis", code, "slow down", http_status_code=400
                )
            with pytest.raises(TransientFailure):
                engine.start(source, "abc", 0)
            stub._queue.clear()

    def test_a_job_is_the_same_for_the_same_version(
        self, textract: tuple[Textract, Stubber], source: SourceDocument
    ) -> None:
        engine, stub = textract
        stub.add_response(
            "start_expense_analysis",
            {"JobId": "job"},
            {
                "DocumentLocation": {
                    "S3Object": {"Bucket": BUCKET, "Name": "raw/a.pdf", "Version": "v1"}
                },
                "ClientRequestToken": f"{source.document_id}-0",
                "JobTag": "abc",
                "NotificationChannel": {
                    "SNSTopicArn": TOPIC,
                    "RoleArn": ROLE,
                },
            },
        )
        assert engine.start(source, "abc", 0) == "job"

    def test_the_pages_of_a_job_are_joined(self, textract: tuple[Textract, Stubber]) -> None:
        engine, stub = textract
        for number, token in ((1, "next"), (2, None)):
            stub.add_response(
                "get_expense_analysis",
                {
                    "JobStatus": "SUCCEEDED",
                    "DocumentMetadata": {"Pages": 2},
                    "ExpenseDocuments": [{"ExpenseIndex": number}],
                    **({"NextToken": token} if token else {}),
                },
            )
        found = engine.collect("job")
        assert found == {
            "DocumentMetadata": {"Pages": 2},
            "ExpenseDocuments": [{"ExpenseIndex": 1}, {"ExpenseIndex": 2}],
        }

    @pytest.mark.parametrize(
        ("status", "said", "error"),
        [
            ("FAILED", "INVALID_IMAGE_TYPE", RejectedInput),
            ("FAILED", "INTERNAL_SERVER_ERROR", EngineFailure),
            ("FAILED", "Throttled", TransientFailure),
        ],
    )
    def test_a_failed_job_is_refused_or_transient(
        self, textract: tuple[Textract, Stubber], status: str, said: str, error: type[Exception]
    ) -> None:
        engine, stub = textract
        stub.add_response("get_expense_analysis", {"JobStatus": status, "StatusMessage": said})
        with pytest.raises(error, match=said):
            engine.collect("job")

    def test_a_running_job_has_no_response(self, textract: tuple[Textract, Stubber]) -> None:
        engine, stub = textract
        stub.add_response("get_expense_analysis", {"JobStatus": "IN_PROGRESS"})
        assert engine.collect("job") is None


class TestWorkflow:
    @pytest.fixture
    def workflow(self) -> Iterator[tuple[StepFunctionsWorkflow, Stubber]]:
        client = boto3.client("stepfunctions")
        with Stubber(client) as stub:
            yield StepFunctionsWorkflow(client, WORKFLOW), stub
            stub.assert_no_pending_responses()

    def test_an_execution_is_started_once(
        self, workflow: tuple[StepFunctionsWorkflow, Stubber]
    ) -> None:
        states, stub = workflow
        asked = {"stateMachineArn": WORKFLOW, "name": "abc", "input": '{"invoice_id": "abc"}'}
        stub.add_response(
            "start_execution", {"executionArn": "arn", "startDate": "2026-01-01T00:00:00Z"}, asked
        )
        stub.add_client_error("start_execution", "ExecutionAlreadyExists", expected_params=asked)
        for _ in range(2):
            states.start("abc", {"invoice_id": "abc"})

    @pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist"])
    def test_an_expired_task_token_is_not_a_failure(
        self, workflow: tuple[StepFunctionsWorkflow, Stubber], code: str
    ) -> None:
        states, stub = workflow
        stub.add_response("send_task_success", {})
        stub.add_client_error("send_task_success", code)
        assert states.resume("token", {"outcome": "APPROVED"})
        assert not states.resume("token", {"outcome": "APPROVED"})

    def test_an_execution_that_cannot_be_redriven_is_refused(
        self, workflow: tuple[StepFunctionsWorkflow, Stubber]
    ) -> None:
        states, stub = workflow
        arn = WORKFLOW.replace("stateMachine", "execution") + ":abc"
        stub.add_response(
            "redrive_execution", {"redriveDate": "2026-01-01T00:00:00Z"}, {"executionArn": arn}
        )
        stub.add_client_error("redrive_execution", "ExecutionNotRedrivable", "it runs")
        states.redrive("abc")
        with pytest.raises(RejectedInput) as refused:
            states.redrive("abc")
        assert refused.value.code == "not_redrivable"


class TestAnnouncements:
    TOPICS = Topics(success="arn:s", failure="arn:f", review="arn:r")

    @pytest.mark.parametrize(
        ("event", "topic"),
        [
            ("PROCESSED", "arn:s"),
            ("NEEDS_REVIEW", "arn:r"),
            ("REVIEW_ESCALATED", "arn:r"),
            ("DUPLICATE", "arn:f"),
            ("REJECTED", "arn:f"),
            ("VALIDATION_FAILED", "arn:f"),
            ("PROCESSING_FAILED", "arn:f"),
        ],
    )
    def test_each_event_has_its_topic(self, event: str, topic: str) -> None:
        assert self.TOPICS.of(event) == topic

    def test_subscribers_get_data_and_emails_get_text(self) -> None:
        sent: list[dict[str, Any]] = []

        class Sns:
            def publish(self, **request: Any) -> None:
                sent.append(request)

        one = replace(checked(), status=PROCESSED, serial_number="INV-2026-000001")
        SnsNotifications(Sns(), self.TOPICS).send(one, "PROCESSED")
        (request,) = sent
        assert request["TopicArn"] == "arn:s"
        assert len(request["Subject"]) <= 100
        bodies = json.loads(request["Message"])
        assert json.loads(bodies["default"])["id"] == one.id
        assert "Acme GmbH" in bodies["email"]
        assert request["MessageAttributes"]["status"]["StringValue"] == "PROCESSED"

    def test_customers_get_an_email_only_about_processed_invoices(self) -> None:
        sent: list[dict[str, Any]] = []

        class Mail:
            def send_email(self, **request: Any) -> None:
                sent.append(request)

        mail_channel = SesCustomerMail(Mail(), "us@example.com", {"C-7": ["bill@example.com"]})
        addressed = replace(checked(customer="C-7"), status=PROCESSED)
        mail_channel.send(addressed, "DUPLICATE")
        mail_channel.send(checked(), "PROCESSED")
        assert sent == []
        mail_channel.send(addressed, "PROCESSED")
        (mail,) = sent
        assert mail["FromEmailAddress"] == "us@example.com"
        assert mail["Destination"] == {"ToAddresses": ["bill@example.com"]}

    @pytest.mark.parametrize(
        ("code", "status", "fails"),
        [
            ("MessageRejected", 400, False),
            ("AccessDeniedException", 403, False),
            ("MailFromDomainNotVerifiedException", 400, False),
            ("TooManyRequestsException", 429, True),
            ("InternalServiceErrorException", 500, True),
        ],
    )
    def test_a_mail_that_is_refused_fails_no_invoice(
        self, code: str, status: int, *, fails: bool
    ) -> None:
        client = boto3.client("sesv2")
        addressed = replace(checked(customer="C-7"), status=PROCESSED)
        with Stubber(client) as stub:
            stub.add_client_error("send_email", code, "no", http_status_code=status)
            channel = SesCustomerMail(client, "us@example.com", {"C-7": ["bill@example.com"]})
            if fails:
                with pytest.raises(TransientFailure):
                    channel.send(addressed, "PROCESSED")
            else:
                assert channel.send(addressed, "PROCESSED") is False
        refused = metrics.metric_set.pop("CustomerMailsRefused", {"Value": []})["Value"]
        assert refused == ([] if fails else [1.0])
