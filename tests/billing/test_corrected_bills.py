"""A bill that another file corrected comes back when the correction goes, or the ledger says so."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from finops.billing.dataset_format import format_key
from finops.billing.domain import FileEntry, FileStatus
from finops.shared.errors import RejectedInput
from tests.billing.use_cases import SETTINGS, Flow, bills

ORIGINAL = bills(("1", 10), ("2", 20))


@pytest.fixture(params=["whole", "in parts"])
def flow(request: pytest.FixtureRequest) -> Flow:
    in_parts = request.param == "in parts"
    return Flow(replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6))


def load(flow: Flow, name: str, body: bytes, **said: str) -> FileEntry:
    flow.workflow.running = False
    entry = flow.load(flow.objects.put(f"billing/x/{name}", body, **said))
    return entry if entry.status.is_final else flow.run_workflow(entry.load_id)


def again(flow: Flow, load_id: int, *, restates: bool = False) -> FileEntry:
    flow.workflow.running = False
    entry = flow.retry(flow.store.files[load_id], restates=restates)
    return entry if entry.status.is_final else flow.run_workflow(load_id)


def table(flow: Flow) -> dict[str, Decimal]:
    return {key: Decimal(row["bill_amount"]) for (_, key), row in flow.store.rows.items()}


@pytest.mark.parametrize("by_dataset", [False, True])
def test_a_correction_that_is_taken_back_names_the_file_that_it_corrected(
    flow: Flow, *, by_dataset: bool
) -> None:
    load(flow, "a.csv", ORIGINAL)
    said = {} if by_dataset else {"restates": "yes"}
    if by_dataset:
        flow.objects.content[format_key("x"), ""] = b'{"replace": true}'
    corrected = load(flow, "b.csv", bills(("1", 12)), **said)
    assert (corrected.status, corrected.tally.updated) == (FileStatus.LOADED, 1)
    assert table(flow) == {"1": 12, "2": 20}
    # LOADED says that its rows are in the table, or which are not.
    assert flow.store.files[1].tally.notes == {"bills_replaced": 1}
    done = flow.withdraw(corrected)
    assert (done.rows_removed, [one.load_id for one in done.replaced]) == (1, [1])
    assert again(flow, 1).status is FileStatus.LOADED
    assert table(flow) == {"1": 10, "2": 20}
    assert "bills_replaced" not in flow.store.files[1].tally.notes
    with pytest.raises(RejectedInput, match="nothing to retry"):
        again(flow, 1)


def test_a_corrected_file_that_is_loaded_again_leaves_the_correction(flow: Flow) -> None:
    load(flow, "a.csv", ORIGINAL)
    load(flow, "b.csv", bills(("1", 12)), restates="yes")
    found = again(flow, 1)
    assert (found.status, found.tally.quarantined) == (FileStatus.LOADED_WITH_REJECTS, 1)
    (conflict,) = [row for one in flow.quarantines for row in one.rows]
    assert (conflict.reason, "b.csv" in conflict.message) == ("conflicting_record_id", True)
    assert table(flow) == {"1": 12, "2": 20}


def test_bills_that_a_further_file_holds_stay_while_one_is_loaded_again(flow: Flow) -> None:
    load(flow, "a.csv", ORIGINAL)
    held = load(flow, "c.csv", bills(("2", 20)))
    corrected = load(flow, "b.csv", bills(("1", 12)), restates="yes")
    flow.withdraw(corrected)
    assert again(flow, 1).tally.notes["also_in_another_file"] == 1
    assert flow.store.rows["x", "2"]["load"] == held.load_id
    assert table(flow) == {"1": 10, "2": 20}


def test_the_newer_correction_goes_before_a_persons_word_on_the_older_file(flow: Flow) -> None:
    load(flow, "a.csv", ORIGINAL)
    load(flow, "b.csv", bills(("1", 12)), restates="yes")
    with pytest.raises(RejectedInput) as refused:
        again(flow, 1, restates=True)
    assert refused.value.code == "restated_since"
    assert table(flow) == {"1": 12, "2": 20}


def test_a_new_version_of_a_file_corrects_its_own_bills_without_a_note(flow: Flow) -> None:
    load(flow, "a.csv", ORIGINAL)
    load(flow, "a.csv", bills(("1", 11), ("2", 20)), restates="yes")
    assert [one.tally.notes for one in flow.store.files.values()] == [{}, {"corrected": 1}]


def test_a_file_that_is_taken_back_and_loaded_again_holds_what_others_brought(flow: Flow) -> None:
    load(flow, "a.csv", ORIGINAL)
    second = load(flow, "b.csv", bills(("1", 10), ("2", 20), ("3", 30)))
    assert second.tally.unchanged == 2
    flow.withdraw(second)
    assert table(flow) == {"1": 10, "2": 20}
    found = again(flow, second.load_id)
    assert (found.status, found.tally.unchanged, found.tally.inserted) == (FileStatus.LOADED, 2, 1)
    assert table(flow) == {"1": 10, "2": 20, "3": 30}


def test_a_chain_of_corrections_ends_at_the_file_that_brought_the_bill(flow: Flow) -> None:
    load(flow, "a.csv", ORIGINAL)
    first = load(flow, "b.csv", bills(("1", 12)), restates="yes")
    second = load(flow, "c.csv", bills(("1", 14)), restates="yes")
    assert flow.withdraw(first).rows_removed == 0
    assert table(flow) == {"1": 14, "2": 20}
    assert [one.load_id for one in flow.withdraw(second).replaced] == [1]
    again(flow, 1)
    assert table(flow) == {"1": 10, "2": 20}


def test_a_file_that_was_loaded_again_too_early_is_named_once_more(flow: Flow) -> None:
    load(flow, "a.csv", ORIGINAL)
    corrected = load(flow, "b.csv", bills(("1", 12)), restates="yes")
    assert again(flow, 1).tally.quarantined == 1
    assert [one.load_id for one in flow.withdraw(corrected).replaced] == [1]
    assert again(flow, 1).status is FileStatus.LOADED
    assert table(flow) == {"1": 10, "2": 20}
