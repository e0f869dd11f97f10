"""Which of the amounts of a document are its total, subtotal and tax."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from finops.shared.money import EXACT

#: The highest rate of a tax on sales is 27%; Hungary's.
HIGHEST_RATE: Final = Decimal("0.30")
#: Percent: rates of taxes on sales, https://taxation-customs.ec.europa.eu/tedb and others.
_RATES: Final = tuple(
    Decimal(rate)
    for rate in re.findall(
        r"\S+",
        "1 2 2.1 2.5 2.6 3 3.7 3.8 4 4.8 5 5.5 6 7 7.5 7.7 8 8.1 9 9.5 10 11 12 12.5 13 13.5 14 15 "
        "16 17 18 19 19.25 20 21 22 23 24 25 25.5 27 28",
    )
)
_PRINTED_RATE = re.compile(r"(?<![\d.,])(\d{1,2}(?:[.,]\d{1,3})?) ?%")


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount that may be the total, the subtotal or the tax.

    Attributes:
        at: Its place in the caller's list.
        label: As printed.
        page: Its page; totals on earlier pages are carried over.
    """

    at: int
    value: Decimal
    label: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Totals:
    """Amounts that add up: the total is the sum of the subtotals and the taxes.

    Attributes:
        total: The total, or an amount due.
        subtotals: One, or one for each rate of tax.
        taxes: One, or one for each rate of tax.
        doubt: Why they may be wrong; else empty.
    """

    total: Amount
    subtotals: tuple[Amount, ...]
    taxes: tuple[Amount, ...]
    doubt: str = ""


def weighed(
    totals: Sequence[Amount],
    dues: Sequence[Amount],
    subtotals: Sequence[Amount],
    taxes: Sequence[Amount],
) -> Totals | None:
    """The amounts that add up, with the largest total; None if none do.

    All sets of amounts that add up are weighed. A total that belongs to a rate of tax is part of
    the whole. Other sets, larger totals and taxes by rate that add up to another tax are doubt.

    Args:
        totals: Credible totals, the most credible first.
        dues: Amounts due; one above every total can be the total.
        subtotals: Amounts without tax.
        taxes: Taxes, possibly one for each rate.
    """
    sets = list(_sets(totals, subtotals, taxes))
    largest = max((abs(one.value) for one in totals), default=Decimal(0))
    if more := [one for one in dues if abs(one.value) > largest]:
        # "Total 1,000.00, VAT 190.00, to pay 1,190.00": what is called the total is without tax.
        nets = [*subtotals, *totals]
        sets += [one for one in _sets(more, nets, taxes) if _is_rate(one)]
    if not sets:
        return None
    best = max(sets, key=lambda one: (abs(one.total.value), -sets.index(one)))
    return Totals(best.total, best.subtotals, best.taxes, _doubt(best, sets, totals, taxes))


def printed_rate(label: str) -> Decimal | None:
    """The rate of tax in a label such as `VAT 19%`, in percent; None unless it is one rate."""
    found = {Decimal(rate.replace(",", ".")) for rate in _PRINTED_RATE.findall(label)}
    return found.pop() if len(found) == 1 else None


def fits_a_rate(tax: Decimal, total: Decimal, label: str, unit: Decimal) -> bool:
    """Whether a tax can be that of a total with tax, as judged by its rate.

    Without a printed rate, one is looked for among the usual rates. A tax that is also a usual rate
    of the whole total leaves open whether the total is with or without tax.

    Args:
        tax: In the currency of the total.
        total: With tax.
        label: The tax's label, as printed.
        unit: The smallest amount of the currency.
    """
    net = total - tax
    rate = printed_rate(label)
    if rate is not None:
        return _near(tax, net, rate, unit)
    return any(_near(tax, net, one, unit) for one in _RATES) and not any(
        _near(tax, total, one, unit) for one in _RATES
    )


def taxes_by_rate(found: Totals, unit: Decimal) -> tuple[tuple[Decimal, Decimal, Decimal], ...]:
    """Rate, base and tax of each tax, if every label states a rate that fits one subtotal alone.

    Args:
        found: What adds up.
        unit: The smallest amount of the currency.
    """
    rows = []
    for one in found.taxes:
        rate = printed_rate(one.label)
        bases = {
            base.value
            for base in found.subtotals
            if rate is not None and abs(one.value * 100 - base.value * rate) <= 100 * unit
        }
        if rate is None or len(bases) != 1:
            return ()
        rows.append((rate, bases.pop(), one.value))
    whole = sum((base for _, base, _ in rows), Decimal(0)) == _sum(found.subtotals)
    return tuple(rows) if whole else ()


def _near(tax: Decimal, base: Decimal, rate: Decimal, unit: Decimal) -> bool:
    # Taxes are also rounded line by line, on prices that are rounded with tax.
    return abs(tax * 100 - base * rate) <= 100 * 3 * unit


def _sets(
    totals: Sequence[Amount], subtotals: Sequence[Amount], taxes: Sequence[Amount]
) -> Iterator[Totals]:
    for total in totals:
        for base in _parts(subtotals):
            rest = EXACT.subtract(total.value, _sum(base))
            if any(one.at == total.at for one in base):
                continue
            tax = next((some for some in _parts(taxes) if _sum(some) == rest), None)
            if tax:
                yield Totals(total, base, tax)


def _parts(amounts: Sequence[Amount]) -> Iterator[tuple[Amount, ...]]:
    """Each amount alone, then all of them by rate: those with distinct labels or values."""
    distinct = list({(one.value, one.label): one for one in amounts}.values())
    for one in distinct:
        yield (one,)
    if len(distinct) > 1:
        yield tuple(distinct)
        by_value = list({one.value: one for one in distinct}.values())
        if 1 < len(by_value) < len(distinct):
            yield tuple(by_value)


def _doubt(
    best: Totals, sets: Sequence[Totals], totals: Sequence[Amount], taxes: Sequence[Amount]
) -> str:
    total = best.total.value
    other = {(one.total.value, _sum(one.subtotals)) for one in sets if one.total.value != total}
    parts = {value for value, _ in other}
    by_rate = len(best.subtotals) > 1 and {net for _, net in other} <= {
        one.value for one in best.subtotals
    }
    if other and not by_rate and sum(parts, Decimal(0)) != total:
        return f"other amounts add up too, to {_shown(parts)}"
    same_total = {_sum(one.subtotals) for one in sets if one.total.value == total}
    if len(same_total) > 1:
        return f"it is the sum of a tax with {_shown(same_total, 'or')}"
    if larger := {one.value for one in totals if abs(one.value) > abs(total)}:
        return f"the document also shows a total of {_shown(larger)}"
    # Each printed tax, but those that were added up and what they add up to.
    rest = {
        (one.value, one.label) for one in taxes if one.value not in {_sum(best.taxes), Decimal(0)}
    }
    by_rates = sum((value for value, _ in rest), Decimal(0))
    if rest and by_rates != _sum(best.taxes):
        return f"the taxes by rate add up to {by_rates}, but the tax is {_sum(best.taxes)}"
    return ""


def _is_rate(found: Totals) -> bool:
    net, tax = _sum(found.subtotals), _sum(found.taxes)
    return net != 0 and 0 < tax / net <= HIGHEST_RATE


def _sum(amounts: Iterable[Amount]) -> Decimal:
    added = Decimal(0)
    for one in amounts:
        added = EXACT.add(added, one.value)
    return added


def _shown(values: Iterable[Decimal], word: str = "and") -> str:
    return f" {word} ".join(f"{one:f}" for one in sorted(values))
