"""Random blocks of a regular texture, put together so that its lattice continues."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..images import Size, size_of
from .periods import Periods

CANDIDATES = 6
"""Number of random blocks of which the one that fits its neighbours best is used."""
TRIES = 20
"""Number of random positions tried for one block; of a texture with few periods many lie outside."""
UNKNOWN_COST = 10.0
"""Cost of a block of unknown pixels, in squared differences of values from -1 to 1."""
OVERLAP = 0.25
"""Overlap of neighbouring blocks, relative to their side."""


@dataclass(frozen=True)
class Area:
    """The picture that blocks cover."""

    size: Size
    wraps: tuple[bool, bool] = (False, False)
    """Whether it tiles vertically, and horizontally."""
    shift: Size = (0, 0)
    """By how much the tile to the right is moved down, and the tile below is moved right, in pixels."""

    @property
    def tiles(self) -> Tensor:
        """Rows and columns to the tile below, and to the tile to the right, float64, (2, 2)."""
        (height, width), (down, right) = self.size, self.shift
        return torch.tensor([[height, right], [down, width]], dtype=torch.float64)

    def starts(self, axis: int, side: int) -> list[int]:
        """Returns the first pixels of blocks that cover an axis with overlaps."""
        length, step = self.size[axis], max(round(side * (1 - OVERLAP)), 1)
        if self.wraps[axis]:
            number = max(math.ceil(length / step), 1)
            return [round(i * length / number) for i in range(number)]
        return list(range(0, max(length - (side - step), 1), step))

    def pixels(self, row: int, column: int, side: int) -> tuple[Tensor, Tensor]:
        """Returns the pixels that a block covers, int64, and which part of the block that is, bool, (side, side)."""
        (height, width), (down, right) = self.size, self.shift
        offsets = torch.arange(side)
        rows, columns = (row + offsets)[:, None].expand(side, side), (column + offsets).expand(side, side)
        is_inside = (offsets < height)[:, None] & (offsets < width)
        if self.wraps[1]:
            rows, columns = rows - columns // width * down, columns % width
        if self.wraps[0]:
            rows, columns = rows % height, columns - rows // height * right
            columns = columns % width if right else columns
        is_inside = is_inside & (rows < height) & (columns < width)
        return (rows * width + columns)[is_inside], is_inside


def aligned_blocks(
    image: Tensor, periods: Periods, area: Area, generator: Generator, known: Tensor | None = None
) -> Tensor:
    """Returns a picture made of random blocks of a regular texture, whose lattice continues from block to block.

    A block is some periods wide. It comes from any position that is a whole number of periods away from its own, and of
    `CANDIDATES` such positions from the one that fits best what is there already. Overlaps are faded. Where the picture
    tiles, the lattice is stretched a little to close.

    Arguments:
        image: The texture, (1, C, h, w).
        periods: Its periods.
        area: The picture.
        generator: A CPU generator for the positions.
        known: 0 for pixels of the texture that should not be used, (1, 1, h, w). None: all are used.

    Returns:
        (1, C, H, W).
    """
    side = _block_side(size_of(image), periods)
    to_periods = periods.closing(area.tiles, area.wraps).vectors.inverse()
    texture = image[0] if known is None else torch.cat([image[0], known[0].to(image)])
    fade, pixels = _fade(side).to(image), math.prod(area.size)
    total, weights = image.new_zeros(image.shape[1], pixels), image.new_zeros(1, pixels)
    for row, column in itertools.product(area.starts(0, side), area.starts(1, side)):
        at = torch.tensor([row, column], dtype=torch.float64) @ to_periods
        index, is_inside = (each.to(image.device) for each in area.pixels(row, column, side))
        positions = [_position(size_of(image), side, at, periods, generator) for _ in range(CANDIDATES)]
        blocks = [texture[:, top : top + side, left : left + side][:, is_inside] for top, left in positions]
        there, covered = total[:, index] / weights[:, index].clamp(min=1e-6), weights[:, index] > 0
        misfits = [_misfit(block, there, covered) for block in blocks]
        best = blocks[misfits.index(min(misfits))]
        total[:, index] += fade[is_inside] * best[: len(total)]
        weights[:, index] += fade[is_inside]
    return (total / weights).view(1, -1, *area.size)


def _misfit(block: Tensor, there: Tensor, is_there: Tensor) -> float:
    """Returns how badly a block fits.

    Arguments:
        block: Its pixels, (C, n), or with a mask of known pixels (C + 1, n).
        there: What is there already, (C, n).
        is_there: Where something is, (1, n).
    """
    channels = len(there)
    unknown = float((block[channels:] == 0).float().mean()) if len(block) > channels else 0.0
    return float(((block[:channels] - there).square() * is_there).mean()) + UNKNOWN_COST * unknown


def _block_side(size: Size, periods: Periods) -> int:
    """Returns the side of the blocks, in pixels: two of the longer periods or a quarter of the texture.

    It is less where the texture would not contain a block for each position of its lattice.
    """
    longest, smaller = float(periods.vectors[1].norm()), min(size)
    extent = float(periods.vectors.abs().sum(0).max())
    return max(min(math.ceil(max(2 * longest, smaller / 4)), math.floor(smaller - extent)), math.ceil(smaller / 6), 4)


def _fade(side: int) -> Tensor:
    """Returns the weight of each pixel of a block, which falls towards its edges, (side, side)."""
    ramp = (torch.arange(side) + 0.5) / max(side * OVERLAP, 1)
    line = torch.minimum(ramp, ramp.flip(0)).clamp(max=1)
    return line[:, None] * line


def _position(size: Size, side: int, at: Tensor, periods: Periods, generator: Generator) -> tuple[int, int]:
    """Returns row and column of a random block of the texture at one position of its lattice.

    Arguments:
        size: Height and width of the texture.
        side: Side of the block.
        at: The position, in periods, (2,).
        periods: The periods.
        generator: A CPU generator.
    """
    room = torch.tensor([length - side for length in size], dtype=torch.float64)
    position = room / 2
    for _ in range(TRIES):
        wanted = torch.rand(2, generator=generator, dtype=torch.float64) * room
        numbers = (wanted @ periods.vectors.inverse() - at).round()
        position = ((at + numbers) @ periods.vectors).round()
        if bool(((position >= 0) & (position <= room)).all()):
            break
    position = torch.minimum(position.clamp(min=0), room)
    return int(position[0]), int(position[1])
