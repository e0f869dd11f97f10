"""What each owner and each value of a tag cost: a part of a report, with a page for each."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from finops.reconciliation.domain import UnitStatus

#: The folder beside the report that the pages are in.
FOLDER: Final = "showback"
_LONGEST_SLUG: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowbackUnit:
    """A business unit of an owner; the last one of many may sum up others.

    Attributes:
        is_whole: Whether all of the unit is this owner's. A part of a unit has no budget, forecast
            or status of its own, since those are for the whole unit.
    """

    unit: str
    is_whole: bool
    actual: Decimal
    previous: Decimal
    change: Decimal
    budget: Decimal | None
    variance: Decimal | None
    forecast: Decimal | None
    status: UnitStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowbackLine:
    """A service or an account; the last one of many may sum up others.

    Attributes:
        item: The service, or the account's id.
        name: The account's name.
    """

    item: str
    name: str
    actual: Decimal
    previous: Decimal
    change: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an owner, or a value of a tag, cost in the month; a page of its own.

    Attributes:
        name: Empty for what has no owner, or not the tag.
        page: The file's name, beside the others in the folder `showback`.
        actual: Without excluded categories, as in all of the report.
        share_pct: Of all costs.
        budget: Of the owner's units that have one; None where none has, and of a tag's value.
        variance: Of these units: costs less budgets.
        forecast: Of an open month, where all of the owner's units are whole.
        forecast_variance: Of the units with a budget, by forecast.
        units: None of a tag's value.
    """

    name: str
    page: str
    actual: Decimal
    previous: Decimal
    change: Decimal
    change_pct: Decimal | None
    share_pct: Decimal | None
    budget: Decimal | None = None
    variance: Decimal | None = None
    variance_pct: Decimal | None = None
    forecast: Decimal | None = None
    forecast_variance: Decimal | None = None
    units: tuple[ShowbackUnit, ...] = ()
    services: tuple[ShowbackLine, ...] = ()
    accounts: tuple[ShowbackLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Showback:
    """All costs of the month by owner, or by the values of a tag.

    Attributes:
        by: `owner` or `tag`.
        tag: The tag's key.
        statements: The largest first; what has no owner, or not the tag, is the last one.
        others: Owners or values beyond the largest, which have no page: one line together.
        other_count: How many they are.
    """

    by: str
    tag: str
    statements: tuple[Statement, ...]
    others: ShowbackLine | None = None
    other_count: int = 0

    @property
    def title(self) -> str:
        """What its tables are by."""
        return "owner" if self.by == "owner" else f"tag {self.tag}"

    def named(self, statement: Statement) -> str:
        """What the statement is of, for people."""
        return statement.name or ("No owner" if self.by == "owner" else "Not tagged")


def page_name(by: str, tag: str, name: str) -> str:
    """The file of a statement: safe in any file system and address, and another for each name.

    Names that differ in case only are different ones, which some file systems take for the same:
    so a hash is in it.
    """
    told_apart = hashlib.sha256(json.dumps([by, tag, name]).encode()).hexdigest()[:10]
    words = [by, *([_slug(tag)] if tag else []), _slug(name) if name else "none", told_apart]
    return "-".join(filter(None, words)) + ".html"


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST_SLUG].strip("-")
