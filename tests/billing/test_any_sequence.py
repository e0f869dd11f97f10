"""Whatever happens to files, each bill is in the table once, as a loaded file has it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from finops.billing.dataset_format import format_key
from finops.billing.domain import LOADED, FileEntry, SourceObject
from finops.shared.errors import RejectedInput, TransientFailure
from tests.billing.use_cases import SETTINGS, Flow

HEADER = "id,date,currency,amount,item,city\n"
FORMATS: tuple[object, ...] = (
    {},
    {"id_from": ["item"]},
    {"columns": {"record_id": "item"}},
    {"replace": True},
    None,
)


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A file is dropped; the loader may be killed while it writes, and gets the event again."""

    dataset: str
    name: str
    bills: tuple[tuple[str, int], ...]
    in_parts: bool
    kills: int
    is_delivered_again: bool


@dataclass(frozen=True, kw_only=True)
class Withdraw:
    """A person takes back the file that was dropped so many files before."""

    back: int


@dataclass(frozen=True, kw_only=True)
class Again:
    """A person has that file loaded again, where it does not count, or not all of it."""

    back: int
    restates: bool


@dataclass(frozen=True, kw_only=True)
class Declare:
    """A person changes the format of a dataset; None is a broken one."""

    dataset: str
    format: object


DATASETS = st.sampled_from(["one", "two"])
STEPS = st.lists(
    st.one_of(
        st.builds(
            Drop,
            dataset=DATASETS,
            name=st.sampled_from(["a.csv", "b.csv"]),
            bills=st.lists(
                st.tuples(st.sampled_from("wxyz"), st.integers(1, 3)), min_size=1, max_size=4
            ).map(tuple),
            in_parts=st.booleans(),
            kills=st.integers(0, 2),
            is_delivered_again=st.booleans(),
        ),
        st.builds(Withdraw, back=st.integers(1, 4)),
        st.builds(Again, back=st.integers(1, 4), restates=st.booleans()),
        st.builds(Declare, dataset=DATASETS, format=st.sampled_from(FORMATS)),
    ),
    max_size=12,
)


@dataclass
class World:
    """One flow, and what was dropped into it."""

    flow: Flow = field(default_factory=Flow)
    dropped: list[tuple[Drop, SourceObject]] = field(default_factory=list)

    def drop(self, step: Drop, number: int, kills: int) -> FileEntry:
        lines = "".join(
            f"{item}-1,2026-03-05,USD,{one},{item},{item}\n" for item, one in step.bills
        )
        body = f"{HEADER}{lines}".encode() + b"\n" * number
        source = self.flow.objects.put(f"billing/{step.dataset}/{step.name}", body)
        self.dropped.append((step, source))
        self.flow.settings = replace(SETTINGS, large_file_bytes=1 if step.in_parts else 10**6)
        self.flow.workflow.running = False
        for _ in range(kills):
            self.flow.store.failures = [TransientFailure("killed", code="throttled")]
            with suppress(TransientFailure):
                self.deliver(source)
        self.flow.store.failures = []
        return self.deliver(source)

    def deliver(self, source: SourceObject) -> FileEntry:
        entry = self.flow.load(source)
        if not entry.status.is_final:
            self.flow.workflow.running = False
            entry = self.flow.run_workflow(entry.load_id)
        return entry

    def again(self, entry: FileEntry, *, restates: bool) -> None:
        self.flow.workflow.running = False
        with suppress(RejectedInput):
            self.flow.retry(entry, restates=restates)
            found = self.flow.store.files[entry.load_id]
            if not found.status.is_final:
                self.flow.run_workflow(entry.load_id)

    def table(self) -> dict[tuple[str, str], Decimal]:
        """Amounts by dataset and item: an item is one bill, whatever its id is made of."""
        found = [
            ((dataset, row["city"]), Decimal(row["bill_amount"]))
            for (dataset, _), row in self.flow.store.rows.items()
            if self.flow.store.files[row["load"]].status in LOADED
        ]
        assert len(dict(found)) == len(found), "a bill counts twice"
        return dict(found)

    def check_that_nothing_vanished(self) -> None:
        """Bills of the newest version of each loaded file are there, or the ledger says why not."""
        table = self.table()
        newest = {source.key: (step, source) for step, source in self.dropped}
        by_id = {one.source.file_id: one for one in self.flow.store.files.values()}
        for step, source in newest.values():
            entry = by_id[source.file_id]
            if entry.status != "LOADED" or entry.lost_rows:
                continue
            for item, amount in step.bills:
                assert table.get((step.dataset, item)) == amount, "a bill vanished under LOADED"

    def loaded(self) -> list[Drop]:
        """The files that are loaded and not taken back."""
        by_id = {one.source.file_id: one for one in self.flow.store.files.values()}
        return [step for step, source in self.dropped if by_id[source.file_id].status in LOADED]


# Shrinking two flows takes minutes: a failure is told as it was found.
@given(STEPS)
@settings(max_examples=30, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_any_sequence_leaves_each_bill_once_as_a_loaded_file_has_it(
    steps: list[Drop | Withdraw | Again | Declare],
) -> None:
    killed, calm = World(), World()
    for number, step in enumerate(steps):
        for world in (killed, calm):
            if isinstance(step, Declare):
                text = "{" if step.format is None else json.dumps(step.format)
                world.flow.objects.content[format_key(step.dataset), ""] = text.encode()
            elif isinstance(step, Drop):
                entry = world.drop(step, number, step.kills if world is killed else 0)
                assert entry.status.is_final
                assert entry.tally.imbalance() == ""
                if entry.status == "LOADED":
                    table = world.table()
                    for item, amount in step.bills:
                        assert table[step.dataset, item] == amount, "LOADED, and not in the table"
                if step.is_delivered_again:
                    before = world.table()
                    assert world.deliver(world.dropped[-1][1]) == entry
                    assert world.table() == before
            elif step.back <= len(world.dropped):
                source = world.dropped[-step.back][1]
                (entry,) = [
                    one
                    for one in world.flow.store.files.values()
                    if one.source.file_id == source.file_id
                ]
                if isinstance(step, Again):
                    world.again(entry, restates=step.restates)
                elif entry.status in LOADED:
                    world.flow.withdraw(entry)
            held = {
                (one.dataset, item, Decimal(amount))
                for one in world.loaded()
                for item, amount in one.bills
            }
            for (dataset, item), kept in world.table().items():
                assert (dataset, item, kept) in held, "no loaded file has this bill"
            world.check_that_nothing_vanished()
        assert killed.table() == calm.table(), "a kill changed what is loaded"
