"""Loading a billing file: whole, or in parts where it is large."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from finops.billing.audit_events import failed_event
from finops.billing.conflicts import with_retries
from finops.billing.domain import (
    CORRECTS,
    LEAVES_OUT,
    PART_OF,
    RESTATES,
    FileEntry,
    FileStatus,
    SourceObject,
)
from finops.billing.ledger_rules import (
    dataset_or_none,
    enter_loaded,
    enter_superseded,
    newer_version,
    read_format,
    record_outcome,
    refuse_duplicate_content,
    refuse_other_ids,
    refuse_same_bills,
    unexpected,
)
from finops.billing.mapping import open_bills
from finops.billing.ports import (
    BillingStore,
    Clock,
    LoadTransaction,
    Objects,
    Quarantine,
    QuarantineFactory,
    Workflow,
)
from finops.billing.record_loader import RecordLoader, row_parser
from finops.billing.runs import Runs
from finops.billing.schemas import Schema
from finops.billing.settings import Settings
from finops.billing.settlement import enter_charges
from finops.billing.streams import HashingStream
from finops.billing.whole_deliveries import refused_part
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.rates import DatedRates
from finops.shared.retention import Originals

#: A whole-file load gives up when less than this is left of the function's time.
RESERVE_SECONDS: Final = 45.0


class OutOfTime(Exception):
    """The function's time does not suffice for the file."""


@dataclass(slots=True)
class FileLoader:
    """Loads a file in one transaction, or starts the workflow for a large file.

    Args:
        rates: The dated rates that are loaded.
        remaining_seconds: Until Lambda stops the function.
    """

    store: BillingStore
    rates: DatedRates
    objects: Objects
    originals: Originals
    workflow: Workflow
    quarantine: QuarantineFactory
    settings: Settings
    remaining_seconds: Callable[[], float]
    audit: AuditRecorder
    clock: Clock

    def load(self, source: SourceObject) -> FileEntry:
        """Load a version of an object: once, however often its event arrives.

        Raises:
            TransientFailure: the event source retries; until then the file is FAILED.
        """
        said = self.objects.metadata(source)
        source = replace(
            source,
            submitted_by=said.get("submitted-by", ""),
            restates=said.get(RESTATES) == "yes",
            part_of=unquote(said.get(PART_OF, "")),
            corrects=said.get(CORRECTS, ""),
            leaves_out=said.get(LEAVES_OUT) == "yes",
        )
        entry = self.store.receive(source, dataset_or_none(source))
        if not entry.status.is_final:
            entry = self._load(entry)
        entry = Runs(self.store, self.audit, self.clock).release(entry)
        record_outcome(self.audit, entry, self.clock())
        return entry

    def _load(self, entry: FileEntry) -> FileEntry:
        try:
            self.originals.keep(entry.source, entry.received_at or self.clock())
            if entry.source.size >= self.settings.large_file_bytes:
                return self._in_parts(entry)
            try:
                return with_retries(lambda: self._whole(entry))
            except OutOfTime:
                return self._in_parts(entry)
        except RejectedInput as error:
            refused = refused_part(self.store, entry, error)
            self.store.mark(entry.load_id, FileStatus.REJECTED, refused)
        except FinOpsError as error:
            # A file that another loader has locked is not marked from here.
            if error.code != "file_is_busy":
                self._enter_failed(entry, error)
            raise
        except Exception as error:
            self._enter_failed(entry, unexpected(error))
            raise
        return self.store.find(entry.load_id)

    def _enter_failed(self, entry: FileEntry, error: FinOpsError) -> None:
        self.store.mark(entry.load_id, FileStatus.FAILED, error)
        self.audit.record(failed_event(entry, error, self.clock()))

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
        table = open_bills(stream, read_format(self.objects, self.settings, entry.source))
        schema = table.recognition.schema
        entry = replace(entry, format=table.recognition.used)
        records = RecordLoader(
            transaction=transaction,
            entry=entry,
            parser=row_parser(self.settings, entry.dataset, table.recognition, self.rates),
            schema=schema,
            quarantine=quarantine,
            check=self._check_time,
            replace=entry.replaces,
            id_from=table.recognition.format.id_from,
        )
        tally = records.load(table)
        stream.exhaust()
        sha256 = stream.hexdigest()
        if newer := newer_version(transaction, entry, schema, tally):
            enter_superseded(transaction, entry, schema, tally, newer, quarantine.close())
            return schema
        if not schema.key:
            enter_charges(
                transaction,
                entry,
                schema,
                tally,
                sha256=sha256,
                close_quarantine=quarantine.close,
            )
            return schema
        refuse_duplicate_content(transaction.claim_content(entry, sha256, schema), entry)
        refuse_other_ids(transaction, entry, schema)
        refuse_same_bills(transaction, entry, tally)
        enter_loaded(transaction, entry, schema, tally, quarantine.close)
        return schema

    def _in_parts(self, entry: FileEntry) -> FileEntry:
        if not self.workflow.is_running(entry):
            self.workflow.start(entry, entry.execution + 1)
            self.store.mark(entry.load_id, FileStatus.LOADING, execution=entry.execution + 1)
        return self.store.find(entry.load_id)

    def _check_time(self) -> None:
        if self.remaining_seconds() < RESERVE_SECONDS:
            raise OutOfTime
