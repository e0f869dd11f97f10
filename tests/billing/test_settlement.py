"""Which file counts for a month of a billing account: what is certain, and what is refused."""

from __future__ import annotations

import gzip
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest

from finops.billing.dataset_format import DatasetFormat, format_key
from finops.billing.domain import LOADED, FileEntry, FileStatus
from finops.shared.errors import RejectedInput, TransientFailure
from tests.billing.use_cases import FOCUS, RUNS, SETTINGS, Flow, bills, month

ACCOUNT = "111111111111"
TIMED = "billing/e/2026-04-0{0}T00:00:00Z-{1}/costs-0000{2}.csv"


@pytest.fixture
def flow() -> Flow:
    return Flow()


def counted(flow: Flow) -> dict[str, Decimal | int]:
    """What counts, by billing account."""
    sums: dict[str, Decimal | int] = {}
    for (load_id, _), row in flow.store.charges.items():
        if flow.store.files[load_id].status in LOADED:
            account = row["billing_account_id"]
            sums[account] = sums.get(account, Decimal(0)) + Decimal(row["billed_cost"])
    return sums


def total(flow: Flow) -> Decimal | int:
    return sum(counted(flow).values(), Decimal(0))


def drop(flow: Flow, key: str, body: bytes, order: str = "", **said: str) -> FileEntry:
    return flow.load(flow.objects.put(f"billing/{key}", body, order, **said))


def accounts(**costs: str) -> bytes:
    """A month of several accounts, by cost."""
    files = [month(cost, account=account) for account, cost in costs.items()]
    return files[0] + b"".join(one.partition(b"\n")[2] for one in files[1:])


def of_sub_account(cost: str, *subs: str) -> bytes:
    rows = month(*[cost] * len(subs)).decode().splitlines()
    lines = [
        f"{rows[0]},SubAccountId",
        *(f"{row},{sub}" for row, sub in zip(rows[1:], subs, strict=True)),
    ]
    return ("\n".join(lines) + "\n").encode()


def refused(entry: FileEntry, first: int = 1, *, is_clear: bool = True) -> bool:
    """Whether a file is refused with both remedies, in the words of the command line.

    Where it is not clear which of several files it restates, these have to go first.
    """
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "period_is_loaded")
    assert f"(load {first}, dataset" in entry.error
    assert (f"`finops billing retry {entry.load_id} --replace`" in entry.error) is is_clear
    assert f"`finops billing retry {entry.load_id} --part-of {first}`" in entry.error
    return True


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # As `finops billing load` puts files without --dataset.
        ("focus-march.csv", "focus-march-restated.csv"),
        ("march.csv", "march (1).csv"),
        ("one/march.csv", "two/march.csv"),
        ("x/2026-04-01/f.csv", "x/2026-04-02/f.csv"),
        ("X/f.csv", "x/f.csv"),
        (f"az/{RUNS[0]}/march.csv", f"az/{RUNS[0]}/march-restated.csv"),
        (f"az/{RUNS[0]}/march.csv", f"az/{RUNS[1]}/march.csv"),
        (f"{RUNS[0]}/march.csv", f"{RUNS[0]}/march-restated.csv"),
        ("x/costs.csv", "x/costs-00001.csv"),
        ("x/focus-1.csv", "x/focus-2.csv"),
        ("x/march.csv", f"x/{RUNS[0]}/march.csv"),
        ("x/costs-00001.csv", "y/costs-00002.csv"),
    ],
)
@pytest.mark.parametrize("in_parts", [False, True])
def test_what_is_not_certain_is_refused_with_both_remedies(
    flow: Flow, first: str, second: str, in_parts: bool
) -> None:
    flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)
    for key, cost in ((first, "4.50"), (second, "4.25")):
        flow.workflow.running = False
        entry = drop(flow, key, month(cost))
        if in_parts:
            entry = flow.run_workflow(entry.load_id)
    assert refused(entry)
    assert total(flow) == Decimal("4.50")


def test_a_refused_file_counts_once_a_person_says_that_it_restates(flow: Flow) -> None:
    drop(flow, "focus-march.csv", month("4.50"))
    again = drop(flow, "focus-march-restated.csv", month("4.25"))
    assert flow.retry(again, restates=True).status is FileStatus.LOADED
    old = flow.store.files[1]
    assert (old.status, old.error_code) == (FileStatus.SUPERSEDED, "replaced")
    assert "focus-march-restated.csv (load 2)" in old.error
    assert total(flow) == Decimal("4.25")


