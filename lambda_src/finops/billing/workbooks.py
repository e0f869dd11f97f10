"""The sheets of a workbook (XLSX, ECMA-376) as CSV text, in one pass and in bounded memory.

A row of the sheet is one line of the text, so that line numbers are the numbers of its rows. The
workbook is parsed by openpyxl; see docs/decisions/0021-tables-become-text.md.
"""

from __future__ import annotations

import csv
import io
import math
import re
import struct
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any, Final
from xml.etree.ElementTree import iterparse

from finops.billing.file_bytes import Peekable, Readable, unreadable_file
from finops.billing.merged_cells import Merged, MergedCells
from finops.billing.number_formats import Formatted, NumberFormat, number_formats
from finops.billing.sheet_cells import (
    error_cell,
    error_text,
    formatted_text,
    merged_text,
    shown_texts,
)
from finops.shared.errors import RejectedInput
from finops.shared.left_alone import why_left_alone

#: Bytes of a workbook; Excel's longest sheet, of 1,048,576 bills, has about as many.
LARGEST_WORKBOOK: Final = 64 << 20
#: Bytes of a sheet as XML, and of any other part; sheets are read as they come, texts are held.
LARGEST_SHEET: Final = 512 << 20
_LARGEST_PART: Final = 16 << 20
_LARGEST_TEXTS: Final = 64 << 20
_MOST_PARTS: Final = 10_000
#: Bytes of XML in which a row must end. Excel's cells hold at most 32,767 characters.
_LONGEST_ROW: Final = 8 << 20
#: https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
_MOST_ROWS: Final = 1_048_576
#: Cells to which rows are filled up, so that each has the cells of the header.
_WIDEST: Final = 512
_LINE_END = re.compile(r"[\r\n]+")
_DOCUMENT_TYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
#: A double keeps the digits of a smaller number.
_MOST_DIGITS: Final = 10**15
#: Names of the strict form (ISO/IEC 29500 part 1), which Excel writes on request, and which
#: openpyxl does not know; after what they have in common, in the order of the transitional ones.
_STRICT: Final = (
    b"http://purl.oclc.org/ooxml/",
    b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    b"http://purl.oclc.org/ooxml/officeDocument/relationships",
    b"http://purl.oclc.org/ooxml/drawingml/main",
)
_TRANSITIONAL: Final = (
    b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    b"http://schemas.openxmlformats.org/drawingml/2006/main",
)
_SAVE: Final = "Open it in the spreadsheet program and save it as CSV (UTF-8), or as .xlsx"
_CALCULATED_LATER: Final = re.compile(rb"<(?:\w+:)?calcPr\b[^>]*\bfullCalcOnLoad=\"(?:1|true)\"")
#: What openpyxl raises of files that are damaged, or are made to do harm.
_DAMAGED: Final = (
    zipfile.BadZipFile, zlib.error, SyntaxError, ValueError, TypeError, LookupError,
    AttributeError, ArithmeticError, NotImplementedError, RuntimeError, EOFError, struct.error,
)  # fmt: skip


