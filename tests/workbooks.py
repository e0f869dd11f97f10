"""Reads the cells of an Excel workbook."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any
from xml.etree import ElementTree

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheet(content: bytes, number: int) -> list[list[Any]]:
    """The cells of a sheet: numbers as floats, texts as texts."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        tree = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
    rows = []
    for row in tree.iter(f"{MAIN}row"):
        cells: list[Any] = []
        for cell in row:
            value = cell.find(f"{MAIN}v")
            inline = cell.find(f"{MAIN}is/{MAIN}t")
            if inline is not None:
                cells.append(inline.text)
            elif value is not None:
                cells.append(float(value.text or "nan"))
        rows.append(cells)
    return rows


def table(content: bytes, number: int) -> list[dict[str, Any]]:
    """The rows of a sheet by the names in its first one; an empty cell has no entry."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        tree = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
    places = [
        [re.sub("[0-9]", "", cell.get("r", "")) for cell in row if len(cell)]
        for row in tree.iter(f"{MAIN}row")
    ]
    head, *rows = [
        dict(zip(at, cells, strict=True))
        for at, cells in zip(places, sheet(content, number), strict=True)
    ]
    return [{head[at]: value for at, value in row.items()} for row in rows]
