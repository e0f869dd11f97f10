"""Exports as AWS delivers them, made by hand."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

Row = Mapping[str, str]


def focus(cost: str, **cells: str) -> Row:
    """A row of a FOCUS export: usage of October 2026, if nothing else is said."""
    return {
        "BillingAccountId": "111111111111",
        "SubAccountId": "222222222222",
        "SubAccountName": "payments",
        "ServiceName": "Amazon EC2",
        "BillingPeriodStart": "2026-10-01 00:00:00",
        "BillingPeriodEnd": "2026-11-01 00:00:00",
        "ChargePeriodStart": "2026-10-05 13:00:00",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "BilledCost": cost,
        "EffectiveCost": cost,
        "BillingCurrency": "USD",
        "InvoiceId": "INV-1",
        "InvoiceIssuerName": "Amazon Web Services, Inc.",
        "Tags": '{"team": "fraud"}',
        **cells,
    }


def write(path: Path, rows: Sequence[Row]) -> Path:
    """Write the rows as CSV, gzipped if the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
