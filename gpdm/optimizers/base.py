"""The loop over the steps of one level, and the protocol of level solvers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from ..canvas import Canvas
from ..errors import OptionError
from ..images import channels_last
from ..losses.base import Loss, Objective, OutputState, bind, is_per_output
from ..pyramid import Level
from ..references import Reference
from .cuda_graphs import GraphedStep, QueueLimit, recorder_for

Stop = Literal["converged", "step limit"]
OnRunStep = Callable[[int, int, Tensor, Tensor], None]
"""A callback after each step, with the index of the run, the step, the loss and the image."""
Step = Callable[[tuple[Any, Tensor]], Tensor]
"""One step of one output. Takes the objective's sample and the rates of the step, changes the image in place and
returns the loss, a scalar."""


@dataclass(frozen=True)
class LevelProblem:
    """The input of a solver at one level."""

    references: Sequence[Reference]
    """The references, one image each, resized by the scale of the level."""
    canvas: Canvas
    """The canvas at the size of the level."""
    loss: Loss
    memory: int
    """Bytes that a step may use besides the images."""
    factor: float = 1.0
    """Size of the level before, from which the images were scaled up, relative to this one; 1 if there is none."""
    outputs: Sequence[int] = ()
    """Index of the output to which each image belongs; by default each belongs to another one."""

    @classmethod
    def at(
        cls,
        scale: float,
        references: Sequence[Reference],
        canvas: Canvas,
        loss: Loss,
        memory: int,
        factor: float = 1.0,
        outputs: Sequence[int] = (),
    ) -> LevelProblem:
        """Returns the problem of the level at `scale`, from references and canvas at full size.

        The references are in channels-last layout, once for all terms.
        """
        resized = [x.at(scale, canvas.border) for x in references]
        dense = [replace(x, image=channels_last(x.image)) for x in resized]
        return cls(dense, canvas.at(scale), loss, memory, factor, outputs)

    def objectives(self, images: Sequence[Tensor]) -> list[Objective]:
        """Returns the objective of each output, for images (1, C, H, W).

        All outputs share one objective. If the loss is per output, each output has an objective and an equal fraction
        of the memory.
        """
        if not is_per_output(self.loss):
            return [bind(self.loss, self.references, self.canvas, self.memory)] * len(images)
        memory, outputs = self.memory // len(images), self.outputs or range(len(images))
        return [
            bind(self.loss, self.references, replace(self.canvas, output=output), memory, image)
            for output, image in zip(outputs, images, strict=True)
        ]


@dataclass
class Iterate:
    """The state of one output while a level is solved."""

    image: Tensor
    """The current image, (1, C, H, W), changed in place."""
    state: OutputState
    losses: list[Tensor] = field(default_factory=list)
    """The loss of every step so far, scalars on the device of the image."""
    mean_image: Tensor | None = None
    """Mean of the images of the last steps, (1, C, H, W); None without iterate averaging, or before it begins."""
    mean_steps: int = 0
    """Number of steps in the mean."""
    converged: bool = False

    def update_mean(self) -> None:
        """Adds the image to the mean."""
        self.mean_steps += 1
        mean = self.mean_image
        self.mean_image = self.image.clone() if mean is None else mean.lerp_(self.image, 1 / self.mean_steps)

    def result(self) -> LevelResult:
        """Returns the mean image, or without averaging the image, with losses and stopping reason."""
        image = self.image if self.mean_image is None else self.mean_image
        losses = torch.stack(self.losses).cpu().double()
        return LevelResult(image, losses, "converged" if self.converged else "step limit")


@dataclass(frozen=True)
class LevelResult:
    """The result of one level for one output."""

    image: Tensor
    """The image, (1, C, H, W)."""
    losses: Tensor
    """The loss of every step, float64 on the CPU, (steps,)."""
    stop: Stop
    """The stopping reason."""


@runtime_checkable
class LevelSolver(Protocol):
    """Optimizer of one level, used by `solve_level`. The socket type GPDM_OPTIMIZER carries objects of this type."""

    @property
    def averaged_fraction(self) -> float:
        """Fraction of a level's steps, at its end, whose images are averaged to give the result."""
        ...

    def check(self, loss: Loss, levels: Sequence[Level], references: Sequence[Reference] = ()) -> None:
        """Raises `GPDMError` if the solver cannot work with this loss at these levels. Called before any work."""
        ...

    def largest_patch(self, loss: Loss) -> int:
        """Returns the side of the largest patch that is used, in pixels. No level may be smaller."""
        ...

    def memory(self, loss: Loss, level: Level) -> tuple[int, int]:
        """Returns the bytes that one step needs besides the images: the minimum, and the amount for full speed."""
        ...

    def steps(self, levels: Sequence[Level]) -> tuple[int, ...]:
        """Returns the step limit of each level."""
        ...

    def rates(self, num_steps: int) -> Tensor:
        """Returns the values that change from step to step, such as the learning rate, (num_steps, R), float64."""
        ...

    def objectives(self, problem: LevelProblem, images: Sequence[Tensor]) -> list[Objective]:
        """Returns the objective of each output, for images (1, C, H, W)."""
        ...

    def step_of(self, problem: LevelProblem, objective: Objective, image: Tensor) -> Step:
        """Returns the step of one output, which changes `image` (1, C, H, W) in place.

        If the objective is capturable, the step must do the same work each time and never copy a value from the device
        to the host.
        """
        ...

    def has_converged(self, iterate: Iterate) -> bool:
        """Returns whether an output may stop before the step limit."""
        ...

    def divergence_error(self) -> OptionError:
        """Returns the error to raise for a loss or image with infinite or NaN values."""
        ...


