"""Appending, sealing, verifying and reading over a bucket in memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.audit.adapters.sqlite import SeenIds
from finops.audit.chains import chain_end
from finops.audit.domain import (
    GENESIS,
    HEADS,
    chained,
    claim_key,
    lines_of,
    object_key,
    read_entry,
    written,
)
from finops.audit.entry_appender import EntryAppender
from finops.audit.heads import HeadWriter
from finops.audit.trail_reader import Selection, TrailReader
from finops.audit.trail_verifier import TrailVerifier, Verdict
from finops.audit.verification import Kind
from finops.shared.errors import TransientFailure
from tests.audit.fakes import NOW, Clock, FakeSigner, FakeStore, event, message

AWAY = TransientFailure("S3 is away", code="SlowDown")


def verdict(store: FakeStore, signer: FakeSigner | None = None, **options: Any) -> Verdict:
    return TrailVerifier(store, signer, SeenIds().repeats).verify(**options)


def subjects(store: FakeStore, stream: str = "billing") -> list[str]:
    """What the stream holds, the oldest first."""
    keys = [key for key in store.bodies if key.startswith(f"trail/{stream}/")]
    return [
        read_entry(line)["subject"]
        for key in reversed(keys)
        for line in lines_of(store.bodies[key])
    ]


def loads(*numbers: int) -> list[str]:
    return [f"load/{number}" for number in numbers]


def messages(*numbers: int) -> list[dict[str, Any]]:
    return [message(number) for number in numbers]


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def appender(store: FakeStore) -> EntryAppender:
    return EntryAppender(store, Clock())


def test_a_batch_is_one_object_in_its_order(store: FakeStore, appender: EntryAppender) -> None:
    assert appender.append("billing", messages(2, 1)) == 2
    assert appender.append("billing", messages(3)) == 1
    assert subjects(store) == loads(2, 1, 3)
    assert list(store.bodies) == [object_key("billing", 3), object_key("billing", 1)]
    first = read_entry(lines_of(store.bodies[object_key("billing", 1)])[0])
    assert first["received_at"] == "2026-03-05T08:15:31.123456+00:00"
    assert first["counts"] == {"rows_read": 2}


def test_streams_are_chains_of_their_own(store: FakeStore, appender: EntryAppender) -> None:
    appender.append("billing", messages(1))
    appender.append("budgets", [message(1, "budgets")])
    assert [one.sequence for one in map(chain_end, [store] * 2, ("billing", "budgets"))] == [1, 1]
    assert verdict(store).entries == 2


@pytest.mark.parametrize("warm", [True, False])
def test_a_replay_is_appended_once_however_late(
    store: FakeStore, appender: EntryAppender, warm: bool
) -> None:
    appender.append("billing", messages(1, 2))
    for number in range(3, 30):
        appender.append("billing", messages(number))
    again = appender if warm else EntryAppender(store, Clock())
    assert again.append("billing", messages(2, 30, 1, 30)) == 1
    assert subjects(store) == loads(*range(1, 31))
    assert verdict(store).ok


def test_nothing_is_written_where_nothing_is_new(store: FakeStore, appender: EntryAppender) -> None:
    assert appender.append("billing", []) == 0
    appender.append("billing", messages(1))
    before = dict(store.versions)
    assert appender.append("billing", messages(1)) == 0
    assert store.versions == before


def test_an_appender_that_is_behind_goes_on_after_the_others(store: FakeStore) -> None:
    behind, ahead = EntryAppender(store, Clock()), EntryAppender(store, Clock())
    behind.append("billing", messages(1))
    ahead.append("billing", messages(2, 3))
    ahead.append("billing", messages(4))
    assert behind.append("billing", messages(3, 5, 4)) == 1
    assert subjects(store) == loads(1, 2, 3, 4, 5)
    assert verdict(store).ok


@pytest.mark.parametrize("writes_before", range(5))
def test_an_append_that_breaks_off_anywhere_can_be_replayed(
    store: FakeStore, writes_before: int
) -> None:
    EntryAppender(store, Clock()).append("billing", messages(1))
    store.failures = [*([None] * writes_before), AWAY]
    broken = EntryAppender(store, Clock())
    try:
        broken.append("billing", messages(2, 3, 4))
    except TransientFailure:
        assert writes_before < 4
        assert subjects(store) == loads(1)
    store.failures = []
    EntryAppender(store, Clock()).append("billing", messages(2, 3, 4))
    broken.append("billing", messages(4, 5))
    assert subjects(store) == loads(1, 2, 3, 4, 5)
    assert verdict(store).ok


def test_an_answer_that_is_lost_doubles_nothing(store: FakeStore, appender: EntryAppender) -> None:
    store.lose_answer = True  # of the claim
    appender.append("billing", messages(1))
    store.create("ids/billing/" + message(2)["entry_id"], b"2")
    store.lose_answer = True  # of the entry
    assert appender.append("billing", messages(2)) == 0
    appender.append("billing", messages(3))
    assert subjects(store) == loads(1, 2, 3)
    assert verdict(store).ok


@pytest.mark.parametrize("claim", [b"", b"x", b"999999", b"0", b"2"])
def test_a_claim_that_lies_neither_hides_an_entry_nor_doubles_one(
    store: FakeStore, appender: EntryAppender, claim: bytes
) -> None:
    appender.append("billing", messages(1, 2, 3))
    store.versions[claim_key("billing", message(9)["entry_id"])] = [claim]
    assert appender.append("billing", messages(9)) == 1
    store.versions[claim_key("billing", message(1)["entry_id"])] = [claim]
    appender.append("billing", messages(1))
    # Only a claim that points behind the entry makes a second one, and verifying names it.
    if claim == b"999999":
        assert [one.kind for one in verdict(store).problems] == [Kind.REPEATED]
    else:
        assert subjects(store) == loads(1, 2, 3, 9)


ids = st.lists(st.integers(1, 12), min_size=1, max_size=4)
steps = st.lists(st.tuples(st.integers(0, 2), ids, st.integers(0, 6)), max_size=12)


@settings(deadline=None)
@given(steps)
def test_whatever_appenders_do_the_chain_is_one_and_each_id_in_it_once(
    done: list[tuple[int, list[int], int]],
) -> None:
    """Three appenders with heads of their own; a write of a step may fail, and is tried again."""
    store = FakeStore()
    appenders = [EntryAppender(store, Clock()) for _ in range(3)]
    sent: set[int] = set()
    for which, numbers, failing in done:
        store.failures = [*([None] * failing), AWAY] if failing < 5 else []
        try:
            appenders[which].append("billing", messages(*numbers))
        except TransientFailure:
            store.failures = []
            appenders[which - 1].append("billing", messages(*numbers))
        sent.update(numbers)
    store.failures = []
    assert sorted(subjects(store)) == sorted(loads(*sent))
    assert verdict(store).ok


def test_many_appenders_at_once_write_one_chain_with_each_entry_once(store: FakeStore) -> None:
    """Eight threads, each with its own appender; every entry is sent by two of them."""
    barrier = threading.Barrier(8)

    def run(worker: int) -> None:
        appender = EntryAppender(store, Clock())
        barrier.wait()
        for start in range(0, 60, 5):
            shared = worker // 2 * 1000
            appender.append("billing", messages(*range(shared + start, shared + start + 5)))

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(run, worker) for worker in range(8)]:
            done.result()
    found = verdict(store)
    assert (found.ok, found.entries) == (True, 240)
    expected = [number + 1000 * pair for pair in range(4) for number in range(60)]
    assert sorted(subjects(store)) == sorted(loads(*expected))
    for pair in range(4):
        own = [one for one in subjects(store) if int(one[5:]) // 1000 == pair]
        assert own == loads(*(number + 1000 * pair for number in range(60)))


def test_a_claim_that_another_is_just_writing_is_nothing_to_look_for(store: FakeStore) -> None:
    """S3 answers ConditionalRequestConflict, and the object is not there yet."""
    EntryAppender(store, Clock()).append("billing", messages(1, 2, 3))
    create, conflicts = store.create, 1

    def conflicting(key: str, body: bytes) -> bool:
        nonlocal conflicts
        if key.startswith("ids/") and conflicts:
            conflicts -= 1
            return False
        return create(key, body)

    store.create = conflicting  # type: ignore[method-assign]
    store.reads = 0
    assert EntryAppender(store, Clock()).append("billing", messages(4)) == 1
    assert store.reads == 1
    assert subjects(store) == loads(1, 2, 3, 4)


def test_a_damaged_end_does_not_stop_the_trail(store: FakeStore, appender: EntryAppender) -> None:
    appender.append("billing", messages(1))
    store.versions[object_key("billing", 2)] = [b"garbage\nmore"]
    assert appender.append("billing", messages(2)) == 1
    assert EntryAppender(store, Clock()).append("billing", messages(1, 3)) == 1
    found = verdict(store)
    assert found.first_bad
    assert (found.first_bad.sequence, found.first_bad.kind) == (2, Kind.CHANGED)
    assert {one.sequence for one in found.problems} == {2, 3}
    assert subjects_of_sound(store) == loads(1, 2, 3)


def subjects_of_sound(store: FakeStore) -> list[str]:
    reader = TrailReader(store)
    return [str(one["subject"]) for one in reversed(list(reader.entries(Selection())))]


def test_an_overwritten_end_counts_as_it_was_first(
    store: FakeStore, appender: EntryAppender
) -> None:
    appender.append("billing", messages(1, 2))
    store.versions[object_key("billing", 1)] += [b"nothing", None]
    EntryAppender(store, Clock()).append("billing", messages(2, 3))
    found = verdict(store)
    assert found.entries == 3
    assert [(one.kind, one.sequence) for one in found.problems] == [
        (Kind.OVERWRITTEN, 1),
        (Kind.DELETED, 1),
    ]


def test_what_lies_about_in_the_bucket_is_named_and_holds_up_nobody(
    store: FakeStore, appender: EntryAppender
) -> None:
    appender.append("billing", messages(1))
    store.versions["trail/billing/000.txt"] = [b"x"]
    EntryAppender(store, Clock()).append("billing", messages(2))
    found = verdict(store)
    assert [one.kind for one in found.problems] == [Kind.INSERTED]
    assert found.entries == 2


LOADER, ATTACKER = "AROALOADER:finops-load-billing-file", "AROAOTHER:finops-publish-budget"


def sent(sender: str, number: int = 1, **facts: Any) -> dict[str, Any]:
    return {**message(number, **facts), "sender": sender}


class Contradictions:
    """Who contradicted whom, as the alarm is told."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def __call__(self, entry: Mapping[str, Any], held: Mapping[str, Any]) -> None:
        self.found.append((entry["sender"], held["sender"]))


