"""What a reader must know of rows of an export that do not count as they are."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from finops.shared.periods import Month


def notes_of_rows(
    currency: str,
    undated: int,
    amount: Decimal,
    misdated: int,
    amount_misdated: Decimal,
    without_cost: int,
    without_amortized: int,
    amount_without_amortized: Decimal,
) -> Iterator[str]:
    """What a reader must know of rows that do not count as they are."""
    if undated:
        yield (
            f"{counted(undated)} of the export without a billing period:"
            f" {amount.normalize():,f} {currency} are in no month's costs."
        )
    if misdated:
        yield (
            f"{counted(misdated)} of the export with a billing period before 2000 or after the"
            f" delivery: {amount_misdated.normalize():,f} {currency} are in no month's costs."
        )
    if without_cost:
        yield f"{counted(without_cost)} of the export without a cost, counted as zero."
    if without_amortized:
        yield (
            f"{counted(without_amortized)} of the export with a billed, but without an"
            f" amortized cost, which counts as zero: {amount_without_amortized.normalize():,f}"
            f" {currency} are billed for them."
        )


def note_of_charges_ahead(
    began: Month, billed: Month, currency: str, rows: int, amount: Decimal
) -> str:
    """Of charges that begin in one month, and whose billing period has ended in an earlier one."""
    return (
        f"{counted(rows)} of the export with charges that begin in {began}, after the end of their"
        f" billing period: {amount.normalize():,f} {currency} are in the costs of {billed}, and in"
        " no other month's. If they were not billed ahead, check the dates in the export."
    )


def counted(count: int) -> str:
    """Such as `1 row`, or `2,000 rows`."""
    return f"{count:,} {'row' if count == 1 else 'rows'}"
