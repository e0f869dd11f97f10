"""Runs of exports with manifests: all files of a newer run count at once, when it is whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from finops.billing.conflicts import with_retries
from finops.billing.deliveries import delivery_of, files_of_manifest
from finops.billing.domain import LOADED, FileEntry, FileStatus
from finops.billing.ledger_rules import record_outcome
from finops.billing.ports import BillingStore, Clock, LoadTransaction
from finops.billing.schemas import SCHEMAS
from finops.billing.settlement import enter_charges
from finops.billing.whole_deliveries import refused_part
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput, TransientFailure
from finops.shared.export_manifests import manifest_document, named_files

#: Bytes of a manifest; AWS's names some hundred columns and each file.
LARGEST_MANIFEST: Final = 8 << 20


@dataclass(slots=True)
class Runs:
    """Lets the files of a run count that wait until it is whole."""

    store: BillingStore
    audit: AuditRecorder
    clock: Clock

    def take_manifest(self, key: str, content: bytes) -> list[FileEntry]:
        """Keep what a manifest says, and let its runs count that are whole.

        Args:
            key: The manifest's.
            content: Its bytes; what is no manifest of an export changes nothing.

        Returns:
            The files that waited.
        """
        released = []
        named = named_files(manifest_document(content))
        for folder, names in sorted(files_of_manifest(key, named).items()):
            self.store.keep_manifest(folder, names)
            released += self._release(folder)
        return released

    def release(self, entry: FileEntry) -> FileEntry:
        """Let the run of a loaded or waiting file count, if it is whole. Returns the file."""
        run = delivery_of(entry.source.key).run
        if not run or entry.status not in (FileStatus.WAITING, *LOADED):
            return entry
        self._release(run)
        return self.store.find(entry.load_id)

    def _release(self, folder: str) -> list[FileEntry]:
        return [self._counted(one) for one in self.store.waiting(folder)]

    def _counted(self, waiting: FileEntry) -> FileEntry:
        schema = next(one for one in SCHEMAS if one.name == waiting.schema)
        try:
            with_retries(lambda: self._settle(waiting.load_id))
        except RejectedInput as error:
            refused = refused_part(self.store, waiting, error)
            self.store.mark(waiting.load_id, FileStatus.REJECTED, refused)
        self.store.purge_superseded(schema)
        entry = self.store.find(waiting.load_id)
        record_outcome(self.audit, entry, self.clock())
        return entry

    def _settle(self, load_id: int) -> None:
        with self.store.transaction() as transaction:
            entry = _locked(transaction, load_id)
            if entry.status is not FileStatus.WAITING:
                return
            tally = replace(
                entry.tally,
                periods=set(transaction.periods_of(entry)),
                read_sums=entry.amounts,
                amount_usd=entry.amount_usd or entry.tally.amount_usd,
            )
            enter_charges(
                transaction,
                entry,
                next(one for one in SCHEMAS if one.name == entry.schema),
                tally,
                sha256=entry.content_sha256,
                close_quarantine=lambda: entry.quarantine_uri,
            )


def _locked(transaction: LoadTransaction, load_id: int) -> FileEntry:
    """A file's entry, locked; while another load lets it count, that is tried again."""
    try:
        return transaction.lock(load_id)
    except TransientFailure as error:
        if error.code != "file_is_busy":
            raise
        raise TransientFailure(error.message, code="busy", step="lock_file") from error