def test_a_refused_file_adds_once_a_person_says_that_it_is_a_part(flow: Flow) -> None:
    drop(flow, "x/focus-1.csv", month("10"))
    rest = drop(flow, "y/focus-2.csv", month("20"))
    assert flow.retry(rest, part_of="billing/x/focus-1.csv").status is FileStatus.LOADED
    third = drop(flow, "x/focus-3.csv", month("5"), part_of="billing/x/focus-1.csv")
    assert (third.status, total(flow)) == (FileStatus.LOADED, 35)
    # All of them are one version, which a restated month replaces.
    new = drop(flow, "z/march.csv", month("31"), restates="yes")
    assert (new.status, total(flow)) == (FileStatus.LOADED, 31)
    copy = drop(flow, "x/copy.csv", month("31"), part_of="billing/z/march.csv")
    assert copy.error_code == "duplicate_content"


def test_a_new_version_in_several_files_replaces_the_old_one_whole(flow: Flow) -> None:
    for number in (1, 2, 3):
        drop(flow, f"old/a-0000{number}.csv", month(f"{number}"))
    for number in (1, 2):
        drop(flow, f"new/b-0000{number}.csv", month(f"{number}0"), restates="yes")
    assert total(flow) == 30
    late = drop(flow, "old/a-00004.csv", month("4"), "0000")
    assert (late.status, total(flow)) == (FileStatus.SUPERSEDED, 30)
    assert refused(drop(flow, "old/a-00005.csv", month("5")), first=4)


def test_numbers_of_exports_are_no_parts_without_a_first_one(flow: Flow) -> None:
    drop(flow, "x/export-00017.csv", month("1"))
    newer = drop(flow, "x/export-00018.csv", month("1", "2"))
    assert refused(newer)
    assert flow.retry(newer, restates=True).status is FileStatus.LOADED
    assert total(flow) == 3
    newest = drop(flow, "x/export-00019.csv", month("1", "2", "4"))
    assert refused(newest, first=2)
    assert flow.retry(newest, restates=True).status is FileStatus.LOADED
    assert total(flow) == 7
    rest = drop(flow, "x/export-00020.csv", month("8"))
    part = flow.retry(rest, part_of="billing/x/export-00019.csv")
    assert (part.status, total(flow)) == (FileStatus.LOADED, 15)
    assert refused(drop(flow, "x/export-00021.csv", month("16")), first=3)


@pytest.mark.parametrize("first", ["c-00000.csv", "c-00001.csv"])
def test_parts_arrive_in_any_order(flow: Flow, first: str) -> None:
    """The first one may have failed, or be on its way."""
    flow.store.failures = [TransientFailure("throttled", code="throttled")]
    waiting = flow.objects.put(f"billing/d/{first}", month("1"))
    with pytest.raises(TransientFailure):
        flow.load(waiting)
    for number in (5, 3, 2):
        drop(flow, f"d/c-0000{number}.csv", month(f"{number}"))
    assert total(flow) == 10
    assert flow.load(waiting).status is FileStatus.LOADED
    assert drop(flow, "d/c-00006.csv", month("6")).status is FileStatus.LOADED
    assert total(flow) == 17


def test_parts_in_a_folder_of_their_period_need_no_first_one(flow: Flow) -> None:
    for number in (3, 2):
        drop(flow, f"e/data/BILLING_PERIOD=2026-03/e-0000{number}.csv", month(f"{number}"))
    assert total(flow) == 5


def test_a_part_that_is_said_to_restate_the_others_is_refused(flow: Flow) -> None:
    drop(flow, "x/costs-00001.csv", month("1"))
    entry = drop(flow, "x/costs-00002.csv", month("2"), restates="yes")
    assert (entry.error_code, total(flow)) == ("period_is_loaded", 1)
    assert "--replace" not in entry.error
    assert flow.retry(entry, part_of="billing/x/costs-00001.csv").status is FileStatus.LOADED
    assert total(flow) == 3


