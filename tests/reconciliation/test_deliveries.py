"""Which files of an export count: its newest whole delivery, by the manifests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from finops.reconciliation.adapters import exports
from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.deliveries import CountedFiles, FoundFile, counted_files
from finops.reconciliation.ports import ChargeQuery, Detail
from finops.shared.errors import RejectedInput
from finops.shared.money import total
from finops.shared.periods import Month
from tests.reconciliation.export_files import Row, focus, write
from tests.reconciliation.fakes import OCTOBER
from tests.reconciliation.test_exports import cur

AWS = "x/data/BILLING_PERIOD=2026-10"
FIRST, SECOND = "2026-10-05T00:00:00Z-exec1", "2026-10-06T00:00:00Z-exec2"
METADATA = "x/metadata/BILLING_PERIOD=2026-10"
AZURE = "focus/20261001-20261031"
RUNS = ("11111111-1111-1111-1111-111111111111", "00000000-0000-0000-0000-000000000000")


def aws(*files: str) -> bytes:
    """https://docs.aws.amazon.com/cur/latest/userguide/dataexports-manifest.html."""
    return json.dumps(
        {"executionId": "1", "dataFiles": [f"s3://b/p/{one}" for one in files]}
    ).encode()


def azure(day: int, *files: str) -> bytes:
    """Of a daily export of the month so far."""
    return json.dumps(
        {
            "manifestVersion": "2024-04-01",
            "blobCount": len(files),
            "exportConfig": {"exportName": "focus", "type": "FocusCost"},
            "runInfo": {
                "submittedTime": f"2026-10-{day:02}T02:00:00.1234567Z",
                "startDate": "2026-10-01T00:00:00",
                "endDate": f"2026-10-{day:02}T00:00:00",
            },
            "blobs": [{"blobName": f"costs/{one}", "dataRowCount": 1} for one in files],
        }
    ).encode()


def legacy(assembly: str) -> bytes:
    return json.dumps(
        {"assemblyId": assembly, "reportKeys": [f"r/20261001-20261101/{assembly}/r-1.csv.gz"]}
    ).encode()


def counted(
    files: list[str],
    manifests: dict[str, bytes] | None = None,
    needed: Sequence[Month] | None = None,
) -> CountedFiles:
    manifests = manifests or {}
    found = [FoundFile(one, 0.0, 100) for one in (*files, *manifests)]
    return counted_files(found, manifests, needed)


DELIVERIES = {
    "aws, one manifest": (
        [f"{AWS}/{FIRST}/e-1.csv.gz", f"{AWS}/{SECOND}/e-1.csv.gz"],
        {f"{METADATA}/e-Manifest.json": aws(f"{AWS}/{SECOND}/e-1.csv.gz")},
        [f"{AWS}/{SECOND}/e-1.csv.gz"],
    ),
    "aws, a manifest each": (
        [f"{AWS}/{FIRST}/e-1.csv.gz", f"{AWS}/{SECOND}/e-1.csv.gz"],
        {
            f"{METADATA}/{one}/e-Manifest.json": aws(f"{AWS}/{one}/e-1.csv.gz")
            for one in (SECOND, FIRST)
        },
        [f"{AWS}/{SECOND}/e-1.csv.gz"],
    ),
    "aws, overwritten by fewer files": (
        [f"{AWS}/e-1.parquet", f"{AWS}/e-2.parquet"],
        {f"{METADATA}/e-Manifest.json": aws(f"{AWS}/e-1.parquet")},
        [f"{AWS}/e-1.parquet"],
    ),
    "azure runs": (
        [f"{AZURE}/{run}/part_0_0001.csv" for run in RUNS],
        {
            f"{AZURE}/{run}/manifest.json": azure(day, f"{AZURE}/{run}/part_0_0001.csv")
            for run, day in zip(RUNS, (20, 21), strict=True)
        },
        [f"{AZURE}/{RUNS[1]}/part_0_0001.csv"],
    ),
    "azure runs without the folder of the period": (
        ["one/part_0_0001.csv", "two/part_0_0001.csv"],
        {
            "one/manifest.json": azure(21, "one/part_0_0001.csv"),
            "two/manifest.json": azure(20, "two/part_0_0001.csv"),
        },
        ["one/part_0_0001.csv"],
    ),
    "legacy cur": (
        ["r/20261001-20261101/a1/r-1.csv.gz", "r/20261001-20261101/b2/r-1.csv.gz"],
        {
            "r/20261001-20261101/a1/r-Manifest.json": legacy("a1"),
            "r/20261001-20261101/b2/r-Manifest.json": legacy("b2"),
            "r/20261001-20261101/r-Manifest.json": legacy("a1"),
        },
        ["r/20261001-20261101/a1/r-1.csv.gz"],
    ),
}


