"""Execution of nodes in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import GPDMError, described
from .definitions import Definition, Input
from .host import Nothing, TerminalHost
from .node_checks import types
from .overrides import picture_inputs
from .pack import load_pack
from .session import Session
from .standins import STAND_INS, StandIn
from .workflow import Link, Node

CLASSES: Mapping[str, type | tuple[type, ...]] = {
    "IMAGE": Tensor,
    "MASK": Tensor,
    "INT": int,
    "FLOAT": (int, float),
    "STRING": str,
    "BOOLEAN": bool,
    "COMBO": str,
    "BOUNDING_BOX": dict,
}
"""Classes of values, by the type of an input."""


def execute(order: Sequence[Node], definitions: Mapping[str, Definition], session: Session, host: TerminalHost) -> None:
    """Runs nodes in their order.

    Raises:
        GPDMError: A node failed. The message names it, the pictures it is made of, and what was saved before.
    """
    pack = load_pack()
    classes = {**STAND_INS, **pack.NODE_CLASS_MAPPINGS}
    before = pack.nodes.host.use(host)
    results: dict[str, tuple[Any, ...]] = {}
    try:
        # As ComfyUI does: a node that forgets to leave inference mode fails here too.
        with torch.inference_mode():
            for node in order:
                node_class = classes[node.type]
                instance = node_class(session, node.title) if issubclass(node_class, StandIn) else node_class()
                host.label = node.title
                try:
                    if nothing := _nothing(node, results):
                        results[node.id] = (nothing,) * len(definitions[node.type].outputs)
                        continue
                    given = _given(node, definitions[node.type], results)
                    results[node.id] = getattr(instance, node_class.FUNCTION)(**given)
                except GPDMError as error:
                    about = _pictures(node, order, definitions, str(error))
                    saved = f"; saved before: {', '.join(map(str, session.saved))}" if session.saved else ""
                    raise GPDMError(f"{node.name}: {error}{about}{saved}") from error
                finally:
                    host.node_done()
    finally:
        pack.nodes.host.use(before)


def _nothing(node: Node, results: Mapping[str, Sequence[Any]]) -> Nothing | None:
    """Returns what an input is linked to if that is an output that there is none of; such nodes do not run."""
    linked = (results[x.node][x.slot] for x in node.inputs.values() if isinstance(x, Link))
    return next((value for value in linked if isinstance(value, Nothing)), None)


def _given(node: Node, definition: Definition, results: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Returns the values of a node's inputs.

    Raises:
        GPDMError: A node that gives out values of any type gave one that the input does not take.
    """
    given = {k: results[v.node][v.slot] if isinstance(v, Link) else v for k, v in node.inputs.items()}
    for name in (name for name, value in node.inputs.items() if isinstance(value, Link)):
        slot = definition.input(name)
        if slot is not None and not _takes(slot, given[name]):
            raise GPDMError(f"input {name} takes {slot.type}, but got {described(given[name])}")
    return given


def _takes(slot: Input, value: Any) -> bool:
    """Returns True if an input takes a value, as far as its type tells."""
    kinds = types(slot.type)
    if "*" in kinds:
        return True
    if not kinds & CLASSES.keys():
        return not isinstance(value, (Tensor, int, float, str))  # It takes objects of the pack.
    if not any(_is(value, kind) for kind in kinds & CLASSES.keys()):
        return False
    return slot.type != "COMBO" or slot.choices is None or value in slot.choices


def _is(value: Any, kind: str) -> bool:
    """Returns True if a value is of a type of ComfyUI."""
    is_kind = isinstance(value, CLASSES[kind])
    return is_kind and (not isinstance(value, Tensor) or (value.ndim == 4) == (kind == "IMAGE"))


def _pictures(node: Node, order: Sequence[Node], definitions: Mapping[str, Definition], said: str) -> str:
    """Returns the names of the picture files that a node is made of, in brackets; without those that `said` names."""
    nodes = {each.id: each for each in order}
    stack, seen = [node], {node.id: node}
    while stack:
        for value in stack.pop().inputs.values():
            if isinstance(value, Link) and value.node not in seen:
                seen[value.node] = nodes[value.node]
                stack.append(nodes[value.node])
    loaders = [each for each in order if each.id in seen]
    values = [each.inputs.get(name) for each, name in picture_inputs(loaders, definitions)]
    names = [name for name in dict.fromkeys(values) if isinstance(name, str) and name not in said]
    if not names:
        return ""
    return f" (picture{'s' if len(names) > 1 else ''}: {', '.join(names)})"
