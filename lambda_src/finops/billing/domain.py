"""The rules of billing files: identity, versions, and how their counts and sums add up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from finops.billing.dataset_format import UsedFormat
from finops.billing.deliveries import without_run
from finops.billing.encodings import ENCODING_NAMES
from finops.billing.period_identity import Period
from finops.shared.errors import RejectedInput
from finops.shared.money import EXACT

BILLING_PREFIX: Final = "billing/"
RATES_PREFIX: Final = "rates/"
#: Metadata of an object by which a person says what it is to other files; see `SourceObject`. Keys
#: are quoted as in URLs, since S3's metadata are ASCII.
RESTATES: Final = "restates"
PART_OF: Final = "part-of"
CORRECTS: Final = "corrects"
LEAVES_OUT: Final = "leaves-out"


class FileStatus(StrEnum):
    """Where a file stands.

    RECEIVED and LOADING files are in progress; of a WAITING file nothing counts until its run of an
    export is whole, and then all of the run does; a FAILED file is retried when its event arrives
    again; a SUPERSEDED file was replaced by another one of its months, or arrived later; a
    WITHDRAWN file was taken back by a person; an IGNORED file holds no bills, by its name.
    """

    RECEIVED = "RECEIVED"
    LOADING = "LOADING"
    WAITING = "WAITING"
    LOADED = "LOADED"
    LOADED_WITH_REJECTS = "LOADED_WITH_REJECTS"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"
    WITHDRAWN = "WITHDRAWN"
    IGNORED = "IGNORED"

    @property
    def is_final(self) -> bool:
        """Whether nothing is left to do when the same event arrives again."""
        return self not in (FileStatus.RECEIVED, FileStatus.LOADING, FileStatus.FAILED)


#: Of files whose rows count.
LOADED: Final = (FileStatus.LOADED, FileStatus.LOADED_WITH_REJECTS)
#: Of files that wait for somebody, until they are settled.
TO_FIX: Final = (FileStatus.LOADED_WITH_REJECTS, FileStatus.REJECTED, FileStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceObject:
    """One version of an S3 object.

    Attributes:
        version_id: Empty in a bucket without versioning.
        etag: Without quotes; distinguishes versions in a bucket without versioning.
        size: Bytes.
        order: Sorts versions of an object, and files of a dataset, by when S3 finished them: the
            event's time, then its sequencer
            (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
        principal: Who wrote the object, from the same event.
        submitted_by: Who dropped it, as its metadata say; the console signs them.
        restates: Whether a person said that it restates the months that it holds, or corrects the
            bills that other files brought.
        part_of: The key of the file that it is a further part of, as a person said; else empty.
        corrects: The `file_id` of the file whose quarantined rows it brings, corrected; else empty.
        leaves_out: Whether a person said that those of them which it lacks are not to be loaded.
    """

    bucket: str
    key: str
    version_id: str
    etag: str
    size: int
    order: str
    principal: str = ""
    submitted_by: str = ""
    restates: bool = False
    part_of: str = ""
    corrects: str = ""
    leaves_out: bool = False

    @property
    def file_id(self) -> str:
        """The same for every delivery of the same version: 32 hexadecimal digits."""
        named = "\0".join((self.bucket, self.key, self.version_id or self.etag))
        return hashlib.sha256(named.encode()).hexdigest()[:32]

    @property
    def key_hash(self) -> str:
        """The same for every version of the object."""
        return hashlib.sha256(f"{self.bucket}/{self.key}".encode()).hexdigest()

    @property
    def object_hash(self) -> str:
        """The beginning of `key_hash`, which a row of the object keeps: 16 hexadecimal digits."""
        return self.key_hash[:16]

    @property
    def dataset(self) -> str:
        """The dataset in which its record ids are unique."""
        return dataset_of(self.key)

    @property
    def uri(self) -> str:
        """Such as `s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


def version_order(event_time: str, sequencer: str) -> str:
    """A key that sorts objects as S3 wrote them: the event's time, then the padded sequencer.

    A sequencer alone compares only events of one key, but a dataset has many.
    """
    return f"{event_time}/{sequencer.zfill(32)}"[:64]


def dataset_of(key: str) -> str:
    """The dataset of an object: its folder, else its name without suffixes.

    `billing/acme/march.csv` belongs to dataset acme, `billing/march.csv.gz` to dataset march.
    Folders that name a partition (`BILLING_PERIOD=2026-01`, as AWS Data Exports writes them) or one
    run of an export are ignored.

    Raises:
        RejectedInput: the name is empty or too long.
    """
    path = PurePosixPath(key.removeprefix(BILLING_PREFIX).removeprefix(RATES_PREFIX))
    folders = [one for one in without_run(path.parts[:-1]) if "=" not in one]
    name = "/".join(folders) or path.name.split(".")[0]
    if not name or len(name) > 128:
        raise RejectedInput(
            f"the key {key!r} has no dataset name of 1 to 128 characters",
            code="invalid_dataset",
            field="key",
            value=key,
            remedy="Put the file into a folder such as billing/acme/",
        )
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A row that was not loaded.

    Attributes:
        line: Number of the physical line on which it begins, from 1.
        reason: A stable, snake_case name.
        field: The column at fault, or empty.
        value: The value of that column.
        message: What is wrong, and what would be right.
        raw: The row's text in the file.
    """

    line: int
    reason: str
    field: str
    value: str
    message: str
    raw: str


#: The note of charges that a file of their month took the place of, while others still count.
REPLACED: Final = "charges_replaced"
#: The note of bills that a file of another name corrected since.
BILLS_REPLACED: Final = "bills_replaced"
#: What a load tells of its rows, by name; their count follows.
NOTES: Final = {
    "also_in_another_file": "Bills that another file of the dataset brought before, with the same "
    "values: each counts once",
    BILLS_REPLACED: "Bills that another file corrected, which count as that file has them",
    REPLACED: "Charges of months that another file restated, which count no more",
    "corrected": "Bills that were loaded before, and are corrected",
    "hidden_rows": "Rows that are hidden in the sheet, which are loaded like the others",
    "lines_above_header": "Lines above the header, which are left out",
    "not_utf_8": "Lines that are not UTF-8, read as Windows-1252 (save the file as UTF-8)",
    **{
        f"read_as_{encoding}": f"Lines that are not UTF-8, read as {name} (save the file as UTF-8)"
        for encoding, name in ENCODING_NAMES.items()
        if encoding != "cp1252"
    },
    "hashed_ids": "Bills whose id is the hash of the columns that the format names in id_from",
    "other_sheets": "Sheets of the workbook that are not read: hidden, or without such a header",
    "rates_kept": "Rates that stay, since a source that goes before this one gave them, or a newer "
    "file",
    "rates_replaced": "Rates of another source that are replaced",
    "rounded": "Numbers with more digits than are kept, rounded half up",
    "static_rate": "Rows converted by a static rate",
    "tags_left_out": "Rows loaded without their tags, which the quarantine shows",
}


def guess_notes(guessed: Mapping[str, int]) -> Notes:
    """Lines that are not UTF-8, by note."""
    return {
        "not_utf_8" if encoding == "cp1252" else f"read_as_{encoding}": count
        for encoding, count in guessed.items()
    }


Sums = dict[str, Decimal]
Notes = dict[str, int]


def add_notes(notes: Notes, further: Mapping[str, int]) -> None:
    """Add counts by note; a count of 0 is none."""
    for name, count in further.items():
        if count:
            notes[name] = notes.get(name, 0) + count


def add_amounts(sums: Sums, further: Mapping[str, Decimal]) -> None:
    """Add amounts by currency, exactly."""
    for currency, amount in further.items():
        sums[currency] = EXACT.add(sums.get(currency, Decimal(0)), amount)


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of rows, and exact sums of their amounts by original currency.

    Attributes:
        superseded: How many of the unchanged rows a newer file had already written.
        read_sums: Amounts in the file, of all rows that could be read.
        stored_sums: Amounts in the database, of the rows inserted or updated.
        kept_sums: Amounts of the unchanged rows.
        quarantined_sums: Amounts of rows that could be read but were quarantined.
        amount_usd: USD in the database, of the rows inserted, updated or unchanged.
        notes: Counts by the names of `NOTES`.
        periods: The billing periods of its rows, where rows have no identity.
        first_day: The first day of its rows, where they have one: YYYY-MM-DD; else empty.
        last_day: The last one.
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0
    quarantined: int = 0
    read_sums: Sums = field(default_factory=dict)
    stored_sums: Sums = field(default_factory=dict)
    kept_sums: Sums = field(default_factory=dict)
    quarantined_sums: Sums = field(default_factory=dict)
    amount_usd: Decimal = Decimal(0)
    notes: Notes = field(default_factory=dict)
    periods: set[Period] = field(default_factory=set)
    first_day: str = ""
    last_day: str = ""

    def add_days(self, days: Sequence[str]) -> None:
        """Take the days of further rows; an empty one is none."""
        known = sorted({self.first_day, self.last_day, *days} - {""})
        if known:
            self.first_day, self.last_day = known[0], known[-1]

    def add(self, other: Tally) -> None:
        """Add the counts and sums of another part of the file."""
        self.read += other.read
        self.inserted += other.inserted
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.superseded += other.superseded
        self.quarantined += other.quarantined
        self.amount_usd = EXACT.add(self.amount_usd, other.amount_usd)
        add_amounts(self.read_sums, other.read_sums)
        add_amounts(self.stored_sums, other.stored_sums)
        add_amounts(self.kept_sums, other.kept_sums)
        add_amounts(self.quarantined_sums, other.quarantined_sums)
        add_notes(self.notes, other.notes)
        self.periods |= other.periods
        self.add_days((other.first_day, other.last_day))

    def imbalance(self) -> str:
        """What does not add up; empty where everything does."""
        accounted = self.inserted + self.updated + self.unchanged + self.quarantined
        if accounted != self.read:
            return (
                f"{self.read} rows were read, but {accounted} are accounted for: inserted "
                f"{self.inserted}, updated {self.updated}, unchanged {self.unchanged}, "
                f"quarantined {self.quarantined}"
            )
        held: Sums = {}
        for sums in (self.stored_sums, self.kept_sums, self.quarantined_sums):
            add_amounts(held, sums)
        for currency in sorted(held.keys() | self.read_sums.keys()):
            read, found = self.read_sums.get(currency, 0), held.get(currency, 0)
            if read != found:
                return f"{currency} {read} was read, but {found} is accounted for"
        return ""

    @property
    def holds_rows(self) -> bool:
        """Whether any row is in the database."""
        return bool(self.inserted or self.updated or self.unchanged)

    @property
    def status(self) -> FileStatus:
        """The file's status once this is committed."""
        return FileStatus.LOADED_WITH_REJECTS if self.quarantined else FileStatus.LOADED


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """The ledger's entry for one version of a file.

    Attributes:
        execution: How many executions of the workflow have been started for it.
        amounts: Amounts read, by original currency.
        amount_usd: USD of its rows in the database; None until it is loaded.
        format: The format that the load used; None where none was declared or built in.
    """

    load_id: int
    source: SourceObject
    dataset: str
    status: FileStatus
    schema: str = ""
    execution: int = 0
    tally: Tally
    amounts: Sums
    amount_usd: Decimal | None = None
    quarantine_uri: str = ""
    content_sha256: str = ""
    format: UsedFormat | None = None
    error: str = ""
    error_code: str = ""
    received_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def id_rule(self) -> str:
        """What the ids of its bills are made of; see `UsedFormat.id_rule`."""
        return self.format.id_rule if self.format else ""

    @property
    def replaces(self) -> bool:
        """Whether it corrects what other files brought: a person, or its format, says so."""
        return self.source.restates or (self.format is not None and self.format.format.replace)

    @property
    def lost_rows(self) -> bool:
        """Whether another file took the place of some of its rows, by the notes of the ledger."""
        return bool(self.tally.notes.keys() & {REPLACED, BILLS_REPLACED})

    @property
    def is_settled(self) -> bool:
        """Whether it is final, or has failed and waits for a retry."""
        return self.status.is_final or self.status is FileStatus.FAILED

    def is_same_attempt(self, failed: FileEntry | None) -> bool:
        """Whether the ledger still says what it said of an attempt that failed."""
        return failed is not None and (self.status, self.finished_at) == (
            failed.status,
            failed.finished_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedBill:
    """A loaded bill with the rate that converted it.

    Attributes:
        amount: In `currency`.
        amount_usd: As stored in the database.
        usd_per_unit: The rate of `rate_date`.
        rate_source: Such as `ECB`; empty where the bill was loaded before sources were kept.
    """

    record_id: str
    currency: str
    bill_date: date
    amount: Decimal
    amount_usd: Decimal
    usd_per_unit: Decimal
    rate_date: date
    rate_source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconversion:
    """Bills of a dataset that were converted again: who asked, why, and what it changed.

    Attributes:
        first_day: First bill date.
        last_day: Last bill date, included.
        requested_at: UTC.
        usd_before: Sum over the bills that changed, with the old rates.
        usd_after: The same, with the new rates.
    """

    dataset: str
    first_day: date
    last_day: date
    requested_by: str
    requested_at: datetime
    reason: str
    rows_changed: int
    usd_before: Decimal
    usd_after: Decimal