@pytest.mark.parametrize("name", DELIVERIES)
def test_the_newest_delivery_of_a_period_counts_and_the_rest_is_named(name: str) -> None:
    files, manifests, newest = DELIVERIES[name]
    other = "x/data/BILLING_PERIOD=2026-09/e-1.csv.gz"
    found = counted([*files, other], manifests)
    assert sorted(found.files) == sorted([*newest, other])
    [note] = found.notes
    [left_out] = set(files) - set(newest)
    assert f"left out: {left_out}." in note


def payers(
    one: Mapping[str, object], other: Mapping[str, object], folder: str, *names: str
) -> None:
    """Two payers' exports of the same names, each copied with its manifest: both count."""
    files = [f"{payer}/{folder}/{name}" for payer in ("1", "2") for name in names]
    manifests = {
        f"{payer}/{folder}/r-Manifest.json": json.dumps(document).encode()
        for payer, document in (("1", one), ("2", other))
    }
    for manifest in (manifests, dict(reversed(manifests.items()))):
        found = counted(files, manifest)
        assert [*found.files] == files
        assert not found.notes
        assert len({*found.deliveries.values()}) == 2


def test_exports_of_two_payers_with_the_same_names_both_count() -> None:
    month = "focus/data/BILLING_PERIOD=2026-10"
    named = [f"{month}/focus-1.csv.gz", f"{month}/focus-2.csv.gz"]
    one, other = (
        {"executionId": payer, "dataFiles": [f"s3://of-{payer}/{each}" for each in named]}
        for payer in ("1", "2")
    )
    payers(one, other, month, "focus-1.csv.gz", "focus-2.csv.gz")


def test_a_file_that_has_not_arrived_is_missing_though_another_payer_has_one_of_its_name() -> None:
    month = "focus/data/BILLING_PERIOD=2026-10"
    manifests = {
        f"{payer}/focus/metadata/BILLING_PERIOD=2026-10/focus-Manifest.json": json.dumps(
            {"dataFiles": [f"s3://of-{payer}/{month}/focus-{one}.csv.gz" for one in (1, 2)]}
        ).encode()
        for payer in ("1", "2")
    }
    arrived = [
        f"1/{month}/focus-1.csv.gz",
        f"1/{month}/focus-2.csv.gz",
        f"2/{month}/focus-1.csv.gz",
    ]
    with pytest.raises(RejectedInput, match=r"of-2/.*focus-2\.csv\.gz of 2/.* is missing"):
        counted(arrived, manifests)


def test_a_file_beside_its_manifest_is_nearer_than_one_in_more_folders_of_its_names() -> None:
    """Of two payers' exports of the same names one was copied with all folders, one without."""
    folders = [f"{one}/export/20261001-20261101" for one in ("1", "sync/2/finance/cost")]
    files = [f"{one}/r-1.csv.gz" for one in folders]
    manifests = {
        f"{one}/r-Manifest.json": json.dumps(
            {"account": one, "reportKeys": ["finance/cost/export/20261001-20261101/r-1.csv.gz"]}
        ).encode()
        for one in folders
    }
    found = counted(files, manifests)
    assert [*found.files] == files
    assert not found.notes
    assert len({*found.deliveries.values()}) == 2


def test_a_manifest_says_nothing_of_the_folders_below_its_own() -> None:
    manifest = json.dumps({"blobs": [{"blobName": "dir/exp/part_0.csv"}]}).encode()
    files = ["exp/aws/charges.csv", "exp/part_0.csv"]
    found = counted([*files, "exp/part_1.csv"], {"exp/manifest.json": manifest})
    assert [*found.files] == files


