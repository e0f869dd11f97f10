"""Every way to tamper with a small trail, one by one: each is found, and what was hit is named.

An attacker here changes the bucket as he likes and leaves no versions behind, which S3's Object
Lock prevents; where it is left to S3 to show something, the test says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops.audit import verification
from finops.audit.domain import (
    GENESIS,
    HEADS,
    Link,
    chained,
    facts_digest,
    key_sequence,
    lines_of,
    object_key,
    principal,
    read_entry,
    written,
)
from finops.audit.entry_appender import EntryAppender
from finops.audit.heads import HeadWriter, gather_claims
from finops.audit.ports import StoredObject
from finops.audit.verification import ChainCheck, Claim, Kind, Problem, Seen
from finops.shared.audit import canonical, digest
from tests.audit.fakes import Clock, FakeStore, message

Bodies = dict[str, bytes]
STREAM = "billing"
#: Objects of 2, 1, 3 and 1 entries; a head has seen the first six.
BATCHES = ((1, 2), (3,), (4, 5, 6), (7,))
SEALED = 6


@pytest.fixture(scope="module")
def store() -> FakeStore:
    store = FakeStore()
    clock = Clock()
    appender = EntryAppender(store, clock)
    heads = HeadWriter(store, None, clock)
    for batch in BATCHES:
        if batch == (7,):
            heads.write()
        appender.append(STREAM, [message(number) for number in batch])
        if batch == (3,):
            heads.write()
    return store


@pytest.fixture(scope="module")
def bodies(store: FakeStore) -> Bodies:
    return store.bodies


@pytest.fixture(scope="module", autouse=True)
def _lines_are_read_once() -> Iterator[None]:
    """Thousands of trails differ in a byte: what is the same in all of them is parsed once."""
    read = lru_cache(maxsize=64)(read_entry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "read_entry", lambda line: dict(read(line)))
        yield


def verified(bodies: Mapping[str, bytes]) -> list[Problem]:
    """The pure verifier over a bucket: its heads, then the stream."""
    found: list[Problem] = []
    claims: dict[str, dict[int, Claim]] = {}
    heads = ChainCheck(HEADS, claims={}, report=found.append)
    for head in _walk(bodies, f"{HEADS}/", heads):
        gather_claims(claims, head, found.append)
    seen: dict[str, list[Mapping[str, Any]]] = {}

    def repeats(entry: Mapping[str, Any]) -> list[Seen]:
        known = seen.setdefault(entry["entry_id"], [])
        known.append(entry)
        return [
            Seen(sequence=one["sequence"], facts=facts_digest(one), principal=principal(one))
            for one in known[:-1]
        ]

    check = ChainCheck(STREAM, claims=claims.get(STREAM, {}), report=found.append, repeats=repeats)
    for _ in _walk(bodies, f"trail/{STREAM}/", check):
        pass
    return sorted(found, key=lambda one: (one.stream == HEADS, one.sequence))


def _walk(bodies: Mapping[str, bytes], prefix: str, check: ChainCheck) -> Iterator[dict[str, Any]]:
    for key in sorted(bodies):
        if key.startswith(prefix):
            stored = StoredObject(key=key, version_id="1", versions=1, deleted=False)
            yield from check.check(stored, bodies[key])
    check.close()


def trail_keys(bodies: Bodies) -> list[str]:
    """The stream's objects, the oldest first."""
    return sorted((key for key in bodies if key.startswith("trail/")), reverse=True)


def range_of(bodies: Bodies, key: str) -> range:
    """The numbers of the entries in an object."""
    first = key_sequence(key.split("/")[-2], key)
    assert first is not None
    return range(first, first + len(lines_of(bodies[key])))


def test_an_untouched_trail_has_no_problem(bodies: Bodies) -> None:
    assert verified(bodies) == []
    assert len(trail_keys(bodies)) == len(BATCHES)
    assert sum(key.startswith("heads/") for key in bodies) == 2


