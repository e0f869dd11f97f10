"""Which files a provider wrote together."""

from __future__ import annotations

import pytest

from finops.billing.deliveries import Delivery, delivery_of, is_manifest, later_run, shared_periods
from finops.billing.domain import dataset_of

RUN = "75a4bf36-d86c-43d9-a9ea-c53ee9ba1d83"


@pytest.mark.parametrize(
    ("key", "export", "dataset"),
    [
        (
            f"billing/aws/e/data/BILLING_PERIOD=2026-03/2026-04-01T00:00:00Z-{RUN}/e-00001.csv.gz",
            "billing/aws/e/data/BILLING_PERIOD=2026-03",
            "aws/e/data",
        ),
        (f"billing/az/e/20260301-20260331/{RUN}/part_0_0001.csv", "billing/az/e/20260301-20260331",
         "az/e"),
        (f"billing/az/e/20260301-20260331/202604010000/{RUN.upper()}/part_0_0001.csv",
         "billing/az/e/20260301-20260331", "az/e"),
        (f"billing/costs/{RUN}/a.csv", "billing/costs", "costs"),
        ("billing/acme/20260301-20260331/a.csv", "", "acme/20260301-20260331"),
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
    ],
)
def test_folders_say_which_run_is_later(first: str, second: str, is_later: bool | None) -> None:
    one, other = (delivery_of(f"billing/e/{run}/a.csv") for run in (first, second))
    assert later_run(one, other) is is_later


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("billing/f/e-00001.csv.gz", "billing/f/e.csv.gz"),
        ("billing/f/e-00002.csv", "billing/f/e.csv"),
        ("billing/f/part_1_0001.csv", "billing/f/.csv"),
        ("billing/f/000000000001.csv", "billing/f/.csv"),
        ("billing/f/e.part-2.csv", "billing/f/e.csv"),
        ("billing/f/focus-2026.csv", "billing/f/focus-2026.csv"),
        ("billing/f/focus-202603.csv", "billing/f/focus-202603.csv"),
        ("billing/f/focus-20260301.csv", "billing/f/focus-20260301.csv"),
        ("billing/f/e-00001.snappy.parquet", "billing/f/e.snappy.parquet"),
        ("billing/f/march-2.csv", "billing/f/march-2.csv"),
        ("billing/f/part_1_0100.csv", "billing/f/.csv"),
        ("billing/f/0001_part_00.parquet", "billing/f/.parquet"),
        ("billing/f/e-20260301-000000000012.csv", "billing/f/e-20260301.csv"),
        ("billing/f/0001000002091465-00001.csv.gz", "billing/f/.csv.gz"),
        # Days, times and counts of seconds: a restated export has another one.
        ("billing/f/e-1775001600.csv", "billing/f/e-1775001600.csv"),
        ("billing/f/e_01042026.csv", "billing/f/e_01042026.csv"),
        ("billing/f/e-0830.csv", "billing/f/e-0830.csv"),
        ("billing/f/e-20260401-0005.csv", "billing/f/e-20260401-0005.csv"),
        ("billing/f/e-2026-04-01_000500.csv", "billing/f/e-2026-04-01_000500.csv"),
        ("billing/f/e-20260401-0005-00001.csv", "billing/f/e-20260401-0005.csv"),
        ("billing/f/e-part-20260405.csv", "billing/f/e-part-20260405.csv"),
    ],
)
def test_parts_have_a_number_and_days_and_times_are_none(key: str, name: str) -> None:
    assert delivery_of(key) == Delivery(export="", name=name)


@pytest.mark.parametrize(
    ("first", "second", "another"),
    [
        (
            f"part-00000-{RUN}-c000.snappy.parquet",
            f"part-00001-{RUN.upper()}-c000.snappy.parquet",
            "part-00000-0b0a2e9c-d86c-43d9-a9ea-c53ee9ba1d83-c000.snappy.parquet",
        ),
        (
            f"part-00000-tid-22145-{RUN}-16-1-c000.csv",
            "part-00012-tid-22145-0b0a2e9c-d86c-43d9-a9ea-c53ee9ba1d83-28-1-c000.csv",
            f"part-00000-tid-22146-{RUN}-16-1-c000.csv",
        ),
    ],
)
def test_the_parts_of_one_write_of_spark_belong_together(
    first: str, second: str, another: str
) -> None:
    assert delivery_of(f"billing/f/{first}") == delivery_of(f"billing/f/{second}")
    assert delivery_of(f"billing/f/{first}") != delivery_of(f"billing/f/{another}")
    assert delivery_of(f"billing/f/{first}") != delivery_of(f"billing/g/{second}")


def test_manifests_are_no_charges() -> None:
    assert is_manifest("billing/e/metadata/BILLING_PERIOD=2026-03/e-Manifest.json")
    assert is_manifest(f"billing/e/20260301-20260331/{RUN}/manifest.json")
    assert not is_manifest("billing/e/manifest.csv")


def test_an_unknown_provider_may_be_any() -> None:
    aws, unknown, other = ("1", "2026-03", "AWS"), ("1", "2026-03", ""), ("1", "2026-03", "GCP")
    assert shared_periods([aws], {other, ("2", "2026-03", "AWS")}) == []
    assert shared_periods([aws], {unknown}) == [aws]
    assert shared_periods([unknown], {aws}) == [unknown]
    spelt = ("01", "2026-03", "Amazon Web Services")
    assert shared_periods([spelt], {aws, other}) == [spelt]
