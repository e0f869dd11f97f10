"""How a deployment loads files: the settings that Terraform passes to the functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from finops.billing.rows import DatasetFormat
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

    def format_of(self, dataset: str) -> DatasetFormat:
        """The dataset's format; the strict one where none is set."""
        return self.formats.get(dataset) or DatasetFormat()