def changes_of(byte: int) -> set[int]:
    """Each bit flipped, and the bytes that end a line, a text and a document."""
    return {byte ^ (1 << bit) for bit in range(8)} | set(b'\n"}') - {byte}


def test_every_changed_byte_of_every_object_is_found(bodies: Bodies) -> None:
    tried = 0
    for key, body in bodies.items():
        numbers = range_of(bodies, key)
        ends = [len(b"".join(lines_of(body)[: n + 1])) for n in range(len(numbers))]
        for place in range(len(body)):
            hit = numbers[next(n for n, end in enumerate(ends) if place < end)]
            for byte in changes_of(body[place]):
                changed = body[:place] + bytes([byte]) + body[place + 1 :]
                problems = verified({**bodies, key: changed})
                assert problems, (key, place, byte)
                tried += 1
                named = problems[0].sequence
                # A line that is cut in two may be taken for its neighbour as well.
                exact = byte != ord("\n") and body[place] != ord("\n")
                assert named == hit if exact else named in numbers, (key, place, byte, problems)
    assert tried > 10 * sum(map(len, bodies.values()))


def test_every_removed_and_every_added_byte_is_found(bodies: Bodies) -> None:
    for key, body in bodies.items():
        for place in range(len(body)):
            assert verified({**bodies, key: body[:place] + body[place + 1 :]})
            for added in (b"0", b" ", b"\n", body[place : place + 1]):
                assert verified({**bodies, key: body[:place] + added + body[place:]})
        assert verified({**bodies, key: body + b" "})
        assert verified({**bodies, key: body + b"\n"})


def test_every_truncation_of_every_object_is_found(bodies: Bodies) -> None:
    """Also of the newest object, whose end no head has seen: a part of an entry is not one."""
    for key, body in bodies.items():
        ends = {len(b"".join(lines_of(body)[:n])) for n in range(1, len(lines_of(body)))}
        for length in range(len(body)):
            problems = verified({**bodies, key: body[:length]})
            assert problems, (key, length)
            if length in ends:
                assert problems[0].kind in (Kind.MISSING, Kind.TRUNCATED)


def test_every_removed_entry_is_found_and_named(bodies: Bodies) -> None:
    for key in trail_keys(bodies)[:-1]:
        for number, line in zip(range_of(bodies, key), lines_of(bodies[key]), strict=True):
            problems = verified({**bodies, key: bodies[key].replace(line, b"")})
            assert problems[0].sequence == number
            assert problems[0].kind is Kind.MISSING


def test_every_removed_object_is_found_and_named(bodies: Bodies) -> None:
    for key in trail_keys(bodies)[:-1]:
        problems = verified({one: body for one, body in bodies.items() if one != key})
        assert problems[0].sequence == range_of(bodies, key)[0]
        assert problems[0].kind in (Kind.MISSING, Kind.TRUNCATED)


def test_every_cut_before_what_the_last_head_has_seen_is_found_and_named(bodies: Bodies) -> None:
    keys = trail_keys(bodies)
    for kept in range(len(keys) - 1):
        rest = {key: body for key, body in bodies.items() if key not in keys[kept:]}
        problems = verified(rest)
        known = sum(len(batch) for batch in BATCHES[:kept])
        assert [(one.kind, one.sequence) for one in problems] == [(Kind.TRUNCATED, known + 1)]
    problems = verified({key: body for key, body in bodies.items() if key not in keys})
    assert [(one.kind, one.sequence) for one in problems] == [(Kind.TRUNCATED, 1)]


def test_what_no_head_has_seen_can_be_cut_off_without_a_trace(bodies: Bodies) -> None:
    """What cannot be found without Object Lock: the last hour's entries, removed together."""
    newest = trail_keys(bodies)[-1]
    assert range_of(bodies, newest)[0] > SEALED
    assert verified({key: body for key, body in bodies.items() if key != newest}) == []


