"""Exports as AWS delivers them, made by hand."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
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


def write(path: Path, rows: Sequence[Row], *, delivered: str = "2026-11-20") -> Path:
    """Write the rows as CSV, gzipped if the name says so, with the day on which they came."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    moment = datetime.fromisoformat(f"{delivered}T12:00:00+00:00").timestamp()
    os.utime(path, (moment, moment))
    return path
