"""Checks of the values of inputs: types, ranges and choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import GPDMError
from .definitions import VALUE_TYPES, Input
from .workflow import Node

BOX = ("x", "y", "width", "height")
"""Parts of a bounding box."""
MOST_NAMES = 14
"""Most names in one message."""


def check_value(node: Node, given: Input, value: Any) -> Any:
    """Returns `value` in the input's type.

    Raises:
        GPDMError: It has another type, is out of range, or is none of the choices.
    """
    if isinstance(value, dict) and "__value__" in value:
        value = value["__value__"]  # The editor's box around a list.
    where = f"{node.name}: {given.name} = {_shown(value)}"
    if given.type == "*":
        return value
    if given.type not in VALUE_TYPES:
        raise GPDMError(f"{where} is not allowed: {given.name} takes a link of type {given.type}")
    if given.type == "BOUNDING_BOX":
        if not isinstance(value, dict) or not all(
            type(value.get(name, 0)) is int and value.get(name, 0) >= 0 for name in BOX
        ):
            raise GPDMError(f"{where} is not allowed: it must be {', '.join(BOX)} as whole numbers from 0")
        return {name: value[name] for name in BOX if name in value}
    if given.type == "COMBO":
        if given.choices is None and not isinstance(value, str):
            raise GPDMError(f"{where} is not allowed: it must be a name")
        if given.choices is not None and value not in given.choices:
            raise GPDMError(f"{where} is not allowed: it must be one of {', '.join(map(str, given.choices))}")
        return value
    value = _converted(given, value, where)
    low, high = _limits(given)
    is_number = given.type in ("INT", "FLOAT")
    if is_number and (not low <= value <= high or value in (math.inf, -math.inf)):
        raise GPDMError(f"{where} is not allowed: it must be {_allowed_number(given)}")
    return value


def some_of(names: Sequence[str]) -> str:
    """Returns names in one line: all of them, or the first if there are many."""
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _shown(value: Any) -> str:
    """Returns a value as text, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]} ..."


def _limits(given: Input) -> tuple[float, float]:
    """Returns the smallest and the largest value of a number."""
    return given.options.get("min", -math.inf), given.options.get("max", math.inf)


def _allowed_number(given: Input) -> str:
    """Returns the allowed values of a number in words, those of `OptionSpec.allowed`."""
    ends = [f"{end:.10g}" if isinstance(end, float) else str(end) for end in _limits(given)]
    kind = "a whole number" if given.type == "INT" else "a number"
    return kind if ends == ["-inf", "inf"] else f"{kind} from {ends[0]} to {ends[1]}"


def _converted(given: Input, value: Any, where: str) -> Any:
    if given.type == "STRING":
        if value is None or isinstance(value, (list, dict)):
            raise GPDMError(f"{where} is not allowed: it must be a text")
        return str(value)
    if given.type == "BOOLEAN":
        return _truth(value, where)
    # As ComfyUI does: 30.7 is the whole number 30.
    kind = {"INT": int, "FLOAT": float}[given.type]
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        raise GPDMError(f"{where} is not allowed: it must be {_allowed_number(given)}") from None


def _truth(value: Any, where: str) -> bool:
    words = {"true": True, "false": False}
    if isinstance(value, str):
        if value.lower() not in words:
            raise GPDMError(f"{where} is not allowed: it must be true or false")
        return words[value.lower()]
    return bool(value)
