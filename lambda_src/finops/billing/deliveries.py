"""Which files a provider wrote together, by their keys, and which of two is newer.

FOCUS charges have no ids. What identifies them is provider, billing account and billing period, so
of two files of one period only one counts, unless both are certainly parts of one delivery.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import PurePosixPath
from typing import Final

from finops.billing.period_identity import Period, identity_of

#: The folder of one run of an export, by its UUID. AWS Data Exports that "create new" write
#: EXPORT/data/BILLING_PERIOD=2026-03/TIME-UUID/NAME-00001.csv.gz, Azure writes
#: EXPORT/20260301-20260331/UUID/part_0_0001.csv, with or without a folder of the run's time:
#: https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html
_RUN: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TIME: Final = re.compile(r"\d{10,14}", re.ASCII)
#: The first and the last day of what a run holds.
_RANGE: Final = re.compile(r"((?:19|20)\d{6})-((?:19|20)\d{6})", re.ASCII)
#: The digits of a day and the time of it, to the hour, the minute, the second or less.
_DAY_AND_TIME: Final = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])\d{0,13}", re.ASCII
)
#: A time with the difference of its zone from UTC.
_ZONED: Final = re.compile(
    r"\d{4}-?\d\d-?\d\dT\d\d(?::?\d\d(?::?\d\d)?)?[+-]\d\d:?\d\d(?!\d)", re.ASCII
)
#: The number of a part at the end of a name, as programs write it: OCI's and AWS's five digits,
#: BigQuery's twelve, Redshift's slices, or whatever follows the word part. All other numbers may be
#: days, times or versions: two exports of one month, which do not add up.
_PART: Final = re.compile(
    r"(?P<oci>^000\d{13}-00\d{3})$"
    r"|(?:^|[-_.])(?P<five>00\d{3})$"
    r"|(?<!\d)(?P<twelve>0{5}\d{7})$"
    r"|(?<!\d)(?P<slice>\d{4}_part_\d{2,3})$"
    r"|(?:^|[-_. (])(?:part|chunk)[-_. ]?(?P<word>\d{1,3}(?:_\d{1,5})?)\)?$",
    re.ASCII | re.IGNORECASE,
)
#: What Spark calls the parts of one write: by its UUID, or on Databricks by the transaction's id.
#: https://github.com/apache/spark/blob/master/core/src/main/scala/org/apache/spark/internal/io/HadoopMapReduceCommitProtocol.scala
_WRITE: Final = re.compile(
    rf"part-(?P<part>\d{{5,}})-(?:(?P<tid>tid-\d+)-)?(?P<uuid>{_RUN.pattern})[-\d]*?"
    r"(?:-c(?P<file>\d{3,}))?",
    re.ASCII | re.IGNORECASE,
)
#: OCI writes the files of a day into a folder of it: FOCUS Reports/2026/03/31/.
_OCI_DAY: Final = re.compile(r"((?:.*/)?FOCUS Reports)/\d{4}/\d\d/\d\d", re.ASCII)
_SUFFIXES: Final = re.compile(
    r"(?:\.(?:csv|txt|tsv|gz|zip|xlsx|parquet|snappy|gzip|zstd)){1,4}$", re.IGNORECASE
)


class Relation(Enum):
    """What a file is to another one of the same month, as far as it is certain."""

    PART = auto()
    NEWER = auto()
    OLDER = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What an object's key says of the files that were written together.

    Attributes:
        export: The folder that holds the runs, or the ranges of days, of an export; else empty.
        run: The folder of its run; else empty.
        name: What the keys of the parts of one delivery have in common.
        part: Which part of it this is; empty where it has no number.
        time: When the run began, as its folders say: the digits of a day and a time; else empty.
        days: The first and the last day of its range, as the folder says: YYYYMMDD; else empty.
        may_be_serial: Whether the part's number may as well be that of an export among others.
    """

    export: str
    run: str = ""
    name: str
    part: str = ""
    time: str = ""
    days: tuple[str, str] = ("", "")
    may_be_serial: bool = False

    @property
    def is_first(self) -> bool:
        """Whether it is a part with the number from which parts are counted."""
        return self.part in ("0", "1")

    @property
    def has_scope(self) -> bool:
        """Whether it is a run with a time, and its folders say of which days, or of which month."""
        return bool(self.run and self.time and (any(self.days) or "=" in self.export))

    @property
    def whole(self) -> str:
        """What names all files that are one version: the run, else the delivery."""
        return self.run or self.name

    @property
    def prefix(self) -> str:
        """How the keys of all its files begin."""
        return f"{self.run or self.name.rpartition('/')[0]}/"

    @property
    def has_parts(self) -> bool:
        """Whether other files may belong to it."""
        return bool(self.run or self.part)


def delivery_of(key: str, part_of: str = "") -> Delivery:
    """The delivery of an object.

    Args:
        key: Of the object.
        part_of: The key of the file that it is declared to be a further part of.
    """
    if part_of:
        root = delivery_of(part_of)
        return Delivery(
            export=root.export, run=root.run, name=root.name, part=key, time=root.time,
            days=root.days,
        )  # fmt: skip
    path = PurePosixPath(key)
    folders = path.parts[:-1]
    export, run, time, days = "", "", "", ("", "")
    first = len(folders)
    if found := _run(folders):
        first = found[0]
        run = "/".join(folders[: found[1]])
        export = "/".join(folders[:first])
        time = _time("-".join(folders[first : found[1]]))
    if first > 1 and (ranged := _RANGE.fullmatch(folders[first - 1])):
        export, days = "/".join(folders[: first - 1]), (ranged[1], ranged[2])
    name, part, style = _named(path, folders)
    # AWS's parts lie in the folder of a run, or of a period.
    is_plain = not run and not any("=" in one for one in folders)
    return Delivery(
        export=export, run=run, name=name, part=part, time=time, days=days,
        may_be_serial=style == "five" and is_plain,
    )  # fmt: skip


