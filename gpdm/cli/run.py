"""`gpdm run`: executes a workflow file without a ComfyUI server."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import GPDMError
from .definitions import Definition, comfy_nodes, from_class, require
from .files import make_folder, read_json
from .host import TerminalHost, parse_device
from .pack import load_pack
from .pictures import read_picture
from .standins import STAND_INS, Session, StandIn
from .validation import check_value, validate
from .workflow import Link, Node, Prompt, read_prompt, to_api


def all_definitions() -> dict[str, Definition]:
    """Returns every known node type: the pack's, the stand-ins, and those of ComfyUI that can only be checked."""
    runnable = {**STAND_INS, **load_pack().NODE_CLASS_MAPPINGS}
    return {**comfy_nodes(), **{name: from_class(name, node_class) for name, node_class in runnable.items()}}


def run_command(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the file that the command line names, and returns what it made.

    Raises:
        GPDMError: Something in the file or the flags is wrong, which is found before anything runs; or a node failed.
    """
    started = time.perf_counter()
    path: Path = options.workflow
    workflow, definitions = read_json(path), all_definitions()
    prompt = read_prompt(workflow, definitions, str(path))
    for node in prompt.values():
        require(definitions, node.type, node.name)
    _set_images(prompt, definitions, options.image)
    _set_values(prompt, definitions, options.set)
    _set_seeds(prompt, definitions, options.seed)
    order = validate(prompt, definitions)
    if options.validate:
        return {"workflow": str(path), "nodes": len(order), "valid": True}
    for node in order:
        if definitions[node.type].node_class is None:
            raise GPDMError(
                f"{node.name} is of type {node.type!r}, which needs a model; open the file in ComfyUI, which can run it"
            )
    folders = (path.parent / "inputs", path.parent, Path.cwd())
    session = Session(folders, make_folder(options.out), {"prompt": to_api(prompt)})
    if "nodes" in workflow and not (options.image or options.set or options.seed is not None):
        # With overrides the editor would show, from this, what was not run; it then reads the prompt instead.
        session.metadata["workflow"] = workflow
    for node, name in _picture_inputs(order, definitions):
        if isinstance(node.inputs[name], str):
            read_picture(session.find(node.inputs[name]))
    device = parse_device(options.device)
    _execute(order, definitions, session, TerminalHost(device))
    return {
        "workflow": str(path),
        "saved": [str(saved) for saved in session.saved],
        "device": str(device),
        "seconds": round(time.perf_counter() - started, 3),
    }


def _execute(
    order: Sequence[Node], definitions: Mapping[str, Definition], session: Session, host: TerminalHost
) -> None:
    before = load_pack().nodes.host.use(host)
    results: dict[str, tuple[Any, ...]] = {}
    try:
        # As ComfyUI does: a node that forgets to leave inference mode fails here too.
        with torch.inference_mode():
            for node in order:
                node_class = definitions[node.type].node_class
                instance = node_class(session) if issubclass(node_class, StandIn) else node_class()
                host.label = node.title
                given = {k: results[v.node][v.slot] if isinstance(v, Link) else v for k, v in node.inputs.items()}
                try:
                    results[node.id] = getattr(instance, node_class.FUNCTION)(**given)
                except GPDMError as error:
                    raise GPDMError(f"{node.name}: {error}") from error
                finally:
                    host.node_done()
    finally:
        load_pack().nodes.host.use(before)


def _find(prompt: Prompt, key: str) -> Node:
    """Returns the node with this id, or, if there is only one, with this title or type."""
    if key in prompt:
        return prompt[key]
    matches = [node for node in prompt.values() if key in (node.title, node.type)]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(f"{node.id} ({node.title})" for node in prompt.values())
    raise GPDMError(f"{'several nodes are' if matches else 'no node is'} called {key!r}; use an id: {known}")


def _picture_inputs(nodes: Iterable[Node], definitions: Mapping[str, Definition]) -> list[tuple[Node, str]]:
    """Returns the inputs that name a picture file, as node and input name."""
    return [
        (node, given.name)
        for node in nodes
        for given in definitions[node.type].inputs
        if given.options.get("image_upload")
    ]


def _set_images(prompt: Prompt, definitions: Mapping[str, Definition], images: Sequence[str]) -> None:
    slots = _picture_inputs(prompt.values(), definitions)
    named = [text.split("=", 1) for text in images if "=" in text and not Path(text).exists()]
    plain = [text for text in images if "=" not in text or Path(text).exists()]
    for key, file in named:
        node = _find(prompt, key)
        slot = next((s for s in slots if s[0] is node), None)
        if slot is None:
            raise GPDMError(f"--image {key}={file}: {node.name} does not load a picture")
        slots.remove(slot)
        node.inputs[slot[1]] = str(Path(file).resolve())
    if len(plain) > len(slots):
        raise GPDMError(f"--image {plain[len(slots)]}: the workflow has no further node that loads a picture")
    for (node, name), file in zip(slots, plain, strict=False):
        node.inputs[name] = str(Path(file).resolve())


def _set_values(prompt: Prompt, definitions: Mapping[str, Definition], settings: Sequence[str]) -> None:
    for setting in settings:
        target, equals, value = setting.partition("=")
        key, dot, name = target.rpartition(".")
        if not (equals and dot):
            raise GPDMError(f"--set {setting}: write it as NODE.input=VALUE, for example 3.num_outputs=4")
        node = _find(prompt, key)
        given = definitions[node.type].input(name)
        if given is None or not given.is_widget:
            names = ", ".join(widget.name for widget in definitions[node.type].widgets)
            raise GPDMError(f"--set {setting}: {node.name} has no value {name!r}; it has {names}")
        node.inputs[name] = check_value(node, given, value)


def _set_seeds(prompt: Prompt, definitions: Mapping[str, Definition], seed: int | None) -> None:
    if seed is None:
        return
    for node in prompt.values():
        for given in definitions[node.type].widgets:
            if given.name in ("seed", "noise_seed") and not isinstance(node.inputs.get(given.name), Link):
                node.inputs[given.name] = seed
