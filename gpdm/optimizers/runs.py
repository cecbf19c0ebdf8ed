"""The outputs of a synthesis, from level to level."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Generator, Tensor

from ..borders import upsample
from ..canvas import Canvas
from ..images import Size
from .base import LevelResult, Stop


@dataclass
class Run:
    """One output, or one of its starts, from level to level."""

    output: int
    generator: Generator
    image: Tensor
    losses: list[Tensor] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)

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
