"""Billing files of any size."""

from __future__ import annotations

from collections.abc import Iterator


def lines(first: int, item: str = "Croissant") -> Iterator[str]:
    """Lines of a billing file; the iterator never ends."""
    number = first
    while True:
        number += 1
        yield (
            f"{number},Acme {number % 5000} GmbH,DE,Berlin,Bakery,{item},"
            f"2026-03-0{1 + number % 7},{'EUR' if number % 2 else 'USD'},{number % 9973}.25\n"
        )
