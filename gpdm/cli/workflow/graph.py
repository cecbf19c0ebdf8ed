"""Graphs as the editor saves them: nodes with slots, and links. Subgraphs have inputs and outputs of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .prompt import Link

MUTED, BYPASSED = 2, 4
NOTES = ("Note", "MarkdownNote")
PRIMITIVE = "PrimitiveNode"
CONTROLS = tuple(
    f"{name} (rgthree)"
    for name in (
        *("Label", "Bookmark", "Fast Groups Muter", "Fast Groups Bypasser", "Fast Muter", "Fast Bypasser"),
        *("Fast Actions Button", "Node Collector", "Mute / Bypass Repeater", "Mute / Bypass Relay", "Random Unmuter"),
    )
)
"""Types of nodes of a popular pack that only act on other nodes in the editor."""
INPUTS, OUTPUTS = "-10", "-20"
"""Ids of the nodes that stand for the inputs and the outputs of a subgraph."""


class Slot(NamedTuple):
    """One input of a saved node."""

    name: str
    type: str
    link: str | None
    """Id of the link that ends here."""
    is_widget: bool


@dataclass
class SavedNode:
    """One node as it stands in the file."""

    id: str
    type: str
    title: str
    mode: int
    inputs: list[Slot]
    outputs: list[str]
    """Types of its outputs."""
    values: Any
    """Widget values: a list by position, or a mapping by name."""
    properties: Mapping[str, Any]

    def value(self, index: int = 0) -> Any:
        """Returns the widget value at a position, or None."""
        return self.values[index] if isinstance(self.values, list) and index < len(self.values) else None


class Target(NamedTuple):
    """Input `slot` of node `node`."""

    node: str
    slot: int


@dataclass
class Graph:
    """Nodes by id and the origins of links by link id; the inputs and outputs of a subgraph by position."""

    nodes: dict[str, SavedNode]
    links: dict[str, Link]
    inputs: list[tuple[str, list[Target]]] = field(default_factory=list)
    """Name of each input, and what is connected to it inside."""
    outputs: list[str | None] = field(default_factory=list)
    """Id of the link that feeds each output."""

    def slot(self, target: Target) -> Slot:
        """Returns the input slot that a target names."""
        return self.nodes[target.node].inputs[target.slot]


def read_graph(saved: Mapping[str, Any]) -> Graph:
    """Returns the graph of a workflow or of a subgraph's definition.

    A node without an id or a type is left out, and a warning is logged.

    Raises:
        KeyError, TypeError, IndexError, ValueError: A node or a link is damaged.
    """
    nodes: dict[str, SavedNode] = {}
    for entry in saved["nodes"]:
        if not isinstance(entry, dict) or entry.get("id") is None or entry.get("type") is None:
            logging.getLogger("gpdm").warning("a node in the file has no id or no type and is left out: %.80s", entry)
            continue
        node = read_node(entry, str(entry["id"]))
        # As in the editor, the first of several with one id is the one.
        nodes.setdefault(node.id, node)
    links = dict(_link(link) for link in _list(saved.get("links")) if link is not None)
    graph = Graph(nodes, {key: origin for key, (origin, _) in links.items()})
    targets = _targets(graph)
    graph.inputs = [
        (str(given.get("name")), [targets[key] for key in _keys(given.get("linkIds")) if key in targets])
        for given in _list(saved.get("inputs"))
    ]
    ends = {end.slot: key for key, (_, end) in links.items() if end.node == OUTPUTS}
    graph.outputs = [
        next((key for key in _keys(given.get("linkIds")) if key in links), ends.get(index))
        for index, given in enumerate(_list(saved.get("outputs")))
    ]
    return graph


def read_node(entry: Mapping[str, Any], key: str) -> SavedNode:
    """Returns the node that an entry of a file describes, with `key` as its id."""
    kind, mode, title = str(entry["type"]), entry.get("mode"), entry.get("title")
    named, values, properties = entry.get("widgets_values_named"), entry.get("widgets_values"), entry.get("properties")
    if isinstance(named, dict) and not (isinstance(values, (list, dict)) and values):
        values = named
    return SavedNode(
        id=key,
        type=kind,
        title=title if isinstance(title, str) and title else kind,
        mode=mode if isinstance(mode, int) else 0,
        inputs=[_slot(given) for given in _list(entry.get("inputs"))],
        outputs=[_type(given) for given in _list(entry.get("outputs"))],
        values=values,
        properties=properties if isinstance(properties, dict) else {},
    )


def _slot(given: Any) -> Slot:
    if not isinstance(given, dict):
        return Slot("", "*", None, is_widget=False)
    link = given.get("link")
    return Slot(
        str(given.get("name")), _type(given), None if link is None else str(link), is_widget=bool(given.get("widget"))
    )


def _type(given: Any) -> str:
    """Returns the type of a slot; "*", which fits any, if it has none."""
    kind = given.get("type") if isinstance(given, dict) else None
    return kind if isinstance(kind, str) and kind else "*"


def _link(link: Any) -> tuple[str, tuple[Link, Target]]:
    """Returns a link of either schema, a list of six or an object: its id, its origin and its end."""
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    parts: list[Any] = [link.get(name) for name in names] if isinstance(link, dict) else [*link, None, None][:5]
    key, origin, slot, target, end = parts
    return str(key), (Link(str(origin), int(slot)), Target(str(target), end if isinstance(end, int) else -1))


def _targets(graph: Graph) -> dict[str, Target]:
    """Returns where each link ends, which the slots say more reliably than the links."""
    return {
        slot.link: Target(node.id, index)
        for node in graph.nodes.values()
        for index, slot in enumerate(node.inputs)
        if slot.link is not None
    }


def _keys(ids: Any) -> list[str]:
    return [str(key) for key in _list(ids)]


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
