"""Bills whose USD is converted again, and the table of such reconversions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Final

from finops.billing.database.ledger_rows import datetime_text
from finops.billing.domain import ConvertedBill, Reconversion
from finops.shared.data_api import DataApi

#: An answer holds 1 MiB, and a row of it may take 400 bytes.
_BILLS_AT_ONCE: Final = 2_000


class AuroraReconversionTransaction:
    """`ReconversionTransaction` on the Data API."""

    def __init__(self, database: DataApi, identifier: str) -> None:
        self._database = database
        self._identifier = identifier

    def bills(self, dataset: str, first: date, last: date) -> Iterator[Sequence[ConvertedBill]]:
        position = ""
        while True:
            rows = self._database.execute(
                "SELECT record_id, currency, bill_date, bill_amount, amount_usd, rate,"
                " rate_date, rate_source FROM billing_rows WHERE dataset = :dataset"
                " AND record_id > :position AND bill_date BETWEEN :first AND :last"
                f" ORDER BY record_id LIMIT {_BILLS_AT_ONCE:d} FOR UPDATE",
                {
                    "dataset": dataset,
                    "position": position,
                    "first": first.isoformat(),
                    "last": last.isoformat(),
                },
                transaction=self._identifier,
            ).rows
            if not rows:
                return
            position = rows[-1]["record_id"]
            yield [
                ConvertedBill(
                    record_id=row["record_id"],
                    currency=row["currency"],
                    bill_date=date.fromisoformat(row["bill_date"]),
                    amount=Decimal(row["bill_amount"]),
                    amount_usd=Decimal(row["amount_usd"]),
                    usd_per_unit=Decimal(row["rate"]),
                    rate_date=date.fromisoformat(row["rate_date"]),
                    rate_source=row["rate_source"],
                )
                for row in rows
            ]

    def store(self, dataset: str, bills: Sequence[ConvertedBill]) -> None:
        edits = [
            [
                bill.record_id,
                f"{bill.amount_usd:f}",
                f"{bill.usd_per_unit:f}",
                bill.rate_date.isoformat(),
                bill.rate_source[:64],
            ]
            for bill in bills
        ]
        self._database.execute(
            "UPDATE billing_rows t JOIN JSON_TABLE(:edits, '$[*]' COLUMNS ("
            "record_id VARCHAR(128) PATH '$[0]', amount_usd DECIMAL(20,6) PATH '$[1]',"
            " rate DECIMAL(30,15) PATH '$[2]', rate_date DATE PATH '$[3]',"
            " rate_source VARCHAR(64) PATH '$[4]')) j"
            " ON t.dataset = :dataset AND t.record_id = j.record_id"
            " SET t.amount_usd = j.amount_usd, t.rate = j.rate,"
            " t.rate_date = j.rate_date, t.rate_source = j.rate_source",
            {"edits": json.dumps(edits), "dataset": dataset},
            transaction=self._identifier,
        )

    def enter(self, reconversion: Reconversion) -> None:
        self._database.execute(
            "INSERT INTO billing_reconversions (requested_by, requested_at, reason, dataset,"
            " first_day, last_day, rows_changed, usd_before, usd_after) VALUES (:requested_by,"
            " :now, :reason, :dataset, :first, :last, :changed, :before, :after)",
            {
                "requested_by": reconversion.requested_by[:255],
                "now": datetime_text(reconversion.requested_at),
                "reason": reconversion.reason[:1024],
                "dataset": reconversion.dataset,
                "first": reconversion.first_day.isoformat(),
                "last": reconversion.last_day.isoformat(),
                "changed": reconversion.rows_changed,
                "before": reconversion.usd_before,
                "after": reconversion.usd_after,
            },
            transaction=self._identifier,
        )


class AuroraReconversions:
    """`ReconversionStore` on the Data API."""

    def __init__(self, database: DataApi) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[AuroraReconversionTransaction]:
        with self._database.transaction() as identifier:
            yield AuroraReconversionTransaction(self._database, identifier)