def test_manifests_of_other_names_are_of_other_exports() -> None:
    """Two exports into one folder: neither is an older delivery of the other."""
    files = [f"{AWS}/{one}/{name}-1.csv.gz" for one in (FIRST, SECOND) for name in ("e1", "e2")]
    manifests = {
        f"{METADATA}/{one}/{name}-Manifest.json": aws(f"{AWS}/{one}/{name}-1.csv.gz")
        for one in (FIRST, SECOND)
        for name in ("e1", "e2")
    }
    found = counted(files, manifests)
    assert [*found.files] == files[2:]
    assert len({*found.deliveries.values()}) == 2


@pytest.mark.parametrize(
    ("beside", "counts"),
    [
        pytest.param("marketplace.csv.gz", True, id="another file"),
        pytest.param(f"{FIRST}/marketplace-00001.csv.gz", True, id="in a folder of a delivery"),
        pytest.param("e-00002.csv.gz", False, id="another part"),
        pytest.param("E-00002.snappy.parquet", False, id="another part of another form"),
        pytest.param(f"{FIRST}/e-00001.csv.gz", False, id="another delivery"),
    ],
)
def test_what_a_manifest_does_not_name_counts_unless_it_is_of_its_export(
    beside: str, counts: bool
) -> None:
    named, other = f"{AWS}/e-00001.csv.gz", f"{AWS}/{beside}"
    found = counted([named, other], {f"{METADATA}/e-Manifest.json": aws(named)})
    assert [*found.files] == sorted([named, other] if counts else [named])
    [note] = found.notes
    assert note.endswith(f"They count: {other}." if counts else f"are left out: {other}.")
    assert len({found.deliveries[one] for one in found.files}) == len(found.files)


def test_legacy_exports_of_two_accounts_with_the_same_names_both_count() -> None:
    keys = ["r/20261001-20261101/r-1.csv.gz"]
    one, other = (
        {"account": account * 12, "bucket": "costs", "reportName": "r", "reportKeys": keys}
        for account in ("1", "2")
    )
    payers(one, other, "r/20261001-20261101", "r-1.csv.gz")


def test_exports_of_two_subscriptions_with_the_same_names_both_count() -> None:
    one, other = (
        json.loads(azure(5, f"{AZURE}/part_0.csv"))
        | {"exportConfig": {"exportName": "focus", "resourceId": f"/subscriptions/{number}/…"}}
        for number in (1, 2)
    )
    payers(one, other, AZURE, "part_0.csv")


def test_what_programs_leave_beside_an_export_does_not_count() -> None:
    """A copy from a Mac has an AppleDouble file of the same suffix beside each."""
    files = [f"{AWS}/x-1.csv.gz", f"{AWS}/._x-1.csv.gz", "__MACOSX/x/x-1.csv.gz"]
    assert counted(files).files == (f"{AWS}/x-1.csv.gz",)


def test_a_delivery_that_is_not_whole_does_not_count() -> None:
    files = [f"{AWS}/{FIRST}/e-1.csv.gz", f"{AWS}/{SECOND}/e-1.csv.gz"]
    second = aws(f"{AWS}/{SECOND}/e-1.csv.gz", f"{AWS}/{SECOND}/e-2.csv.gz")
    manifests = {f"{METADATA}/{SECOND}/e-Manifest.json": second}
    with pytest.raises(RejectedInput) as refused:
        counted(files, manifests)
    assert refused.value.code == "incomplete_export"
    assert "e-2.csv.gz" in str(refused.value)
    manifests[f"{METADATA}/{FIRST}/e-Manifest.json"] = aws(f"{AWS}/{FIRST}/e-1.csv.gz")
    found = counted(files, manifests)
    assert found.files == (f"{AWS}/{FIRST}/e-1.csv.gz",)
    assert "is not whole" in found.notes[0]


