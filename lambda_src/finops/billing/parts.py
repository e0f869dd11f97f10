"""Loading a large file in parts: the steps of the workflow `load_large_billing_file`.

Each part is one transaction with an entry in the ledger: running a step again does nothing twice,
and a part that fails never affects the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any, BinaryIO, Final

from finops.billing.audit_events import failed_event
from finops.billing.conflicts import with_retries
from finops.billing.dataset_format import UsedFormat
from finops.billing.domain import (
    FileEntry,
    FileStatus,
    SourceObject,
    Sums,
    Tally,
    add_amounts,
    add_notes,
)
from finops.billing.file_format import Format
from finops.billing.ledger_rules import (
    enter_loaded,
    enter_superseded,
    newer_version,
    read_format,
    record_outcome,
    refuse_duplicate_content,
    refuse_other_ids,
    refuse_same_bills,
    replaced_versions,
)
from finops.billing.mapping import open_bills, open_bills_part
from finops.billing.planner import Part, plan_parts
from finops.billing.ports import (
    BillingStore,
    Clock,
    LoadTransaction,
    Objects,
    QuarantineFactory,
    RowsTakenOver,
    Stored,
)
from finops.billing.reader import content_of
from finops.billing.record_loader import RecordLoader, row_parser
from finops.billing.rows import TotalsScan
from finops.billing.runs import Runs
from finops.billing.schemas import SCHEMAS, Schema
from finops.billing.settings import Settings
from finops.billing.settlement import enter_charges
from finops.billing.streams import HashingStream, pieces, skip
from finops.billing.whole_deliveries import refused_part
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure
from finops.shared.money import EXACT
from finops.shared.rates import DatedRates

CHUNKS_PREFIX: Final = "chunks/"
_MISSING_SHOWN: Final = 20
#: Lines that one statement adds up, within seconds; it may take 45 s.
LINES_AT_ONCE: Final = 250_000


class ChunksMissing(FinOpsError):
    """Some parts of a file are not loaded; running the workflow again loads them."""


def plan_key(load_id: int) -> str:
    """The S3 key of the list of parts."""
    return f"{CHUNKS_PREFIX}{load_id}/plan.json"


@dataclass(slots=True)
class FilePlanner:
    """Writes the list of a file's parts, for the Distributed Map to read."""

    store: BillingStore
    objects: Objects
    settings: Callable[[], Settings]
    part_bytes: int

    def plan(self, load_id: int) -> dict[str, Any]:
        """Plan a file. Returns {"load_id", "bucket", "plan_key", "chunks"}.

        A refused file has an empty plan; the last step of the workflow reports it.
        """
        entry = self.store.find(load_id)
        answer = {
            "load_id": load_id,
            "bucket": entry.source.bucket,
            "plan_key": plan_key(load_id),
            "chunks": 0,
        }
        items: list[dict[str, Any]] = []
        if not entry.status.is_final:
            try:
                items = self._items(entry)
            except RejectedInput as error:
                self.store.mark(
                    load_id, FileStatus.REJECTED, refused_part(self.store, entry, error)
                )
        self.objects.write(plan_key(load_id), [json.dumps(items).encode()])
        return answer | {"chunks": len(items)}

    def _items(self, entry: FileEntry) -> list[dict[str, Any]]:
        stream = HashingStream(self.objects.open(entry.source))
        # Parts that are loaded were read by the format of the first plan.
        used = entry.format or read_format(self.objects, self.settings(), entry.source)
        table = open_bills(stream, used, sizes=True)
        schema = table.recognition.schema
        used = table.recognition.used
        entry = replace(entry, format=used)
        match = table.recognition
        scan = TotalsScan(match, match.format, match.derive) if schema.key else None
        parts = list(plan_parts(table, self.part_bytes, scan))
        stream.exhaust()
        with self.store.transaction() as transaction:
            first = transaction.claim_content(entry, stream.hexdigest(), schema)
            if schema.key:
                refuse_duplicate_content(first, entry)
                refuse_other_ids(transaction, entry, schema)
                replaced_versions(transaction, entry, schema, Tally())
        self.store.mark(
            entry.load_id, FileStatus.LOADING, schema_name=schema.name, used_format=used
        )
        if not table.format.is_as_stored:
            self._write_content(entry, table.format, parts)
        lines = {part.number: part.first_line for part in parts}
        self.store.plan_chunks(entry.load_id, lines, schema)
        common = {
            "load_id": entry.load_id,
            "told": {**table.told, "other_sheets": 0},
            "other_sheets": table.other_sheets,
            "format": table.format.to_document(),
            "header": table.header_source,
            "used": used.to_document() if used else None,
        }
        return [common | asdict(part) for part in parts]

    def _write_content(self, entry: FileEntry, form: Format, parts: list[Part]) -> None:
        """Write the parts of a compressed or decoded file, which can't be read from its middle."""
        content = content_of(self.objects.open(entry.source), form)
        skip(content, parts[0].start)
        for part in parts:
            length = None if part.end is None else part.end - part.start
            self.objects.write(part_key(entry.load_id, part.number), pieces(content, length))


