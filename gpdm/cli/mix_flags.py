"""The flags of `gpdm mix` and `gpdm collage`, and their checks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import GPDMError, OptionError
from .commands import Commands, TaskCommand
from .flags import add_common, add_output, check_device, given_options, named_files
from .parser import file_path
from .reading import check_file
from .targets import check_folder, check_suffix
from .task_flags import add_options, add_painted, add_quality, check_start


def add_parsers(parsers: Any, commands: Commands) -> None:
    """Adds both commands."""
    mix = _add_parser(parsers, commands.mix, commands)
    mix.add_argument(
        "--weights",
        type=float,
        nargs="+",
        metavar="NUMBER",
        help="Weight of each picture, of which only ratios count: with 0.7 0.3 the first gets 70 %% of the output "
        "(default equal weights). With a gradient they move its middle.",
    )
    _add_parser(parsers, commands.collage, commands).set_defaults(weights=None)


def _add_parser(parsers: Any, task: TaskCommand, commands: Commands) -> argparse.ArgumentParser:
    """Returns the parser of a command, with one flag per option of its recipe."""
    parser = parsers.add_parser(task.name, help=task.summary, description=task.summary, allow_abbrev=False)
    parser.add_argument(task.reference.name, type=file_path, nargs="+", help=task.reference.help)
    add_output(parser, "a reference")
    add_common(parser)
    add_quality(parser, commands, task.quality)
    parser.add_argument(
        "--init", type=file_path, metavar="FILE", help="Picture to start from; the size factors apply to its size."
    )
    add_painted(parser)
    add_options(parser, task)
    parser.set_defaults(task=task)
    return parser


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    check_start(options)
    for specs in options.task.options.values():
        given_options(options, specs)
    _check_weights(options)
    check_device(options.device)
    for paths in given_files(options).values():
        for path in paths:
            check_file(path)
    check_suffix(options.out)
    check_folder(options.out.parent)


def _check_weights(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for too few pictures, and unless there is a weight for each, not negative and not all 0."""
    count, weights = len(options.reference), options.weights
    if count < 2:
        raise GPDMError(f"{options.task.name} needs at least two pictures, not 1; add another one")
    if weights is None:
        return
    if len(weights) != count:
        raise GPDMError(f"--weights has {len(weights)} number(s) for {count} pictures; give one for each")
    for weight in weights:
        if not 0 <= weight < float("inf"):
            raise OptionError("weights", weight, "it must be a number, at least 0")
    if not any(weights):
        raise GPDMError("--weights are all 0; give at least one above 0")


def given_files(options: argparse.Namespace) -> dict[str, list[Path]]:
    """Returns the picture files of the command by the name of the argument or flag."""
    return named_files(options, (options.task.reference.name, "init", "painted"))
