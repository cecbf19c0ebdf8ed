"""What a level is, and what may descend it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Generator, Tensor

from ..images import Size
from ..losses.objectives import Objective
from ..losses.swd import Loss
from ..pyramid import Level

Stop = Literal["converged", "step limit"]
OnStep = Callable[[int, int, Tensor, Tensor], None]
"""Told after each step: number of the image, step, loss, image."""


@dataclass(frozen=True)
class Descent:
    """The result of one level for one image."""

    image: Tensor
    """The optimised image, (1, C, H, W)."""
    losses: Tensor
    """The loss of every step that was made, float64 on the CPU, shape (steps,)."""
    stop: Stop
    """Why it ended."""


@dataclass(frozen=True)
class Problem:
    """What is to be solved at one level."""

    references: Sequence[Tensor]
    """In the size of the level, (1, C, h, w) each."""
    size: Size
    """Height and width of the outputs."""
    loss: Loss
    memory: int
    """Bytes that a step may work in."""

    def objective(self) -> Objective:
        """The loss for these references."""
        return self.loss.bind(self.references, self.size, self.memory)


class LevelOptimizer(Protocol):
    """How a level is descended; what the socket GPDM_OPTIMIZER carries."""

    def check(self, loss: Loss, levels: Sequence[Level]) -> None:
        """Raises `GPDMError` if it cannot work with this loss at these levels. Called before any work begins."""
        ...

    def working_bytes(self, loss: Loss, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        """How much memory one step takes at a level with so many pixels, in bytes: at least, and at best speed."""
        ...

    def steps(self, levels: Sequence[Level]) -> tuple[int, ...]:
        """The step limit of each level."""
        ...

    def descend(
        self,
        images: Sequence[Tensor],
        problem: Problem,
        generators: Sequence[Generator],
        num_steps: int,
        on_step: OnStep,
    ) -> list[Descent]:
        """Works on each of `images`, (1, C, H, W), which are changed in place.

        Every image has its own generator and its own end, so that none depends on the others. `on_step(number, step, loss,
        image)` is called after each step; what it raises ends the descent.
        """
        ...
