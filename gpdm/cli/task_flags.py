"""The flags of a task's command, made from its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..options import describe
from ..references import ReferenceOptions
from ..tasks import DEFAULT_QUALITY, QUALITIES, SIZE_OPTIONS, Task
from .flags import add_common, add_flag, seed
from .parser import file_path

PARTS = ("output", "pyramid", "guess", "optimizer", "loss")
START_OPTIONS = ("source", "noise_sigma")
"""Options of the guess that have no effect where the task gives the start."""
NONE = Path("-")
"""Stands for no file, where a flag is repeated for each reference."""


def add_parser(commands: Any, task: Task) -> None:
    """Adds the task's command, with one flag per option of its recipe."""
    parser = commands.add_parser(task.command, help=task.summary, description=task.summary)
    for picture in task.pictures:
        parser.add_argument(picture.name, type=file_path, nargs=None if picture.start else "+", help=picture.help)
    parser.add_argument(
        "-o",
        "--out",
        type=file_path,
        required=True,
        metavar="OUT",
        help="File to write; several outputs get numbered names.",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        help="Random seed (default 0). The same seed and inputs give the same picture on the same device.",
    )
    add_common(parser)
    parser.add_argument(
        "--quality",
        choices=list(QUALITIES),
        default=DEFAULT_QUALITY,
        help=f"Preset for speed or quality (default {DEFAULT_QUALITY}). The flags below override single settings; their defaults shown are those of {DEFAULT_QUALITY}.",
    )
    parser.add_argument(
        "--bits",
        type=int,
        choices=(8, 16),
        default=None,
        help="Bits per channel of the file; 16 for .png only (default 16 if a reference has 16 and the file is .png, else 8).",
    )
    if task.start is None:
        parser.add_argument(
            "--init", type=file_path, metavar="FILE", help="Picture to start from; the size factors apply to its size."
        )
    _add_reference_flags(
        parser.add_argument_group(f"{task.reference.name} (repeat a flag for the second picture, and so on)")
    )
    _add_keep_flags(parser.add_argument_group("pixels to keep"))
    hidden = (() if task.resizes else SIZE_OPTIONS) + (START_OPTIONS if task.start else ())
    for part in PARTS:
        group = parser.add_argument_group(part)
        for spec in describe(getattr(task.settings, part)):
            if spec.name not in hidden:
                add_flag(group, spec)
    parser.set_defaults(task=task)


def _add_reference_flags(group: Any) -> None:
    (weight,) = describe(ReferenceOptions)
    group.add_argument(
        "--mask",
        type=file_path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"Mask of the part to leave out: white, or transparent as the mask editor of ComfyUI saves it. {NONE} means no mask.",
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
        help="Mask of the pixels that stay exactly as they are: white, or transparent.",
    )
    group.add_argument(
        "--keep-picture",
        type=file_path,
        metavar="FILE",
        help="Picture that supplies the kept pixels (default: the start picture, or else the reference).",
    )
