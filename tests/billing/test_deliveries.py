"""Which files a provider wrote together, and which are newer."""

from __future__ import annotations

import pytest

from finops.billing.deliveries import (
    Relation,
    delivery_of,
    files_of_manifest,
    later_run,
    relation,
    shared_periods,
)
from finops.billing.domain import dataset_of

RUN = "75a4bf36-d86c-43d9-a9ea-c53ee9ba1d83"
OTHER = "0b0a2e9c-d86c-43d9-a9ea-c53ee9ba1d83"


@pytest.mark.parametrize(
    ("key", "export", "dataset"),
    [
        (
            f"billing/aws/e/data/BILLING_PERIOD=2026-03/2026-04-01T00:00:00Z-{RUN}/e-00001.csv.gz",
            "billing/aws/e/data/BILLING_PERIOD=2026-03",
            "aws/e/data",
        ),
        (f"billing/az/e/20260301-20260331/{RUN}/part_0_0001.csv", "billing/az/e", "az/e"),
        (f"billing/az/e/20260301-20260331/202604010000/{RUN.upper()}/part_0_0001.csv",
         "billing/az/e", "az/e"),
        (f"billing/costs/{RUN}/a.csv", "billing/costs", "costs"),
        ("billing/acme/20260301-20260331/a.csv", "billing/acme", "acme/20260301-20260331"),
        ("billing/acme/202604010000/a.csv", "", "acme/202604010000"),
    ],
)  # fmt: skip
def test_a_run_of_an_export_has_a_folder_of_its_own(key: str, export: str, dataset: str) -> None:
    assert delivery_of(key).export == export
    assert dataset_of(key) == dataset


