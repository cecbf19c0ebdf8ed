"""How one level is solved: the one loop, and what an optimizer adds to it, a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from ..canvas import Canvas
from ..errors import OptionError
from ..losses.base import Loss, Objective, OutputState, bind, is_per_output
from ..pyramid import Level
from ..references import Reference
from .cuda_graphs import GraphedStep, QueueLimit, recorder_for

Stop = Literal["converged", "step limit"]
OnStep = Callable[[int, int, Tensor, Tensor], None]
"""Called after each step with the index of the output, the step, the loss and the image."""
Step = Callable[[tuple[Any, Tensor]], Tensor]
"""One step of one output: takes the objective's sample and the rates of the step, changes the image in place, returns the loss."""


@dataclass(frozen=True)
class LevelProblem:
    """What is to be solved at one level."""

    references: Sequence[Reference]
    """At the size of the level, one image each."""
    canvas: Canvas
    """Of the level."""
    loss: Loss
    memory: int
    """Bytes that a step may work in."""

    def objectives(self, images: Sequence[Tensor]) -> list[Objective]:
        """Returns the objective of every output, (1, C, H, W) each: the same for all, unless weights follow their images."""
        if not is_per_output(self.loss):
            return [bind(self.loss, self.references, self.canvas, self.memory)] * len(images)
        memory = self.memory // len(images)
        return [bind(self.loss, self.references, self.canvas, memory, image) for image in images]


@dataclass
class Iterate:
    """The state of one output while a level is solved."""

    image: Tensor
    """(1, C, H, W), changed in place."""
    state: OutputState
    losses: list[Tensor] = field(default_factory=list)
    """The loss of every step so far, scalars on the device of the image."""
    average: Tensor | None = None
    """The mean of the images of the last steps, if the optimizer averages."""
    averaged: int = 0
    converged: bool = False

    def update_average(self) -> None:
        """Takes the image into the average."""
        self.averaged += 1
        self.average = self.image.clone() if self.average is None else self.average.lerp_(self.image, 1 / self.averaged)

    def result(self) -> LevelResult:
        """Returns what has come of it."""
        image = self.image if self.average is None else self.average
        losses = torch.stack(self.losses).cpu().double()
        return LevelResult(image, losses, "converged" if self.converged else "step limit")


@dataclass(frozen=True)
class LevelResult:
    """The result of one level for one output."""

    image: Tensor
    """The image, (1, C, H, W)."""
    losses: Tensor
    """The loss of every step that was made, float64 on the CPU, shape (steps,)."""
    stop: Stop
    """Why it ended."""


@runtime_checkable
class LevelSolver(Protocol):
    """How a level is solved; what the socket GPDM_OPTIMIZER carries. `solve_level` runs it."""

    @property
    def average(self) -> float:
        """Share of a level's steps, the last ones, whose images are averaged to give the result."""
        ...

    def check(self, loss: Loss, levels: Sequence[Level]) -> None:
        """Raises `GPDMError` if it cannot work with this loss at these levels. Called before any work begins."""
        ...

    def memory(self, loss: Loss, level: Level) -> tuple[int, int]:
        """Returns how many bytes one step takes besides the images: at least, and at best speed."""
        ...

    def steps(self, levels: Sequence[Level]) -> tuple[int, ...]:
        """Returns the step limit of each level."""
        ...

    def rates(self, num_steps: int) -> Tensor:
        """Returns the numbers that change from step to step, such as the learning rate, (num_steps, R), float64."""
        ...

    def objectives(self, problem: LevelProblem, images: Sequence[Tensor]) -> list[Objective]:
        """Returns what is minimised for each output, (1, C, H, W) each."""
        ...

    def step_of(self, problem: LevelProblem, objective: Objective, image: Tensor) -> Step:
        """Returns the step of one output, which changes `image` (1, C, H, W) in place.

        If the objective is capturable, the step must do the same work each time and never ask a device for a number.
        """
        ...

    def has_converged(self, iterate: Iterate) -> bool:
        """Returns whether an output may stop before the step limit."""
        ...

    def diverged(self) -> OptionError:
        """Returns the error for a loss or image that became infinite or NaN."""
        ...


def solve_level(
    solver: LevelSolver,
    problem: LevelProblem,
    images: Sequence[Tensor],
    generators: Sequence[Generator],
    num_steps: int,
    on_step: OnStep,
) -> list[LevelResult]:
    """Solves one level from each of `images`, (1, C, H, W), which are changed in place.

    Every output has its own generator and its own end, so that none depends on the others, unless the canvas couples them. After each
    step the image is projected onto the admissible ones.

    Raises:
        OptionError: Loss or image became infinite or NaN.
        Exception: What `on_step` raises.
    """
    canvas, device = problem.canvas, images[0].device
    batch = None
    if canvas.constraint is not None:  # it sees all outputs at once
        batch = torch.cat(list(images))
        images = batch.split(1)
    iterates = [Iterate(canvas.project_(x), OutputState(g)) for x, g in zip(images, generators, strict=True)]
    objectives = solver.objectives(problem, images)
    steps = [_step(solver, problem, objective, image) for objective, image in zip(objectives, images, strict=True)]
    rates, queue = solver.rates(num_steps).to(images[0].dtype).to(device), QueueLimit(device)
    for step in range(num_steps):
        for index, iterate in enumerate(iterates):
            if iterate.converged:
                continue
            sample = objectives[index].sample(iterate.image, step, iterate.state)
            loss = steps[index]((sample, rates[step]))
            queue.step()
            iterate.losses.append(loss)
            if step >= num_steps * (1 - solver.average):
                iterate.update_average()
            on_step(index, step, loss, iterate.image)
            iterate.converged = solver.has_converged(iterate)
        if batch is not None and canvas.constraint is not None:
            canvas.constraint(batch, canvas)
        if all(iterate.converged for iterate in iterates):
            break
    results = [iterate.result() for iterate in iterates]
    if not all(result.losses.isfinite().all() and result.image.isfinite().all() for result in results):
        raise solver.diverged()
    return results


def _step(solver: LevelSolver, problem: LevelProblem, objective: Objective, image: Tensor) -> Step:
    """Returns the step of one output with the projection in it, recorded as a CUDA graph where that is possible."""
    step, canvas = solver.step_of(problem, objective, image), problem.canvas

    def projected(given: tuple[Any, Tensor]) -> Tensor:
        loss = step(given)
        canvas.project_(image)
        return loss

    work = projected if canvas.constrains else step
    recorder = recorder_for(image.device, objective.backend) if objective.capturable else None
    return work if recorder is None else GraphedStep(work, recorder)
