"""The ECB's XML files of rates (the day's, of 90 days, the history) as the CSV that it publishes.

https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

from __future__ import annotations

import csv
import io
from typing import Any, Final
from xml.parsers import expat

from finops.billing.file_bytes import Readable, unreadable_file
from finops.shared.errors import RejectedInput

#: Bytes of a file; the ECB's history has 8 MB.
LARGEST_XML: Final = 32 << 20
#: The ECB's history has 42 currencies and some 7,000 days.
_MOST_CURRENCIES: Final = 400
_MOST_DAYS: Final = 40_000


def csv_of_ecb(stream: Readable) -> bytes:
    """A line for each day, newest first as in the file, and a column for each currency.

    Raises:
        RejectedInput: it is damaged, too large, or another document than the ECB's.
    """
    days = _Days()
    parser = expat.ParserCreate()
    parser.StartElementHandler = days.begin
    parser.StartDoctypeDeclHandler = _refuse_document_type
    size = 0
    try:
        while piece := stream.read(1 << 16):
            size += len(piece)
            if size > LARGEST_XML:
                raise _refusal(f"has more than {LARGEST_XML >> 20} MiB")
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        # Expat's own, or an encoding that is none.
        raise _refusal(f"is damaged: {error}") from None
    if not days.rates:
        raise _refusal("holds no rates of the ECB")
    currencies = sorted(days.currencies)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["Date", *currencies])
    writer.writerows(
        [day, *(rates.get(one, "") for one in currencies)] for day, rates in days.rates.items()
    )
    return text.getvalue().encode("utf-8", "surrogatepass")


class _Days:
    """The rates of each day.

    They are written <Cube time="2026-03-06"><Cube currency="USD" rate="1.08"/></Cube>.
    """

    def __init__(self) -> None:
        self.rates: dict[str, dict[str, str]] = {}
        self.currencies: set[str] = set()
        self._day = ""

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if tag.rpartition(":")[2] != "Cube":
            return
        if "time" in attributes:
            self._day = attributes["time"].strip()
            if self._day in self.rates:
                raise _refusal(f"has the day {self._day!r} twice")
            self.rates[self._day] = {}
        elif "currency" in attributes:
            currency = attributes["currency"].strip()
            if not self._day:
                raise _refusal(f"has a rate of {currency!r} without a day")
            if currency in self.rates[self._day]:
                raise _refusal(f"has two rates of {currency!r} for {self._day}")
            self.rates[self._day][currency] = attributes.get("rate", "").strip()
            self.currencies.add(currency)
        if len(self.currencies) > _MOST_CURRENCIES or len(self.rates) > _MOST_DAYS:
            raise _refusal("has more currencies or days than there are")


def _refuse_document_type(*_: Any) -> None:
    raise _refusal("declares a document type")


def _refusal(why: str) -> RejectedInput:
    return unreadable_file(
        "invalid_xml",
        f"the XML file {why}",
        "Use the ECB's eurofxref-daily.xml, eurofxref-hist-90d.xml or eurofxref-hist.zip",
    )
