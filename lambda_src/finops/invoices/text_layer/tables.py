"""Tables of line items: a row of headings and the cells below them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from finops.invoices.text_layer.labels import AMOUNT, AMOUNT_TYPES, COLUMNS, LABELS
from finops.invoices.text_layer.words import Line, Piece, Word

#: Columns of numbers, which are aligned at the right.
_NUMBERS: Final = frozenset({"QUANTITY", "UNIT_PRICE", "PRICE", "TAX", "DISCOUNT"})
#: Textract's types of columns; others are OTHER.
_TYPES: Final = frozenset({"ITEM", "QUANTITY", "UNIT_PRICE", "PRICE", "PRODUCT_CODE"})
#: A row further below than this many heights does not belong to the table.
_FAR: Final = 7.0
#: A further line of an item is at most this many heights below it.
_NEAR: Final = 2.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item: its cells as (type, heading, value), and the whole row."""

    cells: tuple[tuple[str, Piece | None, Piece], ...]
    row: Piece


@dataclass(frozen=True, slots=True)
class _Column:
    type: str
    heading: Piece


def items_of(lines: Sequence[Line]) -> tuple[list[Item], range]:
    """The items of a page's first table, and the range of its lines."""
    for at, line in enumerate(lines):
        columns = _columns(line)
        kinds = {column.type for column in columns}
        if "PRICE" not in kinds and "UNIT_PRICE" in kinds:
            # A single price is the amount of the line.
            last = max(i for i, column in enumerate(columns) if column.type == "UNIT_PRICE")
            columns[last] = _Column("PRICE", columns[last].heading)
            kinds = {column.type for column in columns}
        if "PRICE" in kinds and kinds & {"ITEM", "QUANTITY", "PRODUCT_CODE"} and len(columns) >= 2:
            rows, end = _rows(lines, at, columns)
            if rows:
                return [_item(row, columns) for row in rows], range(at, end)
    return [], range(0)


def _columns(line: Line) -> list[_Column]:
    """The headings in a line; none if most of the line is something else."""
    words = line.whole.words
    found: list[_Column] = []
    used = at = 0
    while at < len(words):
        for length in range(min(4, len(words) - at), 0, -1):
            text = " ".join(word.text for word in words[at : at + length]).strip(" :.")
            kind = next((kind for kind, pattern in COLUMNS if pattern.fullmatch(text)), "")
            if kind:
                found.append(_Column(kind, Piece(words[at : at + length])))
                used += length
                at += length
                break
        else:
            at += 1
    if used < 0.6 * len(words) or any(char.isdigit() for char in line.text):
        return []
    return _distinct(found)


def _distinct(columns: list[_Column]) -> list[_Column]:
    """The last of several prices is the line's amount; the first of two names is a product code."""
    names = [i for i, column in enumerate(columns) if column.type == "ITEM"]
    if len(names) > 1 and all(column.type != "PRODUCT_CODE" for column in columns):
        columns[names[0]] = _Column("PRODUCT_CODE", columns[names[0]].heading)
    prices = [i for i, column in enumerate(columns) if column.type in {"PRICE", "UNIT_PRICE"}]
    if len(prices) > 1:
        columns[prices[-1]] = _Column("PRICE", columns[prices[-1]].heading)
        for at in prices[:-1]:
            if columns[at].type == "PRICE":
                columns[at] = _Column("UNIT_PRICE", columns[at].heading)
    return columns


