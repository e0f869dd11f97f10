"""Reads CSV files as people and programs write them, in one pass and in bounded memory.

The form follows RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) with any of three delimiters and
line ends, and the encodings that spreadsheets write. A line that can't be read never affects
others.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Generic

from finops.billing.compression import decompressed
from finops.billing.encodings import file_encodings
from finops.billing.file_bytes import (
    PIECE,
    DecodedAsUtf8,
    Peekable,
    Readable,
    encoding_of,
    is_parquet,
    unreadable_file,
)
from finops.billing.file_format import AS_IT_SHOWS, Format, Layout, Match
from finops.billing.parquet_files import ParquetText
from finops.billing.physical_lines import LONGEST_RECORD, Lines, TooLongError, UnreadableLine
from finops.billing.proposals import is_header
from finops.billing.quoting import QuotedLines, cells_of, is_empty, quoting_effect
from finops.billing.sheet_cells import merged_cell, shown_texts, unmarked
from finops.billing.title_lines import DELIMITERS, ROWS_ABOVE_HEADER, refuse_rows
from finops.billing.workbooks import Workbook, is_zip
from finops.shared.errors import RejectedInput

#: Lines below the first one among which the header is looked for, where titles stand above it.
_TITLE_LINES: Final = 20
#: What else may separate cells: it counts where the whole header is known by it.
_MARK = re.compile(r"[^\w\s\"'.\-]")
#: A record with so many of the header's titles may be a header, too.
_FEWEST_TITLES: Final = 2
#: Byte order marks; a text of UTF-16 that begins with NUL is none.
_UTF_32: Final = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
#: As spreadsheets write it; a letter, a digit or a quotation mark can't be a delimiter.
_SEPARATOR_LINE = re.compile(r"sep=(\t|[^\w\s\"])\s*", re.IGNORECASE)


def content_of(stream: Readable, form: Format) -> Peekable:
    """The bytes that the offsets of a table of this format count."""
    content, _ = decompressed(stream)
    if form.sheet:
        book = Workbook(content)
        return Peekable(book.text(form.sheet, decimal_comma=form.decimal_comma))
    if form.is_parquet:
        return Peekable(ParquetText(content, decimal_comma=form.decimal_comma))
    return Peekable(DecodedAsUtf8(content, form.declared)) if form.declared else content


def open_csv(
    stream: Readable,
    recognise: Callable[[Sequence[str]], Match],
    *,
    sizes: bool = False,
    layout: Layout = AS_IT_SHOWS,
) -> CsvTable[Match]:
    """Read a file as far as its header.

    Args:
        stream: The file's bytes.
        recognise: Recognises a header by its cells; called once for each delimiter.
        sizes: Whether to count bytes; see `CsvTable.next_offset`.
        layout: What is declared.

    Raises:
        RejectedInput: the file can't be understood; the error names the line and the remedy.
    """
    content, compressed = decompressed(stream)
    head = content.peek(PIECE)
    if not head:
        raise unreadable_file("empty_file", "the file is empty", "Export it again")
    if head.startswith(_UTF_32):
        raise unreadable_file(
            "invalid_encoding", "the file is in UTF-32", "Save it as CSV (UTF-8), or as UTF-16"
        )
    if is_zip(content):
        return _open_workbook(Workbook(content), recognise, sizes=sizes, layout=layout)
    if is_parquet(content):
        form = Format(
            encoding="utf-8-sig",
            delimiter=",",
            compressed=False,
            is_parquet=True,
            decimal_comma=layout.decimal_comma,
        )
        text = Peekable(ParquetText(content, decimal_comma=layout.decimal_comma))
        # Its header is no line of the file.
        read = replace(layout, delimiter=",", skip_lines=0)
        return _open_text(text, form, recognise, read, 0 if sizes else None)
    declared = layout.encoding
    encoding, mark = encoding_of(head, declared)
    if mark or declared.startswith(("utf-8", "utf-16")):
        declared = ""
    if declared:
        content = Peekable(DecodedAsUtf8(content, declared))
        encoding = "utf-8-sig"
    content.read(mark)
    form = Format(
        encoding=encoding,
        delimiter=layout.delimiter,
        compressed=compressed,
        declared=declared,
        plausible=file_encodings(head) if encoding == "utf-8" else (),
    )
    return _open_text(content, form, recognise, layout, mark if sizes else None)


def _open_workbook(
    book: Workbook,
    recognise: Callable[[Sequence[str]], Match],
    *,
    sizes: bool,
    layout: Layout,
) -> CsvTable[Match]:
    """The one sheet of a workbook that can be read; its format may name it."""
    shown = ", ".join(map(repr, book.visible))[:300]
    if layout.sheet and layout.sheet not in book.names:
        raise unreadable_file(
            "no_such_sheet",
            f"the workbook has no sheet {layout.sheet!r}, but {shown}",
            "Correct `sheet` of the dataset's format: `finops billing format DATASET --sheet NAME`",
        )
    found: list[CsvTable[Match]] = []
    refused: dict[str, RejectedInput] = {}
    for name in [layout.sheet] if layout.sheet else book.visible:
        text = book.text(name, decimal_comma=layout.decimal_comma)
        form = Format(
            encoding="utf-8-sig",
            delimiter=",",
            compressed=False,
            sheet=name,
            decimal_comma=layout.decimal_comma,
        )
        read = replace(layout, delimiter=",")
        try:
            table = _open_text(Peekable(text), form, recognise, read, 0 if sizes else None)
        except RejectedInput as error:
            if error.code in _OF_WORKBOOK:
                raise
            if error.code == ROWS_ABOVE_HEADER:
                said = f"sheet {name!r}, {error.message}"
                raise unreadable_file(error.code, said, error.remedy) from error
            if error.code != "empty_file":
                refused[name] = error
        else:
            table.source_notes = text.notes
            found.append(table)
    if len(found) > 1:
        names = ", ".join(repr(one.format.sheet) for one in found)
        raise unreadable_file(
            "several_sheets",
            f"more than one sheet of the workbook holds such rows: {names}",
            "Name the one that counts: `finops billing format DATASET --sheet NAME`; or save each "
            "sheet as a file of its own",
        )
    if found:
        hidden = [] if layout.sheet else [*filter(book.holds_cells, book.hidden)]
        found[0].other_sheets = (*refused, *hidden)
        return found[0]
    if not refused:
        raise unreadable_file("empty_file", f"no sheet holds rows: {shown}", "Export it again")
    name, best = max(refused.items(), key=lambda one: one[1].code != "no_header")
    where = f"sheet {name!r}, " if len(book.names) > 1 else ""
    raise unreadable_file(best.code, f"{where}{best.message}", best.remedy) from best


#: Refusals that concern all sheets.
_OF_WORKBOOK: Final = frozenset({"damaged_workbook", "workbook_too_large", "formula_without_value"})


def _open_text(
    content: Peekable,
    form: Format,
    recognise: Callable[[Sequence[str]], Match],
    layout: Layout,
    offset: int | None,
) -> CsvTable[Match]:
    """Read text as far as its header; the delimiter of `form` is found by it."""
    lines = Lines(content, form.encoding, first_line=1, offset=offset, plausible=form.plausible)
    skipped = _skipped(lines, layout.skip_lines)
    text = _next_text(lines)
    asked = _SEPARATOR_LINE.fullmatch(text)
    if asked:
        text = _next_text(lines)
    line = lines.done - 1
    delimiters = (asked[1],) if asked else (layout.delimiter,) if layout.delimiter else DELIMITERS
    matches = _matches(text, delimiters, recognise)
    is_cut = any(len(header) > 1 or not match.problem for match, header, _ in matches)
    if not is_cut and len(matches) < len(delimiters):
        raise unreadable_file(
            "stray_quote",
            f"line {line}: a quotation mark in the header is not closed: {text[:80]!r}",
            "Remove the stray mark; the header must be on one line",
        )
    match, header, delimiter = matches[-1]
    above = layout.skip_lines
    number, own = line, text
    if match.problem:
        is_separator = text.lower().startswith("sep=")
        below = None if is_separator else _header_below(lines, delimiters, recognise)
        if below is None:
            raise unreadable_file(match.code, f"line {line}: {match.problem}", match.remedy)
        number, (match, header, delimiter) = below
        titles = [(line, text), *((at, lines.text(at) or "") for at in range(line + 1, number))]
        refuse_rows(titles, header, number, delimiter, layout.date_formats)
        above += number - line
        own = lines.text(number) or ""
        lines.done = number + 1
    _refuse_skipped_header(skipped, own.strip(), number)
    form = replace(form, delimiter=delimiter)
    return CsvTable(lines, form, header, match, above, recognise=recognise)


def _refuse_skipped_header(skipped: Sequence[tuple[int, str]], own: str, number: int) -> None:
    """Refuse a file whose format skips the header, and rows, as far as the same header again."""
    first = next((at for at, one in skipped if one == own), number)
    if any(at > first and one and one != own for at, one in skipped):
        raise unreadable_file(
            "header_is_skipped",
            f"line {first} is the same header as line {number}, but the dataset's format skips "
            f"{len(skipped)} lines, so that rows between them would be left out",
            "Correct the number of lines: `finops billing format DATASET --skip-lines "
            f"{first - 1}`",
        )


def _matches(
    text: str, delimiters: Sequence[str], recognise: Callable[[Sequence[str]], Match]
) -> list[tuple[Match, list[str], str]]:
    """(match, cells, delimiter) of a line that may be the header; the best one is the last."""
    found = []
    marks = sorted(set(_MARK.findall(text)) - set(delimiters)) if len(delimiters) > 1 else []
    for delimiter in (*delimiters, *marks):
        # A quoted header can only be read with its own delimiter.
        with suppress(csv.Error):
            header = cells_of([text], delimiter)
            match = recognise(shown_texts(header))
            if delimiter in delimiters or not match.problem:
                found.append((match, header, delimiter))
    found.sort(key=lambda one: (not one[0].problem, one[0].score, len(one[1])))
    return found


def _header_below(
    lines: Lines, delimiters: Sequence[str], recognise: Callable[[Sequence[str]], Match]
) -> tuple[int, tuple[Match, list[str], str]] | None:
    """The line of a header below lines of titles, where all that it needs is on it."""
    for number in range(lines.done, lines.done + _TITLE_LINES):
        text = lines.text(number)
        if text is None or isinstance(text, UnreadableLine):
            break
        found = _matches(text, delimiters, recognise) if text.strip() else []
        if found and not found[-1][0].problem:
            return number, found[-1]
    return None


def open_part(
    stream: Readable,
    form: Format,
    header: Sequence[str],
    recognise: Callable[[Sequence[str]], Match],
    first_line: int,
) -> CsvTable[Match]:
    """Read a part of a file that begins at a record: decompressed, in the file's encoding."""
    lines = Lines(Peekable(stream), form.encoding, first_line=first_line, plausible=form.plausible)
    match = recognise(shown_texts(header))
    return CsvTable(lines, form, list(header), match, recognise=recognise)


