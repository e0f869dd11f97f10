"""Identity, order and counts of files."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.billing.domain import (
    FileStatus,
    SourceObject,
    Tally,
    dataset_of,
    version_order,
)
from finops.shared.errors import RejectedInput

SOURCE = SourceObject(
    bucket="b", key="billing/acme/a.csv", version_id="v1", etag="e", size=1, order="1"
)


@pytest.mark.parametrize(
    ("key", "dataset"),
    [
        ("billing/acme/march.csv", "acme"),
        ("billing/acme/2026/march.csv", "acme/2026"),
        ("billing/march.csv.gz", "march"),
        ("billing/cur/BILLING_PERIOD=2026-03/part-1.csv", "cur"),
        ("billing/BILLING_PERIOD=2026-03/part-1.csv", "part-1"),
    ],
)
def test_a_dataset_is_the_folder_else_the_name(key: str, dataset: str) -> None:
    assert dataset_of(key) == dataset


@pytest.mark.parametrize("key", ["billing/", f"billing/{'x' * 129}/a.csv", "billing/.csv"])
def test_a_key_without_a_dataset_is_refused(key: str) -> None:
    with pytest.raises(RejectedInput):
        dataset_of(key)


def test_a_version_is_one_file() -> None:
    assert SOURCE.file_id == replace(SOURCE, size=2, order="2", etag="other").file_id
    assert SOURCE.file_id != replace(SOURCE, version_id="v2").file_id
    unversioned = replace(SOURCE, version_id="")
    assert unversioned.file_id != replace(unversioned, etag="other").file_id
    assert len({replace(SOURCE, key=key).key_hash for key in ("a", "b")}) == 2


def test_versions_sort_as_s3_wrote_them() -> None:
    written = [
        version_order("2026-03-01T00:00:00.000Z", "F"),
        version_order("2026-03-01T00:00:00.000Z", "10"),
        version_order("2026-03-01T00:00:00.001Z", "0"),
    ]
    assert written == sorted(written)


amounts = st.dictionaries(
    st.sampled_from(["USD", "EUR"]), st.decimals(-(10**9), 10**9, places=6), max_size=2
)


@given(st.lists(st.tuples(amounts, amounts, amounts), min_size=1, max_size=5))
def test_parts_that_add_up_add_up_together(parts: list[tuple[dict[str, Decimal], ...]]) -> None:
    whole = Tally()
    for stored, kept, bad in parts:
        read: dict[str, Decimal] = {}
        for sums in (stored, kept, bad):
            for currency, amount in sums.items():
                read[currency] = read.get(currency, Decimal(0)) + amount
        part = Tally(
            read=6, inserted=1, updated=1, unchanged=2, quarantined=2,
            read_sums=read, stored_sums=stored, kept_sums=kept, quarantined_sums=bad,
        )  # fmt: skip
        assert part.imbalance() == ""
        whole.add(part)
    assert whole.read == 6 * len(parts)
    assert whole.imbalance() == ""


def test_a_row_that_is_missing_is_said() -> None:
    assert "3 rows were read, but 2" in Tally(read=3, inserted=2).imbalance()


def test_a_millionth_that_is_missing_is_said() -> None:
    tally = Tally(
        read=1,
        inserted=1,
        read_sums={"EUR": Decimal("1.000001")},
        stored_sums={"EUR": Decimal(1)},
    )
    assert tally.imbalance() == "EUR 1.000001 was read, but 1 is accounted for"


def test_what_is_open_may_be_tried_again() -> None:
    open_ = {one for one in FileStatus if not one.is_final}
    assert open_ == {FileStatus.RECEIVED, FileStatus.LOADING, FileStatus.FAILED}
    assert Tally(quarantined=1).status is FileStatus.LOADED_WITH_REJECTS
