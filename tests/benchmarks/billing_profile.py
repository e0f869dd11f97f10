"""Each part of a load alone, and what it sends, as JSON: run by test_billing.py."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from finops.billing.batches import Batch, Batches
from finops.billing.database.store import AuroraBillingStore
from finops.billing.dataset_format import DatasetFormat
from finops.billing.domain import SourceObject
from finops.billing.reader import open_csv
from finops.billing.rows import Row, RowParser
from finops.billing.schemas import BILLING, recognise
from finops.shared.aws import client
from finops.shared.data_api import DataApi
from finops.shared.rates import ExchangeRates, RatePolicy
from tests.benchmarks.billing_files import lines
from tests.benchmarks.measuring import timed
from tests.flows.billing import HEADER


def main(rows: int) -> dict[str, float]:
    content = (",".join(HEADER) + "\n" + "".join(islice(lines(0), rows))).encode()

    static = {code: Decimal("1.25") for code in ("EUR", "JPY")}
    rates = ExchangeRates(RatePolicy(static=static))

    def read() -> None:
        for _ in open_csv(io.BytesIO(content), recognise).records():
            pass

    def batches() -> Iterator[Batch]:
        table = open_csv(io.BytesIO(content), recognise)
        parser = RowParser(table.recognition, DatasetFormat(), rates)
        collected = Batches()
        records = table.records()
        while block := [*islice(records, collected.wanted)]:
            found = parser.parse_all([fields for _, fields in block if fields is not None])
            rows = [
                replace(row, line=line)
                for (line, _), row in zip(block, found, strict=True)
                if isinstance(row, Row)
            ]
            yield from collected.add(rows)
        yield from collected.rest()

    sent: list[int] = []

    def prepare() -> None:
        sent.extend(len(json.dumps(one.document)) for one in batches())

    found = {"read the CSV": rows / timed(read)}
    found["read, check, convert, encode"] = rows / timed(prepare)
    store = AuroraBillingStore(
        DataApi(
            client("rds-data"),
            cluster_arn=os.environ["DATABASE_ARN"],
            secret_arn=os.environ["DATABASE_SECRET_ARN"],
            database=os.environ["DATABASE_NAME"],
        )
    )
    source = SourceObject(
        bucket="profile", key="billing/profile/a", version_id="1", etag="", size=0, order="1"
    )
    entry = store.receive(source, "profile")
    some = list(islice(batches(), 8))
    count = sum(len(one.rows) for one in some)
    with store.transaction() as transaction:
        start = time.perf_counter()
        for one in some:
            transaction.write(entry, BILLING, one, replace=False)
        found["Data API and database, batches made before"] = count / (time.perf_counter() - start)
    # The statements around the batches: see the calls of a load in tests/flows.
    found["requests with rows"] = len(sent)
    found["MiB sent in them"] = sum(sent) / (1 << 20)
    return found


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
