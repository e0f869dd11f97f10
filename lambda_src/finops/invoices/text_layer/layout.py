"""Makes AnalyzeExpense's response from words and their positions.

The response has Textract's format, including Blocks and geometry. Like Textract's it gives the
printed text, without interpreting it. The confidence of a field depends on how clear its label is
and how near its value is.
https://docs.aws.amazon.com/textract/latest/dg/expensedocuments.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from finops.invoices.currencies import currency_of
from finops.invoices.text_layer.labels import (
    AMOUNT,
    AMOUNT_TYPES,
    DATE,
    DATE_TYPES,
    ID_TYPES,
    LABELS,
)
from finops.invoices.text_layer.parties import Party, receiver_of, vendor_of
from finops.invoices.text_layer.tables import Item, items_of
from finops.invoices.text_layer.words import Line, PageWords, Piece, Word, lines_of

_BLOCKS: Final = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
#: How far below its label a value can be, in heights of the label.
_BELOW: Final = 3.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A summary field: its type, value and label, and the confidence in percent."""

    type: str
    value: Piece
    label: Piece | None = None
    sure: float
    group: str = ""


def analyze_expense(pages: Sequence[PageWords]) -> dict[str, Any]:
    """AnalyzeExpense's response for a document with these pages."""
    lined = [lines_of(page) for page in pages]
    vendor = vendor_of(lined)
    return {
        "DocumentMetadata": {"Pages": len(pages)},
        "ExpenseDocuments": [
            _document(number, lines, vendor.get(number)) for number, lines in enumerate(lined, 1)
        ],
    }


def _document(number: int, lines: Sequence[Line], vendor: Party | None) -> dict[str, Any]:
    items, table = items_of(lines)
    fields = list(_labelled(lines, table))
    if vendor:
        fields += _party("VENDOR", vendor)
    receiver = receiver_of(lines)
    if receiver:
        fields += _party("RECEIVER", receiver)
    code = _currency(fields)
    return {
        "ExpenseIndex": number,
        "SummaryFields": [_summary_field(one, number, code) for one in fields],
        "LineItemGroups": [
            {"LineItemGroupIndex": 1, "LineItems": [_line_item(one, number) for one in items]}
        ]
        if items
        else [],
        "Blocks": list(_blocks(number, lines)),
    }


def _labelled(lines: Sequence[Line], table: range) -> Iterator[Summary]:
    """The values beside or below labels."""
    taken: set[int] = set()
    for at, line in enumerate(lines):
        for index, piece in enumerate(line.pieces):
            if id(piece) in taken:
                continue
            for label, kind, sure in _labels(piece):
                # A heading of the table is not a label; but sums can be among the rows.
                if at in table and (kind not in AMOUNT_TYPES or len(line.pieces) > 2):
                    continue
                found = _value(lines, at, index, label, kind, below=at not in table)
                if found is None:
                    continue
                value, near = found
                if kind in {"INVOICE_RECEIPT_ID", "INVOICE_RECEIPT_DATE"} and _is_label(value):
                    continue
                taken.add(id(value))
                yield Summary(type=kind, value=value, label=label, sure=min(sure, near))
                break
    yield from _others(lines, taken)


def _labels(piece: Piece) -> Iterator[tuple[Piece, str, float]]:
    """The labels that a piece can start with: words, type and confidence."""
    text = piece.text
    for kind, pattern, sure in LABELS:
        match = pattern.match(text)
        if not match:
            continue
        length = match.end()
        count, reached = 0, 0
        for word in piece.words:
            if reached >= length:
                break
            reached += len(word.text) + 1
            count += 1
        # "VAT 20.00" of a table of rates, or "Total tax" for "Total", are other labels.
        yield Piece(piece.words[:count]), kind, sure


def _is_label(piece: Piece) -> bool:
    return any(pattern.fullmatch(piece.text) for _, pattern, _ in LABELS)


