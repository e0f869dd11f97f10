"""The rules of EN 16931 on amounts, by their ids.

Ids and texts are those of the rules that CEN publishes:
https://github.com/ConnectingEurope/eInvoicing-EN16931
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from finops.invoices.einvoice.terms import AllowanceCharge, EInvoice, Line, Totals
from finops.shared.money import EXACT, ROUNDING, WIDE

_CENT: Final = Decimal("0.01")
#: What of a line's product may be lost by rounding (PEPPOL-EN16931-R120), and what more for each
#: unit, as prices are rounded to cents as well.
_LINE_SLACK: Final = Decimal("0.02")
_UNIT_SLACK: Final = Decimal("0.005")
#: The ids of rules by category of tax (BT-118), such as BR-AE-08.
_CATEGORIES: Final = {
    "S": "S",
    "Z": "Z",
    "E": "E",
    "AE": "AE",
    "K": "IC",
    "G": "G",
    "O": "O",
    "L": "AF",
    "M": "AG",
}
#: Categories with a rate; the others have no tax.
_TAXED: Final = frozenset({"S", "L", "M"})
#: Total, term, id of its limit of decimals.
_TOTALS: Final = (
    ("lines", "BT-106", "BR-DEC-09"),
    ("allowances", "BT-107", "BR-DEC-10"),
    ("charges", "BT-108", "BR-DEC-11"),
    ("net", "BT-109", "BR-DEC-12"),
    ("tax", "BT-110", "BR-DEC-13"),
    ("gross", "BT-112", "BR-DEC-14"),
    ("tax_in_tax_currency", "BT-111", "BR-DEC-15"),
    ("prepaid", "BT-113", "BR-DEC-16"),
    ("rounding", "BT-114", "BR-DEC-17"),
    ("due", "BT-115", "BR-DEC-18"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule that an invoice breaks.

    Attributes:
        rule: Its id, such as BR-CO-15.
        field: The field of the flow's invoice that it concerns.
        message: For people, with both amounts.
    """

    rule: str
    field: str
    message: str


def violations(invoice: EInvoice) -> tuple[Violation, ...]:
    """The rules on amounts that an invoice breaks.

    Sums are exact. A tax may differ from its product by what rounding line by line explains, as
    most software adds up rounded taxes: half a cent for each line, and one more.
    """
    with localcontext(WIDE):
        return tuple(_found(invoice))


def _found(invoice: EInvoice) -> Iterator[Violation]:
    yield from _presence(invoice)
    yield from _sums(invoice)
    yield from _taxes(invoice)
    for line in invoice.line_items:
        yield from _line(line)
    yield from _decimals(invoice)
    for what in invoice.other_currencies:
        yield Violation(
            rule="BR-CL-03",
            field="currency",
            message=f"the amount {what} is not in the invoice's currency {invoice.currency}",
        )


def _presence(invoice: EInvoice) -> Iterator[Violation]:
    totals = invoice.totals
    needed = [("BR-13", totals.net, "subtotal", "without tax (BT-109)")]
    if invoice.syntax != "ZUGFeRD 1.0":
        needed.append(("BR-15", totals.due, "amount_due", "due (BT-115)"))
    if not invoice.is_without_lines:
        needed.append(("BR-12", totals.lines, "subtotal", "of the lines (BT-106)"))
        if not invoice.line_items:
            yield Violation(rule="BR-16", field="line_items", message="there is no line (BG-25)")
    for rule, amount, name, what in needed:
        if amount is None:
            yield Violation(rule=rule, field=name, message=f"the amount {what} is missing")