def test_a_part_that_restates_itself_adds_to_the_others(flow: Flow) -> None:
    drop(flow, "x/costs-00001.csv", month("1"), "0001")
    drop(flow, "x/costs-00002.csv", month("2"), "0002")
    entry = drop(flow, "x/costs-00001.csv", month("1.5"), "0003", restates="yes")
    assert (entry.status, total(flow)) == (FileStatus.LOADED, Decimal("3.5"))


def test_a_part_that_restates_another_file_adds_to_its_own_parts(flow: Flow) -> None:
    drop(flow, "x/other.csv", month("7", account="2"))
    drop(flow, "x/costs-00001.csv", month("1"))
    entry = drop(flow, "x/costs-00002.csv", accounts(**{ACCOUNT: "2", "2": "8"}))
    assert "x/other.csv (load 1," in entry.error
    assert flow.retry(entry, restates=True).status is FileStatus.LOADED
    assert counted(flow) == {ACCOUNT: 3, "2": 8}


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize(
    ("loaded", "again", "left"),
    [
        # Each subscription by itself.
        (
            [("sub1.csv", of_sub_account("1", "s1")), ("sub2.csv", of_sub_account("2", "s2"))],
            ("sub2-v2.csv", of_sub_account("2.5", "s2")),
            "3.5",
        ),
        # Each week by itself.
        (
            [
                (f"e/20260301-20260307/{RUNS[0]}/part_0_0001.csv", month("1")),
                (f"e/20260308-20260314/{RUNS[1]}/part_0_0001.csv", month("2")),
            ],
            (f"e/20260308-20260314/{RUNS[2]}/part_0_0001.csv", month("2.5")),
            "3.5",
        ),
        # All weeks at once.
        (
            [
                (f"e/20260301-20260307/{RUNS[0]}/part_0_0001.csv", month("1")),
                (f"e/20260308-20260314/{RUNS[1]}/part_0_0001.csv", month("2")),
            ],
            (f"e/20260301-20260331/{RUNS[2]}/part_0_0001.csv", month("5")),
            "5",
        ),
    ],
    ids=["sub accounts", "weeks", "month of weeks"],
)
@pytest.mark.parametrize("how", ["retry", "load", "dataset"])
def test_only_what_a_file_may_restate_is_replaced(
    loaded: list[tuple[str, bytes]],
    again: tuple[str, bytes],
    left: str,
    how: str,
    *,
    in_parts: bool,
) -> None:
    flow = Flow(settings=replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6))

    def load(key: str, body: bytes, order: int, **said: str) -> FileEntry:
        flow.workflow.running = False
        entry = drop(flow, f"d/{key}", body, f"{order:04}", **said)
        return flow.run_workflow(entry.load_id) if in_parts else entry

    if how == "dataset":
        for dataset in ("d", "d/e"):
            flow.objects.content[format_key(dataset), ""] = b'{"replace": true}'
    for at, (key, body) in enumerate(loaded, 1):
        assert load(key, body, at).status is FileStatus.LOADED
    if how == "retry":
        entry = load(*again, 9)
        assert f"d/{loaded[-1][0]} (load 2, " in entry.error
        assert ("(load 1, " in entry.error) is (left == "5")
        flow.workflow.running = False
        entry = flow.retry(entry, restates=True)
        entry = flow.run_workflow(entry.load_id) if in_parts else entry
    else:
        entry = load(*again, 9, restates="yes" if how == "load" else "")
    assert (entry.status, total(flow)) == (FileStatus.LOADED, Decimal(left))
    assert flow.store.files[2].status is FileStatus.SUPERSEDED


@pytest.mark.parametrize("how", ["retry", "load", "dataset"])
@pytest.mark.parametrize("subs", [("s2", "s3"), ("",), ("s1", "s2", "")])
def test_where_it_is_not_clear_what_a_file_restates_all_are_named(
    flow: Flow, subs: tuple[str, ...], how: str
) -> None:
    if how == "dataset":
        flow.objects.content[format_key("d"), ""] = b'{"replace": true}'
    drop(flow, "d/a.csv", of_sub_account("1", "s1", "s2"))
    drop(flow, "d/b.csv", of_sub_account("2", "s3"))
    said = {"restates": "yes"} if how == "load" else {}
    entry = drop(flow, "d/c.csv", of_sub_account("5", *subs), **said)
    if how == "retry":
        entry = flow.retry(entry, restates=True)
    assert (entry.error_code, total(flow)) == ("period_is_loaded", 4)
    assert "d/a.csv (load 1, dataset d), " in entry.error
    assert "d/b.csv (load 2, dataset d)" in entry.error
    assert "--replace" not in entry.error
    for load in (1, 2):
        flow.withdraw(flow.store.files[load])
    assert flow.retry(entry).status is FileStatus.LOADED
    assert total(flow) == 5 * len(subs)


