"""One command per task, made from its record: `gpdm reshuffle`, `gpdm style` and so on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..canvas import Keep
from ..errors import GPDMError
from ..options import describe
from ..references import Reference, ReferenceOptions, masked_reference
from ..synthesis import Synthesis
from ..tasks import DEFAULT_QUALITY, QUALITIES, SIZE_OPTIONS, Recipe, Task, run_task
from .files import check_target, indexed, load_image, load_mask, save_image
from .flags import add_common, add_flag, given_options, seed
from .host import StepBar, parse_device

PARTS = ("output", "pyramid", "guess", "optimizer", "loss")
START_OPTIONS = ("source", "noise_sigma")
"""Options of the guess that have no effect where the task gives the start."""
NONE = "-"
"""Stands for no file, where a flag is repeated for each reference."""


def add_parser(commands: Any, task: Task) -> None:
    """Adds the task's command, with one flag per option of its recipe."""
    parser = commands.add_parser(task.command, help=task.summary, description=task.summary)
    for picture in task.pictures:
        parser.add_argument(picture.name, type=Path, nargs=None if picture.start else "+", help=picture.help)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
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
    if task.start is None:
        parser.add_argument(
            "--init", type=Path, metavar="FILE", help="Picture to start from; the size factors apply to its size."
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
        action="append",
        default=[],
        metavar="FILE",
        help="Mask of the output area that uses this reference: white, or transparent. "
        f"{NONE} means the area outside all other regions.",
    )


def _add_keep_flags(group: Any) -> None:
    group.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="Mask of the pixels that stay exactly as they are: white, or transparent.",
    )
    group.add_argument(
        "--keep-picture",
        type=Path,
        metavar="FILE",
        help="Picture that supplies the kept pixels (default: the start picture, or else the reference).",
    )


def run_task_command(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the task that the command line names, writes its pictures, and returns a report.

    Raises:
        GPDMError: A flag or a picture cannot be used; nothing has been computed or written then.
    """
    task: Task = options.task
    recipe = _recipe(task, options)
    device = parse_device(options.device)
    images = [load_image(file).to(device) for file in getattr(options, task.reference.name)]
    references = _references(options, images, device)
    start = None if task.start is None else load_image(getattr(options, task.start.name)).to(device)
    targets = [indexed(options.out, i, recipe.output.num_outputs) for i in range(recipe.output.num_outputs)]
    check_target(targets[0], images[0].shape[1])
    init = None if getattr(options, "init", None) is None else load_image(options.init).to(device)
    with StepBar(task.command) as bar:
        result = run_task(
            task,
            *[start if start is not None and picture.start else references for picture in task.pictures],
            recipe=recipe,
            init=init,
            keep=_keep(options, device),
            seed=options.seed,
            on_step=bar,
        )
    saved = [save_image(image, target) for image, target in zip(result.images.split(1), targets, strict=True)]
    return {"saved": [str(path) for path in saved], "device": str(device), **_summary(result, options.seed)}


def _references(options: argparse.Namespace, images: Sequence[Tensor], device: torch.device) -> list[Reference]:
    """Returns the references with the masks, weights and regions of the command line, by their order."""
    masks, regions = (_maps(options, name, len(images), device) for name in ("mask", "region"))
    weights = _by_reference(options, "weight", len(images))
    default = ReferenceOptions().weight
    return [
        masked_reference(image, mask, default if weight is None else ReferenceOptions(weight=weight).weight, region)
        for image, mask, weight, region in zip(images, masks, weights, regions, strict=True)
    ]


def _maps(options: argparse.Namespace, name: str, count: int, device: torch.device) -> list[Tensor | None]:
    files = _by_reference(options, name, count)
    return [None if file in (None, NONE) else load_mask(Path(file)).to(device) for file in files]


def _by_reference(options: argparse.Namespace, name: str, count: int) -> list[Any]:
    given = getattr(options, name)
    if len(given) > count:
        raise GPDMError(
            f"--{name} appears {len(given)} times, but there are {count} references; remove {len(given) - count}"
        )
    return [*given, *[None] * (count - len(given))]


def _keep(options: argparse.Namespace, device: torch.device) -> Keep | Tensor | None:
    if options.keep is None:
        if options.keep_picture is not None:
            raise GPDMError("--keep-picture needs --keep FILE, the mask of the pixels to keep")
        return None
    mask = load_mask(options.keep).to(device)
    if not bool(mask.any()):
        raise GPDMError(f"{options.keep} keeps nothing; paint the pixels to keep white, or make them transparent")
    return mask if options.keep_picture is None else Keep(load_image(options.keep_picture).to(device), mask)


def _recipe(task: Task, options: argparse.Namespace) -> Recipe:
    """Returns the settings of the quality, with the flags that are given in place of its values."""
    recipe = task.recipe(options.quality)
    if getattr(options, "init", None) is not None:
        if getattr(options, "source", None) not in (None, "image"):
            raise GPDMError(f"--init and --source {options.source} contradict each other; leave out one of them")
        recipe = recipe.from_image()
    for part in PARTS:
        settings = getattr(recipe, part)
        recipe = replace(recipe, **{part: replace(settings, **given_options(options, describe(settings)))})
    return recipe


def _summary(result: Synthesis, seed: int) -> dict[str, Any]:
    levels = [
        {
            "size": list(level.size),
            "reference_sizes": [list(size) for size in level.reference_sizes],
            "steps": [int(row.isfinite().sum()) for row in losses],
            "loss": [float(row[row.isfinite()][-1]) for row in losses],
            "stop": list(stops),
        }
        for level, losses, stops in zip(result.levels, result.losses, result.stops, strict=True)
    ]
    return {"seed": seed, "seconds": round(result.seconds, 3), "levels": levels}
