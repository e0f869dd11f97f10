"""The costs of a row of an export, in SQL: billed, amortized, and AWS's net ones.

AWS's own rule for amortized cost goes by the kind of line item:
https://docs.aws.amazon.com/cur/latest/userguide/amortized-reservation.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from finops.reconciliation.adapters.sql_dialects import quoted
from finops.reconciliation.domain import Metric

#: Exact: cells are texts or DECIMALs, doubles become the shortest text that names them.
_MONEY: Final = "DECIMAL(38,18)"
_UNKNOWN: Final = f"CAST(NULL AS {_MONEY})"

_FEE: Final = "SavingsPlanRecurringFee"
_AMORTIZED: Final = {
    "SavingsPlanCoveredUsage": ("savings_plan_savings_plan_effective_cost",),
    _FEE: ("savings_plan_total_commitment_to_date", "- savings_plan_used_commitment"),
    "DiscountedUsage": ("reservation_effective_cost",),
    "RIFee": (
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "+ reservation_unused_recurring_fee",
    ),
}
#: The same after discounts. CUR has none of the unused part of a Savings Plan's fee.
_NET_AMORTIZED: Final = {
    "SavingsPlanCoveredUsage": ("savings_plan_net_savings_plan_effective_cost",),
    "DiscountedUsage": ("reservation_net_effective_cost",),
    "RIFee": (
        "reservation_net_unused_amortized_upfront_fee_for_billing_period",
        "+ reservation_net_unused_recurring_fee",
    ),
}
_NET_FEE: Final = (
    "savings_plan_net_amortized_upfront_commitment_for_billing_period",
    "+ savings_plan_net_recurring_commitment_for_billing_period",
)
#: https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2-line-item.html
_NET: Final = "line_item_net_unblended_cost"
_LIST: Final = "pricing_public_on_demand_cost"
_USAGE: Final = "('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')"
#: https://focus.finops.org/focus-specification/v1-2/#commitmentdiscountstatus
_FOCUS_STATUS: Final = "CommitmentDiscountStatus"
_FOCUS_LIST: Final = "ListCost"
_FOCUS_COMMITMENTS: Final = (_FOCUS_STATUS, _FOCUS_LIST)
_NOTHING: Final = "('SavingsPlanNegation', 'SavingsPlanUpfrontFee')"
#: FOCUS's kinds whose effective cost is the billed one; providers leave it empty.
_NEVER_SPREAD: Final = "('Tax', 'Credit')"
_RESERVATION: Final = "reservation_reservation_a_r_n"
#: The kind of an upfront fee, and of much else that is paid once.
UPFRONT_FEE: Final = "Fee"
#: Kinds that hold what is amortized of a reservation's upfront fee.
RESERVED: Final = frozenset({"DiscountedUsage", "RIFee"})
_COMMITMENTS: Final = (_RESERVATION, "savings_plan_savings_plan_a_r_n")


class ExportCosts:
    """Expressions of a row's costs.

    Args:
        types: DuckDB's type of each column of the files.
        spelling: The files' own spelling of a column, None where they lack it.
        is_cur: Whether they are of a CUR.
        category: The cell that tells the kind of line item.
        billed: The column of the billed cost.
        effective: That of FOCUS's EffectiveCost, None where there is none.
    """

    def __init__(
        self,
        types: Mapping[str, str],
        spelling: Callable[[str], str | None],
        *,
        is_cur: bool,
        category: str,
        billed: str,
        effective: str | None,
    ) -> None:
        self._types = types
        self._spelling = spelling
        self._is_cur = is_cur
        self._category = category
        self._effective = effective
        self.billed = self._money(billed)

    def lacking(self, metric: Metric) -> dict[str, list[str]]:
        """The columns that a cost needs and the files lack, by kind of line item.

        What all kinds need is of an empty one.
        """
        needed: dict[str, Sequence[str]] = {}
        if metric is Metric.AMORTIZED:
            needed = dict(_AMORTIZED) if self._is_cur else {"": ("EffectiveCost",)}
        elif metric is Metric.NET:
            needed = {"": (_NET,)}
        elif metric is Metric.NET_AMORTIZED:
            fee = (*_AMORTIZED[_FEE], *_NET_FEE, *map(_gross, _NET_FEE))
            needed = {"": (_NET,), **_NET_AMORTIZED, _FEE: fee}
        missing = {
            kind: [name for name in map(_unsigned, columns) if not self._spelling(name)]
            for kind, columns in needed.items()
        }
        return {kind: names for kind, names in missing.items() if names}

    def lacking_of_upfront_fees(self, metric: Metric) -> list[str]:
        """The column that tells a reservation's upfront fee from other fees, where it is missing.

        Without it the fee would count beside the usage that it is spread over.
        """
        spreads = metric in {Metric.AMORTIZED, Metric.NET_AMORTIZED}
        known = not self._is_cur or self._spelling(_RESERVATION)
        return [_RESERVATION] if spreads and not known else []

    @property
    def amortized(self) -> str:
        """Upfront and recurring fees are in the usage that they pay for."""
        if not self._is_cur:
            if not self._effective:
                return self.billed
            unsaid = f"CASE WHEN {self._category} IN {_NEVER_SPREAD} THEN {self.billed} ELSE 0 END"
            return self._money(self._effective, unsaid)
        return self._spread(self._terms(Metric.AMORTIZED, _AMORTIZED, self._term), self.billed)

    @property
    def has_amortized(self) -> str:
        """False where the row itself lacks what its amortized cost is made of."""
        if not self._is_cur:
            effective = self._effective
            filled = f"{quoted(effective)} IS NOT NULL" if effective else "true"
            never_spread = f"coalesce({self._category} IN {_NEVER_SPREAD}, false)"
            return f"({filled} OR {never_spread} OR {self.billed} = 0)"
        terms = self._terms(Metric.AMORTIZED, _AMORTIZED, self._is_filled, " AND ")
        cases = [
            f"WHEN {self._category} = '{kind}' THEN {filled}" for kind, filled in terms.items()
        ]
        return f"(CASE {' '.join(cases)} ELSE true END OR {self.billed} = 0)" if cases else "true"

    @property
    def net(self) -> str:
        """Empty where no discount applies; a discount itself is in the costs that it lowers."""
        column = self._spelling(_NET) if self._is_cur else None
        if not column:
            return _UNKNOWN
        unsaid = f"CASE WHEN {self._category} LIKE '%Discount' THEN 0 ELSE {self.billed} END"
        return self._money(column, unsaid)

    @property
    def net_amortized(self) -> str:
        """Amortized cost after discounts; the one before them where a row has none of its own.

        The unused part of a Savings Plan's fee is taken to be discounted as the whole fee is, as
        the FinOps Foundation's Cloud Savings Percentage does.
        """
        if not self._is_cur or not self._spelling(_NET):
            return _UNKNOWN
        terms = self._terms(Metric.NET_AMORTIZED, _NET_AMORTIZED, self._net_term)
        if _FEE not in self.lacking(Metric.NET_AMORTIZED):
            unused = " ".join(map(self._term, _AMORTIZED[_FEE]))
            net = " ".join(map(self._net_term, _NET_FEE))
            whole = " ".join(map(self._term, map(_gross, _NET_FEE)))
            # A quotient is not exact.
            as_doubles = [f"CAST({one} AS DOUBLE)" for one in (unused, net, whole)]
            discounted = f"{as_doubles[0]} * {as_doubles[1]} / {as_doubles[2]}"
            terms[_FEE] = (
                f"CASE WHEN {whole} = 0 OR {net} = {whole} THEN {unused}"
                f" ELSE CAST({discounted} AS DECIMAL(38,12)) END"
            )
        return self._spread(terms, self.net)

    @property
    def knows_commitments(self) -> bool:
        """Whether the files have list prices, and say what is of a commitment."""
        if self._is_cur:
            return bool(self._spelling(_LIST)) and not self.lacking(Metric.AMORTIZED)
        return bool(self._effective) and all(map(self._spelling, _FOCUS_COMMITMENTS))

    @property
    def listed(self) -> str:
        """What usage would cost by list price; unknown where a row or the files do not say."""
        if not self.knows_commitments:
            return _UNKNOWN
        column = self._spelling(_LIST if self._is_cur else _FOCUS_LIST) or ""
        kinds = _USAGE if self._is_cur else "('Usage')"
        cost = self._money(column, _UNKNOWN)
        return f"CASE WHEN {self._category} IN {kinds} THEN {cost} END"

    @property
    def commitment(self) -> str:
        """`Used`, `Unused`, or empty where a row is of no commitment."""
        if not self.knows_commitments:
            return "''"
        if self._is_cur:
            item = self._category
            return (
                f"CASE WHEN {item} IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') THEN 'Used'"
                f" WHEN {item} IN ('{_FEE}', 'RIFee') THEN 'Unused' ELSE '' END"
            )
        status = quoted(self._spelling(_FOCUS_STATUS) or "")
        # A purchase has no status: it is no usage yet.
        return f"CASE WHEN {self._category} = 'Usage' THEN coalesce({status}, '') ELSE '' END"

    def _terms(
        self,
        metric: Metric,
        columns: Mapping[str, Sequence[str]],
        term: Callable[[str], str],
        between: str = " ",
    ) -> dict[str, str]:
        """What each kind of line items is made of, where the files have its columns."""
        lacking = self.lacking(metric)
        return {
            kind: between.join(map(term, names))
            for kind, names in columns.items()
            if kind not in lacking
        }

    def _spread(self, terms: Mapping[str, str], otherwise: str) -> str:
        item = self._category
        cases = [f"WHEN {item} IN {_NOTHING} THEN 0"]
        cases += [f"WHEN {item} = '{kind}' THEN {cost}" for kind, cost in terms.items()]
        # An upfront fee is spread over the usage that it pays for; so is what is refunded of it.
        cases += [
            f"WHEN {item} IN ('Fee', 'Refund') AND coalesce({quoted(arn)}, '') <> '' THEN 0"
            for arn in filter(None, map(self._spelling, _COMMITMENTS))
        ]
        code = self._spelling("line_item_product_code")
        if code:
            cases.append(f"WHEN {item} = 'Refund' AND {quoted(code)} LIKE '%SavingsPlans' THEN 0")
        return f"CAST(CASE {' '.join(cases)} ELSE {otherwise} END AS {_MONEY})"

    def _term(self, column: str) -> str:
        name = _unsigned(column)
        return column.removesuffix(name) + self._money(self._spelling(name) or name)

    def _net_term(self, column: str) -> str:
        name = _unsigned(column)
        gross = self._spelling(_gross(name))
        unsaid = self._money(gross) if gross else "0"
        return column.removesuffix(name) + self._money(self._spelling(name) or name, unsaid)

    def _is_filled(self, column: str) -> str:
        name = _unsigned(column)
        return f"nullif(CAST({quoted(self._spelling(name) or name)} AS VARCHAR), '') IS NOT NULL"

    def _money(self, column: str, unsaid: str = "0") -> str:
        cell = quoted(column)
        if not self._types[column].startswith("DECIMAL"):
            cell = f"nullif(CAST({cell} AS VARCHAR), '')"
        return f"coalesce(CAST({cell} AS {_MONEY}), {unsaid})"


def _gross(column: str) -> str:
    """The column of a cost before discounts."""
    return column.replace("_net_", "_", 1)


def _unsigned(column: str) -> str:
    return column.lstrip("+- ")