def test_every_two_objects_swapped_are_found_and_named(bodies: Bodies) -> None:
    for first, second in combinations(trail_keys(bodies), 2):
        swapped = {**bodies, first: bodies[second], second: bodies[first]}
        problems = verified(swapped)
        assert problems[0].sequence == range_of(bodies, first)[0]


def test_every_two_entries_swapped_are_found_and_named(bodies: Bodies) -> None:
    where = {number: key for key in trail_keys(bodies) for number in range_of(bodies, key)}
    lines = {
        number: lines_of(bodies[key])[number - range_of(bodies, key)[0]]
        for number, key in where.items()
    }
    for first, second in combinations(lines, 2):
        swapped = {**lines, first: lines[second], second: lines[first]}
        changed = dict(bodies)
        for key in trail_keys(bodies):
            changed[key] = b"".join(swapped[number] for number in range_of(bodies, key))
        problems = verified(changed)
        assert problems
        assert problems[0].sequence in (first, first + 1)


def test_every_entry_that_is_there_twice_is_found(bodies: Bodies) -> None:
    for source in trail_keys(bodies):
        for line in lines_of(bodies[source]):
            for key in trail_keys(bodies):
                lines = lines_of(bodies[key])
                for place in range(len(lines) + 1):
                    body = b"".join([*lines[:place], line, *lines[place:]])
                    assert verified({**bodies, key: body}), (source, key, place)


def test_every_object_that_is_copied_elsewhere_is_found(bodies: Bodies) -> None:
    for key in trail_keys(bodies):
        for sequence in range(1, 12):
            copy = object_key(STREAM, sequence)
            if copy not in bodies:
                assert verified({**bodies, copy: bodies[key]}), (key, sequence)
        assert verified({**bodies, f"trail/{STREAM}/copy.jsonl": bodies[key]})


def forged(line: bytes, **facts: Any) -> bytes:
    """An entry with other content and the right hash of it."""
    entry = read_entry(line)
    del entry["hash"]
    entry |= facts
    return canonical({**entry, "hash": digest(entry)}) + b"\n"


def test_every_entry_that_was_written_anew_is_found_and_named(bodies: Bodies) -> None:
    """The one entry; its successor, or the head, still knows the first one."""
    for key in trail_keys(bodies)[:-1]:
        for number, line in zip(range_of(bodies, key), lines_of(bodies[key]), strict=True):
            body = bodies[key].replace(line, forged(line, actor="somebody else"))
            problems = verified({**bodies, key: body})
            assert [(one.kind, one.sequence) for one in problems] == [(Kind.REPLACED, number)]


def rewritten(bodies: Bodies, start: int, change: Callable[[dict[str, Any]], None]) -> Bodies:
    """The stream from entry `start` on, written anew with sound links."""
    changed = dict(bodies)
    end = GENESIS
    for key in trail_keys(bodies):
        body = b""
        for line in lines_of(bodies[key]):
            entry = read_entry(line)
            if entry["sequence"] == start:
                change(entry)
            if entry["sequence"] >= start:
                del entry["hash"]
                line, end = chained(end, entry)  # noqa: PLW2901
            else:
                end = Link(sequence=entry["sequence"], hash=entry["hash"])
            body += line
        changed[key] = body
    return changed


def test_a_history_that_was_written_anew_is_found_by_its_heads(bodies: Bodies) -> None:
    for start in range(1, SEALED + 1):
        problems = verified(rewritten(bodies, start, lambda entry: entry.update(actor="x")))
        first_head_that_knows = 3 if start <= 3 else SEALED
        assert problems[0].kind is Kind.REPLACED
        assert problems[0].sequence == first_head_that_knows
        assert "was rewritten" in problems[0].message


def test_a_rewritten_end_that_no_head_has_seen_is_not_found(bodies: Bodies) -> None:
    """What cannot be found without Object Lock."""
    changed = rewritten(bodies, SEALED + 1, lambda entry: entry.update(actor="x"))
    assert changed != bodies
    assert verified(changed) == []


