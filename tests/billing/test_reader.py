from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import sys
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finops.billing import quoting, reader, schemas
from finops.billing.compression import decompressed
from finops.billing.file_bytes import Readable
from finops.billing.file_format import Format
from finops.billing.physical_lines import LONGEST_RECORD, Lines
from finops.billing.reader import CsvTable, open_csv, open_part
from finops.shared.errors import RejectedInput
from tests.billing.reader_limits import limits

HEADER = "id,name,amount"
SHIPPED = sorted(path.with_suffix("") for path in Path(__file__).parent.glob("corpus/*.json"))
CORPUS = os.environ.get("FINOPS_CORPUS", "")


@dataclass
class Match:
    score: int
    problem: str = ""
    code: str = ""
    remedy: str = ""


def recognise(header: Sequence[str]) -> Match:
    known = {"id", "name", "amount"} & {cell.strip() for cell in header}
    if "id" in known:
        return Match(len(known))
    return Match(0, f"no column is known: {header}", "no_header", "Name the columns")


def recognise_all(header: Sequence[str]) -> Match:
    return Match(len(header))


class Dripping:
    """A stream that gives a few bytes at a time, and cannot seek."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size: int, /) -> bytes:
        assert size > 0
        return self._data.read(min(size, self._step))


def table_of(content: str | bytes) -> CsvTable[Match]:
    data = content.encode() if isinstance(content, str) else content
    return open_csv(io.BytesIO(data), recognise)


def read(content: str | bytes) -> list[tuple[int, list[str] | str]]:
    """Records as (line, cells), or (line, reason) where they cannot be read."""
    return outcome(table_of(content))


def outcome(table: CsvTable[Match]) -> list[tuple[int, list[str] | str]]:
    return [
        (line, table.problem[0] if fields is None else fields) for line, fields in table.records()
    ]


def refusal(content: str | bytes) -> RejectedInput:
    with pytest.raises(RejectedInput) as refused:
        read(content)
    assert refused.value.remedy
    assert refused.value.step == "read_file"
    return refused.value


class TestEncodings:
    @pytest.mark.parametrize(
        "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
    )
    @pytest.mark.parametrize("compressed", [False, True])
    def test_reads_what_spreadsheets_write(self, encoding: str, compressed: bool) -> None:
        data = f"{HEADER}\n1,Müller & Söhne ‰ Zürich™,5 €\n".encode(encoding)
        data = gzip.compress(data) if compressed else data
        assert read(data) == [(2, ["1", "Müller & Söhne ‰ Zürich™", "5 €"])]

    def test_reads_big_endian_with_a_mark(self) -> None:
        assert read(b"\xfe\xff" + f"{HEADER}\n1,é,2\n".encode("utf-16-be")) == [
            (2, ["1", "é", "2"])
        ]

    def test_recognises_utf_16_whose_characters_have_nul_on_the_other_side(self) -> None:
        data = f"{HEADER}\n1,一Ā,2\n".encode("utf-16-le")
        assert read(data) == [(2, ["1", "一Ā", "2"])]

    def test_a_line_that_is_not_utf_8_is_cp1252_and_its_neighbours_stay_utf_8(self) -> None:
        data = b"\n".join(
            [
                HEADER.encode(),
                "1,Zürich,2".encode(),
                "3,Zürich,4".encode("cp1252"),
                "5,Genève,6".encode(),
            ]
        )
        assert read(data) == [
            (2, ["1", "Zürich", "2"]),
            (3, ["3", "Zürich", "4"]),
            (4, ["5", "Genève", "6"]),
        ]

    @pytest.mark.parametrize("strange", [0, 1, 700, 1499])
    def test_a_cp1252_line_may_stand_anywhere_in_the_file(self, strange: int) -> None:
        lines = [f"{HEADER},größe", *[f"{n},Zürich - “€”,{n},x" for n in range(1500)]]
        data = b"\r\n".join(
            line.encode("cp1252" if at == strange else "utf-8") for at, line in enumerate(lines)
        )
        for step in (1 << 16, 1000):
            table = open_csv(Dripping(data, step), recognise)
            assert table.header[3] == "größe"
            assert [fields for _, fields in table.records()] == [
                [str(n), "Zürich - “€”", str(n), "x"] for n in range(1500)
            ]

    def test_a_line_that_is_neither_is_a_bad_record_with_its_bytes_shown(self) -> None:
        table = table_of(HEADER.encode() + b"\n1,\x81\xfc,2\n3,b,4\n")
        records = table.records()
        assert next(records) == (2, None)
        assert table.problem[0] == "invalid_encoding"
        assert table.raw == r"1,\x81\xfc,2"
        assert [*records] == [(3, ["3", "b", "4"])]

    def test_a_mark_excludes_cp1252(self) -> None:
        assert read(b"\xef\xbb\xbf" + HEADER.encode() + b"\n1,\xfc,2\n3,b,4\n") == [
            (2, "invalid_encoding"),
            (3, ["3", "b", "4"]),
        ]

    def test_half_a_character_of_utf_16_spoils_one_line(self) -> None:
        lone = (
            f"{HEADER}\n1,a,2\n".encode("utf-16")
            + b"\x00\xd8"
            + ",b,4\n5,c,6\n".encode("utf-16-le")
        )
        assert read(lone) == [(2, ["1", "a", "2"]), (3, "invalid_encoding"), (4, ["5", "c", "6"])]
        cut_off = f"{HEADER}\n1,a,2\n3,b,4".encode("utf-16") + b"\x35"
        assert read(cut_off) == [(2, ["1", "a", "2"]), (3, "invalid_encoding")]

    def test_surrogate_pairs_may_lie_across_pieces(self) -> None:
        name = "😀" * 30
        with limits(record=1000, piece=7):
            assert read(f"{HEADER}\n1,{name},2\n".encode("utf-16")) == [(2, ["1", name, "2"])]


class TestForms:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("quote", ["", '"'])
    def test_finds_delimiter_and_line_ends(self, delimiter: str, newline: str, quote: str) -> None:
        lines = [("id", "name", "amount"), ("1", "a,b;c" if quote else "a", "2"), ("3", "", "4")]
        text = newline.join(delimiter.join(f"{quote}{c}{quote}" for c in line) for line in lines)
        for content in (text, text + newline):
            assert read(content) == [(2, [*lines[1]]), (3, [*lines[2]])]

    def test_honours_a_separator_line(self) -> None:
        assert read("sep=;\nid;name,amount;amount\n1;a,b;2\n") == [(3, ["1", "a,b", "2"])]
        assert read("\ufeffSEP=|\r\n\r\nid|name|amount\r\n1|a|2\r\n") == [(4, ["1", "a", "2"])]

    @pytest.mark.parametrize("mark", ["x", '"', "1", " ", "\r"])
    def test_a_separator_must_be_able_to_separate(self, mark: str) -> None:
        assert refusal(f"sep={mark}\nid{mark}name\n1{mark}2\n").code in ("no_header", "stray_quote")

    def test_blank_lines_count_as_lines_and_not_as_records(self) -> None:
        assert read(f"\n  \n{HEADER}\n\n1,a,2\n \t\n\n3,b,4\n\n\n") == [
            (5, ["1", "a", "2"]),
            (8, ["3", "b", "4"]),
        ]
        assert read("\n" * 100_000 + f"{HEADER}\n1,a,2\n") == [(100_002, ["1", "a", "2"])]

    def test_mixed_line_ends_count_as_they_are_seen(self) -> None:
        assert [line for line, _ in read(f"{HEADER}\r1,a,2\n3,b,4\r\n\r\n5,c,6\r7,d,8")] == [
            2,
            3,
            5,
            6,
        ]

    def test_quoted_fields_hold_delimiters_marks_and_line_ends(self) -> None:
        table = table_of(f'{HEADER}\n1,"a, ""b""\r\n\nc",2\n3,d,4\n')
        records = table.records()
        assert next(records) == (2, ["1", 'a, "b"\r\n\nc', "2"])
        assert table.raw == '1,"a, ""b""\r\n\nc",2'
        assert next(records) == (5, ["3", "d", "4"])
        assert table.raw == "3,d,4"

    def test_a_mark_within_an_unquoted_field_is_text(self) -> None:
        assert read(f'{HEADER}\n1,5" pipe,2\n') == [(2, ["1", '5" pipe', "2"])]

    def test_columns_beyond_the_known_ones_are_given_too(self) -> None:
        assert read("id,other,name\n1,x,y\n") == [(2, ["1", "x", "y"])]

    def test_a_file_of_a_header_alone_has_no_records(self) -> None:
        assert read(HEADER) == []

    def test_says_how_a_file_is_written(self) -> None:
        table = table_of(gzip.compress(f"\ufeff{HEADER.replace(',', ';')}\n".encode()))
        assert table.format == Format(encoding="utf-8-sig", delimiter=";", compressed=True)
        document = json.loads(json.dumps(table.format.to_document()))
        assert Format.from_document(document) == table.format
        assert table.header == ["id", "name", "amount"]
        assert table.first_line == 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "code", "said"),
        [
            (b"", "empty_file", "empty"),
            (gzip.compress(b""), "empty_file", "empty"),
            (b"\n \r\n\t\n", "empty_file", "blank"),
            (b"\xef\xbb\xbf", "empty_file", "blank"),
            (b"\xff\xfe\n\x00", "empty_file", "blank"),
            (b"PK\x03\x04" + bytes(100), "spreadsheet", "save it as CSV"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "spreadsheet", "save it as CSV"),
            (gzip.compress(b"PK\x03\x04"), "spreadsheet", "save it as CSV"),
            (b"%PDF-1.7\n%\xe2\xe3", "binary_file", "PDF"),
            (b"\x89PNG\r\n\x1a\n", "binary_file", "image"),
            (b"\xff\xd8\xff\xe0", "binary_file", "image"),
            (b"PARE\x15", "binary_file", "Parquet"),
            (gzip.compress(gzip.compress(b"id\n")), "binary_file", "twice"),
            (b"id,na\x00me\n1,\x01\x02\n", "binary_file", "NUL"),
            (bytes(1000), "binary_file", "NUL"),
            (b"1,a,2\n3,b,4\n", "no_header", "line 1"),
            (b"\n\nReport of March\n1,name\n", "no_header", "line 3"),
            (b'"\nid,name,amount\n1,a,2\n', "stray_quote", "line 1"),
            (b'\n"id,name,amount\n1,a,2\n', "stray_quote", "line 2"),
            (b'id,"na"me,amount\n1,a,2\n', "stray_quote", "line 1"),
            (b"id,\x81\n1,2\n", "invalid_encoding", "line 1"),
            (b"id," + b"x" * 300_000 + b"\n", "no_header", "line 1"),
            (b"\x1f\x8b", "corrupt_gzip", "is incomplete"),
            (b"\x1f\x8bgarbage", "corrupt_gzip", "damaged"),
        ],
    )
    def test_refuses_what_cannot_be_understood(self, content: bytes, code: str, said: str) -> None:
        refused = refusal(content)
        assert refused.code == code
        assert said in str(refused)
        assert len(str(refused)) < 500

    @pytest.mark.parametrize("compressed", [False, True])
    @pytest.mark.parametrize(
        ("start", "code", "remedy"),
        [
            (b"PK\x03\x04", "spreadsheet", "save it as CSV"),
            (b"\xd0\xcf\x11\xe0", "spreadsheet", "save it as CSV"),
            (b"%PDF-1.7", "binary_file", "invoices bucket"),
            (b"\x89PNG", "binary_file", "invoices bucket"),
            (b"\xff\xd8\xff", "binary_file", "invoices bucket"),
            (b"PAR1\x15\x04", "damaged_parquet", "as CSV"),
            (b"BZh91AY&SY", "binary_file", "gzip"),
            (b"\xfd7zXZ\0", "binary_file", "gzip"),
            (b"\x28\xb5\x2f\xfd", "binary_file", "gzip"),
            (b"<!DOCTYPE html>", "not_a_table", "as CSV"),
            (b"<HTML lang=de>", "not_a_table", "as CSV"),
            (b"<?xml version='1.0'?>", "not_a_table", "as CSV"),
            (b'<Invoice xmlns="urn:x">', "not_a_table", "as CSV"),
            (b"<rows>\n<row>", "not_a_table", "as CSV"),
            (b"[\n  {", "not_a_table", "as CSV"),
            (b'[{"id":1}]', "not_a_table", "as CSV"),
            (b'{"id":1}', "not_a_table", "as CSV"),
        ],
    )
    def test_says_what_to_do_with_a_file_that_is_no_csv(
        self, start: bytes, code: str, remedy: str, compressed: bool
    ) -> None:
        # What follows would be a table: the beginning alone decides.
        content = start + f"\n{HEADER}\n1,a,2\n".encode()
        refused = refusal(gzip.compress(content) if compressed else content)
        assert refused.code == code
        assert remedy in refused.remedy

    @pytest.mark.parametrize("magic", ["PAR1", "PARE", "PAR1S", "BZh9", "BZh91AY", "%PDF", "PARE "])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_a_header_may_begin_with_the_letters_of_another_format(
        self, magic: str, end: str
    ) -> None:
        content = f"{magic},{HEADER}{end}x,1,a,2{end}".encode()
        table = open_csv(io.BytesIO(content), recognise)
        assert table.header == [magic, *HEADER.split(",")]
        assert [*table.records()] == [(2, ["x", "1", "a", "2"])]

    @pytest.mark.parametrize(
        "title",
        ["<Export of March>", "<draft>", "< 5 rows", "{draft}", "[draft]", "BZh, PAR1 and PARE"],
    )
    def test_a_title_is_none_of_html_or_json(self, title: str) -> None:
        table = open_csv(io.BytesIO(f"{title}\n{HEADER}\n1,a,2\n".encode()), recognise)
        assert (table.lines_above, [*table.records()]) == (1, [(3, ["1", "a", "2"])])

    @pytest.mark.parametrize(
        ("content", "code", "line"),
        [
            ("name,amount\na,2\n", "no_header", 1),
            ("\n\r\n\rname,amount\na,2\n", "no_header", 4),
            ("sep=;\n\nname;amount\na;2\n", "no_header", 3),
            ('sep=,\n"id,name,amount\n1,a,2\n', "stray_quote", 2),
            ('\n"id";"name;"amount"\n', "stray_quote", 2),
            ('"id,\nname",amount\n1,2\n', "stray_quote", 1),
            ("\n\n" + "x," * 200_000 + "\n", "no_header", 3),
        ],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_a_refused_header_is_named_by_its_line(
        self, content: str, code: str, line: int, encoding: str
    ) -> None:
        refused = refusal(content.encode(encoding))
        assert refused.code == code
        assert re.match(rf"line {line}\b", refused.message)

    def test_refuses_missing_columns_with_the_lines_number(self) -> None:
        with pytest.raises(RejectedInput) as refused:
            open_csv(io.BytesIO(b"\nrecord_id;currency\n1;EUR\n"), schemas.recognise)
        assert refused.value.code == "missing_columns"
        assert refused.value.message.startswith("line 2: ")

    @pytest.mark.parametrize("kept", [20, 500, -9, -4, -1])
    def test_refuses_a_gzip_file_that_ends_early(self, kept: int) -> None:
        content = "".join(f"{n},name {n * n % 977},{n}\n" for n in range(5000))
        data = gzip.compress(f"{HEADER}\n{content}".encode())
        assert refusal(data[:kept]).code == "corrupt_gzip"

    @pytest.mark.parametrize("members", [1, 3])
    def test_refuses_a_gzip_file_cut_off_anywhere_within_a_member(self, members: int) -> None:
        parts = [gzip.compress(f"{HEADER}\n1,a,2\n".encode()), gzip.compress(b"3,b,4\n")]
        data = b"".join([*parts, parts[1]][:members])
        whole = {len(b"".join([*parts, parts[1]][:count])) for count in range(1, members + 1)}
        for kept in range(2, len(data) + 1):
            if kept in whole:
                read(data[:kept])  # cannot be told from a file that was meant so
            else:
                assert refusal(data[:kept]).code == "corrupt_gzip"

    def test_refuses_a_gzip_file_that_is_made_to_expand(self) -> None:
        """A few kilobytes would keep a function busy, and a large file's parts fill a bucket."""
        zeros = zlib.compressobj(9, wbits=31)
        member = zeros.compress(bytes(1 << 20)) + zeros.flush()
        content, _ = decompressed(io.BytesIO(member * 2_000))
        taken: list[int] = []
        with pytest.raises(RejectedInput) as refused:
            taken.extend(map(len, iter(lambda: content.read(1 << 20), b"")))
        assert refused.value.code == "expands_too_much"
        assert sum(taken) <= 64 << 20

    def test_reads_a_gzip_file_whose_rows_are_much_alike(self) -> None:
        row = b"2026-01-01,AmazonEC2,Compute,EUR,0.000000,some-resource-id\n" * 20_000
        content, _ = decompressed(io.BytesIO(gzip.compress(row, 9)))
        assert sum(len(piece) for piece in iter(lambda: content.read(1 << 20), b"")) == len(row)

    def test_refuses_a_damaged_gzip_file(self) -> None:
        content = "".join(f"{n},name {n * n % 977},{n}\n" for n in range(5000))
        data = bytearray(gzip.compress(f"{HEADER}\n{content}".encode()))
        data[len(data) // 2] ^= 0x55
        assert refusal(bytes(data)).code == "corrupt_gzip"
        assert refusal(gzip.compress(HEADER.encode()) + b"garbage").code == "corrupt_gzip"

    def test_reads_members_of_a_gzip_file_as_one(self) -> None:
        members = [
            gzip.compress(piece.encode()) for piece in (HEADER, "\n1,a", ",2\n", "", "3,b,4")
        ]
        expected = [(2, ["1", "a", "2"]), (3, ["3", "b", "4"])]
        assert read(b"".join(members)) == expected
        # Zeros after a member are padding, however many.
        assert read((b"\0" * 200_000).join(members) + b"\0" * 512) == expected


class TestBadRecords:
    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ("1,a", "wrong_column_count"),
            ("1,a,2,3", "wrong_column_count"),
            ('1,"a"b,2', "bad_quoting"),
            ('1,"a" ,2', "bad_quoting"),
            ("1," + "x" * 300_000 + ",2", "too_long"),
            ("1," + "x" * 3_000_000 + ",2", "too_long"),
            ('1,"' + "x" * 3_000_000 + '",2', "too_long"),
        ],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_a_bad_line_harms_no_other(self, bad: str, reason: str, encoding: str) -> None:
        content = f'{HEADER}\n0,z,0\n{bad}\n3,"b\nc",4\n{bad}\n5,d,6\n'
        table = table_of(content.encode(encoding))
        seen = []
        for line, fields in table.records():
            seen.append((line, fields or table.problem[0]))
            if fields is None:
                assert bad.startswith(table.raw)
                assert len(table.raw) == min(len(bad), LONGEST_RECORD)
                assert len(table.problem[1]) < 200
        assert seen == [
            (2, ["0", "z", "0"]),
            (3, reason),
            (4, ["3", "b\nc", "4"]),
            (6, reason),
            (7, ["5", "d", "6"]),
        ]

    def test_a_mark_that_never_closes_takes_no_other_line_along(self) -> None:
        lines = [f"{n},name,{n}" for n in range(20_000)]
        lines[10] = '10,"name,10'
        found = read("\n".join([HEADER, *lines]))
        assert found == [
            (n + 2, "bad_quoting" if n == 10 else [str(n), "name", str(n)]) for n in range(20_000)
        ]

    def test_a_mark_that_closes_lines_later_takes_no_other_line_along(self) -> None:
        assert read(f'{HEADER}\n1,"a,2\n3,b,4\n5,"c",6\n7,d,8\n') == [
            (2, "bad_quoting"),
            (3, ["3", "b", "4"]),
            (4, ["5", "c", "6"]),
            (5, ["7", "d", "8"]),
        ]

    def test_a_record_over_lines_with_too_few_columns_is_read_again_from_its_second_line(
        self,
    ) -> None:
        assert read(f'{HEADER}\n"1,a,2\n3,b",4\n5,"c\nd",6\n') == [
            (2, "bad_quoting"),
            (3, ["3", 'b"', "4"]),
            (4, ["5", "c\nd", "6"]),
        ]

    def test_a_record_may_have_as_many_characters_as_the_limit(self) -> None:
        fits = '1,"' + "é\n" * 496 + '",2\n'
        with limits(record=len(fits), piece=64):
            assert [line for line, fields in read(f"{HEADER}\n{fits}") if fields] == [2]
            assert read(f"{HEADER}\n{fits}3,b,4\n")[1] == (499, ["3", "b", "4"])
        with limits(record=len(fits) - 1, piece=64):
            assert read(f"{HEADER}\n{fits}")[0] == (2, "bad_quoting")


