"""The flags of `gpdm regions`, and their checks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .commands import Commands
from .flags import add_common, add_output, check_device, given_options, named_files
from .parser import file_path
from .reading import check_file
from .targets import check_folder, check_suffix
from .task_flags import add_options, add_painted, add_quality, check_start


def add_parser(parsers: Any, commands: Commands) -> None:
    """Adds the command, with one flag per option of its recipe."""
    task = commands.regions
    parser = parsers.add_parser(task.name, help=task.summary, description=task.summary, allow_abbrev=False)
    parser.add_argument(
        "white", metavar="A", type=file_path, help="Picture whose patches are used where the mask is white."
    )
    parser.add_argument(
        "black", metavar="B", type=file_path, help="Picture whose patches are used where no mask is white."
    )
    parser.add_argument(
        "mask",
        metavar="MASK",
        type=file_path,
        help="Mask of the area of A: white, or transparent as the mask editor of ComfyUI saves it. The output has its size, unless options set another.",
    )
    add_output(parser, "a reference")
    add_common(parser)
    add_quality(parser, commands, task.quality)
    parser.add_argument(
        "--region",
        nargs=2,
        type=file_path,
        action="append",
        default=[],
        metavar=("IMAGE", "MASK"),
        help="Another picture and the mask of its area; may be repeated. Masks of another size are scaled to the first.",
    )
    parser.add_argument(
        "--init", type=file_path, metavar="FILE", help="Picture to start from, which is scaled to the output."
    )
    add_painted(parser)
    add_options(parser, task)
    parser.set_defaults(task=task)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    check_start(options)
    for specs in options.task.options.values():
        given_options(options, specs)
    check_device(options.device)
    for paths in given_files(options).values():
        for path in paths:
            check_file(path)
    check_suffix(options.out)
    check_folder(options.out.parent)


def given_files(options: argparse.Namespace) -> dict[str, list[Path]]:
    """Returns the picture files of the command by the name of the argument or flag."""
    pairs = [(options.white, options.mask), *options.region]
    regions = {f"region {number}": list(pair) for number, pair in enumerate(pairs, start=1)}
    return {"B": [options.black], **regions, **named_files(options, ("init", "painted"))}
