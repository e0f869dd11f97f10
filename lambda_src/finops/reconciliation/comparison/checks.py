"""Consistency checks: pairs of amounts that must be equal, tested in every run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from finops.reconciliation.comparison.costs import Costs
from finops.reconciliation.domain import Charge, ChargeCategory, Metric
from finops.reconciliation.mapping import Allocated
from finops.reconciliation.report import Check, Totals
from finops.shared.money import WIDE, minor_units, rounded, total
from finops.shared.periods import Month


def checks_of(costs: Costs, totals: Totals) -> Iterator[Check]:
    """The report's checks, those of the invoices last."""
    yield _units_add_up(costs, totals)
    yield from _source_totals(costs)
    yield from _amortized_costs_are_known(costs)
    if costs.account_series:
        yield _days_add_up(costs)
    yield from _tags_add_up(costs, totals)
    if costs.evidence.invoice_rule:
        yield costs.evidence.invoice_rule


def _units_add_up(costs: Costs, totals: Totals) -> Check:
    charged = total(costs.converted(charge) for charge in _each_once(costs.current))
    return _check(
        costs,
        "units_add_up",
        "Every charge is in exactly one business unit or in Unmapped.",
        charged,
        totals.actual + totals.excluded,
        "All charges, against all units with their excluded costs.",
    )


def _source_totals(costs: Costs) -> Iterator[Check]:
    given = costs.evidence
    for name, amount, currency in given.control_totals:
        billed = total(
            charge.billed
            for charge in given.charges
            if charge.currency == currency and Month.of(charge.period_start) == given.month
        )
        yield _source_total(name, currency, amount, billed)


def _amortized_costs_are_known(costs: Costs) -> Iterator[Check]:
    """Broken ones, by currency: what has no amortized cost counts as zero."""
    if costs.evidence.metric not in {Metric.AMORTIZED, Metric.NET_AMORTIZED}:
        return
    for currency, billed in costs.evidence.without_amortized.items():
        if billed:
            digits = minor_units().get(currency) or 0
            yield Check(
                name="amortized_known",
                rule="Every charge has an amortized cost, where it has a billed one.",
                holds=False,
                expected=rounded(Decimal(0), digits),
                found=rounded(billed, digits),
                note=f"Billed costs without an amortized one, {currency}. They count as zero.",
            )


def _source_total(name: str, currency: str, expected: Decimal, found: Decimal) -> Check:
    """Both amounts are exact, and in the currency of the charges."""
    digits = minor_units().get(currency) or 0
    return Check(
        name="source_total",
        rule="No charge is lost: all charges add up to the source's own total.",
        holds=abs(expected - found) < Decimal(5).scaleb(-digits - 1),
        expected=rounded(expected, digits),
        found=rounded(found, digits),
        note=f"{name}: the source's total of billed costs, against the sum of all charges,"
        f" {currency}.",
    )


def _days_add_up(costs: Costs) -> Check:
    month = costs.evidence.month
    usage = total(
        one.amount for one in costs.current if one.charge.category is ChargeCategory.USAGE
    )
    days = total(
        amount
        for series in costs.account_series.values()
        for day, amount in series.items()
        if month.first <= day < month.end
    )
    return _check(
        costs,
        "days_add_up",
        "Usage by day adds up to usage by month.",
        usage,
        days,
        "Two queries of the same usage.",
    )


def _tags_add_up(costs: Costs, totals: Totals) -> Iterator[Check]:
    first = costs.evidence.month.first
    for tag, found in costs.evidence.tagged.items():
        tagged = total(
            WIDE.multiply(one.amount, rate.rate)
            for one in found
            if one.first == first
            and (rate := costs.rate(one.currency, costs.evidence.month)) is not None
        )
        yield _check(
            costs,
            "tags_add_up",
            "The values of a tag, and what is not tagged, add up to all costs.",
            totals.actual,
            tagged,
            f"All units, against all values of the tag {tag}.",
        )


def _each_once(allocated: Iterable[Allocated]) -> Iterator[Charge]:
    """Each charge once, whole, even if a rule divided it."""
    seen: set[int] = set()
    for one in allocated:
        if id(one.charge) not in seen:
            seen.add(id(one.charge))
            yield one.charge


def _check(
    costs: Costs, name: str, rule: str, expected: Decimal, found: Decimal, note: str
) -> Check:
    wanted, got = costs.rounded(expected), costs.rounded(found)
    # Either side was rounded once.
    holds = abs(wanted - got) <= Decimal(1).scaleb(-costs.digits)
    return Check(name=name, rule=rule, holds=holds, expected=wanted, found=got, note=note)
