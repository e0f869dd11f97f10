"""Files of exchange rates: the European Central Bank's history, or a simple CSV.

The ECB publishes what one euro was worth in each currency on each working day:
https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import Final

from finops.billing.domain import Quarantined, Rate
from finops.billing.reader import CsvTable, Readable, open_csv
from finops.shared.errors import RejectedInput
from finops.shared.money import is_currency, rounded

#: Digits after the point of a stored rate; the smallest currencies are worth some 0.00001 USD.
DIGITS: Final = 15
_LARGEST: Final = 64 << 20
_NO_RATE: Final = frozenset({"", "N/A", "-"})
_SIMPLE: Final = {
    "currency": ("currency", "currencycode", "code"),
    "rate_date": ("ratedate", "date", "day"),
    "usd_per_unit": ("usdperunit", "rate", "usd"),
}
_WIDE = Context(prec=50)

Reject = Callable[[Quarantined], None]


@dataclass(frozen=True, slots=True)
class _RateHeader:
    """What is known of the header of a file of rates."""

    kind: str
    cells: tuple[int, ...]
    score: int
    problem: str = ""
    code: str = ""
    remedy: str = ""


def read_rates(stream: Readable, reject: Reject) -> Iterator[Rate]:
    """The rates in a file: ECB's zip or CSV, or a CSV of currency, rate_date, usd_per_unit.

    Args:
        stream: The file's bytes.
        reject: Takes each line, or cell, that is no rate.

    Raises:
        RejectedInput: the file cannot be understood.
    """
    table = open_csv(_unzipped(stream), _recognise)
    yield from (_ecb if table.recognition.kind == "ECB" else _simple)(table, reject)


def _recognise(header: Sequence[str]) -> _RateHeader:
    names = ["".join(one.split()).replace("_", "").casefold() for one in header]
    if names[0] == "date" and "usd" in names and sum(len(one) == 3 for one in names) > 2:
        return _RateHeader("ECB", (), len(names))
    cells = [
        next((names.index(one) for one in spellings if one in names), -1)
        for spellings in _SIMPLE.values()
    ]
    missing = [name for name, cell in zip(_SIMPLE, cells, strict=True) if cell < 0]
    if not missing:
        return _RateHeader("csv", tuple(cells), len(cells))
    return _RateHeader(
        "csv",
        (),
        3 - len(missing),
        problem=f"this is no file of rates: {', '.join(missing)} is missing",
        code="no_header" if len(missing) == 3 else "missing_columns",
        remedy="Use the ECB's eurofxref-hist file, or columns currency,rate_date,usd_per_unit",
    )


def _ecb(table: CsvTable[_RateHeader], reject: Reject) -> Iterator[Rate]:
    """Cross rates through the euro: USD for one unit is USD per EUR over units per EUR."""
    codes = [one.strip().upper() for one in table.header]
    dollar = codes.index("USD")
    for line, fields in table.records():
        if fields is None:
            reject(_problem(line, table.raw, *table.problem))
            continue
        day = _day(fields[0])
        if day is None:
            reject(_problem(line, table.raw, "invalid_date", "is no date", "Date", fields[0]))
            continue
        usd_per_eur = _positive(fields[dollar])
        if usd_per_eur is None:
            message = "every rate of the day needs the dollar's"
            reject(_problem(line, table.raw, "no_dollar_rate", message, "USD", fields[dollar]))
            continue
        yield Rate(
            currency="EUR",
            rate_date=day,
            usd_per_unit=rounded(usd_per_eur, DIGITS),
            source="ECB",
        )
        for code, text in zip(codes[1:], fields[1:], strict=True):
            if not code or code == "USD" or text.strip() in _NO_RATE:
                continue
            units_per_eur = _positive(text)
            if units_per_eur is None:
                reject(_problem(line, table.raw, "invalid_rate", "is no rate", code, text))
                continue
            usd = rounded(_WIDE.divide(usd_per_eur, units_per_eur), DIGITS)
            if usd:
                yield Rate(currency=code, rate_date=day, usd_per_unit=usd, source="ECB")


def _simple(table: CsvTable[_RateHeader], reject: Reject) -> Iterator[Rate]:
    cells = table.recognition.cells
    for line, fields in table.records():
        if fields is None:
            reject(_problem(line, table.raw, *table.problem))
            continue
        code, day_text, rate_text = (fields[cell].strip() for cell in cells)
        code = code.upper()
        day, usd = _day(day_text), _positive(rate_text)
        if not is_currency(code):
            message = "is no ISO 4217 currency code"
            reject(_problem(line, table.raw, "unknown_currency", message, "currency", code))
        elif day is None:
            message = "is no date as YYYY-MM-DD"
            reject(_problem(line, table.raw, "invalid_date", message, "rate_date", day_text))
        elif usd is None or not rounded(usd, DIGITS) or usd >= 10**DIGITS:
            message = "is no rate above 0"
            reject(_problem(line, table.raw, "invalid_rate", message, "usd_per_unit", rate_text))
        else:
            yield Rate(
                currency=code, rate_date=day, usd_per_unit=rounded(usd, DIGITS), source="csv"
            )


def _problem(
    line: int, raw: str, reason: str, message: str, field: str = "", value: str = ""
) -> Quarantined:
    said = f"{field} {value!r} {message}" if field else message
    return Quarantined(
        line=line, reason=reason, field=field, value=value[:1000], message=said, raw=raw
    )


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        return None
    return found if 1970 <= found.year <= 2100 else None


def _positive(text: str) -> Decimal | None:
    plain = text.strip()
    if not plain.isascii() or len(plain) > 40 or plain.strip("0123456789.") or "." in plain[-1:]:
        return None
    try:
        found = Decimal(plain)
    except ArithmeticError:
        return None
    return found if 0 < found < 10**DIGITS else None


def _unzipped(stream: Readable) -> Readable:
    """The CSV in a zip file, or the file itself."""
    head = stream.read(4)
    while len(head) < 4 and (more := stream.read(4 - len(head))):
        head += more
    rest = _After(head, stream)
    if head != b"PK\x03\x04":
        return rest
    # A zip's table of contents is at its end: it is read whole, and must be small.
    archive = bytearray()
    while piece := rest.read(1 << 20):
        archive += piece
        if len(archive) > _LARGEST:
            raise _bad_zip(f"it is larger than {_LARGEST >> 20} MiB")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as found:
            for member in found.infolist():
                if member.filename.lower().endswith(".csv"):
                    if member.file_size > _LARGEST:
                        raise _bad_zip(f"{member.filename} is larger than {_LARGEST >> 20} MiB")
                    with found.open(member) as file:
                        # A header may lie about the size: what is read counts.
                        content = file.read(_LARGEST + 1)
                    if len(content) > _LARGEST:
                        raise _bad_zip(f"{member.filename} is too large")
                    return io.BytesIO(content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise _bad_zip(str(error)) from None
    except Exception as error:
        if isinstance(error, RejectedInput):
            raise
        raise _bad_zip(str(error)) from None
    raise _bad_zip("it holds no CSV file")


def _bad_zip(why: str) -> RejectedInput:
    return RejectedInput(
        f"the zip file cannot be read: {why}",
        code="corrupt_zip",
        step="read_file",
        remedy="Download it again, or drop the CSV file itself",
    )


class _After:
    """A stream with some bytes before it."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return self._stream.read(size)
