"""Sums of the loaded bills, from the views that BI tools read."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from finops.shared.data_api import DataApi


class Dimension(StrEnum):
    """By what bills are summed."""

    MONTH = "month"
    PRODUCT_LINE = "product_line"
    COUNTRY = "country"
    CURRENCY = "currency"


_TOTALS: Final = {
    Dimension.MONTH: ("billing_by_month", "month"),
    Dimension.PRODUCT_LINE: ("billing_by_product_line", "product_line"),
    Dimension.COUNTRY: ("billing_by_country", "country"),
    Dimension.CURRENCY: ("billing_by_month", "currency"),
}


def totals(database: DataApi, by: Dimension, month: str = "") -> list[dict[str, Any]]:
    """What the loaded bills add up to, by a dimension and currency, the largest first.

    Args:
        database: The billing database.
        by: The dimension.
        month: Only bills of this month, as YYYY-MM.

    Returns:
        `name`, `currency`, `bills`, and as texts `amount` and `amount_usd`; at most a thousand.
    """
    view, column = _TOTALS[by]
    found = database.execute(
        f"SELECT COALESCE({column}, '') AS name, currency, SUM(bills) AS bills,"
        " SUM(bill_amount) AS amount, SUM(amount_usd) AS amount_usd"
        f" FROM {view} WHERE :month IN ('', month) GROUP BY {column}, currency"
        " ORDER BY SUM(amount_usd) DESC LIMIT 1000",
        {"month": month},
    )
    return [{**row, "bills": int(row["bills"])} for row in found.rows]