MISSING = {
    "aws": (f"{METADATA}/e-Manifest.json", aws(f"{AWS}/e-1.csv.gz")),
    "aws's name in another export": (f"2/{METADATA}/e-Manifest.json", aws(f"{AWS}/e-1.csv.gz")),
    "legacy, zip": (
        "r/20261001-20261101/r-Manifest.json",
        json.dumps({"reportKeys": ["r/20261001-20261101/r-00001.csv.zip"]}).encode(),
    ),
    "azure": (f"{AZURE}/{RUNS[0]}/manifest.json", azure(20, f"{AZURE}/{RUNS[0]}/part_0_0001.csv")),
    "azure without the folder of the period": ("one/manifest.json", azure(20, "one/part_0.csv")),
}


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("needed", [None, [OCTOBER.plus(-1), OCTOBER]])
def test_a_manifest_none_of_whose_files_is_there_is_no_export_less(
    name: str, needed: Sequence[Month] | None
) -> None:
    """A payer whose files have not come must not count as nothing."""
    other = "1/x/data/BILLING_PERIOD=2026-10/e-1.csv.gz"
    manifest, content = MISSING[name]
    manifests = {f"1/{METADATA}/e-Manifest.json": aws("1/x/" + other[4:]), manifest: content}
    with pytest.raises(RejectedInput) as refused:
        counted([other], manifests, needed)
    assert refused.value.code == "incomplete_export"
    assert manifest in str(refused.value)
    assert ("of no form that is read" in str(refused.value)) == ("zip" in name)


def test_what_rules_of_the_bucket_removed_of_older_months_is_told() -> None:
    files = [f"{AWS}/e-1.csv.gz"]
    manifests = {
        f"x/metadata/BILLING_PERIOD={month}/e-Manifest.json": aws(
            f"x/data/BILLING_PERIOD={month}/e-1.csv.gz"
        )
        for month in ("2026-07", "2026-10")
    }
    found = counted(files, manifests, [OCTOBER])
    assert [*found.files] == files
    assert found.notes == (
        "No file is there of those that x/metadata/BILLING_PERIOD=2026-07/e-Manifest.json names.",
    )


def test_of_deliveries_of_which_only_manifests_are_kept_the_newest_counts() -> None:
    files = [f"{AWS}/{SECOND}/e-1.csv.gz"]
    manifests = {
        f"{METADATA}/{one}/e-Manifest.json": aws(f"{AWS}/{one}/e-1.csv.gz")
        for one in (FIRST, SECOND)
    }
    found = counted(files, manifests)
    assert [*found.files] == files
    assert not found.notes


@pytest.mark.parametrize("content", [b"", b'{"dataFiles": [', b"\x80"])
def test_a_manifest_that_is_cut_is_refused(content: bytes) -> None:
    with pytest.raises(RejectedInput, match=r"e-Manifest\.json is cut") as refused:
        counted([f"{AWS}/e-1.csv.gz"], {f"{METADATA}/e-Manifest.json": content})
    assert refused.value.code == "incomplete_export"


@pytest.mark.parametrize(
    ("name", "size", "said", "is_whole"),
    [
        ("part_0.csv", 99, 100, False),
        ("part_0.csv", 100, 100, True),
        ("part_0.csv", 0, None, False),
        ("part_0.csv.gz", 0, None, False),
        # What Azure says of a compressed file may be the length of what is in it.
        ("part_0.csv.gz", 99, 100, True),
        ("part_0.snappy.parquet", 99, 100, True),
    ],
)
@pytest.mark.parametrize("has_manifest", [True, False])
def test_a_file_that_is_cut_is_refused(
    name: str, size: int, said: int | None, is_whole: bool, has_manifest: bool
) -> None:
    document = {"blobs": [{"blobName": f"x/{name}", "byteCount": said}]}
    manifests = {"x/manifest.json": json.dumps(document).encode()} if has_manifest else {}
    found = [FoundFile(f"x/{name}", 0.0, size), *(FoundFile(one, 0.0, 9) for one in manifests)]
    if is_whole or (size and not has_manifest):
        assert counted_files(found, manifests).files == (f"x/{name}",)
        return
    with pytest.raises(RejectedInput, match=name) as refused:
        counted_files(found, manifests)
    assert refused.value.code == "incomplete_export"


