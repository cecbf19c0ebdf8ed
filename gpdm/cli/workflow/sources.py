"""Sources of inputs: links followed through reroutes, bypassed nodes, Set and Get nodes, primitives and subgraphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..definitions import Definition
from .graph import BYPASSED, CONTROLS, INPUTS, MUTED, NOTES, PRIMITIVE, SavedNode, Slot
from .instances import is_widget
from .prompt import Link
from .scopes import Scope
from .widgets import widget_values

SETTERS = {"GetNode": "SetNode", "easy getNode": "easy setNode"}
"""The type of node that gives a name to a link, by the type of the node that takes it up."""

PASSING = ("Reroute", "Reroute (rgthree)", *SETTERS.values())
"""Types of nodes that give out what is linked to them. They exist only in the editor."""

VIRTUAL = (*NOTES, *CONTROLS, *PASSING, *SETTERS, PRIMITIVE)
"""Types of nodes that never execute."""


class Given(NamedTuple):
    """Value instead of a link."""

    value: Any


class Unlinked(NamedTuple):
    """Absence of a link. A widget keeps its own value then."""

    reason: str


Source = Link | Given | Unlinked


class _Step(NamedTuple):
    """The next link to follow."""

    scope: Scope
    slot: Slot


def source(scope: Scope, slot: Slot, definitions: Mapping[str, Definition]) -> Source:
    """Returns the source of an input slot of a node in `scope`."""
    seen: set[tuple[Scope, str]] = set()
    at: Source | _Step = _Step(scope, slot)
    while isinstance(at, _Step):
        if at.slot.link is None:
            return Unlinked("")
        if (at.scope, at.slot.link) in seen:
            return Unlinked(f"link {at.slot.link} is part of a cycle")
        seen.add((at.scope, at.slot.link))
        at = _follow(at, definitions)
    return at


def _follow(step: _Step, definitions: Mapping[str, Definition]) -> Source | _Step:
    scope, slot = step
    origin = scope.graph.links.get(slot.link or "")
    if origin is None:
        return Unlinked(f"link {slot.link} is not in the file")
    if origin.node == INPUTS and scope.instance is not None and scope.parent is not None:
        if not 0 <= origin.slot < len(scope.instance.outer):
            return Unlinked(f"link {slot.link} comes from input {origin.slot} of its subgraph, which it does not have")
        outer = scope.instance.outer[origin.slot]
        if outer is None or outer.link is None:
            return _promoted(scope, origin.slot, definitions)
        return _Step(scope.parent, outer)
    node = scope.graph.nodes.get(origin.node)
    if node is None:
        return Unlinked(f"link {slot.link} comes from node {scope.key(origin.node)}, which is not in the file")
    return _output(scope, node, origin.slot, slot)


def _output(scope: Scope, node: SavedNode, number: int, slot: Slot) -> Source | _Step:
    """Returns what comes out of output `number` of a node, for the input `slot`."""
    if node.type == PRIMITIVE:
        value = scope.overrides.get((node.id, "value"), node.value())
        return Unlinked("") if value is None else Given(value)
    if node.mode == BYPASSED:
        through = _bypass(node, number, slot.type)
        reason = f"node {scope.key(node.id)} ({node.title}) is bypassed and has no input of that type"
        return Unlinked(reason) if through is None else _Step(scope, through)
    if node.mode == MUTED:
        return Unlinked(f"node {scope.key(node.id)} ({node.title}) is muted")
    if node.type in PASSING and number < len(node.inputs):
        return _Step(scope, node.inputs[number]._replace(type=slot.type))
    if node.type in SETTERS:
        return _setter_input(scope, node, slot)
    child = scope.children.get(node.id)
    if child is None:
        return Link(scope.key(node.id), number)
    outputs = child.graph.outputs
    return _Step(child, slot._replace(link=outputs[number] if 0 <= number < len(outputs) else None))


def _bypass(node: SavedNode, number: int, wanted: str) -> Slot | None:
    """Returns the input that a bypassed node gives out, as the editor chooses it: by place, then by type."""
    if wanted == "*":
        return next(iter(node.inputs[number : number + 1] or node.inputs), None)
    offered = node.outputs[number] if 0 <= number < len(node.outputs) else "*"
    fitting = [slot for slot in node.inputs if _fits(slot.type, offered) and _fits(slot.type, wanted)]
    here = [slot for slot in node.inputs[number : number + 1] if slot in fitting]
    same = [slot for slot in node.inputs if slot.type == wanted]
    return next(iter(here or same or fitting), None)


def _fits(first: str, second: str) -> bool:
    """Returns True if two types may be linked; each may list several."""
    if "*" in (first, second):
        return True
    return not {kind.strip().lower() for kind in first.split(",")}.isdisjoint(
        kind.strip().lower() for kind in second.split(",")
    )


def _setter_input(scope: Scope, getter: SavedNode, slot: Slot) -> Source | _Step:
    """Returns the input of the Set node of the same name, in the same graph or the nearest around it."""
    name, kind = getter.value(), SETTERS[getter.type]
    here: Scope | None = scope
    while here is not None:
        for node in here.graph.nodes.values():
            if node.type == kind and node.inputs and node.value() == name and name not in (None, ""):
                return _Step(here, node.inputs[0]._replace(type=slot.type))
        here = here.parent
    return Unlinked(f"no {kind} is called {name!r}")


def _promoted(scope: Scope, index: int, definitions: Mapping[str, Definition]) -> Source:
    """Returns the value of the widget that stands for an input of a graph.

    It is the outer node's if it has one, else that of the first widget inside.
    """
    while scope.instance is not None:
        if index in scope.instance.values:
            return Given(scope.instance.values[index])
        targets = scope.graph.inputs[index][1]
        target = next((end for end in targets if is_widget(scope.graph, end, definitions)), None)
        if target is None:
            return Unlinked("")
        node, slot = scope.graph.nodes[target.node], scope.graph.slot(target)
        child = scope.children.get(node.id)
        if child is None or child.instance is None:
            definition = definitions.get(node.type)
            value = None if definition is None else own_values(scope, node, definition).get(slot.name)
            return Unlinked("") if value is None else Given(value)
        if slot not in child.instance.outer:
            return Unlinked("")
        scope, index = child, child.instance.outer.index(slot)
    return Unlinked("")


def promoted_values(scope: Scope, definitions: Mapping[str, Definition]) -> dict[str, Any]:
    """Returns the values of the widgets that a node shows for the graph in it, by the names that it shows."""
    if scope.instance is None:
        return {}
    found = [(name, _promoted(scope, index, definitions)) for index, (name, _) in enumerate(scope.graph.inputs)]
    values = {name: given.value for name, given in found if isinstance(given, Given)}
    return {name: value for (_, name), value in scope.instance.overrides.items()} | values


def own_values(scope: Scope, node: SavedNode, definition: Definition) -> dict[str, Any]:
    """Returns the values of a node's own widgets, by name."""
    given = {name: value for (key, name), value in scope.overrides.items() if key == node.id}
    return widget_values(node, definition) | {name: value for name, value in given.items() if definition.input(name)}
