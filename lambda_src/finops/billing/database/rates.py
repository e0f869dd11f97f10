"""Exchange rates in the table `fx_rates`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from finops.billing.database.ledger_rows import now
from finops.billing.domain import Tally, add_notes
from finops.shared.data_api import DataApi, Value
from finops.shared.rates import STORED_SOURCES, Rate

#: A row of an answer takes some 100 bytes, and an answer holds 1 MiB.
_READ_AT_ONCE: Final = 5_000
_WRITTEN_AT_ONCE: Final = 20_000
_PRECEDENCE: Final = ", ".join(f"'{one}'" for one in STORED_SOURCES)
#: Of one source, the newest file counts, in whatever order files arrive.
_MAY_REPLACE: Final = (
    f"(FIELD(j.source, {_PRECEDENCE}) > FIELD(t.source, {_PRECEDENCE})"
    " OR (j.source = t.source AND t.version_order <= :version_order))"
)


class AuroraRates:
    """`RateStore` on the Data API."""

    def __init__(self, database: DataApi) -> None:
        self._database = database

    def rates(self, currency: str, first: date, last: date) -> list[Rate]:
        found: list[Rate] = []
        after = first.isoformat()
        while True:
            rows = self._database.execute(
                "SELECT currency, rate_date, usd_per_unit, source FROM fx_rates"
                " WHERE currency = :currency AND rate_date >= :first AND rate_date <= :last"
                f" ORDER BY rate_date LIMIT {_READ_AT_ONCE:d}",
                {"currency": currency, "first": after, "last": last.isoformat()},
            ).rows
            found += [
                _rate(row)
                for row in rows
                if not found or row["rate_date"] > found[-1].rate_date.isoformat()
            ]
            if len(rows) < _READ_AT_ONCE:
                return found
            after = rows[-1]["rate_date"]

    def newest(self) -> list[Rate]:
        """The newest rate of each currency, by its code."""
        found = self._database.execute(
            "SELECT r.currency, r.rate_date, r.usd_per_unit, r.source FROM fx_rates r JOIN (SELECT"
            " currency, MAX(rate_date) AS rate_date FROM fx_rates GROUP BY currency) n"
            " ON r.currency = n.currency AND r.rate_date = n.rate_date ORDER BY r.currency"
        )
        return [_rate(row) for row in found.rows]

    def put_rates(self, rates: Iterable[Rate], version_order: str) -> Tally:
        total = Tally()
        source = iter(rates)
        unpacked = (
            "JSON_TABLE(:rates, '$[*]' COLUMNS (currency CHAR(3) PATH '$[0]', rate_date DATE PATH"
            " '$[1]', usd_per_unit DECIMAL(30,15) PATH '$[2]', source VARCHAR(64) PATH '$[3]')) j"
        )
        there = (
            f"fx_rates t JOIN {unpacked} ON t.currency = j.currency AND t.rate_date = j.rate_date"
        )
        with self._database.transaction() as transaction:
            while some := list(islice(source, _WRITTEN_AT_ONCE)):
                values: dict[str, Value] = {
                    "rates": json.dumps(
                        [
                            [
                                one.currency,
                                one.rate_date.isoformat(),
                                f"{one.usd_per_unit:f}",
                                one.source,
                            ]
                            for one in some
                        ]
                    ),
                    "version_order": version_order,
                }
                inserted = self._database.execute(
                    "INSERT IGNORE INTO fx_rates (currency, rate_date, usd_per_unit, source,"
                    " version_order, loaded_at) SELECT j.currency, j.rate_date, j.usd_per_unit,"
                    f" j.source, :version_order, :now FROM {unpacked}",
                    values | {"now": now()},
                    transaction=transaction,
                ).changed
                replaced, kept = (
                    self._database.execute(
                        f"SELECT COUNT(*) AS counted FROM {there}"
                        f" WHERE t.usd_per_unit <> j.usd_per_unit AND {condition}",
                        values,
                        transaction=transaction,
                    ).rows[0]["counted"]
                    for condition in (
                        f"t.source <> j.source AND {_MAY_REPLACE}",
                        f"NOT {_MAY_REPLACE}",
                    )
                )
                add_notes(total.notes, {"rates_replaced": replaced, "rates_kept": kept})
                updated = self._database.execute(
                    f"UPDATE {there} SET t.usd_per_unit = j.usd_per_unit,"
                    " t.source = j.source, t.version_order = :version_order, t.loaded_at = :now"
                    f" WHERE {_MAY_REPLACE}"
                    " AND (t.usd_per_unit <> j.usd_per_unit OR t.source <> j.source)",
                    values | {"now": now()},
                    transaction=transaction,
                ).changed
                # From now on an older file no longer changes what this one has as it stands.
                self._database.execute(
                    f"UPDATE {there} SET t.version_order = :version_order"
                    " WHERE j.source = t.source AND t.version_order < :version_order",
                    values,
                    transaction=transaction,
                )
                total.read += len(some)
                total.inserted += inserted
                total.updated += updated
                total.unchanged += len(some) - inserted - updated
        return total


def _rate(row: Mapping[str, Any]) -> Rate:
    return Rate(
        currency=row["currency"],
        rate_date=date.fromisoformat(row["rate_date"]),
        usd_per_unit=Decimal(row["usd_per_unit"]),
        source=row["source"],
    )
