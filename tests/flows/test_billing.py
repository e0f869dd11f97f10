"""Billing files from the bucket to the database: complete, exact, once."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from finops.billing.domain import FileStatus
from finops.billing.schemas import BILLING, FOCUS
from localcloud.endpoints import MANAGEMENT_ACCOUNT
from tests.flows.billing import HEADER, BillingFlow, as_csv, bill, many_bills
from tests.flows.conftest import LARGE_FILE_BYTES
from tests.flows.deployment import eventually
from tests.flows.privileges import without

pytestmark = [pytest.mark.flow]

Finops = Callable[..., tuple[int, Any]]


@pytest.fixture
def dataset(request: pytest.FixtureRequest) -> str:
    """A dataset of the test's own."""
    return "".join(one if one.isalnum() else "-" for one in request.node.name)[:100]


def test_a_file_lands_with_every_row_loaded_or_quarantined(
    billing: BillingFlow, dataset: str
) -> None:
    rows = [
        bill("a", currency="EUR", bill_amount="10.50", item="Crème, brûlée"),
        bill("b", currency="JPY", bill_amount="-300"),
        bill("c", bill_amount="=1+1"),
        bill("d", bill_date="2026-02-30"),
        bill("e", currency="EUR", bill_date="2026-03-20"),
        bill("a", bill_amount="99"),
    ]
    entry = billing.drop(f"billing/{dataset}/march.csv", as_csv(rows))
    assert entry.status is FileStatus.LOADED_WITH_REJECTS
    assert (entry.tally.read, entry.tally.inserted, entry.tally.quarantined) == (6, 2, 4)
    assert entry.amount_usd == Decimal("10.50") * Decimal("1.25") - Decimal(300) * Decimal("0.007")
    stored = billing.rows(dataset)
    assert set(stored) == {"a", "b"}
    assert stored["a"]["item"] == "Crème, brûlée"
    assert Decimal(stored["a"]["amount_usd"]) == Decimal("13.125")
    assert (stored["a"]["rate_date"], Decimal(stored["a"]["rate"])) == (
        "2026-03-04",
        Decimal("1.25"),
    )
    reasons = {row["line"]: row["reason"] for row in billing.quarantined(entry)}
    assert reasons == {
        "4": "invalid_amount",
        "5": "invalid_date",
        "6": "no_rate",
        "7": "duplicate_record_id",
    }
    assert billing.deployment.keeps(entry.source)


def test_a_workbook_lands_like_a_csv_file_of_its_sheet(billing: BillingFlow, dataset: str) -> None:
    written = io.BytesIO()
    with xlsxwriter.Workbook(written) as book:
        sheet, day = book.add_worksheet("March"), book.add_format({"num_format": "dd/mm/yyyy"})
        sheet.write(0, 0, "Bills of March")
        sheet.write_row(2, 0, HEADER)
        for row, amount in ((3, 10.5), (4, "x")):
            one = bill(f"x{row}", currency="EUR")
            sheet.write_row(row, 0, [one[title] for title in HEADER])
            sheet.write_datetime(
                row, HEADER.index("bill_date"), datetime.fromisoformat("2026-03-05"), day
            )
            sheet.write(row, HEADER.index("bill_amount"), amount)
        book.add_worksheet("Notes").write(0, 0, "see March")
    entry = billing.drop(f"billing/{dataset}/march.xlsx", written.getvalue())
    assert (entry.status, entry.tally.inserted) == (FileStatus.LOADED_WITH_REJECTS, 1)
    assert entry.tally.notes == {"lines_above_header": 2, "other_sheets": 1}
    stored = billing.rows(dataset)["x3"]
    assert (stored["bill_date"], Decimal(stored["bill_amount"])) == ("2026-03-05", Decimal("10.5"))
    assert {(row["line"], row["reason"]) for row in billing.quarantined(entry)} == {
        ("5", "invalid_amount"),
        ("1", "other_sheets"),
    }