def part_key(load_id: int, number: int) -> str:
    """The S3 key of a part of a file that is not read as it is stored."""
    return f"{CHUNKS_PREFIX}{load_id}/{number:05}"


@dataclass(slots=True)
class PartLoader:
    """Loads one part in one transaction."""

    store: BillingStore
    rates: DatedRates
    objects: Objects
    quarantine: QuarantineFactory
    settings: Settings

    def load(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Load the part that an item of the plan names. Returns {"load_id", "number", "rows"}.

        Raises:
            TransientFailure: the workflow retries.
            RejectedInput: the part shows that the file can't be understood; it is refused.
        """
        try:
            return with_retries(lambda: self._load(item))
        except RejectedInput as error:
            entry = self.store.find(int(item["load_id"]))
            self.store.mark(
                entry.load_id, FileStatus.REJECTED, refused_part(self.store, entry, error)
            )
            raise

    def _load(self, item: Mapping[str, Any]) -> dict[str, Any]:
        load_id, number = int(item["load_id"]), int(item["number"])
        entry = self.store.find(load_id)
        form = Format.from_document(item["format"])
        used = UsedFormat.from_document(item["used"]) if item.get("used") else None
        quarantine = self.quarantine(entry, number)
        try:
            with self.store.transaction() as transaction:
                if transaction.chunk_is_loaded(load_id, number):
                    return {"load_id": load_id, "number": number, "rows": 0}
                table = open_bills_part(
                    self._stream(entry, form, item),
                    form,
                    item["header"],
                    used,
                    int(item["first_line"]),
                )
                if number == 1:
                    table.other_sheets = tuple(item.get("other_sheets", ()))
                records = RecordLoader(
                    transaction=transaction,
                    entry=entry,
                    parser=row_parser(
                        self.settings,
                        entry.dataset,
                        table.recognition,
                        self.rates,
                        item.get("totals"),
                    ),
                    schema=table.recognition.schema,
                    quarantine=quarantine,
                    check=lambda: None,
                    replace=replace(entry, format=used).replaces,
                    id_from=table.recognition.format.id_from,
                    later=True,
                )
                tally = records.load(table, item["last_line"])
                if number == 1:
                    add_notes(tally.notes, item.get("told", {}))
                transaction.enter_chunk(load_id, number, tally, quarantine.close())
        except BaseException:
            quarantine.abandon()
            raise
        return {"load_id": load_id, "number": number, "rows": tally.read}

    def _stream(self, entry: FileEntry, form: Format, item: Mapping[str, Any]) -> BinaryIO:
        if form.is_as_stored:
            return self.objects.open(entry.source, item["start"], item["end"])
        part = SourceObject(
            bucket=entry.source.bucket,
            key=part_key(entry.load_id, int(item["number"])),
            version_id="",
            etag="",
            size=0,
            order="",
        )
        return self.objects.open(part)


@dataclass(slots=True)
class FileFinisher:
    """Marks a file as loaded once all its parts are loaded and their counts add up."""

    store: BillingStore
    audit: AuditRecorder
    clock: Clock

    def finish(self, load_id: int) -> FileEntry:
        """Finish a file.

        Raises:
            ChunksMissing: parts are not loaded.
            TransientFailure: the database does not hold exactly what the parts counted.
            RowsTakenOver: it holds fewer rows, or a file that had some was taken back; the parts
                are forgotten, so that a retry loads them.
        """
        entry = self.store.find(load_id)
        if not entry.status.is_final:
            entry = self._finished(load_id)
        entry = Runs(self.store, self.audit, self.clock).release(entry)
        record_outcome(self.audit, entry, self.clock())
        return entry

    def fail(self, load_id: int, error: FinOpsError) -> FileEntry:
        """Mark a file as FAILED after a step of the workflow failed.

        A final status stays, such as that of a file which one of its parts refused.
        """
        self.store.mark(load_id, FileStatus.FAILED, error)
        entry = self.store.find(load_id)
        if entry.status is FileStatus.FAILED:
            attempt = f"execution {entry.execution}"
            self.audit.record(failed_event(entry, error, self.clock(), attempt))
        elif entry.status is FileStatus.REJECTED:
            record_outcome(self.audit, entry, self.clock())
        return entry

    def _finished(self, load_id: int) -> FileEntry:
        try:
            schema = with_retries(lambda: self._finish(load_id))
        except RejectedInput as error:
            entry = self.store.find(load_id)
            self.store.mark(load_id, FileStatus.REJECTED, refused_part(self.store, entry, error))
            schema = _schema_of(entry)
        except RowsTakenOver:
            self.store.forget_parts(load_id, _schema_of(self.store.find(load_id)))
            raise
        self.store.purge_superseded(schema)
        return self.store.find(load_id)

    def _finish(self, load_id: int) -> Schema:
        with self.store.transaction() as transaction:
            entry = transaction.lock(load_id)
            planned, missing, tally, folder = transaction.chunks(load_id)
            if missing or not planned:
                shown = ", ".join(map(str, missing[:_MISSING_SHOWN]))
                raise ChunksMissing(
                    f"{len(missing)} of {planned} parts of {entry.source.uri} are not loaded: "
                    f"{shown}",
                    code="chunks_missing",
                    step="finish_file",
                    remedy="Fix the cause, then run `finops billing retry` for the file: parts "
                    "that are loaded stay",
                )
            schema = _schema_of(entry)
            transaction.apply_pending(entry, schema)
            stored = _stored(transaction, entry, schema)
            problem = tally.imbalance()
            written = tally.inserted + tally.updated
            is_stale = bool(tally.unchanged) and transaction.withdrawn_since_parts(entry)
            if stored.rows < written or is_stale:
                uri = entry.source.uri
                raise RowsTakenOver(
                    load_id,
                    f"a file was taken back that held rows of {uri}"
                    if is_stale
                    else f"files took {written - stored.rows} rows over from {uri}",
                )
            if stored.rows != written or stored.sums != tally.stored_sums:
                problem = (
                    f"its parts wrote {tally.stored_sums}, but the database holds {stored.sums}"
                )
            if problem:
                raise TransientFailure(
                    f"{entry.source.uri} does not add up: {problem}",
                    code="imbalance",
                    step="finish_file",
                )
            sha256 = entry.content_sha256
            if newer := newer_version(transaction, entry, schema, tally):
                enter_superseded(transaction, entry, schema, tally, newer, folder)
            elif not schema.key:
                enter_charges(
                    transaction,
                    entry,
                    schema,
                    tally,
                    sha256=sha256,
                    close_quarantine=lambda: folder,
                )
            else:
                # A copy may have been loaded since the parts were planned.
                refuse_duplicate_content(transaction.claim_content(entry, sha256, schema), entry)
                refuse_other_ids(transaction, entry, schema)
                refuse_same_bills(transaction, entry, tally)
                enter_loaded(transaction, entry, schema, tally, lambda: folder)
        return schema


def _schema_of(entry: FileEntry) -> Schema:
    return next(one for one in SCHEMAS if one.name == entry.schema)


def _stored(transaction: LoadTransaction, entry: FileEntry, schema: Schema) -> Stored:
    """What the database holds of a load, added up range by range."""
    rows, usd = 0, Decimal(0)
    sums: Sums = {}
    end = transaction.last_line(entry, schema) + 1
    for first in range(0, end, LINES_AT_ONCE):
        part = transaction.stored(entry, schema, first, min(first + LINES_AT_ONCE, end))
        rows += part.rows
        add_amounts(sums, part.sums)
        usd = EXACT.add(usd, part.amount_usd)
    return Stored(rows=rows, sums=sums, amount_usd=usd)
