"""Loading billing files, whole or in parts, and rates: the use cases over the ports."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Protocol

from finops.billing.audit_events import ended_event, failed_event
from finops.billing.batches import Batch, Batches
from finops.billing.domain import (
    FileStatus,
    Quarantined,
    SourceObject,
    Tally,
    add,
)
from finops.billing.ports import (
    BillingStore,
    FileEntry,
    LoadTransaction,
    Objects,
    Quarantine,
    Workflow,
    Written,
)
from finops.billing.reader import CsvTable, open_csv
from finops.billing.rows import DatasetFormat, RowParser, RowProblem
from finops.billing.schemas import Recognition, Schema, recognise
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure
from finops.shared.money import EXACT
from finops.shared.rates import ExchangeRates, RatePolicy

#: Conflicts with other loads of the same dataset end by themselves: try again at once.
_ATTEMPTS: Final = 4
_CONFLICTS: Final = frozenset({"deadlock", "duplicate_key", "lock_timeout"})
#: What is left of a function's time when a load that runs in one piece gives up.
RESERVE_SECONDS: Final = 45.0


Clock = Callable[[], datetime]


class OutOfTime(Exception):
    """The function's time ends before the file does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How files are loaded.

    Attributes:
        large_file_bytes: Files of this size and more are loaded in parts.
        rates: Which rate converts a bill.
        formats: How datasets write what is otherwise not guessed.
    """

    large_file_bytes: int
    rates: RatePolicy
    formats: Mapping[str, DatasetFormat]

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Settings:
        """Read the environment that Terraform gives the functions."""
        return cls(
            large_file_bytes=int(variables["LARGE_FILE_BYTES"]),
            rates=RatePolicy.from_variables(variables),
            formats={
                name: DatasetFormat.from_document(name, document)
                for name, document in json.loads(variables["DATASETS"]).items()
            },
        )

    def format_of(self, dataset: str) -> DatasetFormat:
        """The dataset's format, or the strict one."""
        return self.formats.get(dataset) or DatasetFormat()


class QuarantineFactory(Protocol):
    """Opens the quarantine of a load, or of a part of it."""

    def __call__(self, entry: FileEntry, number: int | None = None) -> Quarantine:
        """Open it."""


@dataclass(slots=True)
class FileLoader:
    """Loads a file in one transaction, or starts the workflow where it is large.

    Args:
        remaining_seconds: Until the function is stopped.
    """

    store: BillingStore
    objects: Objects
    workflow: Workflow
    quarantine: QuarantineFactory
    settings: Settings
    remaining_seconds: Callable[[], float]
    audit: AuditRecorder
    clock: Clock

    def load(self, source: SourceObject) -> FileEntry:
        """Load a version of an object, once, however often its event comes.

        Raises:
            TransientFailure: to be tried again; the ledger says FAILED until then.
        """
        entry = self.store.receive(source, source.dataset)
        if not entry.status.is_final:
            entry = self._load(entry)
        record_end(self.audit, entry, self.clock())
        return entry

    def _load(self, entry: FileEntry) -> FileEntry:
        try:
            if entry.source.size >= self.settings.large_file_bytes:
                return self._in_parts(entry)
            try:
                return self._with_retries(entry)
            except OutOfTime:
                return self._in_parts(entry)
        except RejectedInput as error:
            self.store.mark(entry.load_id, FileStatus.REJECTED, error)
        except FinOpsError as error:
            # Another loader's file is not this one's to mark.
            if error.code != "file_is_busy":
                self.store.mark(entry.load_id, FileStatus.FAILED, error)
                self.audit.record(failed_event(entry, error, self.clock()))
            raise
        return self.store.find(entry.load_id)

    def _with_retries(self, entry: FileEntry) -> FileEntry:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._whole(entry)
            except TransientFailure as error:
                if error.code not in _CONFLICTS or attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _whole(self, entry: FileEntry) -> FileEntry:
        quarantine = self.quarantine(entry)
        try:
            with self.store.transaction() as transaction:
                entry = transaction.lock(entry.load_id)
                if entry.status.is_final:
                    return entry
                schema = self._load_into(transaction, entry, quarantine)
        except BaseException:
            quarantine.abandon()
            raise
        self.store.purge_superseded(schema)
        return self.store.find(entry.load_id)

    def _load_into(
        self, transaction: LoadTransaction, entry: FileEntry, quarantine: Quarantine
    ) -> Schema:
        stream = HashingStream(self.objects.open(entry.source))
        table = open_csv(stream, recognise)
        schema = table.recognition.schema
        if is_outdated(transaction, entry, schema):
            transaction.finish(
                entry, FileStatus.SUPERSEDED, Tally(), schema=schema.name, quarantine_uri=""
            )
            return schema
        records = RecordLoader(
            transaction=transaction,
            entry=entry,
            parser=row_parser(self.store, self.settings, entry.dataset, table.recognition),
            schema=schema,
            quarantine=quarantine,
            check=self._check_time,
        )
        tally = records.load(table)
        stream.exhaust()
        refuse_copy(transaction.claim_content(entry, stream.hexdigest()), entry, schema)
        enter_result(transaction, entry, schema, tally, quarantine.close())
        return schema

    def _in_parts(self, entry: FileEntry) -> FileEntry:
        if not self.workflow.is_running(entry):
            self.workflow.start(entry, entry.execution + 1)
            self.store.mark(entry.load_id, FileStatus.LOADING, execution=entry.execution + 1)
        return self.store.find(entry.load_id)

    def _check_time(self) -> None:
        if self.remaining_seconds() < RESERVE_SECONDS:
            raise OutOfTime


