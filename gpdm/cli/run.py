"""`gpdm run`: executes a workflow file without a ComfyUI server."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from .checks import RunChecks, say_what_is_unknown
from .definitions import all_definitions
from .flags import check_device
from .overrides import set_images, set_seeds, set_values
from .session import Session
from .targets import check_folder, make_folder
from .validation import plan
from .workflow import is_editor_format, read_prompt, read_workflow, to_api, unwrapped


def run_command(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the file that the command line names, and returns what it made.

    Raises:
        GPDMError: Something in the file or the flags is wrong, which is found before anything runs; or a node failed.
    """
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
    check_device(options.device)
    check_folder(options.out)
    session = Session(
        (path.parent / "inputs", path.parent, Path.cwd()),
        options.out,
        prompt=prompt,
        display_names={name: definition.display_name for name, definition in definitions.items()},
    )
    checks = RunChecks(definitions, session)
    found = plan(prompt, definitions, checks.type, checks.file_name, checks.pictures)
    say_what_is_unknown(prompt, definitions)
    # From here on torch is needed, which takes long to load.
    from .execution import execute
    from .host import TerminalHost, parse_device

    started = time.perf_counter()
    device = parse_device(options.device)
    make_folder(options.out)
    session.metadata["prompt"] = to_api({node.id: node for node in found.order})
    if is_editor_format(workflow) and not (options.image or options.set or options.seed is not None):
        # With overrides the editor would show, from this, what was not run; it then reads the prompt instead.
        session.metadata["workflow"] = workflow
    execute(found.order, definitions, session, TerminalHost(device, session))
    return {
        "workflow": str(path),
        "saved": [str(saved) for saved in session.saved],
        "left_out": found.left_out,
        "texts": [{"node": title, "text": text} for title, text in session.texts],
        "device": str(device),
        "seconds": round(time.perf_counter() - started, 3),
    }
