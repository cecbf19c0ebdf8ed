"""The flags of `gpdm daub`, and their checks."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import GPDMError
from .commands import Commands
from .flags import add_common, add_file, add_flag, check_device, given_options
from .parser import file_path
from .reading import check_file
from .targets import check_folder, check_suffix

SUMMARY = "Makes a daub of a picture, in few flat colours, to paint on and give to gpdm paint."


def add_parser(parsers: Any, commands: Commands) -> None:
    """Adds the command, with one flag per option."""
    parser = parsers.add_parser("daub", help=SUMMARY, description=SUMMARY, allow_abbrev=False)
    parser.add_argument("image", type=file_path, help="Picture; each frame of an animation gives one daub.")
    add_file(parser, "the picture")
    parser.add_argument(
        "--palette-out",
        type=file_path,
        metavar="FILE",
        help="Write the colours too, as a picture of square swatches, to pick them from.",
    )
    add_common(parser)
    for spec in commands.daub:
        add_flag(parser, spec)
    parser.set_defaults(commands=commands)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    given_options(options, options.commands.daub)
    check_device(options.device)
    check_file(options.image)
    for path in (options.out, options.palette_out):
        if path is not None:
            check_suffix(path)
            check_folder(path.parent)
    if options.palette_out == options.out:
        raise GPDMError(f"--palette-out is {options.out}, the file of the daub; give it another name")