def test_files_of_other_forms_are_told() -> None:
    found = counted(["x/a.csv", "x/b.csv.zip", "x/c.xlsx", "x/._b.csv.zip", "x/README.md"])
    assert found.files == ("x/a.csv",)
    assert found.notes == ("Of no form that is read, and left out: x/b.csv.zip, x/c.xlsx.",)


def test_a_copy_is_as_old_as_its_delivery() -> None:
    """A file that was copied later knows no later costs."""
    files = [f"{AWS}/{SECOND}/e-1.csv.gz", "y/e.csv"]
    manifests = {f"{METADATA}/e-Manifest.json": aws(files[0])}
    found = [FoundFile(one, 1.9e9, 9) for one in (*files, *manifests)]
    delivered = datetime(2026, 10, 6, tzinfo=UTC).timestamp()
    assert counted_files(found, manifests).delivered == {files[0]: delivered, files[1]: 1.9e9}


@pytest.mark.parametrize(
    "files",
    [
        [f"{AWS}/{FIRST}/e-1.csv.gz", f"{AWS}/{SECOND}/e-1.csv.gz"],
        [f"{AZURE}/{run}/part_0_0001.csv" for run in RUNS],
        [f"{AWS}/exec_{run}/e-1.parquet" for run in RUNS],
    ],
)
def test_several_deliveries_without_a_manifest_are_refused(files: list[str]) -> None:
    with pytest.raises(RejectedInput) as refused:
        counted(files)
    assert refused.value.code == "several_deliveries"


@pytest.mark.parametrize("content", [b"[]", b"{}", b'"{"', b'{"dataFiles": [1], "blobs": ["x"]}'])
def test_other_json_files_are_no_manifests(content: bytes) -> None:
    files = ["a/one.csv", "a/two.csv"]
    found = counted(files, {"a/manifest.json": content})
    assert (found.files, found.notes) == (tuple(files), ())


def billed(folder: Path) -> tuple[int, tuple[str, ...]]:
    source = ExportedCosts([folder])
    query = ChargeQuery(first=OCTOBER.first, end=OCTOBER.end, detail=Detail.MONTHS)
    return int(total(one.billed for one in source.charges(query))), tuple(source.notes)


def month(days: int, **cells: str) -> list[Row]:
    return [
        focus(str(day), ChargePeriodStart=f"2026-10-{day:02}", **cells) for day in range(1, days)
    ]


def line_items(delivery: str) -> list[Row]:
    """Of a CUR, restated by each delivery."""
    return [
        cur(
            "Usage",
            str(day + len(delivery)),
            identity_line_item_id=f"{delivery}{day}",
            line_item_usage_start_date=f"2026-10-{day:02}T00:00:00Z",
        )
        for day in range(1, 9)
    ]


def test_a_folder_with_two_executions_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "data" / "BILLING_PERIOD=2026-10" / FIRST / "e-1.csv.gz", month(9))
    write(tmp_path / "data" / "BILLING_PERIOD=2026-10" / SECOND / "e-1.csv.gz", month(10))
    metadata = tmp_path / "metadata" / "BILLING_PERIOD=2026-10"
    metadata.mkdir(parents=True)
    uri = f"createnew/data/BILLING_PERIOD=2026-10/{SECOND}/e-1.csv.gz"
    (metadata / "e-Manifest.json").write_bytes(aws(uri))
    costs, notes = billed(tmp_path)
    assert costs == sum(range(1, 10))
    assert FIRST in notes[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("a.csv", month(9)), ("a.csv.gz", month(9)), id="csv beside csv.gz"),
        pytest.param(("01.csv", month(9)), ("02.csv", month(20)), id="a later snapshot"),
        pytest.param(
            ("01.csv", month(9, InvoiceId="")), ("02.csv", month(9)), id="an invoice came later"
        ),
        pytest.param(
            ("01.csv", month(9)),
            ("02.csv", [*({**row, "BilledCost": "0.97"} for row in month(9)), focus("5")]),
            id="all costs are restated",
        ),
        pytest.param(
            ("01.csv", line_items("first")), ("02.csv", line_items("second")), id="CUR's own ids"
        ),
    ],
)
def test_files_without_a_manifest_that_hold_the_same_charges_are_refused(
    tmp_path: Path, one: tuple[str, list[Row]], other: tuple[str, list[Row]]
) -> None:
    for name, rows in (one, other):
        write(tmp_path / name, rows)
    with pytest.raises(RejectedInput) as refused:
        billed(tmp_path)
    assert refused.value.code == "charges_twice"
    assert "8 rows in common" in str(refused.value)


