"""A report in each of its formats. The same report gives the same bytes, wherever and whenever."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Final

from finops.reconciliation.csv_report import write_csv
from finops.reconciliation.html_report import write_html
from finops.reconciliation.report import Report, as_document
from finops.reconciliation.workbook import write_xlsx


def render(report: Report, kind: str) -> bytes:
    """The report as a file.

    Args:
        report: The model.
        kind: One of `report.FORMATS`.
    """
    return _WRITERS[kind](report)


def _write_json(report: Report) -> bytes:
    # Piece by piece: of a large report, all pieces and the text beside the bytes take much memory.
    written = BytesIO()
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(as_document(report)):
        written.write(piece.encode())
    written.write(b"\n")
    return written.getvalue()


_WRITERS: Final[Mapping[str, Callable[[Report], bytes]]] = {
    "html": write_html,
    "csv": write_csv,
    "json": _write_json,
    "xlsx": write_xlsx,
}
