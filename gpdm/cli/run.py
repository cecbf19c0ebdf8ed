"""`gpdm run`: executes a workflow file without a ComfyUI server."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import GPDMError
from .definitions import Definition, comfy_nodes, from_class
from .execution import execute
from .files import make_folder
from .host import TerminalHost, parse_device
from .overrides import picture_inputs, set_images, set_seeds, set_values
from .pack import load_pack
from .pictures import read_picture
from .standins import STAND_INS, Session
from .validation import validate
from .workflow import Link, Node, Prompt, is_editor_format, read_prompt, read_workflow, to_api


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
    workflow, definitions = read_workflow(path), all_definitions()
    prompt = read_prompt(workflow, definitions, str(path))
    _say_what_is_unknown(prompt, definitions)
    set_values(prompt, definitions, options.set)
    set_images(prompt, definitions, options.image)
    if options.seed is not None:
        set_seeds(prompt, definitions, options.seed)
    if options.validate:
        return {"workflow": str(path), "nodes": len(validate(prompt, definitions)), "valid": True}
    device = parse_device(options.device)
    session = Session(
        (path.parent / "inputs", path.parent, Path.cwd()),
        options.out,
        prompt=prompt,
        display_names=load_pack().NODE_DISPLAY_NAME_MAPPINGS,
    )

    def check_type(node: Node) -> None:
        if definitions[node.type].node_class is None:
            raise GPDMError(
                f"{node.name} is of type {node.type!r}, which needs a model; open the file in ComfyUI, which can run it"
            )

    def check_pictures(node: Node) -> None:
        for _, name in picture_inputs([node], definitions):
            _check_picture(node, name, session)

    def check_names(node: Node) -> None:
        prefix = node.inputs.get("filename_prefix")
        if isinstance(prefix, str):
            try:
                session.target(prefix)
            except GPDMError as error:
                raise GPDMError(f"{node.name}: {error}") from error

    order = validate(prompt, definitions, check_type, check_pictures, check_names)
    make_folder(options.out)
    session.metadata["prompt"] = to_api({node.id: node for node in order})
    if is_editor_format(workflow) and not (options.image or options.set or options.seed is not None):
        # With overrides the editor would show, from this, what was not run; it then reads the prompt instead.
        session.metadata["workflow"] = workflow
    execute(order, definitions, session, TerminalHost(device))
    return {
        "workflow": str(path),
        "saved": [str(saved) for saved in session.saved],
        "texts": [{"node": title, "text": text} for title, text in session.texts],
        "device": str(device),
        "seconds": round(time.perf_counter() - started, 3),
    }


def _check_picture(node: Node, name: str, session: Session) -> None:
    """Raises `GPDMError` if the picture that an input names does not exist or cannot be read."""
    value = node.inputs.get(name)
    if isinstance(value, str):
        try:
            read_picture(session.find(value))
        except GPDMError as error:
            raise GPDMError(f"{node.name}: {error}") from error


def _say_what_is_unknown(prompt: Prompt, definitions: Mapping[str, Definition]) -> None:
    """Logs a warning for nodes of unknown type that something is linked to and that nothing needs: outputs, perhaps."""
    needed = {value.node for node in prompt.values() for value in node.inputs.values() if isinstance(value, Link)}
    unknown = [
        node.name + ("" if node.title == node.type else f" of type {node.type}")
        for node in prompt.values()
        if node.type not in definitions
        and node.id not in needed
        and any(isinstance(v, Link) for v in node.inputs.values())
    ]
    if unknown:
        logging.getLogger("gpdm").warning("left out, since their types are not known here: %s", ", ".join(unknown))
