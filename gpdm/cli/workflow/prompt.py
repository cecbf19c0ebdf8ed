"""Prompts, which are what ComfyUI executes: nodes by id, each input a value or a link to another node's output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LEFTOVERS = (
    *("upload", "choose file to upload", "control_after_generate", "speak_and_recognation"),
    *("preview", "preview_text", "preview_markdown", "previewMode"),
)
"""Names that front ends, or extensions of them, export as if they were inputs. ComfyUI ignores them."""


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
    missing: dict[str, str] = field(default_factory=dict)
    """Why an input got no value, by its name. It matters only if the input is required."""
    search_name: str = ""
    """The editor's "Node name for S&R", by which file names ask for its values. It is the type if not given."""
    control: Any = None
    """Value of the control behind the seed, for which file names may ask."""
    surplus: tuple[Any, ...] = ()
    """Values in the file that no input takes. It matters only if an output needs the node."""
    nulls: set[str] = field(default_factory=set)
    """Numbers that are null in the file, whose defaults are used. It matters only if an output needs the node."""

    @property
    def name(self) -> str:
        """Name of the node in messages."""
        return f"node {self.id} ({self.title})"

    def put(self, name: str, value: Any) -> None:
        """Gives an input a value or a link in place of what the file says."""
        self.inputs[name] = value
        self.nulls.discard(name)


class Prompt(dict[str, Node]):
    """The nodes that ComfyUI executes, by id.

    `listed` are all nodes of the file in their order: those too that do not execute, because they are muted, bypassed,
    in such a subgraph, or the place of a subgraph. These have the values of their widgets and no links.
    """

    def __init__(self, nodes: Iterable[Node] = (), listed: Iterable[Node] | None = None) -> None:
        super().__init__((node.id, node) for node in nodes)
        self.listed = list(self.values() if listed is None else listed)


def to_api(prompt: Mapping[str, Node]) -> dict[str, Any]:
    """Returns the prompt in API format, for storing in pictures."""
    return {
        node.id: {
            "class_type": node.type,
            "inputs": {name: list(value) if isinstance(value, Link) else value for name, value in node.inputs.items()},
            "_meta": {"title": node.title},
        }
        for node in prompt.values()
    }


def is_api_node(entry: Any) -> bool:
    """Returns True if an entry of a file in API format is a node. Others are comments, versions and the like."""
    return isinstance(entry, dict) and isinstance(entry.get("class_type"), str)


def from_api(workflow: Mapping[str, Any]) -> Prompt:
    """Returns the prompt in a file in API format. Entries that are no nodes are left out."""
    return Prompt(_node(key, entry) for key, entry in workflow.items() if is_api_node(entry))


def _node(key: str, entry: Mapping[str, Any]) -> Node:
    meta, inputs = entry.get("_meta"), entry.get("inputs")
    title = meta.get("title") if isinstance(meta, dict) else None
    node = Node(key, entry["class_type"], title if isinstance(title, str) and title else entry["class_type"])
    if isinstance(inputs, dict):
        node.inputs = {name: _value(given) for name, given in inputs.items() if name not in LEFTOVERS}
    return node


def _value(given: Any) -> Any:
    """Returns an input's value, or a link if it is written as [node, slot]."""
    if not (isinstance(given, list) and len(given) == 2):
        return given
    node, slot = given
    is_link = isinstance(node, (str, int)) and isinstance(slot, int) and not isinstance(slot, bool)
    return Link(str(node), slot) if is_link else given
