"""Which files a provider wrote together, by their keys, and what a file of a period replaces.

FOCUS charges have no ids. What identifies them is provider, billing account and billing period, so
of two files of one period only one counts, unless they are parts of one delivery.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from finops.billing.period_identity import Period, identity_of

#: The folder of one run of an export, by its UUID. AWS Data Exports that "create new" write
#: EXPORT/data/BILLING_PERIOD=2026-03/TIME-UUID/NAME-00001.csv.gz, Azure writes
#: EXPORT/20260301-20260331/UUID/part_0_0001.csv, with or without a folder of the run's time:
#: https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html
_RUN: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TIME: Final = re.compile(r"\d{10,14}", re.ASCII)
_RANGE: Final = re.compile(r"\d{8}-\d{8}", re.ASCII)
#: The digits of a day and the time of it, to the hour, the minute, the second or less.
_DAY_AND_TIME: Final = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])\d{0,13}", re.ASCII
)
#: The number of a part at the end of a name. Without zeros before it, it may as well be a day or a
#: count of seconds: two exports of one month, which do not add up.
_PART: Final = re.compile(
    r"(?:^|[-_.])(?:00\d{2,}|(?:part|chunk)[-_.]?\d{1,5}(?:_\d{1,5})?)$", re.ASCII | re.IGNORECASE
)
#: A day and the time of it, such as 20260401-0030, at the end of a name.
_MOMENT: Final = re.compile(r"(?:19|20)\d\d-?\d\d-?\d\d[-_.T]\d{4}(?:\d\d)?$", re.ASCII)
#: What Spark calls the parts of one write: by its UUID, or on Databricks by the transaction's id.
#: https://github.com/apache/spark/blob/master/core/src/main/scala/org/apache/spark/internal/io/HadoopMapReduceCommitProtocol.scala
_WRITE: Final = re.compile(
    rf"part-\d{{5,}}-(?:(tid-\d+)-|({_RUN.pattern})).{{0,80}}", re.ASCII | re.IGNORECASE
)
_SUFFIXES: Final = re.compile(
    r"(?:\.(?:csv|txt|tsv|gz|zip|xlsx|parquet|snappy|gzip|zstd)){1,4}$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The files that were written together.

    Attributes:
        export: The folder that holds the runs of the export; empty where there are no runs.
        name: What the keys of these files have in common.
        time: When the run began, as its folders say: the digits of a day and a time; else empty.
    """

    export: str
    name: str
    time: str = ""


def delivery_of(key: str) -> Delivery:
    """The delivery of an object: its run of an export, else its name without a part's number."""
    path = PurePosixPath(key)
    folders = path.parts[:-1]
    run = _run(folders)
    if run:
        return Delivery(
            export="/".join(folders[: run[0]]),
            name="/".join(folders[: run[1]]),
            time=_time("-".join(folders[run[0] : run[1]])),
        )
    stem = _SUFFIXES.sub("", path.name)
    # A month as CSV and as Parquet is the same month twice, not two parts of it.
    kind = path.name[len(stem) :].lower()
    if write := _WRITE.fullmatch(stem):
        return Delivery(export="", name="/".join((*folders, (write[1] or write[2]).lower() + kind)))
    while not _MOMENT.search(stem) and (shorter := _PART.sub("", stem)) != stem:
        stem = shorter
    return Delivery(export="", name="/".join((*folders, stem + kind)))


def later_run(one: Delivery, other: Delivery) -> bool | None:
    """Whether a run of an export is later than another one; None where folders do not say so."""
    if not one.time or len(one.time) != len(other.time) or one.time == other.time:
        return None
    return one.time > other.time


def _time(folder: str) -> str:
    digits = re.sub(r"\D", "", _RUN.sub("", folder))
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


def is_manifest(key: str) -> bool:
    """Whether an object lists the files of an export, and holds no charges."""
    return PurePosixPath(key).name.lower().endswith("manifest.json")


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
