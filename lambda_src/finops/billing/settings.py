"""How a deployment loads files: the settings that Terraform passes to the functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from finops.billing.dataset_format import (
    LONGEST_FORMAT,
    DatasetFormat,
    UsedFormat,
    format_document,
    format_key,
    invalid_format,
    used_format,
)
from finops.shared.rates import RatePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How files are loaded.

    Attributes:
        large_file_bytes: Files of this size and more are loaded in parts.
        rates: Which rate converts a bill.
        formats: How datasets write dates and numbers, by dataset.
    """

    large_file_bytes: int
    rates: RatePolicy
    formats: Mapping[str, DatasetFormat]

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Settings:
        """Read the environment that Terraform gives the functions."""
        return cls(
            large_file_bytes=int(variables["LARGE_FILE_BYTES"]),
            rates=RatePolicy.from_variables(variables),
            formats={
                name: DatasetFormat.from_document(name, document)
                for name, document in json.loads(variables["DATASETS"]).items()
            },
        )

    def format_of(self, dataset: str, stored: bytes | None = None) -> UsedFormat | None:
        """The dataset's format; None where none is declared.

        Args:
            dataset: Its name.
            stored: The object `billing/DATASET/_format.json`, whose keys go before the module's.

        Raises:
            RejectedInput: with code `invalid_dataset_format`.
        """
        base = self.formats.get(dataset)
        if stored is None:
            return used_format("datasets", base) if base else None
        key = format_key(dataset)
        document = format_document(stored, key)
        under = base.to_document() if base else {}
        form = DatasetFormat.from_document(key, under | document)
        if len(json.dumps(form.to_document(), ensure_ascii=False).encode()) > LONGEST_FORMAT:
            raise invalid_format(key, [f"has more than {LONGEST_FORMAT:,} bytes with the module's"])
        return used_format(key, form)
