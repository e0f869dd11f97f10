"""Bills that are converted again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from finops.billing.domain import ConvertedBill, Reconversion
from finops.billing.reconversion import Reconverter
from finops.shared.errors import RejectedInput
from finops.shared.rates import ExchangeRates, Rate, RatePolicy
from tests.audit.recorders import MemoryRecorder

DAY = date(2026, 3, 5)
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


def bill(
    record_id: str, *, currency: str = "EUR", amount: str = "10", rate: str = "1"
) -> ConvertedBill:
    return ConvertedBill(
        record_id=record_id,
        currency=currency,
        bill_date=DAY,
        amount=Decimal(amount),
        amount_usd=Decimal(amount) * Decimal(rate),
        usd_per_unit=Decimal(rate),
        rate_date=DAY,
    )


class FakeBills:
    """The bills of a dataset in batches of two; nothing stays of a transaction that fails."""

    def __init__(self, *bills: ConvertedBill) -> None:
        self.stored = {one.record_id: one for one in bills}
        self.entered: list[Reconversion] = []
        self.fails = False

    @contextmanager
    def transaction(self) -> Iterator[FakeBills]:
        before = dict(self.stored)
        try:
            yield self
        except BaseException:
            self.stored = before
            raise

    def bills(self, dataset: str, first: date, last: date) -> Iterator[Sequence[ConvertedBill]]:
        found = [one for one in self.stored.values() if first <= one.bill_date <= last]
        for start in range(0, len(found), 2):
            yield found[start : start + 2]

    def store(self, dataset: str, bills: Sequence[ConvertedBill]) -> None:
        self.stored |= {one.record_id: one for one in bills}

    def enter(self, reconversion: Reconversion) -> None:
        if self.fails:
            raise RuntimeError
        self.entered.append(reconversion)


def reconvert(store: FakeBills, audit: MemoryRecorder | None = None, **usd: str) -> Reconversion:
    def rates(currency: str, first: date, last: date) -> list[Rate]:
        return [
            Rate(currency=code, rate_date=DAY, usd_per_unit=Decimal(rate), source="test")
            for code, rate in usd.items()
            if code == currency
        ]

    return Reconverter(
        store=store,
        rates=ExchangeRates(RatePolicy(), rates),
        audit=audit or MemoryRecorder(),
        clock=lambda: NOW,
    ).reconvert("acme", DAY, DAY, requested_by="ann", reason="late rates")


def test_bills_get_the_rate_that_is_known_now_rounded_as_they_are_stored() -> None:
    store = FakeBills(bill("a"), bill("b", amount="-3.333333"), bill("c"))
    done = reconvert(store, EUR="1.2345678")
    assert {one.record_id: one.amount_usd for one in store.stored.values()} == {
        "a": Decimal("12.345678"),
        "b": Decimal("-4.115226"),
        "c": Decimal("12.345678"),
    }
    assert (done.rows_changed, done.usd_before, done.usd_after) == (
        3,
        Decimal("16.666667"),
        Decimal("20.576130"),
    )
    assert store.entered == [done]


def test_bills_of_the_same_rate_or_without_one_stay_as_they_are() -> None:
    same, unknown = bill("a", rate="1.1"), bill("b", currency="CHF", rate="1.3")
    store = FakeBills(same, unknown)
    done = reconvert(store, EUR="1.1")
    assert list(store.stored.values()) == [same, unknown]
    assert (done.rows_changed, done.usd_before) == (0, Decimal(0))
    assert store.entered == [done]


def test_a_rate_of_another_day_is_another_rate() -> None:
    store = FakeBills(replace(bill("a"), rate_date=date(2026, 3, 4)))
    assert reconvert(store, EUR="1").rows_changed == 1
    assert store.stored["a"].rate_date == DAY


def test_the_trail_holds_who_why_and_how_much() -> None:
    audit = MemoryRecorder()
    reconvert(FakeBills(bill("a")), audit, EUR="2")
    (event,) = audit.events
    assert (event.action, event.actor, event.subject) == ("bills.reconverted", "ann", "acme")
    assert event.details["reason"] == "late rates"
    assert (event.details["usd_before"], event.details["usd_after"]) == ("10", "20.000000")


@pytest.mark.parametrize("amount", ["20000000", "-20000000"])
def test_an_amount_that_the_table_cannot_hold_changes_no_bill(amount: str) -> None:
    """MySQL would read NULL, and MariaDB a clamped amount, out of the JSON."""
    store = FakeBills(bill("a"), bill("b", amount=amount), bill("c"))
    before, audit = dict(store.stored), MemoryRecorder()
    with pytest.raises(RejectedInput) as refusal:
        reconvert(store, audit, EUR="10000000")
    assert (refusal.value.code, "bill b" in refusal.value.message) == ("amount_out_of_range", True)
    assert store.stored == before
    assert (store.entered, audit.events) == ([], [])


def test_nothing_is_kept_or_recorded_where_the_transaction_fails() -> None:
    store, audit = FakeBills(bill("a")), MemoryRecorder()
    store.fails = True
    with pytest.raises(RuntimeError):
        reconvert(store, audit, EUR="2")
    assert store.stored["a"].amount_usd == 10
    assert not audit.events
