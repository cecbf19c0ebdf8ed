"""The problem of all levels of a synthesis, and the state between two of them, from which it resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

from ..canvas import Canvas, Keep
from ..errors import ImageError, OptionError
from ..images import Size, Units, check_alike, check_image, reduced, size_of
from ..losses.base import Loss
from ..memory import LevelMemory
from ..pyramid import Level, grid_offsets
from ..references import Reference
from .base import LevelProblem, LevelSolver, OnRunStep, solve_level
from .runs import Run, select_start, selection_level_of
from .threads import threads_for

UNPAINTED = 1.01 * 2 / 255
"""Difference in working units up to which a pixel of a painted picture counts as not painted: one grey level of a file
with 8 bits, to which some programs round and others truncate."""


@dataclass(frozen=True, kw_only=True)
class SynthesisProblem:
    """The input of all levels of a synthesis, in working units."""

    references: Sequence[Reference]
    canvas: Canvas
    """The canvas at full size."""
    loss: Loss
    optimizer: LevelSolver
    levels: tuple[Level, ...]
    plan: tuple[LevelMemory, ...]
    """The memory planned for each level."""
    like: Tensor
    """The first reference as it was given; the results have its dtype and device."""
    units: Units | None = None
    """The working units; None if they are those of the references."""
    keep: Keep | None = None
    """What is kept, in the units of the references."""

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """The step limit of each level."""
        return self.optimizer.steps(self.levels)

    def solve(self, index: int, runs: list[Run], on_step: OnRunStep) -> list[Run]:
        """Solves a level for all runs, which it changes, and returns those that are continued.

        Arguments:
            index: Index of the level.
            runs: All runs, of which those of one output follow each other.
            on_step: As in `solve_level`.
        """
        level, offsets = self.levels[index], grid_offsets(len(self.levels))[index]
        problem = LevelProblem.at(
            level.scale,
            self.references,
            self.canvas,
            self.loss,
            self.plan[index].working,
            self.levels[max(index - 1, 0)].scale / level.scale,
            [run.output for run in runs],
        )
        with threads_for(max(level.pixels, level.reference_pixels), self.like.device):
            results = solve_level(
                self.optimizer,
                problem,
                [run.enlarge(level.size, self.canvas.border, offsets) for run in runs],
                [run.generator for run in runs],
                self.steps[index],
                on_step,
            )
        for run, result in zip(runs, results, strict=True):
            run.finish(problem.canvas, result)
        if index != selection_level_of(self.levels):
            return runs
        groups = [list(group) for _, group in groupby(runs, key=lambda run: run.output)]
        return [group[select_start([run.final_loss() for run in group])] for group in groups]

    def result(self, runs: Sequence[Run], *, finished: bool) -> Tensor:
        """Returns the images of runs (N, C, H, W) as `like` is; the finished ones have the kept pixels bit for bit."""
        images = runs[0].image if len(runs) == 1 else torch.cat([run.image for run in runs])
        images = (images if self.units is None else self.units.leave(images)).to(self.like.dtype)
        return self.keep.restore(images) if finished and self.keep is not None else images


@dataclass(frozen=True)
class SynthesisState:
    """The state of a synthesis between two levels. `synthesis.resume` continues it, and leaves it as it is."""

    problem: SynthesisProblem
    runs: tuple[Run, ...]
    """One for each output, except before the first level."""
    next_level: int
    """Index of the level that comes next, which is the number of levels that are done."""

    @property
    def full_size(self) -> Size:
        """Height and width of the finished outputs, in pixels."""
        return self.problem.levels[-1].size

    @property
    def size(self) -> Size:
        """Height and width of the images, in pixels."""
        return size_of(self.runs[0].image)

    @property
    def images(self) -> Tensor:
        """The images of the outputs in the units of the references, (N, C, H, W)."""
        return self.problem.result(self.runs, finished=False)

    def stop_level(self, stop_after: int) -> int:
        """Returns the number of levels that are done after a run which stops as `PyramidSchedule.stop_after` says.

        Raises:
            OptionError: There are not so many levels, so many are done already, or a start is not selected by then.
        """
        levels, starts = self.problem.levels, len(self.runs) > len({run.output for run in self.runs})
        if not stop_after:
            return len(levels)
        first = max(self.next_level, selection_level_of(levels) if starts else 0) + 1
        if first <= stop_after <= len(levels):
            return stop_after
        sizes = ", ".join(f"{i + 1}: {width}x{height}" for i, (height, width) in enumerate(x.size for x in levels))
        reason = (
            f"level {self.next_level} is done"
            if stop_after <= self.next_level
            else f"the best start is selected after level {first}"
        )
        range_of = f"this run has {len(levels)} levels ({sizes})"
        raise OptionError(
            "stop_after",
            stop_after,
            range_of if stop_after > len(levels) else f"{reason}, and {range_of}",
            f"choose {first} to {len(levels)}, or 0 to run all",
        )

    def painted(self, picture: Tensor) -> SynthesisState:
        """Returns this state with a picture in place of its images.

        Pixels that differ by at most one grey level from those of the state keep these, bit for bit.

        Arguments:
            picture: Pictures as the references are, (B, C, h, w), with the aspect ratio of the images and no smaller.
                B is 1 or the number of outputs.

        Raises:
            ImageError: It has another shape or other channels, or is on another device.
        """
        check_alike(check_image(picture, "the painted picture"), "the painted picture", self.problem.like, "reference")
        pictures = self.problem.canvas.enter(self.fitted(picture)).split(1)
        return replace(self, runs=tuple(map(_painted, self.runs, pictures)))

    def fitted(self, picture: Tensor) -> Tensor:
        """Returns a painted picture (B, C, h, w) for each output at the size of the images, (N, C, H, W).

        Raises:
            ImageError: It has another aspect ratio, is smaller, or B is neither 1 nor the number of outputs.
        """
        (height, width), outputs = size_of(picture), len(self.runs)
        if len(picture) not in (1, outputs):
            raise ImageError(
                f"the painted picture is a batch of {len(picture)}, and there are {outputs} outputs; give 1 or {outputs}"
            )
        # A picture that was enlarged by a whole factor, or resized to another aspect ratio by less than a pixel.
        size = self.size
        if min(height - size[0], width - size[1]) < 0 or abs(height * size[1] - width * size[0]) > max(height, width):
            raise ImageError(
                f"the painted picture is {width}x{height}, and the level that is done {size[1]}x{size[0]}; give one with "
                "its aspect ratio that is no smaller, for example the picture of the state itself"
            )
        return reduced(picture, size).expand(outputs, -1, -1, -1)


def _painted(run: Run, picture: Tensor) -> Run:
    unpainted = ((picture - run.image).abs() <= UNPAINTED).all(1, keepdim=True)
    return replace(run, image=torch.where(unpainted, run.image, picture))
