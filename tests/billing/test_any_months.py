"""Whatever happens to cost exports, each month of an account counts once, as one whole version.

What a file is to another one is known here from how the steps were made, not from keys.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import combinations

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from finops.billing.dataset_format import format_key
from finops.billing.domain import LOADED, REPLACED, FileEntry, FileStatus, SourceObject
from finops.billing.runs import Runs
from finops.shared.errors import RejectedInput, TransientFailure
from tests.billing.use_cases import RUNS, SETTINGS, Flow, month


@dataclass(frozen=True)
class Place:
    """Where a file lies.

    Attributes:
        key: Of the object.
        version: Files of one version add up.
        run: Which run of an export whose folders have times this is; 0 for none.
    """

    key: str
    version: str
    run: int = 0


def folder_of(run: int) -> str:
    """The folder of a run with a time."""
    return f"billing/e/2026-04-0{run}T00:00:00Z-{RUNS[run]}"


PLACES = (
    Place("billing/march.csv", "march"),
    Place("billing/one/march.csv", "one/march"),
    Place("billing/one/march-restated.csv", "one/restated"),
    Place("billing/two/march.csv", "two/march"),
    *(Place(f"billing/one/c-0000{part}.csv.gz"[:-3], "one/c") for part in (1, 2)),
    *(
        Place(f"{folder_of(run)}/e-0000{part}.csv", f"e{run}", run)
        for run in (1, 2)
        for part in (1, 2)
    ),
    *(
        Place(f"billing/one/{RUNS[run]}/part_0_000{part}.csv", f"one/{run}")
        for run in (1, 2)
        for part in (1, 2)
    ),
)


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A file is dropped, with the months of some accounts; its event may come late."""

    place: Place
    accounts: str
    says: str
    is_late: bool
    in_parts: bool
    kills: int


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person does something with the file that was dropped so many files before."""

    does: str
    back: int


@dataclass(frozen=True, kw_only=True)
class Declare:
    """A person declares that files of dataset one replace one another, or that they do not."""

    replace: bool


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The manifest of a run whose folders have times comes, which names its two files."""

    run: int


STEPS = st.lists(
    st.one_of(
        st.builds(
            Drop,
            place=st.sampled_from(PLACES),
            accounts=st.sampled_from(["a", "b", "ab"]),
            says=st.sampled_from(["", "", "restates", "part"]),
            is_late=st.booleans(),
            in_parts=st.booleans(),
            kills=st.integers(0, 2),
        ),
        st.builds(
            Person,
            does=st.sampled_from(["withdraw", "move", "retry", "retry restates", "retry part"]),
            back=st.integers(1, 5),
        ),
        st.builds(Declare, replace=st.booleans()),
        st.builds(Manifest, run=st.sampled_from([1, 2])),
    ),
    min_size=2,
    max_size=12,
)


