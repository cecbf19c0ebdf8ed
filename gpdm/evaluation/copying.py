"""Metrics of copying, from the source of every patch and its offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import Size, size_of
from ..patches.linear import patch_grid

PATCH_SIZE = 7
"""Side of the patches whose nearest reference patches are searched, in pixels."""
VERBATIM_DISTANCE = 2.5e-4
"""Mean squared difference, for values from 0 to 1, up to which a patch counts as identical: a root mean square of about
four of 255 grey levels."""


@dataclass(frozen=True)
class Sources:
    """The nearest reference patch of each patch of an image: its position and distance, (rows, columns) each."""

    reference: Tensor
    """Index of the reference, int64."""
    row: Tensor
    """Row of the patch's upper left corner in the reference, int64."""
    column: Tensor
    """Column of the patch's upper left corner in the reference, int64."""
    distance: Tensor
    """Mean squared difference to the source, for values from 0 to 1."""

    @classmethod
    def of(cls, index: Tensor, distance: Tensor, grid: Size, references: Sequence[Tensor], patch_size: int) -> Sources:
        """Returns the sources for indices of nearest patches in `all_patches` of the references.

        Arguments:
            index: Indices, (rows columns,), int64.
            distance: Mean squared differences, (rows columns,).
            grid: Rows and columns of the image's patch grid.
            references: Images, (1, C, h, w) each.
            patch_size: Side of the patches, in pixels.
        """
        grids = [patch_grid(size_of(x), patch_size, 1) for x in references]
        counts = torch.tensor([rows * columns for rows, columns in grids], device=index.device)
        ends = counts.cumsum(0)
        reference = torch.bucketize(index, ends, right=True)
        within = index - (ends - counts)[reference]
        widths = torch.tensor([columns for _, columns in grids], device=index.device)[reference]
        fields = (reference, within // widths, within % widths, distance)
        return cls(*(x.view(grid) for x in fields))

    def offsets(self) -> Tensor:
        """Returns for each patch the index of the reference, and the offset from its source, down and right, in pixels.

        The shape is (rows, columns, 3).
        """
        rows = torch.arange(self.row.shape[0], device=self.row.device)[:, None]
        columns = torch.arange(self.row.shape[1], device=self.row.device)
        return torch.stack([self.reference, rows - self.row, columns - self.column], dim=2)


def copied_fraction(sources: Sources) -> float:
    """Returns the fraction of patches with the same offset as all their neighbours; see `same_offset_as_neighbours`.

    It is 1 for a copy, also one that is shifted cyclically or cropped, and nearly 0 for an image assembled patch by
    patch. Patches that occur several times in the reference (of one flat colour, for example) may be attributed to any
    of these positions, and so do not count.
    """
    return float(same_offset_as_neighbours(sources).float().mean())


def same_offset_as_neighbours(sources: Sources) -> Tensor:
    """Returns whether each patch has the offset of its neighbours up, down, left and right: (rows, columns), bool."""
    down, right = _same_offset(sources.offsets())
    same = torch.ones_like(sources.reference, dtype=torch.bool)
    same[:-1] &= down
    same[1:] &= down
    same[:, :-1] &= right
    same[:, 1:] &= right
    return same


def largest_region(sources: Sources) -> float:
    """Returns the size of the largest verbatim region, as a fraction of all patches.

    A verbatim region is connected, and its patches have one offset and are identical to their sources
    (`VERBATIM_DISTANCE`).
    """
    identical = sources.distance <= VERBATIM_DISTANCE
    down, right = _same_offset(sources.offsets())
    down = down & identical[1:] & identical[:-1]
    right = right & identical[:, 1:] & identical[:, :-1]
    label = torch.arange(identical.numel(), device=identical.device).view(identical.shape)
    while True:
        before = label.clone()
        for near, far, joined in (
            (label[:-1], label[1:], down),
            (label[1:], label[:-1], down),
            (label[:, :-1], label[:, 1:], right),
            (label[:, 1:], label[:, :-1], right),
        ):
            far.copy_(torch.where(joined, torch.minimum(near, far), far))
        label = label.view(-1)[label.view(-1)].view(identical.shape)  # pointer jumping: path lengths are halved
        if torch.equal(before, label):
            break
    return float(torch.bincount(label[identical], minlength=1).max()) / identical.numel()


def _same_offset(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Returns whether patches have the same offset as the patch below, and as the patch to the right."""
    return (offsets[1:] == offsets[:-1]).all(2), (offsets[:, 1:] == offsets[:, :-1]).all(2)