def raw_text(source: str) -> str:
    """The text of a record, with the line ends within it, from `CsvTable.source`."""
    return source.raw if isinstance(source, UnreadableLine) else source.rstrip("\r\n")


class CsvTable(Generic[Match]):
    """The records of a file.

    Attributes:
        header: The cells of the header, as people see them.
        header_source: The same as the file has them, with what tells merged cells of a sheet.
        merged_titles: The range of each cell of the header that shows nothing, since the title
            before it covers it.
        recognition: What `recognise` returned for it.
        first_line: Physical line on which records begin, from 1.
        problem: (reason, message) of the last record that could not be read.
        malformed: Its cells, where it has others than the header has columns.
        lines_above: How many lines stand above the header, such as titles.
        other_sheets: Sheets of a workbook that hold cells, and are not read.
        source_notes: What else was told of the file while it became text; see `SheetText`.
    """

    other_sheets: tuple[str, ...] = ()

    def __init__(
        self,
        lines: Lines,
        form: Format,
        header: list[str],
        recognition: Match,
        lines_above: int = 0,
        *,
        recognise: Callable[[Sequence[str]], Match],
    ) -> None:
        self.format = form
        self.header = shown_texts(header)
        self.header_source = header
        merged = [(at, merged_cell(one)) for at, one in enumerate(header)]
        self.merged_titles = {at: one[0] for at, one in merged if one and not one[1]}
        self.recognition = recognition
        self.first_line = lines.done
        self.problem = ("", "")
        self.malformed: Sequence[str] = ()
        self.lines_above = lines_above
        self.source_notes: Mapping[str, int] = {}
        self._lines = lines
        self._start = lines.done
        named = [index for index, title in enumerate(self.header, 1) if title.strip()]
        self._named = max(named, default=0)
        self._recognise = recognise
        self._titles = [*map(_spelt, self.header)]
        #: Columns without a title, where a cell is a value that was cut in two: 10,50. One before
        #: the first title numbers the rows, and no cell of a workbook is cut.
        self._untitled = [
            at
            for at, title in enumerate(self.header)
            if not title.strip() and named and at >= named[0] and not form.sheet
        ]

    @property
    def source(self) -> str:
        """The last record as it is in the file, from which `raw_text` makes a text for people."""
        text = self._lines.joined(self._start, self._lines.done)
        return unmarked(text) if self.format.sheet else text

    @property
    def raw(self) -> str:
        """The text of the last record, with the line ends within it."""
        return raw_text(self.source)

    @property
    def next_line(self) -> int:
        """Physical line after the last record."""
        return self._lines.done

    @property
    def next_offset(self) -> int:
        """Byte after the last record, in the file as it is before compression."""
        return self._lines.offset()

    @property
    def lines_guessed(self) -> Mapping[str, int]:
        """How many lines so far are not UTF-8, by the encoding that they were read in."""
        return self._lines.guessed

    @property
    def told(self) -> dict[str, int]:
        """Counts of what is told of a whole file, by note; complete once all records are read."""
        return {
            "lines_above_header": self.lines_above,
            "other_sheets": len(self.other_sheets),
            **self.source_notes,
        }

    def records(self) -> Iterator[tuple[int, list[str] | None]]:
        """(physical line, cells) of each record; None in place of cells that can't be read.

        Blank lines are skipped, and lines of empty cells, as spreadsheets write them. Empty cells
        beyond the header's are left out. Where a record of several lines is malformed, only its
        first line is lost: a stray quotation mark does not affect the lines after it.
        """
        lines, width = self._lines, len(self.header)
        plain_width = -1 if self._untitled else width
        while True:
            first = lines.done
            reader = csv.reader(lines.rest(), delimiter=self.format.delimiter, strict=True)
            try:
                for fields in reader:
                    self._start = start = lines.done
                    lines.done = end = first + reader.line_num
                    if len(fields) == plain_width and fields[0].strip():
                        row: list[str] | None = fields
                    else:
                        row = self._fitted(fields)
                    if end - start == 1:
                        if row:
                            yield start, row
                        elif row is None and self._is_malformed(fields):
                            yield start, None
                    elif row is not None and lines.length(start, end) <= LONGEST_RECORD:
                        if row:
                            yield start, row
                    else:
                        lines.done = start
                        break
                else:
                    return
            except csv.Error:
                end = first + reader.line_num
            except TooLongError:
                end = lines.read
            yield from self._recovered(end)

    def _recovered(self, end: int) -> Iterator[tuple[int, list[str] | None]]:
        """Records up to line `end`, where the first one is malformed.

        `records` would find the same if it started again after each malformed line, but would read
        lines again and again. This reads a line twice at most: once as the first line of a record,
        and once within quotation marks.
        """
        lines, delimiter = self._lines, self.format.delimiter
        widths = range(self._named, len(self.header) + 1)
        quoted = QuotedLines(lines, delimiter, widths)
        while lines.done < end:
            self._start = start = lines.done
            fields = None
            text = lines.text(start)
            assert text is not None  # noqa: S101 - it was read before
            after = 0
            if effect := quoting_effect(text, delimiter):
                cells, is_open = effect
                after = quoted.end(start, len(text), cells) if is_open else start + 1
            if after:
                fields = cells_of(lines.between(start, after), delimiter)
            lines.done = after or start + 1
            row = None if fields is None else self._fitted(fields)
            if row:
                yield start, row
            elif row is None and self._is_malformed(fields):
                yield start, None

    def _fitted(self, fields: list[str]) -> list[str] | None:
        """The cells of the header's columns; empty of a blank record, None of a malformed one."""
        width, count = len(self.header), len(fields)
        if all(map(is_empty, fields)):
            return []
        if count < self._named or not all(map(is_empty, fields[width:])):
            return None
        if self._untitled and self._without_title(fields):
            return None
        return fields[:width] + [""] * (width - count)

    def _without_title(self, fields: Sequence[str]) -> list[int]:
        """The filled cells in columns without a title."""
        return [at for at in self._untitled if at < len(fields) and not is_empty(fields[at])]

    def refuse_other_header(self, line: int, fields: Sequence[str]) -> None:
        """Refuse the file where a record that is no row is a header of its own.

        The rows below it would be read by the titles of the first one.

        Args:
            line: Of the record.
            fields: Its cells.

        Raises:
            RejectedInput: with code `second_header`.
        """
        shown = [one.removeprefix("\ufeff") for one in shown_texts(fields)]
        titles = [*map(_spelt, shown)]
        if titles == self._titles:
            return
        known = set(self._titles) - {""}
        own = dict(enumerate(self._titles))
        moved = any(one in known and one != own.get(at) for at, one in enumerate(titles))
        is_known = sum(one in known for one in titles) >= _FEWEST_TITLES
        if (is_known and (moved or not self._recognise(shown).problem)) or is_header(shown):
            raise unreadable_file(
                "second_header",
                f"line {line} is a second header, with columns in another order or with other "
                f"titles than in line {self.first_line - 1}: the rows below it would be misread",
                "Put the rows below it, with their header, into a file of their own",
            )

    def _is_malformed(self, fields: list[str] | None) -> bool:
        """Note what is wrong with a line that is not a record, unless it is blank."""
        text = self._lines.text(self._start) or ""
        self.malformed = ()
        if isinstance(text, UnreadableLine):
            reason, message = text.reason, _message(text)
        elif fields is None:
            reason, message = "bad_quoting", _MESSAGES["bad_quoting"]
        elif not text.strip():
            return False
        else:
            reason = "wrong_column_count"
            self.malformed = fields
            message = f"{len(fields)} columns, but the header has {len(self.header)}"
            if len(fields) <= len(self.header) and (cells := self._without_title(fields)):
                message = (
                    f"cell {cells[0] + 1} holds {fields[cells[0]][:40]!r}, but the header has no "
                    "title there: give the column a title, or put a value that holds the "
                    "delimiter into quotation marks"
                )
        self.problem = (reason, message)
        return True


