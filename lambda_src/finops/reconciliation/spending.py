"""What Cost Explorer may cost a day, all runs together."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal
from typing import Final

from finops.reconciliation.ports import ReportFiles
from finops.shared.errors import FinOpsError

#: USD a page of an answer: https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/
PRICE: Final = Decimal("0.01")
#: Pages that a run takes from the day's limit at once. Those that it does not need count as well.
BLOCK: Final = 20


class SpendingCapReached(FinOpsError):
    """The day's dollars do not suffice for another page; the month waits for another day."""


class DailyAllowance:
    """The pages that may still be asked for on one day.

    A block of pages is taken by creating a file of its number, so that of two runs at once each
    takes another one.

    Args:
        files: Where blocks are entered, below `cache/`.
        day: UTC.
        usd: The limit of the day.
    """

    def __init__(self, files: ReportFiles, day: date, usd: Decimal) -> None:
        self._files = files
        self._day = day
        self._usd = usd
        self._pages = int(usd / PRICE)
        self._left = 0
        self._next: int | None = None
        self._lock = threading.Lock()
        self.is_reached = False

    def spend(self) -> None:
        """Count a page before it is asked for.

        Raises:
            SpendingCapReached: the limit is reached.
        """
        with self._lock:
            if not self._left:
                self._left = self._taken()
            self._left -= 1

    def refund(self) -> None:
        """Count a page that was refused, and so is free, no more."""
        with self._lock:
            self._left += 1

    def _taken(self) -> int:
        """The pages of a new block."""
        prefix = f"cache/spending/{self._day}/"
        number = sum(1 for _ in self._files.names(prefix)) if self._next is None else self._next
        while number * BLOCK < self._pages:
            created = self._files.create(f"{prefix}{number:06}", b"")
            number += 1
            if created:
                self._next = number
                return min(BLOCK, self._pages - (number - 1) * BLOCK)
        self.is_reached = True
        raise SpendingCapReached(
            f"Cost Explorer was asked for {self._pages:,} pages on {self._day}: that is the limit,"
            f" {self._usd:f} USD a day",
            code="spending_cap_reached",
            step="cost_explorer",
            remedy="The report waits, and keeps the answers that it has. After midnight UTC the"
            " schedule goes on; or set a higher costs.daily_usd",
        )
