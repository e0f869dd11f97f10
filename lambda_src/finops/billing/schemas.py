"""The shapes of files that can be loaded, declared once: reading, writing and tables follow.

`BILLING` is this project's own; `FOCUS` takes what versions 1.0 to 1.3 of the FinOps Open Cost and
Usage Specification (https://focus.finops.org/focus-specification/) have in common and what this
project uses of the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Final


class Kind(Enum):
    """What a column holds. The times of a billing period are midnights."""

    TEXT = auto()
    DATE = auto()
    TIMESTAMP = auto()
    PERIOD = auto()
    DECIMAL = auto()
    CURRENCY = auto()
    JSON = auto()


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a file, and of the table that it is loaded into.

    Attributes:
        name: In the table.
        header: In the file, as its standard spells it; `name` where empty.
        aliases: Other headers that mean the same.
        in_header: Whether a file without it is refused.
        filled: Whether a row without a value is quarantined.
        length: Characters that fit, of a text.
        in_file: Whether a header can name it; otherwise it is made of other columns.
        instead: The column of the standard's newer version that counts where the file, or a row,
            has none.
        before: Its header in a preview of the standard, which counts where the file has no other.
    """

    name: str
    kind: Kind = Kind.TEXT
    header: str = ""
    aliases: tuple[str, ...] = ()
    in_header: bool = True
    filled: bool = False
    length: int = 255
    in_file: bool = True
    instead: str = ""
    before: str = ""

    @property
    def title(self) -> str:
        """The header as messages name it."""
        return self.header or self.name


@dataclass(frozen=True, kw_only=True)
class Schema:
    """One kind of file and its table.

    Attributes:
        table: The table that rows go to.
        key: The column that identifies a row in its dataset. Where it is empty, rows have no
            identity, and a file replaces its own earlier version.
        amount: The column that sums are checked by, in the currency of `currency`.
        day: The column whose date selects the exchange rate.
        usd: (column, its USD column) of each amount that is converted; the first is `amount`.
        digits: Digits before the point that the table's amounts have.
        decimals: Digits after it.
        nulls: Texts that mean no value, like an empty cell.
        period: Columns of billing account, start of the billing period and provider, by which a
            file without row identities replaces another.
        exponents: Whether numbers such as 1.5E-7 are allowed, as FOCUS allows them.
    """

    name: str
    table: str
    columns: tuple[Column, ...]
    key: str = ""
    amount: str
    currency: str
    day: str
    usd: tuple[tuple[str, str], ...]
    digits: int
    decimals: int
    nulls: frozenset[str] = frozenset()
    period: tuple[str, ...] = ()
    exponents: bool = False

    @cached_property
    def by_header(self) -> dict[str, int]:
        """Position of a column by each of its normalised headers."""
        return {
            spelling: index
            for index, column in enumerate(self.columns)
            if column.in_file
            for spelling in map(spelt_alike, (column.title, column.name, *column.aliases))
        }


@dataclass(frozen=True, slots=True)
class Recognition:
    """Which schema a header matches.

    Attributes:
        schema: The best match.
        cells: For each column, the index of its cell in a record; None where the file lacks it.
        score: How many columns were found.
        problem: Why a file with this header can't be loaded, or empty.
        code: A stable name for the problem.
        remedy: What to do about it.
        instead: (column, cell) of columns in whose place another cell counts where theirs is empty.
        id_cells: The cells whose hash is a row's id; none where a cell has it.
    """

    schema: Schema
    cells: tuple[int | None, ...]
    score: int
    problem: str = ""
    code: str = ""
    remedy: str = ""
    instead: tuple[tuple[int, int], ...] = ()
    id_cells: tuple[int, ...] = ()


BILLING: Final = Schema(
    name="billing",
    table="billing_rows",
    key="record_id",
    amount="bill_amount",
    currency="currency",
    day="bill_date",
    usd=(("bill_amount", "amount_usd"),),
    digits=14,
    decimals=6,
    columns=(
        Column(name="record_id", aliases=("id", "record"), filled=True, length=128),
        Column(
            name="company_name", aliases=("company", "customer", "customer_name"), in_header=False
        ),
        Column(name="country", in_header=False),
        Column(name="city", in_header=False),
        Column(name="product_line", aliases=("product",), in_header=False),
        Column(name="item", aliases=("item_name", "description"), in_header=False),
        Column(name="bill_date", kind=Kind.DATE, aliases=("date", "billing_date"), filled=True),
        Column(name="currency", kind=Kind.CURRENCY, aliases=("currency_code", "ccy"), filled=True),
        Column(
            name="bill_amount", kind=Kind.DECIMAL, aliases=("amount", "billed_amount"), filled=True
        ),
        # Columns of the file that its format keeps, as a JSON object.
        Column(name="extra", kind=Kind.JSON, in_header=False, in_file=False, length=65_535),
    ),
)

_TITLE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _focus(
    header: str,
    kind: Kind = Kind.TEXT,
    *,
    needed: bool = False,
    filled: bool = False,
    length: int = 255,
    instead: str = "",
    before: str = "",
) -> Column:
    name = _TITLE.sub("_", header).lower()
    return Column(
        name=name, header=header, kind=kind, in_header=needed, filled=filled, length=length,
        instead=instead, before=before,
    )  # fmt: skip


