"""Rows of a large file that failed, which another file brought meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from finops.billing.domain import LOADED, FileEntry, FileStatus
from finops.billing.parts import FilePlanner, plan_key
from finops.billing.ports import RowsTakenOver
from finops.shared.errors import FinOpsError, TransientFailure
from tests.billing.use_cases import SETTINGS, Flow, bills

BIG = bills(("1", 10), ("2", 20), ("3", 30))


def half_loaded(flow: Flow) -> int:
    """A large file of which only the first part is loaded, and that failed."""
    flow.settings = replace(SETTINGS, large_file_bytes=1)
    entry = flow.load(flow.objects.put("billing/x/big.csv", BIG))
    FilePlanner(
        store=flow.store, objects=flow.objects, settings=lambda: flow.settings, part_bytes=1
    ).plan(entry.load_id)
    first, *_ = json.loads(b"".join(flow.objects.read(plan_key(entry.load_id))))
    flow.load_part(first)
    lost = FinOpsError("part 2 is lost", code="lost", step="load_chunk")
    assert flow.finisher.fail(entry.load_id, lost).status is FileStatus.FAILED
    flow.workflow.running = False
    flow.settings = SETTINGS
    return entry.load_id


def retried(flow: Flow, load_id: int, *, reopened: bool = False) -> FileStatus:
    flow.settings = replace(SETTINGS, large_file_bytes=1)
    flow.workflow.running = False
    entry = flow.store.find(load_id)
    if reopened:
        flow.retry(entry, restates=entry.source.restates)
    else:
        flow.load(entry.source)
    return flow.run_workflow(load_id).status


def test_a_failed_file_is_loaded_again_after_another_one_took_its_rows() -> None:
    flow = Flow()
    load_id = half_loaded(flow)
    other = flow.load(flow.objects.put("billing/x/other.csv", bills(("1", 10))))
    assert other.status is FileStatus.LOADED
    with pytest.raises(RowsTakenOver, match="files took 1 rows over from") as caught:
        retried(flow, load_id)
    assert caught.value.remedy == f"`finops billing retry {load_id}`"
    assert flow.finisher.fail(load_id, caught.value).status is FileStatus.FAILED
    assert retried(flow, load_id) is FileStatus.LOADED
    assert flow.store.files[load_id].tally.notes == {"also_in_another_file": 1}
    amounts = {key: Decimal(row["bill_amount"]) for (_, key), row in flow.store.rows.items()}
    assert amounts == {"1": 10, "2": 20, "3": 30}


def test_a_failed_file_whose_rows_are_there_keeps_its_parts() -> None:
    flow = Flow()
    load_id = half_loaded(flow)
    before = flow.store.rows["x", "1"]
    assert retried(flow, load_id) is FileStatus.LOADED
    assert flow.store.rows["x", "1"] == before


def test_parts_that_met_rows_of_a_file_that_was_taken_back_are_loaded_again() -> None:
    flow = Flow()
    first = flow.load(flow.objects.put("billing/x/a.csv", bills(("1", 10))))
    load_id = half_loaded(flow)
    flow.withdraw(first)
    with pytest.raises(RowsTakenOver, match="a file was taken back") as caught:
        retried(flow, load_id)
    flow.finisher.fail(load_id, caught.value)
    assert retried(flow, load_id) is FileStatus.LOADED
    amounts = {key: Decimal(row["bill_amount"]) for (_, key), row in flow.store.rows.items()}
    assert amounts == {"1": 10, "2": 20, "3": 30}


OLD = {"1": Decimal(10), "2": Decimal(20), "3": Decimal(30)}
NEW = bills(("1", 11), ("2", 21), ("4", 40))


def counted(flow: Flow) -> dict[str, Decimal]:
    """The bills that count, as the views have them."""
    return {
        key: Decimal(row["bill_amount"])
        for (_, key), row in flow.store.rows.items()
        if flow.store.files[row["load"]].status in LOADED
    }


def begun(flow: Flow, key: str, body: bytes, **said: str) -> tuple[FileEntry, list[dict[str, Any]]]:
    """A large file that is planned, and its parts."""
    flow.settings = replace(SETTINGS, large_file_bytes=1)
    flow.workflow.running = False
    entry = flow.load(flow.objects.put(f"billing/x/{key}", body, **said))
    FilePlanner(
        store=flow.store, objects=flow.objects, settings=lambda: flow.settings, part_bytes=1
    ).plan(entry.load_id)
    flow.settings = SETTINGS
    return entry, json.loads(b"".join(flow.objects.read(plan_key(entry.load_id))))


@pytest.mark.parametrize("key", ["a.csv", "correction.csv"], ids=["version", "correction"])
def test_parts_of_a_correction_change_nothing_before_all_of_it_is_loaded(key: str) -> None:
    flow = Flow()
    flow.load(flow.objects.put("billing/x/a.csv", BIG))
    entry, parts = begun(flow, key, NEW, restates="yes")
    for part in parts:
        flow.load_part(part)
        assert counted(flow) == OLD
    lost = FinOpsError("the database is away", code="lost", step="finish_file")
    assert flow.finisher.fail(entry.load_id, lost).status is FileStatus.FAILED
    assert counted(flow) == OLD
    assert flow.finisher.finish(entry.load_id).status is FileStatus.LOADED
    assert counted(flow) == {**OLD, "1": 11, "2": 21, "4": 40}
    is_other = key != "a.csv"
    assert flow.store.files[1].tally.notes == ({"bills_replaced": 2} if is_other else {})


def test_a_refused_correction_in_parts_takes_no_bill_away() -> None:
    flow = Flow()
    flow.load(flow.objects.put("billing/x/a.csv", BIG))
    flow.load(flow.objects.put("billing/y/b.csv", bills(("4", 40))))
    entry, parts = begun(flow, "correction.csv", NEW, restates="yes")
    for part in parts:
        flow.load_part(part)
    refused = flow.finisher.finish(entry.load_id)
    assert (refused.status, refused.error_code) == (FileStatus.REJECTED, "bills_are_loaded")
    assert counted(flow) == {**OLD, "4": 40}
    # Once the other file is taken back, the correction loads.
    flow.withdraw(flow.store.files[2])
    assert retried(flow, entry.load_id, reopened=True) is FileStatus.LOADED
    assert counted(flow) == {**OLD, "1": 11, "2": 21, "4": 40}


def test_a_correction_in_parts_is_loaded_again_where_another_one_came_first() -> None:
    flow = Flow()
    flow.load(flow.objects.put("billing/x/a.csv", BIG))
    entry, parts = begun(flow, "big.csv", NEW, restates="yes")
    for part in parts:
        flow.load_part(part)
    flow.load(flow.objects.put("billing/x/small.csv", bills(("1", 12)), restates="yes"))
    with pytest.raises(RowsTakenOver) as caught:
        flow.finisher.finish(entry.load_id)
    flow.finisher.fail(entry.load_id, caught.value)
    assert counted(flow) == {**OLD, "1": 12}
    assert retried(flow, entry.load_id) is FileStatus.LOADED
    assert counted(flow) == {**OLD, "1": 12, "2": 21, "4": 40}


def test_rows_of_a_file_that_is_being_loaded_are_not_counted_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("finops.billing.conflicts._PAUSE", 0)
    flow = Flow()
    entry, parts = begun(flow, "big.csv", BIG)
    flow.load_part(parts[0])
    source = flow.objects.put("billing/x/small.csv", bills(("1", 10), ("5", 50)))
    with pytest.raises(TransientFailure, match="not loaded"):
        flow.load(source)
    assert counted(flow) == {}
    lost = FinOpsError("part 2 is lost", code="lost", step="load_chunk")
    flow.finisher.fail(entry.load_id, lost)
    # Its event comes again: what the large file left is taken over.
    assert flow.load(source).status is FileStatus.LOADED
    assert counted(flow) == {"1": 10, "5": 50}


@pytest.mark.parametrize(("before", "after"), [(100, 130), (130, 100), (1, 1 << 20)])
def test_a_file_that_is_cut_in_another_way_is_loaded_whole(before: int, after: int) -> None:
    flow = Flow()
    body = bills(*((f"{number}", number) for number in range(1, 13)))
    flow.settings = replace(SETTINGS, large_file_bytes=1)
    entry = flow.load(flow.objects.put("billing/x/big.csv", body))
    for size in (before, after):
        flow.workflow.running = False
        FilePlanner(
            store=flow.store, objects=flow.objects, settings=lambda: flow.settings, part_bytes=size
        ).plan(entry.load_id)
        parts = json.loads(b"".join(flow.objects.read(plan_key(entry.load_id))))
        if size == before:
            flow.load_part(parts[0])
            lost = FinOpsError("part 2 is lost", code="lost", step="load_chunk")
            flow.finisher.fail(entry.load_id, lost)
            flow.load(entry.source)
    for part in parts:
        flow.load_part(part)
    assert flow.finisher.finish(entry.load_id).amounts == {"USD": 78}
    assert counted(flow) == {f"{number}": number for number in range(1, 13)}
