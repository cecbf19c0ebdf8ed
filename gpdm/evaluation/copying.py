"""Metrics of copying: the source of every patch, and the patches that have the same offset as their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import Size, size_of
from ..patches.linear import patch_grid

VERBATIM = 2.5e-4
"""Mean squared difference, for values from 0 to 1, up to which a patch counts as identical: a root mean square of about
four of 255 grey levels."""


@dataclass(frozen=True)
class Sources:
    """The sources of an image's patches: the positions of their nearest reference patches, (rows, columns) each."""

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
        """Returns the sources from the indices of nearest patches in `all_patches` of the references.

        Arguments:
            index: Indices, (rows columns,), int64.
            distance: Mean squared differences, of that shape.
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
        parts = (reference, within // widths, within % widths, distance)
        return cls(*(part.view(grid) for part in parts))

    def offsets(self) -> Tensor:
        """Returns the index of the reference, and the offset of each patch from its source, down and right: (rows,
        columns, 3)."""
        rows = torch.arange(self.row.shape[0], device=self.row.device)[:, None]
        columns = torch.arange(self.row.shape[1], device=self.row.device)
        return torch.stack([self.reference, rows - self.row, columns - self.column], dim=2)


def copied_share(sources: Sources) -> float:
    """Returns the fraction of patches that have `moved_as_one`.

    It is 1 for a copy, also one that is shifted cyclically or cropped, and nearly 0 for an image assembled patch by
    patch. Patches that occur several times in the reference (one flat colour, say) may be attributed to any of these,
    and so do not count.
    """
    return float(moved_as_one(sources).float().mean())


def moved_as_one(sources: Sources) -> Tensor:
    """Returns which patches have the same offset as all their neighbours up, down, left and right: (rows, columns),
    bool."""
    down, right = _together(sources.offsets())
    alike = torch.ones_like(sources.reference, dtype=torch.bool)
    alike[:-1] &= down
    alike[1:] &= down
    alike[:, :-1] &= right
    alike[:, 1:] &= right
    return alike


def largest_region(sources: Sources) -> float:
    """Returns the size of the largest verbatim region, as a fraction of all patches.

    It is connected, its patches have one offset and are identical to their sources (`VERBATIM`): what a person would
    call copied in one piece.
    """
    same = sources.distance <= VERBATIM
    down, right = _together(sources.offsets())
    down = down & same[1:] & same[:-1]
    right = right & same[:, 1:] & same[:, :-1]
    label = torch.arange(same.numel(), device=same.device).view(same.shape)
    while True:
        before = label.clone()
        for near, far, joined in (
            (label[:-1], label[1:], down),
            (label[1:], label[:-1], down),
            (label[:, :-1], label[:, 1:], right),
            (label[:, 1:], label[:, :-1], right),
        ):
            far.copy_(torch.where(joined, torch.minimum(near, far), far))
        label = label.view(-1)[label.view(-1)].view(same.shape)  # pointer jumping: path lengths are halved
        if torch.equal(before, label):
            break
    return float(torch.bincount(label[same], minlength=1).max()) / same.numel()


def _together(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Returns which patches have the offset of the patch below them, and which that of the patch to their right."""
    return (offsets[1:] == offsets[:-1]).all(2), (offsets[:, 1:] == offsets[:, :-1]).all(2)