def solve_level(
    solver: LevelSolver,
    problem: LevelProblem,
    images: Sequence[Tensor],
    generators: Sequence[Generator],
    num_steps: int,
    on_step: OnRunStep,
) -> list[LevelResult]:
    """Optimises one level for several images and returns the results.

    Every run has a generator and a convergence test, so that runs are independent unless a constraint of the canvas
    couples them. Each step is followed by the projection of the canvas. The constraint is applied to the images of all
    runs after each of them has made its step.

    Arguments:
        solver: The optimizer.
        problem: The level.
        images: Images to start from, (1, C, H, W) each, which may be overwritten.
        generators: CPU generator of each run.
        num_steps: The step limit.
        on_step: Callback after each step of each run. An exception that it raises stops the loop.

    Raises:
        OptionError: A loss or an image has infinite or NaN values.
    """
    canvas, device = problem.canvas, images[0].device
    batch = None
    if canvas.constraint is not None:  # the constraint takes all outputs at once
        batch = torch.cat(list(images))
        images = batch.split(1)
    iterates = [Iterate(canvas.project_(x), OutputState(g)) for x, g in zip(images, generators, strict=True)]
    objectives = solver.objectives(problem, images)
    steps = [_step(solver, problem, objective, image) for objective, image in zip(objectives, images, strict=True)]
    rates, queue = solver.rates(num_steps).to(images[0].dtype).to(device).unbind(), QueueLimit(device)
    for step in range(num_steps):
        for index, iterate in enumerate(iterates):
            if iterate.converged:
                continue
            # The sample has no name here, so that an old one does not stay in memory while the next is computed.
            loss = steps[index]((objectives[index].sample(iterate.image, step, iterate.state), rates[step]))
            queue.step()
            iterate.losses.append(loss)
            if step >= num_steps * (1 - solver.averaged_fraction):
                iterate.update_mean()
            on_step(index, step, loss, iterate.image)
            iterate.converged = solver.has_converged(iterate)
        if batch is not None and canvas.constraint is not None:
            canvas.constraint(batch, canvas)
        if all(iterate.converged for iterate in iterates):
            break
    results = [iterate.result() for iterate in iterates]
    if not all(result.losses.isfinite().all() and result.image.isfinite().all() for result in results):
        raise solver.divergence_error()
    return results


def _step(solver: LevelSolver, problem: LevelProblem, objective: Objective, image: Tensor) -> Step:
    """Returns the step of one output with the projection of the canvas, as a CUDA graph if it can be captured."""
    step, canvas = solver.step_of(problem, objective, image), problem.canvas

    def projected_step(inputs: tuple[Any, Tensor]) -> Tensor:
        loss = step(inputs)
        canvas.project_(image)
        return loss

    work = projected_step if canvas.has_projection else step
    record = recorder_for(image.device, objective.backend) if objective.capturable else None
    return work if record is None else GraphedStep(work, record)