def _rows(
    lines: Sequence[Line], header: int, columns: Sequence[_Column]
) -> tuple[list[list[Line]], int]:
    """The lines of each item: one with a price, and its further lines."""
    rows: list[list[Line]] = []
    bottom, height = lines[header].bottom, lines[header].whole.height
    waiting: list[Line] = []
    end = header + 1
    for at in range(header + 1, len(lines)):
        line = lines[at]
        gap = (line.top - bottom) / height
        if gap > (_NEAR if rows and not _has_price(line, columns) else _FAR):
            break
        if _is_sum(line) and not _fills(line, columns):
            if _ends_table(line):
                break
            waiting = []
        elif _has_price(line, columns):
            # Lines directly above the first price belong to its item.
            rows.append([*waiting, line] if not rows else [line])
            if rows and waiting and len(rows) > 1:
                rows[-2] += waiting
            waiting = []
        elif rows and len(line.pieces) > 2:
            break  # a description has no more than two columns: this is a footer
        elif rows:
            waiting.append(line)
        bottom, end = line.bottom, at + 1
    if rows and waiting:
        rows[-1] += [line for line in waiting if line.top - rows[-1][0].top < 12 * height]
    return rows, end


def _fills(line: Line, columns: Sequence[_Column]) -> bool:
    """Whether a line has a name, a quantity and a price, such as "Freight 1 20.00"."""
    kinds = {kind for kind, _, _ in _cells([line], columns)}
    return "PRICE" in kinds and bool(kinds & {"QUANTITY", "UNIT_PRICE"}) and "ITEM" in kinds


def _is_sum(line: Line) -> bool:
    if not any(re.search(r"\d", piece.text) for piece in line.pieces):
        return False
    return any(
        kind in AMOUNT_TYPES and pattern.match(piece.text)
        for piece in line.pieces
        for kind, pattern, _ in LABELS
    )


def _ends_table(line: Line) -> bool:
    """Whether a sum ends the table; a subtotal does not."""
    return not re.match(r"(?:sub|zwischen|sous|del)", line.text.strip(), re.IGNORECASE)


def _has_price(line: Line, columns: Sequence[_Column]) -> bool:
    return any(
        kind == "PRICE" and AMOUNT.fullmatch(value.text) and re.search(r"\d", value.text)
        for kind, _, value in _cells([line], columns)
    )


def _item(row: Sequence[Line], columns: Sequence[_Column]) -> Item:
    words = tuple(word for line in row for word in line.whole.words)
    return Item(
        cells=tuple(
            (kind if kind in _TYPES else "OTHER", heading, value)
            for kind, heading, value in _cells(row, columns)
        ),
        row=Piece(words),
    )


def _cells(
    row: Sequence[Line], columns: Sequence[_Column]
) -> Iterator[tuple[str, Piece | None, Piece]]:
    cells: dict[int, list[Word]] = {}
    for line in row:
        for piece in line.pieces:
            for part in _parts(piece, columns):
                cells.setdefault(_column_of(part, columns), []).extend(part.words)
    for at in sorted(cells):
        yield columns[at].type, columns[at].heading, Piece(tuple(cells[at]))


def _parts(piece: Piece, columns: Sequence[_Column]) -> Iterator[Piece]:
    """Splits a piece under several headings where the next column starts."""
    under = [column for column in columns if column.heading.overlaps(piece)]
    numbers = [column for column in under if column.type in _NUMBERS]
    if len(under) < 2 or not numbers:
        yield piece
        return
    parts: list[list[Word]] = []
    last = -1
    for word in piece.words:
        at = _column_of(Piece((word,)), under)
        number = bool(re.search(r"\d", word.text))
        if parts and (at == last or not (number or under[at].type not in _NUMBERS)):
            parts[-1].append(word)
        else:
            parts.append([word])
            last = at
    yield from (Piece(tuple(words)) for words in parts)


def _column_of(piece: Piece, columns: Sequence[_Column]) -> int:
    number = bool(AMOUNT.fullmatch(piece.text)) or bool(
        re.fullmatch(r"[\d.,]+ ?\S{0,5}", piece.text)
    )

    def distance(at: int) -> tuple[float, float]:
        heading = columns[at].heading
        if number and columns[at].type in _NUMBERS:
            near = min(abs(heading.right - piece.right), abs(heading.left - piece.left))
        else:
            near = abs(heading.left - piece.left)
        if heading.overlaps(piece):
            near *= 0.3
        if not number and columns[at].type in {"PRICE", "UNIT_PRICE"}:
            near += 0.25
        return near, heading.left

    return min(range(len(columns)), key=distance)
