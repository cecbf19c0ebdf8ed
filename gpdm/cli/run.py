"""`gpdm run`: executes a workflow file without a ComfyUI server."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from .checks import RunChecks, say_what_is_unknown
from .definitions import Definition, comfy_nodes, from_class
from .execution import execute
from .files import make_folder
from .host import TerminalHost, parse_device
from .overrides import set_images, set_seeds, set_values
from .pack import load_pack
from .standins import DISPLAY_NAMES, STAND_INS, Session
from .validation import plan
from .workflow import is_editor_format, read_prompt, read_workflow, to_api, unwrapped


def all_definitions() -> dict[str, Definition]:
    """Returns every known node type: the pack's, the stand-ins, and those of ComfyUI that can only be checked."""
    pack = load_pack()
    runnable = {**STAND_INS, **pack.NODE_CLASS_MAPPINGS}
    found = {**comfy_nodes(), **{name: from_class(name, node_class) for name, node_class in runnable.items()}}
    names = {**DISPLAY_NAMES, **pack.NODE_DISPLAY_NAME_MAPPINGS}
    return {name: replace(definition, display_name=names.get(name, name)) for name, definition in found.items()}


def run_command(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the file that the command line names, and returns what it made.

    Raises:
        GPDMError: Something in the file or the flags is wrong, which is found before anything runs; or a node failed.
    """
    started = time.perf_counter()
    path: Path = options.workflow
    workflow, definitions = unwrapped(read_workflow(path)), all_definitions()
    prompt = read_prompt(workflow, definitions, str(path))
    set_values(prompt, definitions, options.set)
    set_images(prompt, definitions, options.image)
    if options.seed is not None:
        set_seeds(prompt, definitions, options.seed)
    if options.validate:
        found = plan(prompt, definitions)
        say_what_is_unknown(prompt, definitions)
        return {"workflow": str(path), "nodes": len(found.order), "valid": True, "left_out": found.left_out}
    device = parse_device(options.device)
    session = Session(
        (path.parent / "inputs", path.parent, Path.cwd()),
        options.out,
        prompt=prompt,
        display_names={name: definition.display_name for name, definition in definitions.items()},
    )
    checks = RunChecks(definitions, session)
    found = plan(prompt, definitions, checks.type, checks.pictures, checks.file_name)
    say_what_is_unknown(prompt, definitions)
    make_folder(options.out)
    session.metadata["prompt"] = to_api({node.id: node for node in found.order})
    if is_editor_format(workflow) and not (options.image or options.set or options.seed is not None):
        # With overrides the editor would show, from this, what was not run; it then reads the prompt instead.
        session.metadata["workflow"] = workflow
    execute(found.order, definitions, session, TerminalHost(device))
    return {
        "workflow": str(path),
        "saved": [str(saved) for saved in session.saved],
        "left_out": found.left_out,
        "texts": [{"node": title, "text": text} for title, text in session.texts],
        "device": str(device),
        "seconds": round(time.perf_counter() - started, 3),
    }
