"""The flags of a task's command, made from its row in the table, and their checks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import GPDMError
from ..options import OptionSpec
from .commands import Commands, TaskCommand
from .flags import add_common, add_flag, add_output, check_device, given_options, named_files
from .parser import file_path
from .reading import check_file
from .targets import check_folder, check_suffix

NONE = Path("-")
"""Stands for no file, where a flag is repeated for each reference."""


def add_parser(parsers: Any, task: TaskCommand, commands: Commands) -> None:
    """Adds the task's command, with one flag per option of its recipe."""
    parser = parsers.add_parser(task.name, help=task.summary, description=task.summary)
    for picture in task.pictures:
        parser.add_argument(picture.name, type=file_path, nargs=None if picture.start else "+", help=picture.help)
    add_output(parser, "a reference")
    add_common(parser)
    add_quality(parser, commands, task.quality)
    if not task.has_start:
        parser.add_argument(
            "--init", type=file_path, metavar="FILE", help="Picture to start from; the size factors apply to its size."
        )
    add_painted(parser)
    group = parser.add_argument_group(f"{task.reference.name} (repeat a flag for the second picture, and so on)")
    _add_reference_flags(group, task.weight)
    _add_keep_flags(parser.add_argument_group("pixels to keep"))
    add_options(parser, task)
    parser.set_defaults(task=task)


def add_quality(parser: Any, commands: Commands, default: str) -> None:
    """Adds the flag of the quality."""
    parser.add_argument(
        "--quality",
        choices=list(commands.qualities),
        default=default,
        help=f"Preset for speed or quality (default {default}). The flags below override single settings; their defaults shown are those of {default}.",
    )


def add_painted(parser: Any) -> None:
    """Adds the flag of a picture with which a run goes on."""
    parser.add_argument(
        "--painted",
        type=file_path,
        metavar="FILE",
        help="Picture in place of the output after level --stop-after, with which the run goes on to the end: what the same command wrote without this flag, painted on.",
    )


def add_options(parser: Any, task: TaskCommand) -> None:
    """Adds one flag per option of a task's recipe."""
    for part, specs in task.options.items():
        group = parser.add_argument_group(task.name if part == "own" else part)
        for spec in specs:
            add_flag(group, spec)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    task: TaskCommand = options.task
    check_start(options)
    for specs in task.options.values():
        given_options(options, specs)
    for weight in options.weight:
        task.weight.check(weight)
    check_device(options.device)
    count = len(getattr(options, task.reference.name))
    for name in ("mask", "region", "weight"):
        given = len(getattr(options, name))
        if given > count:
            raise GPDMError(f"--{name} appears {given} times, but there are {count} references; remove {given - count}")
    if options.keep_picture is not None and options.keep is None:
        raise GPDMError("--keep-picture needs --keep FILE, the mask of the pixels to keep")
    for paths in given_files(options).values():
        for path in paths:
            check_file(path)
    check_suffix(options.out)
    check_folder(options.out.parent)


def check_start(options: argparse.Namespace) -> None:
    """Raises `GPDMError` if the command line gives a picture to start or go on from, and does not ask for that."""
    if options.painted is not None and not options.stop_after:
        raise GPDMError("--painted needs --stop-after N, the level after which it takes the place of the output")
    if getattr(options, "init", None) is not None and getattr(options, "source", None) not in (None, "image"):
        raise GPDMError(f"--init and --source {options.source} contradict each other; leave out one of them")


def given_files(options: argparse.Namespace) -> dict[str, list[Path]]:
    """Returns the picture files of a task's command by the name of the argument or flag."""
    flags = ("init", "painted", "mask", "region", "keep", "keep_picture")
    given = named_files(options, (*(picture.name for picture in options.task.pictures), *flags))
    return {name: [x for x in paths if x != NONE] for name, paths in given.items()}


def _add_reference_flags(group: Any, weight: OptionSpec) -> None:
    group.add_argument(
        "--mask",
        "--drop",
        type=file_path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"Mask of the part to leave out: white, or transparent as the mask editor of ComfyUI saves it. {NONE} means no mask. A retargeted picture starts without that part, and becomes smaller there first.",
    )
    group.add_argument(
        "--weight",
        action="append",
        default=[],
        type=float,
        metavar="NUMBER",
        help=f"{weight.help} (default {weight.default:g})",
    )
    group.add_argument(
        "--region",
        type=file_path,
        action="append",
        default=[],
        metavar="FILE",
        help="Mask of the output area that uses this reference: white, or transparent. "
        f"{NONE} means the area outside all other regions.",
    )


def _add_keep_flags(group: Any) -> None:
    group.add_argument(
        "--keep",
        type=file_path,
        metavar="FILE",
        help="Mask of the pixels that stay exactly as they are: white, or transparent. In an output of another shape they are moved, not stretched.",
    )
    group.add_argument(
        "--keep-picture",
        type=file_path,
        metavar="FILE",
        help="Picture that supplies the kept pixels (default: the start picture, or else the reference).",
    )