@pytest.mark.parametrize("together", [True, False])
def test_a_forged_entry_with_the_id_of_a_genuine_one_does_not_suppress_it(
    store: FakeStore, together: bool
) -> None:
    """Ids follow from stream, action, subject and version, so whoever may send can guess them."""
    told = Contradictions()
    forged, genuine = sent(ATTACKER, counts={"rows_read": 0}), sent(LOADER)
    if together:
        assert EntryAppender(store, Clock(), told).append("billing", [forged, genuine]) == 2
    else:
        assert EntryAppender(store, Clock(), told).append("billing", [forged]) == 1
        EntryAppender(store, Clock(), told).append("billing", messages(*range(2, 9)))
        assert EntryAppender(store, Clock(), told).append("billing", [genuine]) == 1
    assert told.found == [(LOADER, ATTACKER)]
    counts = [
        dict(one["counts"]) for one in TrailReader(store).entries(Selection(subject="load/1"))
    ]
    assert counts == [{"rows_read": 1}, {"rows_read": 0}]
    (problem,) = verdict(store).problems
    assert (problem.kind, problem.sequence) == (Kind.CONTRADICTED, 2 if together else 9)
    # Replays of either stay what they are.
    for warm in (EntryAppender(store, Clock(), told),) * 2:
        assert warm.append("billing", [genuine, forged]) == 0
    assert told.found == [(LOADER, ATTACKER)]


