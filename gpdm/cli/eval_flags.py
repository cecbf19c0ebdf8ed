"""The flags of `gpdm eval`, and their checks."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import GPDMError
from ..options import OptionSpec
from .flags import add_common, add_flag, check_device, given_options
from .parser import file_path
from .reading import check_file
from .targets import check_folder, check_suffix


def add_eval_parser(parsers: Any, specs: tuple[OptionSpec, ...]) -> None:
    """Adds the command."""
    summary = (
        "Measures how close pictures are to a reference, how much of it they copy, and how sharp and varied they are."
    )
    parser = parsers.add_parser("eval", help=summary, description=summary)
    parser.add_argument("reference", type=file_path, help="Picture to compare with.")
    parser.add_argument(
        "pictures",
        type=file_path,
        nargs="+",
        help="Pictures to evaluate. With two or more of one size, diversity is measured too.",
    )
    parser.add_argument("--plot", type=file_path, metavar="FILE", help="Write a plot of the scores to this file.")
    parser.add_argument(
        "--maps",
        type=file_path,
        metavar="FILE",
        help="Write maps of copied and poorly matched patches to this file; several pictures get numbered files.",
    )
    parser.add_argument(
        "--occurrence",
        type=file_path,
        metavar="FILE",
        help="Write the reference in colours that say how often its parts are used to this file; several pictures get "
        "numbered files.",
    )
    for spec in specs:
        add_flag(parser, spec)
    parser.add_argument(
        "--inception",
        type=file_path,
        metavar="FILE",
        help="Weights of Inception-v3 (.pth, .safetensors) for the score SIFID. Nothing is downloaded.",
    )
    add_common(parser)
    parser.set_defaults(specs=specs)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    check_device(options.device)
    for path in (options.reference, *options.pictures):
        check_file(path)
    if options.inception is not None and not options.inception.is_file():
        raise GPDMError(f"there is no file {options.inception}; check the path")
    given_options(options, options.specs)
    for path in filter(None, (options.maps, options.plot, options.occurrence)):
        check_suffix(path)
        check_folder(path.parent)
