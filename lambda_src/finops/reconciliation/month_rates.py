"""Exchange rates into the report's currency, month by month."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Final

from finops.reconciliation.configuration import Configuration, DatedRate
from finops.reconciliation.ports import Rates
from finops.reconciliation.report import RateUsed
from finops.shared.errors import RejectedInput
from finops.shared.money import WIDE, rounded
from finops.shared.periods import Month

_RATE_DIGITS: Final = 15


class MonthRates:
    """Rates into the report's currency, by the last day of each month, or today in the running one.

    A rate is the last one on or before that day, never a later one.
    """

    def __init__(self, configuration: Configuration, rates: Rates | None, today: date) -> None:
        self._configuration = configuration
        self._rates = rates
        self._today = today
        self._known: dict[tuple[str, date], DatedRate | None] = {}

    def rate(self, currency: str, month: Month) -> RateUsed | None:
        """What one unit of the currency is worth in the report's, None where no rate is known."""
        wanted = self._configuration.currency
        if currency == wanted:
            return RateUsed(currency=currency, rate=Decimal(1), rate_date=month.last, source="")
        day = min(month.last, self._today)
        one, other = self._usd(currency, day), self._usd(wanted, day)
        if one is None or other is None:
            return None
        told = one if wanted == "USD" else other if currency == "USD" else one
        return RateUsed(
            currency=currency,
            rate=rounded(WIDE.divide(one.usd_per_unit, other.usd_per_unit), _RATE_DIGITS),
            rate_date=told.rate_date,
            source=told.source,
        )

    def required(self, currency: str, month: Month) -> Decimal:
        """The rate, where there must be one."""
        self.require({currency}, month)
        found = self.rate(currency, month)
        return found.rate if found else Decimal(0)

    def require(self, currencies: Iterable[str], month: Month) -> None:
        """Refuse a currency without a rate in the month.

        Raises:
            RejectedInput: `no_rate`.
        """
        for currency in sorted(currencies):
            if self.rate(currency, month) is None:
                raise RejectedInput(
                    f"no rate of {currency} to {self._configuration.currency} is known on or before"
                    f" {min(month.last, self._today)}",
                    code="no_rate",
                    field="rates",
                    value=currency,
                    remedy="Write one under rates, or load rates: finops fx load FILE",
                )

    def _usd(self, currency: str, day: date) -> DatedRate | None:
        if currency == "USD":
            return DatedRate("USD", day, Decimal(1), "")
        key = (currency, day)
        if key not in self._known:
            known = [
                one
                for one in self._configuration.rates
                if one.currency == currency and one.rate_date <= day
            ]
            loaded = self._rates.rate(currency, day) if self._rates else None
            if loaded:
                known.insert(0, loaded)
            # Where two are of one day, the configuration's own counts.
            self._known[key] = max(reversed(known), key=lambda one: one.rate_date, default=None)
        return self._known[key]
