"""How much processor time it takes to make requests of a file's rows, without a database.

It is compared with the csv module's reading of the same lines, so that the figure means the same on
another machine, and on a busy one.
"""

from __future__ import annotations

import csv
import io
import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any, cast

import pytest

from finops.billing.batches import Batch
from finops.billing.domain import FileEntry, Sums, add_amounts
from finops.billing.mapping import open_bills
from finops.billing.ports import LoadTransaction, Quarantine, Stored, Written
from finops.billing.record_loader import RecordLoader
from finops.billing.rows import RowParser
from finops.billing.schemas import BILLING, FOCUS
from finops.shared.rates import ExchangeRates, RatePolicy
from tests.benchmarks.billing_files import lines
from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import show
from tests.flows.billing import HEADER

pytestmark = pytest.mark.benchmark

ROWS = 60_000
RATES = RatePolicy(static={code: Decimal("1.3456789") for code in ("EUR", "GBP")})
#: How many times as long as the csv module alone: half of what rows took that were read one by one.
MOST = 7


def few_texts() -> Iterator[Sequence[str]]:
    """Bills whose texts and days repeat, as most do."""
    return (line.rstrip("\n").split(",") for line in lines(0))


def many_texts() -> Iterator[Sequence[str]]:
    """Bills of which hardly a cell repeats."""
    draw = random.Random(1)
    while True:
        yield (
            f"INV-{draw.randrange(10**12)}",
            f"Company {draw.randrange(10**6)}, Ltd",
            draw.choice(["DE", "FR", "GB"]),
            f"City {draw.randrange(30_000)}",
            f"Line {draw.randrange(50)}",
            f"Crème {draw.randrange(10**7)}",
            f"2026-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}",
            draw.choice(["EUR", "USD", "GBP"]),
            f"{draw.randrange(10**7) / 100:.2f}",
        )


def charges() -> Iterator[Sequence[str]]:
    """FOCUS charges by hour, with tags."""
    draw = random.Random(2)
    titles = [column.title for column in FOCUS.columns]
    while True:
        hour = f"2026-03-{draw.randrange(1, 28):02}T{draw.randrange(24):02}"
        cells = dict.fromkeys(titles, "") | {
            "BilledCost": f"{draw.random() * 10:.10f}",
            "EffectiveCost": f"{draw.random():.16f}",
            "ListCost": "1.5",
            "ContractedCost": "1.5",
            "BillingCurrency": "USD",
            "BillingPeriodStart": "2026-03-01T00:00:00Z",
            "BillingPeriodEnd": "2026-04-01T00:00:00Z",
            "ChargePeriodStart": f"{hour}:00:00Z",
            "ChargePeriodEnd": f"{hour}:59:59Z",
            "BillingAccountId": "111111111111",
            "SubAccountId": str(draw.randrange(50)),
            "ServiceName": draw.choice(["S3", "EC2", "RDS"]),
            "ChargeCategory": "Usage",
            "ChargeDescription": f"usage {draw.randrange(5_000)}",
            "ProviderName": "AWS",
            "ResourceId": draw.choice(["", f"arn:aws:s3:::bucket-{draw.randrange(20_000)}"]),
            "ConsumedQuantity": f"{draw.random() * 1_000:.6f}",
            "Tags": json.dumps({"env": "prod", "team": str(draw.randrange(200))}),
        }
        yield [cells[title] for title in titles]


class Requests:
    """In place of the database: counts what it is sent."""

    def __init__(self) -> None:
        self.rows = self.size = 0
        self.sums: Sums = {}

    def write(self, _: object, __: object, batch: Batch, **_options: bool) -> Written:
        self.rows += len(batch.rows)
        self.size += len(batch.document)
        add_amounts(self.sums, batch.sums)
        return Written(inserted=len(batch.rows), updated=0, kept_sums={})

    def stored(self, *_: Any) -> Stored:
        return Stored(rows=self.rows, sums=self.sums, amount_usd=Decimal(0))


def prepare(content: bytes) -> Requests:
    """Read, check, convert and encode all rows as the loader does."""
    table = open_bills(io.BytesIO(content), None)
    match = table.recognition
    requests = Requests()
    loader = RecordLoader(
        transaction=cast("LoadTransaction", requests),
        entry=cast("FileEntry", None),
        parser=RowParser(match, match.format, ExchangeRates(RATES)),
        schema=match.schema,
        quarantine=cast("Quarantine", None),
        check=lambda: None,
    )
    tally = loader.load(table)
    assert tally.inserted == tally.read == ROWS
    return requests


def read_alone(content: bytes) -> None:
    deque(csv.reader(io.StringIO(content.decode(), newline="")), maxlen=0)


def processor_seconds(action: Callable[[], object]) -> float:
    """The least of three runs: other programs of a busy machine only ever add to it."""
    took = []
    for _ in range(3):
        start = time.process_time()
        action()
        took.append(time.process_time() - start)
    return min(took)


FILES = {
    "bills, few texts": (HEADER, few_texts, len(BILLING.columns)),
    "bills, many texts": (HEADER, many_texts, len(BILLING.columns)),
    "FOCUS charges": ([column.title for column in FOCUS.columns], charges, len(FOCUS.columns)),
}


def test_preparation(goals: Goals) -> None:
    table = []
    for name, (header, rows, columns) in FILES.items():
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(header)
        writer.writerows(islice(rows(), ROWS))
        content = text.getvalue().encode()
        reading = processor_seconds(partial(read_alone, content))
        took = processor_seconds(partial(prepare, content))
        goals.at_most(f"billing: preparing rows, {name}", MOST, took / reading, "times csv")
        rate = f"{ROWS / took:,.0f}"
        table.append((name, str(columns), rate, f"{ROWS / reading:,.0f}", f"{took / reading:.1f}"))
    columns_shown = ("file", "columns", "rows/s", "csv alone, rows/s", "times csv")
    show("Read, check, convert and encode: processor time, one core", columns_shown, table)
