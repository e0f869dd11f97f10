"""How a file is written, and what its dataset declares of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from finops.billing.encodings import ALL_ENCODINGS


class HeaderMatch(Protocol):
    """How a header was recognised; see `finops.billing.schemas.Recognition`."""

    @property
    def score(self) -> int:
        """How many of its columns are known."""

    @property
    def problem(self) -> str:
        """Why it can't be used, or empty."""

    @property
    def code(self) -> str:
        """A stable name for the problem."""

    @property
    def remedy(self) -> str:
        """What to do about it."""


Match = TypeVar("Match", bound=HeaderMatch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a file is written.

    Attributes:
        encoding: `utf-8` (single lines may be in another one), `utf-8-sig` (they may not),
            `utf-16-le` or `utf-16-be`.
        compressed: Whether it is gzip.
        declared: The encoding that its dataset declares, from which it is read as UTF-8; or empty.
        plausible: The encodings that lines of it may have that are not UTF-8.
        sheet: The sheet of the workbook that is read, as text; empty of other files.
        is_parquet: Whether it is a Parquet file, which is read as text.
        decimal_comma: How numbers are written in that text.
    """

    encoding: str
    delimiter: str
    compressed: bool
    declared: str = ""
    plausible: tuple[str, ...] = ()
    sheet: str = ""
    is_parquet: bool = False
    decimal_comma: bool = False

    @property
    def is_as_stored(self) -> bool:
        """Whether offsets count the bytes of the object, so that a part can be read from it."""
        return not (self.compressed or self.declared or self.sheet or self.is_parquet)

    def to_document(self) -> dict[str, Any]:
        """As a JSON document."""
        document: dict[str, Any] = {
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "compressed": self.compressed,
        }
        if self.declared:
            document["declared"] = self.declared
        if self.plausible != _possible(self.encoding):
            document["plausible"] = [*self.plausible]
        if self.sheet or self.is_parquet:
            document |= {
                "sheet": self.sheet,
                "is_parquet": self.is_parquet,
                "decimal_comma": self.decimal_comma,
            }
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Format:
        """The format from what `to_document` returned."""
        plausible = document.get("plausible", _possible(document["encoding"]))
        return cls(**{**document, "plausible": tuple(plausible)})


def _possible(encoding: str) -> tuple[str, ...]:
    """The encodings that lines may have of which nothing is known."""
    return ALL_ENCODINGS if encoding == "utf-8" else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a dataset declares of how its files are written; what is empty shows by the file.

    Attributes:
        encoding: By Python's name; a byte order mark goes before it.
        skip_lines: Lines above the header.
        sheet: The sheet of a workbook.
        decimal_comma: How amounts are written; a workbook's numbers are written alike.
        date_formats: How days are written, besides the forms that are known.
    """

    delimiter: str = ""
    encoding: str = ""
    skip_lines: int = 0
    sheet: str = ""
    decimal_comma: bool = False
    date_formats: tuple[str, ...] = ()


#: Nothing is declared.
AS_IT_SHOWS: Final = Layout()
