"""What flows tell the trail, and how it is written."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.shared.audit import (
    DETAILS_LIMIT,
    NoAudit,
    canonical,
    digest,
    entry_id,
    json_value,
    rfc3339,
)
from finops.shared.money import Money
from tests.audit.fakes import event
from tests.audit.recorders import MemoryRecorder

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.decimals()
    | st.datetimes()
    | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


@given(anything)
def test_whatever_a_flow_says_is_written_in_one_way_and_read_back_the_same(value: Any) -> None:
    def refuse(number: str) -> None:
        raise AssertionError(number)

    text = canonical(json_value(value))
    read = json.loads(text, parse_float=refuse, parse_constant=refuse)
    assert read == json_value(value)
    assert canonical(json_value(read)) == text
    assert text.isascii()
    assert not any(byte < 32 for byte in text)


@given(st.dictionaries(st.text(), st.integers()), st.randoms())
def test_the_order_of_a_document_changes_nothing(document: dict[str, int], random: Any) -> None:
    names = list(document)
    random.shuffle(names)
    assert canonical({name: document[name] for name in names}) == canonical(document)


def test_values_without_a_json_word_are_their_text() -> None:
    assert json_value({"amount": Decimal("1.10"), 7: date(2026, 3, 1), "set": {"b", "a"}}) == {
        "amount": "1.10",
        "7": "2026-03-01",
        "set": ["a", "b"],
    }
    assert json_value(1.5) == "1.5"
    assert json_value(Money(Decimal("1.5"), "USD")) == str(Money(Decimal("1.5"), "USD"))


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_moments_sort_as_texts(first: datetime, second: datetime) -> None:
    try:
        texts = rfc3339(first), rfc3339(second)
    except OverflowError:
        return
    assert (texts[0] < texts[1]) == (first.astimezone(UTC) < second.astimezone(UTC))
    assert len(texts[0]) == len("2026-03-05T08:15:30.123456+00:00")


def test_a_moment_is_utc_to_the_microsecond() -> None:
    berlin = timezone(timedelta(hours=1))
    assert rfc3339(datetime(2026, 3, 5, 9, tzinfo=berlin)) == "2026-03-05T08:00:00.000000+00:00"
    assert rfc3339(datetime.fromisoformat("2026-03-05T08:00")) == "2026-03-05T08:00:00.000000+00:00"


def test_a_replay_has_the_same_id_and_another_time_another_one() -> None:
    first = event(1)
    assert event(1, occurred_at=datetime(2027, 1, 1, tzinfo=UTC)).entry_id == first.entry_id
    others = [
        event(1, stream="budgets"),
        event(1, action="billing_file.failed"),
        event(2),
        event(1, version="2"),
    ]
    assert len({one.entry_id for one in [first, *others]}) == 5


def test_parts_of_an_id_do_not_run_into_each_other() -> None:
    assert entry_id("a", "b", "c", "d") != entry_id("a", "bc", "", "d")


def test_large_details_are_left_out_and_named_by_their_digest() -> None:
    details = {"text": "é" * DETAILS_LIMIT}
    document = event(1, details=details).document("code")
    assert document["details"] == {
        "omitted_bytes": len(canonical(details)),
        "omitted_sha256": digest(details),
    }
    assert event(1, details={"a": 1}).document("code")["details"] == {"a": 1}


@pytest.mark.parametrize("content", [b"ab", "ab"])
def test_a_digest_is_sha256_of_the_bytes(content: bytes | str) -> None:
    assert digest(content) == "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"


def test_a_memory_recorder_keeps_what_it_is_told_and_no_audit_nothing() -> None:
    recorder = MemoryRecorder()
    recorder.record(event(1), event(2))
    NoAudit().record(event(3))
    assert [one.subject for one in recorder.events] == ["load/1", "load/2"]
