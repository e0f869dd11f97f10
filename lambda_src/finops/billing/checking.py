"""A dry run: what the loader would do with a file, by its own rules and without a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from finops.billing.cells import RowProblem
from finops.billing.compression import decompressed
from finops.billing.dataset_format import DatasetFormat, UsedFormat, used_format
from finops.billing.domain import (
    Notes,
    Quarantined,
    Sums,
    Tally,
    add_amounts,
    add_notes,
    guess_notes,
)
from finops.billing.file_bytes import Readable
from finops.billing.file_format import AS_IT_SHOWS, Layout
from finops.billing.mapping import BillHeader, open_bills
from finops.billing.proposals import Proposal, propose
from finops.billing.reader import CsvTable, open_csv, raw_text
from finops.billing.rows import Row, RowParser, blocks_of_rows
from finops.billing.schemas import BILLING, Recognition, Schema
from finops.billing.sheet_cells import shown_texts
from finops.billing.workbooks import Workbook, is_zip
from finops.shared.errors import RejectedInput
from finops.shared.rates import ExchangeRates

#: Problems that are told; all are counted.
MOST_PROBLEMS: Final = 100
#: Records that a proposal is made from.
_SAMPLE: Final = 200
#: Refusals of a header for which another format is the remedy.
_HEADERS: Final = frozenset(
    {"no_header", "missing_columns", "ambiguous_header", "format_mismatch", "no_such_header"}
)


@dataclass(slots=True, kw_only=True)
class Check:
    """What the loader would do with a file.

    Attributes:
        status: As the ledger would say it.
        error: Why the whole file would be refused, or empty.
        used: The format that it would be read by; None where none is needed.
        header: The file's header, and the column of a bill that each cell would go to.
        rows_read: Of the file.
        rows_quarantined: Of these.
        amounts: Of the rows that would be loaded, by currency.
        problems: The first rows that would be quarantined.
        notes: Counts by the names of `finops.billing.domain.NOTES`.
        proposal: A format, where the header is not known.
    """

    status: str = ""
    error: str = ""
    error_code: str = ""
    schema: str = ""
    used: UsedFormat | None = None
    header: list[tuple[str, str]] = field(default_factory=list)
    rows_read: int = 0
    rows_quarantined: int = 0
    amounts: Sums = field(default_factory=dict)
    problems: list[Quarantined] = field(default_factory=list)
    notes: Notes = field(default_factory=dict)
    proposal: Proposal | None = None


def check_file(
    opened: Callable[[], Readable],
    used: UsedFormat | None,
    rates: ExchangeRates,
    dataset: str = "",
) -> Check:
    """What the loader would do with a file, but for what only the database knows.

    That is: ids and periods of other files, and whether the same content is loaded.

    Args:
        opened: Opens the file from its beginning, each time that it is called.
        used: The format of its dataset; None where none is declared.
        rates: The rates that would convert it.
        dataset: Its name, for messages.
    """
    found = Check(used=used)
    try:
        table = open_bills(opened(), used)
        _run(found, table, rates, dataset)
    except RejectedInput as error:
        found.status, found.error, found.error_code = "REJECTED", error.explanation, error.code
        if error.code in _HEADERS:
            found.proposal = proposal_of(opened())
    return found


def checked_proposal(
    opened: Callable[[], Readable], proposal: Proposal, rates: ExchangeRates, dataset: str = ""
) -> Check:
    """What the loader would do with a file by a proposed format."""
    form = DatasetFormat.from_document("the proposal", proposal.document)
    return check_file(opened, used_format("the proposal", form), rates, dataset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The beginning of a file, whether or not its columns are known.

    Attributes:
        header: Its cells.
        rows: The cells of its first records.
        proposal: A format for it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    proposal: Proposal


def proposal_of(stream: Readable) -> Proposal | None:
    """A format for a file; None where no line of it looks like a header."""
    try:
        return sample_of(stream).proposal
    except RejectedInput:
        return None


def sample_of(stream: Readable, layout: Layout = AS_IT_SHOWS) -> Sample:
    """The beginning of a file, with a format that is proposed for it.

    Raises:
        RejectedInput: it can't be read, or no line of it looks like a header.
    """
    table = open_csv(stream, _any_header, layout=layout)
    rows = [shown_texts(fields) for _, fields in islice(table.records(), _SAMPLE) if fields]
    found = propose(table.header, rows)
    document = dict(found.document)
    if table.format.delimiter not in ",;\t|":
        document["delimiter"] = table.format.delimiter
    if table.lines_above:
        document["skip_lines"] = table.lines_above
    if table.other_sheets:
        document["sheet"] = table.format.sheet
    proposal = Proposal(columns=found.columns, document=document, questions=found.questions)
    return Sample(header=table.header, rows=rows, proposal=proposal)


def sheets_of(stream: Readable) -> tuple[str, ...]:
    """The sheets of a workbook that are not hidden; none of another file.

    Raises:
        RejectedInput: the workbook can't be read.
    """
    content, _ = decompressed(stream)
    return tuple(Workbook(content).visible) if is_zip(content) else ()


def _any_header(header: Sequence[str]) -> Recognition:
    """Takes the first line that has two known names for a header, whatever it lacks."""
    guesses = propose(header, []).columns
    problem = "" if len(guesses) >= 2 else "no name of a column is known"
    nowhere = (None,) * len(BILLING.columns)
    return Recognition(BILLING, nowhere, len(guesses), problem, "no_such_header")


def _run(found: Check, table: CsvTable[BillHeader], rates: ExchangeRates, dataset: str) -> None:
    match = table.recognition
    found.used, found.schema = match.used, match.schema.name
    by_cell = {cell: one.name for cell, one in zip(match.cells, match.schema.columns, strict=True)}
    found.header = [(title, by_cell.get(at) or "") for at, title in enumerate(table.header)]
    parser = RowParser(match, match.format, rates, dataset, match.derive)
    seen: set[str] = set()
    for block in blocks_of_rows(table, parser):
        for line, source, row in block:
            found.rows_read += 1
            problem = _add(found, match.schema, row, seen)
            if problem is not None:
                found.rows_quarantined += 1
                if len(found.problems) < MOST_PROBLEMS:
                    found.problems.append(_quarantined(line, raw_text(source), problem))
    told = table.told | guess_notes(table.lines_guessed)
    if match.format.id_from:
        told["hashed_ids"] = found.rows_read - found.rows_quarantined
    add_notes(found.notes, told)
    found.status = Tally(quarantined=found.rows_quarantined).status.value


def _add(found: Check, schema: Schema, row: Row | RowProblem, seen: set[str]) -> RowProblem | None:
    """Count a row, unless it has a problem, which is returned."""
    if isinstance(row, RowProblem):
        return row
    if row.key and row.key in seen:
        message = f"{schema.key} {row.key!r} is already on an earlier line"
        return RowProblem("duplicate_record_id", message, schema.key, row.key)
    seen.add(row.key)
    add_amounts(found.amounts, {row.currency: row.amount})
    for note in row.notes:
        add_notes(found.notes, {note.reason: 1})
    return None


def _quarantined(line: int, raw: str, problem: RowProblem) -> Quarantined:
    return Quarantined(
        line=line,
        reason=problem.reason,
        field=problem.field,
        value=problem.value[:1000],
        message=problem.message,
        raw=raw,
    )
