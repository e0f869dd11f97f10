"""The ECB's rates, fetched on a schedule and dropped where people drop files of rates."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Protocol

from finops.billing.domain import RATES_PREFIX, Quarantined
from finops.billing.ecb_days import day_due
from finops.billing.ports import Clock
from finops.billing.rates import read_rates
from finops.shared.errors import RejectedInput

#: Files that the schedule drops; what people drop has other keys.
FETCHED_PREFIX: Final = f"{RATES_PREFIX}ecb/"


class NewObjects(Protocol):
    """Where files are dropped."""

    def create(self, key: str, content: bytes) -> bool:
        """Write an object, unless one of this key is there. Returns whether it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedRates:
    """What a run found.

    Attributes:
        key: The object that holds the file.
        is_new: Whether this run wrote it.
        rates: How many rates the file holds.
        newest: The last day with rates.
        due: The last day whose rates should be published.
    """

    key: str
    is_new: bool
    rates: int
    newest: date
    due: date

    @property
    def is_missing(self) -> bool:
        """Whether the rates of the day that is due are not there."""
        return self.newest < self.due


@dataclass(slots=True)
class RatesFetcher:
    """Fetches a file, checks that it can be loaded, and drops it once.

    Args:
        download: The content of the ECB's file: of a day, of 90 days, or of all.
        objects: Where files are dropped.
        clock: The time, UTC.
    """

    download: Callable[[], bytes]
    objects: NewObjects
    clock: Clock

    def fetch(self) -> FetchedRates:
        """Drop the file, unless the same content was dropped before.

        Raises:
            RejectedInput: it is not a file of the ECB's rates, or is ahead of its time.
            TransientFailure: it can't be had at the moment.
        """
        content = self.download()
        rejected: list[Quarantined] = []
        rates = [*read_rates(io.BytesIO(content), rejected.append)]
        if not rates or {one.source for one in rates} != {"ECB"}:
            why = f"; its line {rejected[0].line}: {rejected[0].message}" if rejected else ""
            raise _refused(f"holds no rates of the ECB{why}")
        now = self.clock()
        newest = max(one.rate_date for one in rates)
        # Elsewhere it may be tomorrow already.
        if newest > now.date() + timedelta(days=1):
            raise _refused(f"has rates of {newest}, a day that has not come")
        digest = hashlib.sha256(content).hexdigest()[:16]
        key = f"{FETCHED_PREFIX}{newest}-{digest}.{_suffix(content)}"
        return FetchedRates(
            key=key,
            is_new=self.objects.create(key, content),
            rates=len(rates),
            newest=newest,
            due=day_due(now),
        )


def _suffix(content: bytes) -> str:
    if content.startswith(b"PK\x03\x04"):
        return "zip"
    return "xml" if content.removeprefix(b"\xef\xbb\xbf").startswith(b"<") else "csv"


def _refused(why: str) -> RejectedInput:
    return RejectedInput(
        f"the file that was fetched {why}",
        code="not_the_ecbs_rates",
        step="fetch_rates",
        remedy="Give `rates.ecb.url` the URL of the ECB's eurofxref-daily.xml, or of "
        "eurofxref-hist-90d.xml",
    )
