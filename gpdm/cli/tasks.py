"""`gpdm reshuffle`, `retarget`, `texture` and `style`: one task on picture files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import GPDMError
from ..options import OptionSpec, describe
from ..synthesis import Synthesis
from ..tasks.basic import RECIPES, Recipe, reshuffle, retarget, style_transfer, texture
from .files import check_target, indexed, load_image, save_image
from .host import StepBar, parse_device

PARTS = ("output", "pyramid", "guess", "optimizer", "loss")
FACTORS = ("width_factor", "height_factor", "output_width", "output_height")


@dataclass(frozen=True)
class Task:
    """One task command."""

    command: str
    name: str
    """Its name in RECIPES."""
    summary: str
    run: Any
    pictures: tuple[tuple[str, str], ...]
    """Names and help of its picture arguments; the first may be several files, if it is the only one."""
    without: tuple[str, ...] = ()
    """Options that make no sense for it and have no flag."""


REFERENCE = (("reference", "picture whose patches are used; several make one distribution together"),)
TASKS = (
    Task("reshuffle", "reshuffle", "a new picture with the patches of the reference", reshuffle, REFERENCE, FACTORS),
    Task("retarget", "retarget", "the reference in another format", retarget, REFERENCE),
    Task("texture", "texture", "a texture like the reference, of any size", texture, REFERENCE),
    Task(
        "style",
        "style_transfer",
        "the content with texture, grain and colours of the style",
        style_transfer,
        (("style", "picture that gives texture, grain and colours"), ("content", "picture that gives the layout")),
        (*FACTORS, "source", "noise_sigma"),
    ),
)


def add_parser(commands: Any, task: Task) -> None:
    """Adds the task's command, with one flag per option of its recipe."""
    parser = commands.add_parser(task.command, help=task.summary, description=task.summary)
    for name, help_text in task.pictures:
        parser.add_argument(name, type=Path, nargs="+" if len(task.pictures) == 1 else None, help=help_text)
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help="file to write; several outputs get an index"
    )
    parser.add_argument("--seed", type=int, default=0, help="which of the possible pictures is made (default 0)")
    add_common(parser)
    if len(task.pictures) == 1:
        parser.add_argument(
            "--init", type=Path, metavar="FILE", help="picture to start from, instead of the recipe's guess"
        )
    parser.add_argument(
        "--quality",
        choices=list(RECIPES[task.name]),
        default="balanced",
        help="named settings; the flags below change parts of them (default balanced, whose values they show)",
    )
    recipe = RECIPES[task.name]["balanced"]
    for part in PARTS:
        group = parser.add_argument_group(part)
        for spec in describe(getattr(recipe, part)):
            if spec.name not in task.without:
                _add_flag(group, spec)
    parser.set_defaults(task=task)


def add_common(parser: argparse.ArgumentParser) -> None:
    """The flags that all commands have."""
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1, mps; auto takes CUDA if there is one (default)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_flag(group: Any, spec: OptionSpec) -> None:
    help_text = f"{spec.help} ({spec.allowed}; default {spec.default})".replace("%", "%%")
    choices = {"choices": spec.choices} if spec.choices else {"metavar": spec.type.__name__.upper()}
    # Without a flag the recipe's own value holds, so argparse must not put in one.
    group.add_argument("--" + spec.name.replace("_", "-"), type=spec.type, default=None, help=help_text, **choices)


def run_task(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the task that the command line names, writes its pictures, and returns what there is to say.

    Raises:
        GPDMError: A flag or a picture is unusable; nothing has been computed or written then.
    """
    task: Task = options.task
    recipe = _recipe(task, options)
    device = parse_device(options.device)
    files = [getattr(options, name) for name, _ in task.pictures]
    pictures = [_load(file, device) for file in files]
    first = pictures[0][0] if isinstance(pictures[0], list) else pictures[0]
    count = recipe.output.num_outputs
    targets = [indexed(options.out, i, count) for i in range(count)]
    check_target(targets[0], first.shape[1])
    more: dict[str, Any] = {}
    if getattr(options, "init", None) is not None:
        recipe = replace(recipe, guess=replace(recipe.guess, source="image"))
        more["init"] = load_image(options.init).to(device)
    with StepBar(task.command) as bar:
        result: Synthesis = task.run(*pictures, recipe=recipe, seed=options.seed, on_step=bar, **more)
    saved = [save_image(image, target) for image, target in zip(result.images.split(1), targets, strict=True)]
    return {"saved": [str(path) for path in saved], "device": str(device), **_summary(result, options.seed)}


def _load(files: Path | Sequence[Path], device: Any) -> Tensor | list[Tensor]:
    if isinstance(files, Path):
        return load_image(files).to(device)
    return [load_image(file).to(device) for file in files]


def _recipe(task: Task, options: argparse.Namespace) -> Recipe:
    recipe = RECIPES[task.name][options.quality]
    if getattr(options, "init", None) is not None and getattr(options, "source", None) not in (None, "image"):
        raise GPDMError(f"--init and --source {options.source} contradict each other; leave out one of them")
    for part in PARTS:
        own = getattr(recipe, part)
        names = [spec.name for spec in describe(own)]
        given = {name: getattr(options, name) for name in names if getattr(options, name, None) is not None}
        recipe = replace(recipe, **{part: replace(own, **given)})
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