class Workbook:
    """A workbook.

    Attributes:
        names: Its sheets, in order, without charts.
        visible: Those of them that are not hidden.
        hidden: The others.
    """

    def __init__(self, content: Readable) -> None:
        """Read a workbook as far as its list of sheets.

        Args:
            content: The bytes of a zip archive.

        Raises:
            RejectedInput: it is no workbook, damaged, or too large.
        """
        file = _seekable(content)
        with _refusing():
            try:
                archive = _Parts(file)
            except zipfile.BadZipFile as error:
                raise _no_workbook() from error
            _check_parts(archive)
            # XlsxWriter, which calculates nothing, writes 0 for what a formula comes to.
            self._is_uncalculated = any(
                _CALCULATED_LATER.search(archive.read(one))
                for one in archive.namelist()
                if one.lower().endswith("/workbook.xml")
            )
            # openpyxl takes long to import, and few files are workbooks.
            from openpyxl.reader.excel import ExcelReader

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader = ExcelReader(file, read_only=True, data_only=True, keep_links=False)
                reader.archive = archive
                reader.read()
            self._book: Any = reader.wb
            self._sheets = {sheet.title: sheet for sheet in self._book.worksheets}
        self.names = [*self._sheets]
        self.visible = [name for name, one in self._sheets.items() if one.sheet_state == "visible"]
        self.hidden = [name for name in self.names if name not in self.visible]

    def holds_cells(self, name: str) -> bool:
        """Whether any cell of a sheet has a value, or a formula."""
        try:
            return any(cells for _, _, cells in self._rows(name))
        except RejectedInput:
            return True

    def text(self, name: str, *, decimal_comma: bool = False) -> SheetText:
        """A sheet as CSV text.

        Args:
            name: Its name.
            decimal_comma: Whether numbers are written as the dataset's texts are: 1,50.
        """
        return SheetText(self._rows(name), decimal_comma=decimal_comma)

    def _rows(self, name: str) -> Iterator[tuple[int, bool, list[tuple[int, Any]]]]:
        """(number, whether it is hidden, (column, value) of each cell) of each row of a sheet."""
        from openpyxl.utils import get_column_letter
        from openpyxl.worksheet._reader import (
            DATA_TAG,
            FORMULA_TAG,
            ROW_TAG,
            VALUE_TAG,
            WorkSheetParser,
        )

        sheet = self._sheets[name]
        book = self._book
        formats = number_formats(book)
        with _refusing(), sheet._get_source() as part:  # noqa: SLF001
            merged = MergedCells(part)
        with _refusing(), warnings.catch_warnings(), sheet._get_source() as part:  # noqa: SLF001
            warnings.simplefilter("ignore")
            source = _BoundedRows(part)
            # openpyxl's own loop leaves out rows, ends where a wrong dimension says so, and does
            # not tell a formula without a value from an empty cell.
            parser = WorkSheetParser(
                source,
                sheet._shared_strings,  # noqa: SLF001
                data_only=True,
                epoch=book.epoch,
                date_formats=book._date_formats,  # noqa: SLF001
                timedelta_formats=book._timedelta_formats,  # noqa: SLF001
            )
            data: Any = None
            # Document types are refused before, and expat bounds what entities expand to.
            for event, element in iterparse(source, events=("start", "end")):  # noqa: S314
                if element.tag == DATA_TAG:
                    data = element
                    if event == "end":
                        return
                elif element.tag == ROW_TAG and event == "end" and data is not None:
                    number = int(element.get("r") or parser.row_counter + 1)
                    if number <= parser.row_counter:
                        raise _damaged(f"row {number} of sheet {name!r} is out of order")
                    if number > _MOST_ROWS:
                        raise _damaged(f"sheet {name!r} has a row {number:,}, beyond the last one")
                    parser.row_counter, parser.col_counter = number, 0
                    cells = []
                    for one in element:
                        cell = parser.parse_cell(one)
                        value = cell["value"]
                        if one.find(FORMULA_TAG) is not None and self._lacks_value(cell):
                            raise _without_value(name, cell["column"], number)
                        if cell["data_type"] == "e":
                            where = f"{get_column_letter(cell['column'])}{number}"
                            value = error_text(where, value)
                        form = formats.get(int(cell["style_id"]))
                        value = _shown(value, form, one.findtext(VALUE_TAG))
                        if value is not None:
                            cells.append((cell["column"], value))
                    is_hidden = element.get("hidden") in {"1", "true"}
                    yield number, is_hidden, merged.shown(number, cells)
                    source.row_ended()
                    data.clear()

    def _lacks_value(self, formula: Mapping[str, Any]) -> bool:
        value = formula["value"]
        if value is None:
            return bool(formula["data_type"] != "str")
        return self._is_uncalculated and not isinstance(value, bool) and value == 0


def _shown(value: Any, form: NumberFormat | None, number: str | None) -> Any:
    """The value of a cell with what its format shows of a whole number, and on the day it is on.

    openpyxl rounds a time of day to milliseconds, so that the last one of a day would be of the
    next; Excel shows the day that the number has begun.
    """
    if isinstance(value, datetime):
        return _on_its_day(value, number) if value.time() == time() else value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if form and is_number and 0 <= value < _MOST_DIGITS and value % 1 == 0:
        return form.shown(int(value))
    return value


