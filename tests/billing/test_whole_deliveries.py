"""Several files of one delivery: it takes the place of older ones whole, or not at all."""

from __future__ import annotations

import gzip
from dataclasses import replace
from decimal import Decimal

import pytest

from finops.billing.domain import LOADED, FileEntry, FileStatus
from tests.billing.use_cases import RUNS, SETTINGS, Flow, month

SHARD = "billing/x/focus-00000000000{}.csv"
RUN = "billing/e/2026-04-0{0}T00:00:00Z-{1}/e-0000{2}.csv"


@pytest.fixture
def flow() -> Flow:
    return Flow()


def drop(flow: Flow, key: str, body: bytes, order: str = "", **said: str) -> FileEntry:
    return flow.load(flow.objects.put(key, body, order, **said))


def months(**costs: str) -> bytes:
    """Charges by month: m3="1" is one of March."""
    files = [month(cost, start=f"2026-0{name[1:]}") for name, cost in costs.items()]
    return files[0] + b"".join(one.partition(b"\n")[2] for one in files[1:])


def counted(flow: Flow) -> dict[str, Decimal]:
    """What counts, by month."""
    found: dict[str, Decimal] = {}
    for (load_id, _), row in flow.store.charges.items():
        if flow.store.files[load_id].status in LOADED:
            start = row["billing_period_start"][5:7]
            found[start] = found.get(start, Decimal(0)) + Decimal(row["billed_cost"])
    return found


OLD = {"03": Decimal(4), "02": Decimal(2)}
NEW = {"03": Decimal(44), "02": Decimal(2)}


def two_shards(flow: Flow) -> None:
    drop(flow, SHARD.format(0), months(m3="1", m2="2"))
    drop(flow, SHARD.format(1), months(m3="3"))
    assert counted(flow) == OLD


@pytest.mark.parametrize("first", [0, 1])
def test_a_month_that_moves_to_another_part_never_counts_twice(flow: Flow, first: int) -> None:
    two_shards(flow)
    bodies = [months(m3="11"), months(m3="33", m2="2")]
    refused = [drop(flow, SHARD.format(one), bodies[one]) for one in (first, 1 - first)]
    assert counted(flow) == OLD
    assert {one.status for one in refused} == {FileStatus.REJECTED}
    codes = {one.error_code for one in refused}
    assert codes == {
        "version_lacks_charges",
        "period_is_loaded" if first else "delivery_is_incomplete",
    }
    # What the refusals say: the older version of the part goes first.
    assert any("`finops billing withdraw 1`" in one.error for one in refused)
    flow.withdraw(flow.store.files[1])
    by_shard = sorted(refused, key=lambda one: one.source.key)
    assert [flow.retry(one).status for one in by_shard] == [FileStatus.LOADED] * 2
    assert counted(flow) == NEW


@pytest.mark.parametrize("first", [0, 1])
def test_parts_that_are_written_again_grow_by_a_month(flow: Flow, first: int) -> None:
    two_shards(flow)
    bodies = [months(m3="11", m2="2", m4="5"), months(m3="33", m4="6")]
    for one in (first, 1 - first):
        assert drop(flow, SHARD.format(one), bodies[one]).status is FileStatus.LOADED
    assert counted(flow) == NEW | {"04": Decimal(11)}


def test_a_month_that_is_in_another_part_too_counts_by_a_persons_word(flow: Flow) -> None:
    two_shards(flow)
    more = drop(flow, SHARD.format(1), months(m3="3", m2="7"))
    assert more.error_code == "period_is_loaded"
    assert f"`finops billing retry {more.load_id} --part-of 1`" in more.error
    assert flow.retry(more, part_of=SHARD.format(0)).status is FileStatus.LOADED
    assert counted(flow) == OLD | {"02": Decimal(9)}


DAMAGED = gzip.compress(month("10") * 50)[:-20]


def test_a_damaged_part_of_a_newer_run_does_not_replace_the_older_one(flow: Flow) -> None:
    for part in (1, 2):
        drop(flow, RUN.format(1, RUNS[1], part), month(f"{part}"))
    damaged = drop(flow, RUN.format(2, RUNS[2], 1), DAMAGED)
    assert (damaged.status, damaged.error_code) == (FileStatus.REJECTED, "corrupt_gzip")
    whole = drop(flow, RUN.format(2, RUNS[2], 2), month("20"))
    assert (whole.status, whole.error_code) == (FileStatus.REJECTED, "delivery_is_incomplete")
    assert f"load {damaged.load_id}" in whole.error
    assert f"`finops billing retry {whole.load_id}`" in whole.error
    assert counted(flow) == {"03": Decimal(3)}
    corrected = drop(flow, RUN.format(2, RUNS[2], 1), month("10"))
    assert (corrected.status, flow.retry(whole).status) == (FileStatus.LOADED, FileStatus.LOADED)
    assert counted(flow) == {"03": Decimal(30)}


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_part_that_is_damaged_after_others_came_says_how_the_older_run_counts_again(
    flow: Flow, *, in_parts: bool
) -> None:
    for part in (1, 2):
        drop(flow, RUN.format(1, RUNS[1], part), month(f"{part}"))
    good = drop(flow, RUN.format(2, RUNS[2], 1), month("10"))
    flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)
    damaged = drop(flow, RUN.format(2, RUNS[2], 2), DAMAGED)
    if in_parts:
        damaged = flow.run_workflow(damaged.load_id)
    flow.settings = SETTINGS
    assert (damaged.status, damaged.error_code) == (FileStatus.REJECTED, "corrupt_gzip")
    assert f"(load {good.load_id}) count already, in place of older files (load 1, 2)" in (
        damaged.error
    )
    assert (
        f"`finops billing withdraw {good.load_id}`, then `finops billing retry 1`, `finops "
        "billing retry 2`"
    ) in damaged.error
    flow.withdraw(flow.store.files[good.load_id])
    for load_id in (1, 2):
        assert flow.retry(flow.store.files[load_id]).status is FileStatus.LOADED
    assert counted(flow) == {"03": Decimal(3)}