def test_files_of_one_version_are_named_together(flow: Flow) -> None:
    drop(flow, "x/a.csv", month("1"))
    drop(flow, "x/rest.csv", month("2"), part_of="billing/x/a.csv")
    entry = drop(flow, "x/rest-v2.csv", month("2.5"))
    assert refused(entry)
    assert "x/rest.csv (load 2, dataset x)" in entry.error
    assert "all 2 of them" in entry.error


@pytest.mark.parametrize("late", [False, True])
def test_sub_accounts_of_a_dataset_that_replaces_add_up_in_any_order(
    flow: Flow, *, late: bool
) -> None:
    flow.objects.content[format_key("d"), ""] = b'{"replace": true}'
    for number in (2, 1) if late else (1, 2):
        drop(flow, f"d/{number}.csv", of_sub_account(f"{number}", f"s{number}"), f"000{number}")
    assert total(flow) == 3


def test_a_late_part_of_a_replaced_delivery_does_not_count_without_the_others(flow: Flow) -> None:
    drop(flow, "d/c-00001.csv", of_sub_account("1", "s1"), "0001")
    drop(flow, "d/whole.csv", of_sub_account("5", "s1"), "0009", restates="yes")
    late = drop(flow, "d/c-00002.csv", of_sub_account("2", "s2"), "0002")
    assert (late.status, total(flow)) == (FileStatus.SUPERSEDED, 5)


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("newer", [bills(("1", 1)), month("x")], ids=["bills", "rejects"])
def test_charges_of_a_late_version_are_told_where_the_newer_one_holds_none(
    flow: Flow, newer: bytes, *, in_parts: bool
) -> None:
    drop(flow, "x/costs.csv", newer, "0002")
    flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)
    entry = drop(flow, "x/costs.csv", month("3"), "0001")
    entry = flow.run_workflow(entry.load_id) if in_parts else entry
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "version_lacks_charges")


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("older", [{"2": "3"}, {"1": "2", "2": "3"}])
def test_no_month_of_an_older_version_vanishes_unsaid_in_either_order(
    flow: Flow, older: dict[str, str], *, is_late: bool, in_parts: bool
) -> None:
    flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)
    versions = [("0001", accounts(**older)), ("0002", accounts(**{"1": "4"}))]
    for order, body in reversed(versions) if is_late else versions:
        flow.workflow.running = False
        entry = drop(flow, "x/costs.csv", body, order)
        entry = flow.run_workflow(entry.load_id) if in_parts else entry
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "version_lacks_charges")
    assert "charges of 2026-03 of billing account 2" in entry.error
    assert "account 1" not in entry.error
    flow.withdraw(flow.store.files[1])
    flow.workflow.running = False
    entry = flow.retry(flow.store.files[2])
    entry = flow.run_workflow(entry.load_id) if in_parts else entry
    assert entry.status is FileStatus.LOADED


@pytest.mark.parametrize("folder", ["f", f"f/{RUNS[0]}"])
def test_a_dataset_that_declares_it_counts_the_newest_file_only(flow: Flow, folder: str) -> None:
    flow.settings = replace(SETTINGS, formats={"f": DatasetFormat(replace=True)})
    drop(flow, "g/march.csv", month("1", account="2"))
    drop(flow, f"{folder}/march.csv", month("4.50"))
    restated = drop(flow, f"{folder}/march-restated.csv", month("4.25"))
    assert (restated.status, counted(flow)[ACCOUNT]) == (FileStatus.LOADED, Decimal("4.25"))
    # A dataset speaks for its own files.
    assert refused(drop(flow, f"{folder}/other.csv", month("2", account="2")))


