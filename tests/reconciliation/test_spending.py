from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from finops.reconciliation.adapters.folder import Folder
from finops.reconciliation.spending import BLOCK, DailyAllowance, SpendingCapReached

TODAY, TOMORROW = date(2026, 11, 20), date(2026, 11, 21)


def allowance(folder: Path, usd: str, day: date = TODAY) -> DailyAllowance:
    return DailyAllowance(Folder(folder), day, Decimal(usd))


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
def test_a_day_has_so_many_pages(tmp_path: Path, usd: str, pages: int) -> None:
    assert spent(allowance(tmp_path, usd)) == pages


def test_all_runs_of_a_day_share_its_limit_and_each_day_has_its_own(tmp_path: Path) -> None:
    first = allowance(tmp_path, "1")
    for _ in range(BLOCK + 1):
        first.spend()
    assert spent(allowance(tmp_path, "1")) == 100 - 2 * BLOCK
    assert spent(allowance(tmp_path, "1", TOMORROW)) == 100
    # What a run has taken, it may spend.
    assert spent(first) == BLOCK - 1


def test_runs_at_once_do_not_take_the_same_pages(tmp_path: Path) -> None:
    runs = [allowance(tmp_path, "4") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spent, runs)) == 400


def test_the_threads_of_a_run_share_its_pages(tmp_path: Path) -> None:
    run = allowance(tmp_path, "2")
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spent, [run] * 8)) == 200


def test_what_is_refused_is_free(tmp_path: Path) -> None:
    one = allowance(tmp_path, "0.02")
    one.spend()
    one.refund()
    assert spent(one) == 2


def test_a_higher_limit_goes_on_where_the_lower_one_ended(tmp_path: Path) -> None:
    assert spent(allowance(tmp_path, "0.20")) == 20
    assert spent(allowance(tmp_path, "1")) == 80


def test_the_refusal_says_what_waits_and_until_when(tmp_path: Path) -> None:
    one = allowance(tmp_path, "0.01")
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
