from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finops.billing.compression import decompressed
from finops.billing.planner import Part, plan_parts
from finops.billing.reader import CsvTable, open_csv, open_part
from tests.billing.reader_limits import limits

HEADER = "id,name,amount"


@dataclass
class Match:
    score: int = 1
    problem: str = ""
    code: str = ""
    remedy: str = ""


def recognise(header: Sequence[str]) -> Match:
    return Match(len(header))


def records(table: CsvTable[Match]) -> list[tuple[object, ...]]:
    return [
        (line, fields, table.raw, table.problem if fields is None else None)
        for line, fields in table.records()
    ]


def plan(content: bytes, part_bytes: int) -> list[Part]:
    return [*plan_parts(open_csv(io.BytesIO(content), recognise, sizes=True), part_bytes)]


PIECES = st.sampled_from(
    ['"', ",", "\n", "\r", "\r\n", "1,a,2\n", '"a\nb"', "é", "😀", "x" * 30, "x" * 300, "\n\n"]
)


@given(
    parts=st.lists(PIECES, max_size=60),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be"]),
    part_bytes=st.integers(1, 200),
    piece=st.integers(4, 64),  # a byte order mark is read at once
    compressed=st.booleans(),
)
@settings(max_examples=300, deadline=None)
@example(['1,"a\nb",2\n'] * 5, "utf-16", 1, 7, False)
@example(["x" * 300, "\n", "1,a,2\n"] * 3, "utf-16", 1, 7, False)
@example(["\U0001f600" * 300, "\n", "1,a,2\n"] * 3, "utf-16", 1, 7, False)
def test_the_parts_records_are_those_of_the_whole(
    parts: list[str], encoding: str, part_bytes: int, piece: int, compressed: bool
) -> None:
    plain = f"{HEADER}\n{''.join(parts)}".encode(encoding, "replace")
    content = gzip.compress(plain) if compressed else plain
    with limits(record=60, piece=piece):
        table = open_csv(io.BytesIO(content), recognise)
        whole = records(table)
        planned = plan(content, part_bytes)
    found: list[tuple[object, ...]] = []
    with limits(record=60, piece=31):
        for part in planned:
            stream = io.BytesIO(plain[part.start : part.end])
            some = records(
                open_part(stream, table.format, table.header, recognise, part.first_line)
            )
            for line, *_ in some:
                assert isinstance(line, int)
                assert part.first_line <= line
                assert part.last_line is None or line < part.last_line
            found += some
    assert found == whole
    assert [part.number for part in planned] == [*range(1, len(planned) + 1)]
    for one, following in pairwise(planned):
        assert (one.end, one.last_line) == (following.start, following.first_line)
        assert one.end is not None
        assert one.end - one.start >= part_bytes


def test_parts_end_where_a_record_does() -> None:
    body = '1,"a\n2,b,3\n",4\n' * 3
    content = f"{HEADER}\n{body}".encode()
    start, size = len(HEADER) + 1, len(body) // 3
    assert plan(content, 1) == [
        Part(
            number=number + 1,
            start=start + number * size,
            end=start + (number + 1) * size,
            first_line=2 + 3 * number,
            last_line=5 + 3 * number,
        )
        for number in range(3)
    ]


def test_a_small_file_is_one_part_to_its_end() -> None:
    for content in (HEADER, f"{HEADER}\n", f"{HEADER}\n1,a,2\n3,b,4"):
        begin = min(len(content), len(HEADER) + 1)
        assert plan(content.encode(), 1000) == [
            Part(number=1, start=begin, end=None, first_line=2, last_line=None)
        ]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_compressed_file_is_cut_in_what_it_holds(step: int) -> None:
    plain = f"{HEADER}\n".encode() + b"".join(b"%d,name,%d\n" % (n, n) for n in range(500))
    planned = plan(gzip.compress(plain), 1000)
    stream, _ = decompressed(io.BytesIO(gzip.compress(plain)))
    pieces = []
    while piece := stream.read(step):
        pieces.append(piece)
    assert b"".join(pieces) == plain
    assert plain[planned[3].start :].startswith(b"%d,name," % (planned[3].first_line - 2))