def _typed_text(value: bool | date | time | timedelta) -> str:
    """The text of a cell that holds a day, a time or a logical value, however it is shown."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        is_day = value.time() == time()
        return value.date().isoformat() if is_day else value.isoformat(" ", "seconds")
    return value.isoformat("seconds") if isinstance(value, time) else str(value)


def _on_its_day(midnight: datetime, number: str | None) -> datetime:
    try:
        is_before = float(number or 0) % 1 > 0.5
    except ValueError:  # a day as ISO 8601 writes it
        return midnight
    return midnight - timedelta(seconds=1) if is_before else midnight


class SheetText:
    """The CSV text of a sheet, in UTF-8 and with commas.

    Attributes:
        notes: What was not told by the cells as they stand, and how often: `rounded` numbers with
            more than the 15 digits that Excel shows, and `hidden_rows`. Complete once all is read.
    """

    def __init__(
        self, rows: Iterator[tuple[int, bool, list[tuple[int, Any]]]], *, decimal_comma: bool
    ) -> None:
        self.notes: Counter[str] = Counter()
        self._pieces = self._written(rows, "," if decimal_comma else ".")
        self._waiting = b""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end.

        Raises:
            RejectedInput: the workbook is damaged, or a formula has no value.
        """
        if not self._waiting:
            self._waiting = next(self._pieces, b"")
        piece, self._waiting = self._waiting[:size], self._waiting[size:]
        return piece

    def _written(
        self, rows: Iterator[tuple[int, bool, list[tuple[int, Any]]]], point: str
    ) -> Iterator[bytes]:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        line, width = 1, 0
        for number, is_hidden, cells in rows:
            while line < number:
                text.write("\n" * min(number - line, 1 << 15))
                line += min(number - line, 1 << 15)
                yield from _taken(text)
            written = [(column, self._cell(value, point)) for column, value in cells]
            filled = max((column for column, one in written if one), default=0)
            width = max(width, min(filled, _WIDEST))
            row = [""] * max(width, filled)
            for column, one in written:
                if one:
                    row[column - 1] = one
            if filled:
                self.notes["hidden_rows"] += is_hidden
                writer.writerow(row)
            else:
                text.write("\n")
            line = number + 1
            yield from _taken(text)
        yield from _taken(text, 1)

    def _cell(self, value: Any, point: str) -> str:
        if isinstance(value, str):
            # A row stays one line.
            return _LINE_END.sub(" ", value) if "\n" in value or "\r" in value else value
        if isinstance(value, Merged):
            inner = "" if value.value is None else self._cell(value.value, point)
            (shown,) = shown_texts([inner]) if not error_cell(inner) else (inner,)
            return merged_text(value.range, shown)
        if isinstance(value, Formatted):
            return formatted_text(str(value.number), value.text)
        if isinstance(value, float):
            return self._number(value).replace(".", point)
        if isinstance(value, bool | date | time | timedelta):
            return formatted_text(_typed_text(value), "")
        return str(value) if isinstance(value, int) else _LINE_END.sub(" ", str(value))

    def _number(self, value: float) -> str:
        """A number as Excel shows it: a double has 17 digits, of which the last two are noise.

        https://learn.microsoft.com/office/troubleshoot/excel/floating-point-arithmetic-inaccurate-result
        """
        if not math.isfinite(value):
            return str(value)
        if value.is_integer() and abs(value) < 1e22:
            # With more digits than a double keeps, an id is not what it was.
            is_kept = Decimal(f"{value:.15g}") == int(value)
            return str(int(value)) if is_kept else f"{value:.14E}"
        shown = Decimal(f"{value:.15g}")
        self.notes["rounded"] += shown != Decimal(repr(value))
        return f"{shown:f}" if abs(shown) > Decimal("1e-30") else str(shown)


def _taken(text: io.StringIO, least: int = 1 << 16) -> Iterator[bytes]:
    if text.tell() >= least:
        yield text.getvalue().encode("utf-8", "surrogatepass")
        text.seek(0)
        text.truncate()


class _Parts(zipfile.ZipFile):
    """The parts of a workbook, in the names of the transitional form; read whole with a bound."""

    def open(
        self, name: str | zipfile.ZipInfo, mode: Any = "r", pwd: bytes | None = None, *,
        force_zip64: bool = False,
    ) -> IO[bytes]:  # fmt: skip
        part = super().open(name, mode, pwd, force_zip64=force_zip64)
        # Names stand at the beginning; lists of relationships have them in each entry.
        head = part.read(_LARGEST_PART if part.name.endswith(".rels") else 1 << 14)
        if _STRICT[0] not in head:
            part.seek(0)
            return part
        for strict, transitional in zip(_STRICT[1:], _TRANSITIONAL, strict=True):
            head = head.replace(strict, transitional)
        return io.BufferedReader(_Joined(head, part))

    def read(self, name: str | zipfile.ZipInfo, pwd: bytes | None = None) -> bytes:
        part = name if isinstance(name, zipfile.ZipInfo) else self.getinfo(name)
        if part.file_size > _LARGEST_PART:
            raise _too_large(f"its part {part.filename} has {part.file_size:,} bytes")
        return super().read(part, pwd)


