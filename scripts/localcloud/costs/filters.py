"""Dimensions of a line, and the expressions that filter by them.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Expression.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.costs.errors import invalid
from localcloud.costs.usage import TAX, Line, Organisation

Test = Callable[[Line], bool]

#: The cost category and the tag that every organisation has: an account's own name.
COST_CATEGORY = "BusinessUnit"
TAG = "team"

#: What a line has for each dimension; the other dimensions of AWS have no data here.
DIMENSIONS: Mapping[str, Callable[[Line], str]] = {
    "LINKED_ACCOUNT": lambda line: line.linked_account,
    "SERVICE": lambda line: line.service,
    "RECORD_TYPE": lambda line: line.record_type,
    "USAGE_TYPE": lambda line: line.usage_type or "NoUsageType",
    "BILLING_ENTITY": lambda line: line.billing_entity,
    "LEGAL_ENTITY_NAME": lambda line: line.seller,
    "INVOICING_ENTITY": lambda line: line.seller,
    "REGION": lambda line: "us-east-1" if line.usage_type else "NoRegion",
}
_EXACT = {"EQUALS", "CASE_SENSITIVE"}


def dimension(name: str) -> Callable[[Line], str]:
    """How a line's value of a dimension is read.

    Raises:
        CostsError: there is no such dimension.
    """
    if name not in DIMENSIONS:
        raise invalid(f"Dimension {name} is not supported; have {', '.join(DIMENSIONS)}")
    return DIMENSIONS[name]


def tag_value(payer: Organisation, key: str) -> Callable[[Line], str]:
    """How the value of a cost allocation tag is read: empty where there is none."""
    return lambda line: (
        payer.accounts[line.linked_account] if key == TAG and line.record_type == "Usage" else ""
    )


def category_value(payer: Organisation, name: str) -> Callable[[Line], str]:
    """How the value of a cost category is read: empty where none is assigned, as for tax."""
    return lambda line: (
        payer.accounts[line.linked_account]
        if name == COST_CATEGORY and line.record_type != TAX
        else ""
    )


def compiled(expression: Mapping[str, Any] | None, payer: Organisation) -> Test:
    """The predicate that a filter stands for.

    Raises:
        CostsError: the filter is invalid.
    """
    if expression is None:
        return lambda _: True
    if len(expression) != 1:
        trouble = "more than one roots" if expression else "no root"
        raise invalid(
            f"Expression has {trouble}. Only one root operator is allowed for each expression: "
            "And, Or, Not, Dimensions, Tags, CostCategories"
        )
    ((operator, operand),) = expression.items()
    if operator == "Not":
        test = compiled(operand, payer)
        return lambda line: not test(line)
    if operator in {"And", "Or"}:
        if len(operand) < 2:
            raise invalid(f"Expression {operator} must have at least two operands")
        tests = [compiled(one, payer) for one in operand]
        combine = all if operator == "And" else any
        return lambda line: combine(test(line) for test in tests)
    return _simple(operator, operand, payer)


def _simple(kind: str, operand: Mapping[str, Any], payer: Organisation) -> Test:
    key, values = operand.get("Key", ""), set(operand.get("Values", ()))
    options = set(operand.get("MatchOptions", ()))
    if kind == "Dimensions":
        read, allowed = dimension(key), _EXACT
    else:
        read = (tag_value if kind == "Tags" else category_value)(payer, key)
        allowed = _EXACT | {"ABSENT"}
    if options - allowed:
        raise invalid(f"Match options {sorted(options - allowed)} are not supported for {kind}")
    if "ABSENT" in options:
        return lambda line: not read(line)
    if not values:
        raise invalid(f"Values of {kind} {key} must not be empty")
    return lambda line: read(line) in values