@pytest.mark.parametrize(
    ("first", "second", "is_later"),
    [
        (f"2026-04-01T00:00:00Z-{RUN}", f"2026-04-02T00:00:00Z-{RUN}", False),
        (f"2026-04-03T00:00:00.000Z-{RUN}", f"2026-04-02T00:00:00.000Z-{RUN}", True),
        (f"202604010000/{RUN}", f"202603310000/{RUN}", True),
        (f"202604010000/{RUN}", f"202604010000/{RUN[:-1]}4", None),
        (f"202604010000/{RUN}", f"20260401000000/{RUN}", None),
        (f"202604010000/{RUN}", RUN, None),
        (RUN, f"202604010000/{RUN}", None),
        (f"123456789012-{RUN}", f"123456789013-{RUN}", None),
        (f"v2-{RUN}", f"v1-{RUN}", None),
        (f"2026-04-01T00:00:00-05:00-{RUN}", f"2026-04-01T04:00:00+02:00-{RUN}", True),
        (f"2026-04-01T00:00:00-05:00-{RUN}", f"2026-04-01T07:00:00+02:00-{RUN[:-1]}4", None),
        (f"20260401T0000+0200-{RUN}", f"2026-03-31T23:00:00Z-{RUN}", False),
    ],
)
def test_folders_say_which_run_is_later(first: str, second: str, is_later: bool | None) -> None:
    one, other = (delivery_of(f"billing/e/{run}/a.csv") for run in (first, second))
    assert later_run(one, other) is is_later
    expected = {True: Relation.NEWER, False: Relation.OLDER, None: Relation.UNKNOWN}
    if first != second and first.count("/") == second.count("/"):
        assert relation(one, other) is expected[is_later]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("e-00001.csv.gz", "e-00002.csv.gz"),
        ("e_00001.csv", "e_00002.csv"),
        ("part_0_0001.csv", "part_1_0001.csv"),
        ("part_0_0001.csv", "part_0_0100.csv"),
        ("000000000000.csv", "000000000001.csv"),
        ("costs000000000000.csv.gz", "costs000000000012.csv.gz"),
        ("e-20260301-000000000000.csv", "e-20260301-000000000012.csv"),
        ("e.part-2.csv", "e.part-10.csv"),
        ("march part 1.csv", "march part 2.csv"),
        ("march (part 1).csv", "march (part 2).csv"),
        ("e-chunk3.csv", "e-chunk4.csv"),
        ("0000_part_00.parquet", "0001_part_00.parquet"),
        ("e-00001.snappy.parquet", "e-00002.snappy.parquet"),
        ("e-20260401-0005-00001.csv", "e-20260401-0005-00002.csv"),
        ("0001000002091465-00001.csv.gz", "0001000002091466-00001.csv.gz"),
        (
            "FOCUS Reports/2026/03/30/0001000002091465-00001.csv.gz",
            "FOCUS Reports/2026/04/01/0001000002091466-00001.csv.gz",
        ),
        (f"part-00000-{RUN}-c000.snappy.parquet", f"part-00001-{RUN.upper()}-c000.snappy.parquet"),
        (f"part-00000-{RUN}-c000.csv", f"part-00000-{RUN}-c001.csv"),
        (f"part-00000-tid-1-{RUN}-16-1-c000.csv", f"part-00012-tid-1-{OTHER}-28-1-c000.csv"),
        ("20260301-20260307/part_0_0001.csv", "20260308-20260314/part_0_0001.csv"),
        (f"20260301-20260307/{RUN}/part_0_0001.csv", f"20260308-20260308/{OTHER}/part_0_0001.csv"),
    ],
)  # fmt: skip
def test_parts_of_one_delivery(first: str, second: str) -> None:
    one, other = (delivery_of(f"billing/f/{key}") for key in (first, second))
    assert relation(one, other) is relation(other, one) is Relation.PART


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("focus-march.csv", "focus-march-restated.csv"),
        ("focus-1.csv", "focus-2.csv"),
        ("focus-2026.csv", "focus-2027.csv"),
        ("focus-202603.csv", "focus-202604.csv"),
        ("focus-20260301.csv", "focus-20260302.csv"),
        # Days, times, branches and counts of seconds: a restated export has another one.
        ("e-1775001600.csv", "e-1775001700.csv"),
        ("e_01042026.csv", "e_02042026.csv"),
        ("e-0030.csv", "e-0045.csv"),
        ("focus-001532.csv", "focus-004510.csv"),
        ("focus-20260331-001532123.csv", "focus-20260331-004510456.csv"),
        ("focus-20260331T00-15-0032.csv", "focus-20260331T00-15-0045.csv"),
        ("e-20260401-0005.csv", "e-20260401-0045.csv"),
        ("e-2026-04-01_000500.csv", "e-2026-04-01_000600.csv"),
        ("march-20260401-000001.csv", "march-20260401-000002.csv"),
        ("focus-2026.04.01-0015.csv", "focus-2026.04.01-0045.csv"),
        ("focus-260401-0015.csv", "focus-260401-0045.csv"),
        ("e-part-20260405.csv", "e-part-20260406.csv"),
        ("focus-part-2603.csv", "focus-part-2604.csv"),
        ("invoice-0001234.csv", "invoice-0001235.csv"),
        ("focus-01067.csv", "focus-01099.csv"),
        ("march_rev.0001.csv", "march_rev.0002.csv"),
        ("march-v001.csv", "march-v002.csv"),
        # The whole and a part, or one part in two forms.
        ("costs.csv", "costs-00001.csv"),
        ("march.csv", "march-part2.csv"),
        ("march-part2.csv", "march-00001.csv"),
        ("march-part1.csv", "march-part01.csv"),
        ("costs-00001.csv", "costs-00002.csv.gz"),
        ("costs-00001.csv", "costs-00001 (1).csv"),
        ("part_0_0001.csv", "part_0_0001.parquet.csv"),
        ("COSTS-00001.csv", "costs-00002.csv"),
        (f"part-00000-{RUN}-c000.csv", f"part-00001-{OTHER}-c000.csv"),
        (f"part-00000-{RUN}-c000.csv", f"part-00000-{RUN}-c000 (1).csv"),
        (f"part-00000-tid-22145-{RUN}-16-1-c000.csv", f"part-00000-tid-22146-{RUN}-16-1-c000.csv"),
        # In one run; two runs without times; ranges that overlap.
        (f"{RUN}/march.csv", f"{RUN}/march-restated.csv"),
        (f"202604010000/{RUN}/a.csv", f"202604010000/{RUN}/b.csv"),
        (f"{RUN}/march.csv", f"{OTHER}/march.csv"),
        ("20260301-20260315/a.csv", "20260301-20260331/a.csv"),
        (f"20260301-20260331/{RUN}/a.csv", f"{OTHER}/a.csv"),
        ("a/costs-00001.csv", "b/costs-00002.csv"),
    ],
)  # fmt: skip
def test_what_is_not_certain(first: str, second: str) -> None:
    one, other = (delivery_of(f"billing/f/{key}") for key in (first, second))
    assert relation(one, other) is relation(other, one) is Relation.UNKNOWN