@dataclass
class World:
    """One flow, what was dropped into it, and which files are one version of a month."""

    flow: Flow = field(default_factory=Flow)
    content: dict[int, dict[str, Decimal]] = field(default_factory=dict)
    version: dict[int, str] = field(default_factory=dict)
    run: dict[int, int] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    undone: bool = False

    def files(self) -> dict[int, FileEntry]:
        """The ledger, by load."""
        files: dict[int, FileEntry] = self.flow.store.files
        return files

    def root(self) -> FileEntry | None:
        """The newest file that counts, of which others may be said to be parts."""
        found = [one for one in self.files().values() if one.status in LOADED]
        return found[-1] if found else None

    def drop(self, step: Drop, number: int, kills: int) -> None:
        said: dict[str, str] = {}
        root = self.root()
        if step.says == "restates":
            said = {"restates": "yes"}
        elif step.says == "part" and root:
            said = {"part_of": root.source.part_of or root.source.key}
        costs = {one: f"{number}{at}" for at, one in enumerate(step.accounts, 1)}
        files = [month(cost, "0", account=account) for account, cost in costs.items()]
        body = files[0] + b"".join(one.partition(b"\n")[2] for one in files[1:])
        order = f"{number * 10 - (25 if step.is_late else 0):04}"
        source = self.flow.objects.put(step.place.key, body, order, **said)
        self.flow.settings = replace(SETTINGS, large_file_bytes=1 if step.in_parts else 10**6)
        for _ in range(kills):
            self.flow.store.failures = [TransientFailure("killed", code="throttled")]
            with suppress(TransientFailure):
                self.deliver(source)
        self.flow.store.failures = []
        entry = self.deliver(source)
        version = step.place.version
        if "part_of" in said and root:
            version = self.version[root.load_id]
        self.know(entry, {one: Decimal(cost) for one, cost in costs.items()}, version)
        self.run[entry.load_id] = step.place.run

    def know(self, entry: FileEntry, costs: dict[str, Decimal], version: str) -> None:
        self.content[entry.load_id] = costs
        self.version[entry.load_id] = version

    def deliver(self, source: SourceObject) -> FileEntry:
        self.flow.workflow.running = False
        entry = self.flow.load(source)
        return entry if entry.status.is_final else self.flow.run_workflow(entry.load_id)

    def take(self, step: Manifest) -> None:
        flow, folder = self.flow, folder_of(step.run)
        named = [{"blobName": f"{folder}/e-0000{part}.csv"} for part in (1, 2)]
        runs = Runs(flow.store, flow.audit, flow.clock)
        runs.take_manifest(f"{folder}/manifest.json", json.dumps({"blobs": named}).encode())

    def do(self, step: Person, number: int) -> None:
        files = list(self.files().values())
        if step.back > len(files):
            return
        entry, root = files[-step.back], self.root()
        self.undone = True
        self.flow.settings = SETTINGS
        with suppress(RejectedInput):
            if step.does in ("withdraw", "move"):
                self.flow.withdraw(entry)
            if step.does == "move":
                key = f"billing/moved/{entry.source.key.rpartition('/')[2]}"
                body = self.flow.objects.content[entry.source.key, entry.source.version_id]
                moved = self.deliver(self.flow.objects.put(key, body, f"{number * 10 + 7:04}"))
                self.know(moved, self.content[entry.load_id], f"moved {key}".rstrip("12.csv"))
            elif step.does == "retry part" and root and root.load_id != entry.load_id:
                part_of = root.source.part_of or root.source.key
                if part_of != entry.source.key:
                    self.flow.retry(entry, part_of=part_of)
                    self.version[entry.load_id] = self.version[root.load_id]
            elif step.does.startswith("retry") and step.does != "retry part":
                place = [one for one in PLACES if one.key == entry.source.key]
                self.flow.retry(entry, restates=step.does == "retry restates")
                if place:
                    self.version[entry.load_id] = place[0].version

    def counted(self) -> dict[int, dict[str, Decimal]]:
        """What counts, by load and account."""
        sums: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for (load_id, _), row in self.flow.store.charges.items():
            if self.flow.store.files[load_id].status in LOADED:
                sums[load_id][row["billing_account_id"]] += Decimal(row["billed_cost"])
        return sums

    def check(self) -> None:
        files, counted = self.flow.store.files, self.counted()
        for one, other in combinations(counted, 2):
            if counted[one].keys() & counted[other].keys():
                assert self.version[one] == self.version[other], "a month counts twice"
                assert files[one].source.key != files[other].source.key, "two versions of a file"
        for load_id, entry in files.items():
            has = counted.get(load_id, {})
            assert entry.status.is_final
            assert all(has[account] == self.content[load_id][account] for account in has)
            if entry.status in LOADED:
                is_whole = has.keys() == self.content[load_id].keys()
                assert is_whole or REPLACED in entry.tally.notes, "LOADED, and not in the table"
            else:
                assert entry.error, "it does not count, and nothing says why"
        for load_id, by in self.flow.store.replacements:
            both = self.run.get(load_id, 0), self.run.get(by, 0)
            is_other = files[load_id].source.key != files[by].source.key
            if files[load_id].status is FileStatus.SUPERSEDED and all(both) and is_other:
                said = (files[by].source, files[load_id].source)
                plain = not (said[0].part_of or said[1].part_of or said[0].restates)
                assert not plain or both[0] < both[1], "an older run took the place of a newer one"
        if not self.undone:
            self.check_whole(counted)

    def check_whole(self, counted: dict[int, dict[str, Decimal]]) -> None:
        """No account vanishes, and no part of a version counts while another one was replaced."""
        files = self.flow.store.files
        by_age = sorted(files.values(), key=lambda one: one.source.order)
        # A version that comes after a newer one of its key is left out, whatever it holds.
        newest = {one.source.key: one for one in by_age}
        left = {account for sums in counted.values() for account in sums}
        for one in newest.values():
            if one.status is FileStatus.SUPERSEDED or one.status in LOADED:
                held = self.content[one.load_id].keys()
                assert held <= left, "a replaced month counts nowhere"
        for load_id, sums in counted.items():
            if files[load_id].source.restates:
                continue
            for other in newest.values():
                lost = set(self.content[other.load_id]) & set(sums)
                by = [one for load, one in self.flow.store.replacements if load == other.load_id]
                if any(files[one].source.restates for one in by):
                    continue
                if lost and self.version[other.load_id] == self.version[load_id]:
                    assert other.status is not FileStatus.SUPERSEDED, "half a version counts"


# Shrinking two flows takes minutes: a failure is told as it was found. The steps are the same
# in each run; to look for others, raise their number.
@given(STEPS)
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
def test_any_sequence_leaves_each_month_once_as_one_version_has_it(
    steps: list[Drop | Person | Declare | Manifest],
) -> None:
    killed, calm = World(), World()
    for number, step in enumerate(steps, 3):
        for world in (killed, calm):
            if isinstance(step, Declare):
                text = '{"replace": true}' if step.replace else "{}"
                world.flow.objects.content[format_key("one"), ""] = text.encode()
            elif isinstance(step, Manifest):
                world.take(step)
            elif isinstance(step, Drop):
                world.drop(step, number, step.kills if world is killed else 0)
            else:
                world.do(step, number)
            world.check()
        assert killed.counted() == calm.counted(), "a kill changed what counts"
