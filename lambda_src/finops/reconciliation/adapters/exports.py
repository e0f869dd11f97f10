"""FOCUS 1.0 to 1.2 and CUR 2.0 exports, read by DuckDB in bounded memory.

https://focus.finops.org/focus-specification/ and
https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Final

import duckdb

from finops.reconciliation.domain import (
    Charge,
    ChargeCategory,
    category_of_focus,
    category_of_record_type,
    costs_known_until,
)
from finops.reconciliation.mapping import TagRule
from finops.reconciliation.ports import ChargeQuery, ControlTotal, Detail
from finops.shared.errors import RejectedInput
from finops.shared.periods import Month, month_end

_SUFFIXES: Final = (".parquet", ".csv.gz", ".csv")
_ROWS_AT_ONCE: Final = 10_000
#: Exact: cells are texts or DECIMALs, doubles become the shortest text that names them.
_MONEY: Final = "DECIMAL(38,18)"

#: A column by the normalised charge's field: the first spelling that the files have.
_FOCUS: Final[Mapping[str, tuple[str, ...]]] = {
    "payer_account": ("BillingAccountId",),
    "linked_account": ("SubAccountId",),
    "linked_account_name": ("SubAccountName",),
    "service": ("ServiceName",),
    "billing_period": ("BillingPeriodStart",),
    "charge_period": ("ChargePeriodStart",),
    "charge_end": ("ChargePeriodEnd",),
    "frequency": ("ChargeFrequency",),
    "category": ("ChargeCategory",),
    "charge_class": ("ChargeClass",),
    "billed": ("BilledCost",),
    "amortized": ("EffectiveCost",),
    "currency": ("BillingCurrency",),
    "invoice_id": ("InvoiceId", "x_InvoiceId"),
    "issuer": ("InvoiceIssuerName",),
    "tags": ("Tags",),
}
_CUR: Final[Mapping[str, tuple[str, ...]]] = {
    "payer_account": ("bill_payer_account_id",),
    "linked_account": ("line_item_usage_account_id",),
    "linked_account_name": ("line_item_usage_account_name",),
    "service": ("product_product_name", "product_servicecode", "line_item_product_code"),
    "billing_period": ("bill_billing_period_start_date",),
    "charge_period": ("line_item_usage_start_date",),
    "charge_end": ("line_item_usage_end_date",),
    "category": ("line_item_line_item_type",),
    "billed": ("line_item_unblended_cost",),
    "currency": ("line_item_currency_code",),
    "invoice_id": ("bill_invoice_id",),
    "issuer": ("bill_invoicing_entity", "bill_billing_entity"),
    "tags": ("resource_tags",),
}
_PERIODS: Final = ("billing_period", "charge_period", "charge_end")
_NEEDED: Final = frozenset(
    {
        "payer_account",
        "service",
        "billing_period",
        "charge_period",
        "category",
        "billed",
        "currency",
    }
)

#: AWS's own rule for amortized cost:
#: https://docs.aws.amazon.com/cur/latest/userguide/amortized-reservation.html
_CUR_AMORTIZED: Final = (
    ("savings_plan_savings_plan_effective_cost", "SavingsPlanCoveredUsage", "{0}"),
    (
        "savings_plan_total_commitment_to_date",
        "SavingsPlanRecurringFee",
        "{0} - {savings_plan_used_commitment}",
    ),
    ("reservation_effective_cost", "DiscountedUsage", "{0}"),
    (
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "RIFee",
        "{0} + {reservation_unused_recurring_fee}",
    ),
)
_CUR_NOTHING: Final = "('SavingsPlanNegation', 'SavingsPlanUpfrontFee')"


class ExportedCosts:
    """`CostSource` over files of one export.

    Args:
        paths: Files, or folders that are searched for Parquet, csv.gz and csv.
        memory: What DuckDB may use, such as `256MB`; beyond it, it works on disk.
        threads: How many it may use.
        scratch: Where it works on disk.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        memory: str = "256MB",
        threads: int = 2,
        scratch: Path | None = None,
    ) -> None:
        self._files = _files(paths)
        self._memory = memory
        self._threads = threads
        self._scratch = scratch
        self._notes: list[str] = []

    @property
    def name(self) -> str:
        kind = "CUR 2.0" if self._is_cur else "FOCUS"
        count = len(self._files)
        return f"{kind} export ({count} {'file' if count == 1 else 'files'})"

    @property
    def notes(self) -> Sequence[str]:
        return self._notes

    def charges(self, query: ChargeQuery) -> Iterator[Charge]:
        """Months are billing periods; days are charge periods within them."""
        by_month = query.detail is Detail.MONTHS
        with_service = query.detail is not Detail.ACCOUNT_DAYS
        with_account = query.detail is not Detail.SERVICE_DAYS
        keys = {
            "payer_account": self._text("payer_account"),
            "linked_account": self._linked if with_account else "''",
            "service": f"{self._text('service')}" if with_service else "''",
            "period_start": (
                "CAST(date_trunc('month', billing_period) AS DATE)" if by_month else _DAY
            ),
            "category": "category",
            "charge_class": "charge_class",
            "currency": "currency",
            "invoice_id": self._text("invoice_id") if by_month else "''",
            "issuer": self._text("issuer") if by_month else "''",
            "tag_rule": _tag_rule(query.tag_rules, has_tags="tags" in self._columns),
        }
        values: dict[str, object] = {"first": query.first, "end": query.end}
        where = ["billing_period >= $first_month", "billing_period < $end_month"]
        values |= {
            "first_month": Month.of(query.first).first,
            "end_month": month_end(query.end),
        }
        if by_month:
            del values["first"], values["end"]
        else:
            where += [f"{_DAY} >= $first", f"{_DAY} < $end", "is_usage"]
        if query.accounts:
            where.append(f"{self._linked} IN (SELECT unnest($accounts::VARCHAR[]))")
            values["accounts"] = list(query.accounts)
        for number, rule in enumerate(query.tag_rules):
            values |= {f"tag_{number}_key": rule.key, f"tag_{number}_values": list(rule.values)}
            values[f"tag_{number}_name"] = rule.name
        name = f"max({self._text('linked_account_name')})" if with_account else "''"
        selected = ", ".join(f"{expression} AS {key}" for key, expression in keys.items())
        sql = (
            f"SELECT {selected}, sum(billed) AS billed, sum(amortized) AS amortized,"
            f" {name} AS linked_account_name FROM charges WHERE {' AND '.join(where)}"
            f" GROUP BY {', '.join(str(at) for at in range(1, len(keys) + 1))}"
        )
        try:
            found = self._database.execute(sql, values)
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                for row in rows:
                    yield self._charge(row)
        except duckdb.Error as error:
            raise self._unreadable(error) from None

    def known_until(self, month: Month, today: date) -> date:
        """By the last day with charges that arise daily, and when the files were written.

        A few charges that are dated after all others are no knowledge of their day: it needs a
        tenth of the charges of a usual one.
        """
        days = (
            "SELECT CAST(charge_period AS DATE) AS day, count(*) AS charges FROM charges"
            " WHERE billing_period >= $first AND billing_period < $end AND is_daily"
            " AND charge_period >= $first AND charge_period < $end AND charge_period < $tomorrow"
            " GROUP BY 1"
        )
        sql = (
            f"WITH days AS ({days}) SELECT"
            " (SELECT max(day) FROM days WHERE charges * 10 >= (SELECT median(charges) FROM days)),"
            " coalesce(bool_or(billing_period >= $first AND billing_period < $end), false),"
            " coalesce(bool_or(billing_period >= $end AND charge_period >= $end"
            " AND charge_period < $tomorrow), false) FROM charges"
        )
        values = {
            "first": month.first,
            "end": month.end,
            "tomorrow": today + timedelta(days=1),
        }
        try:
            found = self._database.execute(sql, values).fetchone()
        except duckdb.Error as error:
            raise self._unreadable(error) from None
        last_day, has_charges, goes_on = found or (None, False, False)
        if not has_charges:
            return month.first
        return costs_known_until(
            month, today, last_day=last_day, delivered=self._delivered, goes_on=goes_on
        )

    @property
    def _delivered(self) -> date:
        """The day on which the newest file was written, UTC."""
        newest = max(path.stat().st_mtime for path in self._files)
        return datetime.fromtimestamp(newest, UTC).date()

    def control_totals(self, month: Month) -> list[ControlTotal]:
        """One sum over all rows, grouped by nothing but the currency."""
        sql = (
            "SELECT currency, sum(billed) FROM charges"
            " WHERE billing_period >= ? AND billing_period < ? GROUP BY 1 ORDER BY 1"
        )
        try:
            found = self._database.execute(sql, [month.first, month.end]).fetchall()
        except duckdb.Error as error:
            raise self._unreadable(error) from None
        return [
            ControlTotal(f"Sum of all export rows, {one}", amount, one) for one, amount in found
        ]

    def _charge(self, row: Sequence[object]) -> Charge:
        payer, linked, service, start, category, charge_class, currency, invoice, issuer, rule = (
            row[:10]
        )
        billed, amortized, name = row[10:]
        return Charge(
            payer_account=str(payer),
            linked_account=str(linked),
            linked_account_name=str(name or ""),
            service=str(service),
            period_start=start,  # type: ignore[arg-type]  # DuckDB's dates are dates
            category=self._category(str(category), str(charge_class or "")),
            unblended=Decimal(str(billed)),
            billed=Decimal(str(billed)),
            amortized=Decimal(str(amortized)),
            currency=str(currency),
            invoice_id=str(invoice),
            issuer=str(issuer),
            tag_rule=str(rule),
        )

    def _category(self, text: str, charge_class: str) -> ChargeCategory:
        if self._is_cur:
            return category_of_record_type(text)
        return category_of_focus(text, charge_class)

    def _text(self, field: str) -> str:
        return field if field in self._columns else "''"

    @property
    def _linked(self) -> str:
        """The account that caused a charge; the payer's own where the export names none."""
        if "linked_account" not in self._columns:
            return "payer_account"
        return "coalesce(nullif(linked_account, ''), payer_account)"

    @cached_property
    def _is_cur(self) -> bool:
        return self._spelling("line_item_line_item_type") is not None

    @cached_property
    def _columns(self) -> dict[str, str]:
        """The files' own spelling of each field that they have."""
        return {
            field: found
            for field, spellings in (_CUR if self._is_cur else _FOCUS).items()
            for found in [next(filter(None, map(self._spelling, spellings)), None)]
            if found
        }

    def _spelling(self, column: str) -> str | None:
        return next((one for one in self._headers if one.casefold() == column.casefold()), None)

    @cached_property
    def _headers(self) -> list[str]:
        connection = self._connection
        try:
            described = connection.execute(f"DESCRIBE SELECT * FROM {self._scan}").fetchall()
        except duckdb.Error as error:
            raise self._unreadable(error) from None
        self._types.update({str(name): str(kind) for name, kind, *_ in described})
        return list(self._types)

    @cached_property
    def _types(self) -> dict[str, str]:
        return {}

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self._memory,
            "threads": self._threads,
            "preserve_insertion_order": False,
        }
        if self._scratch:
            settings["temp_directory"] = str(self._scratch)
        connection = duckdb.connect(":memory:", config=settings)
        connection.execute("SET TimeZone = 'UTC'")
        # It draws on stdout, which is for answers.
        connection.execute("SET enable_progress_bar = false")
        return connection

    @cached_property
    def _scan(self) -> str:
        names = ", ".join("'" + str(one).replace("'", "''") + "'" for one in self._files)
        if self._files[0].name.endswith(".parquet"):
            return f"read_parquet([{names}], union_by_name = true)"
        return (
            f"read_csv([{names}], union_by_name = true, all_varchar = true, header = true,"
            " delim = ',', quote = '\"', escape = '\"', nullstr = ['', 'NULL', 'null'])"
        )

    @cached_property
    def _database(self) -> duckdb.DuckDBPyConnection:
        """With the view `charges`: the fields by their names here, whatever the export's."""
        missing = sorted(_NEEDED - self._columns.keys())
        if missing:
            known = _CUR if self._is_cur else _FOCUS
            raise RejectedInput(
                f"{self._files[0].name} lacks the columns"
                f" {', '.join(known[one][0] for one in missing)}",
                code="missing_columns",
                remedy="Use a FOCUS 1.0 to 1.2 or a CUR 2.0 export",
            )
        fields = [
            f"coalesce(CAST({_quoted(column)} AS VARCHAR), '') AS {field}"
            for field, column in self._columns.items()
            if field not in {*_PERIODS, "billed", "amortized", "tags"}
        ]
        fields += [
            f"CAST({_quoted(self._columns[period])} AS TIMESTAMP) AS {period}"
            for period in _PERIODS
            if period in self._columns
        ]
        billed = self._money(self._columns["billed"])
        fields += [f"{billed} AS billed", f"{self._amortized(billed)} AS amortized"]
        if "charge_class" not in self._columns:
            fields.append("'' AS charge_class")
        if "tags" in self._columns:
            fields.append(f"{_quoted(self._columns['tags'])} AS tags")
        category = _quoted(self._columns["category"])
        usage = (
            f"{category} IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage',"
            " 'SavingsPlanNegation')"
            if self._is_cur
            else f"{category} = 'Usage'"
        )
        fields.append(f"coalesce({usage}, false) AS is_usage")
        fields.append(
            f"coalesce({usage} OR {self._recurring}, false){self._at_most_daily} AS is_daily"
        )
        try:
            self._connection.execute(
                f"CREATE VIEW charges AS SELECT {', '.join(fields)} FROM {self._scan}"
            )
        except duckdb.Error as error:
            raise self._unreadable(error) from None
        return self._connection

    @property
    def _recurring(self) -> str:
        """Whether a fee comes again and again, as a Savings Plan's does."""
        if self._is_cur:
            return f"{_quoted(self._columns['category'])} = 'SavingsPlanRecurringFee'"
        frequency = self._columns.get("frequency")
        return f"{_quoted(frequency)} = 'Recurring'" if frequency else "false"

    @property
    def _at_most_daily(self) -> str:
        end = self._columns.get("charge_end")
        if not end:
            return ""
        start = _quoted(self._columns["charge_period"])
        return (
            f" AND coalesce(CAST({_quoted(end)} AS TIMESTAMP) - CAST({start} AS TIMESTAMP)"
            " <= INTERVAL 25 HOURS, true)"
        )

    def _money(self, column: str) -> str:
        cell = _quoted(column)
        if self._types[column].startswith("DECIMAL"):
            return f"coalesce(CAST({cell} AS {_MONEY}), 0)"
        return f"coalesce(CAST(CAST({cell} AS VARCHAR) AS {_MONEY}), 0)"

    def _amortized(self, billed: str) -> str:
        if not self._is_cur:
            column = self._columns.get("amortized")
            return self._money(column) if column else billed
        item = _quoted(self._columns["category"])
        cases = [f"WHEN {item} IN {_CUR_NOTHING} THEN 0"]
        for column, kind, formula in _CUR_AMORTIZED:
            spelt = self._spelling(column)
            if spelt is None:
                continue
            others = {
                name: self._money(found)
                for name in ("savings_plan_used_commitment", "reservation_unused_recurring_fee")
                if (found := self._spelling(name))
            }
            if any(f"{{{name}}}" in formula and name not in others for name in _OTHERS):
                continue
            cases.append(
                f"WHEN {item} = '{kind}' THEN {formula.format(self._money(spelt), **others)}"
            )
        arn = self._spelling("reservation_reservation_a_r_n")
        if arn:
            cases.append(f"WHEN {item} = 'Fee' AND coalesce({_quoted(arn)}, '') <> '' THEN 0")
        return f"CASE {' '.join(cases)} ELSE {billed} END"

    def _unreadable(self, error: duckdb.Error) -> RejectedInput:
        first = str(error).partition("\n")[0]
        return RejectedInput(
            f"the export can't be read: {first}",
            code="unreadable_export",
            remedy=f"Check {self._files[0].parent}: all files must belong to one export",
        )


