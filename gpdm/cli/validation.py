"""Checks of a prompt as ComfyUI makes them, before anything runs.

An output that needs something wrong is left out and the others run; only if none is left, the prompt is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..errors import GPDMError
from .definitions import Definition, Input, require
from .values import check_value
from .workflow import Link, Node, Prompt

logger = logging.getLogger("gpdm")

MOST_REASONS = 5
"""Most reasons in one message."""

Check = Callable[[Node], None]
"""A check of a node beyond those of this module. It raises `GPDMError`."""


@dataclass
class Plan:
    """Nodes that are to run, and outputs that cannot."""

    order: list[Node] = field(default_factory=list)
    """Nodes that the outputs need, in an order in which they can run."""
    refused: dict[str, str] = field(default_factory=dict)
    """Reason why an output is left out, by the name of its node."""


def validate(prompt: Prompt, definitions: Mapping[str, Definition], *checks: Check) -> list[Node]:
    """Returns the order of `plan` and logs a warning for each output that is left out.

    Raises:
        GPDMError: There is no output, or all are left out.
    """
    found = plan(prompt, definitions, *checks)
    for name, reason in found.refused.items():
        logger.warning("%s is left out: %s", name, reason.removeprefix(f"{name}: "))
    return found.order


def plan(prompt: Prompt, definitions: Mapping[str, Definition], *checks: Check) -> Plan:
    """Returns the outputs that can run, with the nodes that they need; values get their types.

    Raises:
        GPDMError: There is no output, or all are left out.
    """
    outputs = _outputs(prompt, definitions)
    if not outputs:
        unknown = sorted({node.type for node in prompt.values() if node.type not in definitions})
        also = f"; these types are not known here: {', '.join(unknown)}" if unknown else ""
        raise GPDMError(f"the workflow has no output node; add a Save Image or Preview Image node{also}")
    found, checked = Plan(), _Checked(prompt, definitions, checks)
    ordered: dict[str, Node] = {}
    for output in outputs:
        try:
            nodes = checked.order(output)
            for node in nodes:
                checked.check(node)
        except GPDMError as error:
            found.refused[output.name] = str(error)
        else:
            ordered |= {node.id: node for node in nodes}
    if not ordered:
        reasons = list(dict.fromkeys(found.refused.values()))
        more = f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
        raise GPDMError("; ".join(reasons[:MOST_REASONS]) + more)
    found.order = list(ordered.values())
    return found


def needed_nodes(prompt: Prompt, definitions: Mapping[str, Definition]) -> set[str]:
    """Returns the ids of the nodes that an output is made of, whether they are valid or not."""
    stack, seen = _outputs(prompt, definitions), set()
    while stack:
        node = stack.pop()
        if node.id not in seen:
            seen.add(node.id)
            stack += [
                prompt[link.node] for link in node.inputs.values() if isinstance(link, Link) and link.node in prompt
            ]
    return seen


def _outputs(prompt: Prompt, definitions: Mapping[str, Definition]) -> list[Node]:
    return [node for node in prompt.values() if node.type in definitions and definitions[node.type].is_output]


class _Checked:
    """Nodes of a prompt with what was found out about them."""

    def __init__(self, prompt: Prompt, definitions: Mapping[str, Definition], checks: tuple[Check, ...]) -> None:
        self.prompt = prompt
        self.definitions = definitions
        self.checks = checks
        self.errors: dict[str, GPDMError | None] = {}

    def order(self, output: Node) -> list[Node]:
        """Returns the nodes that an output needs, each behind those that it needs itself.

        Raises:
            GPDMError: A link leads nowhere, or the links form a cycle.
        """
        order: dict[str, Node] = {}
        opened: set[str] = set()
        stack = [output]
        while stack:
            node = stack[-1]
            before = [] if node.id in order else [each for each in self._sources(node) if each.id not in order]
            if not before:
                order[stack.pop().id] = node
            else:
                opened.add(node.id)
                loop = next((each for each in before if each.id in opened), None)
                if loop is not None:
                    raise GPDMError(f"{loop.name} depends on its own output; remove one link of the cycle")
                stack.append(before[0])
        return list(order.values())

    def _sources(self, node: Node) -> list[Node]:
        """Returns the nodes that are linked to a node. An optional input whose link leads nowhere is dropped."""
        definition = require(self.definitions, node.type, node.name)
        links = {name: link for name, link in node.inputs.items() if isinstance(link, Link)}
        for name, link in links.items():
            if link.node in self.prompt:
                continue
            given = definition.input(name)
            if given is None or given.required:
                raise GPDMError(
                    f"{node.name}: input {name} is linked to node {link.node}, which is not in the workflow"
                )
            del node.inputs[name]
        return [self.prompt[link.node] for link in links.values() if link.node in self.prompt]

    def check(self, node: Node) -> None:
        """Raises `GPDMError` if anything is wrong with a node, each time it is asked."""
        if node.id not in self.errors:
            try:
                _check_node(node, self.prompt, self.definitions)
                for check in self.checks:
                    check(node)
                self.errors[node.id] = None
            except GPDMError as error:
                self.errors[node.id] = error
        error = self.errors[node.id]
        if error is not None:
            raise error


def _check_node(node: Node, prompt: Prompt, definitions: Mapping[str, Definition]) -> None:
    definition = require(definitions, node.type, node.name)
    if node.surplus:
        count = f"{len(node.surplus)} more widget value{'s' if len(node.surplus) > 1 else ''} than inputs"
        logger.warning("%s has %s, which are ignored: %.80s", node.name, count, node.surplus)
    inputs = definition.inputs_for(node.inputs)
    for given in inputs:
        if given.name not in node.inputs:
            if given.required:
                reason = f": {node.missing[given.name]}" if node.missing.get(given.name) else ""
                raise GPDMError(f"{node.name}: input {given.name} ({given.type}) is missing{reason}; connect it")
            continue
        value = node.inputs[given.name]
        if isinstance(value, Link):
            _check_link(node, given, value, prompt, definitions)
        else:
            node.inputs[given.name] = check_value(node, given, value)
    names = [given.name for given in inputs]
    for name in [name for name in node.inputs if definition.input(name) is None]:
        text = f"{node.name} has no input {name!r}; it has {', '.join(names)}"
        if isinstance(node.inputs[name], Link):
            raise GPDMError(text)
        logger.warning("%s; the value is ignored", text)
    # Inputs of a choice that is not made are left out too, as in ComfyUI.
    node.inputs = {name: value for name, value in node.inputs.items() if name in names}


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
