"""What a reader of a report must know first: the month in a sentence, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from finops.reconciliation.domain import UNMAPPED, UnitStatus, percent
from finops.reconciliation.report import Agreement, Report, Unit
from finops.shared.money import minor_units

_MOST_NAMED: Final = 4
_NOTHING: Final = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part of a sentence.

    Attributes:
        tone: `figure`, `over`, `under` or `aside`; empty for words.
    """

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A point to check before the report is shared.

    Attributes:
        tone: `bad`, `warn` or `mute`.
        target: The section of the page that shows it.
    """

    tone: str
    target: str
    title: str
    text: str


def verdict(report: Report) -> Iterator[Phrase]:
    """How the month compares with its budgets, and what changed costs most.

    Above figures that stand by themselves: none of them is in it.
    """
    places = digits(report.currency)
    yield from _against_budgets(report)
    if report.known_until or not report.totals.previous:
        return  # A part of a month has changed by what is still to come.
    first = next((one for one in report.drivers if one.account), None)
    if first:
        yield Phrase(" Largest change: ")
        yield Phrase(first.service, "figure")
        yield Phrase(f" in {first.account_name or first.account}, ")
        yield Phrase(signed(first.change, places), "figure")
        yield Phrase(" on the month before.")


def _against_budgets(report: Report) -> Iterator[Phrase]:
    if not any(unit.budget is not None for unit in report.units):
        yield Phrase("No budget is set.")
        return
    is_open, off = report.known_until is not None, variance(report)
    yield Phrase(f"{'By forecast, units' if is_open else 'Units'} with a budget ")
    yield Phrase("will be " if is_open else "are ")
    if off:
        side = "over" if off > 0 else "under"
        amount = money(abs(off), digits(report.currency))
        yield Phrase(f"{amount} {report.currency} {side}", side)
    else:
        yield Phrase("exactly on", "figure")
    yield Phrase(" budget")
    if report.totals.budget and off:
        yield Phrase(f" ({signed_percent(percent(off, report.totals.budget))})", "aside")
    yield Phrase(".")


def lead(report: Report) -> Iterator[Phrase]:
    """The month in a sentence: how much, and against what. For where no figures follow."""
    totals, places = report.totals, digits(report.currency)
    is_open = report.known_until is not None
    off = variance(report)
    yield Phrase(f"{money(totals.actual, places)} {report.currency}", "figure")
    yield Phrase(" so far. Forecast for the whole month: " if is_open else " spent")
    if is_open:
        yield Phrase(money(totals.forecast, places), "figure")
    if not any(unit.budget is not None for unit in report.units):
        yield Phrase(". No budget is set.")
        return
    yield Phrase(f". Units with a budget {'will be' if is_open else 'are'} ")
    if off:
        side = "over" if off > 0 else "under"
        yield Phrase(f"{money(abs(off), places)} {side}", side)
    else:
        yield Phrase("exactly on", "figure")
    yield Phrase(" their ")
    yield Phrase(money(totals.budget, places), "figure")
    if totals.budget and off:
        yield Phrase(" ")
        yield Phrase(f"({signed_percent(percent(off, totals.budget))})", "aside")
    if totals.unbudgeted:
        yield Phrase("; ")
        yield Phrase(money(totals.unbudgeted, places), "figure")
        yield Phrase(" so far have no budget" if is_open else " has no budget")
    yield Phrase(".")


def variance(report: Report) -> Decimal | None:
    """The variance by which the month is judged: in an open month that of the forecast."""
    totals = report.totals
    return totals.forecast_variance if report.known_until else totals.variance


def attention(report: Report) -> Iterator[Point]:
    """The points that need attention, the most serious first."""
    units = [unit for unit in report.units if unit.name != UNMAPPED]
    places = digits(report.currency)
    broken = [one for one in report.checks if one.holds is False]
    if broken:
        rules = " ".join(one.rule for one in broken)
        yield Point("bad", "checks", _count(len(broken), "check fails", "checks fail"), rules)
    differing = [one for one in report.invoices if one.agreement is Agreement.DIFFERS]
    if differing:
        title = _count(len(differing), "invoice differs", "invoices differ")
        names = named([one.invoice_id or f"payer {one.payer}" for one in differing])
        yield Point("bad", "invoices", title, f"No known reason explains the difference: {names}.")
    over = overrun(units)
    if over:
        how = "will be over budget" if report.known_until else "over budget"
        title = f"{_count(len(over), 'unit', 'units')} {how}"
        yield Point("bad", "units", title, f"{named([one.name for one in over])}.")
    if report.unmapped:
        share = percent(report.totals.unmapped, report.totals.actual)
        accounts = _count(len(report.unmapped), "account belongs", "accounts belong")
        text = f"{accounts} to no business unit"
        text += "." if share is None else f": {share}% of all costs."
        yield Point("warn", "unmapped", "Unmapped costs", text)
    told = [one for one in report.anomalies if not one.acknowledged]
    if told:
        first = told[0]
        title = _count(len(told), "anomaly", "anomalies")
        where = first.name or first.subject
        text = f"The largest: {where}, {signed(first.impact, places)} from"
        yield Point("warn", "anomalies", title, f"{text} {first.first.isoformat()} on.")
    idle = [unit for unit in units if unit.status is UnitStatus.NO_SPEND]
    if idle:
        title = f"{_count(len(idle), 'unit', 'units')} without spend"
        names = named([one.name for one in idle])
        yield Point("mute", "units", title, f"They have a budget, and costs of zero: {names}.")
    under = [unit for unit in units if unit.status is UnitStatus.UNDERRUN]
    if under:
        title = f"{_count(len(under), 'unit', 'units')} far below budget"
        yield Point("mute", "units", title, f"{named([one.name for one in under])}.")
    if report.changes:
        title = f"Revision {report.revision} is a correction"
        text = f"{_count(len(report.changes), 'amount differs', 'amounts differ')} from the"
        yield Point("mute", "changes", title, f"{text} revision before.")


def overrun(units: Sequence[Unit]) -> list[Unit]:
    """The units over their budgets, the furthest first. Their drivers are shown at once."""

    def left(unit: Unit) -> Decimal:
        return (unit.budget or Decimal(0)) - (
            unit.actual if unit.forecast is None else unit.forecast
        )

    over = (unit for unit in units if unit.status is UnitStatus.OVERRUN)
    return sorted(over, key=lambda unit: (left(unit), unit.name))


def digits(currency: str) -> int:
    """The decimals of a currency."""
    return minor_units().get(currency) or 0


def money(value: Decimal | None, places: int) -> str:
    """With thousands marks, to at least so many digits; a dash for what is not there."""
    return _NOTHING if value is None else f"{value:,.{places}f}"


def signed(value: Decimal | None, places: int) -> str:
    """As `money`, with a plus where it is more."""
    return f"{value:+,.{places}f}" if value else money(value, places)


def signed_percent(value: Decimal | None) -> str:
    """A percentage with its sign; a dash for what is not there."""
    return _NOTHING if value is None else f"{value:+,f}%"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def named(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
