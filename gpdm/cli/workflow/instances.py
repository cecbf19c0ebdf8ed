"""Instances: a graph that stands in another as one node, with the links and the values that the outer node gives it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..definitions import CONTROL_VALUES, Definition
from .graph import Graph, SavedNode, Slot, Target

Overrides = dict[tuple[str, str], Any]
"""Values of widgets inside, by node id and widget name."""


@dataclass
class Instance:
    """A graph in place of a node."""

    graph: Graph
    outer: list[Slot | None]
    """Input slot of the outer node for each input of the graph."""
    values: dict[int, Any] = field(default_factory=dict)
    """Values of the outer node's widgets for inputs of the graph, by position."""
    overrides: Overrides = field(default_factory=dict)
    """Values of the outer node's widgets for widgets inside that no input of the graph leads to."""


def subgraph_instance(
    graph: Graph, node: SavedNode, outer: Overrides, definitions: Mapping[str, Definition]
) -> Instance:
    """Returns the instance of a subgraph that `node` is; `outer` are values for widgets of the graph it stands in.

    Values stand in the node's `widgets_values`: in the order of its property `proxyWidgets` if it has one, else one for
    each input that leads to a widget.
    """
    instance = Instance(graph, [_outer_slot(graph, index, node) for index in range(len(graph.inputs))])
    proxies = _proxies(node)
    if proxies:
        for (inner, name), value in zip(proxies, _list(node.values), strict=False):
            _give(instance, inner, name, value)
    else:
        _give_by_position(instance, node, definitions)
    for (key, name), value in outer.items():
        if key == node.id:
            inner = next((inner for inner, widget in proxies if widget == name), "-1")
            _give(instance, inner, name, value)
    return instance


def _outer_slot(graph: Graph, index: int, node: SavedNode) -> Slot | None:
    names = [name for name, _ in graph.inputs]
    named = next((slot for slot in node.inputs if slot.name == names[index]), None)
    here = node.inputs[index] if index < len(node.inputs) else None
    if here is not None and (here.name == names[index] or (named is None and here.name not in names)):
        return here
    return named


def _proxies(node: SavedNode) -> list[tuple[str, str]]:
    """Returns the widgets inside that the outer node shows, as node id and widget name.

    The id -1 stands for an input of the graph.
    """
    saved = node.properties.get("proxyWidgets")
    if isinstance(saved, str):
        try:
            saved = json.loads(saved)
        except ValueError:
            return []
    entries = [entry if isinstance(entry, list) and len(entry) >= 2 else ["", ""] for entry in _list(saved)]
    return [(str(entry[0]), str(entry[1])) for entry in entries]


def _give(instance: Instance, inner: str, name: str, value: Any) -> None:
    """Sets the value of a widget inside, by way of the input that leads to it if there is one."""
    if value is None:
        return
    graph = instance.graph
    for index, (title, targets) in enumerate(graph.inputs):
        leads_there = any(target.node == inner and graph.slot(target).name == name for target in targets)
        if leads_there or (inner == "-1" and title == name):
            instance.values[index] = value
            return
    instance.overrides[inner, name] = value


def _give_by_position(instance: Instance, node: SavedNode, definitions: Mapping[str, Definition]) -> None:
    promoted = [
        index for index in range(len(instance.graph.inputs)) if _is_promoted(instance.graph, index, definitions)
    ]
    if isinstance(node.values, dict):
        names = {instance.graph.inputs[index][0]: index for index in promoted}
        instance.values = {names[name]: value for name, value in node.values.items() if name in names}
        return
    rest = list(_list(node.values))
    for index in promoted:
        if not rest:
            break
        value = rest.pop(0)
        if value is not None:
            instance.values[index] = value
        # Some files have the control of a seed behind it, as ordinary nodes do.
        if rest and rest[0] in CONTROL_VALUES and len(_list(node.values)) > len(promoted):
            rest.pop(0)


def _is_promoted(graph: Graph, index: int, definitions: Mapping[str, Definition]) -> bool:
    return any(is_widget(graph, target, definitions) for target in graph.inputs[index][1])


def is_widget(graph: Graph, target: Target, definitions: Mapping[str, Definition]) -> bool:
    """Returns True if an input slot is the place of a widget."""
    slot = graph.slot(target)
    definition = definitions.get(graph.nodes[target.node].type)
    given = definition.input(slot.name) if definition is not None else None
    return slot.is_widget or (given is not None and given.is_widget)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
