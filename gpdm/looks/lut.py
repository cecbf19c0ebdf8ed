"""Tables of colours (3-D LUTs): fitting one to changes of colours, and applying it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import row_strips

SIDE = 33
"""Number of colours along each axis of a table that is fitted."""
SMOOTHNESS = 3e-5
"""Weight of differences between neighbouring colours of a fitted table, relative to the weight of all pixels."""
ROUNDS = 60
"""Rounds of diffusion of a fitted table."""
STRIP = 2**21
"""Values of a strip of a picture to which a table is applied at once."""


@dataclass(frozen=True)
class Lut:
    """A colour for each colour of a grid, from 0 to 1 for red, green and blue; between them it is interpolated."""

    table: Tensor
    """Colours, (N, N, N, 3), float32; the axes are blue, green and red, as in a .cube file."""
    low: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Colour at the first entry of each axis, red, green and blue. Colours below it become that of the first entry."""
    high: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Colour at the last entry of each axis."""
    title: str = ""

    @classmethod
    def identity(cls, side: int = SIDE) -> Lut:
        """Returns the table that changes nothing, with `side` colours along each axis."""
        blue, green, red = torch.meshgrid(*[torch.linspace(0, 1, side)] * 3, indexing="ij")
        return cls(torch.stack([red, green, blue], -1))

    @property
    def is_grey(self) -> bool:
        """True if grey stays grey."""
        greys = torch.linspace(-1, 1, 256).expand(1, 3, 1, -1)
        mapped = self.apply(greys)
        return bool((mapped.amax(1) - mapped.amin(1) < 1e-4).all())

    def apply(self, images: Tensor) -> Tensor:
        """Returns pictures (B, C, H, W) in [-1, 1] with other colours, with C 3; or 1, for a table that `is_grey`.

        The result has the type and the device of the pictures. Values of the table outside 0 to 1 are clamped.
        """
        table = self.table.to(images.device).reshape(-1, 3)
        result = []
        for image in images.float().split(1):
            rows = [self._strip(image[:, :, rows], table) for rows in row_strips(image, STRIP)]
            result.append(torch.cat(rows, 2))
        return torch.cat(result).to(images.dtype)

    def blended(self, strength: float) -> Lut:
        """Returns the table that changes colours by this fraction, from 0 to 1."""
        return self if strength == 1 else replace(self, table=torch.lerp(self._own_colours(), self.table, strength))

    def _own_colours(self) -> Tensor:
        """Returns the colours that the entries stand for, (N, N, N, 3)."""
        like = self.table
        low, high = like.new_tensor(self.low), like.new_tensor(self.high)
        return low + (high - low) * Lut.identity(len(like)).table.to(like)

    def _strip(self, image: Tensor, table: Tensor) -> Tensor:
        low, high = (image.new_tensor(end)[:, None, None] for end in (self.low, self.high))
        colours = (((image + 1) / 2 - low) / (high - low)).expand(-1, 3, -1, -1)
        total = torch.zeros_like(colours.permute(0, 2, 3, 1))
        for index, weight in corners(colours.permute(0, 2, 3, 1), len(self.table)):
            total = total + weight * table[index]
        mapped = total.permute(0, 3, 1, 2).clamp(0, 1) * 2 - 1
        return mapped[:, : image.shape[1]]


def corners(colours: Tensor, side: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the eight entries around each colour: their index in the table, (...), and their weight, (..., 1).

    Arguments:
        colours: Colours, (..., 3); 0 is the first entry of an axis and 1 the last, and what is outside is clamped.
        side: Number of entries along each axis.
    """
    place = colours.clamp(0, 1) * (side - 1)
    first = place.floor().clamp(max=side - 2)
    part, first = place - first, first.long()
    strides = torch.tensor([1, side, side * side], device=colours.device)
    for number in range(8):
        step = torch.tensor([number & 1, number >> 1 & 1, number >> 2], device=colours.device)
        weight = torch.where(step > 0, part, 1 - part).prod(-1, keepdim=True)
        yield ((first + step) * strides).sum(-1), weight


def fitted_changes(colours: Tensor, changes: Tensor, weight: Tensor) -> Tensor:
    """Returns a change of colours for each entry of a table, (N, N, N, 3), smooth where no colour says more.

    It minimises the weighted squared difference to the changes of the colours, plus that of neighbouring entries.

    Arguments:
        colours: Colours, (P, 3) from 0 to 1.
        changes: What is added to each, (P, 3).
        weight: How much each counts, (P, 1), not negative.
    """
    totals, weights = colours.new_zeros(SIDE**3, 3), colours.new_zeros(SIDE**3, 1)
    for index, share in corners(colours, SIDE):
        totals.index_add_(0, index, share * weight * changes)
        weights.index_add_(0, index, share * weight)
    totals, weights = (x.T.reshape(1, -1, SIDE, SIDE, SIDE) for x in (totals, weights))
    stiffness = SMOOTHNESS * float(weight.sum())
    change, neighbours = _pulled(totals, weights), _neighbour_sum(torch.ones_like(weights))
    for _ in range(ROUNDS):
        change = (totals + stiffness * _neighbour_sum(change)) / (weights + stiffness * neighbours)
    return change[0].permute(1, 2, 3, 0)


def _pulled(totals: Tensor, weights: Tensor) -> Tensor:
    """Returns totals divided by weights, (1, C, N, N, N); entries without weight have the value of a coarser table."""
    side = totals.shape[-1]
    if side == 1:
        return totals / weights
    half = (-(-side // 2),) * 3
    coarse = _pulled(*(F.interpolate(x, half, mode="area") for x in (totals, weights)))
    spread = F.interpolate(coarse, (side,) * 3, mode="trilinear", align_corners=True)
    least = 1e-3 * weights.mean()
    return (totals + least * spread) / (weights + least)


def _neighbour_sum(values: Tensor) -> Tensor:
    """Returns the sum of the six neighbours of each entry, (1, C, N, N, N); those beyond the border are 0."""
    total = torch.zeros_like(values)
    for axis in (2, 3, 4):
        length = values.shape[axis] - 1
        total.narrow(axis, 1, length).add_(values.narrow(axis, 0, length))
        total.narrow(axis, 0, length).add_(values.narrow(axis, 1, length))
    return total