def test_parts_of_one_export_are_added_up_though_a_few_rows_are_alike(tmp_path: Path) -> None:
    rows = month(20)
    write(tmp_path / "e-1.csv", rows[:9])
    write(tmp_path / "e-2.csv", [*rows[9:], rows[0]])
    assert billed(tmp_path) == (sum(range(1, 20)) + 1, ())


def test_parts_without_a_manifest_may_share_every_hour(tmp_path: Path) -> None:
    write(tmp_path / "e-00001.csv", month(20, ResourceId="i-1"))
    others = [{**row, "BilledCost": "7"} for row in month(20, ResourceId="i-2")]
    write(tmp_path / "e-00002.csv", others)
    assert billed(tmp_path) == (sum(range(1, 20)) + 19 * 7, ())


def by_resource(rows: list[Row], *shares: float) -> list[list[Row]]:
    """The same costs, in a list for each resource."""
    return [
        [
            {**row, "ResourceId": f"i-{at}", "BilledCost": str(float(row["BilledCost"]) * share)}
            for row in rows
        ]
        for at, share in enumerate(shares)
    ]


@pytest.mark.parametrize("days", [4, 20])
@pytest.mark.parametrize("files", ["e-1.csv e-1.csv", "e-00001.csv e-00002.csv"])
@pytest.mark.parametrize("other", ["accounts/e-1.csv", "resources/accounts.csv"])
def test_two_exports_of_a_payer_of_which_one_has_resources_are_refused(
    tmp_path: Path, days: int, files: str, other: str
) -> None:
    parts = dict[str, list[Row]]()
    for name, rows in zip(files.split(), by_resource(month(days), 0.25, 0.75), strict=True):
        parts.setdefault(name, []).extend(rows)
    for name, rows in parts.items():
        write(tmp_path / "resources" / name, rows)
    write(tmp_path / other, month(days))
    with pytest.raises(RejectedInput, match=f"the same costs on {days - 1} days") as refused:
        billed(tmp_path)
    assert refused.value.code == "charges_twice"


HOURS = [
    focus("1", ChargePeriodStart=f"2026-10-{day:02}T{hour:02}:00:00Z")
    for day in range(1, 32)
    for hour in range(24)
]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([HOURS[::2], HOURS[1::2]], id="hours in turn"),
        pytest.param([HOURS[at::3] for at in range(3)], id="hours in turn, three files"),
        pytest.param(
            [month(31), month(31, ChargeCategory="Tax", ServiceName="")], id="tax of 100%"
        ),
        pytest.param(
            [month(31, ResourceId=f"nat-{at}", RegionId=f"eu-{at}") for at in (1, 2)],
            id="the same in two regions",
        ),
    ],
)
def test_parts_of_one_export_may_cost_the_same(tmp_path: Path, parts: list[list[Row]]) -> None:
    for at, rows in enumerate(parts):
        write(tmp_path / f"e_{at}.csv", rows)
    costs, notes = billed(tmp_path)
    assert costs == sum(int(row["BilledCost"]) for rows in parts for row in rows)
    assert not notes


def of_resources(days: int, cost: str, **cells: str) -> list[Row]:
    """In an order as if at random."""
    rows = [
        focus(cost, ResourceId=f"i-{one}", ChargePeriodStart=f"2026-10-{day:02}", **cells)
        for one in range(30)
        for day in range(1, days)
    ]
    return sorted(rows, key=lambda row: hash_of(row["ResourceId"], row["ChargePeriodStart"], cost))


