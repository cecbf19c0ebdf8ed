"""The `gpdm` command. Exit code 0, or 2 with one line that says what to change, or 130 when cancelled."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import GPDMError
from . import (
    daub_flags,
    distribution_flags,
    edit_flags,
    eval_flags,
    loop_flags,
    match_flags,
    material_flags,
    mix_flags,
    region_flags,
    task_flags,
)
from .commands import read_commands
from .flags import add_common, seed
from .notices import printed_notices
from .parser import CommandParser, OneLineParser, file_path
from .streams import exit_code


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = OneLineParser(
        prog="gpdm",
        description="Makes new pictures from the patches of reference pictures, without a model or training.",
    )
    parser.add_argument("--version", action="version", version=f"gpdm {__version__}")
    commands = read_commands()
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=CommandParser)
    run = parsers.add_parser(
        "run",
        help="Runs a ComfyUI workflow file without a server.",
        description="Runs a workflow file (editor or API format).",
    )
    run.add_argument("workflow", type=file_path, help="Workflow file: JSON, or a picture that carries one.")
    run.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="[NODE=]FILE",
        help="Picture for a node that loads one; may be repeated.",
    )
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.input=VALUE",
        help="Changes a value; NODE is an id, title or type.",
    )
    run.add_argument("--seed", type=seed, default=None, help="Seed for all nodes.")
    run.add_argument(
        "--out", type=file_path, default=Path("out"), metavar="DIR", help="Folder for the pictures (default out)."
    )
    run.add_argument("--validate", action="store_true", help="Only check the file, even if it needs a model.")
    add_common(run)
    for task in commands.tasks:
        task_flags.add_parser(parsers, task, commands)
    region_flags.add_parser(parsers, commands)
    mix_flags.add_parsers(parsers, commands)
    for edit in commands.edits:
        edit_flags.add_parser(parsers, edit)
    loop_flags.add_parser(parsers, commands)
    for match in commands.matches:
        match_flags.add_parser(parsers, match)
    for material in commands.materials:
        material_flags.add_parser(parsers, material, commands)
    eval_flags.add_eval_parser(parsers, commands.evaluation)
    distribution_flags.add_parser(parsers, commands)
    daub_flags.add_parser(parsers, commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return exit_code(lambda: _run(build_parser().parse_args(arguments)))


def _run(options: argparse.Namespace) -> int:
    try:
        with printed_notices():
            result = _work(options)
    except GPDMError as error:
        print(f"gpdm: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        from ..kernels.workspace import is_out_of_memory
        from .host import parse_device

        if not is_out_of_memory(error):
            raise
        device = parse_device("auto") if options.device == "auto" else options.device
        print(f"gpdm: not enough memory on device {device}; make the picture smaller (height)", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"gpdm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("gpdm: cancelled", file=sys.stderr)
        return 130
    _print_result(result, options.json)
    return 0


def _work(options: argparse.Namespace) -> dict[str, Any]:
    """Does what the command line asks for, and returns a report.

    What loads torch, which takes long, is imported only after all checks that need none of it.
    """
    if options.command == "run":
        from .run import run_command

        return run_command(options)
    if options.command == "eval":
        eval_flags.check_flags(options)
        from .evaluate import run_eval

        return run_eval(options)
    if options.command == "distribution":
        distribution_flags.check_flags(options)
        from .distributions import run_distribution_command

        return run_distribution_command(options)
    if options.command == "daub":
        daub_flags.check_flags(options)
        from .daubs import run_daub_command

        return run_daub_command(options)
    if "edit" in options:
        edit_flags.check_flags(options)
        from .edits import run_edit_command

        return run_edit_command(options)
    if options.command == "loop":
        loop_flags.check_flags(options)
        from .loops import run_loop_command

        return run_loop_command(options)
    if "match" in options:
        match_flags.check_flags(options)
        from .matches import run_match_command

        return run_match_command(options)
    if "material" in options:
        material_flags.check_flags(options)
        from .materials import run_material_command

        return run_material_command(options)
    if options.command == "regions":
        region_flags.check_flags(options)
        from .tasks import run_regions_command

        return run_regions_command(options)
    if options.command in ("mix", "collage"):
        mix_flags.check_flags(options)
        from .tasks import run_mix_command

        return run_mix_command(options)
    task_flags.check_flags(options)
    from .tasks import run_task_command

    return run_task_command(options)


def _print_result(result: dict[str, Any], as_json: bool) -> None:
    text = result.pop("text", None)
    if as_json:
        lines = [json.dumps(result, indent=1)]
    elif text is not None:
        lines = [text]
    elif "valid" in result:
        lines = [f"{result['workflow']}: valid, {result['nodes']} nodes"]
    else:
        lines = [f"{shown['node']}: {shown['text']}" for shown in result.get("texts", ())] + result["saved"]
    for line in lines:
        try:
            print(line)
        except UnicodeEncodeError:  # a name of a file that the stream cannot show
            print(line.encode("ascii", "backslashreplace").decode())
    if as_json:
        return
    for metrics in result.get("metrics", ()):
        for name, value in metrics.items():
            print(f"{name}: {value:.2f}", file=sys.stderr)
    if "seconds" in result:
        print(f"{result['seconds']:.1f} s on {result['device']}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
