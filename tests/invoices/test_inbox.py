"""The reviewer's inbox: the order of invoices, and which fields are looked at first."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from finops.invoices.domain import (
    REQUIRED,
    InvoiceStatus,
    Issue,
    Place,
    Reading,
    Review,
    Severity,
)
from finops.invoices.inbox import fields_to_check, next_for, own_part, waiting
from tests.invoices.builders import invoice, record

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


def issue(field: str, severity: Severity = Severity.REVIEW, message: str = "look") -> Issue:
    return Issue(code="some", severity=severity, field=field, message=message)


def waits(key: str, **facts: object):  # type: ignore[no-untyped-def]
    usual = {"status": InvoiceStatus.NEEDS_REVIEW, "invoice": invoice(), "received_at": NOON}
    return record(key, **(usual | facts))


def test_the_order_is_the_same_for_everybody() -> None:
    found = [waits(f"raw/{one}.pdf") for one in range(6)]
    later = waits("raw/later.pdf", received_at=NOON + timedelta(seconds=1))
    for seed in range(5):
        random.Random(seed).shuffle(found)
        order = [one.id for one in waiting([*found, later])]
        assert order == [*sorted(one.id for one in found), later.id]


def test_what_is_decided_or_goes_on_by_itself_does_not_wait() -> None:
    decided = waits("raw/a.pdf", decision="APPROVED")
    processed = waits("raw/b.pdf", status=InvoiceStatus.PROCESSED)
    open_ = waits("raw/c.pdf")
    assert list(waiting([decided, processed, open_])) == [open_]


def test_own_invoices_are_left_out_with_the_reason() -> None:
    corrected = Review(reviewer="ann", at=NOON, decision="CORRECTED", after={"total": "1.00"})
    found = [
        waits("raw/a.pdf", submitted_by="ann"),
        waits("raw/b.pdf", reviews=(corrected,)),
        waits("raw/c.pdf", submitted_by="bea"),
    ]
    one, skipped = next_for(found, own_part(True, "ann"))
    assert one == found[2]
    assert [(each.record, each.reason.partition(",")[0]) for each in skipped] == [
        (found[0], "you submitted it"),
        (found[1], "you corrected it"),
    ]
    assert next_for(found, own_part(False, "ann")) == (found[0], [])
    assert next_for(found[:2], own_part(True, "ann"))[0] is None
    assert next_for([], own_part(True, "ann")) == (None, [])


def test_fields_come_by_how_serious_their_doubt_is() -> None:
    read = invoice(total="", due_date="2026-04-30", purchase_order="PO-1")
    unsure = {"purchase_order": Reading(value="PO-1", confidence=50.0)}
    found = fields_to_check(
        waits(
            "raw/a.pdf",
            invoice=replace(read, readings={**read.readings, **unsure}),
            issues=(
                issue("due_date"),
                issue("total", Severity.ERROR, "the total was not found"),
                issue("vendor", Severity.FLAG),
                issue(""),
            ),
        )
    )
    assert [one.name for one in found][:3] == ["total", "due_date", "purchase_order"]
    assert [one.is_doubtful for one in found] == [True] * 3 + [False] * (len(found) - 3)
    assert {one.name for one in found if one.is_required} == set(REQUIRED)
    assert [one.name for one in found][3:7] == [name for name in REQUIRED if name != "total"]
    assert found[0].doubts == ("the total was not found",)
    assert found[2].doubts == ("it was read with 50 % confidence",)


def test_a_required_field_without_a_value_is_in_doubt_also_without_an_issue() -> None:
    found = fields_to_check(waits("raw/a.pdf", invoice=invoice(vendor="")))
    assert (found[0].name, found[0].doubts) == ("vendor", ("it is required",))
    assert found[0].evidence == "not found in the document"


@pytest.mark.parametrize(
    ("reading", "evidence"),
    [
        (Reading(value="1.00", text="1,00", label="Summe"), '"Summe 1,00"'),
        (Reading(value="1.00", label="BT-112"), '"BT-112"'),
        (Reading(value="1.00"), '"1.00"'),
        (
            Reading(
                value="1.00", text="1,00", place=Place(page=2, left=0, top=0, width=1, height=1)
            ),
            '"1,00", page 2',
        ),
        (
            Reading(value="1.00", text="7,00", source="review"),
            'entered in a review; the document says "7,00"',
        ),
        (Reading(value="1.00", source="review"), "entered in a review"),
    ],
)
def test_the_evidence_is_what_the_document_says(reading: Reading, evidence: str) -> None:
    read = replace(invoice(), readings={"total": reading})
    found = {one.name: one for one in fields_to_check(waits("raw/a.pdf", invoice=read))}
    assert found["total"].evidence == evidence


def test_what_has_not_been_read_has_no_fields() -> None:
    assert fields_to_check(waits("raw/a.pdf", invoice=None)) == []
