"""Reading of a workflow, in the editor's format (versions 0.4 and 1) or the API format, into a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ...errors import GPDMError
from ..definitions import Definition
from .graph import PRIMITIVE, SavedNode
from .json_text import from_json
from .prompt import Link, Node, Prompt, from_api, is_api_node
from .scopes import Scope, every_node, open_scopes
from .sources import VIRTUAL, Given, own_values, promoted_values, source
from .widgets import read_values

AROUND = ("prompt", "output", "workflow", "workflow_api", "input", "extra_data", "extra_pnginfo")
"""Names of entries that hold a workflow in what servers receive, keep or hand out."""
DEEPEST = 5
"""Most entries around a workflow."""


def read_prompt(workflow: Any, definitions: Mapping[str, Definition], name: str = "the file") -> Prompt:
    """Returns the prompt in a workflow of either format, which is called `name` in messages.

    What a single node lacks is noted in the node, since it matters only if an output needs that node.

    Raises:
        GPDMError: It is no workflow, is damaged, or has a subgraph that contains itself.
    """
    workflow = unwrapped(workflow)
    try:
        if is_editor_format(workflow):
            return _from_editor(workflow, definitions)
    except GPDMError as error:
        raise GPDMError(f"{name}: {error}") from error
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError) as error:
        raise GPDMError(
            f"{name} is damaged: a node, a link or a subgraph is not as ComfyUI saves it; save it again in ComfyUI"
        ) from error
    prompt = from_api(workflow) if isinstance(workflow, dict) else Prompt()
    if not prompt:
        raise GPDMError(f"{name} is not a ComfyUI workflow; save it in ComfyUI with Save or Export (API)")
    return prompt


def is_editor_format(workflow: Any) -> bool:
    """Returns True if a workflow is in the editor's format."""
    return isinstance(workflow, dict) and isinstance(workflow.get("nodes"), list)


def unwrapped(workflow: Any) -> Any:
    """Returns the workflow in what servers receive, keep or hand out, which have further entries around it.

    A prompt is preferred to the editor's workflow beside it, as a server does. What holds none is returned as it is.
    """
    found = list(_workflows(workflow, DEEPEST))
    prompts = [each for each in found if not is_editor_format(each)]
    return next(iter([*prompts, *found]), workflow)


def _workflows(value: Any, depth: int) -> Iterator[Any]:
    """Yields the workflows in a value, which may be JSON in a text, up to `depth` entries within each other."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(GPDMError):
            value = from_json(value.encode("utf-8", "replace"), "a text")
    if is_editor_format(value) or (isinstance(value, dict) and any(map(is_api_node, value.values()))):
        yield value
    elif depth > 0:
        inner: list[Any] = []
        if isinstance(value, dict):
            # The history of a server has the id of the run around it.
            inner = [value[key] for key in AROUND if key in value] or (list(value.values()) if len(value) == 1 else [])
        elif isinstance(value, list):
            inner = value[2:4]  # A run in that history: number, id, prompt, extra data.
        for each in inner:
            yield from _workflows(each, depth - 1)


def _from_editor(workflow: Mapping[str, Any], definitions: Mapping[str, Definition]) -> Prompt:
    nodes, listed = [], []
    for scope, saved, is_executed in every_node(open_scopes(workflow, definitions)):
        if saved.type in VIRTUAL and saved.type != PRIMITIVE:
            continue
        node = _node(scope, saved, definitions)
        listed.append(node)
        if is_executed and saved.type != PRIMITIVE:
            _connect(node, scope, saved, definitions)
            nodes.append(node)
    return Prompt(nodes, listed)


def _node(scope: Scope, saved: SavedNode, definitions: Mapping[str, Definition]) -> Node:
    """Returns a node with the values of its widgets."""
    search_name, definition = saved.properties.get("Node name for S&R"), definitions.get(saved.type)
    node = Node(
        scope.key(saved.id), saved.type, saved.title, search_name=search_name if isinstance(search_name, str) else ""
    )
    if saved.id in scope.children:
        node.inputs = promoted_values(scope.children[saved.id], definitions)
    if saved.type == PRIMITIVE:
        node.inputs["value"], node.control = saved.value(), saved.value(1)
    if definition is not None:
        node.inputs = own_values(scope, saved, definition)
        found = read_values(saved, definition)
        node.control, node.surplus = found.control, found.surplus
        outer = {name for key, name in scope.overrides if key == saved.id}
        node.nulls = {
            given.name
            for given in definition.widgets
            if given.type in ("INT", "FLOAT") and given.name in node.inputs and found.given.get(given.name, 0) is None
        } - outer
    return node


def _connect(node: Node, scope: Scope, saved: SavedNode, definitions: Mapping[str, Definition]) -> None:
    """Puts into the inputs of a node what is linked to them."""
    for slot in saved.inputs:
        if slot.link is None:
            continue
        found = source(scope, slot, definitions)
        if isinstance(found, (Link, Given)):
            node.put(slot.name, found if isinstance(found, Link) else _plain(found.value))
        else:
            node.missing[slot.name] = found.reason


def _plain(value: Any) -> Any:
    """Returns a value as the editor exports it: a list in a box, since a bare list is a link."""
    return {"__value__": value} if isinstance(value, list) else value
