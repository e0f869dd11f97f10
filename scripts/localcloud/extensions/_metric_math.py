"""Expressions over several metrics.

AWS: "Using math expressions with CloudWatch metrics"
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

Known are numbers, ids, ``+ - * /``, comparisons (1 or 0) and ``FILL(id, number)``. Where a metric
has no value, or the divisor is 0, the expression has none.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Final

_ARITHMETIC: Final[Mapping[type[ast.AST], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class UnknownExpressionError(Exception):
    """The text says which part is not understood."""


def parse(expression: str) -> ast.expr:
    """The expression as a tree.

    Raises:
        UnknownExpressionError: AWS refuses it, or it uses what this does not know.
    """
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise UnknownExpressionError(f"{expression}: {error.msg}") from None
    evaluate(tree, lambda _id: None)
    return tree


def evaluate(node: ast.expr, value_of: Callable[[str], float | None]) -> float | None:
    """The value of an expression; None where it has none.

    Args:
        node: As `parse` returns it.
        value_of: The value of a metric by its id.
    """
    match node:
        case ast.Constant(value=(int() | float()) as number):
            return float(number)
        case ast.Name(id=name):
            return value_of(name)
        case ast.Call(func=ast.Name(id="FILL"), args=[filled, ast.Constant(value=number)]):
            value = evaluate(filled, value_of)
            return float(str(number)) if value is None else value
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _ARITHMETIC:
            return _combined(sign, evaluate(left, value_of), evaluate(right, value_of))
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _ARITHMETIC:
            return _combined(sign, evaluate(left, value_of), evaluate(right, value_of))
    raise UnknownExpressionError(f"{ast.unparse(node)} is not known")


def _combined(sign: ast.AST, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    try:
        return float(_ARITHMETIC[type(sign)](left, right))
    except ZeroDivisionError:
        return None
