"""How many rows of a workbook are read in a second, and in how much memory.

Run with: PYTHONPATH=lambda_src python -m tests.benchmarks.workbook_rows [ROWS]
"""

from __future__ import annotations

import io
import sys
import time
from datetime import datetime, timedelta

import xlsxwriter

from finops.billing.mapping import open_bills
from tests.benchmarks.peak_memory import peak_mib
from tests.flows.billing import HEADER


def workbook(rows: int) -> bytes:
    """A sheet of bills."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        sheet, day = book.add_worksheet(), book.add_format({"num_format": "dd/mm/yyyy"})
        sheet.write_row(0, 0, HEADER)
        start = datetime.fromisoformat("2026-03-01")
        for row in range(1, rows + 1):
            texts = (f"B-{row}", "Maple", "CA", "Toronto", "Pastry", "One-off")
            sheet.write_row(row, 0, texts)
            sheet.write_datetime(row, 6, start + timedelta(row % 28), day)
            sheet.write(row, 7, "CAD")
            sheet.write(row, 8, row / 100)
    return file.getvalue()


def main() -> None:
    """Print the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    content = workbook(rows)
    start = time.process_time()
    count = sum(1 for _ in open_bills(io.BytesIO(content), None).records())
    seconds = time.process_time() - start
    print(
        f"{count:,} rows in {len(content):,} bytes: {count / seconds:,.0f} rows a second of "
        f"processor time, at most {peak_mib():.0f} MB"
    )


if __name__ == "__main__":
    main()
