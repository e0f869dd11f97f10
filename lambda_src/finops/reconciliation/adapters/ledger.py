"""`CostSource` over the billing database: FOCUS charges, and bills of companies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from finops.reconciliation.anomaly_services import ServiceCosts
from finops.reconciliation.daily_usage import services_of_charges, usage_of_charges
from finops.reconciliation.domain import (
    Charge,
    ChargeCategory,
    CommittedCosts,
    LineUsage,
    Metric,
    PriceEffect,
    account_id,
    category_of_focus,
    costs_known_until,
)
from finops.reconciliation.mapping import TagRule
from finops.reconciliation.ports import (
    AnomalyQuery,
    ChargeQuery,
    ControlTotal,
    Detail,
    TagQuery,
    UsageQuery,
)
from finops.shared.data_api import DataApi, Value
from finops.shared.periods import Month, month_end

#: An answer holds 1 MiB, and a row of it may take 500 bytes.
_ROWS_AT_ONCE: Final = 1_500

_LOADED: Final = "f.status IN ('LOADED', 'LOADED_WITH_REJECTS')"
_FOCUS_LINKED: Final = "COALESCE(NULLIF(c.sub_account_id, ''), c.billing_account_id)"
_OF_A_DAY: Final = "TIMESTAMPDIFF(HOUR, c.charge_period_start, c.charge_period_end) <= 25"
#: A charge is of its billing period, whenever it arose.
_FOCUS_DAY: Final = (
    "GREATEST(LEAST(DATE(c.charge_period_start), LAST_DAY(c.billing_period_start)),"
    " DATE(c.billing_period_start))"
)


class LedgerCosts:
    """Charges of the ledger.

    A FOCUS charge is what it says. A bill has no accounts: its dataset stands for the payer
    account, its company for the linked account, its product line for the service; a negative one
    is a credit.
    """

    def __init__(self, database: DataApi) -> None:
        self._database = database

    @property
    def name(self) -> str:
        return "Billing ledger"

    @property
    def notes(self) -> Sequence[str]:
        return ()

    def lacks(self, metric: Metric, _month: Month) -> str:
        """Net costs. An effective cost is required of FOCUS charges, and a bill has one amount."""
        return "" if metric in {Metric.BILLED, Metric.AMORTIZED} else "AWS's columns of it"

    def known_until(self, month: Month, today: date) -> date:
        """By the last day with a charge of a day or a bill, and when the files were loaded."""
        daily = (
            "(c.charge_category = 'Usage' OR c.charge_frequency = 'Recurring')"
            f" AND c.charge_period_start <= :today AND {_OF_A_DAY}"
        )
        sql = (
            "SELECT MAX(day) AS day, MAX(loaded) AS loaded FROM ("
            f"SELECT MAX(IF({daily}, {_FOCUS_DAY}, NULL)) AS day, MAX(f.finished_at) AS loaded"
            " FROM focus_charges c"
            f" JOIN billing_files f ON f.load_id = c.load_id WHERE {_LOADED}"
            " AND c.billing_period_start >= :first AND c.billing_period_start < :end"
            " UNION ALL SELECT MAX(IF(r.bill_date <= :today, r.bill_date, NULL)),"
            " MAX(f.finished_at) FROM billing_rows r"
            f" JOIN billing_files f ON f.load_id = r.load_id WHERE {_LOADED}"
            " AND r.bill_date >= :first AND r.bill_date < :end) d"
        )
        values = _period(month.first, month.end) | {"today": f"{today.isoformat()} 23:59:59"}
        [row] = self._database.execute(sql, values).rows
        if not row["loaded"]:
            return month.first
        return costs_known_until(
            month,
            today,
            last_day=_date(row["day"]) if row["day"] else None,
            delivered=_date(row["loaded"]),
            goes_on=False,
        )

    def usage_by_day(self, query: UsageQuery) -> Iterator[LineUsage]:
        return usage_of_charges(self.charges, query)

    def costs_by_service(self, query: AnomalyQuery) -> Sequence[Mapping[str, ServiceCosts]]:
        return services_of_charges(self.charges, query)

    def committed_costs(self, _month: Month) -> Sequence[CommittedCosts]:
        """Nothing: it knows no list prices."""
        return ()

    def price_effects(self, _month: Month, _metric: Metric) -> Sequence[PriceEffect]:
        """Nothing: it is not asked for quantities."""
        return ()

    def tagged_costs(self, _query: TagQuery) -> None:
        """None: tags are not loaded."""

    def control_totals(self, month: Month) -> list[ControlTotal]:
        sql = (
            "SELECT currency, SUM(amount) AS amount FROM ("
            " SELECT c.billing_currency AS currency, SUM(c.billed_cost) AS amount"
            " FROM focus_charges c"
            f" JOIN billing_files f ON f.load_id = c.load_id WHERE {_LOADED}"
            " AND c.billing_period_start >= :first AND c.billing_period_start < :end"
            " GROUP BY c.billing_currency"
            " UNION ALL SELECT r.currency, SUM(r.bill_amount) FROM billing_rows r"
            f" JOIN billing_files f ON f.load_id = r.load_id WHERE {_LOADED}"
            " AND r.bill_date >= :first AND r.bill_date < :end GROUP BY r.currency"
            ") t GROUP BY currency ORDER BY currency"
        )
        return [
            ControlTotal(
                f"Billing ledger total, {row['currency']}", _money(row["amount"]), row["currency"]
            )
            for row in self._database.execute(sql, _period(month.first, month.end)).rows
        ]

    def charges(self, query: ChargeQuery) -> Iterator[Charge]:
        yield from self._focus(query)
        if query.detail is not Detail.DAILY_FEES:
            yield from self._bills(query)

    def _focus(self, query: ChargeQuery) -> Iterator[Charge]:
        by_month = query.detail is Detail.MONTHS
        keys = {
            "payer": "c.billing_account_id",
            "linked": "''" if query.detail is Detail.SERVICE_DAYS else _FOCUS_LINKED,
            "service": "''" if query.detail is Detail.ACCOUNT_DAYS else "c.service_name",
            "start": "DATE_FORMAT(c.billing_period_start, '%Y-%m-01')" if by_month else _FOCUS_DAY,
            "category": "c.charge_category",
            "class": "COALESCE(c.charge_class, '')",
            "currency": "c.billing_currency",
            "invoice": "COALESCE(c.invoice_id, '')" if by_month else "''",
            "issuer": "COALESCE(c.invoice_issuer_name, '')" if by_month else "''",
            "arose": "''" if by_month else f"NULLIF(DATE(c.charge_period_start), {_FOCUS_DAY})",
        }
        values = _period(Month.of(query.first).first, month_end(query.end))
        keys["tag"] = _tag_rule(query.tag_rules, values)
        where = ["c.billing_period_start >= :first", "c.billing_period_start < :end"]
        if not by_month:
            where += [f"{_FOCUS_DAY} >= :day", f"{_FOCUS_DAY} < :until"]
            where.append(
                f"c.charge_category <> 'Usage' AND c.charge_frequency = 'Recurring' AND {_OF_A_DAY}"
                if query.detail is Detail.DAILY_FEES
                else "c.charge_category = 'Usage'"
            )
            values |= {"day": query.first.isoformat(), "until": query.end.isoformat()}
        where += _accounts(query, _FOCUS_LINKED, values)
        name = "''" if query.detail is Detail.SERVICE_DAYS else "MAX(c.sub_account_name)"
        for row in self._rows(
            "focus_charges c JOIN billing_files f ON f.load_id = c.load_id",
            keys,
            f"SUM(c.billed_cost) AS billed, SUM(c.effective_cost) AS amortized, {name} AS name",
            where,
            values,
        ):
            yield Charge(
                payer_account=account_id(row["payer"]),
                linked_account=account_id(row["linked"]),
                linked_account_name=row["name"] or "",
                service=row["service"],
                period_start=_date(row["start"]),
                arose_on=_date(row["arose"]) if row["arose"] else None,
                category=category_of_focus(row["category"], row["class"]),
                unblended=_money(row["billed"]),
                billed=_money(row["billed"]),
                amortized=_money(row["amortized"]),
                currency=row["currency"],
                invoice_id=row["invoice"],
                issuer=row["issuer"],
                tag_rule=row["tag"],
            )

    def _bills(self, query: ChargeQuery) -> Iterator[Charge]:
        by_month = query.detail is Detail.MONTHS
        linked = "COALESCE(NULLIF(r.company_name, ''), r.dataset)"
        keys = {
            "payer": "r.dataset",
            "linked": "''" if query.detail is Detail.SERVICE_DAYS else linked,
            "service": "''"
            if query.detail is Detail.ACCOUNT_DAYS
            else "COALESCE(NULLIF(r.product_line, ''), 'Other')",
            "start": "DATE_FORMAT(r.bill_date, '%Y-%m-01')" if by_month else "r.bill_date",
            "category": "IF(r.bill_amount < 0, 'Credit', 'Usage')",
            "currency": "r.currency",
        }
        values = _period(query.first, query.end)
        where = ["r.bill_date >= :first", "r.bill_date < :end"]
        if not by_month:
            where.append("r.bill_amount >= 0")
        where += _accounts(query, linked, values)
        for row in self._rows(
            "billing_rows r JOIN billing_files f ON f.load_id = r.load_id",
            keys,
            "SUM(r.bill_amount) AS billed",
            where,
            values,
        ):
            billed = _money(row["billed"])
            yield Charge(
                payer_account=row["payer"],
                linked_account=row["linked"],
                service=row["service"],
                period_start=_date(row["start"]),
                category=ChargeCategory(row["category"]),
                unblended=billed,
                billed=billed,
                amortized=billed,
                currency=row["currency"],
            )

    def _rows(
        self,
        tables: str,
        keys: Mapping[str, str],
        sums: str,
        where: Sequence[str],
        values: Mapping[str, Value],
    ) -> Iterator[Mapping[str, Any]]:
        """Groups, page by page, in the order of their keys."""
        selected = ", ".join(f"{expression} AS `{name}`" for name, expression in keys.items())
        order = ", ".join(str(at) for at in range(1, len(keys) + 1))
        names = ", ".join(f"`{name}`" for name in keys)
        offset = 0
        while True:
            rows = self._database.execute(
                f"SELECT {selected}, {sums} FROM {tables} WHERE {' AND '.join([_LOADED, *where])}"
                f" GROUP BY {names} ORDER BY {order} LIMIT {_ROWS_AT_ONCE} OFFSET {offset}",
                values,
            ).rows
            yield from rows
            if len(rows) < _ROWS_AT_ONCE:
                return
            offset += _ROWS_AT_ONCE


def _accounts(query: ChargeQuery, linked: str, values: dict[str, Value]) -> list[str]:
    if not query.accounts:
        return []
    names = [f"account_{number}" for number in range(len(query.accounts))]
    values |= dict(zip(names, query.accounts, strict=True))
    return [f"{linked} IN ({', '.join(f':{name}' for name in names)})"]


def _tag_rule(rules: Sequence[TagRule], values: dict[str, Value]) -> str:
    """The place, from 1, of the first rule that a charge fulfils."""
    cases = []
    for number, rule in enumerate(rules, 1):
        names = [f"tag_{number}_value_{at}" for at in range(len(rule.values))]
        values |= dict(zip(names, rule.compared(rule.values), strict=True))
        tags = "LOWER(c.tags)" if rule.ignore_case else "c.tags"
        allowed = ", ".join(f":{name}" for name in names)
        matches = []
        for at, key in enumerate(rule.compared(rule.keys)):
            values[f"tag_{number}_path_{at}"] = '$."' + key.replace('"', '\\"') + '"'
            matches.append(
                f"JSON_UNQUOTE(JSON_EXTRACT({tags}, :tag_{number}_path_{at})) IN ({allowed})"
            )
        cases.append(f"WHEN {' OR '.join(matches)} THEN {number}")
    return f"CASE {' '.join(cases)} ELSE 0 END" if cases else "0"


def _period(first: date, end: date) -> dict[str, Value]:
    return {"first": first.isoformat(), "end": end.isoformat()}


def _money(text: Any) -> Decimal:
    return Decimal(str(text or 0))


def _date(text: str) -> date:
    return date.fromisoformat(str(text)[:10])
