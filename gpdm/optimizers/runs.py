"""The outputs of a synthesis, from level to level, and the selection among several starts of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Generator, Tensor

from ..borders import upsample
from ..canvas import Canvas
from ..images import Size
from ..pyramid import Level
from .base import LevelResult, Stop

START_TOLERANCE = 3
"""Largest ratio of the loss of a selected start to the lowest loss of all starts."""


@dataclass
class Run:
    """One output, or one of its starts, from level to level."""

    output: int
    generator: Generator
    image: Tensor
    losses: list[Tensor] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)

    def copy(self) -> Run:
        """Returns a run in the same state that shares nothing with this one."""
        generator = Generator().set_state(self.generator.get_state())
        return Run(self.output, generator, self.image.clone(), list(self.losses), list(self.stops))

    def enlarge(self, size: Size, border: str, offsets: tuple[float, float]) -> Tensor:
        """Enlarges the image to a level and returns it."""
        self.image = upsample(self.image, size, border, *offsets)
        return self.image

    def finish(self, canvas: Canvas, result: LevelResult) -> None:
        """Stores the result of a level."""
        self.image = canvas.finish(result.image)
        self.losses.append(result.losses)
        self.stops.append(result.stop)

    def final_loss(self) -> float:
        """Returns the mean loss over the last quarter of the steps of the last finished level."""
        losses = self.losses[-1]
        return float(losses[-max(len(losses) // 4, 1) :].mean())


def select_start(losses: Sequence[float]) -> int:
    """Returns the index of the selected start: the first whose loss is at most `START_TOLERANCE` times the lowest.

    Starts with a higher loss lack a part of the reference. The start with the lowest loss is often a copy.
    """
    return next(index for index, loss in enumerate(losses) if loss <= START_TOLERANCE * min(losses))


def selection_level_of(levels: Sequence[Level]) -> int:
    """Returns the index of the level after which one start is selected.

    It is the last level of at most twice the coarsest size. The layout is fixed by then.
    """
    return max(level.index for level in levels if level.scale <= 2 * levels[0].scale)
