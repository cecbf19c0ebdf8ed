"""Checks a prompt as ComfyUI does, before anything runs: missing inputs, links, types, ranges, combo values, cycles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import GPDMError
from .definitions import VALUE_TYPES, Definition, Input, require
from .workflow import Link, Node, Prompt


def validate(prompt: Prompt, definitions: Mapping[str, Definition]) -> list[Node]:
    """Returns the nodes that the output nodes need, in an order in which they can run. Values get their types.

    Raises:
        GPDMError: The first thing that is wrong.
    """
    outputs = [node for node in prompt.values() if require(definitions, node.type, node.name).is_output]
    if not outputs:
        raise GPDMError("the workflow has no output node; add a Save Image or Preview Image node")
    order: list[Node] = []
    states: dict[str, str] = {}
    for node in outputs:
        _visit(node, prompt, states, order)
    for node in order:
        _check_node(node, prompt, definitions)
    return order


def _visit(node: Node, prompt: Prompt, states: dict[str, str], order: list[Node]) -> None:
    if states.get(node.id) == "done":
        return
    if states.get(node.id) == "open":
        raise GPDMError(f"{node.name} depends on its own output; remove one link of the cycle")
    states[node.id] = "open"
    for name, value in node.inputs.items():
        if isinstance(value, Link):
            if value.node not in prompt:
                raise GPDMError(
                    f"{node.name}: input {name} is linked to node {value.node}, which is not in the workflow"
                )
            _visit(prompt[value.node], prompt, states, order)
    states[node.id] = "done"
    order.append(node)


def _check_node(node: Node, prompt: Prompt, definitions: Mapping[str, Definition]) -> None:
    definition = require(definitions, node.type, node.name)
    for given in definition.inputs:
        if given.name not in node.inputs:
            if given.required:
                raise GPDMError(f"{node.name}: input {given.name} ({given.type}) is missing; connect it")
            continue
        value = node.inputs[given.name]
        if isinstance(value, Link):
            _check_link(node, given, value, prompt, definitions)
        else:
            node.inputs[given.name] = check_value(node, given, value)
    unknown = [name for name in node.inputs if definition.input(name) is None]
    if unknown:
        raise GPDMError(
            f"{node.name} has no input {unknown[0]!r}; it has {', '.join(i.name for i in definition.inputs)}"
        )


def _check_link(node: Node, given: Input, link: Link, prompt: Prompt, definitions: Mapping[str, Definition]) -> None:
    source = prompt[link.node]
    outputs = require(definitions, source.type, source.name).outputs
    if not 0 <= link.slot < len(outputs):
        raise GPDMError(
            f"{node.name}: input {given.name} is linked to output {link.slot} of {source.name}, which has {len(outputs)}"
        )
    offered, wanted = set(outputs[link.slot].split(",")), set(given.type.split(","))
    if "*" not in offered | wanted and not offered <= wanted:
        raise GPDMError(
            f"{node.name}: input {given.name} takes {given.type}, but {source.name} gives {outputs[link.slot]}"
        )


def check_value(node: Node, given: Input, value: Any) -> Any:
    """Returns `value` in the input's type.

    Raises:
        GPDMError: It has another type, is out of range, or is none of the choices.
    """
    where = f"{node.name}: {given.name} = {value!r}"
    if given.type not in VALUE_TYPES:
        raise GPDMError(f"{where} is not allowed: {given.name} takes a link of type {given.type}")
    if given.type == "COMBO":
        if given.choices is None and not isinstance(value, str):
            raise GPDMError(f"{where} is not allowed: it must be a name")
        if given.choices is not None and value not in given.choices:
            raise GPDMError(f"{where} is not allowed: it must be one of {', '.join(map(str, given.choices))}")
        return value
    value = _converted(given, value, where)
    low, high = _limits(given)
    if given.type in ("INT", "FLOAT") and not low <= value <= high:
        raise GPDMError(f"{where} is not allowed: it must be {_allowed_number(given)}")
    return value


def _limits(given: Input) -> tuple[float, float]:
    """Returns the smallest and the largest value of a number."""
    return given.options.get("min", -math.inf), given.options.get("max", math.inf)


def _allowed_number(given: Input) -> str:
    """Returns the allowed values of a number in words, those of `OptionSpec.allowed`."""
    ends = [f"{end:.10g}" if isinstance(end, float) else str(end) for end in _limits(given)]
    kind = "a whole number" if given.type == "INT" else "a number"
    return kind if ends == ["-inf", "inf"] else f"{kind} from {ends[0]} to {ends[1]}"


def _converted(given: Input, value: Any, where: str) -> Any:
    kind = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}[given.type]
    if given.type == "BOOLEAN" and isinstance(value, str):
        words = {"true": True, "false": False}
        if value.lower() not in words:
            raise GPDMError(f"{where} is not allowed: it must be true or false")
        return words[value.lower()]
    try:
        converted = kind(value)
    except (TypeError, ValueError, OverflowError):
        raise GPDMError(f"{where} is not allowed: it must be {_allowed_number(given)}") from None
    if kind is int and isinstance(value, float) and value != converted:
        raise GPDMError(f"{where} is not allowed: it must be {_allowed_number(given)}")
    return converted
