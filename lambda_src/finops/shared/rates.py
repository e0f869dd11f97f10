"""The exchange-rate policy: the one rule by which billing and reconciliation convert to USD.

It is the same whatever a rate comes from: the ECB's history or a CSV in the billing database, or
the YAML of a reconciliation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

#: Sources of stored rates by precedence: a rate of a later one replaces that of an earlier one, and
#: never the other way. What a person gave in a CSV stays when the ECB's history is loaded again.
STORED_SOURCES: Final = ("ECB", "csv")
#: Long enough for the ECB's longest gap, from Maundy Thursday to the Tuesday after Easter.
DEFAULT_MAX_AGE_DAYS: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one unit of a currency was worth in USD on a day.

    Attributes:
        usd_per_unit: USD for one unit of the currency.
        source: Where the rate comes from, such as `ECB`, `configuration` or `static`.
    """

    currency: str
    rate_date: date
    usd_per_unit: Decimal
    source: str


#: Gives the rates of a currency from a first to a last day, both included.
DatedRates = Callable[[str, date, date], Iterable[Rate]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePolicy:
    """Which rate converts an amount: the last one on or before its day, never a later one.

    Attributes:
        max_age_days: How many days before the amount's day a rate may be from.
        static: USD per unit of the currencies that are converted all the same where no dated rate
            may be used. For trials; empty where finance relies on the amounts.
    """

    max_age_days: int = DEFAULT_MAX_AGE_DAYS
    static: Mapping[str, Decimal] = field(default_factory=dict)

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> RatePolicy:
        """Read the environment that Terraform gives the functions of both flows."""
        return cls(
            max_age_days=int(variables.get("MAX_RATE_AGE_DAYS") or DEFAULT_MAX_AGE_DAYS),
            static={
                code: Decimal(rate)
                for code, rate in json.loads(variables.get("STATIC_RATES") or "{}").items()
            },
        )

    def with_static(self, static: Mapping[str, Decimal]) -> RatePolicy:
        """The same policy with further static rates, which replace those it has."""
        return replace(self, static={**self.static, **static})

    def oldest(self, day: date) -> date:
        """The first day of which a rate may convert an amount of this day."""
        return day - timedelta(days=self.max_age_days)

    def choose(self, rates: Iterable[Rate], day: date) -> Rate | None:
        """The rate that converts an amount of this day; of two of one date, the one listed last."""
        allowed = [one for one in rates if self.oldest(day) <= one.rate_date <= day]
        return max(reversed(allowed), key=lambda one: one.rate_date, default=None)

    def refusal(self, currency: str, day: date) -> str:
        """Why an amount can't be converted, for people."""
        return f"no rate of {currency} is known for {day} or the {self.max_age_days} days before"


class ExchangeRates:
    """Rates by the policy, from one or more sources: each is asked once a currency and year.

    Args:
        policy: Which rate converts.
        sources: Of dated rates; of two rates of one day, the later source's counts.
    """

    def __init__(self, policy: RatePolicy, *sources: DatedRates) -> None:
        self.policy = policy
        self._sources = sources
        self._years: dict[tuple[str, int], list[Rate]] = {}

    def rate_on(self, currency: str, day: date) -> Rate | None:
        """The rate that converts an amount of this day; None where the policy refuses it."""
        if currency == "USD":
            return Rate(currency="USD", rate_date=day, usd_per_unit=Decimal(1), source="identity")
        for year in range(day.year, self.policy.oldest(day).year - 1, -1):
            if found := self.policy.choose(self._year(currency, year), day):
                return found
        static = self.policy.static.get(currency)
        if static is None:
            return None
        return Rate(currency=currency, rate_date=day, usd_per_unit=static, source="static")

    def _year(self, currency: str, year: int) -> list[Rate]:
        found = self._years.get((currency, year))
        if found is None:
            first, last = date(year, 1, 1), date(year, 12, 31)
            found = [rate for source in self._sources for rate in source(currency, first, last)]
            self._years[currency, year] = found
        return found
