"""The use cases of billing, composed over ports in memory or over a database."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from finops.billing.domain import FileEntry, SourceObject
from finops.billing.parts import FileFinisher, FilePlanner, PartLoader, plan_key
from finops.billing.rates_loader import RatesLoader
from finops.billing.service import FileLoader
from finops.billing.settings import Settings
from finops.billing.withdrawal import Withdrawal, Withdrawer
from finops.shared.rates import RatePolicy
from tests.audit.recorders import MemoryRecorder
from tests.billing.fakes import FINISHED, FakeObjects, FakeQuarantine, FakeStore, FakeWorkflow
from tests.originals import FakeOriginals

HEADER = "id,company_name,country,city,product_line,item,bill_date,currency,bill_amount\n"
SETTINGS = Settings(large_file_bytes=10**6, rates=RatePolicy(), formats={})


def bills(*rows: tuple[object, object], currency: str = "USD") -> bytes:
    lines = (f"{key},A,B,C,D,E,2026-03-05,{currency},{amount}\n" for key, amount in rows)
    return (HEADER + "".join(lines)).encode()


@dataclass
class Flow:
    """The use cases over one set of ports; `store` is the database, or a fake of it."""

    settings: Settings = SETTINGS
    store: Any = field(default_factory=FakeStore)
    objects: FakeObjects = field(default_factory=FakeObjects)
    originals: FakeOriginals = field(default_factory=FakeOriginals)
    workflow: FakeWorkflow = field(default_factory=FakeWorkflow)
    quarantines: list[FakeQuarantine] = field(default_factory=list)
    seconds_left: float = 600.0
    audit: MemoryRecorder = field(default_factory=MemoryRecorder)
    now: datetime = FINISHED

    def quarantine(self, entry: FileEntry, number: int | None = None) -> FakeQuarantine:
        self.quarantines.append(FakeQuarantine())
        return self.quarantines[-1]

    def load(self, source: SourceObject) -> FileEntry:
        return FileLoader(
            store=self.store,
            rates=self.store.rates,
            objects=self.objects,
            originals=self.originals,
            workflow=self.workflow,
            quarantine=self.quarantine,
            settings=self.settings,
            remaining_seconds=lambda: self.seconds_left,
            audit=self.audit,
            clock=self.clock,
        ).load(source)

    @property
    def rates_loader(self) -> RatesLoader:
        return RatesLoader(
            store=self.store,
            rates=self.store,
            objects=self.objects,
            originals=self.originals,
            quarantine=self.quarantine,
            audit=self.audit,
            clock=self.clock,
        )

    def load_rates(self, source: SourceObject) -> FileEntry:
        return self.rates_loader.load(source)

    def withdraw(self, entry: FileEntry) -> Withdrawal:
        return Withdrawer(store=self.store, audit=self.audit, clock=self.clock).withdraw(
            entry, requested_by="ada", reason="wrong month"
        )

    def retry(self, entry: FileEntry, *, restates: bool = False, part_of: str = "") -> FileEntry:
        """Load a file that does not count again."""
        waiting = Withdrawer(store=self.store, audit=self.audit, clock=self.clock).reopen(
            entry, restates=restates, part_of=part_of
        )
        return self.load(waiting.source)

    @property
    def finisher(self) -> FileFinisher:
        return FileFinisher(store=self.store, audit=self.audit, clock=self.clock)

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def run_workflow(self, load_id: int, part_bytes: int = 1) -> FileEntry:
        FilePlanner(
            store=self.store,
            objects=self.objects,
            settings=lambda: self.settings,
            part_bytes=part_bytes,
        ).plan(load_id)
        items = json.loads(b"".join(self.objects.read(plan_key(load_id))))
        for item in items:
            self.load_part(item)
        return self.finisher.finish(load_id)

    def load_part(self, item: dict[str, object]) -> None:
        PartLoader(
            store=self.store,
            rates=self.store.rates,
            objects=self.objects,
            quarantine=self.quarantine,
            settings=self.settings,
        ).load(item)


FOCUS = (
    b"BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingPeriodStart,"
    b"BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,BillingAccountId,ServiceName,"
    b"ChargeCategory\n"
)


CHARGE = "{cost},1.25,1.25,1.25,USD,{start},2026-04-01T00:00:00Z,{start},2026-03-02T00:00:00Z"


def tagged(*rows: tuple[str, str, str]) -> bytes:
    """Charges of March by cost, start and tags, as a provider writes them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*FOCUS.decode().strip().split(","), "Tags"])
    for cost, start, tags in rows:
        cells = CHARGE.format(cost=cost, start=start).split(",")
        writer.writerow([*cells, "111111111111", "EC2", "Usage", tags])
    return text.getvalue().encode()


MARCH = "2026-03-01T00:00:00Z"


def month(*costs: str, account: str = "111111111111", start: str = "2026-03") -> bytes:
    rows = (
        f"{cost},1,1,1,USD,{start}-01,2026-12-01,{start}-01,{start}-02,{account},EC2,Usage\n"
        for cost in costs
    )
    return FOCUS + "".join(rows).encode()


RUNS = [f"75a4bf36-d86c-43d9-a9ea-c53ee9ba1d8{number}" for number in range(1, 4)]