def _sums(invoice: EInvoice) -> Iterator[Violation]:
    totals = invoice.totals
    if invoice.line_items:
        yield from _equal(
            "BR-CO-10",
            "subtotal",
            ("the sum of the lines (BT-106)", totals.lines),
            ("the lines (BT-131)", _sum(one.net for one in invoice.line_items)),
        )
    if invoice.allowances or not invoice.is_without_lines:
        yield from _allowances(invoice)
    if totals.lines is not None:
        yield from _equal(
            "BR-CO-13",
            "subtotal",
            ("the total without tax (BT-109)", totals.net),
            (
                "BT-106 - BT-107 + BT-108",
                _sum((totals.lines, -_or_0(totals.allowances), _or_0(totals.charges))),
            ),
        )
    if totals.net is not None:
        yield from _equal(
            "BR-CO-15",
            "total",
            ("the total with tax (BT-112)", totals.gross),
            ("BT-109 + BT-110", EXACT.add(totals.net, _or_0(totals.tax))),
        )
    if totals.gross is not None:
        yield from _equal(
            "BR-CO-16",
            "amount_due",
            ("the amount due (BT-115)", totals.due),
            ("BT-112 - BT-113 + BT-114", _due(totals)),
        )


def _due(totals: Totals) -> Decimal:
    return _sum(
        (
            _or_0(totals.gross),
            -_or_0(totals.prepaid),
            _or_0(totals.rounding),
            # BR-DEX-09 of XRechnung's extension.
            _or_0(totals.third_party),
        )
    )


def _allowances(invoice: EInvoice) -> Iterator[Violation]:
    for rule, is_charge, total, name, term in (
        ("BR-CO-11", False, invoice.totals.allowances, "discount", "BT-107"),
        ("BR-CO-12", True, invoice.totals.charges, "shipping", "BT-108"),
    ):
        listed = [one.amount for one in invoice.allowances if one.is_charge is is_charge]
        what = "charges" if is_charge else "allowances"
        yield from _equal(
            rule,
            name,
            (f"the sum of the {what} ({term})", _or_0(total)),
            (f"the {what} ({'BT-99' if is_charge else 'BT-92'})", _sum(listed)),
        )


def _taxes(invoice: EInvoice) -> Iterator[Violation]:
    if invoice.taxes:
        yield from _equal(
            "BR-CO-14",
            "tax",
            ("the tax (BT-110)", _or_0(invoice.totals.tax)),
            ("the taxes by rate (BT-117)", _sum(one.tax for one in invoice.taxes)),
        )
    elif invoice.totals.tax or not invoice.is_without_lines:
        if not invoice.guideline.lower().endswith("minimum"):
            yield Violation(rule="BR-CO-18", field="tax", message="there is no tax by rate (BG-23)")
        return
    for one in invoice.taxes:
        prefix = _CATEGORIES.get(one.category)
        parts = [
            line for line in invoice.line_items if _key(line) == (one.category, _rate(one.rate))
        ]
        expected = Decimal(0)
        if prefix is None or one.category in _TAXED:
            expected = EXACT.divide(EXACT.multiply(one.base, _or_0(one.rate)), Decimal(100))
        slack = _CENT / 2 * (1 + len(parts)) if expected else Decimal(0)
        rounded = expected.quantize(_CENT, rounding=ROUNDING)
        if one.tax != rounded and abs(EXACT.subtract(one.tax, expected)) > slack:
            rate = "" if one.rate is None else f" at {one.rate.normalize():f}%"
            yield Violation(
                rule=f"BR-{prefix}-09" if prefix else "BR-CO-17",
                field="tax",
                message=f"the tax{rate} (BT-117) is {one.tax}, but that of {one.base} (BT-116) is "
                f"{rounded} (BR-CO-17)",
            )
    yield from _bases(invoice)