def test_a_damaged_part_of_files_that_are_said_to_restate_others_says_so_too(flow: Flow) -> None:
    drop(flow, "billing/x/old.csv", month("1"))
    drop(flow, "billing/x/new-00001.csv", month("10"), restates="yes")
    damaged = drop(flow, "billing/x/new-00002.csv", DAMAGED, restates="yes")
    assert "`finops billing withdraw 2`, then `finops billing retry 1`" in damaged.error


def test_a_person_may_do_without_the_damaged_part(flow: Flow) -> None:
    drop(flow, RUN.format(1, RUNS[1], 1), month("1"))
    drop(flow, RUN.format(2, RUNS[2], 1), DAMAGED)
    whole = drop(flow, RUN.format(2, RUNS[2], 2), month("20"))
    assert flow.retry(whole, restates=True).status is FileStatus.LOADED
    assert counted(flow) == {"03": Decimal(20)}


def test_files_that_are_said_to_restate_others_do_so_whole(flow: Flow) -> None:
    drop(flow, "billing/x/old.csv", month("1"))
    drop(flow, "billing/x/new-00001.csv", DAMAGED, restates="yes")
    second = drop(flow, "billing/x/new-00002.csv", month("20"), restates="yes")
    assert (second.error_code, counted(flow)) == ("period_is_loaded", {"03": Decimal(1)})
    # Its word was heard already: to give it again would change nothing.
    assert "--replace" not in second.error
    flow.withdraw(flow.store.files[1])
    assert flow.retry(second).status is FileStatus.LOADED


def test_the_remedy_of_refused_parts_is_heard_for_each(flow: Flow) -> None:
    drop(flow, "billing/x/a.csv", month("1"))
    drop(flow, "billing/x/c.csv", month("2"), restates="yes")
    parts = [drop(flow, f"billing/x/d-0000{one}.csv", month(f"{one}0")) for one in (1, 2)]
    for one in parts:
        assert f"`finops billing retry {one.load_id} --replace`" in one.error
    for one in parts:
        assert flow.retry(one, restates=True).status is FileStatus.LOADED
    assert counted(flow) == {"03": Decimal(30)}


PART = "billing/x/costs-0000{}.csv"


def moved_to_a_new_part(flow: Flow, *, new_first: bool) -> list[FileEntry]:
    """What comes of the files of a delivery in three parts after one in two: part 3 takes m2."""
    drop(flow, PART.format(1), months(m3="1", m2="2"))
    drop(flow, PART.format(2), months(m3="3"))
    bodies = {1: months(m3="11"), 2: months(m3="33"), 3: months(m2="2")}
    return [
        drop(flow, PART.format(one), bodies[one]) for one in ([3, 1, 2] if new_first else [1, 3, 2])
    ]


@pytest.mark.parametrize("new_first", [True, False])
def test_a_month_that_moves_to_a_new_part_is_told_and_counts_once(
    flow: Flow, *, new_first: bool
) -> None:
    files = moved_to_a_new_part(flow, new_first=new_first)
    by_part = {one.source.key: one for one in files}
    first, new = by_part[PART.format(1)], by_part[PART.format(3)]
    assert first.error_code == "version_lacks_charges"
    assert "`finops billing withdraw 1`" in first.error
    if new_first:
        assert new.status is FileStatus.LOADED
        assert f"load {new.load_id}" in first.error
        assert "it counts twice now" in first.error
        assert f"`finops billing retry {first.load_id}`" in first.error
    else:
        # Nothing counts twice: the new part waits for the other one's correction.
        assert new.error_code == "delivery_is_incomplete"
        assert "`--part-of 1`" in new.error
        assert counted(flow) == OLD
    flow.withdraw(flow.store.files[1])
    for one in files:
        if flow.store.files[one.load_id].status is FileStatus.REJECTED:
            assert flow.retry(one).status is FileStatus.LOADED
    assert counted(flow) == NEW


def test_a_new_part_counts_beside_a_refused_one_by_a_persons_word(flow: Flow) -> None:
    _, new, _ = moved_to_a_new_part(flow, new_first=False)
    assert flow.retry(new, part_of=PART.format(1)).status is FileStatus.LOADED
    assert counted(flow)["02"] == 4


def test_a_version_that_lacks_a_month_of_an_older_part_alone_is_refused_as_ever(flow: Flow) -> None:
    drop(flow, PART.format(2), months(m2="2"))
    drop(flow, PART.format(1), months(m3="1", m2="5"))
    lacks = drop(flow, PART.format(1), months(m3="1"))
    assert lacks.error_code == "version_lacks_charges"
    assert "twice" not in lacks.error
    assert counted(flow) == {"03": Decimal(1), "02": Decimal(7)}