_MESSAGES: Final = {
    "bad_quoting": "a quotation mark is misplaced, or is not closed within "
    f'{LONGEST_RECORD:,} characters; write a mark within quoted text twice ("")',
    "invalid_encoding": "the line is not valid text in the file's encoding; save the file as "
    "UTF-8, or declare its encoding: `finops billing format DATASET --encoding cp1252`",
    "too_long": f"longer than {LONGEST_RECORD:,} characters",
}


def _spelt(title: str) -> str:
    return "".join(title.split()).casefold()


def _skipped(lines: Lines, count: int) -> list[tuple[int, str]]:
    """The next lines, with their numbers; they are left out."""
    found = []
    for _ in range(count):
        text = lines.text(lines.done)
        if text is None:
            raise unreadable_file(
                "empty_file",
                f"the file ends within the {count} lines that its format skips",
                "Export it again, or correct skip_lines of the format",
            )
        found.append((lines.done, str(text).strip()))
        lines.done += 1
    return found


def _message(line: UnreadableLine) -> str:
    could = f"the line is not UTF-8, and could be {line.detail}: " if line.detail else ""
    return could + _MESSAGES[line.reason]


def _next_text(lines: Lines) -> str:
    """The next line that is not blank."""
    while (text := lines.text(lines.done)) is not None:
        if isinstance(text, UnreadableLine):
            raise unreadable_file(
                "no_header" if text.reason == "too_long" else text.reason,
                f"line {lines.done} is not a header: {_message(text)}",
                "Save the file as CSV (UTF-8), or declare its encoding: `finops billing format "
                "DATASET --encoding cp1252`",
            )
        lines.done += 1
        if text.strip():
            return text
    raise unreadable_file("empty_file", "the file has only blank lines", "Export it again")
