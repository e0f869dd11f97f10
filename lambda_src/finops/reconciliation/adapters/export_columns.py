"""The columns of FOCUS and CUR exports, and the SQL that reads a charge from them.

https://focus.finops.org/focus-specification/ and
https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from finops.reconciliation.adapters.export_costs import ExportCosts
from finops.reconciliation.adapters.sql_dialects import Dialect, DuckDb, quoted
from finops.reconciliation.mapping import TagKey, TagRule
from finops.shared.errors import RejectedInput

#: Columns by the normalised charge's field: the first one that the files have, or, of a service,
#: that the row fills.
_FOCUS: Final[Mapping[str, tuple[str, ...]]] = {
    "payer_account": ("BillingAccountId",),
    "linked_account": ("SubAccountId",),
    "linked_account_name": ("SubAccountName",),
    "service": ("ServiceName",),
    "billing_period": ("BillingPeriodStart",),
    "billing_end": ("BillingPeriodEnd",),
    "charge_period": ("ChargePeriodStart",),
    "charge_end": ("ChargePeriodEnd",),
    "category": ("ChargeCategory",),
    "charge_class": ("ChargeClass",),
    "frequency": ("ChargeFrequency",),
    "billed": ("BilledCost",),
    "amortized": ("EffectiveCost",),
    "currency": ("BillingCurrency",),
    "invoice_id": ("InvoiceId", "x_InvoiceId"),
    "issuer": ("InvoiceIssuerName",),
    "tags": ("Tags",),
    "quantity": ("PricingQuantity", "ConsumedQuantity"),
    "quantity_unit": ("PricingUnit", "ConsumedUnit"),
    "sku": ("SkuId",),
}
_CUR: Final[Mapping[str, tuple[str, ...]]] = {
    "payer_account": ("bill_payer_account_id",),
    "linked_account": ("line_item_usage_account_id",),
    "linked_account_name": ("line_item_usage_account_name",),
    "service": ("product_product_name", "product_servicecode", "line_item_product_code"),
    "billing_period": ("bill_billing_period_start_date",),
    "billing_end": ("bill_billing_period_end_date",),
    "charge_period": ("line_item_usage_start_date",),
    "charge_end": ("line_item_usage_end_date",),
    "category": ("line_item_line_item_type",),
    "billed": ("line_item_unblended_cost",),
    "currency": ("line_item_currency_code",),
    "invoice_id": ("bill_invoice_id",),
    "issuer": ("bill_invoicing_entity", "bill_billing_entity"),
    "tags": ("resource_tags",),
    "quantity": ("line_item_usage_amount",),
    "quantity_unit": ("pricing_unit",),
    "sku": ("line_item_usage_type",),
}
#: What tells SKUs of the same id apart.
_OF_A_SKU: Final = ("RegionId", "line_item_operation")
_NEEDED: Final = (
    *("payer_account", "service", "billing_period", "charge_period", "category"),
    *("billed", "currency"),
)
#: Columns of other exports that a provider offers beside FOCUS, in `_plain` spelling.
_OTHERS: Final = (
    ("Azure", frozenset({"metercategory", "subscriptionid"})),
    ("Azure", frozenset({"metercategory", "subscriptionguid"})),
    ("Google Cloud", frozenset({"usagestarttime", "cost"})),
    ("Google Cloud", frozenset({"billingaccountid", "servicedescription", "skudescription"})),
    ("Oracle Cloud", frozenset({"lineitemintervalusagestart"})),
)
#: Each of them is in no other export than a CUR.
_OF_A_CUR: Final = (
    *("line_item_line_item_type", "line_item_unblended_cost", "line_item_usage_start_date"),
    *("bill_payer_account_id", "bill_billing_period_start_date"),
)
#: What a row charges for, where an export says it; what it costs is in no name of these.
_IDENTIFYING: Final = (
    *("ResourceId", "SkuId", "RegionId", "PricingCategory", "ChargeFrequency"),
    *("CommitmentDiscountId", "ConsumedUnit", "x_UsageType", "x_Operation"),
    *("line_item_resource_id", "line_item_operation", "line_item_availability_zone"),
    *("line_item_product_code", "reservation_reservation_a_r_n", "savings_plan_savings_plan_a_r_n"),
)
_RESOURCES: Final = ("ResourceId", "line_item_resource_id")
#: What tells rows apart that are otherwise alike, where an export has it.
_ROW_IDS: Final = (
    *("ResourceId", "SkuId", "SkuPriceId", "ChargeDescription"),
    *("identity_line_item_id", "line_item_resource_id", "line_item_usage_type"),
)


#: DuckDB's types.
_NUMBERS: Final = ("DOUBLE", "FLOAT", "DECIMAL", "BIGINT", "INTEGER", "HUGEINT", "UBIGINT")


class ExportColumns:
    """How a charge is read from an export.

    CUR columns have the names of CUR 2.0, or those of the legacy CUR (`lineItem/UnblendedCost`).

    Args:
        types: DuckDB's type of each column of the files.
        file: One of them, for messages.
        dialect: Of the SQL.

    Raises:
        RejectedInput: `missing_columns`, `mixed_export`, or `native_export` of a provider that
            should write FOCUS.
    """

    def __init__(
        self, types: Mapping[str, str], *, file: str, dialect: Dialect | None = None
    ) -> None:
        self._types = types
        self._dialect = dialect or DuckDb()
        self._plain = {_plain(name): name for name in reversed(list(types))}
        self.is_cur = any(map(self.spelling, _OF_A_CUR))
        self._known = _CUR if self.is_cur else _FOCUS
        self._columns = {
            field: found
            for field, names in self._known.items()
            for found in [next(filter(None, map(self.spelling, names)), None)]
            if found
        }
        self._require(file)
        self.costs = ExportCosts(
            types,
            self.spelling,
            is_cur=self.is_cur,
            category=self._cell("category"),
            billed=self._columns["billed"],
            effective=self._columns.get("amortized"),
        )

    @property
    def kind(self) -> str:
        """For people."""
        if not self.is_cur:
            return "FOCUS"
        return "CUR" if any("/" in name for name in self._types) else "CUR 2.0"

    def spelling(self, column: str) -> str | None:
        """The files' own spelling of a column, None where they lack it."""
        return self._plain.get(_plain(column))

    def fields(
        self, tag_rules: Sequence[TagRule], tag_keys: Sequence[TagKey] = ()
    ) -> dict[str, str]:
        """Expressions by name: keys of a charge, its tags' values (`tag_0` …), and its costs.

        `linked_account` is the account that caused a charge; the payer's where none is named.
        """
        costs = self.costs
        payer, linked = self._account("payer_account"), self._account("linked_account")
        return {
            "payer_account": payer,
            "linked_account": f"coalesce(nullif({linked}, ''), {payer})",
            "linked_account_name": self._text("linked_account_name"),
            "service": self._first_filled("service"),
            "billing_month": self._month("billing_period"),
            "charge_day": f"CAST({self._moment('charge_period')} AS DATE)",
            "is_ahead": self._is_ahead,
            "category": self._text("category"),
            "charge_class": self._text("charge_class"),
            "currency": f"upper({self._text('currency')})",
            "invoice_id": self._text("invoice_id"),
            "issuer": self._text("issuer"),
            "tag_rule": self._tag_rule(tag_rules),
            **{tag_column(number): self._tag_value(key) for number, key in enumerate(tag_keys)},
            "is_usage": f"coalesce({self._is_usage}, false)",
            "is_daily": f"coalesce({self._is_usage} OR {self._recurs}, false)"
            f" AND {self._is_of_a_day}",
            "billed": costs.billed,
            "amortized": costs.amortized,
            "net": costs.net,
            "net_amortized": costs.net_amortized,
            "has_amortized": costs.has_amortized,
            "list_cost": costs.listed,
            "has_list_cost": f"coalesce({costs.listed} <> 0, false)",
            "commitment": costs.commitment,
            "has_cost": f"{self._cell('billed')} IS NOT NULL",
            "content": self._dialect.told_apart(self._content),
            "sku": self._sku,
            "quantity": self._quantity,
        }

    @property
    def misread(self) -> str:
        """A cell of a row that should be a date and is none."""
        columns = [self._columns[field] for field in ("billing_period", "charge_period")]
        cells = ", ".join(self._dialect.misread(one, self._types[one]) for one in columns)
        return f"coalesce({cells})"

    def _require(self, file: str) -> None:
        if self.is_cur and self.spelling("BilledCost"):
            raise _of_both()
        missing = [self._known[field][0] for field in _NEEDED if field not in self._columns]
        if not missing:
            return
        for provider, columns in _OTHERS:
            if columns <= self._plain.keys():
                raise RejectedInput(
                    f"{file} is {provider}'s own cost export",
                    code="native_export",
                    value=provider,
                    remedy=f"Let {provider} export FOCUS 1.0 to 1.2",
                )
        raise RejectedInput(
            f"{file} lacks the columns {', '.join(missing)}",
            code="missing_columns",
            remedy="Use a FOCUS 1.0 to 1.2 or a CUR export",
        )

    # Cells

    def _cell(self, field: str) -> str:
        column = self._columns.get(field)
        return quoted(column) if column else "NULL"

    def _text(self, field: str) -> str:
        return f"coalesce(CAST({self._cell(field)} AS VARCHAR), '')"

    def _account(self, field: str) -> str:
        """As `domain.account_id`: Azure's ids are the same in any case.

        Programs that take an id for a number write 222222222222.0, or lose its zeros: AWS's ids
        have twelve digits.
        """
        column = self._columns.get(field)
        if not column:
            return "''"
        text = f"CAST({quoted(column)} AS VARCHAR)"
        if self._types[column].startswith(_NUMBERS):
            number = f"CAST(CAST({quoted(column)} AS DECIMAL(38,0)) AS VARCHAR)"
            whole = f"lpad({number}, 12, '0')" if self.is_cur else number
            return f"coalesce({whole}, '')"
        return (
            f"coalesce(CASE WHEN substr({text}, 1, 1) = '/' OR substr({text}, 9, 1) = '-'"
            f" THEN lower({text}) WHEN {text} LIKE '%.0' AND TRY_CAST({text} AS DECIMAL(38,1))"
            f" IS NOT NULL THEN substr({text}, 1, length({text}) - 2) ELSE {text} END, '')"
        )

    def _first_filled(self, field: str) -> str:
        found = filter(None, map(self.spelling, self._known[field]))
        filled = ", ".join(f"nullif(trim(CAST({quoted(one)} AS VARCHAR)), '')" for one in found)
        return f"coalesce({filled}, '')"

    def _month(self, field: str) -> str:
        """That in which a moment is by its own clock: 2026-10-01T00:00+02:00 is of October."""
        moment, column = self._moment(field), self._columns[field]
        if self._types[column] == "VARCHAR":
            day = f"CAST(substr({quoted(column)}, 1, 10) AS DATE)"
            moment = f"CASE WHEN {moment} IS NOT NULL THEN {day} END"
        return f"CAST(date_trunc('month', {moment}) AS DATE)"

    def _moment(self, field: str) -> str:
        """In UTC, null where the cell is empty."""
        column = self._columns[field]
        return self._dialect.moment(column, self._types[column])

    @property
    def _is_ahead(self) -> str:
        """Whether a charge begins when its billing period has ended."""
        began, starts = self._moment("charge_period"), self._moment("billing_period")
        ends = f"{starts} + INTERVAL '1' MONTH"
        if "billing_end" in self._columns:
            ends = f"coalesce({self._moment('billing_end')}, {ends})"
        is_later = f"date_trunc('month', {began}) > date_trunc('month', {starts})"
        return f"coalesce(CASE WHEN {is_later} THEN {began} >= {ends} END, false)"

    # What a row is

    @property
    def _is_usage(self) -> str:
        category = self._cell("category")
        if not self.is_cur:
            return f"{category} = 'Usage'"
        return (
            f"{category} IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage',"
            " 'SavingsPlanNegation')"
        )

    @property
    def _recurs(self) -> str:
        """Whether a fee comes again and again, as a Savings Plan's does."""
        if self.is_cur:
            return f"{self._cell('category')} = 'SavingsPlanRecurringFee'"
        return f"coalesce({self._cell('frequency')} = 'Recurring', false)"

    @property
    def _is_of_a_day(self) -> str:
        if "charge_end" not in self._columns:
            return "true"
        lasts = f"{self._moment('charge_end')} - {self._moment('charge_period')}"
        return f"coalesce({lasts} <= INTERVAL '25' HOUR, true)"

    @property
    def _content(self) -> list[str]:
        """What tells a row apart. An invoice's id is not among it: it comes late."""
        ids = [found for one in _ROW_IDS if (found := self.spelling(one))]
        columns = [
            self._columns[one]
            for one in ("charge_period", "category", "billed", "currency")
            if one in self._columns
        ]
        return [self._first_filled("service"), *map(quoted, (*columns, *ids))]

    @property
    def identifying(self) -> frozenset[tuple[str, str]]:
        """What says what a row charges for, with the type where texts of types differ.

        A resource is among it also where the files name none.
        """
        fields = ("charge_period", "charge_end", "category", "charge_class", "sku")
        tags = self._columns.get("tags")
        return frozenset(
            {
                *((one, "") for one in fields if one in self._columns),
                *((one, "") for one in _IDENTIFYING if one in _RESOURCES or self.spelling(one)),
                *((("tags", self._types[tags]),) if tags else ()),
            }
        )

    def identity(self, common: AbstractSet[tuple[str, str]]) -> str:
        """A hash of what a row charges for, whatever it costs: another delivery restates it.

        A CUR's own id of a row is another one in each delivery:
        https://docs.aws.amazon.com/cur/latest/userguide/identity-columns.html

        Args:
            common: What all files have of `identifying`.
        """
        cells = [self._first_filled("service")]
        for name, _ in sorted(common):
            if name in {"charge_period", "charge_end"}:
                cells.append(f"CAST({self._moment(name)} AS VARCHAR)")
            else:
                column = self._columns.get(name) or self.spelling(name)
                cells.append(f"CAST({quoted(column)} AS VARCHAR)" if column else "NULL")
        return f"hash({', '.join(cells)})"

    @property
    def have_ids(self) -> bool:
        """Whether the files name resources, or line items."""
        return any(map(self.spelling, (*_RESOURCES, "identity_line_item_id")))

    @property
    def began(self) -> str:
        """The moment in which a charge period begins."""
        return self._moment("charge_period")

    @property
    def has_resource(self) -> str:
        """Whether a row names what it charges for."""
        found = [one for one in map(self.spelling, _RESOURCES) if one]
        filled = (f"coalesce(CAST({quoted(one)} AS VARCHAR), '') <> ''" for one in found)
        return f"({' OR '.join(filled)})" if found else "false"

    @property
    def knows_quantities(self) -> bool:
        """Whether the files say how much of what was used."""
        return {"quantity", "sku"} <= self._columns.keys()

    @property
    def _sku(self) -> str:
        """What has a price, with its unit; null where a row is no usage of it.

        A Savings Plan's negation repeats the quantity that it covers. A correction is of an earlier
        period: https://focus.finops.org/focus-specification/v1-2/#chargeclass
        """
        if not self.knows_quantities:
            return "CAST(NULL AS UBIGINT)"
        kept = f"{self._text('charge_class')} <> 'Correction'"
        if self.is_cur:
            kept = f"{self._cell('category')} <> 'SavingsPlanNegation'"
        others = [quoted(found) for one in _OF_A_SKU if (found := self.spelling(one))]
        cells = [self._cell("sku"), self._text("quantity_unit"), *others]
        is_filled = f"nullif({self._text('sku')}, '') IS NOT NULL"
        sku = self._dialect.told_apart(cells)
        return f"CASE WHEN {self._is_usage} AND {kept} AND {is_filled} THEN {sku} END"

    @property
    def _quantity(self) -> str:
        """Exact, as money is; null where it cannot be read: it splits a change, it is no cost."""
        return f"TRY_CAST({self._cell('quantity')} AS DECIMAL(38,18))"

    # Tags

    def _tag_value(self, key: TagKey) -> str:
        """A tag's value, empty where it is not set, or the files lack it."""
        column = self._columns.get("tags")
        if column:
            return self._dialect.tag(column, self._types[column], key.keys, lower=key.ignore_case)
        cells = dict.fromkeys(
            f"nullif(CAST({quoted(found)} AS VARCHAR), '')"
            for one in key.keys
            if (found := self.spelling(f"resource_tags_{one}"))
        )
        value = f"coalesce({', '.join(cells)}, '')" if cells else "''"
        return f"lower({value})" if key.ignore_case else value

    def _tag_rule(self, rules: Sequence[TagRule]) -> str:
        """The place of the first rule that a charge fulfils, from 1; 0 where there is none."""
        cases = "".join(
            f" WHEN {fulfils} THEN {place}"
            for place, rule in enumerate(rules, 1)
            if (fulfils := self._fulfils(rule))
        )
        return f"CASE{cases} ELSE 0 END" if cases else "0"

    def _fulfils(self, rule: TagRule) -> str:
        """Tags are a MAP, JSON text, or columns; empty where the files lack a rule's."""
        column, values = self._columns.get("tags"), rule.compared(rule.values)
        if column:
            keys = rule.compared(rule.keys)
            return self._dialect.has_tag(
                column, self._types[column], keys, values, lower=rule.ignore_case
            )
        cells = dict.fromkeys(
            f"CAST({quoted(found)} AS VARCHAR)"
            for key in rule.keys
            if (found := self.spelling(f"resource_tags_{key}"))
        )
        if not cells:
            return ""
        return self._dialect.has_value(list(cells), values, lower=rule.ignore_case)


