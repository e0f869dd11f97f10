"""The charges of an export as a table of DuckDB, and what a report asks of them."""

from __future__ import annotations

import re
import shutil
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import duckdb

from finops.reconciliation.adapters.charge_days import (
    BILLED_DAY,
    costs_by_service,
    usage_by_day,
)
from finops.reconciliation.adapters.export_columns import ExportColumns, tag_column
from finops.reconciliation.adapters.export_costs import RESERVED, UPFRONT_FEE, ExportCosts
from finops.reconciliation.adapters.row_notes import (
    counted,
    note_of_charges_ahead,
    notes_of_rows,
)
from finops.reconciliation.anomaly_services import ServiceCosts
from finops.reconciliation.domain import (
    Charge,
    ChargeCategory,
    CommittedCosts,
    LineUsage,
    Metric,
    PriceEffect,
    TaggedCosts,
    category_of_focus,
    category_of_record_type,
    costs_known_until,
    last_metered_day,
)
from finops.reconciliation.mapping import TagKey, TagRule
from finops.reconciliation.ports import (
    AnomalyQuery,
    ChargeQuery,
    ControlTotal,
    Detail,
    TagQuery,
    UsageQuery,
)
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput
from finops.shared.periods import Month, month_end

_ROUNDED: Final = re.compile(r"\d(?:[.,]\d+)?e\+\d+", re.IGNORECASE)
_ROWS_AT_ONCE: Final = 10_000


