"""Rows of a large file that failed, which another file brought meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from finops.billing.domain import FileStatus
from finops.billing.parts import FilePlanner, plan_key
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


def retried(flow: Flow, load_id: int) -> FileStatus:
    flow.settings = replace(SETTINGS, large_file_bytes=1)
    flow.workflow.running = False
    flow.load(flow.store.find(load_id).source)
    return flow.run_workflow(load_id).status


def test_a_failed_file_is_loaded_again_after_another_one_took_its_rows() -> None:
    flow = Flow()
    load_id = half_loaded(flow)
    other = flow.load(flow.objects.put("billing/x/other.csv", bills(("1", 10))))
    assert other.status is FileStatus.LOADED
    with pytest.raises(TransientFailure, match="files took 1 rows over from") as caught:
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
    with pytest.raises(TransientFailure, match="a file was taken back") as caught:
        retried(flow, load_id)
    flow.finisher.fail(load_id, caught.value)
    assert retried(flow, load_id) is FileStatus.LOADED
    amounts = {key: Decimal(row["bill_amount"]) for (_, key), row in flow.store.rows.items()}
    assert amounts == {"1": 10, "2": 20, "3": 30}
