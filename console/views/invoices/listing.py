"""Invoices page by page, by the index that fits the filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import streamlit as st

from console.services import Services
from finops.invoices.domain import InvoiceRecord
from finops.shared.periods import last_months

PAGE_ROWS: Final = 100

#: Where a page starts; None for the first one.
Start = Mapping[str, Any] | None
Page = tuple[list[InvoiceRecord], Start]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which invoices are listed, and in which order.

    Attributes:
        status: Empty for any.
        month: In which they were received, such as `2026-03`; empty for the last twelve.
        search: Part of the file's name, the vendor or the invoice number.
        newest_first: By when they were received.
    """

    status: str = ""
    month: str = ""
    search: str = ""
    newest_first: bool = True

    @property
    def months(self) -> list[str]:
        """The months that are looked at, in order; one empty one stands for all of a status."""
        if self.month or self.status:
            return [self.month]
        months = last_months(datetime.now(UTC))
        return months if self.newest_first else months[::-1]


def matching(services: Services, filters: Filters) -> Iterator[InvoiceRecord]:
    """Every invoice that matches, on whatever page it is."""
    return services.invoices.store.all(
        status=filters.status,
        months=filters.months,
        search=filters.search,
        newest_first=filters.newest_first,
    )


@st.cache_data(ttl=5, max_entries=200, show_spinner=False)
def list_invoices(_services: Services, _deployment: str, filters: Filters, start: Start) -> Page:
    """A page of invoices, and where the next page starts.

    Without a status it reads month after month until the page is full.
    """
    start = dict(start or {})
    months = filters.months
    months = months[months.index(start.pop("month")) if "month" in start else 0 :]

    store = _services.invoices.store
    look_up = partial(store.search, filters.search) if filters.search else store.page

    def page(month: str, start: Start, limit: int) -> tuple[list[Any], Start]:
        return look_up(
            status=filters.status,
            month=month,
            newest_first=filters.newest_first,
            limit=limit,
            start=start or None,
        )

    def records(found: list[Any]) -> list[InvoiceRecord]:
        return store.read(found, status=filters.status) if filters.search else found

    with ThreadPoolExecutor(len(months)) as pool:
        # A search may find something in any month, so all of them are read at once.
        asked = {
            month: pool.submit(page, month, None, PAGE_ROWS)
            for month in (months[1:] if filters.search else ())
        }
        found: list[Any] = []
        for number, month in enumerate(months):
            more, after = (
                asked[month].result()
                if month in asked
                else page(month, start, PAGE_ROWS - len(found))
            )
            found += more
            start = {}
            if after:
                return records(found), {**after, "month": month}
            if len(found) >= PAGE_ROWS:
                is_last = number + 1 == len(months)
                return records(found), None if is_last else {"month": months[number + 1]}
    return records(found), None
