"""A newer run of an export with manifests counts when it is whole, and at once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest

from finops.billing.domain import LOADED, FileEntry, FileStatus
from finops.billing.runs import Runs
from finops.shared.errors import RejectedInput, TransientFailure
from tests.billing.use_cases import RUNS, SETTINGS, Flow, month

FOLDERS = {
    "aws": "billing/e/data/BILLING_PERIOD=2026-03/2026-04-0{0}T00:00:00Z-{1}",
    "azure": "billing/e/20260301-20260331/20260401000{0}/{1}",
}
MANIFESTS = {
    "aws": "billing/e/metadata/BILLING_PERIOD=2026-03/2026-04-0{0}T00:00:00Z-{1}/e-Manifest.json",
    "azure": "billing/e/20260301-20260331/20260401000{0}/{1}/manifest.json",
}
COSTS = {(1, 1): "1", (1, 2): "2", (2, 1): "10", (2, 2): "20", (3, 1): "100", (3, 2): "200"}
DAMAGED = gzip.compress(month("10") * 50)[:-20]


class Export:
    """An export of two files a run, whose files and manifests are dropped."""

    def __init__(self, provider: str, *, in_parts: bool = False) -> None:
        self.provider = provider
        self.flow = Flow(replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6))

    def folder(self, run: int) -> str:
        return FOLDERS[self.provider].format(run, RUNS[run - 1])

    def file(self, run: int, part: int, body: bytes = b"") -> FileEntry:
        key = f"{self.folder(run)}/e-0000{part}.csv"
        self.flow.workflow.running = False
        entry = self.flow.load(self.flow.objects.put(key, body or month(COSTS[run, part])))
        return entry if entry.status.is_final else self.flow.run_workflow(entry.load_id)

    def manifest(self, run: int, parts: Sequence[int] = (1, 2)) -> list[FileEntry]:
        key = MANIFESTS[self.provider].format(run, RUNS[run - 1])
        named = [f"{self.folder(run)}/e-0000{part}.csv" for part in parts]
        document = (
            {"dataFiles": [f"s3://theirs/{one}" for one in named]}
            if self.provider == "aws"
            else {"blobs": [{"blobName": one} for one in named]}
        )
        flow = self.flow
        runs = Runs(flow.store, flow.audit, flow.clock)
        return runs.take_manifest(key, json.dumps(document).encode())

    def whole(self, run: int) -> None:
        for part in (1, 2):
            self.file(run, part)
        self.manifest(run)

    def statuses(self, run: int) -> set[FileStatus]:
        files = self.flow.store.newest(self.folder(run), list(FileStatus))
        return {one.status for one in files}

    @property
    def total(self) -> int:
        store = self.flow.store
        counted = [
            row for (load, _), row in store.charges.items() if store.files[load].status in LOADED
        ]
        return int(sum(Decimal(row["billed_cost"]) for row in counted))


@pytest.fixture(params=["aws", "azure"])
def export(request: pytest.FixtureRequest) -> Export:
    return Export(request.param)


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("steps", sorted(permutations(["1", "2", "manifest"])))
def test_a_newer_run_counts_when_it_is_whole_in_whatever_order_its_files_come(
    export: Export, steps: tuple[str, ...], in_parts: bool
) -> None:
    export = Export(export.provider, in_parts=in_parts)
    export.whole(1)
    assert (export.total, export.statuses(1)) == (3, {FileStatus.LOADED})
    for step in steps[:-1]:
        export.manifest(2) if step == "manifest" else export.file(2, int(step))
        assert export.total == 3
        assert export.statuses(2) <= {FileStatus.WAITING}
    export.manifest(2) if steps[-1] == "manifest" else export.file(2, int(steps[-1]))
    assert (export.total, export.statuses(2)) == (30, {FileStatus.LOADED})
    assert export.statuses(1) == {FileStatus.SUPERSEDED}
    ended = [one.action for one in export.flow.audit.events]
    assert ended.count("billing_file.loaded") == 4
    # Everything may come again.
    export.manifest(2)
    for entry in list(export.flow.store.files.values()):
        assert export.flow.load(entry.source).status is entry.status
    assert export.total == 30


def test_a_damaged_file_of_a_newer_run_leaves_the_older_one(export: Export) -> None:
    export.whole(1)
    assert export.file(2, 1).status is FileStatus.WAITING
    assert export.file(2, 2, DAMAGED).status is FileStatus.REJECTED
    assert export.manifest(2)[0].status is FileStatus.WAITING
    assert export.total == 3
    waiting = export.flow.store.files[3]
    assert (waiting.error_code, waiting.tally.inserted) == ("run_is_incomplete", 1)
    export.file(2, 1, month("11"))
    assert "1 of the 2 files that the manifest of its run names are not loaded: e-00002.csv" in (
        export.flow.store.newest(export.folder(2), [FileStatus.WAITING])[0].error
    )
    export.file(2, 2)
    assert export.total == 31


def test_a_run_that_waits_is_passed_by_a_newer_one(export: Export) -> None:
    export.whole(1)
    export.file(2, 1)
    export.whole(3)
    assert export.total == 300
    export.file(2, 2)
    export.manifest(2)
    assert (export.total, export.statuses(2)) == (300, {FileStatus.SUPERSEDED})


def test_a_first_run_counts_file_by_file(export: Export) -> None:
    assert export.file(1, 1).status is FileStatus.LOADED
    export.manifest(1)
    assert export.file(1, 2).status is FileStatus.LOADED
    assert export.total == 3


def test_runs_without_manifests_count_file_by_file(export: Export) -> None:
    for run in (1, 2):
        for part in (1, 2):
            export.file(run, part)
    assert export.total == 30


def test_a_person_may_have_a_file_count_that_waits(export: Export) -> None:
    export.whole(1)
    waiting = export.file(2, 1)
    entry = export.flow.retry(waiting, restates=True)
    assert (entry.status, export.total) == (FileStatus.LOADED, 10)
    with pytest.raises(RejectedInput, match="there is nothing to retry"):
        export.flow.retry(entry)


def test_an_invalid_manifest_changes_nothing(export: Export) -> None:
    export.whole(1)
    flow = export.flow
    runs = Runs(flow.store, flow.audit, flow.clock)
    key = MANIFESTS[export.provider].format(2, RUNS[1])
    for content in (b"", b"{", b'{"dataFiles": []}', b'{"blobs": [{}]}', b"[]"):
        assert runs.take_manifest(key, content) == []
    assert export.file(2, 1).status is FileStatus.WAITING


def test_a_loader_that_is_killed_before_its_run_counts_is_no_loss(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.whole(1)
    export.file(2, 1)
    export.manifest(2)

    def killed(*_: object) -> FileEntry:
        raise TransientFailure("killed", code="throttled")

    with monkeypatch.context() as patch:
        patch.setattr(Runs, "release", killed)
        with pytest.raises(TransientFailure):
            export.file(2, 2)
    # The last file counts with it; the first one does when the event comes again.
    last = export.flow.store.files[4]
    assert export.flow.load(last.source).status is FileStatus.LOADED
    assert (export.total, export.statuses(2)) == (30, {FileStatus.LOADED})


MONTHLY = "billing/e/data/BILLING_PERIOD=2026-03/2026-04-0{0}T00:00:00Z-{1}/e-0000{2}.csv"
RANGED = "billing/e/20260301-20260331/20260{0}010000/{1}/part_0_000{2}.csv"


def charges(**costs: str) -> bytes:
    """Charges of March by account and provider: a1_AWS="9" is one."""
    header, _, _ = month("1").partition(b"\n")
    rows = []
    for name, cost in costs.items():
        account, _, provider = name.partition("_")
        _, _, row = month(cost, account=account).partition(b"\n")
        rows.append(row.rstrip() + b"," + provider.encode() + b"\n")
    return header + b",ProviderName\n" + b"".join(rows)


def costs(flow: Flow) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for (load_id, _), row in flow.store.charges.items():
        if flow.store.files[load_id].status in LOADED:
            name = f"{row['billing_account_id']}_{row['provider_name']}"
            found[name] = found.get(name, Decimal(0)) + Decimal(row["billed_cost"])
    return found


@pytest.mark.parametrize("key", [MONTHLY, RANGED])
@pytest.mark.parametrize("late", [False, True])
def test_of_a_run_of_the_same_days_nothing_counts_beside_a_newer_one(key: str, late: bool) -> None:
    flow = Flow()
    files = [
        (key.format(1, RUNS[1], 1), charges(a_AWS="90", a_SellerX="10"), "0001"),
        (key.format(1, RUNS[1], 2), charges(b_AWS="5"), "0002"),
        (key.format(2, RUNS[2], 1), charges(a_AWS="100"), "0003"),
    ]
    for name, body, order in reversed(files) if late else files:
        flow.load(flow.objects.put(name, body, order))
    assert costs(flow) == {"a_AWS": 100}
    by_key = {one.source.key: one for one in flow.store.files.values()}
    for name, _, _ in files[:2]:
        assert (by_key[name].status, by_key[name].error_code) == ("SUPERSEDED", "replaced")


def test_a_run_without_days_takes_the_months_of_accounts_whatever_providers_they_name() -> None:
    flow = Flow()
    key = "billing/e/2026-04-0{0}T00:00:00Z-{1}/e-0000{2}.csv"
    body = charges(a_AWS="90", a_SellerX="10", b_AWS="5")
    flow.load(flow.objects.put(key.format(1, RUNS[1], 1), body))
    flow.load(flow.objects.put(key.format(2, RUNS[2], 1), charges(a_AWS="100")))
    assert costs(flow) == {"a_AWS": 100, "b_AWS": 5}
    flow.load(flow.objects.put(key.format(2, RUNS[2], 2), charges(a_SellerX="11")))
    assert costs(flow) == {"a_AWS": 100, "a_SellerX": 11, "b_AWS": 5}
    late = flow.load(flow.objects.put(key.format(1, RUNS[1], 2), charges(a_Other="3")))
    assert late.status is FileStatus.SUPERSEDED
    assert costs(flow)["a_AWS"] == 100


def test_an_empty_file_of_a_newer_run_takes_nothing_away() -> None:
    flow = Flow()
    flow.load(flow.objects.put(MONTHLY.format(1, RUNS[1], 1), charges(a_AWS="90")))
    empty = flow.load(flow.objects.put(MONTHLY.format(2, RUNS[2], 1), charges()))
    assert empty.status is FileStatus.LOADED
    assert costs(flow) == {"a_AWS": 90}


def test_providers_of_one_account_in_files_of_no_run_count_each() -> None:
    flow = Flow()
    for number, name in enumerate(("a_AWS", "a_SellerX")):
        flow.load(flow.objects.put(f"billing/x/{number}.csv", charges(**{name: "1"})))
    assert costs(flow) == {"a_AWS": 1, "a_SellerX": 1}


@pytest.mark.parametrize("key", [MONTHLY, RANGED])
@pytest.mark.parametrize("late", [False, True])
def test_runs_without_an_account_in_common_are_of_other_exports(key: str, late: bool) -> None:
    """Two payers whose exports have one name, in one folder."""
    flow = Flow()
    files = [
        (key.format(1, RUNS[1], 1), charges(a_AWS="90"), "0001"),
        (key.format(2, RUNS[2], 1), charges(b_AWS="70"), "0002"),
        (key.format(3, RUNS[0], 1), charges(a_AWS="95"), "0003"),
    ]
    for name, body, order in reversed(files) if late else files:
        flow.load(flow.objects.put(name, body, order))
    assert costs(flow) == {"a_AWS": 95, "b_AWS": 70}


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_runs_of_the_same_days_count_alone_in_whatever_order_they_come(
    order: tuple[int, ...],
) -> None:
    flow = Flow()
    files = [
        (MONTHLY.format(1, RUNS[1], 1), charges(a_AWS="90")),
        (MONTHLY.format(1, RUNS[1], 2), charges(b_AWS="5")),
        (MONTHLY.format(2, RUNS[2], 1), charges(a_AWS="100")),
        (MONTHLY.format(2, RUNS[2], 2), charges(c_AWS="7")),
    ]
    for number in order:
        name, body = files[number]
        flow.load(flow.objects.put(name, body, f"{number:04}"))
    assert costs(flow) == {"a_AWS": 100, "c_AWS": 7}


def of_sub_accounts(*names: str) -> bytes:
    header, _, rows = month(*["1"] * len(names)).partition(b"\n")
    lines = rows.splitlines()
    named = [line + b"," + name.encode() for line, name in zip(lines, names, strict=True)]
    return b"\n".join([header + b",SubAccountId", *named]) + b"\n"


@pytest.mark.parametrize("key", [MONTHLY, RANGED])
@pytest.mark.parametrize("late", [False, True])
def test_runs_of_other_subscriptions_are_of_other_exports(key: str, late: bool) -> None:
    flow = Flow()
    files = [
        (key.format(1, RUNS[1], 1), of_sub_accounts("s1", "s2")),
        (key.format(2, RUNS[2], 1), of_sub_accounts("s3")),
        (key.format(3, RUNS[0], 1), of_sub_accounts("s1")),
    ]
    order = reversed(range(3)) if late else range(3)
    for number in order:
        flow.load(flow.objects.put(*files[number], f"{number:04}"))
    by_key = {one.source.key: one.status for one in flow.store.files.values()}
    statuses = [by_key[name] for name, _ in files]
    assert statuses == ["SUPERSEDED", "LOADED", "LOADED"]