def hash_of(*texts: str) -> str:
    return hashlib.sha256(" ".join(texts).encode()).hexdigest()


@pytest.mark.parametrize(
    ("older", "newer"), [(5, 5), (20, 20), (1, 8)], ids=lambda count: f"{count} files"
)
def test_deliveries_whose_rows_were_dealt_to_files_at_random_are_refused(
    tmp_path: Path, older: int, newer: int
) -> None:
    for name, rows, count in (
        ("older", of_resources(29, "1"), older),
        ("newer", of_resources(32, "2"), newer),
    ):
        for at in range(count):
            write(tmp_path / f"{name}-{at:05}-x.csv", rows[at::count])
    with pytest.raises(RejectedInput) as refused:
        billed(tmp_path)
    assert refused.value.code == "charges_twice"


def test_a_file_that_an_older_delivery_left_is_refused(tmp_path: Path) -> None:
    """Nine files overwrote nine of ten."""
    for at in range(9):
        write(tmp_path / f"{at:012}.csv", of_resources(32, "2")[at::9])
    write(tmp_path / f"{9:012}.csv", of_resources(32, "1")[9::10])
    with pytest.raises(RejectedInput, match=r"are in other files, too") as refused:
        billed(tmp_path)
    assert refused.value.code == "charges_twice"


@pytest.mark.parametrize(
    "moment",
    [
        "CAST(ChargePeriodStart AS TIMESTAMP)",
        "CAST(ChargePeriodStart AS TIMESTAMPTZ)",
        "ChargePeriodStart || 'T00:00:00Z'",
    ],
)
def test_a_delivery_that_spells_its_cells_otherwise_is_refused(tmp_path: Path, moment: str) -> None:
    write(tmp_path / "older.csv", of_resources(29, "1"))
    write(tmp_path / "newer.csv", of_resources(32, "2", RegionId="eu-west-1"))
    for name, began in (("older", "ChargePeriodStart"), ("newer", moment)):
        path = tmp_path / f"{name}.csv"
        scan = f"read_csv('{path}', all_varchar = true)"
        duckdb.execute(
            f"COPY (SELECT * REPLACE ({began} AS ChargePeriodStart) FROM {scan})"
            f" TO '{path.with_suffix('.parquet')}'"
        )
        path.unlink()
    with pytest.raises(RejectedInput) as refused:
        billed(tmp_path)
    assert refused.value.code == "charges_twice"


def test_two_exports_that_have_little_in_common_are_told(tmp_path: Path) -> None:
    """The first days of a payer's first export, or a fee that costs the same by chance."""
    [rows] = by_resource(month(3), 1)
    write(tmp_path / "resources" / "e-1.csv", rows)
    write(tmp_path / "accounts" / "e-1.csv", month(3))
    costs, [note] = billed(tmp_path)
    assert costs == 2 * (1 + 2)
    assert "have the same costs on 2 days of their accounts" in note


def test_days_that_two_files_have_in_common_are_told(tmp_path: Path) -> None:
    """Ranges that overlap: most of each file is in no other."""
    days = [
        focus(str(hour), ChargePeriodStart=f"2026-10-{day:02}T{hour:02}:00:00Z")
        for day in range(1, 21)
        for hour in range(24)
    ]
    write(tmp_path / "first.csv", days[: 11 * 24])
    write(tmp_path / "second.csv", [{**row, "BilledCost": "2"} for row in days[10 * 24 :]])
    _, notes = billed(tmp_path)
    assert notes == (
        "first.csv and second.csv have 24 rows in common, all of the same accounts and days. If one"
        " restates the other, these costs are counted twice: check the export.",
    )


def test_of_many_rows_a_part_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_COMPARED_ROWS", 100)
    rows = [
        focus("1", ResourceId=str(at), ChargePeriodStart=f"2026-10-{at % 28 + 1:02}")
        for at in range(2000)
    ]
    write(tmp_path / "first.csv", rows)
    write(tmp_path / "second.csv", [{**row, "BilledCost": "2"} for row in rows])
    with pytest.raises(RejectedInput, match=r"about [0-9,]+ rows in common"):
        billed(tmp_path)
