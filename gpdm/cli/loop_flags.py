"""The flags of `gpdm loop`, and their checks."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import OptionError
from .animation_names import ANIMATED, check_animation
from .commands import Commands
from .edit_flags import given_files
from .flags import add_common, add_flag, add_seed, check_device, given_options
from .parser import file_path
from .reading import check_file

SLOWEST, FASTEST = 0.1, 50
"""Limits of --fps. Viewers slow down a GIF of more than 50 frames per second."""


def add_parser(parsers: Any, commands: Commands) -> None:
    """Adds the command, with one flag per option."""
    edit = commands.loop
    parser = parsers.add_parser(edit.name, help=edit.summary, description=edit.summary, allow_abbrev=False)
    parser.add_argument("image", type=file_path, help=edit.image_help)
    parser.add_argument(
        "-o",
        "--out",
        type=file_path,
        required=True,
        metavar="OUT",
        help=f"File to write: an animation, {', '.join(ANIMATED)}; or a name such as frame_%%03d.png, or a folder, for one "
        "PNG file per frame.",
    )
    parser.add_argument(
        "--mask",
        type=file_path,
        metavar="FILE",
        help=f"{edit.mask_help} White, or transparent as the mask editor of ComfyUI saves it; may be the picture itself.",
    )
    parser.add_argument(
        "--fps",
        type=float,
        default=12.0,
        help=f"Frames per second, a number from {SLOWEST:g} to {FASTEST} (default 12).",
    )
    add_seed(parser)
    add_common(parser)
    group = parser.add_argument_group("options")
    for spec in edit.options:
        add_flag(group, spec)
    parser.set_defaults(loop=edit)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    given_options(options, options.loop.options)
    if not SLOWEST <= options.fps <= FASTEST:
        raise OptionError("fps", options.fps, f"it must be a number from {SLOWEST:g} to {FASTEST}")
    check_device(options.device)
    for paths in given_files(options).values():
        for path in paths:
            check_file(path)
    check_animation(options.out)