def _value(
    lines: Sequence[Line], at: int, index: int, label: Piece, kind: str, *, below: bool
) -> tuple[Piece, float] | None:
    """The value of a label, in its piece, to its right or below, with a confidence by distance."""
    line = lines[at]
    piece = line.pieces[index]
    rest = Piece(piece.words[len(label.words) :]) if len(label.words) < len(piece.words) else None
    if rest and (value := _fitting(rest, kind)):
        return value, 99.0
    if rest and kind not in AMOUNT_TYPES and kind != "PAYMENT_TERMS":
        # "Date of birth", "Invoice address" only start like a label.
        return None
    for far, other in enumerate(line.pieces[index + 1 :]):
        if value := _fitting(other, kind):
            return value, 98.0 if far == 0 else 94.0
        if kind not in AMOUNT_TYPES or _names_amount(other):
            break
    if kind in AMOUNT_TYPES and label.text.isupper() is False and rest:
        return None
    for under in lines[at + 1 : at + 4] if below else ():
        if under.top - label.bottom > _BELOW * label.height:
            break
        for other in under.pieces:
            aligned = abs(other.left - label.left) < 0.03 or other.overlaps(label)
            if aligned and (value := _fitting(other, kind)):
                return value, 92.0
        if any(other.overlaps(label) for other in under.pieces):
            break
    return None


def _names_amount(piece: Piece) -> bool:
    return any(kind in AMOUNT_TYPES for _, kind, _ in _labels(piece))


def _fitting(piece: Piece, kind: str) -> Piece | None:
    """The part of a piece that can be a value of this type."""
    text = piece.text
    if kind in AMOUNT_TYPES:
        if not AMOUNT.fullmatch(text.strip(" :")) or not re.search(r"\d", text):
            return None
        # A rate or a count is not an amount of money.
        return (
            piece
            if re.search(r"[.,]\d{1,3}(?!\d)|[$€£¥₹]|[A-Z]{3}|[.,:/][-–]|^\W*\d{1,9}\W*$", text)  # noqa: RUF001
            else None
        )
    if kind in DATE_TYPES:
        match = DATE.search(text)
        return _words_at(piece, match.start(), match.end()) if match else None
    if kind == "VENDOR_VAT_NUMBER":
        return _vat_number(piece)
    if kind in ID_TYPES:
        return _identifier(piece)
    if kind == "PAYMENT_TERMS":
        return piece if re.search(r"[^\W\d_]", text) and len(text) <= 60 else None
    return piece


def _identifier(piece: Piece) -> Piece | None:
    words = piece.words
    first = words[0].text.strip(":#.")
    if re.search(r"\d", first) and not DATE.fullmatch(first):
        return Piece(words[:1])
    # "RE 2026/77", "No 5": letters, then digits.
    if len(words) > 1 and len(first) <= 5 and first.isupper() and re.search(r"\d", words[1].text):
        return Piece(words[:2])
    return None


def _vat_number(piece: Piece) -> Piece | None:
    """A country's letters, then digits, possibly in groups."""
    count = 0
    while count < len(piece.words) and re.fullmatch(
        r"[A-Z]{2,3}|[A-Z]{0,3}[\d.\-][A-Z\d.\-]*", piece.words[count].text
    ):
        count += 1
    found = Piece(piece.words[:count]) if count else None
    return found if found and len(re.findall(r"\d", found.text)) >= 7 else None


def _words_at(piece: Piece, start: int, end: int) -> Piece:
    found, reached = [], 0
    for word in piece.words:
        if reached < end and reached + len(word.text) > start:
            found.append(word)
        reached += len(word.text) + 1
    return Piece(tuple(found))


def _others(lines: Sequence[Line], taken: set[int]) -> Iterator[Summary]:
    """Values with any other label, such as `Phone: 555`, as OTHER."""
    for line in lines:
        for index, piece in enumerate(line.pieces):
            text = piece.text
            name, colon, _ = text.partition(":")
            if not colon or not 2 <= len(name) <= 40 or any(True for _ in _labels(piece)):
                continue
            count = len(name.split())
            value = Piece(piece.words[count:]) if count < len(piece.words) else None
            if value is None and index + 1 < len(line.pieces):
                value = line.pieces[index + 1]
            if value is not None and value.words and id(value) not in taken:
                yield Summary(
                    type="OTHER", value=value, label=Piece(piece.words[:count]), sure=80.0
                )