def test_charges_land_from_parquet_and_a_newer_file_replaces_them(
    billing: BillingFlow, dataset: str
) -> None:
    def charges(*costs: str) -> bytes:
        texts = {"BillingCurrency": "EUR", "BillingAccountId": dataset, "ServiceName": "EC2"}
        texts |= {"ChargeCategory": "Usage", "ServiceProviderName": "AWS"}
        times = {"BillingPeriodStart": 1, "ChargePeriodStart": 5, "ChargePeriodEnd": 6}
        columns: dict[str, Any] = {
            name: pa.array([*map(Decimal, costs)], pa.decimal128(38, 18))
            for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
        }
        columns |= {name: [text] * len(costs) for name, text in texts.items()}
        columns |= {
            name: [datetime(2026, 3, day, tzinfo=UTC)] * len(costs) for name, day in times.items()
        }
        columns["BillingPeriodEnd"] = [datetime(2026, 4, 1, tzinfo=UTC)] * len(costs)
        columns["Tags"] = pa.array(
            [[("team", "a")]] * len(costs), pa.map_(pa.string(), pa.string())
        )
        file = io.BytesIO()
        pq.write_table(pa.table(columns), file)
        return file.getvalue()

    key = f"billing/{dataset}/costs-00001.snappy.parquet"
    first = billing.drop(key, charges("0.000000000000000001", "2"))
    assert (first.status, first.tally.inserted) == (FileStatus.LOADED, 2)
    select = "SELECT * FROM focus WHERE dataset = :dataset"
    found = billing.query(select, dataset=dataset)
    assert {Decimal(one["billed_cost"]) for one in found} == {Decimal("1e-18"), Decimal(2)}
    assert {(one["provider_name"], json.loads(one["tags"])["team"]) for one in found} == {
        ("AWS", "a")
    }
    billing.drop(key, charges("3"))
    found = billing.query(select, dataset=dataset)
    assert [Decimal(one["billed_cost"]) for one in found] == [3]
    again = billing.drop(f"billing/{dataset}/again.parquet", charges("4"))
    assert (again.status, again.error_code) == (FileStatus.REJECTED, "period_is_loaded")


def test_the_same_file_changes_nothing_and_a_corrected_file_only_what_differs(
    billing: BillingFlow, dataset: str
) -> None:
    key = f"billing/{dataset}/bills.csv"
    rows = [bill(number) for number in range(10)]
    first = billing.drop(key, as_csv(rows))
    before = billing.rows(dataset)
    again = billing.drop(key, as_csv(rows))
    assert (again.status, again.tally.unchanged) == (FileStatus.LOADED, 10)
    assert again.amount_usd == first.amount_usd == Decimal(105)
    rows[3]["bill_amount"], rows[4]["city"] = "-1", "berlin"
    corrected = billing.drop(key, as_csv([*rows, bill(10)]))
    tally = corrected.tally
    assert (tally.inserted, tally.updated, tally.unchanged) == (1, 2, 8)
    assert corrected.amount_usd == Decimal("104")
    after = billing.rows(dataset)
    kept = [id_ for id_ in before if id_ not in ("3", "4")]
    # Which file held the row last, and how new that is.
    ignored: dict[str, Any] = {"seen_load_id": 0, "version_order": ""}
    assert [before[one] | ignored for one in kept] == [after[one] | ignored for one in kept]
    assert {after[one]["load_id"] for one in ("3", "4", "10")} == {corrected.load_id}


def test_content_under_another_key_counts_once(
    billing: BillingFlow, dataset: str, finops: Finops
) -> None:
    body = as_csv([bill(number, item=dataset) for number in range(5)])
    billing.drop(f"billing/{dataset}/one.csv", body)
    same_dataset = billing.drop(f"billing/{dataset}/two.csv", body)
    assert (same_dataset.status, same_dataset.tally.unchanged) == (FileStatus.LOADED, 5)
    other_dataset = billing.drop(f"billing/{dataset}-other/one.csv", body)
    assert (other_dataset.status, other_dataset.error_code) == (
        FileStatus.REJECTED,
        "duplicate_content",
    )
    assert f"billing/{dataset}/one.csv" in other_dataset.error
    other_bytes = as_csv([bill(number, item=dataset) for number in range(7)], lineterminator="\n")
    some = billing.drop(f"billing/{dataset}-other/more.csv", gzip.compress(other_bytes))
    assert (some.status, some.error_code) == (FileStatus.REJECTED, "bills_are_loaded")
    assert billing.rows(f"{dataset}-other") == {}
    # Other bills that look the same, as a person says.
    part = ("--part-of", f"billing/{dataset}/one.csv", "--wait")
    code, answer = finops("billing", "retry", str(some.load_id), *part)
    assert (code, answer["files"][0]["rows_inserted"]) == (0, 7)