def has_content(cells: list[str]) -> bool:
    return any(cell.strip(" \t") for cell in cells)


def is_full(fields: list[str], width: int) -> bool:
    return len(fields) >= width and not has_content(fields[width:])


def plain_reading(lines: list[str], width: int, longest: int) -> Iterator[tuple[int, object]]:
    """What the reader promises, said as simply as can be: each line is tried anew."""
    at = 0
    while at < len(lines):
        records = csv.reader(lines[at:], strict=True)
        try:
            fields: list[str] | None = next(records)
        except csv.Error:
            fields = None
        count = records.line_num
        too_long = sum(map(len, lines[at : at + count])) > longest
        if fields is not None and not has_content(fields) and not too_long:
            at += count
        elif fields is not None and is_full(fields, width) and not too_long:
            yield at, fields[:width]
            at += count
        else:
            if len(lines[at]) > longest or fields is None or count > 1 or lines[at].strip():
                yield at, None
            at += 1


@given(
    st.lists(
        st.text(alphabet='a",\n', max_size=12)
        | st.sampled_from(['1,"', '",2', 'a","b', '1,"a\nb",2']),
        max_size=40,
    ),
    st.integers(1, 40),
    st.integers(8, 60),
)
@settings(max_examples=300, deadline=None)
@example(['a","b'] * 30, 7, 40)
@example(['1,"a', 'b","c', 'd",2', "3,4,5"], 3, 60)
@example(['1,"' + "x" * 70, "1,2,3"], 16, 20)
def test_reads_malformed_records_as_if_each_line_were_tried_anew(
    parts: list[str], piece: int, longest: int
) -> None:
    text = "\n".join(parts)
    with limits(record=longest, piece=piece):
        table = open_csv(io.BytesIO(f"id,a,b\n{text}".encode()), recognise)
        found = [*table.records()]
    expected = plain_reading([*io.StringIO(text, newline="")], 3, longest)
    assert found == [(line + 2, fields) for line, fields in expected]


TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
)


@given(
    rows=st.lists(st.lists(TEXT, min_size=3, max_size=3), max_size=20),
    delimiter=st.sampled_from(",;\t"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    step=st.integers(1, 50),
    compressed=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_reads_back_exactly_what_the_csv_module_writes(
    rows: list[list[str]],
    delimiter: str,
    newline: str,
    quoting: int,
    encoding: str,
    step: int,
    compressed: bool,
) -> None:
    if quoting == csv.QUOTE_MINIMAL:
        # The module quotes its own line ends only, where others would be needed too.
        rows = [[re.sub(r"[\r\n]+", newline, cell) for cell in row] for row in rows]
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=newline, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([HEADER.split(","), *rows])
    data = written.getvalue().encode(encoding)
    table = open_csv(Dripping(gzip.compress(data) if compressed else data, step), recognise)
    found = [fields for _, fields in table.records()]
    assert found == [row for row in rows if has_content(row)]


@given(st.binary(max_size=400), st.integers(1, 64), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_records_or_a_refusal(data: bytes, piece: int, after_header: bool) -> None:
    content = HEADER.encode() + b"\n" + data if after_header else data
    with limits(record=50, piece=piece):
        try:
            table = open_csv(Dripping(content, 13), recognise_all)
            line = table.first_line - 1
            for number, fields in table.records():
                assert number > line
                line = number
                assert fields is None or len(fields) == len(table.header)
                assert len(table.raw) <= 5 * 50
                table.raw.encode()
                assert fields is not None or all(table.problem)
        except RejectedInput as refused:
            assert refused.remedy  # noqa: PT017


def all_of(stream: Readable) -> object:
    try:
        table = open_csv(stream, recognise_all)
        return table.format, [
            (line, fields, table.raw, fields is None and table.problem)
            for line, fields in table.records()
        ]
    except RejectedInput as refused:
        return refused.code, refused.message


@given(
    st.binary(max_size=60)
    | st.text(alphabet='a1,;"\n\r\té😀', max_size=60).map(str.encode)
    | st.text(alphabet='a1,;"\n\ré\ud83d\ude00', max_size=60).map(
        lambda text: text.encode("utf-16", "surrogatepass")
    ),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"sep=;\n"]),
    st.integers(1, 20),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
@example(b'\x00\xd8\n\x00"\x00,', b"\xff\xfe", 1, False)
def test_how_much_a_read_gives_makes_no_difference(
    data: bytes, mark: bytes, step: int, compressed: bool
) -> None:
    content = gzip.compress(mark + data) if compressed else mark + data
    with limits(record=50, piece=16):
        assert all_of(Dripping(content, step)) == all_of(io.BytesIO(content))


PIECES = st.sampled_from(
    [
        b'"',
        b",",
        b";",
        b"\n",
        b"\r",
        b"\r\n",
        b"1,a,2\n",
        b'"a\nb"',
        b"\xfc",
        b"\x81",
        "é".encode(),
        b"x" * 30,
    ]
)


@given(st.lists(PIECES, max_size=60).map(b"".join), st.integers(1, 64), st.data())
@settings(max_examples=300, deadline=None)
@example(b'"1,a,2\n3,b",4\n5,"c\nd",6\n', 10, None)
def test_a_part_reads_as_the_whole_does(
    body: bytes, piece: int, data: st.DataObject | None
) -> None:
    content = HEADER.encode() + b"\r\n" + body
    with limits(record=60, piece=piece):
        whole = open_csv(io.BytesIO(content), recognise, sizes=True)
        marks = [(whole.next_offset, whole.next_line)]
        found = []
        for line, fields in whole.records():
            found.append((line, fields, whole.raw, fields is None and whole.problem))
            marks.append((whole.next_offset, whole.next_line))
    at = data.draw(st.integers(0, len(marks) - 1)) if data else 1
    offset, line = marks[at]
    with limits(record=60, piece=3 * piece):
        part = open_part(io.BytesIO(content[offset:]), whole.format, whole.header, recognise, line)
        rest = [
            (line, fields, part.raw, fields is None and part.problem)
            for line, fields in part.records()
        ]
    assert rest == found[at:]


SIZES = (15_000, 60_000)


@dataclass
class Work:
    """Characters that the csv module was given; calls made and lines handed on or copied."""

    characters: int = 0
    steps: int = 0


def work_of(content: str | bytes) -> Work:
    """Read all records, and count instead of timing: the same on every machine."""
    work = Work()
    between, read_more = Lines.between, Lines._read_more

    def given_to_csv(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            work.characters += len(line)
            yield line

    def counted_between(self: Lines, start: int, end: int) -> list[str]:
        found = between(self, start, end)
        work.steps += len(found)
        return found

    def counted_read_more(self: Lines) -> bool:
        more = read_more(self)
        work.steps += len(self._held)
        return more

    def called(_frame: object, event: str, _argument: object) -> None:
        work.steps += event in {"call", "c_call"}

    counted_csv = SimpleNamespace(
        reader=lambda lines, **form: csv.reader(given_to_csv(lines), **form), Error=csv.Error
    )
    with (
        patch.object(reader, "csv", counted_csv),
        patch.object(quoting, "csv", counted_csv),
        patch.object(Lines, "between", counted_between),
        patch.object(Lines, "_read_more", counted_read_more),
    ):
        before = sys.getprofile()
        sys.setprofile(called)
        try:
            read(content)
        finally:
            sys.setprofile(before)
    return work


class TestCost:
    @pytest.mark.parametrize(
        "line",
        ['a","b\n', '"\n', '1,"\n', 'a"","b\n', '","\n', '1,"a",2\n"', '1,"a"b,2\n', '""","\n'],
    )
    def test_hostile_quotes_cost_work_in_proportion_to_their_length(self, line: str) -> None:
        with limits(record=5_000, piece=1024):
            small, large = (work_of(f"{HEADER}\n{line * (size // len(line))}") for size in SIZES)
        # Four times as much; sixteen times as much work, were each line tried anew.
        assert large.steps < 5 * small.steps
        # Each character is parsed in its turn, as the first line of a record, and within quotes.
        assert large.characters < 8 * SIZES[1]

    @pytest.mark.parametrize("newline", ["\n", "\r", "\r\n"])
    def test_good_records_are_parsed_once(self, newline: str) -> None:
        content = HEADER + newline + f"1,name,2{newline}" * 20_000
        assert work_of(content).characters < 1.1 * len(content)

    @pytest.mark.parametrize("wasted", [b"\0" * 1000, gzip.compress(b"")])
    def test_padding_and_empty_members_of_a_gzip_file_cost_work_once(self, wasted: bytes) -> None:
        def calls(count: int) -> int:
            data = gzip.compress(HEADER.encode()) + wasted * count + gzip.compress(b"\n1,a,2\n")
            return work_of(data).steps

        assert calls(4_000) < 5 * calls(1_000)

    def test_one_endless_line_and_one_endless_record_stay_within_a_few_mebibytes(self) -> None:
        class Endless:
            def __init__(self, text: bytes, size: int) -> None:
                self.left = size
                self.text = text
                self.head = HEADER.encode() + b'\n1,"'

            def read(self, size: int, /) -> bytes:
                if self.head:
                    head, self.head = self.head, b""
                    return head
                size = min(size, self.left)
                self.left -= size
                return (self.text * (size // len(self.text) + 1))[:size]

        for text in (b"x", b"text over some lines, and more of it\n"):
            tracemalloc.start()
            for _ in open_csv(Endless(text, 3 << 20), recognise).records():
                pass
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 10 << 20


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_reads_files_as_spreadsheets_and_services_write_them(path: Path) -> None:
    expected = json.loads(path.with_name(f"{path.name}.json").read_text())
    table = open_csv(io.BytesIO(path.read_bytes()), schemas.recognise)
    assert table.format.to_document() == expected["format"]
    assert table.recognition.schema.name == expected["schema"]
    records = [
        [line, table.problem[0] if fields is None else fields] for line, fields in table.records()
    ]
    assert records == expected["records"]


@pytest.mark.skipif(not CORPUS, reason="FINOPS_CORPUS names no folder of real files")
def test_reads_the_sample_that_focus_publishes() -> None:
    data = Path(CORPUS, "focus", "focus_1_0_sample.csv").read_bytes()
    table = open_csv(io.BytesIO(data), schemas.recognise)
    records = [*table.records()]
    assert table.recognition.schema is schemas.FOCUS
    assert len(records) == 1000
    assert [line for line, fields in records if fields is None] == []
