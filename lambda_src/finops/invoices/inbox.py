"""The inbox of a reviewer: which invoice comes next, and what of it to look at first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from finops.invoices.domain import (
    FIELDS,
    REQUIRED,
    InvoiceRecord,
    InvoiceStatus,
    Reading,
    Severity,
)
from finops.invoices.separation import part_in
from finops.invoices.validation import missing

#: Percent of confidence below which a person should check a value.
SURE: Final = 90.0
#: Fields that people expect to see, found or not.
_EXPECTED: Final = (*REQUIRED, "due_date", "subtotal", "tax")
_RANKS: Final = {Severity.ERROR: 0, Severity.REVIEW: 1}
_UNSURE, _CERTAIN, _FURTHER = 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldToCheck:
    """A field of an invoice that waits for review.

    Attributes:
        reading: None if the document has none.
        doubts: Why a person must look at it, most serious first; empty if nothing is in doubt.
        rank: The lower, the sooner it is looked at: 0 must be corrected, 1 needs a decision, 2 was
            read with little confidence, 3 is required, 4 is a further one.
    """

    name: str
    reading: Reading | None
    doubts: tuple[str, ...]
    rank: int

    @property
    def is_doubtful(self) -> bool:
        """Whether a person should check it."""
        return self.rank <= _UNSURE

    @property
    def is_required(self) -> bool:
        """Whether no invoice is processed without it."""
        return self.name in REQUIRED

    @property
    def evidence(self) -> str:
        """Where the value stands in the document: its printed label and text, and the page."""
        found = self.reading
        if found is None:
            return "not found in the document"
        printed = " ".join(filter(None, (found.label, found.text))) or found.value
        where = f", page {found.place.page}" if found.place else ""
        if found.source == "review":
            was = f'; the document says "{printed}"{where}' if found.text else ""
            return f"entered in a review{was}"
        return f'"{printed}"{where}'


def is_sure(reading: Reading) -> bool:
    """Whether a value was read with confidence and without doubt."""
    return reading.confidence >= SURE and not reading.doubt


def fields_to_check(record: InvoiceRecord) -> list[FieldToCheck]:
    """The fields of an invoice: doubtful ones first, then the required and the further ones."""
    if record.invoice is None:
        return []
    readings = record.invoice.readings
    lacking = missing(record.invoice)
    found = [
        _checked(record, name, readings.get(name), is_lacking=name in lacking)
        for name in FIELDS
        if name in _EXPECTED or name in readings
    ]
    return sorted(found, key=lambda one: one.rank)


def _checked(
    record: InvoiceRecord, name: str, reading: Reading | None, *, is_lacking: bool
) -> FieldToCheck:
    told = sorted(
        (_RANKS[one.severity], one.message)
        for one in record.issues
        if one.field == name and one.severity in _RANKS
    )
    doubts = [message for _, message in told]
    rank = told[0][0] if told else _CERTAIN if name in REQUIRED else _FURTHER
    if is_lacking and rank > 0:
        rank = 0
        doubts.append("it is required")
    elif not told and reading and not is_sure(reading):
        rank = _UNSURE
        doubts.append(reading.doubt or f"it was read with {reading.confidence:.0f} % confidence")
    return FieldToCheck(name=name, reading=reading, doubts=tuple(doubts), rank=rank)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An invoice that somebody else must decide about, with the reason."""

    record: InvoiceRecord
    reason: str


def waiting(oldest_first: Iterable[InvoiceRecord]) -> Iterator[InvoiceRecord]:
    """Those that wait for a decision, in one order for everybody: by receipt, then by id.

    Args:
        oldest_first: Invoices by their time of receipt; those of one instant in any order.
    """
    for _, at_once in groupby(oldest_first, key=lambda one: one.received_at):
        for record in sorted(at_once, key=lambda one: one.id):
            if record.status is InvoiceStatus.NEEDS_REVIEW and not record.decision:
                yield record


def own_part(separation_of_duties: bool, person: str) -> Callable[[InvoiceRecord], str]:
    """What tells a person's own invoices: why they may not approve one; empty if they may."""

    def reason(record: InvoiceRecord) -> str:
        part = part_in(record, person) if separation_of_duties else ""
        return f"you {part} it, so somebody else must approve it" if part else ""

    return reason


def next_for(
    waits: Iterable[InvoiceRecord], reason_against: Callable[[InvoiceRecord], str]
) -> tuple[InvoiceRecord | None, list[Skipped]]:
    """The first that a person may decide about, and what came before it.

    Args:
        waits: In the order of `waiting`.
        reason_against: Why the person may not decide; empty if they may.
    """
    skipped: list[Skipped] = []
    for record in waits:
        reason = reason_against(record)
        if not reason:
            return record, skipped
        skipped.append(Skipped(record=record, reason=reason))
    return None, skipped