def as_serial(delivery: Delivery) -> Delivery:
    """The delivery of a file whose number is that of an export among others: it has no parts."""
    return replace(delivery, name=f"{delivery.name}-{delivery.part}", part="", may_be_serial=False)


def _named(path: PurePosixPath, folders: tuple[str, ...]) -> tuple[str, str, str]:
    """The name of a delivery, which part of it the object is, and how its number is written."""
    stem = _SUFFIXES.sub("", path.name)
    # A month as CSV and as Parquet is the same month twice, not two parts of it.
    kind = path.name[len(stem) :].lower()
    folder = "/".join(folders)
    part = style = ""
    if write := _WRITE.fullmatch(stem):
        stem = (write["tid"] or write["uuid"]).lower()
        part = f"{int(write['part'])}-{int(write['file'] or 0)}"
    elif number := _PART.search(stem):
        style = str(number.lastgroup)
        digits = re.findall(r"\d+", number[style])
        part = "-".join(str(int(one)) for one in digits)
        # The number in another style, or none, is another delivery.
        stem = f"{stem[: number.start(style)]}#{style}"
        if style == "oci" and (day := _OCI_DAY.fullmatch(folder)):
            folder = day[1]
    return f"{folder}/{stem}{kind}", part, style


def relation(mine: Delivery, theirs: Delivery) -> Relation:
    """What a file is to another one of the same month, by their keys."""
    if mine.name == theirs.name:
        return Relation.PART if mine.part != theirs.part else Relation.UNKNOWN
    if not mine.export or mine.export != theirs.export or mine.run == theirs.run != "":
        return Relation.UNKNOWN
    if mine.days != theirs.days:
        if not all((*mine.days, *theirs.days)):
            return Relation.UNKNOWN
        if mine.days[1] < theirs.days[0] or theirs.days[1] < mine.days[0]:
            return Relation.PART
    later = later_run(mine, theirs)
    if later is None or not (covers(mine, theirs) if later else covers(theirs, mine)):
        return Relation.UNKNOWN
    return Relation.NEWER if later else Relation.OLDER


def is_same_scope(mine: Delivery, theirs: Delivery) -> bool:
    """Whether two runs of an export hold the same by their keys: a month's folder, or days.

    The newer one then counts whole, and nothing of the older one.
    """
    are_two = mine.run != theirs.run and mine.export == theirs.export
    return are_two and mine.has_scope and theirs.has_scope and mine.days == theirs.days


def covers(one: Delivery, other: Delivery) -> bool:
    """Whether the range of days of a delivery holds that of another one."""
    return one.days[0] <= other.days[0] and other.days[1] <= one.days[1]


def later_run(one: Delivery, other: Delivery) -> bool | None:
    """Whether a run of an export is later than another one; None where folders do not say so."""
    if not one.time or len(one.time) != len(other.time) or one.time == other.time:
        return None
    return one.time > other.time


def _time(folder: str) -> str:
    text = _RUN.sub("", folder)
    if zoned := _ZONED.search(text):
        try:
            utc = datetime.fromisoformat(zoned[0]).astimezone(UTC)
        except (ValueError, OverflowError):
            return ""
        text = text.replace(zoned[0], utc.strftime("%Y%m%d%H%M%S"))
    digits = re.sub(r"\D", "", text)
    return digits if _DAY_AND_TIME.fullmatch(digits) else ""


def without_run(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The folders of an export, without those of a run and of its range of days."""
    run = _run(folders)
    if not run:
        return folders
    kept = folders[: run[0]]
    return kept[:-1] if _RANGE.fullmatch(kept[-1]) and len(kept) > 1 else kept


def _run(folders: tuple[str, ...]) -> tuple[int, int] | None:
    """Where the folders of a run begin, and where they end."""
    last = next((at for at, one in enumerate(folders) if _RUN.search(one)), 0)
    first = last
    while first > 1 and _TIME.fullmatch(folders[first - 1]):
        first -= 1
    return (first, last + 1) if last else None


def files_of_manifest(key: str, named: Iterable[str]) -> dict[str, set[str]]:
    """The names of files by the folder of the run to which a manifest says that they belong.

    A copy of an export lies elsewhere, but in the same order: Azure writes the manifest beside its
    files, AWS Data Exports into `metadata`, beside `data`. Files of no run are left out.

    Args:
        key: The manifest's.
        named: The files as it names them: URIs or keys.
    """
    folders = PurePosixPath(key).parts[:-1]
    found: dict[str, set[str]] = {}
    for one in named:
        parts = PurePosixPath(one.partition("://")[2] or one).parts
        folder = folders
        if "metadata" in folders and "data" in parts:
            at = len(folders) - 1 - folders[::-1].index("metadata")
            inside = len(parts) - 1 - parts[::-1].index("data")
            folder = (*folders[:at], *parts[inside:-1])
        run = "/".join(folder)
        if parts and run and delivery_of(f"{run}/{parts[-1]}").run == run:
            found.setdefault(run, set()).add(parts[-1])
    return found


def shared_periods(some: Iterable[Period], others: AbstractSet[Period]) -> list[Period]:
    """The periods that are among the others as well, however these spell them.

    An empty provider may be any.
    """
    providers: dict[tuple[str, str], set[str]] = {}
    for other in map(identity_of, others):
        providers.setdefault(other[:2], set()).add(other.provider)

    def is_shared(period: Period) -> bool:
        mine = identity_of(period)
        theirs = providers.get(mine[:2])
        return theirs is not None and (not mine.provider or "" in theirs or mine.provider in theirs)

    return sorted(filter(is_shared, some))
