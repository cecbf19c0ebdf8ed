"""Reports of the steps of a synthesis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ..images import Units
from .base import OnRunStep
from .levels import SynthesisProblem
from .runs import Run


@dataclass(frozen=True)
class StepInfo:
    """The state of a run after one step, for callbacks. Indices start at 0."""

    output: int
    """Index of the output; several starts of an output have the same."""
    outputs: int
    level: int
    levels: int
    step: int
    steps: int
    """The step limit of the level; it may converge earlier."""
    done: float
    """Estimated fraction of the work done, in (0, 1], by pixels times steps. The value jumps if a level converges."""
    working_image: Tensor
    """The current image in working units, (1, C, H, W), not yet clamped: roughly in [-1, 1], suitable for previews. The
    next step changes it in place."""
    loss_tensor: Tensor
    """The loss of this step, a scalar on the device of the image."""
    units: Units | None = None
    """The working units; None if they are those of the references."""

    @cached_property
    def image(self) -> Tensor:
        """The current image in the units of the references, (1, C, H, W), not clamped. The next step may change it."""
        return self.working_image if self.units is None else self.units.leave(self.working_image)

    @cached_property
    def loss(self) -> float:
        """The loss of this step as a number. Reading it waits until a GPU has finished its queue."""
        return float(self.loss_tensor)


OnStep = Callable[[StepInfo], None]


def reporter(
    on_step: OnStep | None, runs: Sequence[Run], problem: SynthesisProblem, index: int, solved: Sequence[int]
) -> OnRunStep:
    """Returns the callback of the loop over the steps of a level, which reports each step of each run to `on_step`.

    Arguments:
        on_step: The callback of the whole run.
        runs: All runs.
        problem: What is solved.
        index: Index of the level.
        solved: Indices of the levels that are solved before the run stops.
    """
    if on_step is None:
        return lambda run, step, loss, image: None
    levels, steps, outputs = problem.levels, problem.steps, 1 + runs[-1].output
    work = {i: math.prod(levels[i].size) * steps[i] for i in solved}
    total, before, limit = sum(work.values()), sum(work[i] for i in solved if i < index), steps[index]

    def report(run: int, step: int, loss: Tensor, image: Tensor) -> None:
        done = (before + work[index] * (step + (run + 1) / len(runs)) / limit) / total
        info = (runs[run].output, outputs, index, len(levels), step, limit, done, image, loss, problem.units)
        on_step(StepInfo(*info))

    return report
