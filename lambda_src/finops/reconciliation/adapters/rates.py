"""Exchange rates in the billing database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from finops.billing.domain import Rate
from finops.reconciliation.configuration import DatedRate

#: How far back a rate is looked for.
_RATE_AGE: Final = timedelta(days=31)


class StoredRates:
    """`Rates` in the billing database."""

    def __init__(self, rates: Callable[[str, date, date], Sequence[Rate]]) -> None:
        self._rates = rates

    def rate(self, currency: str, day: date) -> DatedRate | None:
        """See the port."""
        found = self._rates(currency, day - _RATE_AGE, day)
        if not found:
            return None
        last = found[-1]
        return DatedRate(last.currency, last.rate_date, last.usd_per_unit, last.source)