def test_a_forged_entry_that_another_appender_writes_at_that_moment_is_told(
    store: FakeStore,
) -> None:
    told = Contradictions()
    behind, ahead = EntryAppender(store, Clock(), told), EntryAppender(store, Clock())
    behind.append("billing", messages(9))
    ahead.append("billing", [sent(ATTACKER, counts={"rows_read": 0})])
    assert behind.append("billing", [sent(LOADER)]) == 1
    assert told.found == [(LOADER, ATTACKER)]


def test_a_sender_may_state_other_facts_when_it_does_something_again(store: FakeStore) -> None:
    """A document that is read again after a crash may give another digest."""
    told = Contradictions()
    appender = EntryAppender(store, Clock(), told)
    again = sent("AROALOADER:another-session", output_sha256="a" * 64)
    assert appender.append("billing", [sent(LOADER)]) == 1
    assert appender.append("billing", [again]) == 1
    assert told.found == []
    assert verdict(store).ok


def test_a_replay_at_another_time_by_another_version_of_the_code_is_a_replay(
    store: FakeStore, appender: EntryAppender
) -> None:
    later = event(1, occurred_at=NOW + timedelta(days=3), correlation_id="d").document("newer")
    assert appender.append("billing", messages(1)) == 1
    assert appender.append("billing", [later]) == 0


@pytest.fixture
def heads(store: FakeStore) -> HeadWriter:
    return HeadWriter(store, FakeSigner(), Clock())


