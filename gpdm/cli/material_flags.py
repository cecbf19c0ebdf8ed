"""The flags of a command for materials, made from its row in the table, and their checks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import GPDMError
from .commands import Commands, MaterialCommand
from .flags import add_bits, add_common, add_flag, add_seed, check_device, given_options, named_files
from .parser import file_path
from .reading import check_file
from .targets import check_folder
from .task_flags import add_quality


def add_parser(parsers: Any, material: MaterialCommand, commands: Commands) -> None:
    """Adds the command, with one flag per map and per option."""
    parser = parsers.add_parser(material.name, help=material.summary, description=material.summary, allow_abbrev=False)
    group = parser.add_argument_group("maps (all of one size)")
    for name, text in material.maps.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=file_path, metavar="FILE", help=text)
    if material.mask_help is not None:
        group.add_argument(
            "--mask",
            type=file_path,
            metavar="FILE",
            required=True,
            help=f"{material.mask_help} White, or transparent as the mask editor of ComfyUI saves it. If it is also the base "
            "color, its transparency is only the mask.",
        )
    parser.add_argument(
        "-o",
        "--out",
        type=file_path,
        required=True,
        metavar="FOLDER",
        help="Folder for the new maps, base_color.png and so on, and for preview.png, which shows them lit.",
    )
    add_seed(parser)
    add_bits(parser, "the given map")
    add_common(parser)
    if material.has_quality:
        add_quality(parser, commands, commands.default_quality)
    for part, specs in material.options.items():
        group = parser.add_argument_group(part)
        for spec in specs:
            add_flag(group, spec)
    parser.set_defaults(material=material)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `GPDMError` for flags and files in which something is wrong, as far as that shows without a picture."""
    material: MaterialCommand = options.material
    for specs in material.options.values():
        given_options(options, specs)
    check_device(options.device)
    if not given_maps(options):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in material.maps)
        raise GPDMError(f"{material.name} needs at least one map; give one of {flags}")
    for paths in given_files(options).values():
        for path in paths:
            check_file(path)
    check_folder(options.out)


def given_maps(options: argparse.Namespace) -> dict[str, Path]:
    """Returns the files of the maps, by name."""
    files = {name: getattr(options, name) for name in options.material.maps}
    return {name: path for name, path in files.items() if path is not None}


def given_files(options: argparse.Namespace) -> dict[str, list[Path]]:
    """Returns the picture files of the command by the name of the flag."""
    return named_files(options, (*options.material.maps, "mask"))
