"""How much of a service's change against the month before is price, and how much is quantity."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Final

from finops.reconciliation.comparison.costs import Costs, sum_by
from finops.reconciliation.domain import ChargeCategory
from finops.reconciliation.report import PriceLine, Totals
from finops.shared.money import total

_SERVICES: Final = 10
_REST: Final = "Everything else"


def price_lines(costs: Costs, totals: Totals) -> tuple[PriceLine, ...]:
    """The services that changed most, and a line of all others; they add up to the whole change.

    Nothing where the source knows no quantities, or the month still goes on.
    """
    given = costs.evidence
    if not given.price_effects or ChargeCategory.USAGE in given.excluded:
        return ()
    now, before = (
        sum_by(costs.compared(allocated), lambda one: one.charge.service)
        for allocated in (costs.current, costs.previous)
    )
    prices, quantities = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
    for one in given.price_effects:
        service = one.service or ChargeCategory.USAGE.value
        found = costs.rate(one.currency, given.month)
        rate = found.rate if found else Decimal(0)
        prices[service] += one.price * rate
        quantities[service] += one.quantity * rate
    exchanged = _exchanged(costs)
    zero = Decimal(0)
    services = sorted(
        now.keys() | before.keys(),
        key=lambda one: (-abs(now.get(one, zero) - before.get(one, zero)), one),
    )
    nows = costs.rounded_lines([now.get(one, zero) for one in services], totals.actual)
    befores = costs.rounded_lines([before.get(one, zero) for one in services], totals.previous)
    # (service, where it stands among them)
    rows = [(name, slice(at, at + 1)) for at, name in enumerate(services[:_SERVICES])]
    if len(services) > _SERVICES:
        rows.append((_REST, slice(_SERVICES, None)))
    lines = []
    for name, part in rows:
        of = services[part]
        effects = [total(found[one] for one in of) for found in (prices, quantities, exchanged)]
        exact = total(now.get(one, zero) - before.get(one, zero) for one in of)
        spent, former = total(nows[part]), total(befores[part])
        price, quantity, exchange, other = costs.rounded_lines(
            [*effects, exact - total(effects)], spent - former
        )
        lines.append(
            PriceLine(
                service=name,
                now=spent,
                before=former,
                change=spent - former,
                price=price,
                quantity=quantity,
                exchange=exchange,
                other=other,
            )
        )
    return tuple(one for one in lines if one.change or one.price or one.quantity or one.exchange)


def _exchanged(costs: Costs) -> dict[str, Decimal]:
    """What the costs of the month before come to by the month's rates more than by their own."""
    given = costs.evidence
    currencies = {one.charge.currency for one in costs.current} - {given.currency}
    found = defaultdict[str, Decimal](Decimal)
    for one in costs.compared(costs.previous):
        if one.charge.currency in currencies:
            rate = costs.rate(one.charge.currency, given.month)
            former = costs.rate(one.charge.currency, given.month.plus(-1))
            if rate and former and rate.rate != former.rate:
                found[one.charge.service] += one.amount * rate.rate / former.rate - one.amount
    return found