def record_end(audit: AuditRecorder, entry: FileEntry, now: datetime) -> None:
    """Tell the audit trail how a file ended; again where it had ended, since that may be lost."""
    if event := ended_event(entry, now):
        audit.record(event)


def is_outdated(transaction: LoadTransaction, entry: FileEntry, schema: Schema) -> bool:
    """Whether a newer version of the object is loaded that replaces this one.

    Rows with an identity need no such rule: each remembers how new the file was that wrote it.
    """
    return not schema.key and transaction.newer_version(entry) is not None


def enter_result(
    transaction: LoadTransaction, entry: FileEntry, schema: Schema, tally: Tally, uri: str
) -> None:
    """Mark a file loaded, in the place of its earlier versions where these are replaced."""
    transaction.finish(entry, tally.status, tally, schema=schema.name, quarantine_uri=uri)
    if not schema.key:
        transaction.supersede_older(entry)


def refuse_copy(copied: FileEntry | None, entry: FileEntry, schema: Schema) -> None:
    """Refuse content that would count twice.

    The same rows in the same dataset change nothing; in another dataset, or where rows have no
    identity, they would be added once more.

    Raises:
        RejectedInput: with code `duplicate_content`.
    """
    if copied is None or copied.source.key_hash == entry.source.key_hash:
        return
    if schema.key and copied.dataset == entry.dataset:
        return
    raise RejectedInput(
        f"the content is that of {copied.source.uri} (load {copied.load_id}, dataset "
        f"{copied.dataset}), and would count twice",
        code="duplicate_content",
        step="load_file",
        remedy="Remove this copy; to move a file to another dataset, remove the first one's rows",
    )


def row_parser(
    store: BillingStore, settings: Settings, dataset: str, match: Recognition
) -> RowParser:
    """A parser with the dataset's format, and rates read from the store as they are met."""
    return RowParser(match, settings.format_of(dataset), ExchangeRates(settings.rates, store.rates))