def test_a_chain_that_does_not_begin_at_the_beginning_is_found(bodies: Bodies) -> None:
    oldest = trail_keys(bodies)[0]
    line = lines_of(bodies[oldest])[0]
    body = bodies[oldest].replace(line, forged(line, previous="a" * 64))
    assert verified({**bodies, oldest: body})[0].sequence == 1


def test_an_entry_of_another_stream_is_found(bodies: Bodies) -> None:
    body, _ = written(Link(sequence=7, hash="a" * 64), [message(8, stream="budgets")])
    problems = verified({**bodies, object_key(STREAM, 8): body})
    assert (problems[0].kind, problems[0].sequence) == (Kind.INSERTED, 8)


def test_the_same_id_twice_in_a_sound_chain_is_found(bodies: Bodies) -> None:
    newest = read_entry(bodies[trail_keys(bodies)[-1]])
    body, _ = written(Link(sequence=7, hash=newest["hash"]), [message(2)])
    problems = verified({**bodies, object_key(STREAM, 8): body})
    assert [(one.kind, one.sequence) for one in problems] == [(Kind.REPEATED, 8)]
    assert "entry 2" in problems[0].message


def test_every_head_that_is_removed_changed_or_swapped_is_found(bodies: Bodies) -> None:
    first, second = sorted((key for key in bodies if key.startswith("heads/")), reverse=True)
    without_first = {key: body for key, body in bodies.items() if key != first}
    assert verified(without_first)[0].kind is Kind.MISSING
    swapped = {**bodies, first: bodies[second], second: bodies[first]}
    assert verified(swapped)[0].stream == HEADS
    changed = json.loads(bodies[first])["streams"]
    changed[STREAM]["hash"] = "b" * 64
    problems = verified({**bodies, first: forged(bodies[first], streams=changed)})
    assert (STREAM, 3, Kind.REPLACED) in {(one.stream, one.sequence, one.kind) for one in problems}
    assert (HEADS, 1, Kind.REPLACED) in {(one.stream, one.sequence, one.kind) for one in problems}


def test_the_newest_head_and_all_it_saw_can_be_cut_off_without_a_trace(bodies: Bodies) -> None:
    """What cannot be found without Object Lock, but for the age of the newest head."""
    kept = {
        key: body
        for key, body in bodies.items()
        if (key_sequence(HEADS, key) or key_sequence(STREAM, key) or 0) <= 1
        or (key_sequence(STREAM, key) or 99) <= 3
    }
    assert len(kept) == 3
    assert verified(kept) == []


def test_versions_and_delete_markers_show_though_the_first_version_is_sound(
    bodies: Bodies,
) -> None:
    key = trail_keys(bodies)[-1]
    found: list[Problem] = []
    check = ChainCheck(STREAM, claims={}, report=found.append, until=7)
    check.check(StoredObject(key=key, version_id="1", versions=3, deleted=True), bodies[key])
    assert [(one.kind, one.sequence) for one in found] == [
        (Kind.OVERWRITTEN, 7),
        (Kind.DELETED, 7),
    ]
    assert check.is_done


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_else_is_done_to_what_a_head_has_seen_is_found(
    bodies: Bodies, data: st.DataObject
) -> None:
    """Any bytes in the place of any others, in one or more objects at once."""
    changed = dict(bodies)
    sealed = [*trail_keys(bodies)[:-1], *(key for key in bodies if key.startswith("heads/"))]
    for key in data.draw(st.sets(st.sampled_from(sealed), min_size=1)):
        body = bodies[key]
        ends = sorted(data.draw(st.tuples(st.integers(0, len(body)), st.integers(0, len(body)))))
        other = data.draw(st.binary(max_size=20) | st.sampled_from(lines_of(body)))
        changed[key] = body[: ends[0]] + other + body[ends[1] :]
    assert (verified(changed) == []) == (changed == bodies)