def test_a_later_run_counts_whose_range_holds_that_of_the_earlier_one() -> None:
    def run(days: str, time: str) -> str:
        return f"billing/az/e/{days}/{time}/{RUN}/part_0_0001.csv"

    first = delivery_of(run("20260301-20260315", "202603160000"))
    grown = delivery_of(run("20260301-20260331", "202604010000"))
    week = delivery_of(run("20260310-20260316", "202604020000"))
    assert relation(grown, first) is Relation.NEWER
    assert relation(first, grown) is Relation.OLDER
    assert relation(week, first) is Relation.UNKNOWN
    assert relation(week, grown) is Relation.UNKNOWN


def test_a_declared_part_belongs_to_the_delivery_of_its_file() -> None:
    root = "billing/f/march.csv"
    part, further = (delivery_of(key, root) for key in ("billing/g/rest.csv", "billing/f/more.csv"))
    for one in (part, further):
        assert relation(one, delivery_of(root)) is relation(delivery_of(root), one) is Relation.PART
    assert relation(part, further) is Relation.PART
    assert relation(part, delivery_of("billing/f/april.csv")) is Relation.UNKNOWN


AWS_RUN = f"2026-04-01T00:00:00Z-{RUN}"


@pytest.mark.parametrize(
    ("key", "named", "found"),
    [
        (
            f"billing/e/20260301-20260331/202604010000/{RUN}/manifest.json",
            ["costs/e/20260301-20260331/202604010000/x/part_0_0001.csv"],
            {f"billing/e/20260301-20260331/202604010000/{RUN}": {"part_0_0001.csv"}},
        ),
        (
            f"billing/a/e/metadata/BILLING_PERIOD=2026-03/{AWS_RUN}/e-Manifest.json",
            [
                f"s3://b/p/data/e/data/BILLING_PERIOD=2026-03/{AWS_RUN}/e-0000{part}.csv.gz"
                for part in (1, 2)
            ],
            {
                f"billing/a/e/data/BILLING_PERIOD=2026-03/{AWS_RUN}": {
                    "e-00001.csv.gz",
                    "e-00002.csv.gz",
                }
            },
        ),
        (
            "billing/e/metadata/BILLING_PERIOD=2026-03/e-Manifest.json",
            [f"s3://b/e/data/BILLING_PERIOD=2026-03/{AWS_RUN}/e-00001.csv.gz"],
            {f"billing/e/data/BILLING_PERIOD=2026-03/{AWS_RUN}": {"e-00001.csv.gz"}},
        ),
        # An export that overwrites its files has no runs.
        (
            "billing/e/metadata/BILLING_PERIOD=2026-03/e-Manifest.json",
            ["s3://b/e/data/BILLING_PERIOD=2026-03/e-00001.csv.gz"],
            {},
        ),
        ("billing/manifest.json", ["a.csv", "", "s3://", "s3://b/"], {}),
    ],
)
def test_a_manifest_names_the_files_of_runs_wherever_the_copy_lies(
    key: str, named: list[str], found: dict[str, set[str]]
) -> None:
    assert files_of_manifest(key, named) == found


MARCH = "2026-03-01 00:00:00"


def test_an_unknown_provider_may_be_any() -> None:
    aws, unknown, other = ("1", MARCH, "AWS"), ("1", MARCH, ""), ("1", MARCH, "GCP")
    assert shared_periods([aws], {other, ("2", MARCH, "AWS")}) == []
    assert shared_periods([aws], {unknown}) == [aws]
    assert shared_periods([unknown], {aws}) == [unknown]
