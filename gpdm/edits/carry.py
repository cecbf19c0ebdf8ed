"""Matches of the patches of an image that are carried to a larger copy of it."""

from __future__ import annotations

import torch
from torch import Tensor

from ..patches.lattice import Lattice
from ..patches.store import PatchStore


def split_index(index: Tensor, store: PatchStore) -> tuple[Tensor, Tensor, Tensor]:
    """Returns number of the reference, row and column in it of pixels of stacked references, from their indices."""
    row, column = index.div(store.width, rounding_mode="floor"), index % store.width
    lengths = torch.tensor([height for height, _ in store.sizes], device=index.device)
    ends = lengths.cumsum(0)
    number = torch.searchsorted(ends, row.contiguous(), right=True).clamp(max=len(lengths) - 1)
    return number, row - (ends - lengths)[number], column


def joined_index(number: Tensor, row: Tensor, column: Tensor, store: PatchStore) -> Tensor:
    """Returns the indices of pixels of stacked references, from number of the reference, row and column in it."""
    lengths = torch.tensor([height for height, _ in store.sizes], device=number.device)
    return ((lengths.cumsum(0) - lengths)[number] + row) * store.width + column


def carried_matches(
    coarse: Lattice,
    coarse_store: PatchStore,
    first: Tensor,
    fine: Lattice,
    fine_store: PatchStore,
    ratio: tuple[float, float],
) -> tuple[Tensor, Tensor]:
    """Returns matches of the patches of an image from those of a smaller copy, so that pieces keep their shape.

    Each patch takes the match of the nearest patch of the smaller copy, at the same distance from it, enlarged.

    Arguments:
        coarse, coarse_store: Patches of the smaller copy, and those of its references.
        first: The matches of the former, indices for `PatchStore.read`, (m,).
        fine, fine_store: Patches of the image, and those of its references.
        ratio: Height and width of the image over those of the smaller copy.

    Returns:
        Indices for `PatchStore.read`, (n,); and which of them exist and may be used, bool, (n,).
    """
    row, column = fine.corners()
    if not len(coarse):
        return torch.zeros_like(row), torch.zeros_like(row, dtype=torch.bool)
    near_row, near_column = (
        _nearest(lines, (place / factor).round().long())
        for lines, place, factor in zip(
            (coarse.rows, coarse.columns), (row.double(), column.double()), ratio, strict=True
        )
    )
    patch = coarse.patch_at[near_row * len(coarse.columns) + near_column].long()
    exists, patch = patch >= 0, patch.clamp(min=0)
    coarse_row, coarse_column = coarse.corners(patch)
    number, match_row, match_column = split_index(first[patch], coarse_store)
    sizes = torch.tensor(fine_store.sizes, device=row.device)[number] - fine_store.patch_size
    match_row = row + ((match_row - coarse_row) * ratio[0]).round().long()
    match_column = column + ((match_column - coarse_column) * ratio[1]).round().long()
    match_row = torch.minimum(match_row.clamp(min=0), sizes[:, 0])
    match_column = torch.minimum(match_column.clamp(min=0), sizes[:, 1])
    index = joined_index(number, match_row, match_column, fine_store)
    return index, exists & fine_store.is_allowed(index)


def _nearest(lines: Tensor, values: Tensor) -> Tensor:
    """Returns the positions in ascending whole numbers of those nearest to some values."""
    after = torch.searchsorted(lines, values.contiguous()).clamp(max=len(lines) - 1)
    before = (after - 1).clamp(min=0)
    return torch.where((lines[before] - values).abs() < (lines[after] - values).abs(), before, after)
