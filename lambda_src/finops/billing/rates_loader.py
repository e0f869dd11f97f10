"""Loading files of exchange rates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from finops.billing.audit_events import failed_event
from finops.billing.domain import FileEntry, FileStatus, Quarantined, SourceObject, Tally
from finops.billing.ecb_days import days_missing
from finops.billing.ledger_rules import record_outcome, unexpected
from finops.billing.ports import BillingStore, Clock, Objects, QuarantineFactory, RateStore
from finops.billing.rates import read_rates
from finops.billing.streams import HashingStream
from finops.shared.audit import AuditRecorder
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.retention import Originals

RATES_DATASET = "fx_rates"


#: So many days are looked at for one that was missed.
_LOOKED_AT: Final = timedelta(days=30)


@dataclass(slots=True)
class RatesLoader:
    """Loads a file of rates. Bills that are already loaded keep their rates."""

    store: BillingStore
    rates: RateStore
    objects: Objects
    originals: Originals
    quarantine: QuarantineFactory
    audit: AuditRecorder
    clock: Clock

    def load(self, source: SourceObject) -> FileEntry:
        """Load a version of an object; its ledger row counts rates as rows.

        Raises:
            TransientFailure: the event source retries.
        """
        source = replace(source, submitted_by=self.objects.metadata(source).get("submitted-by", ""))
        entry = self.store.receive(source, RATES_DATASET)
        if not entry.status.is_final:
            entry = self._load(entry)
        record_outcome(self.audit, entry, self.clock())
        return entry

    def days_missing(self) -> list[date]:
        """Working days of the ECB within a month whose rates are not there, though later ones are.

        Days before the first of its rates do not count: its history was not loaded.
        """
        today = self.clock().date()
        found = self.rates.rates("EUR", today - _LOOKED_AT, today)
        first = min((one.rate_date for one in found if one.source == "ECB"), default=None)
        if first is None:
            return []
        known = {one.rate_date for one in found if one.rate_date >= first}
        return days_missing(known, max(known))

    def _load(self, entry: FileEntry) -> FileEntry:
        quarantine = self.quarantine(entry)
        rejected = Tally()

        def reject(row: Quarantined) -> None:
            rejected.read += 1
            rejected.quarantined += 1
            quarantine.put(row)

        try:
            self.originals.keep(entry.source, entry.received_at or self.clock())
            # Writing rates twice changes nothing, so the ledger has a transaction of its own.
            stream = HashingStream(self.objects.open(entry.source))
            tally = self.rates.put_rates(read_rates(stream, reject), entry.source.order)
            tally.add(rejected)
            stream.exhaust()
            uri = quarantine.close()
            with self.store.transaction() as transaction:
                entry = transaction.lock(entry.load_id)
                if not entry.status.is_final:
                    transaction.claim_content(entry, stream.hexdigest())
                    transaction.finish(
                        entry, tally.status, tally, schema=RATES_DATASET, quarantine_uri=uri
                    )
        except RejectedInput as error:
            quarantine.abandon()
            self.store.mark(entry.load_id, FileStatus.REJECTED, error)
        except FinOpsError as error:
            quarantine.abandon()
            if error.code != "file_is_busy":
                self.store.mark(entry.load_id, FileStatus.FAILED, error)
                self.audit.record(failed_event(entry, error, self.clock()))
            raise
        except Exception as error:
            quarantine.abandon()
            said = unexpected(error)
            self.store.mark(entry.load_id, FileStatus.FAILED, said)
            self.audit.record(failed_event(entry, said, self.clock()))
            raise
        return self.store.find(entry.load_id)
