"""Group nodes, which older editors had in place of subgraphs: their saved form, read as instances of graphs.

The group's inputs, outputs and widgets are those of its nodes that nothing inside is linked to, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..definitions import CONTROL_VALUES, Definition
from .graph import INPUTS, NOTES, PRIMITIVE, Graph, SavedNode, Slot, Target, read_node
from .instances import Instance, Overrides
from .prompt import Link
from .widgets import has_upload

PREFIXES = ("workflow>", "workflow/")
"""Beginnings of the types of group nodes, in newer and in older files."""


UPLOAD = "upload"
"""Name of the button that uploads a picture, which stands among the widgets. It shows the name of the picture's."""


class Widget(NamedTuple):
    """One widget of the group: a widget of one of its nodes. One without a name belongs to a node of unknown type."""

    node: str
    name: str


def group_instance(saved: Mapping[str, Any], node: SavedNode, definitions: Mapping[str, Definition]) -> Instance:
    """Returns the instance of a group that `node` is; `saved` is the group as it stands in `extra.groupNodes`.

    Raises:
        KeyError, TypeError, IndexError, ValueError: The group is damaged.
    """
    group = _Group(saved, definitions, len(node.outputs))
    sockets, converted = group.free_inputs()
    outer: list[Slot | None] = [*node.inputs[: len(sockets)], *[None] * (len(sockets) - len(node.inputs))]
    rest = node.inputs[len(sockets) :]
    if len(rest) == len(converted):
        outer += rest
    else:
        by_name = {slot.name: slot for slot in rest}
        outer += [by_name.get(group.graph.slot(target).name) for target in converted]
    overrides = _overrides(node, group)
    group.connect([*sockets, *converted])
    return Instance(group.graph, outer, overrides=overrides)


class _Group:
    """Graph of a group, before it is put in place. `outputs` is the number of outputs that its node has."""

    def __init__(self, saved: Mapping[str, Any], definitions: Mapping[str, Definition], outputs: int) -> None:
        self.definitions = definitions
        nodes = [read_node(entry, str(index)) for index, entry in enumerate(saved["nodes"])]
        self.graph = Graph({node.id: node for node in nodes}, {})
        for node in nodes:
            node.inputs = [slot._replace(link=None) for slot in _all_inputs(node, definitions)]
        self.used: set[Link] = set()
        for number, (origin, slot, target, end) in enumerate(link[:4] for link in saved["links"]):
            if origin is not None:
                self._link(str(number), Link(str(origin), int(slot)), Target(str(target), int(end)))
                self.used.add(Link(str(origin), int(slot)))
        self.external = {
            (str(entry[0]), entry[1]) for entry in saved.get("external") or [] if isinstance(entry[0], int)
        }
        self.config = saved.get("config") or {}
        free = list(self._free_outputs())
        if outputs < len(free):
            # Nodes that save or show had no outputs before ComfyUI 0.26; the file is from then.
            free = [link for link in free if not self._is_output(self.graph.nodes[link.node])]
        self.graph.outputs = [self._output(number, link) for number, link in enumerate(free)]

    def _link(self, key: str, origin: Link, target: Target) -> None:
        self.graph.links[key] = origin
        inputs = self.graph.nodes[target.node].inputs
        inputs[target.slot] = inputs[target.slot]._replace(link=key)

    def _output(self, number: int, origin: Link) -> str:
        self.graph.links[f"output {number}"] = origin
        return f"output {number}"

    def _settings(self, node: SavedNode, kind: str, key: str) -> Mapping[str, Any]:
        """Returns what the group's configuration says of an input or an output."""
        return ((self.config.get(node.id) or {}).get(kind) or {}).get(key) or {}

    def _is_inner(self, node: SavedNode) -> bool:
        """Returns True for a reroute between two nodes of the group, which shows no slot outside."""
        output = Link(node.id, 0)
        is_linked = bool(node.inputs) and node.inputs[0].link is not None
        return node.type == "Reroute" and is_linked and output in self.used and output not in self.external

    def _is_output(self, node: SavedNode) -> bool:
        definition = self.definitions.get(node.type)
        return definition is not None and definition.is_output

    def _free_outputs(self) -> Iterator[Link]:
        for node in self.graph.nodes.values():
            definition = self.definitions.get(node.type)
            count = len(node.outputs) if definition is None else len(definition.outputs)
            for slot in range(0 if self._is_inner(node) else count):
                link = Link(node.id, slot)
                is_free = link not in self.used or link in self.external
                if self._settings(node, "output", str(slot)).get("visible", is_free):
                    yield link

    def free_inputs(self) -> tuple[list[Target], list[Target]]:
        """Returns the inputs that the group shows: sockets, and widgets that were converted to inputs."""
        sockets, converted = [], []
        for node in self.graph.nodes.values():
            for index, slot in enumerate(node.inputs):
                is_shown = self._settings(node, "input", slot.name).get("visible") is not False
                if slot.link is None and not slot.is_widget and is_shown:
                    sockets.append(Target(node.id, index))
            converted += [Target(node.id, index) for index in _converted(node)]
        return sockets, converted

    def connect(self, targets: list[Target]) -> None:
        """Makes inputs of the graph that lead to `targets`, as far as nothing inside is linked to these."""
        for index, target in enumerate(targets):
            slot = self.graph.slot(target)
            self.graph.inputs.append((slot.name, [target] if slot.link is None else []))
            if slot.link is None:
                self._link(f"input {index}", Link(INPUTS, index), target)

    def widgets(self) -> list[Widget]:
        """Returns the widgets of the group, those that were converted to inputs behind the others."""
        plain, converted = [], []
        for node in self.graph.nodes.values():
            names = self._widget_names(node)
            slots = {slot.name for slot in node.inputs if slot.is_widget}
            plain += [Widget(node.id, name) for name in names if name not in slots]
            shown = [node.inputs[index].name for index in _converted(node)]
            converted += [Widget(node.id, name) for name in shown if name in names]
        return plain + converted

    def _widget_names(self, node: SavedNode) -> list[str]:
        definition = self.definitions.get(node.type)
        if node.type == PRIMITIVE:
            return ["value"] if Link(node.id, 0) in self.used else []
        if definition is not None:
            return [given.name for given in definition.widgets] + [UPLOAD] * has_upload(definition)
        return [] if node.type in NOTES else [""] * (len(node.values) if isinstance(node.values, list) else 0)


