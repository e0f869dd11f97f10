"""Everything that a report is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from finops.reconciliation.anomalies import Acknowledgement, Unusual
from finops.reconciliation.aws_budgets import AwsBudget
from finops.reconciliation.domain import (
    Charge,
    ChargeCategory,
    CommittedCosts,
    LineUsage,
    Metric,
    PriceEffect,
    TaggedCosts,
    UnitBudget,
    UsageSource,
)
from finops.reconciliation.mapping import CostMapping, UnitGroup
from finops.reconciliation.report import Check, InvoiceLine, RateUsed
from finops.shared.periods import Month

#: Of each (account, its unusual days): the services that drove them, the largest first.
AnomalyServices = Callable[[Sequence[tuple[str, Unusual]]], Sequence[Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that a report is made from.

    Attributes:
        charges: By month, of the month and of the twelve before, as far as the source has them.
        account_days: Usage by day and linked account, of the month and some weeks before; read
            once.
        service_days: The same by service.
        usage_by_day: Asked once, where days are known, with the number of a line for each source:
            the month's usage by day and line, in any order.
        rate: The rate into the report's currency at the end of a month, None if none is known.
        budgets: By business unit, each in its own currency.
        committed: What commitments did in the month, by currency.
        price_effects: Why usage costs another amount than in the month before; of a whole month.
        year_budgets: Budgets of the months of the fiscal year; those of the report's own month are
            `budgets`.
        fiscal_year_starts_in: A month, from 1.
        aws_budgets: What AWS Budgets said last of each budget; None where that is not known.
        tagged: By a tag's key, the compared costs of the month and of the one before.
        known_until: The first day of the month without known costs; its end where it is closed.
        control_totals: (name, amount, currency) of all billed charges of the month.
        without_amortized: By currency, what is billed for charges whose amortized cost the source
            lacks.
        invoices: The lines of the invoice check.
        invoice_rule: The invoice check's invariant.
        fee_days: Fees that are charged day by day, by linked account and service; of a running
            month and some weeks before.
        knows_amortized: Whether the charges' amortized costs are right.
        groups: Of business units, without a circle, each unit and group in one at most.
        acknowledgements: Of anomalies.
        anomaly_services: Asked once, with the unusual days of all accounts.
    """

    month: Month
    currency: str
    metric: Metric
    source: str
    source_name: str
    mapping: CostMapping
    excluded: frozenset[ChargeCategory]
    smallest_line: Decimal
    charges: Sequence[Charge]
    account_days: Iterable[Charge]
    service_days: Sequence[Charge]
    rate: Callable[[str, Month], RateUsed | None]
    budgets: Mapping[str, UnitBudget]
    known_until: date
    control_totals: Sequence[tuple[str, Decimal, str]] = ()
    without_amortized: Mapping[str, Decimal] = field(default_factory=dict)
    invoices: Sequence[InvoiceLine] = ()
    invoice_rule: Check | None = None
    anomaly_services: AnomalyServices = lambda anomalies: [() for _ in anomalies]
    usage_by_day: Callable[[Mapping[UsageSource, int]], Iterable[LineUsage]] = lambda _lines: ()
    groups: Sequence[UnitGroup] = ()
    acknowledgements: Sequence[Acknowledgement] = ()
    fee_days: Sequence[Charge] = ()
    knows_amortized: bool = True
    is_open: bool = True
    notes: tuple[str, ...] = ()
    committed: Sequence[CommittedCosts] = ()
    price_effects: Sequence[PriceEffect] = ()
    year_budgets: Mapping[Month, Mapping[str, UnitBudget]] = field(default_factory=dict)
    fiscal_year_starts_in: int = 1
    aws_budgets: Sequence[AwsBudget] | None = None
    tagged: Mapping[str, Sequence[TaggedCosts]] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Whether days of the month are still to come or have unknown costs."""
        return self.known_until < self.month.end
