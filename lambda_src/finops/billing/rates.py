"""Files of exchange rates: the European Central Bank's history, or a simple CSV.

The ECB publishes what one euro was worth in each currency on each working day:
https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import IO, Final

from finops.billing.domain import Quarantined
from finops.billing.ecb_xml import csv_of_ecb
from finops.billing.file_bytes import Readable
from finops.billing.reader import CsvTable, open_csv
from finops.shared.errors import RejectedInput
from finops.shared.left_alone import why_left_alone
from finops.shared.money import major_of, rounded, was_currency
from finops.shared.rates import Rate

#: Digits after the point of a stored rate; the smallest currencies are worth some 0.00001 USD.
DIGITS: Final = 15
#: Bytes of a zip file, which is kept in memory, and of the CSV in it, which is streamed. The ECB's
#: have 0.7 and 2 MB.
_LARGEST_ZIP: Final = 8 << 20
_LARGEST_CSV: Final = 64 << 20
#: What zipfile raises, as tests show, for files that are damaged or crafted.
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
#: Of a CSV of rates: they are kept in memory, to find those that are there twice. The ECB's
#: history has 42 currencies and some 7,000 days.
_MOST_RATES: Final = 500_000
_NO_RATE: Final = frozenset({"", "N/A", "-"})
_CODE = re.compile(r"[a-z]{3}")
_DAY = re.compile(r"(\d{4})([-/])(\d\d)\2(\d\d)", re.ASCII)
#: As the ECB's file of one day writes it: 02 March 2026.
_DAY_OF_ECB = re.compile(r"(\d{1,2}) ([a-z]{3,9}) (\d{4})", re.ASCII | re.IGNORECASE)
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,30})?|\.\d{1,30}", re.ASCII)
_REMEDY = "Use the ECB's eurofxref-hist file, or columns currency,rate_date,usd_per_unit"
_SIMPLE: Final = {
    "currency": ("currency", "currencycode", "code", "ccy"),
    "rate_date": ("ratedate", "date", "day"),
    "usd_per_unit": ("usdperunit",),
}
#: Headers of rates that do not say of what they are rates.
_EITHER_WAY: Final = frozenset({"rate", "usd", "fxrate", "exchangerate", "value"})
#: Headers of columns that would change what a rate means.
_OTHER_MEANING: Final = frozenset(
    {"base", "basecurrency", "quote", "quotecurrency", "denom", "currencydenom", "from", "to"}
    | {"fromcurrency", "tocurrency", "target", "targetcurrency", "sourcecurrency"}
    | {"units", "unit", "multiplier", "scale", "factor", "nominal", "per", "inverse", "unitmult"}
)
#: Denmark holds its krone within 2.25 percent of 7.46038 per euro, since the euro's first day:
#: https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/html/eurofxref-graph-dkk.en.html
_KRONER: Final = (Decimal("7.29"), Decimal("7.63"))
#: Per euro, where a table lacks kroner: from 0.83 to 1.60 since 1999.
_DOLLARS: Final = (Decimal("0.7"), Decimal("1.8"))
_WIDE = Context(prec=50)

Reject = Callable[[Quarantined], None]


@dataclass(frozen=True, slots=True)
class _RateHeader:
    """How the header of a file of rates was recognised."""

    kind: str
    cells: tuple[int, ...]
    score: int
    problem: str = ""
    code: str = ""
    remedy: str = ""


def read_rates(stream: Readable, reject: Reject) -> Iterator[Rate]:
    """The rates in a file: ECB's zip, CSV or XML, or a CSV of currency, rate_date, usd_per_unit.

    Args:
        stream: The file's bytes.
        reject: Called with each line, or cell, that is not a rate.

    Raises:
        RejectedInput: the file can't be understood.
    """
    table = open_csv(_unzipped(stream), _recognise)
    yield from (_ecb if table.recognition.kind == "ECB" else _simple)(table, reject)


def _recognise(header: Sequence[str]) -> _RateHeader:
    names = _spelt_alike(header)
    cells = [
        next((names.index(one) for one in spellings if one in names), -1)
        for spellings in _SIMPLE.values()
    ]
    missing = [name for name, cell in zip(_SIMPLE, cells, strict=True) if cell < 0]
    if not missing:
        others = [
            one.strip() for one, name in zip(header, names, strict=True) if name in _OTHER_MEANING
        ]
        problem = f"{', '.join(others)} may change what usd_per_unit means" if others else ""
        return _RateHeader(
            "csv",
            tuple(cells),
            len(cells),
            problem,
            "ambiguous_header" if others else "",
            "Give USD for one unit of each currency, and leave that column out" if others else "",
        )
    codes = [one for one in names[1:] if one]
    if names[0] == "date" and len(codes) > 1 and all(map(_CODE.fullmatch, codes)):
        twice = [one.upper() for one, count in Counter(["eur", *codes]).items() if count > 1]
        problem = code = ""
        if "usd" not in codes:
            code, problem = "missing_columns", "rates per euro need the column USD"
        elif twice:
            code, problem = "ambiguous_header", f"duplicate columns: {', '.join(twice)}"
        return _RateHeader("ECB", (), len(names), problem, code, _REMEDY)
    remedy = _REMEDY
    if either_way := [one for one in names if one in _EITHER_WAY]:
        remedy = (
            f"{either_way[0]!r} may be USD for one unit, or units for one USD: name the column "
            f"usd_per_unit, and give USD for one unit. {_REMEDY}"
        )
    return _RateHeader(
        "csv",
        (),
        len(_SIMPLE) - len(missing),
        problem=f"this is not a file of rates: {_lacking(missing)}",
        code="no_header" if len(missing) == len(_SIMPLE) else "missing_columns",
        remedy=remedy,
    )


def _lacking(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing"


def _spelt_alike(header: Sequence[str]) -> list[str]:
    return ["".join(one.split()).replace("_", "").casefold() for one in header]


def _ecb(table: CsvTable[_RateHeader], reject: Reject) -> Iterator[Rate]:
    """Cross rates through the euro: USD for one unit is USD per EUR over units per EUR."""
    codes = [one.upper() for one in _spelt_alike(table.header)]
    dollar = codes.index("USD")
    witness, (least, most) = ("DKK", _KRONER) if "DKK" in codes else ("USD", _DOLLARS)
    witnessed = codes.index(witness)
    days: dict[date, tuple[int, int]] = {}
    for line, fields in table.records():
        if fields is None:
            reject(_problem(line, table.raw, *table.problem))
            continue
        day = _day(fields[0])
        if day is None:
            table.refuse_other_header(line, fields)
            reject(_problem(line, table.raw, "invalid_date", "is not a date", "Date", fields[0]))
            continue
        usd_per_eur = _positive(fields[dollar])
        per_eur = usd_per_eur and _stored(usd_per_eur)
        if not usd_per_eur or not per_eur:
            message = "is not a rate, and every rate of the day needs the dollar's"
            reject(_problem(line, table.raw, "no_dollar_rate", message, "USD", fields[dollar]))
            continue
        per_euro = _positive(fields[witnessed])
        if per_euro is None or not least <= per_euro <= most:
            message = (
                f"is not what a euro is worth, {least} to {most}, so these are rates of another "
                "currency"
            )
            reject(_problem(line, table.raw, "invalid_rate", message, witness, fields[witnessed]))
            continue
        content = hash(tuple(one.strip() for one in fields[1:]))
        first, known = days.setdefault(day, (line, content))
        if known != content:
            reject(_twice(line, table.raw, f"{day}", first))
            continue
        yield Rate(currency="EUR", rate_date=day, usd_per_unit=per_eur, source="ECB")
        for code, text in zip(codes[1:], fields[1:], strict=True):
            if not code or code == "USD" or text.strip() in _NO_RATE:
                continue
            units_per_eur = _positive(text)
            usd = units_per_eur and _stored(_WIDE.divide(usd_per_eur, units_per_eur))
            if usd:
                yield Rate(currency=code, rate_date=day, usd_per_unit=usd, source="ECB")
            else:
                reject(_problem(line, table.raw, "invalid_rate", "is not a rate", code, text))


def _simple(table: CsvTable[_RateHeader], reject: Reject) -> Iterator[Rate]:
    cells = table.recognition.cells
    known: dict[tuple[str, int], tuple[int, Decimal]] = {}
    for line, fields in table.records():
        if fields is None:
            reject(_problem(line, table.raw, *table.problem))
            continue
        code, day_text, rate_text = (fields[cell].strip() for cell in cells)
        major, written, code = major_of(code), code, code.upper()
        day, given = _day(day_text), _positive(rate_text)
        usd = given and _stored(given)
        if major:
            message = f"is a part of {major}: give the rate of {major}"
            reject(_problem(line, table.raw, "unknown_currency", message, "currency", written))
        elif not was_currency(code):
            table.refuse_other_header(line, fields)
            message = "is not an ISO 4217 currency code"
            reject(_problem(line, table.raw, "unknown_currency", message, "currency", code))
        elif day is None:
            message = "is not a date as YYYY-MM-DD"
            reject(_problem(line, table.raw, "invalid_date", message, "rate_date", day_text))
        elif not usd or (code == "USD" and usd != 1):
            message = f"is not an amount of USD for one {code}, such as 1.0842"
            reject(_problem(line, table.raw, "invalid_rate", message, "usd_per_unit", rate_text))
        else:
            first, rate = known.setdefault((code, day.toordinal()), (line, usd))
            if rate != usd:
                reject(_twice(line, table.raw, f"{code} {day}", first))
                continue
            if len(known) > _MOST_RATES:
                raise RejectedInput(
                    f"line {line}: the file has more than {_MOST_RATES:,} rates",
                    code="too_many_rates",
                    step="read_file",
                    remedy="Split it into several files",
                )
            yield Rate(currency=code, rate_date=day, usd_per_unit=usd, source="csv")


def _twice(line: int, raw: str, what: str, first: int) -> Quarantined:
    message = f"{what} has other rates than on line {first}, which counts: correct one of them"
    return _problem(line, raw, "duplicate_rate", message)


def _problem(
    line: int, raw: str, reason: str, message: str, field: str = "", value: str = ""
) -> Quarantined:
    said = f"{field} {value!r} {message}" if field else message
    return Quarantined(
        line=line, reason=reason, field=field, value=value[:1000], message=said, raw=raw
    )


def _day(text: str) -> date | None:
    plain = text.strip()
    if found := _DAY.fullmatch(plain):
        year, month, number = found[1], int(found[3]), found[4]
    elif (found := _DAY_OF_ECB.fullmatch(plain)) and found[2].lower() in _MONTHS:
        year, month, number = found[3], _MONTHS.index(found[2].lower()) + 1, found[1]
    else:
        return None
    try:
        day = date(int(year), month, int(number))
    except ValueError:
        return None
    return day if 1970 <= day.year <= 2100 else None


def _positive(text: str) -> Decimal | None:
    number = text.strip()
    return (Decimal(number) or None) if _NUMBER.fullmatch(number) else None


def _stored(rate: Decimal) -> Decimal | None:
    """The rate as the table stores it; None where it is too large or too small."""
    kept = rounded(rate, DIGITS)
    return kept if 0 < kept < 10**DIGITS else None


def _unzipped(stream: Readable) -> Readable:
    """The CSV in a zip file or of the ECB's XML, or the file itself."""
    head = stream.read(4)
    while len(head) < 4 and (more := stream.read(4 - len(head))):
        head += more
    rest = _After(head, stream)
    if head.removeprefix(b"\xef\xbb\xbf").startswith(b"<"):
        return io.BytesIO(csv_of_ecb(rest))
    if head != b"PK\x03\x04":
        return rest
    # A zip file's directory is at its end: the whole file is read, and must be small.
    archive = bytearray()
    while piece := rest.read(1 << 20):
        archive += piece
        if len(archive) > _LARGEST_ZIP:
            raise _bad_zip(f"it is larger than {_LARGEST_ZIP >> 20} MiB")
    try:
        found = zipfile.ZipFile(io.BytesIO(archive))
        files = [
            one
            for one in found.infolist()
            if one.filename.lower().endswith(".csv") and not why_left_alone(one.filename)
        ]
        if len(files) == 1:
            return _Member(found.open(files[0]))
    except _ZIP_ERRORS as error:
        raise _bad_zip(str(error)) from None
    raise _bad_zip(f"it contains {len(files) or 'no'} CSV file{'s' if files else ''}")


def _bad_zip(why: str) -> RejectedInput:
    return RejectedInput(
        f"the zip file can't be read: {why}",
        code="corrupt_zip",
        step="read_file",
        remedy="Download it again, or drop the CSV file itself",
    )


class _After:
    """A stream that begins with bytes that were read before."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return self._stream.read(size)


class _Member:
    """A file in a zip file, up to a limit: the size that the zip file states is not trusted."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = _LARGEST_CSV

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes.

        Raises:
            RejectedInput: it is damaged or too large.
        """
        try:
            piece = self._file.read(size)
        except _ZIP_ERRORS as error:
            raise _bad_zip(str(error)) from None
        self._left -= len(piece)
        if self._left < 0:
            raise _bad_zip(f"its content is larger than {_LARGEST_CSV >> 20} MiB")
        return piece
