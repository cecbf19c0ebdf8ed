"""The work of the commands of tasks: `gpdm reshuffle`, `gpdm style` and so on."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from ..errors import GPDMError
from ..guess import count_outputs
from ..optimizers.gradient import Optimizer
from ..optimizers.patch_nn import PatchNN
from ..options import OptionSpec
from ..synthesis import Synthesis, resume
from ..tasks import COLLAGE, MIX, REGIONS, TASKS, Recipe, Task, prepare_pictures, run_task
from .files import save_image
from .flags import given_options
from .host import StepBar, parse_device
from .inputs import Inputs, listed, naming_files, read_inputs
from .mix_inputs import read_mix_inputs
from .pictures import read_picture
from .region_inputs import read_region_inputs
from .targets import check_target, indexed


def run_task_command(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the task that the command line names, writes its pictures, and returns a report.

    Arguments:
        options: The command line, which `check_flags` has checked.

    Raises:
        GPDMError: A flag or a picture cannot be used; nothing has been computed or written then.
    """
    return _run(options, TASKS[options.task.task], read_inputs)


def run_regions_command(options: argparse.Namespace) -> dict[str, Any]:
    """Does what `gpdm regions` asks for; see `run_task_command`."""
    return _run(options, REGIONS, read_region_inputs)


def run_mix_command(options: argparse.Namespace) -> dict[str, Any]:
    """Does what `gpdm mix` or `gpdm collage` asks for; see `run_task_command`."""
    return _run(options, {MIX.name: MIX, COLLAGE.name: COLLAGE}[options.task.task], read_mix_inputs)


def _run(
    options: argparse.Namespace, task: Task, read: Callable[[argparse.Namespace, torch.device], Inputs]
) -> dict[str, Any]:
    recipe = recipe_of(options, task, options.task.options)
    device = parse_device(options.device)
    inputs = read(options, device)
    bits = options.bits or (inputs.bits if options.out.suffix.lower() == ".png" else 8)
    with naming_files(inputs.files), StepBar(options.task.name) as bar:
        count = count_outputs(recipe.output.num_outputs, inputs.init if inputs.start is None else inputs.start)
        targets = [indexed(options.out, i, count) for i in range(count)]
        prepared = prepare_pictures(task, *inputs.pictures(task), init=inputs.init, keep=inputs.keep)
        check_target(targets[0], prepared.channels, bits)
        if bits < inputs.bits and options.bits is None:
            logging.getLogger("gpdm").warning(
                "%s is written with 8 bits per channel and the reference has 16; a .png file keeps them", targets[0]
            )
        if prepared.note:
            logging.getLogger("gpdm").warning("%s (%s)", prepared.note, listed(inputs.files))
        painted = None if options.painted is None else read_picture(options.painted).images.to(device)
        result = run_task(task, *prepared.pictures, recipe=recipe, seed=options.seed, on_step=bar, **prepared.more)
        if painted is not None:
            if result.state is None:
                raise GPDMError(
                    f"--stop-after {recipe.pyramid.stop_after} is the last level, after which --painted has nothing to change; "
                    "lower it"
                )
            first, result = result, resume(result.state, prepared.painted(painted, result.state), on_step=bar)
            result = replace(result, seconds=first.seconds + result.seconds)
        result = prepared.finish(result)
    saved = [save_image(image, target, bits) for image, target in zip(result.images.split(1), targets, strict=True)]
    return {"saved": [str(path) for path in saved], "device": str(device), **_summary(result, options.seed)}


def recipe_of(options: argparse.Namespace, task: Task, flags: Mapping[str, tuple[OptionSpec, ...]]) -> Recipe:
    """Returns the settings of the quality, with the flags that are given in place of its values.

    Arguments:
        options: The command line.
        task: The task.
        flags: The options that have a flag, by the part of the recipe.
    """
    recipe = task.recipe(options.quality)
    if getattr(options, "init", None) is not None:
        recipe = recipe.from_image()
    given = {part: given_options(options, specs) for part, specs in flags.items()}
    if isinstance(recipe.optimizer, PatchNN) and "variety" in given.get("loss", {}):
        # One flag for the search, which belongs to the loss or, without one, to the optimizer.
        given["optimizer"]["variety"] = given["loss"].pop("variety")
    _check_effect(recipe, given, options.quality)
    for part, values in given.items():
        recipe = replace(recipe, **{part: replace(getattr(recipe, part), **values)})
    return recipe


def _check_effect(recipe: Recipe, given: Mapping[str, Mapping[str, Any]], quality: str) -> None:
    """Raises `GPDMError` for an option without effect, at a quality without gradient descent on a loss."""
    if isinstance(recipe.optimizer, Optimizer):
        return
    known = {"loss": ["border"], "optimizer": vars(recipe.optimizer)}
    unused = [name for part in known for name in given.get(part, ()) if name not in known[part]]
    if unused:
        raise GPDMError(
            f"--{unused[0].replace('_', '-')} has no effect at quality {quality}, which minimises no loss; leave it "
            "out, or choose another quality"
        )


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