_OTHERS: Final = ("savings_plan_used_commitment", "reservation_unused_recurring_fee")
_DAY: Final = (
    # A charge is of its billing period, whenever it arose: a correction of an earlier day is
    # entered on the period's first.
    "CAST(greatest(least(date_trunc('day', charge_period),"
    " date_trunc('month', billing_period) + INTERVAL 1 MONTH - INTERVAL 1 DAY),"
    " date_trunc('month', billing_period)) AS DATE)"
)


def _tag_rule(rules: Sequence[TagRule], *, has_tags: bool) -> str:
    """The name of the first rule that a charge fulfils. Tags are a MAP, or JSON text."""
    if not rules or not has_tags:
        return "''"
    value = (
        "coalesce(json_extract_string(TRY_CAST(to_json(tags) AS JSON), '$.\"' || {key} || '\"'),"
        " json_extract_string(TRY_CAST(CAST(tags AS VARCHAR) AS JSON), '$.\"' || {key} || '\"'))"
    )
    cases = " ".join(
        f"WHEN list_contains($tag_{number}_values::VARCHAR[],"
        f" {value.format(key=f'$tag_{number}_key')}) THEN $tag_{number}_name"
        for number in range(len(rules))
    )
    return f"CASE {cases} ELSE '' END"


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _files(paths: Sequence[Path]) -> list[Path]:
    """The export's files, all of one form, sorted.

    Raises:
        RejectedInput: there are none, or of two forms.
    """
    found = sorted(
        one
        for path in paths
        for one in (path.rglob("*") if path.is_dir() else [path])
        if one.is_file() and one.name.endswith(_SUFFIXES)
    )
    if not found:
        where = ", ".join(str(path) for path in paths)
        missing = [str(path) for path in paths if not path.exists()]
        raise RejectedInput(
            f"{missing[0]} does not exist" if missing else f"{where} contains no export",
            code="no_export",
            remedy=f"Give files or folders of {', '.join(_SUFFIXES)}",
        )
    if len({one.name.endswith(".parquet") for one in found}) > 1:
        raise RejectedInput(
            f"{found[0].parent} has both Parquet and CSV files, so charges would count twice",
            code="mixed_export",
            remedy="Give only one of the two",
        )
    return found