FOCUS: Final = Schema(
    name="focus",
    table="focus_charges",
    amount="billed_cost",
    currency="billing_currency",
    day="charge_period_start",
    usd=(("billed_cost", "billed_cost_usd"), ("effective_cost", "effective_cost_usd")),
    digits=18,
    decimals=18,
    # The sample data that FOCUS publishes writes NULL.
    nulls=frozenset({"NULL", "null"}),
    period=("billing_account_id", "billing_period_start", "provider_name"),
    exponents=True,
    columns=(
        _focus("BilledCost", Kind.DECIMAL, needed=True, filled=True),
        _focus("EffectiveCost", Kind.DECIMAL, needed=True, filled=True),
        # FOCUS requires values here too, but its own sample data leaves some empty, and a charge
        # that was billed must not be left out for that.
        _focus("ListCost", Kind.DECIMAL, needed=True),
        # OCI writes FOCUS 1.0-preview, which had none, and other names of three columns:
        # https://docs.oracle.com/en-us/iaas/Content/Billing/Concepts/costusagereportsoverview.htm
        _focus("ContractedCost", Kind.DECIMAL),
        _focus("BillingCurrency", Kind.CURRENCY, needed=True, filled=True),
        _focus("BillingPeriodStart", Kind.PERIOD, needed=True, filled=True),
        _focus("BillingPeriodEnd", Kind.PERIOD, needed=True, filled=True),
        _focus("ChargePeriodStart", Kind.TIMESTAMP, needed=True, filled=True),
        _focus("ChargePeriodEnd", Kind.TIMESTAMP, needed=True, filled=True),
        _focus("BillingAccountId", needed=True, filled=True),
        _focus("BillingAccountName"),
        _focus("SubAccountId"),
        _focus("SubAccountName"),
        _focus("ServiceName", needed=True, filled=True),
        _focus("ServiceCategory"),
        _focus("ServiceSubcategory"),
        _focus("ChargeCategory", needed=True, filled=True),
        _focus("ChargeClass"),
        _focus("ChargeDescription", length=1024),
        _focus("ChargeFrequency"),
        # Deprecated in 1.3, which has both, and gone in 1.4.
        _focus("ProviderName", instead="ServiceProviderName", before="Provider"),
        _focus("PublisherName", before="Publisher"),
        _focus("HostProviderName"),
        _focus("InvoiceIssuerName", before="InvoiceIssuer"),
        _focus("InvoiceId"),
        _focus("RegionId"),
        _focus("ResourceId", length=1024),
        _focus("ResourceName", length=1024),
        _focus("SkuId"),
        _focus("PricingCategory"),
        _focus("CommitmentDiscountId", length=1024),
        _focus("CommitmentDiscountStatus"),
        _focus("ConsumedQuantity", Kind.DECIMAL),
        _focus("ConsumedUnit"),
        _focus("Tags", Kind.JSON, length=65_535),
        # Of charges that a provider splits among the resources that share another one (1.3).
        _focus("AllocatedMethodId"),
        _focus("AllocatedResourceId", length=1024),
        _focus("AllocatedResourceName", length=1024),
        _focus("AllocatedTags", Kind.JSON, length=65_535),
    ),
)

SCHEMAS: Final = (BILLING, FOCUS)


def recognise(header: Sequence[str]) -> Recognition:
    """Which schema a file's header means, and where its columns are.

    Columns may come in any order, in any case, with spaces, hyphens or underscores; unknown
    columns are ignored.
    """
    return max((_match(schema, header) for schema in SCHEMAS), key=_fit)


def _fit(match: Recognition) -> tuple[bool, float]:
    return not match.problem, match.score / len(match.schema.columns)


def _match(schema: Schema, header: Sequence[str]) -> Recognition:
    cells: list[int | None] = [None] * len(schema.columns)
    twice = []
    for cell, spelling in enumerate(header):
        index = schema.by_header.get(spelt_alike(spelling))
        if index is None:
            continue
        if cells[index] is not None:
            twice.append(schema.columns[index].title)
        cells[index] = cell
    where = {spelt_alike(title): cell for cell, title in enumerate(header)}
    instead = []
    for index, column in enumerate(schema.columns):
        other = where.get(spelt_alike(column.instead)) if column.instead else None
        if cells[index] is None:
            cells[index] = other
        elif other is not None:
            instead.append((index, other))
        if cells[index] is None and column.before:
            cells[index] = where.get(spelt_alike(column.before))
    score = sum(cell is not None for cell in cells)
    missing = [
        column.title
        for column, cell in zip(schema.columns, cells, strict=True)
        if column.in_header and cell is None
    ]
    problem = code = remedy = ""
    if not score:
        code = "no_header"
        problem = f"none of the columns is known: {_quoted(header)}"
        remedy = f"The first line must name the columns {', '.join(_titles(BILLING))}"
    elif missing:
        code = "missing_columns"
        problem = f"the header of this {schema.name} file lacks {', '.join(missing)}"
        remedy = f"It reads {_quoted(header)}; it needs the columns {', '.join(_titles(schema))}"
    elif twice:
        code = "ambiguous_header"
        problem = f"more than one column means {', '.join(twice)}"
        remedy = "Remove or rename all but one"
    return Recognition(schema, tuple(cells), score, problem, code, remedy, tuple(instead))


def _titles(schema: Schema) -> list[str]:
    return [column.title for column in schema.columns if column.in_header]


def _quoted(header: Sequence[str]) -> str:
    text = ", ".join(header)
    return repr(text if len(text) <= 200 else f"{text[:200]}…")


def spelt_alike(header: str) -> str:
    """A header without case, spaces, hyphens and underscores, which people write as they like."""
    return re.sub(r"[\s_-]+", "", header).casefold()
