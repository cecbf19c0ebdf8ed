"""Checks of a prompt as ComfyUI makes them, before anything runs.

An output that needs something wrong is left out and the others run; only if none is left, the prompt is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import GPDMError
from .definitions import Definition, require
from .node_checks import check_node, ignored_values
from .workflow import Link, Node, Prompt

logger = logging.getLogger("gpdm")

MOST_REASONS = 5
"""Most reasons in one message."""

Check = Callable[[Node], None]
"""A check of a node. It raises `GPDMError`."""


@dataclass
class Plan:
    """Nodes that are to run, and outputs that cannot."""

    order: list[Node] = field(default_factory=list)
    """Nodes that the outputs need, in an order in which they can run."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Reason why an output is left out, by the name of its node."""


def validate(prompt: Prompt, definitions: Mapping[str, Definition], *checks: Check) -> list[Node]:
    """Returns the order of `plan`, without the outputs that are left out.

    Raises:
        GPDMError: There is no output, or all are left out.
    """
    return plan(prompt, definitions, *checks).order


def plan(prompt: Prompt, definitions: Mapping[str, Definition], *checks: Check) -> Plan:
    """Returns the outputs that can run, with the nodes that they need; values get their types.

    A warning is logged for each output that is left out, and for values that are ignored.

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
    reasons: list[str] = []
    for output in outputs:
        try:
            nodes = checked.order(output)
            checked.check(nodes)
        except GPDMError as error:
            found.left_out[output.name] = str(error).removeprefix(f"{output.name}: ")
            reasons.append(str(error))
        else:
            ordered |= {node.id: node for node in nodes}
    reasons = list(dict.fromkeys(reasons))
    if not ordered:
        more = f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
        raise GPDMError("; ".join(reasons[:MOST_REASONS]) + more)
    for notice in (*checked.notices, *(f"{name} is left out: {reason}" for name, reason in found.left_out.items())):
        logger.warning("%s", notice)
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
        self.checks = (self._check_inputs, *checks)
        self.errors: dict[tuple[Check, str], GPDMError | None] = {}
        self.notices: list[str] = []

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

    def check(self, nodes: Sequence[Node]) -> None:
        """Raises `GPDMError` if anything is wrong with one of the nodes, each time it is asked.

        All nodes pass a check before the next one begins, so that what takes long comes last.
        """
        for check in self.checks:
            for node in nodes:
                self._check(check, node)

    def _check(self, check: Check, node: Node) -> None:
        if (check, node.id) not in self.errors:
            try:
                check(node)
                self.errors[check, node.id] = None
            except GPDMError as error:
                self.errors[check, node.id] = error
        error = self.errors[check, node.id]
        if error is not None:
            raise error

    def _check_inputs(self, node: Node) -> None:
        self.notices += ignored_values(node, self.definitions)
        check_node(node, self.prompt, self.definitions)
