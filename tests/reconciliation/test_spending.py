from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest

from finops.reconciliation.spending import BLOCK, DailyAllowance, SpendingCapReached

TODAY, TOMORROW = date(2026, 11, 20), date(2026, 11, 21)


class Bucket:
    """Files that are created once, however many runs try at the same moment."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def names(self, prefix: str) -> Iterator[str]:
        with self._lock:
            return iter(sorted(one for one in self._names if one.startswith(prefix)))

    def create(self, name: str, _content: bytes) -> bool:
        with self._lock:
            is_new = name not in self._names
            self._names.add(name)
            return is_new


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def allowance(bucket: Bucket, usd: str, day: date = TODAY) -> DailyAllowance:
    return DailyAllowance(bucket, day, Decimal(usd))  # type: ignore[arg-type]


def spent(one: DailyAllowance) -> int:
    """The pages that it lets through until it refuses one."""
    pages = 0
    while True:
        try:
            one.spend()
        except SpendingCapReached:
            return pages
        pages += 1


@pytest.mark.parametrize(("usd", "pages"), [("0.01", 1), ("0.25", 25), ("0.40", 40), ("1", 100)])
def test_a_day_has_so_many_pages(bucket: Bucket, usd: str, pages: int) -> None:
    assert spent(allowance(bucket, usd)) == pages


def test_all_runs_of_a_day_share_its_limit_and_each_day_has_its_own(bucket: Bucket) -> None:
    first = allowance(bucket, "1")
    for _ in range(BLOCK + 1):
        first.spend()
    assert spent(allowance(bucket, "1")) == 100 - 2 * BLOCK
    assert spent(allowance(bucket, "1", TOMORROW)) == 100
    # What a run has taken, it may spend.
    assert spent(first) == BLOCK - 1


def test_runs_at_once_do_not_take_the_same_pages(bucket: Bucket) -> None:
    runs = [allowance(bucket, "4") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spent, runs)) == 400


def test_the_threads_of_a_run_share_its_pages(bucket: Bucket) -> None:
    run = allowance(bucket, "2")
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spent, [run] * 8)) == 200


def test_what_is_refused_is_free(bucket: Bucket) -> None:
    one = allowance(bucket, "0.02")
    one.spend()
    one.refund()
    assert spent(one) == 2


def test_a_higher_limit_goes_on_where_the_lower_one_ended(bucket: Bucket) -> None:
    assert spent(allowance(bucket, "0.20")) == 20
    assert spent(allowance(bucket, "1")) == 80


def test_the_refusal_says_what_waits_and_until_when(bucket: Bucket) -> None:
    one = allowance(bucket, "0.01")
    one.spend()
    assert not one.is_reached
    with pytest.raises(SpendingCapReached) as refused:
        one.spend()
    assert one.is_reached
    assert refused.value.code == "spending_cap_reached"
    said = str(refused.value)
    for text in (
        "1 pages on 2026-11-20",
        "0.01 USD a day",
        "After midnight UTC",
        "costs.daily_usd",
    ):
        assert text in said
