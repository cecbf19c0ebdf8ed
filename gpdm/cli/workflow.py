"""Workflow files: the editor's format (version 0.4) and the API format, both read into one prompt.

A prompt is what ComfyUI executes: nodes by id, each input a value or a link to another node's output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import GPDMError
from .definitions import CONTROL_VALUES, Definition, require

NOTES = ("Note", "MarkdownNote")
MUTED, BYPASSED = 2, 4


class Link(NamedTuple):
    """Output `slot` of node `node`."""

    node: str
    slot: int


@dataclass
class Node:
    """One node of a prompt."""

    id: str
    type: str
    title: str
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the node in messages."""
        return f"node {self.id} ({self.title})"


Prompt = dict[str, Node]


def read_prompt(workflow: Any, definitions: Mapping[str, Definition], name: str = "the file") -> Prompt:
    """Returns the prompt in a workflow file of either format, which is called `name` in messages.

    Raises:
        GPDMError: It is no workflow, uses a node type that is not known here, or its links lead nowhere.
    """
    try:
        prompt = _read(workflow, definitions)
    except GPDMError:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise GPDMError(f"{name} is damaged ({type(error).__name__}: {error}); save it again in ComfyUI") from error
    if prompt is None:
        raise GPDMError(f"{name} is not a ComfyUI workflow; save it in ComfyUI with Save or Export (API)")
    return prompt


def _read(workflow: Any, definitions: Mapping[str, Definition]) -> Prompt | None:
    """Returns the prompt; None if the JSON is no workflow."""
    if isinstance(workflow, dict) and isinstance(workflow.get("nodes"), list):
        return _Editor(workflow, definitions).prompt()
    nodes = workflow.get("prompt", workflow) if isinstance(workflow, dict) else None
    if isinstance(nodes, dict) and nodes and all(isinstance(n, dict) and "class_type" in n for n in nodes.values()):
        return {str(key): _from_api(str(key), node) for key, node in nodes.items()}
    return None


def to_api(prompt: Prompt) -> dict[str, Any]:
    """Returns the prompt in API format, for storing in pictures."""
    return {
        node.id: {
            "class_type": node.type,
            "inputs": {name: list(value) if isinstance(value, Link) else value for name, value in node.inputs.items()},
            "_meta": {"title": node.title},
        }
        for node in prompt.values()
    }


def _from_api(key: str, node: Mapping[str, Any]) -> Node:
    def value(given: Any) -> Any:
        is_link = (
            isinstance(given, list)
            and len(given) == 2
            and isinstance(given[0], (str, int))
            and isinstance(given[1], int)
        )
        return Link(str(given[0]), given[1]) if is_link else given

    title = node.get("_meta", {}).get("title", node["class_type"])
    inputs = {name: value(given) for name, given in node.get("inputs", {}).items()}
    # Older front ends export the upload button as if it were an input.
    inputs.pop("upload", None)
    return Node(key, str(node["class_type"]), title, inputs)


class _Editor:
    """Reader of the editor's format. It drops notes and muted nodes, and follows reroutes and bypassed nodes."""

    def __init__(self, workflow: Mapping[str, Any], definitions: Mapping[str, Definition]) -> None:
        self.definitions = definitions
        self.nodes = {str(node["id"]): node for node in workflow["nodes"]}
        self.links = dict(_link(link) for link in workflow.get("links") or [] if link is not None)
        subgraphs = {graph["id"] for graph in (workflow.get("definitions") or {}).get("subgraphs") or []}
        if any(node["type"] in subgraphs for node in self.nodes.values()):
            raise GPDMError(
                "the workflow uses a subgraph, which `gpdm run` cannot read; in ComfyUI use Export (API) and run that file"
            )

    def prompt(self) -> Prompt:
        """Returns the nodes that execute."""
        virtual = (*NOTES, "Reroute", "PrimitiveNode")
        real = [
            n for n in self.nodes.values() if n["type"] not in virtual and n.get("mode", 0) not in (MUTED, BYPASSED)
        ]
        return {str(node["id"]): self._node(node) for node in real}

    def _node(self, saved: Mapping[str, Any]) -> Node:
        key, kind = str(saved["id"]), saved["type"]
        node = Node(key, kind, saved.get("title") or kind)
        definition = require(self.definitions, kind, f"node {key}")
        node.inputs.update(_widget_values(node.name, saved, definition))
        for given in saved.get("inputs") or []:
            if given.get("link") is None:
                continue
            if given["link"] not in self.links:
                raise GPDMError(
                    f"{node.name}: input {given['name']} has link {given['link']}, which is not in the file"
                )
            source = self._source(self.links[given["link"]], given.get("type"), set())
            if source is not None:
                node.inputs[given["name"]] = source
            elif not given.get("widget"):
                node.inputs.pop(given["name"], None)
        return node

    def _source(self, link: Link, wanted: str | None, seen: set[Link]) -> Any:
        """Returns the output or the primitive's value behind a link; None if it ends at a muted node."""
        if link in seen:
            raise GPDMError(f"the links through node {link.node} form a cycle; remove one of them")
        node = self.nodes.get(link.node)
        if node is None:
            raise GPDMError(f"a link comes from node {link.node}, which is not in the file")
        if node["type"] == "PrimitiveNode":
            return (node.get("widgets_values") or [None])[0]
        mode = node.get("mode", 0)
        if mode == MUTED:
            return None
        if node["type"] != "Reroute" and mode != BYPASSED:
            return link
        outputs, inputs = node.get("outputs") or [], node.get("inputs") or []
        kind = outputs[link.slot]["type"] if mode == BYPASSED and link.slot < len(outputs) else None
        # A bypassed node passes on the input at the same place if its type fits, else the first that fits.
        candidates = [*inputs[link.slot : link.slot + 1], *inputs] if mode == BYPASSED else inputs
        for given in candidates:
            if given.get("link") in self.links and kind in (None, given.get("type")):
                return self._source(self.links[given["link"]], wanted, seen | {link})
        return None


def _link(link: Any) -> tuple[Any, Link]:
    """Returns a link of either schema: a list of six, or (schema 1.0) an object."""
    if isinstance(link, dict):
        return link["id"], Link(str(link["origin_id"]), link["origin_slot"])
    return link[0], Link(str(link[1]), link[2])


def _defaults(definition: Definition) -> dict[str, Any]:
    """Returns today's defaults, for files from before an input was appended."""
    return {given.name: given.options["default"] for given in definition.widgets if "default" in given.options}


def _widget_values(name: str, saved: Mapping[str, Any], definition: Definition) -> dict[str, Any]:
    """Returns widget values by input name.

    Files list them by position, with extra places for seed controls and upload buttons.
    """
    named, values = saved.get("widgets_values_named"), saved.get("widgets_values")
    if isinstance(values, dict) or (isinstance(named, dict) and named):
        table: Any = values if isinstance(values, dict) else named
        return _defaults(definition) | {
            given.name: table[given.name] for given in definition.widgets if given.name in table
        }
    rest = list(values or [])
    found = _defaults(definition)
    for given in definition.widgets:
        if not rest:
            break
        found[given.name] = rest.pop(0)
        if given.has_control and rest and rest[0] in CONTROL_VALUES:
            rest.pop(0)
    # The editor puts the upload button behind all other widgets.
    if any(given.options.get("image_upload") for given in definition.widgets) and rest == ["image"]:
        rest = []
    if rest:
        raise GPDMError(
            f"{name} has {len(rest)} more widget values than inputs ({rest!r}); the file is from another version of the node"
        )
    return found
