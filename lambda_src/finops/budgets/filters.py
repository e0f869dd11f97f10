"""Which costs a budget counts: its filters by AWS's dimensions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from finops.budgets.domain import LINKED_ACCOUNT
from finops.budgets.values import items_of, quoted, unseen_in
from finops.shared.errors import RejectedInput

COST_FILTER_DIMENSIONS: Final = frozenset(
    {
        "AZ",
        "BillingEntity",
        "CostCategory",
        "InstanceType",
        "InvoicingEntity",
        "LegalEntityName",
        "LinkedAccount",
        "Operation",
        "PurchaseType",
        "Region",
        "Service",
        "TagKeyValue",
        "UsageType",
        "UsageTypeGroup",
    }
)

# https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-create-filters.html
_TAGS: Final = "TagKeyValue"
_TAG: Final = re.compile(r"[^$]+\$.*", re.DOTALL)
_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")
#: No value of these holds a comma: one that does is meant as several, and counts nothing.
_WITHOUT_COMMAS: Final = frozenset({"AZ", "InstanceType", LINKED_ACCOUNT, "Region"})


def parse_cost_filters(value: object) -> dict[str, tuple[str, ...]]:
    """Values by dimension, sorted; empty where it is absent."""

    def rejection(reason: str) -> RejectedInput:
        return RejectedInput(
            f"cost_filters {quoted(value)} {reason}",
            code="invalid_cost_filters",
            field="cost_filters",
            value=value,
            remedy='Write a map such as {"Service": ["Amazon Relational Database Service"]}; known'
            f" dimensions are {', '.join(sorted(COST_FILTER_DIMENSIONS))}",
        )

    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise rejection("is not a map")
    filters: dict[str, tuple[str, ...]] = {}
    for name, given in sorted(value.items()):
        if name not in COST_FILTER_DIMENSIONS:
            raise rejection(f"has the unknown dimension {quoted(name)}")
        # Not split at commas: service names hold them.
        values = [given] if isinstance(given, str) else items_of(given, rejection)
        found = set()
        for one in values:
            if not isinstance(one, str) or not one.strip():
                raise rejection(f"has no text values for {quoted(name)}")
            text = one if name == _TAGS else one.strip()
            if problem := _problem(name, text):
                raise rejection(f"has for {name} the value {quoted(one)}, which {problem}")
            found.add(text)
        filters[name] = tuple(sorted(found))
    return filters


def _problem(name: str, text: str) -> str:
    """Why a value would count nothing; empty where nothing is known."""
    if name == _TAGS:
        # Spaces of any kind are part of a tag, and signs that print nothing are not:
        # https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
        if not _TAG.fullmatch(text):
            return "is not KEY$VALUE such as user:Team$Sales"
        return unseen_in("".join(text.split()))
    if name == LINKED_ACCOUNT and not _ACCOUNT_ID.fullmatch(text):
        return "is not an AWS account id: write its 12 digits, as text"
    if name in _WITHOUT_COMMAS and "," in text:
        return "has a comma: write a list of values"
    return unseen_in(text)