@pytest.mark.parametrize("arrivals", sorted(permutations([(1, 1), (1, 2), (2, 1), (2, 2)])))
@pytest.mark.parametrize("order", ["{run}{part}", "{part}{run}"], ids=["one by one", "mixed"])
@pytest.mark.parametrize("how", ["dataset", "files"])
def test_runs_without_times_never_mix(
    flow: Flow, arrivals: tuple[tuple[int, int], ...], order: str, how: str
) -> None:
    """By people's word the newest counts: of runs, whole ones; files may arrive in any order."""
    said = {"restates": "yes"} if how == "files" else {}
    if how == "dataset":
        flow.settings = replace(SETTINGS, formats={"e": DatasetFormat(replace=True)})
    costs = {(1, 1): "1", (1, 2): "2", (2, 1): "10", (2, 2): "20"}
    for run, part in arrivals:
        key = f"e/{RUNS[run]}/costs-0000{part}.csv"
        drop(flow, key, month(costs[run, part]), order.format(run=run, part=part), **said)
    by_run = [
        {one.status for one in flow.store.files.values() if RUNS[run] in one.source.key}
        for run in (1, 2)
    ]
    assert total(flow) in (3, 30)
    assert by_run.count({FileStatus.LOADED}) == 1
    assert not by_run[total(flow) == 3] & set(LOADED)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ([{"a": "1", "b": "2"}], [{"a": "10"}, {"b": "20"}]),
        ([{"a": "1"}, {"b": "2"}], [{"a": "10", "b": "20"}]),
        ([{"a": "1", "b": "2"}, {"a": "3"}], [{"b": "20"}, {"a": "10"}]),
    ],
)
def test_a_run_may_be_cut_in_another_way_than_the_one_before(
    flow: Flow, older: list[dict[str, str]], newer: list[dict[str, str]]
) -> None:
    for run, files in ((1, older), (2, newer)):
        for part, costs in enumerate(files, 1):
            entry = drop(flow, TIMED.format(run, RUNS[run], part).removeprefix("billing/"),
                         accounts(**costs))  # fmt: skip
            assert entry.status is FileStatus.LOADED
    assert counted(flow) == {"a": 10, "b": 20}
    assert {flow.store.files[1 + at].status for at in range(len(older))} == {FileStatus.SUPERSEDED}


def test_months_that_a_newer_run_lacks_go_on_counting(flow: Flow) -> None:
    key = TIMED.removeprefix("billing/")
    drop(flow, key.format(1, RUNS[1], 1), accounts(a="1", b="2"))
    drop(flow, key.format(2, RUNS[2], 1), accounts(a="10"))
    assert counted(flow) == {"a": 10, "b": 2}
    left = flow.store.files[1]
    assert (left.status, left.amount_usd) == (FileStatus.LOADED, 2)
    assert left.tally.notes == {"charges_replaced": 1}
    done = flow.withdraw(flow.store.files[2])
    assert ([one.load_id for one in done.replaced], counted(flow)) == ([1], {"b": 2})
    flow.retry(left)
    assert counted(flow) == {"a": 1, "b": 2}


def test_equal_parts_of_a_run_add_up_and_copies_elsewhere_do_not(flow: Flow) -> None:
    key = TIMED.removeprefix("billing/")
    for part in (1, 2):
        assert drop(flow, key.format(1, RUNS[1], part), month("1")).status is FileStatus.LOADED
    assert total(flow) == 2
    drop(flow, "x/c-00001.csv", month("1", account="2"))
    copy = drop(flow, "x/c-00002.csv", month("1", account="2"))
    assert (copy.error_code, total(flow)) == ("duplicate_content", 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body,
        gzip.compress,
        lambda body: b"\xef\xbb\xbf" + body.replace(b"\n", b"\r\n"),
        lambda body: b"\n".join(b",".join(reversed(one.split(b","))) for one in body.split(b"\n")),
    ],
    ids=["copy", "gzip", "line ends", "other order of columns"],
)
def test_a_copy_in_another_dataset_is_refused_however_it_is_written(
    flow: Flow, change: object
) -> None:
    drop(flow, "a/m.csv", month("4"))
    assert callable(change)
    copy = drop(flow, "b/m.csv", change(month("4")))
    assert copy.status is FileStatus.REJECTED
    assert copy.error_code in ("period_is_loaded", "duplicate_content")
    assert total(flow) == 4


