"""Values, pictures and seeds that the command line puts into a prompt."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import GPDMError
from .definitions import Definition, Input, require
from .validation import needed_nodes
from .values import check_value, some_of
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
    slots = {node.id: (node, name) for node, name in picture_inputs(prompt.values(), definitions)}
    named = [text.split("=", 1) for text in images if "=" in text and not Path(text).exists()]
    plain = [text for text in images if "=" not in text or Path(text).exists()]
    given: set[str] = set()
    for key, file in named:
        node = _find(prompt, definitions, key)
        if node.id not in slots:
            raise GPDMError(f"--image {key}={file}: {node.name} does not load a picture")
        if node.id in given:
            raise GPDMError(f"--image {key}={file}: --image gives {node.name} a picture twice; remove one")
        given.add(node.id)
        node.put(slots[node.id][1], str(Path(file).resolve()))
    needed = needed_nodes(prompt, definitions) - given
    rest = [slot for key, slot in slots.items() if key in needed]
    if len(plain) > len(rest):
        raise GPDMError(f"--image {plain[len(rest)]}: the workflow has no further node that loads a picture")
    for (node, name), file in zip(rest, plain, strict=False):
        node.put(name, str(Path(file).resolve()))


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
        node = _find(prompt, definitions, key)
        definition = require(definitions, node.type, f"--set {setting}: {node.name}")
        given = definition.input(name)
        if given is None or not given.is_widget:
            names = some_of([widget.name for widget in definition.widgets])
            raise GPDMError(f"--set {setting}: {node.name} has no value {name!r}; it has {names}")
        node.put(name, check_value(node, given, value))


def set_seeds(prompt: Prompt, definitions: Mapping[str, Definition], seed: int) -> None:
    """Puts one seed into every node that has one, or into the Int node that is linked to it.

    A warning is logged for a seed that another node gives.
    """
    needed = needed_nodes(prompt, definitions)
    for node in prompt.values():
        for given in _inputs(node, definitions):
            if given.is_widget and given.name in ("seed", "noise_seed"):
                place, name = _seed_place(prompt, node, given.name)
                if not isinstance(place.inputs.get(name), Link):
                    place.put(name, seed)
                elif node.id in needed:
                    logging.getLogger("gpdm").warning(
                        "--seed does not change the %s of %s, since a node that is no Int is linked to it",
                        name,
                        node.name,
                    )


def _seed_place(prompt: Prompt, node: Node, name: str) -> tuple[Node, str]:
    """Returns the node and the input in which the value of a seed stands: its own, or those of an Int node."""
    for _ in prompt:
        link = node.inputs.get(name)
        origin = prompt.get(link.node) if isinstance(link, Link) else None
        if origin is None or origin.type != "PrimitiveInt":
            break
        node, name = origin, "value"
    return node, name


def _inputs(node: Node, definitions: Mapping[str, Definition]) -> Sequence[Input]:
    """Returns the inputs of a node; none if its type is not known, which matters only if an output needs it."""
    definition = definitions.get(node.type)
    return () if definition is None else definition.inputs


def _find(prompt: Prompt, definitions: Mapping[str, Definition], key: str) -> Node:
    """Returns the node with this id, or, if there is only one, with this title, display name or type."""
    if key in prompt:
        return prompt[key]
    called = [
        node for node in prompt.listed if key in (node.id, node.title, node.type, _display_name(node, definitions))
    ]
    matches = [node for node in called if node.id in prompt]
    if len(matches) == 1:
        return matches[0]
    if called and not matches:
        raise GPDMError(_why_it_does_not_run(called[0], prompt))
    known = some_of([f"{node.id} ({node.title})" for node in prompt.values()])
    raise GPDMError(f"{'several nodes are' if matches else 'no node is'} called {key!r}; use an id: {known}")


def _display_name(node: Node, definitions: Mapping[str, Definition]) -> str:
    return definitions[node.type].display_name if node.type in definitions else node.type


def _why_it_does_not_run(node: Node, prompt: Prompt) -> str:
    """Returns the message for a node of the file that is not in the prompt."""
    inner = [f"{each.id} ({each.title})" for each in prompt.values() if each.id.startswith(f"{node.id}:")]
    if inner:
        return f"{node.name} is a subgraph; name a node in it: {some_of(inner)}"
    return f"{node.name} is muted or bypassed, or in a subgraph that is, and does not run; enable it in ComfyUI"
