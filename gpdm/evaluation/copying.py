"""How much of a picture is copied: where every patch comes from, and what moves as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import Size, size_of
from ..patches.linear import patch_grid

VERBATIM = 2.5e-4
"""Mean squared difference, for values from 0 to 1, up to which a patch counts as the same: four grey levels of 255 in the mean."""


@dataclass(frozen=True)
class Sources:
    """Where the patches of a picture come from: the place of the nearest patch of the references."""

    reference: Tensor
    """(rows, columns), int64: in which reference."""
    row: Tensor
    """(rows, columns), int64: the row of its corner there."""
    column: Tensor
    """(rows, columns), int64: the column."""
    distance: Tensor
    """(rows, columns): mean squared difference to it, for values from 0 to 1."""

    @classmethod
    def of(cls, index: Tensor, distance: Tensor, grid: Size, references: Sequence[Tensor], patch_size: int) -> Sources:
        """From the indices of the nearest patches among all patches of all references, as `all_patches` numbers them."""
        grids = [patch_grid(size_of(x), patch_size, 1) for x in references]
        counts = torch.tensor([rows * columns for rows, columns in grids], device=index.device)
        ends = counts.cumsum(0)
        reference = torch.bucketize(index, ends, right=True)
        within = index - (ends - counts)[reference]
        widths = torch.tensor([columns for _, columns in grids], device=index.device)[reference]
        parts = (reference, within // widths, within % widths, distance)
        return cls(*(part.view(grid) for part in parts))

    def offsets(self) -> Tensor:
        """(rows, columns, 3): the reference, and how far each patch has moved from there, downwards and to the right."""
        rows = torch.arange(self.row.shape[0], device=self.row.device)[:, None]
        columns = torch.arange(self.row.shape[1], device=self.row.device)
        return torch.stack([self.reference, rows - self.row, columns - self.column], dim=2)


def copied_share(sources: Sources) -> float:
    """The share of patches that have `moved_as_one`: 1 for a copy, also one that is rolled or has been cropped; next to 0 for a
    picture pieced together patch by patch. Patches that the reference has more than once (one flat colour, say) may come from any
    of these places, and so do not count."""
    return float(moved_as_one(sources).float().mean())


def moved_as_one(sources: Sources) -> Tensor:
    """Whether each patch has moved exactly as all its neighbours above, below, left and right: (rows, columns), bool."""
    down, right = _together(sources.offsets())
    alike = torch.ones_like(sources.reference, dtype=torch.bool)
    alike[:-1] &= down
    alike[1:] &= down
    alike[:, :-1] &= right
    alike[:, 1:] &= right
    return alike


def largest_region(sources: Sources) -> float:
    """The largest connected region of patches that have moved as one and are the same as their sources (`VERBATIM`), as a share
    of the picture: what a person would call copied in one piece."""
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
        label = label.view(-1)[label.view(-1)].view(same.shape)  # the label of a label: long ways shrink by half
        if torch.equal(before, label):
            break
    return float(torch.bincount(label[same], minlength=1).max()) / same.numel()


def _together(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each patch has moved as the one below it, and as the one to its right."""
    return (offsets[1:] == offsets[:-1]).all(2), (offsets[:, 1:] == offsets[:, :-1]).all(2)
