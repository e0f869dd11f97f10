"""The invoice ports in memory, with the guarantees of the real ones; each can be made to fail."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

from finops.invoices.domain import Erasure, InvoiceRecord, SourceDocument, serial_number
from finops.invoices.duplicates import first_resemblance, near_match
from finops.invoices.identity import near_match_key, number_index_key, tax_index_keys
from finops.invoices.ports import Filed
from finops.invoices.spending import Charge, cap_reached, content_is_being_read
from finops.invoices.vendors.vendor import Vendor
from finops.shared.audit import digest
from finops.shared.errors import RejectedInput, TransientFailure


class Killed(BaseException):
    """The function ends here, as by a kill."""


@dataclass
class Calls:
    """What was called; the n-th call is followed (or preceded) by a kill."""

    made: list[str] = field(default_factory=list)
    kill_after: int = 0
    kill_before: int = 0

    def __call__(self, name: str, act: Callable[[], Any]) -> Any:
        self.made.append(name)
        if len(self.made) == self.kill_before:
            raise Killed(name)
        result = act()
        if len(self.made) == self.kill_after:
            raise Killed(name)
        return result


@dataclass
class FakeStore:
    calls: Calls = field(default_factory=Calls)
    records: dict[str, InvoiceRecord] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    matches: dict[str, str] = field(default_factory=dict)
    serials: dict[int, int] = field(default_factory=dict)
    readers: dict[str, str] = field(default_factory=dict)
    pages: dict[date, int] = field(default_factory=dict)
    usd: dict[date, Decimal] = field(default_factory=dict)

    def create(self, record: InvoiceRecord) -> InvoiceRecord:
        return self.calls("create", lambda: self.records.setdefault(record.id, record))  # type: ignore[no-any-return]

    def find(self, invoice_id: str) -> InvoiceRecord:
        if invoice_id not in self.records:
            raise RejectedInput(f"no {invoice_id}", code="unknown_invoice")
        return self.records[invoice_id]

    def save(self, record: InvoiceRecord) -> InvoiceRecord:
        return self.calls("save", lambda: self._save(record))  # type: ignore[no-any-return]

    def file(self, record: InvoiceRecord, year: int) -> Filed:
        return self.calls("file", lambda: self._file(record, year))  # type: ignore[no-any-return]

    def reader_of(self, content_sha256: str) -> str:
        return self.readers.get(content_sha256, "")

    def charge(self, record: InvoiceRecord, charge: Charge) -> InvoiceRecord:
        return self.calls("charge", lambda: self._charge(record, charge))  # type: ignore[no-any-return]

    def _charge(self, record: InvoiceRecord, charge: Charge) -> InvoiceRecord:
        pages = self.pages.get(charge.day, 0) + charge.pages
        usd = self.usd.get(charge.day, Decimal(0)) + charge.usd
        holder = self.readers.get(record.content_sha256, record.id)
        if holder not in {record.id, charge.stale_holder}:
            raise content_is_being_read(record, holder)
        if pages > charge.limits.daily_pages or usd > charge.limits.daily_usd:
            raise cap_reached(record, charge)
        saved = self._save(replace(record, charged_attempt=charge.attempt))
        self.pages[charge.day], self.usd[charge.day] = pages, usd
        self.readers[record.content_sha256] = record.id
        return saved

    def erase(self, record: InvoiceRecord, erasure: Erasure) -> InvoiceRecord:
        def write() -> InvoiceRecord:
            for ids in self.numbers.values():
                if record.id in ids:
                    ids.remove(record.id)
            self.matches = {key: one for key, one in self.matches.items() if one != record.id}
            self.readers = {key: one for key, one in self.readers.items() if one != record.id}
            return self._save(replace(record.erased(erasure), revision=record.revision))

        return self.calls("erase", write)  # type: ignore[no-any-return]

    def _save(self, record: InvoiceRecord) -> InvoiceRecord:
        if self.records[record.id].revision != record.revision:
            raise TransientFailure("changed", code="changed_meanwhile")
        self.records[record.id] = replace(record, revision=record.revision + 1)
        return self.records[record.id]

    def _file(self, record: InvoiceRecord, year: int) -> Filed:
        assert record.invoice
        keys = (number_index_key(record.invoice), *tax_index_keys(record.invoice))
        entered = dict.fromkeys(one for key in keys for one in self.numbers.get(key, ()))
        entered.pop(record.id, None)
        others = ((one, read) for one in entered if (read := self.records[one].invoice))
        if found := first_resemblance(
            record.invoice,
            others,
            accepted=record.accepted_matches,
            distinct=record.distinct_from,
        ):
            return Filed(resembles=found)
        match = near_match_key(record.invoice)
        allowed = {record.id, *record.accepted_matches, *record.distinct_from}
        if (holder := self.matches.get(match, record.id)) not in allowed:
            return Filed(resembles=near_match(holder))
        serial = self.serials.get(year, 0) + 1
        saved = self._save(replace(record, serial_number=serial_number(year, serial)))
        self.serials[year] = serial
        for key in keys:
            self.numbers.setdefault(key, []).append(record.id)
        self.matches.setdefault(match, record.id)
        return Filed(record=saved)


@dataclass
class FakeVendors:
    calls: Calls = field(default_factory=Calls)
    vendors: dict[str, Vendor] = field(default_factory=dict)
    meanwhile: Callable[[], None] | None = None
    """Called once before the next write, as another writer that comes first."""

    def find(self, vendor_id: str) -> Vendor | None:
        return self.vendors.get(vendor_id)

    def having(self, keys: Sequence[str]) -> dict[str, list[Vendor]]:
        return {key: [one for one in self.vendors.values() if key in one.keys] for key in keys}

    def save(self, vendor: Vendor, before: Vendor | None) -> None:
        if other := self.meanwhile:
            self.meanwhile = None
            other()

        def write() -> None:
            if self.vendors.get(vendor.id) != before:
                raise TransientFailure("changed", code="changed_meanwhile")
            self.vendors[vendor.id] = vendor

        self.calls("save_vendor", write)

    def remove(self, vendor: Vendor) -> None:
        if self.vendors.get(vendor.id) != vendor:
            raise TransientFailure("changed", code="changed_meanwhile")
        del self.vendors[vendor.id]

    def all(self) -> Iterator[Vendor]:
        yield from self.vendors.values()


@dataclass
class FakeObjects:
    calls: Calls = field(default_factory=Calls)
    objects: dict[str, bytes] = field(default_factory=dict)
    submitter: str = "ann"
    locked: bool = False

    def open(self, document: SourceDocument) -> BinaryIO:
        return io.BytesIO(self.objects[document.key])

    def owner(self, document: SourceDocument) -> str:
        return self.submitter

    def write_json(self, key: str, content: Mapping[str, Any]) -> str:
        def write() -> None:
            self.objects[key] = json.dumps(content).encode()

        self.calls("write_json", write)
        return digest(self.objects[key])

    def read_json(self, key: str) -> dict[str, Any] | None:
        return dict(json.loads(self.objects[key])) if key in self.objects else None

    def delete(self, document: SourceDocument, *, bypass_governance: bool) -> None:
        if self.locked and not bypass_governance:
            raise RejectedInput("it is locked", code="locked")
        self.calls("delete", lambda: self.objects.pop(document.key, None))

    def delete_kept(self, invoice_id: str) -> None:
        def delete() -> None:
            for key in [one for one in self.objects if one.startswith(f"textract/{invoice_id}/")]:
                del self.objects[key]

        self.calls("delete_kept", delete)


@dataclass
class FakeWorkflow:
    calls: Calls = field(default_factory=Calls)
    started: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    resumed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    redriven: list[str] = field(default_factory=list)

    def start(self, name: str, request: Mapping[str, Any]) -> None:
        self.calls("start", lambda: self.started.setdefault(name, dict(request)))

    def resume(self, task_token: str, output: Mapping[str, Any]) -> bool:
        return self.calls("resume", lambda: self._resume(task_token, output))  # type: ignore[no-any-return]

    def redrive(self, name: str) -> None:
        self.calls("redrive", lambda: self.redriven.append(name))

    def _resume(self, task_token: str, output: Mapping[str, Any]) -> bool:
        if task_token not in self.waiting:
            return False
        self.waiting.remove(task_token)
        self.resumed.append((task_token, dict(output)))
        return True


@dataclass
class FakeEngine:
    answers: dict[str, Any] = field(default_factory=dict)
    analyzed: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)

    def analyze(self, document: SourceDocument) -> dict[str, Any]:
        self.analyzed.append(document.key)
        return self._answer(document.key)

    def start(self, document: SourceDocument, invoice_id: str, attempt: int) -> str:
        self.jobs[f"job-{invoice_id}-{attempt}"] = document.key
        return f"job-{invoice_id}-{attempt}"

    def collect(self, job_id: str) -> dict[str, Any] | None:
        return None if job_id in self.unfinished else self._answer(self.jobs[job_id])

    def _answer(self, key: str) -> dict[str, Any]:
        answer = self.answers[key]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


@dataclass
class FakeChannel:
    calls: Calls = field(default_factory=Calls)
    sent: list[tuple[str, str]] = field(default_factory=list)
    name: str = "topics"
    failing: bool = False

    def send(self, record: InvoiceRecord, event: str) -> bool:
        if self.failing:
            raise TransientFailure("away", code="away")
        self.calls("send", lambda: self.sent.append((record.id, event)))
        return True


@dataclass
class FakeClock:
    now: datetime = datetime(2026, 4, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now