def test_charges_of_other_sub_accounts_are_others(flow: Flow) -> None:
    """As Azure exports each subscription of a billing account by itself."""
    first = drop(flow, "one/march.csv", of_sub_account("1", "s1", "s2"))
    second = drop(flow, "two/march.csv", of_sub_account("2", "s3"))
    assert (first.status, second.status, total(flow)) == (FileStatus.LOADED, FileStatus.LOADED, 4)
    assert refused(drop(flow, "three/march.csv", of_sub_account("3", "s3", "s4")), first=2)
    assert refused(drop(flow, "four/march.csv", of_sub_account("3", "s5", "")), is_clear=False)
    whole = drop(flow, "all/march.csv", of_sub_account("5", "s1", "s2", "s3"), restates="yes")
    assert (whole.status, total(flow)) == (FileStatus.LOADED, 15)


def test_ranges_of_days_of_an_export_add_up(flow: Flow) -> None:
    key = "az/e/202603{}-202603{}/{}/part_0_0001.csv"
    for first, last, run in (("01", "07", 0), ("08", "14", 1), ("15", "15", 2)):
        entry = drop(flow, key.format(first, last, RUNS[run]), month("1"))
        assert entry.status is FileStatus.LOADED
    assert total(flow) == 3
    assert refused(drop(flow, key.format("01", "31", RUNS[0]), month("4")))


def test_an_older_run_that_was_replaced_can_count_again(flow: Flow) -> None:
    key = TIMED.removeprefix("billing/")
    for run in (1, 2):
        for part in (1, 2):
            drop(flow, key.format(run, RUNS[run], part), month(f"{run}"))
    assert total(flow) == 4
    told = set()
    for load in (3, 4):
        told |= {one.load_id for one in flow.withdraw(flow.store.files[load]).replaced}
    assert (told, total(flow)) == ({1, 2}, 0)
    for load in sorted(told):
        assert flow.retry(flow.store.files[load]).status is FileStatus.LOADED
    assert total(flow) == 2


def test_a_late_file_of_a_replaced_run_is_told_when_the_newer_one_goes(flow: Flow) -> None:
    key = TIMED.removeprefix("billing/")
    drop(flow, key.format(2, RUNS[2], 1), month("2"))
    late = drop(flow, key.format(1, RUNS[1], 1), month("1"))
    assert (late.status, late.error_code) == (FileStatus.SUPERSEDED, "replaced")
    assert [one.load_id for one in flow.withdraw(flow.store.files[1]).replaced] == [late.load_id]


def test_a_file_that_counts_is_not_loaded_again(flow: Flow) -> None:
    entry = drop(flow, "x/march.csv", month("2"))
    with pytest.raises(RejectedInput, match="nothing to retry"):
        flow.retry(entry, restates=True)
    assert total(flow) == 2


def test_a_file_that_is_said_to_correct_others_changes_their_bills(flow: Flow) -> None:
    drop(flow, "x/a.csv", bills(("1", 100)))
    conflict = drop(flow, "x/b.csv", bills(("1", 200)))
    assert (conflict.status, conflict.tally.quarantined) == (FileStatus.LOADED_WITH_REJECTS, 1)
    corrected = drop(flow, "x/c.csv", bills(("1", 200)) + b"\n", restates="yes")
    assert (corrected.status, corrected.tally.updated) == (FileStatus.LOADED, 1)
    assert flow.store.rows["x", "1"]["bill_amount"] == "200"


def test_a_withdrawn_file_can_be_loaded_again(flow: Flow) -> None:
    entry = drop(flow, "x/march.csv", month("2"))
    flow.withdraw(entry)
    assert flow.retry(flow.store.files[1]).status is FileStatus.LOADED
    assert total(flow) == 2


def test_another_provider_with_the_same_account_is_another(flow: Flow) -> None:
    header, _, rows = month("1").partition(b"\n")
    for provider in (b"AWS", b"Google Cloud"):
        body = header + b",ProviderName\n" + rows.replace(b"Usage", b"Usage," + provider)
        assert drop(flow, f"{provider.decode()}/f.csv", body).status is FileStatus.LOADED
    unknown = drop(flow, "x/f.csv", month("1"))
    assert refused(unknown, is_clear=False)
    assert FOCUS.startswith(header[:10])
