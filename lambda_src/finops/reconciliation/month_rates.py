"""Exchange rates into the report's currency, month by month."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Final

from finops.reconciliation.report import RateUsed
from finops.shared.errors import RejectedInput
from finops.shared.money import WIDE, rounded
from finops.shared.periods import Month
from finops.shared.rates import ExchangeRates

_RATE_DIGITS: Final = 15


class MonthRates:
    """Rates into the report's currency, of the last day of each month, or today in an open one.

    Args:
        currency: The report's.
        rates: To USD, by the policy that billing follows too.
        today: UTC.
    """

    def __init__(self, currency: str, rates: ExchangeRates, today: date) -> None:
        self._currency = currency
        self._rates = rates
        self._today = today

    def rate(self, currency: str, month: Month) -> RateUsed | None:
        """What one unit of the currency is worth in the report's; None where none may be used."""
        wanted = self._currency
        if currency == wanted:
            return RateUsed(currency=currency, rate=Decimal(1), rate_date=month.last, source="")
        day = self._day(month)
        one, other = self._rates.rate_on(currency, day), self._rates.rate_on(wanted, day)
        if one is None or other is None:
            return None
        used = other if currency == "USD" else one
        return RateUsed(
            currency=currency,
            rate=rounded(WIDE.divide(one.usd_per_unit, other.usd_per_unit), _RATE_DIGITS),
            rate_date=used.rate_date,
            source=used.source,
        )

    def required(self, currency: str, month: Month) -> Decimal:
        """The rate, where there must be one."""
        self.require({currency}, month)
        found = self.rate(currency, month)
        return found.rate if found else Decimal(0)

    def require(self, currencies: Iterable[str], month: Month) -> None:
        """Refuse a currency without a rate for the month.

        Raises:
            RejectedInput: `no_rate`.
        """
        day = self._day(month)
        for currency in sorted(currencies):
            if self.rate(currency, month) is not None:
                continue
            missing = currency if self._rates.rate_on(currency, day) is None else self._currency
            raise RejectedInput(
                self._rates.policy.refusal(missing, day),
                code="no_rate",
                field="rates",
                value=missing,
                remedy="Add one to rates in the configuration, or load rates: finops fx load FILE",
            )

    def _day(self, month: Month) -> date:
        return min(month.last, self._today)