def test_a_head_says_how_far_each_stream_has_come(
    store: FakeStore, appender: EntryAppender, heads: HeadWriter
) -> None:
    empty = heads.write()
    appender.append("billing", messages(1, 2))
    appender.append("budgets", [message(1, "budgets")])
    written = heads.write()
    assert (empty.sequence, empty.streams) == (1, 0)
    assert (written.sequence, written.streams, written.problems) == (2, 2, [])
    head = read_entry(store.bodies[object_key(HEADS, 2)])
    assert head["streams"]["billing"] == {
        "sequence": 2,
        "hash": chain_end(store, "billing").hash,
    }
    found = verdict(store, FakeSigner())
    assert found.ok
    assert [(one.stream, one.entries, one.sealed) for one in found.streams] == [
        ("billing", 2, 2),
        ("budgets", 1, 1),
    ]
    assert found.heads == 2
    assert found.last_head == head


def test_writers_of_heads_do_not_fork_their_chain(
    store: FakeStore, appender: EntryAppender
) -> None:
    writers = [HeadWriter(store, None, Clock()) for _ in range(4)]
    appender.append("billing", messages(1))
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(writer.write) for writer in writers for _ in range(5)]
        assert sorted(one.result().sequence for one in done) == list(range(1, 21))
    found = verdict(store)
    assert (found.ok, found.heads) == (True, 20)


def test_each_head_verifies_what_came_since_the_last_one(
    store: FakeStore, appender: EntryAppender, heads: HeadWriter
) -> None:
    for number in range(100):
        appender.append("billing", messages(number))
    heads.write()
    appender.append("billing", messages(200))
    store.reads = 0
    heads.write()
    # What is read ahead is bounded; the hundred old objects are not read again.
    assert store.reads < 60
    appender.append("billing", messages(201, 202))
    key = object_key("billing", 102)
    store.versions[key] = [(store.bodies[key]).replace(b"load/201", b"load/301")]
    found = heads.write()
    assert [(one.kind, one.sequence) for one in found.problems] == [(Kind.CHANGED, 102)]
    head = read_entry(store.bodies[object_key(HEADS, found.sequence)])
    assert head["problems"] == 1
    for number in (300, 301):
        appender.append("billing", messages(number))
        last = heads.write()
    assert last.problems == []
    assert not verdict(store).ok


def test_a_head_finds_that_the_trail_is_shorter_than_the_last_one_saw(
    store: FakeStore, appender: EntryAppender, heads: HeadWriter
) -> None:
    appender.append("billing", messages(1))
    appender.append("billing", messages(2))
    heads.write()
    del store.versions[object_key("billing", 2)]
    assert [one.kind for one in heads.write().problems] == [Kind.TRUNCATED]
    heads.write()
    del store.versions[object_key("billing", 1)]
    assert [one.kind for one in heads.write().problems] == [Kind.TRUNCATED]
    assert [(one.kind, one.sequence) for one in verdict(store).problems] == [(Kind.TRUNCATED, 1)]


def test_heads_go_on_after_a_damaged_one(
    store: FakeStore, appender: EntryAppender, heads: HeadWriter
) -> None:
    appender.append("billing", messages(1))
    store.versions[object_key(HEADS, 1)] = [b"garbage"]
    assert [one.kind for one in heads.write().problems] == [Kind.CHANGED]
    assert heads.write().problems == []
    found = verdict(store)
    assert [(one.stream, one.sequence) for one in found.problems] == [(HEADS, 1)]


@pytest.mark.parametrize("streams", [None, [], {"billing": 1}, {"billing": {"sequence": "x"}}])
def test_a_head_that_says_something_else_is_a_problem_and_no_crash(
    store: FakeStore, streams: Any
) -> None:
    line, _ = chained(GENESIS, {"stream": HEADS, "written_at": "", "streams": streams})
    store.create(object_key(HEADS, 1), line)
    found = verdict(store)
    assert [(one.stream, one.kind) for one in found.problems] == [(HEADS, Kind.CHANGED)]
    assert HeadWriter(store, None, Clock()).write().sequence == 2


def test_only_the_key_makes_a_head_that_counts(store: FakeStore, appender: EntryAppender) -> None:
    """Whoever can write to the bucket can rewrite everything but a signature."""
    appender.append("billing", messages(1))
    HeadWriter(store, FakeSigner("guessed"), Clock()).write()
    assert [one.kind for one in verdict(store, FakeSigner()).problems] == [Kind.FORGED]
    HeadWriter(store, None, Clock()).write()
    assert [one.kind for one in verdict(store, FakeSigner()).problems] == [Kind.UNSIGNED]
    HeadWriter(store, FakeSigner(), Clock()).write()
    assert verdict(store, FakeSigner()).ok
    assert verdict(store).ok