def _party(group: str, party: Party) -> Iterator[Summary]:
    """A party's name and address, as Textract gives them: in its group and as own types."""
    yield Summary(type="NAME", value=party.name, sure=party.sure, group=group)
    yield Summary(type=f"{group}_NAME", value=party.name, sure=party.sure)
    if party.address:
        words = tuple(word for piece in party.address for word in piece.words)
        yield Summary(type=f"{group}_ADDRESS", value=Piece(words), sure=party.sure)


def _currency(fields: Iterable[Summary]) -> str:
    money = [one for one in fields if one.type in AMOUNT_TYPES]
    # What countries the text names is for the reader of the answer, who knows the customer's.
    found = currency_of(
        (one.value.text for one in money),
        (one.label.text for one in money if one.label),
        (),
        (),
    )
    return "" if found.doubt else found.code


def _summary_field(one: Summary, page: int, code: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Type": {"Text": one.type, "Confidence": one.sure},
        "ValueDetection": _detection(one.value),
        "PageNumber": page,
    }
    if one.label:
        found["LabelDetection"] = _detection(one.label)
    if one.group:
        found["GroupProperties"] = [
            {"Types": [one.group], "Id": str(uuid5(_BLOCKS, f"{page} {one.group}"))}
        ]
    if code and one.type in AMOUNT_TYPES:
        found["Currency"] = {"Code": code}
    return found


def _line_item(item: Item, page: int) -> dict[str, Any]:
    fields = [
        {
            "Type": {"Text": kind, "Confidence": 95.0},
            **({"LabelDetection": _detection(label)} if label else {}),
            "ValueDetection": _detection(value),
            "PageNumber": page,
        }
        for kind, label, value in item.cells
    ]
    fields.append(
        {
            "Type": {"Text": "EXPENSE_ROW", "Confidence": 95.0},
            "ValueDetection": _detection(item.row),
            "PageNumber": page,
        }
    )
    return {"LineItemExpenseFields": fields}


def _detection(piece: Piece) -> dict[str, Any]:
    return {
        "Text": piece.text,
        "Geometry": _geometry(piece.left, piece.top, piece.right, piece.bottom),
        "Confidence": piece.confidence,
    }


def _geometry(left: float, top: float, right: float, bottom: float) -> dict[str, Any]:
    left, top, right, bottom = (min(max(value, 0.0), 1.0) for value in (left, top, right, bottom))
    return {
        "BoundingBox": {
            "Width": right - left,
            "Height": bottom - top,
            "Left": left,
            "Top": top,
        },
        "Polygon": [
            {"X": left, "Y": top},
            {"X": right, "Y": top},
            {"X": right, "Y": bottom},
            {"X": left, "Y": bottom},
        ],
    }


def _blocks(number: int, lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    def block(kind: str, at: int, box: dict[str, Any]) -> dict[str, Any]:
        return {
            "BlockType": kind,
            "Id": str(uuid5(_BLOCKS, f"{number} {kind} {at}")),
            "Page": number,
            "Geometry": box,
        }

    words: list[dict[str, Any]] = []
    lined: list[dict[str, Any]] = []
    # A wide gap ends a line of Textract's.
    for at, whole in enumerate(piece for line in lines for piece in line.pieces):
        children = []
        for word in whole.words:
            one = block("WORD", len(words), _of_word(word))
            one |= {"Text": word.text, "Confidence": word.confidence, "TextType": "PRINTED"}
            words.append(one)
            children.append(one["Id"])
        one = block("LINE", at, _geometry(whole.left, whole.top, whole.right, whole.bottom))
        one |= {
            "Text": whole.text,
            "Confidence": whole.confidence,
            "Relationships": [{"Type": "CHILD", "Ids": children}],
        }
        lined.append(one)
    whole_page = block("PAGE", 0, _geometry(0.0, 0.0, 1.0, 1.0))
    if lined:
        whole_page["Relationships"] = [{"Type": "CHILD", "Ids": [one["Id"] for one in lined]}]
    yield whole_page
    yield from lined
    yield from words


def _of_word(word: Word) -> dict[str, Any]:
    return _geometry(word.left, word.top, word.right, word.bottom)
