"""The quarantine: CSV files in S3."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from finops.billing.adapters.s3 import Upload
from finops.billing.domain import FileEntry, Quarantined
from finops.shared.spreadsheets import guard

QUARANTINE_PREFIX: Final = "quarantine/"
QUARANTINE_COLUMNS: Final = ("line", "reason", "field", "value", "message", "raw")


class S3Quarantine:
    """`Quarantine` as a CSV file that a spreadsheet can open safely.

    Each load has a key of its own, so a retry overwrites what an earlier attempt left.
    """

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._uri = f"s3://{bucket}/{key}"
        self._upload = Upload(s3, bucket, key)
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._count = 0

    @classmethod
    def open(
        cls, s3: Any, bucket: str, entry: FileEntry, number: int | None = None
    ) -> S3Quarantine:
        """The quarantine of a load: DATASET/LOAD/rows.csv, or NUMBER.csv of a part."""
        name = "rows" if number is None else f"{number:05}"
        return cls(s3, bucket, f"{QUARANTINE_PREFIX}{entry.dataset}/{entry.load_id}/{name}.csv")

    def put(self, row: Quarantined) -> None:
        if not self._count:
            # The byte order mark tells spreadsheets that this is UTF-8.
            self._text.write("\ufeff")
            self._writer.writerow(QUARANTINE_COLUMNS)
        self._count += 1
        self._writer.writerow(
            [
                row.line,
                row.reason,
                row.field,
                guard(row.value),
                guard(row.message),
                guard(row.raw.rstrip("\r\n")),
            ]
        )
        if self._text.tell() > 1 << 16:
            self._flush()

    def close(self) -> str:
        if not self._count:
            return ""
        self._flush()
        self._upload.close()
        return self._uri

    def abandon(self) -> None:
        self._upload.abandon()

    def _flush(self) -> None:
        # Bytes that are not valid text stay visible in the raw line.
        self._upload.write(self._text.getvalue().encode("utf-8", "backslashreplace"))
        self._text.seek(0)
        self._text.truncate()
