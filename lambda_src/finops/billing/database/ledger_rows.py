"""Rows of the ledger's tables as the domain's types, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from finops.billing.dataset_format import UsedFormat
from finops.billing.domain import FileEntry, FileStatus, SourceObject, Sums, Tally
from finops.shared.errors import ConfigurationError

#: Files whose rows count, files that ended otherwise, and files that may still count: SQL lists.
LOADED: Final = f"('{FileStatus.LOADED}', '{FileStatus.LOADED_WITH_REJECTS}')"
LOST: Final = f"('{FileStatus.FAILED}', '{FileStatus.REJECTED}', '{FileStatus.WITHDRAWN}')"
OPEN: Final = (
    f"('{FileStatus.RECEIVED}', '{FileStatus.LOADING}', '{FileStatus.FAILED}',"
    f" '{FileStatus.WAITING}')"
)
#: A file takes up to 18 KB with its key, quarantine, error and format; an answer holds 1 MiB.
FILES_AT_ONCE: Final = 50


def file_entry(row: Mapping[str, Any]) -> FileEntry:
    """A file from a row of `billing_files`."""
    usd = row["amount_usd"]
    return FileEntry(
        load_id=row["load_id"],
        source=SourceObject(
            bucket=row["bucket"],
            key=row["object_key"],
            version_id=row["version_id"],
            etag=row["etag"],
            size=row["size_bytes"],
            order=row["version_order"],
            principal=row["principal"],
            submitted_by=row["submitted_by"],
            restates=bool(row["restates"]),
            part_of=row["part_of"],
            corrects=row["corrects"],
            leaves_out=bool(row["leaves_out"]),
        ),
        dataset=row["dataset"],
        status=FileStatus(row["status"]),
        schema=row["schema_name"],
        execution=row["execution"],
        tally=Tally(
            read=row["rows_read"],
            inserted=row["rows_inserted"],
            updated=row["rows_updated"],
            unchanged=row["rows_unchanged"],
            superseded=row["rows_superseded"],
            quarantined=row["rows_quarantined"],
            notes=json.loads(row["notes"] or "{}"),
        ),
        amounts=_sums(json.loads(row["amounts"] or "{}")),
        amount_usd=None if usd is None else Decimal(usd),
        quarantine_uri=row["quarantine_uri"],
        content_sha256=row["content_sha256"],
        format=_used(row["used_format"]),
        error=row["error"] or "",
        error_code=row["error_code"],
        received_at=moment(row["received_at"]),
        finished_at=moment(row["finished_at"]),
    )


def _used(text: str | None) -> UsedFormat | None:
    return UsedFormat.from_document(json.loads(text)) if text else None


def format_columns(used: UsedFormat | None) -> dict[str, str | None]:
    """The columns of `billing_files` that say which format a load used."""
    return {
        "used_format": json.dumps(used.to_document(), ensure_ascii=False) if used else None,
        "id_rule": used.id_rule if used else "",
    }


_COUNTS: Final = ("read", "inserted", "updated", "unchanged", "superseded", "quarantined")
_SUMS: Final = ("read_sums", "stored_sums", "kept_sums", "quarantined_sums")


def unknown_load(load_id: int) -> ConfigurationError:
    """The ledger has no such load."""
    return ConfigurationError(
        f"load {load_id} is not in the ledger", code="unknown_load", step="read_ledger"
    )


def tally_text(tally: Tally) -> str:
    """A tally as the JSON document that `billing_chunks` holds."""
    return json.dumps(
        {name: getattr(tally, name) for name in _COUNTS}
        | {name: _texts(getattr(tally, name)) for name in _SUMS}
        | {"amount_usd": f"{tally.amount_usd:f}", "notes": tally.notes}
        | {"periods": sorted(tally.periods), "days": [tally.first_day, tally.last_day]}
    )


def tally_of(text: str) -> Tally:
    """What `tally_text` was given."""
    document = json.loads(text)
    first_day, last_day = document.get("days", ("", ""))
    return Tally(
        first_day=first_day,
        last_day=last_day,
        read_sums=_sums(document["read_sums"]),
        stored_sums=_sums(document["stored_sums"]),
        kept_sums=_sums(document["kept_sums"]),
        quarantined_sums=_sums(document["quarantined_sums"]),
        amount_usd=Decimal(document["amount_usd"]),
        notes=document.get("notes", {}),
        periods={(account, start, name) for account, start, name in document.get("periods", ())},
        **{name: int(document[name]) for name in _COUNTS},
    )


def sums_text(sums: Sums) -> str:
    """Sums by currency as a JSON document."""
    return json.dumps(_texts(sums))


def _texts(sums: Sums) -> dict[str, str]:
    return {currency: f"{amount:f}" for currency, amount in sorted(sums.items())}


def _sums(document: Mapping[str, str]) -> Sums:
    return {currency: Decimal(amount) for currency, amount in document.items()}


def now() -> str:
    """The time as a DATETIME(3) column takes it, UTC."""
    return datetime_text(datetime.now(UTC))


def datetime_text(moment: datetime) -> str:
    """A time in UTC as a DATETIME(3) column takes it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def moment(text: str | None) -> datetime | None:
    """A time from a DATETIME column, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def in_groups(load_ids: Sequence[int]) -> Iterator[str]:
    """The ids of loads as SQL lists, of which each fits a request and its answer."""
    for first in range(0, len(load_ids), FILES_AT_ONCE):
        yield ", ".join(map(str, load_ids[first : first + FILES_AT_ONCE]))
