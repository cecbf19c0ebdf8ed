"""Regular textures with known generators, computed: a pattern on a lattice, whose parts differ in colour and grain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from gpdm.borders import gaussian_blur

Pattern = Callable[[Tensor, Tensor], Tensor]
"""A function of the position within a part of the pattern, two maps from 0 to 1: brightness from -1 to 1."""


@dataclass(frozen=True)
class RegularTexture:
    """A texture on a lattice."""

    vectors: tuple[tuple[float, float], tuple[float, float]]
    """Its generators: rows and columns of each, in pixels."""
    pattern: Pattern
    colours: tuple[tuple[float, float, float], tuple[float, float, float]]
    """Colour of the lowest and of the highest brightness."""
    lean: float = 0.0
    """Columns, in periods, by which a part of the lattice leans from its first row to its last, and the pattern not."""
    variation: float = 0.15
    """Standard deviation of the brightness from part to part."""

    def image(self, side: int, seed: int = 0) -> Tensor:
        """Returns a square picture of the texture, (1, 3, side, side)."""
        generator = Generator().manual_seed(seed)
        rows, columns = torch.meshgrid(*[torch.arange(side, dtype=torch.float64)] * 2, indexing="ij")
        positions = torch.stack([rows, columns], -1) @ torch.tensor(self.vectors, dtype=torch.float64).inverse()
        positions[..., 1] += self.lean * (positions[..., 0] % 1)
        numbers = positions.floor()
        shades = self.variation * torch.randn(256, 256, generator=generator)
        shade = shades[tuple((numbers.long() % 256).unbind(-1))]
        value = self.pattern(*(positions - numbers).unbind(-1)).float() + shade
        grain = gaussian_blur(torch.randn(1, 1, side, side, generator=generator), 1.0)[0, 0]
        value = gaussian_blur(value[None, None], 0.6)[0, 0] + 0.3 * grain
        low, high = (torch.tensor(colour)[:, None, None] for colour in self.colours)
        return (low + (high - low) * (value.clamp(-1.2, 1.2) + 1) / 2).clamp(-1, 1)[None]


def _bricks(row: Tensor, column: Tensor) -> Tensor:
    """Bricks, with joints at the left and at the top."""
    return torch.where((row < 0.14) | (column < 0.07), -1.0, 0.5)


def _tiles(row: Tensor, column: Tensor) -> Tensor:
    """Tiles with a cross."""
    joint = (row < 0.08) | (column < 0.08)
    cross = (row - column).abs().minimum((row + column - 1).abs()) < 0.08
    return torch.where(joint, -1.0, torch.where(cross, -0.2, 0.7))


def _weave(row: Tensor, column: Tensor) -> Tensor:
    """Plain weave: threads over and under each other, bright in their middle."""
    over = (row < 0.5) == (column < 0.5)
    across = torch.where(over, row, column) * 2 % 1
    return 1.6 * torch.sin(math.pi * across) - 0.9


def _dots(row: Tensor, column: Tensor) -> Tensor:
    """Round dots."""
    return torch.where((row - 0.5).square() + (column - 0.5).square() < 0.07, 0.8, -0.6)


def _scales(row: Tensor, column: Tensor) -> Tensor:
    """Arcs, like the scales of a fish."""
    return 1.4 * ((row - 0.5).square() + (column - 0.5).square()).sqrt() * 2 - 1


def _checks(row: Tensor, column: Tensor) -> Tensor:
    """A check of two stripes."""
    return 0.8 * ((row < 0.5).double() + (column < 0.5).double()) - 0.8


RED = ((0.3, 0.25, 0.15), (0.35, -0.45, -0.6))
BRICKS = RegularTexture(((20.0, 20.0), (0.0, 40.0)), _bricks, RED, 0.5, 0.3)
"""The texture of the sample picture (tools/make_bricks.py)."""
TEXTURES = {
    "bricks": replace(BRICKS, vectors=((14.0, 16.0), (0.0, 32.0))),
    "tiles": RegularTexture(((24.0, 0.0), (0.0, 24.0)), _tiles, ((-0.6, -0.5, -0.4), (0.5, 0.7, 0.8))),
    "weave": RegularTexture(((18.0, 0.0), (0.0, 21.0)), _weave, ((-0.8, -0.7, -0.6), (0.6, 0.3, -0.2))),
    "dots": RegularTexture(((19.0, 5.5), (-4.0, 20.5)), _dots, ((-0.5, -0.6, 0.1), (0.8, 0.7, 0.2))),
    "scales": RegularTexture(((13.0, 11.0), (-13.0, 11.0)), _scales, ((-0.7, 0.0, -0.2), (0.3, 0.7, 0.4))),
    "checks": RegularTexture(((22.0, 0.0), (0.0, 17.0)), _checks, ((-0.7, -0.2, 0.2), (0.8, 0.8, 0.6))),
}
"""Textures of at most 128 pixels that hold several periods."""
