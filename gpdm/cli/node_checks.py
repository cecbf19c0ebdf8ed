"""Checks of a single node: missing inputs, links, types, ranges, choices, and values that no input takes."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import GPDMError
from .definitions import Definition, Input, require
from .values import check_value, some_of
from .workflow import Link, Node, Prompt


def ignored_values(node: Node, definitions: Mapping[str, Definition]) -> list[str]:
    """Returns notices of values that no input takes, and removes them. ComfyUI and its editor ignore them too.

    So are numbers that are null, of which the defaults are used.

    Raises:
        GPDMError: The type of the node is unknown, or something is linked to an input that it does not have.
    """
    definition = require(definitions, node.type, node.name)
    notices = []
    if node.surplus:
        count = f"{len(node.surplus)} more widget value{'s' if len(node.surplus) > 1 else ''} than inputs"
        notices.append(f"{node.name} has {count}, which are ignored: {list(node.surplus)!s:.80}")
    for name in sorted(node.nulls):
        notices.append(f"{node.name}: {name} is null in the file; its default {node.inputs[name]!r} is used")
    names = [given.name for given in definition.inputs_for(node.inputs)]
    for name in [name for name in node.inputs if definition.input(name) is None]:
        text = f"{node.name} has no input {name!r}; it has {some_of(names)}"
        if isinstance(node.inputs[name], Link):
            raise GPDMError(text)
        notices.append(f"{text}; the value is ignored")
    # Inputs of a choice that is not made are left out too, as in ComfyUI.
    node.inputs = {name: value for name, value in node.inputs.items() if name in names}
    return notices


def check_node(node: Node, prompt: Prompt, definitions: Mapping[str, Definition]) -> None:
    """Raises `GPDMError` if an input is missing or its value or link does not fit. Values get their types."""
    for given in definitions[node.type].inputs_for(node.inputs):
        if given.name not in node.inputs:
            if given.required:
                reason = f": {node.missing[given.name]}" if node.missing.get(given.name) else ""
                raise GPDMError(f"{node.name}: input {given.name} ({given.type}) is missing{reason}; connect it")
            continue
        value = node.inputs[given.name]
        if value is None and not given.required and not given.is_widget:
            del node.inputs[given.name]  # As in ComfyUI, null is no link.
        elif isinstance(value, Link):
            _check_link(node, given, value, prompt, definitions)
        else:
            node.inputs[given.name] = check_value(node, given, value)


def _check_link(node: Node, given: Input, link: Link, prompt: Prompt, definitions: Mapping[str, Definition]) -> None:
    source = prompt[link.node]
    outputs = require(definitions, source.type, source.name).outputs
    if not 0 <= link.slot < len(outputs):
        raise GPDMError(
            f"{node.name}: input {given.name} is linked to output {link.slot} of {source.name}, which has {len(outputs)}"
        )
    offered, wanted = types(outputs[link.slot]), types(given.type)
    if "*" not in offered | wanted and offered.isdisjoint(wanted):
        raise GPDMError(
            f"{node.name}: input {given.name} takes {given.type}, but {source.name} gives {outputs[link.slot]}"
        )


def types(text: str) -> set[str]:
    """Returns the types of a slot that may have several."""
    return {kind.strip() for kind in text.split(",")}
