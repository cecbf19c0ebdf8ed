"""The flags of a match's command, made from its row in the table, and their checks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import GPDMError
from ..pictures import CUBE_SUFFIX
from .commands import MatchCommand
from .flags import add_common, add_file, add_flag, add_output, check_device, given_options, named_files
from .parser import file_path
from .reading import check_file
from .targets import check_folder, check_suffix


def add_parser(parsers: Any, match: MatchCommand) -> None:
    """Adds the match's command, with one flag per option."""
    parser = parsers.add_parser(match.name, help=match.summary, description=match.summary, allow_abbrev=False)
    lut = "" if match.lut_help is None else " Or a 3-D LUT, a .cube file."
    parser.add_argument("reference", type=file_path, metavar="REFERENCE", help=f"{match.reference_help}{lut}")
    parser.add_argument(
        "image",
        type=file_path,
        nargs="+",
        metavar="IMAGE",
        help=f"{match.image_help} Several files are one batch, and so are the frames of an animation.",
    )
    (add_output if match.is_random else add_file)(parser, "a picture")
    add_common(parser)
    parser.add_argument(
        "--mask",
        type=file_path,
        metavar="FILE",
        help=f"{match.mask_help} White, or transparent as the mask editor of ComfyUI saves it.",
    )
    parser.add_argument(
        "--reference",
        dest="more_references",
        type=file_path,
        action="append",
        default=[],
        metavar="FILE",
        help="Another reference; may be repeated. All of them count as one.",
    )
    if match.lut_help is not None:
        parser.add_argument(
            "--lut", type=file_path, metavar="OUT.cube", help=f"Write a LUT for other programs. {match.lut_help}"
        )
    group = parser.add_argument_group("options")
    for spec in match.options:
        add_flag(group, spec)
    parser.set_defaults(match=match)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    given = given_options(options, options.match.options)
    check_device(options.device)
    if is_lut(options):
        for flag, is_given in (("--reference", options.more_references), ("--every", "every" in given)):
            if is_given:
                raise GPDMError(f"{options.reference} is a LUT, with which {flag} has no effect; leave out one of them")
    for paths in given_files(options).values():
        for path in paths:
            check_file(path)
    check_suffix(options.out)
    lut = getattr(options, "lut", None)
    if lut is not None and lut.suffix.lower() != CUBE_SUFFIX:
        raise GPDMError(f"cannot write {lut}: its name must end in {CUBE_SUFFIX}")
    for path in filter(None, (options.out, lut)):
        check_folder(path.parent)


def is_lut(options: argparse.Namespace) -> bool:
    """Returns whether the command line gives a LUT in place of a reference."""
    return options.match.lut_help is not None and options.reference.suffix.lower() == CUBE_SUFFIX


def given_files(options: argparse.Namespace) -> dict[str, list[Path]]:
    """Returns the picture files of a match's command by the name of the argument or flag."""
    references = [options.reference, *options.more_references]
    return {"reference": references, **named_files(options, ("image", "mask"))}
