"""Lattices of patches of one image: reading them, their neighbours, and adding patches where they overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..images import Size
from .store import PatchStore


@dataclass(frozen=True)
class Lattice:
    """Patches of one image at the crossings of some rows and columns, at all of them or at chosen ones."""

    rows: Tensor
    """Rows of the upper left corners, (R,), int64, ascending."""
    columns: Tensor
    """Columns of the upper left corners, (K,), int64, ascending."""
    index: Tensor
    """The chosen crossings, each the index of its row times K plus that of its column, (n,), int64, ascending."""

    @staticmethod
    def of(rows: Tensor, columns: Tensor, chosen: Tensor | None = None) -> Lattice:
        """Returns the lattice of these rows and columns.

        Arguments:
            rows, columns: (R,) and (K,), int64, ascending.
            chosen: Which crossings have a patch, bool, (R, K). None: all.
        """
        if chosen is None:
            return Lattice(rows, columns, torch.arange(len(rows) * len(columns), device=rows.device))
        return Lattice(rows, columns, chosen.flatten().nonzero()[:, 0])

    def __len__(self) -> int:
        """Returns the number of patches."""
        return len(self.index)

    @property
    def density(self) -> float:
        """Number of crossings per pixel."""
        return math.prod(len(line) / int(line[-1] - line[0] + 1) for line in (self.rows, self.columns))

    def corners(self, part: slice | Tensor = slice(None)) -> tuple[Tensor, Tensor]:
        """Returns row and column of the upper left corner of each patch, or of those of an index, (n,) each."""
        width = len(self.columns)
        return self.rows[self.index[part] // width], self.columns[self.index[part] % width]

    @cached_property
    def patch_at(self) -> Tensor:
        """The patch at each crossing, (R K,), int32; -1 where there is none."""
        numbers = torch.arange(len(self), device=self.index.device, dtype=torch.int32)
        nothing = numbers.new_full((len(self.rows) * len(self.columns),), -1)
        return nothing.index_copy_(0, self.index, numbers)

    def neighbours(self, rows: int, columns: int, part: slice) -> Tensor:
        """Returns the patch so many crossings further for a part of the patches, (n,); itself where there is none."""
        height, width = len(self.rows), len(self.columns)
        index = self.index[part]
        row, column = (index // width + rows).clamp(0, height - 1), (index % width + columns).clamp(0, width - 1)
        found = self.patch_at[row * width + column].long()
        return torch.where(found < 0, self.patch_at[index].long(), found)

    def strips(self, patch_size: int, max_patches: int) -> list[Strip]:
        """Splits the lattice into strips of rows with at most `max_patches` patches, but at least one row."""
        width = len(self.columns)
        step = max(max_patches // max(width, 1), 1)
        first_rows = list(range(0, len(self.rows), step))
        bounds = torch.tensor([*first_rows, len(self.rows)], device=self.index.device) * width
        ends, corners = torch.searchsorted(self.index, bounds).tolist(), self.rows.tolist()
        strips = []
        for number, start in enumerate(first_rows):
            part, rows = slice(ends[number], ends[number + 1]), slice(start, min(start + step, len(self.rows)))
            if part.start < part.stop:
                top, bottom = corners[rows.start], corners[rows.stop - 1] + patch_size
                lattice = Lattice(self.rows[rows] - top, self.columns, self.index[part] - start * width)
                strips.append(Strip(lattice, part, slice(top, bottom), patch_size))
        return strips


def spaced(number: int, spacing: int) -> Tensor:
    """Returns every so many of the first `number` whole numbers, and the last, ascending, int64."""
    return torch.cat([torch.arange(0, number - 1, spacing), torch.tensor([number - 1])])


@dataclass(frozen=True)
class Strip:
    """A few rows of a lattice, and the strip of the image that their patches cover."""

    lattice: Lattice
    """The patches, with rows that count from the top of the strip."""
    part: slice
    """Which patches of the whole lattice these are."""
    rows: slice
    """The rows of the image that they cover."""
    patch_size: int

    def read(self, image: Tensor) -> Tensor:
        """Returns the patches of an image (1, C, H, W), one per row: (n, p p C), as `PatchStore.read` does."""
        store = PatchStore([image[..., self.rows, :]], self.patch_size)
        row, column = self.lattice.corners()
        return store.read(row * store.width + column)

    def add(self, image: Tensor, patches: Tensor) -> None:
        """Adds patches to an image (1, C, H, W) where they overlap, in place: the adjoint of `read`.

        Arguments:
            image: The image.
            patches: One value for each element of the patches, (n, p, p, C).
        """
        lattice, side = self.lattice, self.patch_size
        size: Size = (self.rows.stop - self.rows.start, image.shape[3])
        grid = (len(lattice.rows), len(lattice.columns))
        if len(lattice) < grid[0] * grid[1]:
            all_patches = patches.new_zeros(grid[0] * grid[1], *patches.shape[1:])
            patches = all_patches.index_copy_(0, lattice.index, patches)
        patches = patches.unflatten(0, grid)
        # Rows and columns are distinct: each element is added to once, so that the result does not depend on an order.
        tall = patches.new_zeros(size[0], grid[1], side, patches.shape[4])
        for i in range(side):
            tall[lattice.rows + i] += patches[:, :, i]
        strip = patches.new_zeros(*size, patches.shape[4])
        for j in range(side):
            strip[:, lattice.columns + j] += tall[:, :, j]
        image[..., self.rows, :] += strip.permute(2, 0, 1)