def _bases(invoice: EInvoice) -> Iterator[Violation]:
    """Whether each rate's base is the sum of its lines, allowances and charges."""
    if not invoice.line_items:
        return
    if any(not line.category for line in invoice.line_items):
        if invoice.syntax != "ZUGFeRD 1.0":
            yield Violation(
                rule="BR-CO-04", field="line_items", message="a line has no tax category (BT-151)"
            )
        return
    expected: dict[tuple[str, Decimal], Decimal] = {}
    parts = [
        *((_key(line), line.net) for line in invoice.line_items),
        *((_key(one), one.amount if one.is_charge else -one.amount) for one in invoice.allowances),
    ]
    for key, amount in parts:
        expected[key] = EXACT.add(expected.get(key, Decimal(0)), amount)
    bases: dict[tuple[str, Decimal], Decimal] = {}
    for one in invoice.taxes:
        key = (one.category, _rate(one.rate))
        bases[key] = EXACT.add(bases.get(key, Decimal(0)), one.base)
    for key in dict.fromkeys((*bases, *expected)):
        category, rate = key
        prefix = _CATEGORIES.get(category, category or "S")
        wanted, base = expected.get(key, Decimal(0)), bases.get(key)
        where = f"category {category or '?'} at {rate:f}%"
        if base is None:
            yield Violation(
                rule=f"BR-{prefix}-01",
                field="tax",
                message=f"lines of {where} add up to {wanted}, but there is no such tax (BG-23)",
            )
        elif base != wanted:
            yield Violation(
                rule=f"BR-{prefix}-08",
                field="tax",
                message=f"the taxable amount of {where} (BT-116) is {base}, but its lines, "
                f"allowances and charges add up to {wanted}",
            )


def _key(part: Line | AllowanceCharge) -> tuple[str, Decimal]:
    return part.category, _rate(part.rate)


def _rate(rate: Decimal | None) -> Decimal:
    return Decimal(0) if not rate else rate.normalize()


def _line(line: Line) -> Iterator[Violation]:
    if line.price is None or line.quantity is None or line.price_quantity == 0:
        return
    per = line.price_quantity or Decimal(1)
    product = line.quantity * line.price / per
    changes = _sum(one.amount if one.is_charge else -one.amount for one in line.allowances)
    slack = _LINE_SLACK + abs(line.quantity / per) * _UNIT_SLACK
    if abs(product + changes - line.net) > slack:
        name = f"line {line.identifier or line.line}"
        yield Violation(
            rule="PEPPOL-EN16931-R120",
            field="line_items",
            message=f"the amount of {name} (BT-131) is {line.net}, but {line.quantity} times "
            f"{line.price}"
            + (f" for {per}" if per != 1 else "")
            + (f" and {changes:+}" if changes else "")
            + f" is {(product + changes).quantize(_CENT, rounding=ROUNDING)}",
        )


def _decimals(invoice: EInvoice) -> Iterator[Violation]:
    if invoice.syntax == "ZUGFeRD 1.0":
        return  # which allows four
    amounts: list[tuple[str, str, Decimal | None]] = [
        (rule, term, getattr(invoice.totals, name)) for name, term, rule in _TOTALS
    ]
    for one in invoice.allowances:
        terms = ("BR-DEC-05", "BT-99", "BR-DEC-06", "BT-100")
        if not one.is_charge:
            terms = ("BR-DEC-01", "BT-92", "BR-DEC-02", "BT-93")
        amounts += [(terms[0], terms[1], one.amount), (terms[2], terms[3], one.base)]
    for tax in invoice.taxes:
        amounts += [("BR-DEC-19", "BT-116", tax.base), ("BR-DEC-20", "BT-117", tax.tax)]
    amounts += [("BR-DEC-23", "BT-131", line.net) for line in invoice.line_items]
    for rule, term, amount in amounts:
        if amount is not None and _places(amount) > 2:
            yield Violation(
                rule=rule,
                field="total",
                message=f"the amount {amount} ({term}) has more than two decimals",
            )


def _equal(
    rule: str, field: str, stated: tuple[str, Decimal | None], expected: tuple[str, Decimal]
) -> Iterator[Violation]:
    if stated[1] is not None and stated[1] != expected[1]:
        yield Violation(
            rule=rule,
            field=field,
            message=f"{stated[0]} is {stated[1]}, but {expected[0]} is {expected[1]}",
        )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    added = Decimal(0)
    for one in amounts:
        added = EXACT.add(added, one)
    return added


def _or_0(amount: Decimal | None) -> Decimal:
    return Decimal(0) if amount is None else amount


def _places(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