class ChargeTable(ABC):
    """`CostSource` over the table `charges`, which a subclass fills.

    A row of it is one row of the export, or stands for as many as its `row_count` says.

    Args:
        memory: What DuckDB may use, such as `256MB`; beyond it, it works on disk.
        threads: How many it may use.
        scratch: Where it works on disk.
    """

    def __init__(self, *, memory: str, threads: int, scratch: Path | None) -> None:
        self._memory = memory
        self._threads = threads
        self._scratch = scratch
        self._notes: list[str] = []
        self._tag_rules: tuple[TagRule, ...] | None = None
        self._tag_keys: tuple[TagKey, ...] = ()

    @property
    def name(self) -> str:
        """For people, with the kind of export."""
        kinds = " and ".join(sorted({one.kind for one in self._forms}))
        return f"{kinds} export ({self._files_told})"

    @property
    @abstractmethod
    def _files_told(self) -> str:
        """How many files, such as `2 files`."""

    @property
    @abstractmethod
    def _forms(self) -> Sequence[ExportColumns]:
        """What the files have, once for those of the same columns: of FOCUS, or of a CUR."""

    @property
    @abstractmethod
    def _delivered(self) -> date:
        """The day on which the newest file was written, UTC."""

    @property
    @abstractmethod
    def _place(self) -> str:
        """Where the export is, for messages."""

    @abstractmethod
    def _fill(self, tag_rules: Sequence[TagRule], tag_keys: Sequence[TagKey]) -> None:
        """Make the table `charges`.

        It has the place, from 1, of the first of the rules that each charge fulfils, the values of
        the keys, as `tag_columns` names them, and which of the forms a charge is of.
        """

    @abstractmethod
    def _alike(self, month: Month) -> Sequence[tuple[str, int, int, int, Decimal]]:
        """By currency: all rows of the month, and those of days of accounts without any other.

        Of these, all of whose rows are there more than once: how many differ, how many there are,
        and what they cost beyond once.
        """

    @abstractmethod
    def _priced(self, month: Month) -> str:
        """A table with `sku` and `quantity` of the month and the one before."""

    @property
    def notes(self) -> Sequence[str]:
        return self._notes

    def charges(self, query: ChargeQuery) -> Iterator[Charge]:
        """Months are billing periods; days are charge periods within them."""
        by_month = query.detail is Detail.MONTHS
        with_service = query.detail is not Detail.ACCOUNT_DAYS
        with_account = query.detail is not Detail.SERVICE_DAYS
        keys = {
            "payer_account": "payer_account",
            "linked_account": "linked_account" if with_account else "''",
            "service": "service" if with_service else "''",
            "period_start": "billing_month" if by_month else BILLED_DAY,
            "category": "category",
            "charge_class": "charge_class",
            "currency": "currency",
            "invoice_id": "invoice_id" if by_month else "''",
            "issuer": "issuer" if by_month else "''",
            "tag_rule": "tag_rule" if query.tag_rules else "0",
            "arose_on": "NULL" if by_month else f"nullif(charge_day, {BILLED_DAY})",
        }
        values: dict[str, object] = {
            "first_month": Month.of(query.first).first,
            "end_month": month_end(query.end),
        }
        where = ["billing_month >= $first_month", "billing_month < $end_month"]
        if not by_month:
            where += [f"{BILLED_DAY} >= $first", f"{BILLED_DAY} < $end"]
            fees = query.detail is Detail.DAILY_FEES
            where.append("is_daily AND NOT is_usage" if fees else "is_usage")
            values |= {"first": query.first, "end": query.end}
        if query.accounts:
            where.append("linked_account IN (SELECT unnest($accounts::VARCHAR[]))")
            values["accounts"] = list(query.accounts)
        name = "max(linked_account_name)" if with_account else "''"
        selected = ", ".join(f"{expression} AS {key}" for key, expression in keys.items())
        sql = (
            f"SELECT {selected}, {_COSTS}, {name} AS linked_account_name"
            f" FROM charges WHERE {' AND '.join(where)}"
            f" GROUP BY {', '.join(str(at) for at in range(1, len(keys) + 1))}"
        )
        self._read(query.tag_rules, query.tag_keys)
        # Of equal texts and days one is kept, not one for each charge.
        kept: dict[Any, Any] = {}
        for row in self._streamed(sql, values):
            yield self._charge(row, kept.setdefault)

    def usage_by_day(self, query: UsageQuery) -> Iterator[LineUsage]:
        """Summed by DuckDB."""
        self._read(query.tag_rules)
        return usage_by_day(self._streamed, query)

    def costs_by_service(self, query: AnomalyQuery) -> list[dict[str, ServiceCosts]]:
        """Summed by DuckDB."""
        return costs_by_service(self._streamed, query)

    def lacks(self, metric: Metric, month: Month) -> str:
        """Amortized cost needs columns that an export may leave out, net cost those of AWS."""
        names = {
            name
            for form, columns in self._forms_of(month)
            for name in self._lacking(columns.costs, form, metric, month)
        }
        word = "column" if len(names) == 1 else "columns"
        return f"the {word} {', '.join(sorted(names))}" if names else ""

    def _lacking(self, costs: ExportCosts, form: int, metric: Metric, month: Month) -> set[str]:
        lacking, upfront = costs.lacking(metric), costs.lacking_of_upfront_fees(metric)
        if not lacking and not upfront:
            return set()
        asked = [*lacking, *((UPFRONT_FEE, *RESERVED) if upfront else ())]
        found = self._rows(
            "SELECT DISTINCT category FROM charges WHERE billing_month = $first AND form = $form"
            " AND (category IN (SELECT unnest($kinds::VARCHAR[])) OR '' IN $kinds)",
            {"first": month.first, "form": form, "kinds": asked},
        )
        kinds = {"", *(str(kind) for (kind,) in found)} if found else set()
        if upfront and UPFRONT_FEE in kinds and kinds & RESERVED:
            lacking = {**lacking, UPFRONT_FEE: upfront}
        return {name for kind in kinds for name in lacking.get(kind, ())}

    def _forms_of(self, month: Month) -> list[tuple[int, ExportColumns]]:
        """Those of a month's charges, with their numbers."""
        found = self._rows(
            "SELECT DISTINCT form FROM charges WHERE billing_month = $first ORDER BY 1",
            {"first": month.first},
        )
        return [(form, self._forms[form]) for (form,) in found]

    def known_until(self, month: Month, today: date) -> date:
        """By the last day with charges that arise daily, and when the files were written."""
        days: dict[date, int] = dict(
            self._rows(
                "SELECT charge_day, CAST(sum(row_count) AS BIGINT) FROM charges"
                " WHERE billing_month = $first AND is_daily"
                " AND charge_day >= $first AND charge_day < $end AND charge_day <= $today"
                " GROUP BY 1",
                {"first": month.first, "end": month.end, "today": today},
            )
        )
        [(has_charges, goes_on, was_daily)] = self._rows(
            "SELECT coalesce(bool_or(billing_month = $first), false),"
            " coalesce(bool_or(billing_month >= $end AND charge_day >= $end"
            " AND charge_day <= $today), false),"
            " coalesce(bool_or(is_daily AND billing_month = $before AND charge_day >= $late),"
            " false) FROM charges",
            {
                "first": month.first,
                "end": month.end,
                "today": today,
                "before": month.plus(-1).first,
                "late": month.first - _LAST_DAYS,
            },
        )
        if not has_charges:
            return month.first
        return costs_known_until(
            month,
            today,
            last_day=last_metered_day(days, self._delivered),
            delivered=self._delivered,
            goes_on=goes_on,
            was_daily=was_daily,
        )

    def control_totals(self, month: Month) -> list[ControlTotal]:
        """All rows that are or may be of the month, before any of them is left out."""
        # A period begins in the month after its delivery at the latest.
        end_of_next = Month.of(self._delivered).plus(1).end
        dated = f"(billing_month >= {_FIRST_PERIOD} AND billing_month < $end_of_next)"
        of_month = f"coalesce(CASE WHEN {dated} THEN billing_month END, charge_day, $first)"
        left_out = "coalesce(sum(billed) FILTER ({}), 0)"
        rows_of = "coalesce(sum(row_count) FILTER ({}), 0)"
        undated, misdated = "billing_month IS NULL", f"NOT {dated}"
        found = self._rows(
            f"SELECT currency, sum(billed),"
            f" {rows_of.format(undated)}, {left_out.format(undated)},"
            f" {rows_of.format(misdated)}, {left_out.format(misdated)},"
            f" {rows_of.format('NOT has_cost')}, {rows_of.format('NOT has_amortized')},"
            f" {left_out.format('NOT has_amortized')}"
            f" FROM charges WHERE {of_month} >= $first AND {of_month} < $end GROUP BY 1 ORDER BY 1",
            {"first": month.first, "end": month.end, "end_of_next": end_of_next},
        )
        for currency, _, *counts in found:
            self._notes += notes_of_rows(currency, *counts)
        self._notes += self._charges_ahead(month)
        self._notes += self._rows_told_twice(month)
        return [
            ControlTotal(f"Sum of all export rows, {currency}", amount, currency, without_amortized)
            for currency, amount, *_, without_amortized in found
        ]

    def committed_costs(self, month: Month) -> list[CommittedCosts]:
        """Of usage with a list price, and of what is unused of commitments."""
        if not all(columns.costs.knows_commitments for _, columns in self._forms_of(month)):
            return []
        found = self._rows(
            "SELECT currency, coalesce(sum(list_cost) FILTER (commitment <> 'Unused'), 0),"
            " sum(amortized), coalesce(sum(list_cost) FILTER (commitment = 'Used'), 0),"
            " coalesce(sum(amortized) FILTER (commitment = 'Used'), 0),"
            " coalesce(sum(amortized) FILTER (commitment = 'Unused'), 0)"
            " FROM charges WHERE billing_month = $first"
            " AND (has_list_cost OR commitment = 'Unused') GROUP BY 1 ORDER BY 1",
            {"first": month.first},
        )
        return [
            CommittedCosts(
                currency=currency,
                list_cost=listed,
                effective_cost=effective,
                covered_list_cost=covered,
                used=used,
                unused=unused,
            )
            for currency, listed, effective, covered, used, unused in found
        ]

    def price_effects(self, month: Month, metric: Metric) -> list[PriceEffect]:
        """Of the SKUs that have a quantity in both months."""
        if not any(columns.knows_quantities for columns in self._forms):
            return []
        # A quotient is not exact. Rounded before they are added, sums are the same in any order.
        at_former_price = (
            "CAST(CAST(cost_before AS DOUBLE) * CAST(quantity AS DOUBLE)"
            " / CAST(quantity_before AS DOUBLE) AS DECIMAL(38,6))"
        )
        in_month = "FILTER (billing_month = $first)"
        before = "FILTER (billing_month = $before)"
        found = self._rows(
            "WITH skus AS (SELECT currency, service,"
            f" sum({metric}) {in_month} AS cost, sum({metric}) {before} AS cost_before,"
            f" sum(quantity) {in_month} AS quantity, sum(quantity) {before} AS quantity_before"
            f" FROM {self._priced(month)} WHERE billing_month IN ($first, $before)"
            " AND sku IS NOT NULL"
            " AND quantity IS NOT NULL"
            " GROUP BY currency, service, sku)"
            f" SELECT currency, service, sum(cost - {at_former_price}),"
            f" sum({at_former_price} - cost_before) FROM skus"
            " WHERE quantity > 0 AND quantity_before > 0 GROUP BY ALL ORDER BY ALL",
            {"first": month.first, "before": month.plus(-1).first},
        )
        return [
            PriceEffect(currency=currency, service=service, price=price, quantity=quantity)
            for currency, service, price, quantity in found
        ]

    def tagged_costs(self, query: TagQuery) -> list[TaggedCosts]:
        """By billing period."""
        self._read((), [query.key])
        column = tag_column(self._tag_keys.index(query.key))
        rows = self._rows(
            f"SELECT category, charge_class, {column}, linked_account, service, billing_month,"
            f" currency, sum({query.metric}) FROM charges"
            " WHERE billing_month IN ($first, $before) GROUP BY ALL",
            {"first": query.month.first, "before": query.month.plus(-1).first},
        )
        found = []
        for text, charge_class, value, account, service, first, currency, amount in rows:
            category = self._category(text, charge_class)
            if category not in query.excluded:
                found.append(
                    TaggedCosts(
                        value=value,
                        linked_account=account,
                        service=service or category.value,
                        first=first,
                        currency=currency,
                        amount=amount or Decimal(0),
                    )
                )
        return found

    def _charges_ahead(self, month: Month) -> list[str]:
        """Notes of charges of the month, or in its costs, that begin after their period's end."""
        found = self._rows(
            "SELECT CAST(date_trunc('month', charge_day) AS DATE) AS in_month, billing_month,"
            " currency, sum(row_count), sum(billed) FROM charges"
            " WHERE is_ahead AND $first IN (in_month, billing_month) GROUP BY ALL ORDER BY ALL",
            {"first": month.first},
        )
        return [
            note_of_charges_ahead(Month.of(began), Month.of(billed), currency, rows, amount)
            for began, billed, currency, rows, amount in found
        ]

    def _rows_told_twice(self, month: Month) -> Iterator[str]:
        """Notes of days of accounts all of whose rows are there more than once.

        Where rows have no ids, others may cost the same: then nearly all of the month's must be.
        """
        have_ids = any(columns.have_ids for columns in self._forms)
        for currency, rows, kinds, again, beyond in self._alike(month):
            if kinds >= FEW_ROWS and (have_ids or again * 10 >= rows * 9):
                yield (
                    f"{counted(again)} of {rows:,} are in the export more than once, with the same"
                    " account, moment, service, resource and cost. If it was written twice,"
                    f" {beyond.normalize():,f} {currency} are counted twice: check the export."
                )

    def _charge(self, row: Sequence[Any], one_of: Callable[[Any, Any], Any]) -> Charge:
        payer, linked, service, start, category, charge_class, currency, invoice, issuer, rule = (
            row[:10]
        )
        arose_on, billed, amortized, net, net_amortized, name = row[10:]
        cost = Decimal(billed)
        return Charge(
            payer_account=one_of(payer, payer),
            linked_account=one_of(linked, linked),
            linked_account_name=one_of(name, name),
            service=one_of(service, service),
            period_start=one_of(start, start),
            arose_on=one_of(arose_on, arose_on),
            category=self._category(category, charge_class),
            unblended=cost,
            billed=cost,
            amortized=cost if amortized == billed else Decimal(amortized),
            net=None if net is None else Decimal(net),
            net_amortized=None if net_amortized is None else Decimal(net_amortized),
            currency=one_of(currency, currency),
            invoice_id=one_of(invoice, invoice),
            issuer=one_of(issuer, issuer),
            tag_rule=rule,
        )

    def _category(self, text: str, charge_class: str) -> ChargeCategory:
        if self._forms[0].is_cur:
            return category_of_record_type(text)
        return category_of_focus(text, charge_class)

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self._memory,
            "threads": self._threads,
            "preserve_insertion_order": False,
        }
        if self._scratch:
            self._scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix="finops-charges-", dir=self._scratch))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        settings["temp_directory"] = str(folder)
        # On disk, where it is compressed: in memory, millions of charges would not fit.
        connection = duckdb.connect(str(folder / "charges.duckdb"), config=settings)
        connection.execute("SET TimeZone = 'UTC'")
        # It draws on stdout, which is for answers.
        connection.execute("SET enable_progress_bar = false")
        return connection

    def _streamed(self, sql: str, values: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        try:
            found = self._database.execute(sql, values)
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                yield from rows
        except duckdb.Error as error:
            raise self._unreadable(error) from None

    def _rows(self, sql: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        return self._run(self._database, sql, values)

    def _run(
        self,
        database: duckdb.DuckDBPyConnection,
        sql: str,
        values: Mapping[str, object] | None = None,
    ) -> list[tuple[Any, ...]]:
        try:
            return database.execute(sql, values).fetchall()
        except duckdb.Error as error:
            raise self._unreadable(error) from None

    @property
    def _database(self) -> duckdb.DuckDBPyConnection:
        """With the table `charges`."""
        if self._tag_rules is None:
            self._read(())
        return self._connection

    def _read(self, tag_rules: Sequence[TagRule], tag_keys: Sequence[TagKey] = ()) -> None:
        """Fill the table once, for all questions."""
        has_rules = self._tag_rules is not None and (
            not tag_rules or self._tag_rules == tuple(tag_rules)
        )
        if has_rules and set(tag_keys) <= set(self._tag_keys):
            return
        rules = tuple(tag_rules) or self._tag_rules or ()
        keys = tuple(dict.fromkeys((*self._tag_keys, *tag_keys)))
        self._fill(rules, keys)
        self._refuse_rounded_accounts()
        self._tag_rules, self._tag_keys = rules, keys

    def _refuse_rounded_accounts(self) -> None:
        """Refuse ids that a program has taken for numbers, and written with fewer digits.

        Raises:
            RejectedInput: `rounded_account`.
        """
        columns = ("payer_account", "linked_account")
        found = ", ".join(
            f"any_value({one}) FILTER (contains({one}, 'E+') OR contains({one}, 'e+'))"
            for one in columns
        )
        [cells] = self._run(self._connection, f"SELECT {found} FROM charges")
        for cell in filter(None, cells):
            if _ROUNDED.fullmatch(cell):
                raise RejectedInput(
                    f"the export has an account {cell}: a program, such as a spreadsheet, has"
                    " rounded its id",
                    code="rounded_account",
                    remedy=f"Give the files of {self._place} as the provider wrote them",
                )

    def _refuse_equal_days(
        self, exports: Mapping[str, str], *, began: str = "NULL", named: str = "false"
    ) -> None:
        """Refuse exports whose days cost the same, account by account; tell of a few days.

        So do two exports of one payer, of which one has resources, and the other has not. Parts of
        one export may cost the same by chance: they begin with other hours, or have resources, of
        which others are in common then.

        Args:
            exports: The files of the table, and what those of one export share.
            began: With which moment a day's charges begin, over its rows.
            named: Whether a day's charges name resources, over its rows.

        Raises:
            RejectedInput: `charges_twice`.
        """
        day = "payer_account, linked_account, billing_month, charge_day, currency, category"
        found = self._run(
            self._connection,
            "WITH exports AS (SELECT unnest($files) AS file, unnest($exports) AS export),"
            f" days AS (SELECT export, {day}, round(sum(billed), 2) AS billed,"
            " min(began) AS began, bool_or(named) AS named"
            f" FROM (SELECT file, {day}, sum(billed) AS billed, {began} AS began, {named} AS named"
            " FROM charges GROUP BY ALL)"
            " JOIN exports USING (file) GROUP BY ALL HAVING abs(sum(billed)) >= 1),"
            " counts AS (SELECT export, count(*) AS days FROM days GROUP BY ALL)"
            " SELECT one.export, other.export, count(*) AS equal,"
            " any_value(least(a.days, b.days)) AS most,"
            " count(DISTINCT (payer_account, linked_account, charge_day)) AS said FROM days one"
            f" JOIN days other USING ({day}, billed)"
            " JOIN counts a ON a.export = one.export JOIN counts b ON b.export = other.export"
            " WHERE one.export < other.export AND one.began IS NOT DISTINCT FROM other.began"
            " AND NOT (one.named AND other.named)"
            " GROUP BY ALL HAVING equal * 2 > most ORDER BY ALL",
            {"files": list(exports), "exports": list(exports.values())},
        )
        for one, other, equal, most, days in found:
            said = f"{one} and {other} have the same costs on {days:,}"
            if days >= FEW_ROWS or (equal == most and days >= _FEW_DAYS):
                raise RejectedInput(
                    f"{said} days of their accounts, which would count twice",
                    code="charges_twice",
                    remedy="Give one export of each payer",
                )
            note = (
                f"{said} days of their accounts. If both are exports of one payer,"
                " these costs are counted twice: check the exports."
            )
            if note not in self._notes:
                self._notes.append(note)

    def _unreadable(self, error: duckdb.Error) -> FinOpsError:
        first = str(error).partition("\n")[0]
        if isinstance(error, duckdb.OutOfMemoryException) or "No space left" in first:
            return ConfigurationError(
                f"the export's charges need more memory or disk than there is: {first}",
                code="disk_too_small",
                step="read_export",
                remedy="Raise reporting.memory_mb and reporting.ephemeral_storage_mb (at most"
                " 10240) of modules/reconciliation, set costs.athena, or run `finops reconcile`"
                " where there is more",
            )
        return RejectedInput(
            f"the export can't be read: {first}",
            code="unreadable_export",
            remedy=f"Check {self._place}: all files must belong to one export",
        )


#: Of a month: what was charged daily on one of these is charged daily in the next month.
_LAST_DAYS: Final = timedelta(days=3)
#: No provider billed before.
_FIRST_PERIOD: Final = "DATE '2000-01-01'"
#: Of fewer rows nothing is said, if they are alike.
FEW_ROWS: Final = 10
#: Of fewer days of accounts, it may be by chance that all of them cost the same.
_FEW_DAYS: Final = 3
#: As texts, which reach Python in half the time.
_COSTS: Final = ", ".join(
    f"CAST(sum({name}) AS VARCHAR) AS {name}"
    for name in ("billed", "amortized", "net", "net_amortized")
)
