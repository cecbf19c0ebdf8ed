"""The flags of `gpdm distribution`, and their checks."""

from __future__ import annotations

import argparse
from typing import Any

from ..distributions import DISTRIBUTION_SUFFIX as SUFFIX
from ..errors import GPDMError
from .commands import Commands
from .flags import add_common, add_flag, check_device, given_options, named_files
from .parser import CommandParser, file_path
from .reading import check_file
from .targets import check_folder


def add_parser(parsers: Any, commands: Commands) -> None:
    """Adds the command, with its actions save and show."""
    summary = (
        "Saves the patch distribution of pictures as a small file that takes the place of a reference, or shows one."
    )
    parser = parsers.add_parser("distribution", help=summary, description=summary)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=CommandParser)
    _add_save(actions, commands)
    about = "Shows what a file holds."
    show = actions.add_parser("show", help=about, description=about)
    show.add_argument("file", type=file_path, help=f"Saved distribution ({SUFFIX}).")
    add_common(show)


def _add_save(actions: Any, commands: Commands) -> None:
    about = (
        "Saves the patch distribution of pictures, from which they cannot be read. The file has the same size for one "
        "picture as for a hundred; tasks take it wherever they take a reference."
    )
    save = actions.add_parser("save", help=about, description=about)
    save.add_argument("images", type=file_path, nargs="+", help="Pictures of any sizes; larger ones count more.")
    save.add_argument(
        "-o", "--out", type=file_path, required=True, metavar="OUT", help=f"File to write, with the ending {SUFFIX}."
    )
    add_common(save)
    save.add_argument(
        "--mask",
        type=file_path,
        action="append",
        default=[],
        metavar="FILE",
        help="Mask of the part to leave out: white, or transparent; repeat it for the second picture, and so on. - means "
        "no mask.",
    )
    save.add_argument(
        "--weight",
        type=float,
        action="append",
        default=[],
        metavar="NUMBER",
        help=f"{commands.weight.help} (default {commands.weight.default:g}) Repeat it for each picture.",
    )
    save.add_argument("--names", action="store_true", help="Save the names of the picture files too.")
    for spec in commands.distribution:
        add_flag(save, spec)
    save.set_defaults(commands=commands)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    check_device(options.device)
    if options.action == "show":
        check_file(options.file)
        return
    given_options(options, options.commands.distribution)
    for weight in options.weight:
        options.commands.weight.check(weight)
    for name in ("mask", "weight"):
        given, count = len(getattr(options, name)), len(options.images)
        if given > count:
            raise GPDMError(f"--{name} appears {given} times, but there are {count} pictures; remove {given - count}")
    for path in options.images:
        check_file(path)
        if path.suffix.lower() == SUFFIX:
            raise GPDMError(f"{path} is a saved distribution already; give the pictures that it was made of")
    for path in named_files(options, ("mask",)).get("mask", ()):
        if str(path) != "-":
            check_file(path)
    if options.out.suffix.lower() != SUFFIX:
        raise GPDMError(f"cannot write {options.out}: its name must end in {SUFFIX}")
    check_folder(options.out.parent)
