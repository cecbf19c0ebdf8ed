"""The flags of an edit's command, made from its row in the table, and their checks."""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path
from typing import Any

from ..errors import GPDMError
from .commands import EditCommand
from .flags import add_common, add_flag, add_output, check_device, given_options, named_files
from .parser import file_path
from .reading import check_file
from .targets import check_folder, check_suffix

SEVERAL = "Several pictures of one size make one output each. "


def add_parser(parsers: Any, edit: EditCommand) -> None:
    """Adds the edit's command, with one flag per option."""
    # Without abbreviations, so that --mask FILE, a flag of tasks, is not taken for --mask-out and the mask overwritten.
    parser = parsers.add_parser(edit.name, help=edit.summary, description=edit.summary, allow_abbrev=False)
    parser.add_argument(
        "image",
        type=file_path,
        nargs="+" if edit.takes_several else None,
        help=f"{edit.image_help} {SEVERAL if edit.takes_several else ''}If OUT is a .png file, the unchanged part has exactly the values of the picture, after "
        "its orientation and colour profile are applied.",
    )
    if edit.mask_help is not None:
        parser.add_argument(
            "mask",
            type=file_path,
            nargs="?" if edit.mask_is_optional or edit.original_help is not None else None,
            help=f"{edit.mask_help} White, or transparent as the mask editor of ComfyUI saves it. If it is the same file "
            "as the picture, its transparency is only the mask, and the output is opaque.",
        )
    if edit.original_help is not None:
        parser.add_argument("--original", type=file_path, metavar="FILE", help=edit.original_help)
    add_output(parser, "the picture")
    add_common(parser)
    parser.add_argument(
        "--mask-out", type=file_path, metavar="FILE", help="Write a mask, white where the output may differ."
    )
    if edit.preview_help is not None:
        parser.add_argument(
            "--preview-out", type=file_path, metavar="FILE", help=f"Write a preview. {edit.preview_help}"
        )
    add_flag(parser, edit.num_outputs)
    if edit.takes_references:
        _add_source_flags(parser.add_argument_group("patches"))
    group = parser.add_argument_group("options")
    for spec in edit.options:
        add_flag(group, spec)
    parser.set_defaults(edit=edit)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    edit: EditCommand = options.edit
    given_options(options, (*edit.options, edit.num_outputs))
    check_device(options.device)
    files = given_files(options)
    if edit.original_help is not None and bool(files.get("mask")) == bool(files.get("original")):
        raise GPDMError(
            f"{edit.name} needs either a mask or --original, the picture before the paste, from which the mask is found; "
            + ("leave out one of the two" if files.get("mask") else "give one of the two")
        )
    if files.get("reference") and files.get("source-mask"):
        raise GPDMError(
            "--source-mask leaves out patches of the picture, and --reference replaces all of them; leave out one flag"
        )
    outputs = given_outputs(options)
    for (flag, path), (other, same) in combinations(outputs.items(), 2):
        if path == same:
            raise GPDMError(f"--{flag} and --{other} are both {path}; give one of them another name")
    for paths in files.values():
        for path in paths:
            check_file(path)
    for path in outputs.values():
        check_suffix(path)
        check_folder(path.parent)


def given_files(options: argparse.Namespace) -> dict[str, list[Path]]:
    """Returns the picture files of an edit's command by the name of the argument or flag."""
    return named_files(options, ("image", "mask", "original", "reference", "source_mask"))


def given_outputs(options: argparse.Namespace) -> dict[str, Path]:
    """Returns the files that an edit's command writes, by flag."""
    files = ((flag, getattr(options, flag.replace("-", "_"), None)) for flag in ("out", "mask-out", "preview-out"))
    return {flag: path for flag, path in files if path is not None}


def _add_source_flags(group: Any) -> None:
    group.add_argument(
        "--reference",
        type=file_path,
        action="append",
        default=[],
        metavar="FILE",
        help="Picture whose patches are used in place of those of the picture itself; may be repeated.",
    )
    group.add_argument(
        "--source-mask",
        type=file_path,
        metavar="FILE",
        help="Mask of the part of the picture whose patches are not used: white, or transparent.",
    )