@dataclass(slots=True)
class RecordLoader:
    """Loads the records of a file or of a part of it within a transaction.

    While the database takes a batch, the next one is read: one call is under way at a time.
    """

    transaction: LoadTransaction
    entry: FileEntry
    parser: RowParser
    schema: Schema
    quarantine: Quarantine
    check: Callable[[], None]

    def load(self, table: CsvTable[Recognition], last_line: int | None = None) -> Tally:
        """Load all records.

        Args:
            table: The file, or the part of it that begins at a record.
            last_line: Where the next part begins, None at the end of the file.

        Raises:
            TransientFailure: with code `imbalance`, where what the database holds is not what
                was read; nothing of it is committed.
        """
        # A batch is a hundred thousand objects without a cycle, which the collector would go
        # through again and again: without that, two thirds more rows are prepared in a second.
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
                under_way = caller.submit(self.transaction.write, self.entry, self.schema, batch)
            if under_way is not None and waiting is not None:
                self._count(tally, waiting, under_way.result())
        stored = self.transaction.stored(self.entry, self.schema, first_line, last_line)
        tally.stored_sums = stored.sums
        tally.amount_usd = EXACT.add(tally.amount_usd, stored.amount_usd)
        problem = tally.imbalance()
        if stored.rows != tally.inserted + tally.updated:
            problem = (
                f"{tally.inserted + tally.updated} rows were written, the database holds "
                f"{stored.rows}"
            )
        if problem:
            raise TransientFailure(
                f"{self.entry.source.uri} does not add up: {problem}",
                code="imbalance",
                step="check_sums",
            )
        return tally

    def _batches(self, table: CsvTable[Recognition], tally: Tally) -> Iterator[Batch]:
        batches = Batches(self.schema)
        parse, put = self.parser.parse, self.quarantine.put
        for line, fields in table.records():
            tally.read += 1
            if fields is None:
                tally.quarantined += 1
                code, message = table.problem
                put(_quarantined(line, table.raw, code, message))
                continue
            try:
                row = parse(fields)
                if row.key and batches.holds(row.key):
                    add(tally.read_sums, {row.currency: row.amount})
                    add(tally.quarantined_sums, {row.currency: row.amount})
                    raise _twice(self.schema, row.key)
            except RowProblem as problem:
                tally.quarantined += 1
                put(
                    _quarantined(
                        line,
                        table.raw,
                        problem.reason,
                        problem.message,
                        problem.field,
                        problem.value,
                    )
                )
                continue
            yield from batches.add(line, table.raw, row)
        yield from batches.rest()

    def _count(self, tally: Tally, batch: Batch, written: Written) -> None:
        add(tally.read_sums, batch.sums)
        tally.inserted += written.inserted
        tally.updated += written.updated
        tally.unchanged += written.unchanged
        tally.superseded += written.superseded
        add(tally.kept_sums, written.kept_sums)
        tally.amount_usd = EXACT.add(tally.amount_usd, written.kept_usd)
        if not written.duplicates:
            return
        lines = set(written.duplicates)
        for sent in batch.rows:
            if sent.line in lines:
                problem = _twice(self.schema, sent.row.key)
                tally.quarantined += 1
                add(tally.quarantined_sums, {sent.row.currency: sent.row.amount})
                self.quarantine.put(
                    _quarantined(
                        sent.line,
                        sent.raw,
                        problem.reason,
                        problem.message,
                        problem.field,
                        problem.value,
                    )
                )


def _twice(schema: Schema, key: str) -> RowProblem:
    return RowProblem(
        "duplicate_record_id",
        f"{schema.key} {key!r} stands on an earlier line of this file",
        schema.key,
        key,
    )


def _quarantined(
    line: int, raw: str, reason: str, message: str, field: str = "", value: str = ""
) -> Quarantined:
    return Quarantined(
        line=line, reason=reason, field=field, value=value[:1000], message=message, raw=raw
    )


class HashingStream:
    """A stream that knows the SHA-256 of what was read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Read as the stream does."""
        piece = self._stream.read(size)
        self._hash.update(piece)
        return piece

    def exhaust(self) -> None:
        """Read what is left, such as bytes after the end of a compressed file."""
        while self.read(1 << 20):
            pass

    def hexdigest(self) -> str:
        """The digest of what was read so far."""
        return self._hash.hexdigest()