def test_a_changed_signature_is_found_without_the_key(
    store: FakeStore, appender: EntryAppender, heads: HeadWriter
) -> None:
    appender.append("billing", messages(1))
    heads.write()
    key = object_key(HEADS, 1)
    signature = read_entry(store.bodies[key])["signature"]
    store.versions[key] = [store.bodies[key].replace(signature.encode(), b"0" * 64)]
    assert [one.kind for one in verdict(store).problems] == [Kind.CHANGED]


def test_an_old_newest_head_is_a_problem_where_it_is_asked_for(
    store: FakeStore, heads: HeadWriter
) -> None:
    heads.write()
    assert verdict(store, oldest_head=NOW).ok
    stale = verdict(store, oldest_head=NOW + timedelta(hours=1))
    assert [one.kind for one in stale.problems] == [Kind.STALE]


def test_the_first_bad_entry_is_the_oldest_of_the_first_stream(
    store: FakeStore, appender: EntryAppender, heads: HeadWriter
) -> None:
    for number in range(1, 6):
        appender.append("billing", messages(number))
        appender.append("budgets", [message(number, "budgets")])
    heads.write()
    for sequence in (4, 2):
        for stream in ("budgets", "billing"):
            del store.versions[object_key(stream, sequence)]
    found = verdict(store)
    assert found.first_bad
    assert (found.first_bad.stream, found.first_bad.sequence) == ("billing", 2)
    assert [(one.stream, one.sequence) for one in found.problems] == [
        ("billing", 2),
        ("billing", 4),
        ("budgets", 2),
        ("budgets", 4),
    ]
    assert found.entries == 6


def test_of_very_many_problems_the_oldest_are_kept_and_all_are_counted(store: FakeStore) -> None:
    body, _ = written(GENESIS, messages(*range(1, 1501)))
    store.create(object_key("billing", 1), body.replace(b"rows_read", b"rows_rear"))
    found = verdict(store)
    assert (found.problem_count, len(found.problems)) == (1500, 1000)
    assert found.first_bad
    assert found.first_bad.sequence == 1


def test_progress_ends_at_what_is_known(
    store: FakeStore, appender: EntryAppender, heads: HeadWriter
) -> None:
    for number in range(1, 6):
        appender.append("billing", messages(number))
    heads.write()
    seen: list[tuple[int, int]] = []
    verdict(store, progress=lambda done, known: seen.append((done, known)))
    assert seen == [(number, 5) for number in range(1, 6)]


def shown(store: FakeStore, **selection: Any) -> list[str]:
    return [
        f"{one['stream']} {one['subject']}"
        for one in TrailReader(store).entries(Selection(**selection))
    ]


def test_entries_of_all_streams_are_shown_newest_first(store: FakeStore) -> None:
    clock = Clock()
    appender = EntryAppender(store, clock)
    appender.append("billing", messages(1, 2))
    appender.append("budgets", [message(1, "budgets", actor="alice")])
    appender.append("billing", messages(3))
    assert shown(store) == ["billing load/3", "budgets load/1", "billing load/2", "billing load/1"]
    assert shown(store, stream="budgets") == ["budgets load/1"]
    assert shown(store, subject="load/1") == ["budgets load/1", "billing load/1"]
    assert shown(store, actor="al*") == ["budgets load/1"]
    assert shown(store, action="*.failed") == []
    assert shown(store, stream="none") == []


def test_entries_are_shown_by_when_they_occurred(store: FakeStore) -> None:
    clock = Clock()
    appender = EntryAppender(store, clock)
    for day in range(1, 8):
        clock.now = NOW + timedelta(days=day)
        appender.append("billing", [message(day, occurred_at=NOW + timedelta(days=day))])
    # Received late: S3 was away.
    appender.append("billing", [message(99, occurred_at=NOW + timedelta(days=3))])
    since, until = NOW + timedelta(days=3), NOW + timedelta(days=5)
    assert shown(store, since=since, until=until) == [
        "billing load/99",
        "billing load/4",
        "billing load/3",
    ]
    store.reads = 0
    list(islice(TrailReader(store).entries(Selection()), 1))
    assert store.reads <= 40


def test_what_is_damaged_is_counted_and_its_neighbours_are_shown(
    store: FakeStore, appender: EntryAppender
) -> None:
    appender.append("billing", messages(1, 2))
    key = object_key("billing", 1)
    store.versions[key] = [store.bodies[key].replace(b"load/2", b"load/9")]
    reader = TrailReader(store)
    assert [one["subject"] for one in reader.entries(Selection())] == ["load/1"]
    assert reader.damaged == 1