def _converted(node: SavedNode) -> list[int]:
    """Returns the slots of widgets that were converted to inputs, in the order in which the editor shows them.

    It sorts the numbers of the slots as texts, "10" before "9", and then leaves out the places at which something
    inside is linked in the order of the slots.
    """
    slots = [index for index, slot in enumerate(node.inputs) if slot.is_widget]
    pairs = zip(sorted(slots, key=str), slots, strict=True)
    return [shown for shown, here in pairs if node.inputs[here].link is None]


def _all_inputs(node: SavedNode, definitions: Mapping[str, Definition]) -> list[Slot]:
    """Returns the saved inputs, and the sockets of the definition that are not among them."""
    definition = definitions.get(node.type)
    known = {slot.name for slot in node.inputs}
    sockets = [] if definition is None else [given for given in definition.inputs if not given.is_widget]
    return [*node.inputs, *[Slot(i.name, i.type, None, is_widget=False) for i in sockets if i.name not in known]]


def _overrides(node: SavedNode, group: _Group) -> Overrides:
    """Returns the values of the group's widgets, which the file lists by position.

    Those of a group in the group are put into its node.
    """
    rest = list(node.values) if isinstance(node.values, list) else []
    overrides: Overrides = {}
    unnamed: dict[str, list[Any]] = {}
    for widget in group.widgets():
        if not rest:
            break
        if widget.name == UPLOAD:
            if rest[0] == "image":
                rest.pop(0)
            continue
        value = rest.pop(0)
        if not widget.name:
            unnamed.setdefault(widget.node, []).append(value)
            continue
        if value is not None:
            overrides[widget.node, widget.name] = value
        if rest and rest[0] in CONTROL_VALUES:
            rest.pop(0)
    for key, values in unnamed.items():
        group.graph.nodes[key].values = values
    return overrides