def test_files_in_any_order_leave_the_newest_rows(billing: BillingFlow, dataset: str) -> None:
    with billing.by_hand():
        versions = [
            billing.put(
                f"billing/{dataset}/bills.csv",
                as_csv([bill("there and back", bill_amount=amount), bill(f"only-{day}")]),
            )
            for day, amount in ((1, "1"), (2, "2"), (3, "1"))
        ]
        # The third leaves the row as it is, and is newer than the second all the same.
        for day in (1, 3, 2):
            assert billing.deliver(versions[day - 1], f"2026-04-0{day}T00:00:00.000Z")
    rows = billing.rows(dataset)
    assert Decimal(rows["there and back"]["bill_amount"]) == 1
    assert set(rows) == {"there and back", "only-1", "only-2", "only-3"}
    late = billing.ended(versions[1])
    assert (late.tally.inserted, late.tally.unchanged, late.tally.superseded) == (1, 1, 1)


def test_one_event_three_times_at_once_is_one_load(billing: BillingFlow, dataset: str) -> None:
    with billing.by_hand():
        source = billing.put(f"billing/{dataset}/bills.csv", as_csv(many_bills(2000)))
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(billing.deliver, [source] * 3))
        assert any(answers)
        # The queue delivers the message again.
        assert billing.deliver(source)
    files = billing.query("SELECT * FROM billing_files WHERE dataset = :dataset", dataset=dataset)
    assert [(one["status"], one["rows_read"]) for one in files] == [("LOADED_WITH_REJECTS", 2000)]
    assert files[0]["rows_inserted"] + files[0]["rows_quarantined"] == 2000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_file"),
        (b'"\n' + as_csv([bill(1)]), "stray_quote"),
        (as_csv([bill(1)]).partition(b"\n")[2], "no_header"),
        (b"PK\x03\x04" + bytes(100), "spreadsheet"),
        (as_csv([bill(1)]).replace(b",bill_amount", b""), "missing_columns"),
        (gzip.compress(as_csv([bill(one) for one in range(99)]))[:-20], "corrupt_gzip"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_file_that_cannot_be_read_is_rejected_as_a_whole(
    billing: BillingFlow, dataset: str, body: bytes, code: str
) -> None:
    entry = billing.drop(f"billing/{dataset}/bad.csv", body)
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, code)
    assert entry.error.rstrip().count(".") >= 1
    assert billing.rows(dataset) == {}


def test_an_object_that_no_longer_exists_is_rejected(billing: BillingFlow, dataset: str) -> None:
    with billing.by_hand():
        source = billing.put(f"billing/{dataset}/gone.csv", as_csv([bill(1)]))
        billing.deployment.client("s3").delete_object(
            Bucket=source.bucket, Key=source.key, VersionId=source.version_id
        )
        assert billing.deliver(source)
    assert billing.ended(source).error_code == "object_is_gone"


def totals(billing: BillingFlow, dataset: str) -> list[dict[str, Any]]:
    return billing.query(
        "SELECT month, currency, COUNT(*) AS bills, SUM(bill_amount) AS amount,"
        " SUM(amount_usd) AS usd, SUM(CRC32(CONCAT_WS('|', record_id, company_name, item))) AS crc"
        " FROM billing WHERE dataset = :dataset GROUP BY month, currency ORDER BY month, currency",
        dataset=dataset,
    )


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_a_large_file_loads_alike_in_parts_and_in_one_piece(
    billing: BillingFlow, dataset: str, finops: Finops, compressed: bool
) -> None:
    body = as_csv(many_bills(25_000 if compressed else 6_000))
    whole = body + b"\n"
    if compressed:
        body, whole = gzip.compress(body, 1), gzip.compress(whole, 1)
    assert len(body) > LARGE_FILE_BYTES
    entry = billing.drop(f"billing/{dataset}/large.csv", body)
    assert entry.status is FileStatus.LOADED_WITH_REJECTS, entry.error
    assert entry.execution == 1
    parts = billing.query(
        "SELECT COUNT(*) AS parts FROM billing_chunks WHERE load_id = :load_id",
        load_id=entry.load_id,
    )
    assert parts[0]["parts"] > 3
    in_parts = totals(billing, dataset)
    # The same bills in two datasets would count twice.
    assert finops("billing", "withdraw", str(entry.load_id), "--reason", "a trial")[0] == 0
    with billing.by_hand():
        source = billing.put(f"billing/{dataset}-whole/large.csv", whole)
        # The loader decides by the size in the event.
        small = json.loads(json.dumps(billing.event(source, "2026-04-01T00:00:00.000Z")))
        message = json.loads(small["Records"][0]["body"])
        message["Records"][0]["s3"]["object"]["size"] = 1
        small["Records"][0]["body"] = json.dumps(message)
        assert billing.deployment.invoke("finops-load-billing-file", small) == {
            "batchItemFailures": []
        }
    one_piece = billing.ended(source)
    assert one_piece.execution == 0
    assert (entry.tally, entry.amounts, entry.amount_usd) == (
        one_piece.tally,
        one_piece.amounts,
        one_piece.amount_usd,
    )
    assert in_parts == totals(billing, f"{dataset}-whole") != []


