"""The node that computes a number from others, as a formula says."""

from __future__ import annotations

import ast
import math
import operator
import string
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import GPDMError
from .base import StandIn

OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda base, exponent: _power(base, exponent),
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": lambda *numbers: sum(numbers[0] if isinstance(numbers[0], list) else numbers),
    "pow": lambda base, exponent: _power(base, exponent),
    **{each.__name__: each for each in (min, max, abs, round, int, float)},
    **{name: getattr(math, name) for name in ("sqrt", "ceil", "floor", "log", "log2", "log10", "sin", "cos", "tan")},
}
LARGEST_EXPONENT = 4000


class ComfyMathExpression(StandIn):
    """The value of a formula (Math Expression) of the inputs a, b, c ... as a number, rounded down, and as a truth."""

    REQUIRED = {
        "expression": ("STRING", {"default": "a + b", "multiline": True}),
        "values": (
            "COMFY_AUTOGROW_V3",
            {
                "template": {
                    "input": {"required": {"value": ("FLOAT,INT,BOOLEAN", {})}},
                    "names": list(string.ascii_lowercase),
                    "min": 1,
                }
            },
        ),
    }
    RETURN_TYPES = ("FLOAT", "INT", "BOOLEAN")

    def execute(self, expression: str, **values: float) -> tuple[float, int, bool]:
        named = {name.removeprefix("values."): values[name] for name in sorted(values)}
        try:
            result = _value(ast.parse(expression.strip(), mode="eval").body, {**named, "values": [*named.values()]})
            return float(result), int(result), bool(result)
        except (SyntaxError, ArithmeticError, ValueError, TypeError, LookupError, RecursionError, MemoryError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else error
            raise GPDMError(
                f"expression = {expression!r:.80} cannot be computed ({reason}); it may hold numbers, the names of linked "
                f"inputs ({', '.join(named)}), + - * / // % **, comparisons and {', '.join(FUNCTIONS)}"
            ) from None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Returns the value of a part of a formula."""

    def of(part: ast.expr) -> Any:
        return _value(part, names)

    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Subscript(value=part, slice=index):
            return of(part)[of(index)]
        case ast.UnaryOp(op=sign, operand=part):
            return OPERATORS[type(sign)](of(part))
        case ast.BinOp(left=left, op=sign, right=right):
            return OPERATORS[type(sign)](_number(of(left)), _number(of(right)))
        case ast.Compare(left=left, ops=signs, comparators=parts):
            compared = [of(part) for part in (left, *parts)]
            pairs = zip(signs, compared, compared[1:], strict=False)
            return all(OPERATORS[type(sign)](first, second) for sign, first, second in pairs)
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(of(part) for part in parts)
        case ast.BoolOp(values=parts):
            return any(of(part) for part in parts)
        case ast.IfExp(test=test, body=first, orelse=second):
            return of(first) if of(test) else of(second)
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](*[of(part) for part in parts])
    raise ValueError(f"{ast.unparse(node)} is not known here")


def _number(value: Any) -> float:
    """Returns a number unchanged, so that lists cannot be multiplied."""
    if isinstance(value, list):
        raise TypeError("a list is not a number")
    return value


def _power(base: float, exponent: float) -> float:
    """Returns a power whose number of digits is limited."""
    if abs(exponent) > LARGEST_EXPONENT:
        raise ValueError(f"the exponent {exponent} is above {LARGEST_EXPONENT}")
    return base**exponent
