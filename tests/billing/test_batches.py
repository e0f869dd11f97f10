"""Batches carry as much as a request may, and nothing is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.billing import batches as module
from finops.billing.batches import LARGEST_DOCUMENT, MOST_ROWS, Batch, Batches, escaped_size
from finops.billing.rows import Row


def row(key: str, item: str = "x", amount: str = "0.1") -> Row:
    values = (key, "A", "B", "C", None, item, "2026-03-05", "USD", amount)
    return Row(("10", "2026-03-05", amount, *values), key, "USD", Decimal(amount))


def add(collector: Batches, line: int, one: Row) -> list[Batch]:
    assert collector.wanted
    collector.keys.add(one.key)
    return list(collector.add([replace(one, line=line, source=f"raw {line}")]))


def collected(rows: Iterable[Row]) -> list[Batch]:
    collector = Batches()
    found = []
    for line, one in enumerate(rows, 2):
        found += add(collector, line, one)
    return [*found, *collector.rest()]


def as_sent(batch: Batch) -> int:
    return len(json.dumps(batch.document))


def test_a_row_travels_with_its_line_and_rate() -> None:
    (batch,) = collected([row("a", "é")])
    assert json.loads(batch.document) == [
        [2, "10", "2026-03-05", "0.1", "a", "A", "B", "C", None, "é", "2026-03-05", "USD", "0.1"]
    ]
    assert batch.sums == {"USD": Decimal("0.1")}
    assert batch.rows[0].source == "raw 2"


@pytest.mark.parametrize("item", ["x", "😀" * 60, '"\\' * 100, "é" * 255])
def test_what_boto3_sends_stays_under_the_limit_and_comes_near_it(item: str) -> None:
    count = 45_000
    found = collected(row(str(number), item) for number in range(count))
    assert len(found) > 1
    assert all(as_sent(one) <= LARGEST_DOCUMENT + 2 for one in found)
    assert all(len(one.rows) <= MOST_ROWS for one in found)
    for one in found[:-1]:
        assert as_sent(one) > 0.9 * LARGEST_DOCUMENT or len(one.rows) > MOST_ROWS - 300
    assert [row.line for one in found for row in one.rows] == list(range(2, count + 2))
    assert sum((one.sums["USD"] for one in found), Decimal(0)) == Decimal("0.1") * count


def test_very_wide_rows_go_one_by_one() -> None:
    wide = "😀" * 10_000
    found = collected(row(str(number), wide) for number in range(300))
    assert all(as_sent(one) <= LARGEST_DOCUMENT + 2 for one in found)
    assert [row.key for one in found for row in one.rows] == [str(n) for n in range(300)]


@given(st.lists(st.text(max_size=20), max_size=40))
def test_any_text_arrives_as_it_was(items: list[str]) -> None:
    texts = [one for one in items if one.isprintable()]
    found = [
        cells[9]
        for batch in collected(row(str(n), text) for n, text in enumerate(texts))
        for cells in json.loads(batch.document)
    ]
    assert found == texts


@given(st.text())
def test_the_size_of_what_boto3_sends_is_known_without_writing_it(text: str) -> None:
    document = msgspec.json.encode(text)
    assert escaped_size(document) == len(json.dumps(document.decode())) - 2


def test_a_waiting_key_is_known_until_its_batch_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 500)
    collector = Batches()
    gone: list[Batch] = []
    for number in range(500):
        gone += add(collector, number, row(str(number)))
    assert not gone
    assert "0" in collector.keys
    for number in range(500, 750):
        gone += add(collector, number, row(str(number)))
    assert [len(one.rows) for one in gone] == [500]
    assert "0" not in collector.keys
    assert "700" in collector.keys


def test_the_keys_of_wide_rows_are_known_too() -> None:
    wide = "😀" * 10_000
    collector = Batches()
    gone: list[Batch] = []
    for number in range(250):
        gone += add(collector, number, row(str(number), wide))
    sent = {one.key for batch in gone for one in batch.rows}
    assert sent
    assert collector.keys == {str(number) for number in range(250)} - sent


def test_no_rows_make_no_batch() -> None:
    assert collected([]) == []
