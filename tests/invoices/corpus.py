"""Real invoices and their true values, in the folder that `FINOPS_CORPUS` names."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops.invoices.identity import vendor_key

#: Our field for each key of a file of true values.
TRUTH = {
    "issuer": "vendor",
    "invoice_number": "invoice_number",
    "date": "invoice_date",
    "date_due": "due_date",
    "currency": "currency",
    "amount_untaxed": "subtotal",
    "amount_tax": "tax",
    "amount": "total",
}


def agrees(name: str, ours: str, truth: Any) -> bool:
    if name in {"subtotal", "tax", "total"}:
        return bool(ours) and Decimal(ours) == Decimal(str(truth))
    return vendor_key(ours) == vendor_key(truth) if name == "vendor" else ours == str(truth)


def corpus(kind: str) -> Path:
    """The folder of the real files of a kind; skips the test where there are none."""
    folder = os.environ.get("FINOPS_CORPUS")
    if not folder:
        pytest.skip("FINOPS_CORPUS names no folder of real files")
    return Path(folder) / kind
