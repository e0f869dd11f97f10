"""An environment's own rules, which it keeps in a file.

A rule is `{"name": "large", "expression": "total > 10000", "severity": "REVIEW", "message":
"amounts over 10,000 need an approval"}`. An invoice for which the expression is true gets the
issue. Expressions are those of simpleeval: comparisons, arithmetic, `and`, `or`, `not`, `in` and
`if else`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from simpleeval import EvalWithCompoundTypes, InvalidExpression

from finops.invoices.domain import AMOUNTS, DATES, FIELDS, Invoice, Issue, Severity
from finops.invoices.identity import number_key, vendor_key
from finops.shared.errors import ConfigurationError
from finops.shared.json_objects import each_key_once

_FUNCTIONS: Final = {
    "abs": abs,
    "len": len,
    "lower": lambda text: (text or "").casefold(),
    "same_vendor": lambda one, other: vendor_key(one or "") == vendor_key(other or ""),
    "same_number": lambda one, other: number_key(one or "") == number_key(other or ""),
    "days": lambda later, earlier: (later - earlier).days,
    "date": date.fromisoformat,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule; its name is the code of its issue."""

    name: str
    expression: str
    severity: Severity
    message: str
    field: str = ""

    def check(self, invoice: Invoice, today: date) -> Issue | None:
        """The issue that the invoice has by this rule, if any.

        An expression that cannot be evaluated, because a field is missing, asks for a review.
        """
        try:
            broken = bool(_evaluate(self.expression, _names(invoice, today)))
        except (InvalidExpression, TypeError, ValueError, ArithmeticError, KeyError) as error:
            return Issue(
                code=self.name,
                severity=Severity.REVIEW,
                field=self.field,
                message=f"the rule {self.expression!r} could not be evaluated: {error}",
            )
        if not broken:
            return None
        return Issue(code=self.name, severity=self.severity, field=self.field, message=self.message)


def parse_rules(content: str) -> tuple[Rule, ...]:
    """Rules from a JSON list.

    Raises:
        ConfigurationError: the content is not a JSON list, a rule lacks something, or its
            expression is not valid.
    """
    try:
        listed = json.loads(content, object_pairs_hook=each_key_once)
    except ValueError as error:
        raise _invalid(f"the rules are not valid JSON: {error}") from error
    if not isinstance(listed, list):
        raise _invalid("the rules are not a list")
    return tuple(_parse(number, one) for number, one in enumerate(listed, 1))


def _parse(number: int, one: Any) -> Rule:
    where = f"rule {number}"
    if not isinstance(one, Mapping):
        raise _invalid(f"{where} is not an object")
    where += f" ({one['name']!r})" if one.get("name") else ""
    for key in ("name", "expression", "message"):
        if not isinstance(one.get(key), str) or not one[key].strip():
            raise _invalid(f"{where} has no {key}")
    if unknown := set(one) - {"name", "expression", "message", "severity", "field"}:
        raise _invalid(f"{where} has unknown keys: {', '.join(sorted(unknown))}")
    severity = str(one.get("severity", "REVIEW")).upper()
    if severity not in Severity.__members__:
        raise _invalid(f"{where}: severity {severity!r} is not one of {', '.join(Severity)}")
    rule = Rule(
        name=one["name"],
        expression=one["expression"],
        severity=Severity(severity),
        message=one["message"],
        field=str(one.get("field", "")),
    )
    try:
        _evaluate(rule.expression, _SAMPLE)
    except InvalidExpression as error:
        raise _invalid(f"{where}: {error}") from error
    except SyntaxError as error:
        raise _invalid(f"{where}: {rule.expression!r} is not an expression: {error.msg}") from error
    except (TypeError, ValueError, ArithmeticError, KeyError):
        pass  # with other values it may be fine
    return rule


def _evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    return EvalWithCompoundTypes(names=dict(names), functions=_FUNCTIONS).eval(expression)


def _names(invoice: Invoice, today: date) -> dict[str, Any]:
    names: dict[str, Any] = {name: invoice.text(name) for name in FIELDS}
    names |= {name: invoice.amount(name) for name in AMOUNTS}
    names |= {name: invoice.date(name) for name in DATES}
    return names | {
        "kind": invoice.kind.value,
        "confidence": invoice.confidence,
        "line_count": len(invoice.line_items),
        "today": today,
    }


_SAMPLE: Final[Mapping[str, Any]] = {
    **dict.fromkeys(FIELDS, "x"),
    **dict.fromkeys(AMOUNTS, Decimal(1)),
    **{name: date(2026, 1, 1) + timedelta(days=30 * n) for n, name in enumerate(sorted(DATES))},
    "kind": "INVOICE",
    "confidence": 99.0,
    "line_count": 1,
    "today": date(2026, 1, 1),
}


def _invalid(message: str) -> ConfigurationError:
    return ConfigurationError(
        message,
        code="invalid_rules",
        step="load_rules",
        remedy="Fix the rules file and apply again",
    )