class _Joined(io.RawIOBase):
    """The beginning of a part, and the rest of it."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._rest.close()
        super().close()


class _BoundedRows:
    """A sheet's XML, of which each row must end within a bound."""

    def __init__(self, part: IO[bytes]) -> None:
        self._part = part
        self._since = 0

    def row_ended(self) -> None:
        """Begin to count again."""
        self._since = 0

    def read(self, size: int = -1) -> bytes:
        """Read."""
        piece = self._part.read(size if size > 0 else 1 << 14)
        self._since += len(piece)
        if self._since > _LONGEST_ROW:
            raise _too_large(f"a row of it has more than {_LONGEST_ROW >> 20} MiB")
        return piece

    def close(self) -> None:
        """Close the part."""
        self._part.close()


def _seekable(content: Readable) -> IO[bytes]:
    """The whole archive, since its list of parts is at its end."""
    file = io.BytesIO()
    while piece := content.read(1 << 20):
        file.write(piece)
        if file.tell() > LARGEST_WORKBOOK:
            raise _too_large(f"it has more than {LARGEST_WORKBOOK >> 20} MiB")
    return file


def _check_parts(archive: zipfile.ZipFile) -> None:
    """Refuse what is no workbook, or would take too much memory.

    zipfile reads no more of a part than the size that the archive declares.
    """
    parts = {one.filename.casefold().lstrip("/"): one.file_size for one in archive.infolist()}
    if "xl/workbook.bin" in parts:
        raise unreadable_file("spreadsheet", "the file is a binary workbook (XLSB)", _SAVE)
    if "content.xml" in parts and "mimetype" in parts:
        raise unreadable_file("spreadsheet", "the file is an OpenDocument file (ODS)", _SAVE)
    if not any(name.endswith("workbook.xml") for name in parts):
        raise _no_workbook([one.filename for one in archive.infolist()])
    if len(archive.infolist()) > _MOST_PARTS:
        raise _too_large(f"it has more than {_MOST_PARTS:,} parts")
    for name, size in parts.items():
        if "/worksheets/" in name:
            limit = LARGEST_SHEET
        elif name.endswith("sharedstrings.xml") or "/pivotcache/" in name:
            limit = _LARGEST_TEXTS
        else:
            limit = _LARGEST_PART
        # Images and the like are not read.
        if size > limit and name.endswith((".xml", ".rels")):
            raise _too_large(f"its part {name} has {size:,} bytes, but at most {limit:,} are read")
    for part in archive.infolist():
        if part.filename.endswith((".xml", ".rels")):
            with archive.open(part) as file:
                # Beyond that, expat itself bounds what entities expand to.
                if _DOCUMENT_TYPE.search(file.read(1 << 14).replace(b"\0", b"")):
                    raise _damaged(f"its part {part.filename} declares a document type")


@contextmanager
def _refusing() -> Iterator[None]:
    """What openpyxl raises, as the refusal of a damaged workbook."""
    try:
        yield
    except _DAMAGED as error:
        raise _damaged(str(error)[:200] or type(error).__name__) from error


def _no_workbook(names: Sequence[str] = ()) -> RejectedInput:
    meant = [one for one in names if not why_left_alone(one)]
    if len(meant) == 1 and not meant[0].endswith(".xml"):
        return unreadable_file(
            "unusable_zip",
            f"the zip archive holds {meant[0]!r}, but only .csv, .tsv and .txt files are read so",
            "Drop that file itself",
        )
    return unreadable_file(
        "spreadsheet",
        "the file is a zip archive of anything else than one CSV file, or a workbook (XLSX) that "
        "is not whole",
        f"Drop the archive's files one by one. If it is a workbook: {_SAVE}",
    )


def _damaged(why: str) -> RejectedInput:
    return unreadable_file(
        "damaged_workbook",
        f"the workbook can't be read: {why}",
        _SAVE,
    )


def _too_large(why: str) -> RejectedInput:
    return unreadable_file(
        "workbook_too_large",
        f"the workbook is too large: {why}",
        "Save the sheet as CSV (UTF-8), which has no limit",
    )


def _without_value(name: str, column: int, row: int) -> RejectedInput:
    from openpyxl.utils import get_column_letter

    return unreadable_file(
        "formula_without_value",
        f"the formula in cell {get_column_letter(column)}{row} of sheet {name!r} has no value, as "
        "in files that a program wrote and nobody has opened",
        "Open it in the spreadsheet program, and save it: that calculates all formulas",
    )


def is_zip(content: Peekable) -> bool:
    """Whether a file is a zip archive, as workbooks are."""
    return content.peek(4) == b"PK\x03\x04"
