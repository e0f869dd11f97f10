"""Loading the records of a file, or of a part of it, within a transaction."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from finops.billing.batches import Batch, Batches
from finops.billing.cells import ROUNDED, RowProblem
from finops.billing.domain import FileEntry, Quarantined, Tally, add_amounts, add_notes, guess_notes
from finops.billing.mapping import BillHeader
from finops.billing.ports import LoadTransaction, Quarantine, Written
from finops.billing.reader import CsvTable, raw_text
from finops.billing.rows import Row, RowParser, blocks_of_rows
from finops.billing.schemas import Schema
from finops.billing.settings import Settings
from finops.shared.errors import TransientFailure
from finops.shared.money import EXACT
from finops.shared.rates import DatedRates, ExchangeRates

#: The reason of a line in the quarantine that is no row: a sheet that is not read.
OTHER_SHEET: Final = "other_sheets"
#: Where the values of a row have the source of its rate.
_RATE_SOURCE: Final = 2


def row_parser(
    settings: Settings,
    dataset: str,
    match: BillHeader,
    rates: DatedRates,
    totals: Mapping[str, Any] | None = None,
) -> RowParser:
    """A parser with the header's format, and rates that are read as currencies are met.

    Args:
        settings: With the policy of rates.
        dataset: Its name, for messages.
        match: How the header was recognised.
        rates: The dated rates that are loaded.
        totals: What is known of the file's totals where its part begins.
    """
    exchange = ExchangeRates(settings.rates, rates)
    return RowParser(match, match.format, exchange, dataset, match.derive, totals)


@dataclass(slots=True)
class RecordLoader:
    """Loads the records of a file or of a part of it within a transaction.

    While the database writes a batch, the next one is read; there is one call at a time.

    Attributes:
        check: Called before each batch; raises where the load must end.
        replace: Whether the file may correct what other objects brought.
        later: Whether it is a part, so that rows that count are changed when all parts are loaded.
        id_from: The columns whose hash is a bill's id, where its format says so.
    """

    transaction: LoadTransaction
    entry: FileEntry
    parser: RowParser
    schema: Schema
    quarantine: Quarantine
    check: Callable[[], None]
    replace: bool = False
    id_from: Sequence[str] = ()
    later: bool = False

    def load(self, table: CsvTable[BillHeader], last_line: int | None = None) -> Tally:
        """Load all records.

        Args:
            table: The file, or the part of it that begins at a record.
            last_line: The line where the next part begins; None for the last part.

        Raises:
            TransientFailure: with code `imbalance`, where the database does not hold exactly what
                was read; nothing is committed.
        """
        # A batch is a hundred thousand objects without cycles, which the garbage collector would
        # scan again and again. Without these scans, two thirds more rows a second are prepared.
        gc.set_threshold(200_000, 100, 100)
        tally = Tally()
        first_line = table.first_line
        with ThreadPoolExecutor(1, thread_name_prefix="data-api") as caller:
            under_way: Future[Written] | None = None
            waiting: Batch | None = None
            for batch in self._batches(table, tally):
                self.check()
                if under_way is not None and waiting is not None:
                    self._count(tally, waiting, under_way.result())
                waiting = batch
                under_way = caller.submit(
                    self.transaction.write,
                    self.entry,
                    self.schema,
                    batch,
                    replace=self.replace,
                    later=self.later,
                )
            if under_way is not None and waiting is not None:
                self._count(tally, waiting, under_way.result())
        for name in table.other_sheets:
            self.quarantine.put(_noted(1, "", _other_sheet(name)))
        told = table.told | guess_notes(table.lines_guessed)
        if self.id_from:
            told["hashed_ids"] = tally.inserted + tally.updated + tally.unchanged
        add_notes(tally.notes, told)
        stored = self.transaction.stored(self.entry, self.schema, first_line, last_line)
        tally.stored_sums = stored.sums
        tally.amount_usd = EXACT.add(tally.amount_usd, stored.amount_usd)
        problem = tally.imbalance()
        if stored.rows != tally.inserted + tally.updated:
            problem = (
                f"{tally.inserted + tally.updated} rows were written, but the database holds "
                f"{stored.rows}"
            )
        if problem:
            raise TransientFailure(
                f"{self.entry.source.uri} does not add up: {problem}",
                code="imbalance",
                step="check_sums",
            )
        return tally

    def _batches(self, table: CsvTable[BillHeader], tally: Tally) -> Iterator[Batch]:
        batches = Batches()
        names = [column.name for column in self.schema.columns]
        first = _RATE_SOURCE + 1 + len(self.schema.usd)
        period = [first + names.index(name) for name in self.schema.period]
        day = first + names.index(self.schema.day)
        for block in blocks_of_rows(table, self.parser):
            tally.read += len(block)
            left = block
            while left:
                some, left = left[: batches.wanted], left[batches.wanted :]
                rows = self._kept(some, batches.keys, tally)
                sources = [row.values[_RATE_SOURCE] for row in rows]
                add_notes(tally.notes, {"static_rate": sources.count("static")})
                if period:
                    periods = {tuple(row.values[at] or "" for at in period) for row in rows}
                    tally.periods.update((one, two, three) for one, two, three in periods)
                else:
                    tally.add_days([row.values[day] or "" for row in rows])
                yield from batches.add(rows)
        yield from batches.rest()

    def _kept(
        self, block: Sequence[tuple[int, str, Row | RowProblem]], keys: set[str], tally: Tally
    ) -> list[Row]:
        """The rows of a block without problems, whose keys are not among the given ones yet."""
        kept: list[Row] = []
        for line, source, row in block:
            if isinstance(row, RowProblem):
                self._refuse(tally, line, source, row)
            elif row.key and row.key in keys:
                amount = {row.currency: row.amount}
                add_amounts(tally.read_sums, amount)
                add_amounts(tally.quarantined_sums, amount)
                self._refuse(tally, line, source, self._duplicate_id(row.key))
            else:
                keys.add(row.key)
                for note in row.notes:
                    add_notes(tally.notes, {note.reason: 1})
                    if note.reason != ROUNDED:
                        self.quarantine.put(_noted(line, source, note))
                row.line, row.source = line, source
                kept.append(row)
        return kept

    def _refuse(self, tally: Tally, line: int, source: str, problem: RowProblem) -> None:
        tally.quarantined += 1
        self.quarantine.put(_noted(line, source, problem))

    def _count(self, tally: Tally, batch: Batch, written: Written) -> None:
        add_amounts(tally.read_sums, batch.sums)
        tally.inserted += written.inserted
        tally.updated += written.updated
        add_notes(tally.notes, {"corrected": written.updated})
        tally.unchanged += written.unchanged
        tally.superseded += written.superseded
        add_notes(tally.notes, {"also_in_another_file": written.elsewhere})
        add_amounts(tally.kept_sums, written.kept_sums)
        tally.amount_usd = EXACT.add(tally.amount_usd, written.kept_usd)
        duplicates = set(written.duplicates)
        if not duplicates and not written.conflicts:
            return
        for row in batch.rows:
            if row.line in duplicates:
                problem = self._duplicate_id(row.key)
            elif row.line in written.conflicts:
                problem = _conflict(self.schema, self.entry, row.key, written.conflicts[row.line])
            else:
                continue
            add_amounts(tally.quarantined_sums, {row.currency: row.amount})
            self._refuse(tally, row.line, row.source, problem)

    def _duplicate_id(self, key: str) -> RowProblem:
        message = f"{self.schema.key} {key!r} is already on an earlier line of this file"
        if self.id_from:
            message = (
                f"{', '.join(self.id_from)} are the same as on an earlier line of this file: a "
                "line that is there twice, or another charge? For another charge, add a column "
                f"that tells them apart to id_from of the format of dataset {self.entry.dataset!r}"
            )
        return RowProblem("duplicate_record_id", message, self.schema.key, key)


def _other_sheet(name: str) -> RowProblem:
    return RowProblem(
        OTHER_SHEET,
        f"the sheet {name!r} is not read, since it is hidden, or has no header of such rows: if it "
        "holds some, drop it as a file of its own",
        "",
        name,
    )


def _conflict(schema: Schema, entry: FileEntry, key: str, other: str) -> RowProblem:
    return RowProblem(
        "conflicting_record_id",
        f"{schema.key} {key!r} is loaded from {other} with other values: if this is another bill, "
        "drop this file into a dataset of its own; if it is a correction, drop it under that "
        f"file's name, or let files correct one another: `finops billing format {entry.dataset} "
        "--replace`",
        schema.key,
        key,
    )


def _noted(line: int, source: str, problem: RowProblem) -> Quarantined:
    return Quarantined(
        line=line,
        reason=problem.reason,
        field=problem.field,
        value=problem.value[:1000],
        message=problem.message,
        raw=raw_text(source),
    )
