"""Which costs a budget counts: its filters by AWS's dimensions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from finops.budgets.domain import LINKED_ACCOUNT
from finops.budgets.values import items_of, quoted, says_none, unseen_in
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
_TAG: Final = re.compile(r"(?:(?P<whose>user|aws):|(?!(?:user|aws):))(?P<key>[^$]+)\$.*", re.DOTALL)
_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")
_WAY: Final = r"(?:central|(?:north|south)(?:east|west)?|east|west)"
#: `eu-west-1`, `us-gov-east-1`: https://docs.aws.amazon.com/general/latest/gr/rande.html
_REGION: Final = re.compile(rf"[a-z]{{2,4}}(?:-[a-z]+)?-{_WAY}-[0-9]{{1,2}}")
#: `eu-west-1a`, and the local zone `us-west-2-lax-1a`.
_ZONE: Final = re.compile(rf"{_REGION.pattern}(?:-[a-z0-9]+)*[a-z0-9]")
#: What AWS calls the region of costs that have none, by how people may write it.
_NO_REGION: Final = {"global": "global", "noregion": "NoRegion"}
#: No value of these holds a comma: one that does is meant as several, and counts nothing.
_WITHOUT_COMMAS: Final = frozenset({"AZ", "InstanceType", LINKED_ACCOUNT, "Region"})


def parse_cost_filters(value: object) -> dict[str, tuple[str, ...]]:
    """Values by dimension, sorted; empty where it is absent or the word `none`."""
    return _filters(value, _checked)


def read_cost_filters(value: object) -> dict[str, tuple[str, ...]]:
    """The filters of a budget that was published, by whatever rules of their values."""
    return _filters(value, lambda _, text: (text, ""))


def _checked(name: str, text: str) -> tuple[str, str]:
    return _as_aws_writes(name, text), _problem(name, text)


def _filters(
    value: object, check: Callable[[str, str], tuple[str, str]]
) -> dict[str, tuple[str, ...]]:
    """Values by dimension; `check` says how to write one of them, and what is wrong with it."""

    def rejection(reason: str) -> RejectedInput:
        return RejectedInput(
            f"cost_filters {quoted(value)} {reason}",
            code="invalid_cost_filters",
            field="cost_filters",
            value=value,
            remedy='Write a map such as {"Service": ["Amazon Relational Database Service"]}; known'
            f" dimensions are {', '.join(sorted(COST_FILTER_DIMENSIONS))}",
        )

    if value is None or says_none(value):
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
            written, problem = check(name, text)
            if problem:
                raise rejection(f"has for {name} the value {quoted(one)}, which {problem}")
            found.add(written)
        filters[name] = tuple(sorted(found))
    return filters


def _as_aws_writes(name: str, text: str) -> str:
    """A value as AWS compares it, where only one can be meant.

    Names of regions and zones are in lower case. The key of a tag says whose it is: `aws:` begins
    those that AWS makes, and all others are people's.
    """
    if name == "Region":
        return _NO_REGION.get(text.lower(), text.lower())
    if name == "AZ" and _ZONE.fullmatch(text.lower()):
        return text.lower()
    if name == _TAGS and (tag := _TAG.fullmatch(text)) and not tag["whose"]:
        return f"user:{text}"
    return text


def _problem(name: str, text: str) -> str:
    """Why a value would count nothing; empty where nothing is known."""
    if name == _TAGS:
        return _problem_of_tag(text)
    if name == LINKED_ACCOUNT and not _ACCOUNT_ID.fullmatch(text):
        return "is not an AWS account id: write its 12 digits, as text"
    if name in _WITHOUT_COMMAS and "," in text:
        return "has a comma: write a list of values"
    if unseen := unseen_in(text):
        return unseen
    low = text.lower()
    if name == "Region" and low not in _NO_REGION and not _REGION.fullmatch(low):
        return "is not the code of a region: write eu-west-1, or global"
    return ""


def _problem_of_tag(text: str) -> str:
    """Why a tag would count nothing.

    Spaces of any kind are part of a tag, and signs that print nothing are not:
    https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
    Whose it is stands before the key, in lower case; without it the budget counts nothing:
    https://github.com/hashicorp/terraform-provider-aws/issues/39850
    """
    tag = _TAG.fullmatch(text)
    if not tag or not tag["key"].strip():
        return "is not KEY$VALUE such as user:Team$Sales"
    if "$" in text.partition("$")[2].partition(",")[2]:
        return "has a comma before another tag: write a list of values"
    whose = text.partition(":")[0].strip()
    if whose.lower() in ("user", "aws") and not tag["whose"]:
        return f"begins with {quoted(whose + ':')}: write {whose.lower()}: without spaces before it"
    return unseen_in("".join(text.split()))
