"""Values, pictures and seeds that the command line puts into a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import GPDMError
from .definitions import Definition, Input, require
from .validation import needed_nodes
from .values import check_value
from .workflow import Link, Node, Prompt


def picture_inputs(nodes: Iterable[Node], definitions: Mapping[str, Definition]) -> list[tuple[Node, str]]:
    """Returns the inputs that name a picture file, as node and input name."""
    return [
        (node, given.name)
        for node in nodes
        for given in _inputs(node, definitions)
        if given.options.get("image_upload")
    ]


def set_images(prompt: Prompt, definitions: Mapping[str, Definition], images: Sequence[str]) -> None:
    """Puts pictures, written as FILE or NODE=FILE, into the nodes that load one.

    Those without a node go to the nodes that an output needs, in the order of the file.

    Raises:
        GPDMError: There is no such node, or there are more pictures than nodes.
    """
    slots = picture_inputs(prompt.values(), definitions)
    named = [text.split("=", 1) for text in images if "=" in text and not Path(text).exists()]
    plain = [text for text in images if "=" not in text or Path(text).exists()]
    for key, file in named:
        node = _find(prompt, key)
        slot = next((s for s in slots if s[0] is node), None)
        if slot is None:
            raise GPDMError(f"--image {key}={file}: {node.name} does not load a picture")
        slots.remove(slot)
        node.inputs[slot[1]] = str(Path(file).resolve())
    needed = needed_nodes(prompt, definitions)
    slots = [(node, name) for node, name in slots if node.id in needed]
    if len(plain) > len(slots):
        raise GPDMError(f"--image {plain[len(slots)]}: the workflow has no further node that loads a picture")
    for (node, name), file in zip(slots, plain, strict=False):
        node.inputs[name] = str(Path(file).resolve())


def set_values(prompt: Prompt, definitions: Mapping[str, Definition], settings: Sequence[str]) -> None:
    """Puts values, written as NODE.input=VALUE, into nodes.

    Raises:
        GPDMError: There is no such node or input, or the value is not allowed.
    """
    for setting in settings:
        target, equals, value = setting.partition("=")
        key, dot, name = target.rpartition(".")
        if not (equals and dot):
            raise GPDMError(f"--set {setting}: write it as NODE.input=VALUE, for example 3.num_outputs=4")
        node = _find(prompt, key)
        definition = require(definitions, node.type, f"--set {setting}: {node.name}")
        given = definition.input(name)
        if given is None or not given.is_widget:
            names = ", ".join(widget.name for widget in definition.widgets)
            raise GPDMError(f"--set {setting}: {node.name} has no value {name!r}; it has {names}")
        node.inputs[name] = check_value(node, given, value)


def set_seeds(prompt: Prompt, definitions: Mapping[str, Definition], seed: int) -> None:
    """Puts one seed into every node that has one of its own."""
    for node in prompt.values():
        for given in _inputs(node, definitions):
            is_seed = given.is_widget and given.name in ("seed", "noise_seed")
            if is_seed and not isinstance(node.inputs.get(given.name), Link):
                node.inputs[given.name] = seed


def _inputs(node: Node, definitions: Mapping[str, Definition]) -> Sequence[Input]:
    """Returns the inputs of a node; none if its type is not known, which matters only if an output needs it."""
    definition = definitions.get(node.type)
    return () if definition is None else definition.inputs


def _find(prompt: Prompt, key: str) -> Node:
    """Returns the node with this id, or, if there is only one, with this title or type."""
    if key in prompt:
        return prompt[key]
    matches = [node for node in prompt.values() if key in (node.title, node.type)]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(f"{node.id} ({node.title})" for node in prompt.values())
    raise GPDMError(f"{'several nodes are' if matches else 'no node is'} called {key!r}; use an id: {known}")
