"""The chain: lines, links and keys."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.audit.domain import (
    GENESIS,
    DamagedEntry,
    Link,
    chained,
    key_sequence,
    last_link,
    lines_of,
    object_key,
    read_entry,
    written,
)
from finops.shared.audit import canonical, digest, json_value
from tests.audit.fakes import message

names = st.text().filter(lambda name: name != "hash")
values = st.none() | st.integers() | st.text(st.characters())
documents = st.lists(st.dictionaries(names, values), max_size=5)


@given(documents)
def test_every_entry_is_linked_to_the_one_before(found: list[dict[str, Any]]) -> None:
    body, end = written(GENESIS, found)
    entries = [read_entry(line) for line in lines_of(body)]
    assert [entry["sequence"] for entry in entries] == list(range(1, len(found) + 1))
    hashes = [GENESIS.hash, *(entry["hash"] for entry in entries)]
    assert [entry["previous"] for entry in entries] == hashes[:-1]
    assert end == Link(sequence=len(found), hash=hashes[-1])


def test_a_hash_can_be_computed_without_this_code() -> None:
    line, link = chained(GENESIS, message(1))
    found = json.loads(line)
    del found["hash"]
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    assert digest(text) == link.hash


nested = st.recursive(
    values | st.datetimes() | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(st.lists(nested, max_size=3) | st.dictionaries(st.text() | st.integers(), nested))
def test_a_digest_made_piece_by_piece_is_that_of_the_canonical_form(document: Any) -> None:
    assert digest(document) == hashlib.sha256(canonical(json_value(document))).hexdigest()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"a":1.0}', "is not JSON"),
        (b'{"a":NaN}', "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"{}", "has a hash that does not match its content"),
    ],
)
def test_what_is_no_entry_is_damaged(line: bytes, reason: str) -> None:
    with pytest.raises(DamagedEntry, match=reason):
        read_entry(line)


def sound(document: dict[str, Any]) -> bytes:
    return canonical({**document, "hash": digest(document)}) + b"\n"


@pytest.mark.parametrize(
    "document", [{}, {"sequence": True, "previous": ""}, {"sequence": 1, "previous": 2}]
)
def test_an_entry_has_a_number_and_the_hash_before(document: dict[str, Any]) -> None:
    with pytest.raises(DamagedEntry, match="no sequence number or no hash"):
        read_entry(sound(document))


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace(b":", b": ", 1),
        lambda line: line.replace(b"b", b"\\u0062", 1),
        lambda line: b'{"z":1,' + line[1:],
        lambda line: b'{"action":"other",' + line[1:],
        lambda line: line[:-1],
        lambda line: line[:-1] + b"\r\n",
    ],
)
def test_other_bytes_of_the_same_meaning_are_damage(change: Any) -> None:
    line, _ = chained(GENESIS, message(1))
    assert change(line) != line
    with pytest.raises(DamagedEntry):
        read_entry(change(line))


@given(st.integers(1, 10**12 - 1), st.integers(1, 10**12 - 1))
def test_newer_objects_come_first_in_the_order_of_keys(first: int, second: int) -> None:
    keys = object_key("billing", first), object_key("billing", second)
    assert (keys[0] < keys[1]) == (first > second)
    assert key_sequence("billing", keys[0]) == first


@pytest.mark.parametrize(
    "key",
    [
        "trail/billing/000000000001.jsonl",
        "trail/billing/999999999998-000000000002.jsonl",
        "trail/billing/x/999999999998-000000000001.jsonl",
        "trail/budgets/999999999998-000000000001.jsonl",
        "trail/billing/999999999998-000000000001.jsonl ",
    ],
)
def test_other_keys_are_no_part_of_a_chain(key: str) -> None:
    assert key_sequence("billing", key) is None


def test_a_chain_goes_on_after_damage() -> None:
    body, end = written(GENESIS, [message(1), message(2)])
    assert last_link(1, body) == end
    damaged = body[:-3]
    assert last_link(1, damaged) == Link(sequence=2, hash=digest(lines_of(damaged)[1]))
    assert last_link(7, b"") == Link(sequence=7, hash=digest(b""))
