"""Amounts of money: exact, in ISO 4217 currencies (https://www.iso.org/iso-4217-currency-codes.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from functools import cache
from itertools import cycle, islice, repeat
from typing import Final

from finops.shared.errors import RejectedInput

#: How money is rounded, everywhere: commercial rounding, half away from zero.
ROUNDING: Final = ROUND_HALF_UP
#: Sums and products are exact: a result that would be rounded is an error instead.
EXACT: Final = Context(prec=120, traps=[Inexact, InvalidOperation])
#: Wide enough that it only ever rounds quotients.
WIDE: Final = Context(prec=120)
_ROUNDING_WIDE: Final = Context(prec=120, rounding=ROUNDING)
#: Funds codes of ISO 4217 with minor units.
_UNITS_OF_ACCOUNT: Final = frozenset(
    {"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW", "XAD"}
)
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?", re.ASCII)


@cache
def minor_units() -> dict[str, int | None]:
    """Decimal places of each active currency by its code: JPY 0, USD 2, KWD 3.

    Codes without minor units in the standard (XAU, XXX) have None. Reading the library's list takes
    20 ms, so it is read on first use.
    """
    from iso4217 import Currency

    return {one.code: one.exponent for one in Currency}


def is_currency(code: str) -> bool:
    """Whether this is the code of an active currency, in upper case."""
    return code in minor_units()


def is_money(code: str) -> bool:
    """Whether people pay in it: ISO 4217 also has codes of metals, tests and units of account."""
    return minor_units().get(code) is not None and code not in _UNITS_OF_ACCOUNT


#: Codes that ISO 4217 withdrew, from its list three (historic denominations):
#: https://www.six-group.com/en/products-services/financial-information/data-standards.html
_WITHDRAWN: Final = (
    "ADP AFA ALK ANG AOK AON AOR ARA ARP ARY ATS AYM AZM BAD BEC BEF BEL BGJ BGK BGL BGN BOP BRB "
    "BRC BRE BRN BRR BUK BYB BYR CHC CSD CSJ CSK CUC CYP DDM DEM ECS ECV EEK ESA ESB ESP FIM FRF "
    "GEK GHC GHP GNE GNS GQE GRD GWE GWP HRD HRK IEP ILP ILR ISJ ITL LAJ LSM LTL LTT LUC LUF LUL "
    "LVL LVR MGF MLF MRO MTL MTP MVQ MXP MZE MZM NIC NLG PEH PEI PES PLZ PTE RHD ROK ROL RUR SDD "
    "SDP SIT SKK SLL SRG STD SUR TJR TMM TPE TRL UAK UGS UGW USS UYN UYP VEB VEF VNC XEU XFO XFU "
    "YDD YUD YUM YUN ZAL ZMK ZRN ZRZ ZWC ZWD ZWL ZWN ZWR"
)


@cache
def _withdrawn() -> frozenset[str]:
    return frozenset(_WITHDRAWN.split())


def was_currency(code: str) -> bool:
    """Whether this is the code of a currency, active or withdrawn, in upper case.

    An amount in a withdrawn currency is as good as the rate of its day.
    """
    return code in minor_units() or code in _withdrawn()


#: How markets write a hundredth of a currency, which no amount of that currency may be taken for:
#: https://en.wikipedia.org/wiki/ISO_4217#Minor_unit_symbols
_MINOR: Final = {"GBX": "GBP", "ZAC": "ZAR", "ILA": "ILS", "USX": "USD", "EUX": "EUR"}
_MINOR_FORM = re.compile(r"[A-Z]{2}[a-z]")


def major_of(text: str) -> str:
    """The currency of which this is a minor unit, such as GBP of `GBp` or `GBX`; else empty."""
    if major := _MINOR.get(text.upper()):
        return major
    return text.upper() if _MINOR_FORM.fullmatch(text) and is_currency(text.upper()) else ""


def rounded(amount: Decimal, digits: int) -> Decimal:
    """The amount rounded to so many decimal places; nothing is zero, not minus zero."""
    return WIDE.plus(amount.quantize(Decimal(1).scaleb(-digits), ROUNDING, WIDE))


def product(amount: Decimal, factor: Decimal, digits: int) -> Decimal:
    """The product, rounded once, to so many decimal places."""
    return rounded(WIDE.multiply(amount, factor), digits)


def products(amounts: Iterable[Decimal], factors: Iterable[Decimal], digits: int) -> list[Decimal]:
    """The product of each amount and its factor, as `product` has it."""
    unit = Decimal(1).scaleb(-digits)
    exact = map(WIDE.multiply, amounts, factors)
    return [*map(_ROUNDING_WIDE.quantize, exact, repeat(unit))]


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    result = Decimal(0)
    for amount in amounts:
        result = WIDE.add(result, amount)
    return result


def rounded_to_sum(
    amounts: Sequence[Decimal], digits: int, whole: Decimal | None = None
) -> list[Decimal]:
    """The amounts, rounded so that they add up to the rounded sum.

    By largest remainders, so that none is off by a whole unit of the last digit.

    Args:
        amounts: Exact.
        digits: After the point.
        whole: The rounded sum, where it is set already; it differs from the amounts' sum by less
            than their number of units.
    """
    unit = Decimal(1).scaleb(-digits)
    lower = [amount.quantize(unit, ROUND_FLOOR, WIDE) for amount in amounts]
    if whole is None:
        whole = rounded(total(amounts), digits)
    missing = int(WIDE.divide(WIDE.subtract(whole, total(lower)), unit))
    step = unit if missing > 0 else -unit
    # The largest remainders are rounded up first, the least down; ties go to the first, so that
    # the same amounts are rounded alike in every run.
    order = sorted(
        range(len(amounts)), key=lambda at: (step * WIDE.subtract(lower[at], amounts[at]), at)
    )
    for at in islice(cycle(order), abs(missing)):
        lower[at] = WIDE.add(lower[at], step)
    return lower


def phased(amount: Decimal, weights: Sequence[Decimal], digits: int) -> list[Decimal]:
    """The amount by weights, rounded to so many decimal places; the parts add up to it so rounded.

    Args:
        amount: Of all parts.
        weights: Not below zero, with a sum above it.
        digits: After the point.
    """
    whole = total(weights)
    parts = [WIDE.divide(WIDE.multiply(amount, one), whole) for one in weights]
    return rounded_to_sum(parts, digits)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency, as exact as it was given."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        """Refuse anything but an exact amount in a known currency.

        Raises:
            TypeError: the amount is a float, or anything but a Decimal.
            RejectedInput: it is not finite, or the currency is unknown.
        """
        if not isinstance(self.amount, Decimal):
            raise TypeError(
                f"money is a Decimal, not {type(self.amount).__name__}: {self.amount!r}"
            )
        if not self.amount.is_finite():
            raise RejectedInput(f"{self.amount} is not an amount", code="invalid_amount")
        if not is_currency(self.currency):
            raise RejectedInput(
                f"{self.currency!r} is not an ISO 4217 currency code", code="unknown_currency"
            )

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Money from a number such as `-1234.56`.

        Raises:
            RejectedInput: the text is not a number.
        """
        if not isinstance(text, str):
            raise TypeError(f"an amount is parsed from text, not {type(text).__name__}")
        if not _NUMBER.fullmatch(text):
            raise RejectedInput(f"{text!r} is not an amount", code="invalid_amount", value=text)
        return cls(Decimal(text), currency)

    def rounded(self) -> Money:
        """Rounded to minor units; unchanged where the currency has none."""
        digits = minor_units()[self.currency]
        return self if digits is None else Money(rounded(self.amount, digits), self.currency)

    def __add__(self, other: Money) -> Money:
        """The exact sum.

        Raises:
            ValueError: the currencies differ.
        """
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} can't be added")
        return Money(EXACT.add(self.amount, other.amount), self.currency)

    def __str__(self) -> str:
        """Such as `1,234.50 EUR`, rounded to minor units."""
        whole = self.rounded()
        return f"{whole.amount:,f} {self.currency}"