def test_a_dataset_with_a_format_of_its_own_is_loaded_without_an_apply(
    billing: BillingFlow, dataset: str, finops: Finops
) -> None:
    mapping = {"record_id": "Nr", "bill_date": "Datum", "bill_amount": "Betrag"}
    columns = [f"--column={name}={header}" for name, header in mapping.items()]
    further = ("--default=currency=USD", "--date-format=%d.%m.%Y", "--decimal-comma", "--extra=KST")
    code, written = finops("billing", "format", dataset, *columns, *further)
    assert (code, written["source"]) == (0, f"billing/{dataset}/_format.json")
    header = "Nr;Datum;Betrag;KST\n"
    lines = [f"{number};05.03.2026;{number},50;K{number}\n" for number in range(1, 4)]
    entry = billing.drop(f"billing/{dataset}/a.csv", (header + "".join(lines)).encode())
    assert (entry.status, entry.amount_usd) == (FileStatus.LOADED, Decimal("7.5"))
    assert json.loads(billing.rows(dataset)["2"]["extra"]) == {"KST": "K2"}
    padding = "".join(f"{n};05.03.2026;1,00;{'K' * 900}\n" for n in range(LARGE_FILE_BYTES // 900))
    large = billing.drop(f"billing/{dataset}-large/a.csv", (header + padding).encode())
    assert (large.status, large.error_code) == (FileStatus.REJECTED, "no_header")
    _, shown = finops("billing", "format", dataset)
    assert shown["loads"] == [
        {"source": written["source"], "version": written["version"], "files": 1}
    ]
    finops("billing", "format", dataset, "--column=record_id=", "--id-from=Nr", "--id-from=Datum")
    other = billing.drop(f"billing/{dataset}/large.csv", (header + padding).encode())
    assert (other.status, other.error_code) == (FileStatus.REJECTED, "other_ids")
    billing.put(f"billing/{dataset}/_format.json", b"{")
    broken = billing.drop(f"billing/{dataset}/b.csv", (header + "".join(lines)).encode())
    assert (broken.status, broken.error_code) == (FileStatus.REJECTED, "invalid_dataset_format")
    assert set(billing.rows(dataset)) == {"1", "2", "3"}


def test_a_part_that_fails_loses_and_doubles_nothing_and_a_retry_loads_it(
    billing: BillingFlow, dataset: str, finops: Finops
) -> None:
    rows = many_bills(6000, seed=5)
    for number, row in enumerate(rows):
        # Bad rows in the last part only, which then cannot write its quarantine.
        row["bill_date"] = "2026-03-05" if number < 5990 else "never"
    with without(
        billing.deployment, MANAGEMENT_ACCOUNT, "finops-load-billing-chunk", "QuarantineRows"
    ):
        entry = billing.drop(f"billing/{dataset}/large.csv", as_csv(rows))
    assert entry.status is FileStatus.FAILED
    assert entry.error_code == "ChunksMissing"
    assert "1 of " in entry.error
    loaded = billing.query(
        "SELECT COUNT(*) AS counted FROM billing_rows WHERE dataset = :dataset", dataset=dataset
    )
    assert 0 < loaded[0]["counted"] < 5990
    assert totals(billing, dataset) == []
    code, answer = finops("billing", "retry", str(entry.load_id), "--wait", "--timeout", "60")
    assert (code, answer["files"][0]["status"]) == (1, "LOADED_WITH_REJECTS")
    assert answer["files"][0]["rows_inserted"] == 5990
    assert answer["files"][0]["rows_quarantined"] == 10
    assert sum(one["bills"] for one in totals(billing, dataset)) == 5990
    _, quarantine = finops("billing", "quarantine", str(entry.load_id))
    assert {row["reason"] for row in quarantine["rows"]} == {"invalid_date"}
    assert len(quarantine["rows"]) == 10


def focus(cost: str, account: str, count: int = 3) -> bytes:
    header = (
        "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingPeriodStart,"
        "BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,BillingAccountId,ServiceName,"
        "ChargeCategory,Tags,x_Own"
    )
    line = (
        f"{cost},{cost},1E-7,{cost},EUR,2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,"
        f"2026-03-05T00:00:00Z,2026-03-06T00:00:00Z,{account},AmazonS3,Usage,"
        '"{""team"": ""a""}",x'
    )
    return "\n".join([header, *[line] * count]).encode()


def test_a_focus_file_replaces_the_earlier_version_of_itself(
    billing: BillingFlow, dataset: str
) -> None:
    with billing.by_hand():
        old, new, older = (
            billing.put(f"billing/{dataset}/focus.csv", focus(cost, dataset))
            for cost in ("0.000000000123", "2", "7")
        )
        assert billing.deliver(old, "2026-04-02T00:00:00.000Z")
        first = billing.query("SELECT * FROM focus WHERE dataset = :dataset", dataset=dataset)
        assert [Decimal(one["billed_cost"]) for one in first] == [Decimal("1.23E-10")] * 3
        assert Decimal(first[0]["billed_cost_usd"]) == Decimal("1.5375E-10")
        assert json.loads(first[0]["tags"]) == {"team": "a"}
        assert billing.deliver(new, "2026-04-03T00:00:00.000Z")
        assert billing.deliver(older, "2026-04-01T00:00:00.000Z")
    found = billing.query("SELECT * FROM focus WHERE dataset = :dataset", dataset=dataset)
    assert [Decimal(one["billed_cost"]) for one in found] == [Decimal(2)] * 3
    assert [billing.ended(one).status for one in (old, new, older)] == [
        FileStatus.SUPERSEDED,
        FileStatus.LOADED,
        FileStatus.SUPERSEDED,
    ]
    table = billing.query(
        "SELECT COUNT(*) AS counted FROM focus_charges WHERE dataset = :dataset", dataset=dataset
    )
    assert table[0]["counted"] == 3


RUN = "billing/{}/export/2026-04-0{}T00:00:00Z-75a4bf36-d86c-43d9-a9ea-c53ee9ba1d8{}/e-0000{}.csv"


RUN_FOLDERS = {
    run: f"2026-04-0{run}T00:00:00Z-75a4bf36-d86c-43d9-a9ea-c53ee9ba1d8{run}" for run in (1, 2)
}


def test_each_month_of_an_account_counts_once_wherever_its_files_lie(
    billing: BillingFlow, dataset: str, finops: Finops
) -> None:
    """Runs that are cut in different ways; another dataset; restated, a further part, withdrawn."""
    one, two = f"{dataset}-1", f"{dataset}-2"

    def costs() -> dict[str, Decimal]:
        found = billing.query(
            "SELECT billing_account_id AS account, SUM(billed_cost) AS cost FROM focus"
            " WHERE billing_account_id LIKE :accounts GROUP BY billing_account_id",
            accounts=f"{dataset}-%",
        )
        return {row["account"][-1]: Decimal(row["cost"]) for row in found}

    both = focus("1", one) + b"\n" + focus("2", two).partition(b"\n")[2]
    first = billing.drop(RUN.format(dataset, 1, 1, 1), both)
    assert first.status is FileStatus.LOADED
    newer = billing.drop(RUN.format(dataset, 2, 2, 1), focus("10", one))
    assert costs() == {"1": 30, "2": 6}
    left = billing.store.find(first.load_id)
    assert (left.status, left.tally.notes) == (FileStatus.LOADED, {"charges_replaced": 3})
    assert left.amount_usd == Decimal("7.5")
    billing.drop(RUN.format(dataset, 2, 2, 2), focus("20", two))
    assert costs() == {"1": 30, "2": 60}
    assert billing.store.find(first.load_id).error_code == "replaced"
    # Another dataset is another place, not another month.
    other = billing.drop(f"billing/{dataset}-other/march.csv", focus("7", one))
    assert (other.status, other.error_code) == (FileStatus.REJECTED, "period_is_loaded")
    code, answer = finops("billing", "retry", str(other.load_id), "--replace", "--wait")
    assert (code, answer["files"][0]["status"]) == (0, "LOADED")
    assert costs() == {"1": 21, "2": 60}
    more = billing.drop(f"billing/{dataset}/more.csv", focus("3", one))
    part = ("--part-of", str(other.load_id), "--wait")
    assert finops("billing", "retry", str(more.load_id), *part)[0] == 0
    assert costs() == {"1": 30, "2": 60}
    for load in (more, other):
        code, answer = finops("billing", "withdraw", str(load.load_id), "--reason", "a trial")
        assert code == 0
    assert costs() == {"2": 60}
    assert [one["load_id"] for one in answer["files"][0]["replaced"]] == [newer.load_id]
    assert finops("billing", "retry", str(newer.load_id), "--wait")[0] == 0
    assert costs() == {"1": 30, "2": 60}


def test_a_newer_run_with_a_manifest_counts_at_once_when_it_is_whole(
    billing: BillingFlow, dataset: str
) -> None:
    root = f"billing/{dataset}/costs"

    def drop(run: int, part: int, cost: str) -> FileStatus:
        key = f"{root}/data/BILLING_PERIOD=2026-03/{RUN_FOLDERS[run]}/costs-0000{part}.csv"
        return billing.drop(key, focus(cost, dataset)).status

    def manifest(run: int) -> None:
        folder = f"BILLING_PERIOD=2026-03/{RUN_FOLDERS[run]}"
        files = [f"s3://exports/p/costs/data/{folder}/costs-0000{part}.csv" for part in (1, 2)]
        text = json.dumps({"executionId": RUN_FOLDERS[run][-36:], "dataFiles": files})
        billing.put(f"{root}/metadata/{folder}/costs-Manifest.json", text.encode())

    def cost() -> Decimal:
        found = billing.query(
            "SELECT SUM(billed_cost) AS cost FROM focus WHERE billing_account_id = :account",
            account=dataset,
        )
        return Decimal(found[0]["cost"])

    def kept() -> bool:
        found = billing.query("SELECT folder FROM billing_manifests")
        return any(RUN_FOLDERS[1] in row["folder"] and dataset in row["folder"] for row in found)

    assert [drop(1, 1, "1"), drop(1, 2, "2")] == [FileStatus.LOADED] * 2
    manifest(1)
    eventually(kept, what="the first manifest")
    assert drop(2, 1, "10") is FileStatus.WAITING
    assert drop(2, 2, "20") is FileStatus.WAITING
    assert cost() == 9
    manifest(2)
    eventually(lambda: cost() == 90, what="the second run")


def test_a_large_file_that_was_refused_is_loaded_again(
    billing: BillingFlow, dataset: str, finops: Finops
) -> None:
    billing.drop(f"billing/{dataset}/march.csv", focus("1", dataset))
    count = LARGE_FILE_BYTES // 100
    large = billing.drop(f"billing/{dataset}/restated.csv", focus("2", dataset, count))
    assert large.error_code == "period_is_loaded"
    code, answer = finops("billing", "retry", str(large.load_id), "--replace", "--wait")
    assert (code, answer["files"][0]["rows_inserted"]) == (0, count)
    found = billing.query(
        "SELECT SUM(billed_cost) AS cost FROM focus WHERE dataset = :dataset", dataset=dataset
    )
    assert Decimal(found[0]["cost"]) == 2 * count


def test_rates_change_loaded_rows_on_request_only(
    billing: BillingFlow, dataset: str, finops: Finops, tmp_path: Path
) -> None:
    rates = tmp_path / "rates.csv"
    rates.write_text("currency,rate_date,usd_per_unit\nCHF,2026-03-05,1.1\n")
    assert finops("fx", "load", str(rates), "--wait")[0] == 0
    file = tmp_path / "bills.csv"
    file.write_bytes(as_csv([bill(1, currency="CHF", bill_amount="100"), bill(2)]))
    code, answer = finops("billing", "load", str(file), "--dataset", dataset, "--wait")
    assert (code, answer["files"][0]["amount_usd"]) == (0, "120.500000")
    rates.write_text("currency,rate_date,usd_per_unit\nCHF,2026-03-05,1.2\n")
    assert finops("fx", "load", str(rates), "--wait")[1]["files"][0]["rows_updated"] == 1
    assert finops("fx", "rate", "chf", "2026-03-07")[1] == {
        "currency": "CHF",
        "rate": "1.2",
        "rate_date": "2026-03-05",
        "source": "csv",
    }
    assert Decimal(billing.rows(dataset)["1"]["amount_usd"]) == 110
    arguments = ("--dataset", dataset, "--from", "2026-03-01", "--to", "2026-03-31")
    code, changed = finops("billing", "reconvert", *arguments, "--reason", "wrong rate")
    assert code == 0
    assert (changed["rows_changed"], Decimal(changed["usd_after"])) == (1, Decimal(120))
    assert Decimal(billing.rows(dataset)["1"]["amount_usd"]) == 120
    (audit,) = billing.query(
        "SELECT * FROM billing_reconversions WHERE dataset = :dataset", dataset=dataset
    )
    assert (audit["reason"], audit["rows_changed"]) == ("wrong rate", 1)
    assert audit["requested_by"]


def test_the_command_line_reports_each_file(
    billing: BillingFlow, dataset: str, finops: Finops, tmp_path: Path
) -> None:
    good, bad, refused = (tmp_path / f"{dataset}-{one}.csv" for one in ("good", "bad", "refused"))
    good.write_bytes(as_csv([bill(1)], delimiter=";"))
    bad.write_bytes(as_csv([bill(3), bill(2, bill_amount="much")]))
    refused.write_bytes(b"")
    code, answer = finops("billing", "load", str(good), str(bad), str(refused), "--wait")
    assert code == 1
    assert [one["status"] for one in answer["files"]] == [
        "LOADED",
        "LOADED_WITH_REJECTS",
        "REJECTED",
    ]
    code, quarantine = finops("billing", "quarantine", bad.name)
    assert code == 0
    (row,) = quarantine["rows"]
    assert {key: row[key] for key in ("line", "reason", "field", "value")} == {
        "line": 3,
        "reason": "invalid_amount",
        "field": "bill_amount",
        "value": "much",
    }
    assert row["raw"].startswith("2,Acme")
    code, listed = finops("billing", "files", "--status", "rejected")
    assert refused.name in [Path(one["file"]).name for one in listed["files"]]
    code, status = finops("status")
    assert "billing" in [one["name"] for one in status["status"]]


def test_an_invalid_message_is_retried_and_affects_no_other(
    billing: BillingFlow, dataset: str
) -> None:
    good = billing.event(
        billing.put(f"billing/{dataset}/good.csv", as_csv([bill(1)])), "2026-04-01T00:00:00.000Z"
    )["Records"][0]
    poison = good | {"messageId": "poison", "body": "no JSON"}
    answer = billing.deployment.invoke("finops-load-billing-file", {"Records": [poison, good]})
    assert {"itemIdentifier": "poison"} in answer["batchItemFailures"]
    eventually(lambda: "1" in billing.rows(dataset), what="the good file")


def test_the_tables_have_the_columns_that_are_declared(billing: BillingFlow) -> None:
    for schema in (BILLING, FOCUS):
        found = billing.query(
            "SELECT LOWER(column_name) AS name FROM information_schema.columns"
            " WHERE table_name = :table_name AND table_schema = DATABASE()",
            table_name=schema.table,
        )
        names = {row["name"] for row in found}
        assert {column.name for column in schema.columns} <= names
        assert {usd for _, usd in schema.usd} <= names
    assert tuple(column.name for column in BILLING.columns if column.in_file) == HEADER


def test_the_balance_check_reads_the_lines_of_its_part(billing: BillingFlow, dataset: str) -> None:
    """A statement may take 45 s, so it must not read the whole load for each part.

    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html
    """
    entry = billing.drop(f"billing/{dataset}/a.csv", as_csv([bill(one) for one in range(400)]))
    with billing.store.transaction() as transaction:

        def rows_read() -> int:
            found = transaction._execute("SHOW SESSION STATUS LIKE 'Handler_read_next'").rows
            return int(found[0]["Value"])

        before = rows_read()
        assert transaction.stored(entry, BILLING, 2, 12).rows == 10
        assert rows_read() - before <= 10


def test_migrations_are_safe_to_run_again(billing: BillingFlow) -> None:
    before = billing.logins()
    assert billing.deployment.invoke("finops-migrate-billing-database", {})["applied"] == []
    assert billing.logins() == before