def require_one_kind(forms: Sequence[ExportColumns]) -> None:
    """Refuse files of FOCUS beside those of a CUR.

    Raises:
        RejectedInput: `mixed_export`.
    """
    if len({columns.is_cur for columns in forms}) > 1:
        raise _of_both()


def _of_both() -> RejectedInput:
    return RejectedInput(
        "the files belong to a FOCUS and to a CUR export, so charges would count twice",
        code="mixed_export",
        remedy="Give only one of the two",
    )


def rows_alike(rows: str) -> str:
    """A SELECT of what `ChargeTable._alike` gives, in the SQL of both engines.

    Args:
        rows: A SELECT of the rows of one month.
    """
    day = "payer_account, linked_account, charge_day, currency"
    alike = (
        f"SELECT {day}, count(*) AS row_count, sum(billed) - min(billed) AS beyond"
        f" FROM ({rows}) GROUP BY {day}, content"
    )
    days = (
        "SELECT currency, count(*) AS kinds, sum(row_count) AS row_count, sum(beyond) AS beyond,"
        f" min(row_count) > 1 AS twice FROM ({alike}) GROUP BY {day}"
    )
    return (
        "SELECT currency, sum(row_count) AS row_count,"
        " sum(CASE WHEN twice THEN kinds ELSE 0 END) AS kinds,"
        " sum(CASE WHEN twice THEN row_count ELSE 0 END) AS again,"
        f" sum(CASE WHEN twice THEN beyond END) AS beyond FROM ({days}) GROUP BY currency"
    )


def tag_column(number: int) -> str:
    """The column that has the values of a tag."""
    return f"tag_{number}"


def selected(fields: Mapping[str, str]) -> str:
    """Named expressions, as they stand after SELECT."""
    return ", ".join(f"{expression} AS {name}" for name, expression in fields.items())


def _plain(name: str) -> str:
    """Without case and marks: the legacy CUR writes lineItem/UnblendedCost."""
    return "".join(filter(str.isalnum, name.casefold()))
