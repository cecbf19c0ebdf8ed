"""Votes: the nearest reference patches of an image, and their mean where they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import wrap_adjoint_
from ..canvas import Canvas


@dataclass(frozen=True)
class Votes:
    """The nearest reference patches of the patches of an image, and their overlapping mean."""

    image: Tensor
    """Mean of the nearest patches where they overlap, (1, C, H, W)."""
    distance: Tensor
    """Mean squared difference of the image's patches to their nearest patches, a scalar."""
    index: Tensor
    """Index of the nearest patch of each patch, among the reference patches of its region, (patches,), int64."""
    unchanged: bool
    """Whether all indices are those of the previous step."""


def vote(patches: Tensor, size: tuple[int, int], patch_size: int, border: str = "free") -> Tensor:
    """Returns the image in which each pixel is the mean of the patches that cover it.

    Arguments:
        patches: Patches, (n, C p^2), one for every position of the patch grid.
        size: Height and width of the image with the padding of `borders.wrap`.
        patch_size: Side of the patches, in pixels.
        border: One of `borders.BORDERS`.

    Returns:
        The image (1, C, H, W), without the padding.
    """
    counts = patches.new_ones(1, patch_size**2, len(patches))
    sums, covers = F.fold(patches.T[None], size, patch_size), F.fold(counts, size, patch_size)
    return wrap_adjoint_(sums, patch_size, border) / wrap_adjoint_(covers, patch_size, border)


def region_of_patches(canvases: Sequence[Canvas], patch_size: int, device: torch.device) -> Tensor:
    """Returns the index of the region with the largest weight on each patch of the output, int64, (rows, columns).

    Arguments:
        canvases: The canvas of each region, as `losses.base.by_region` returns them.
        patch_size: Side of the patches, in pixels.
        device: The device of the result.
    """
    if len(canvases) == 1:
        rows, columns = (pixels - patch_size + 1 for pixels in canvases[0].padded_size(patch_size))
        return torch.zeros(rows, columns, dtype=torch.int64, device=device)
    weights = [canvas.patch_weights(patch_size) for canvas in canvases]
    return torch.stack([weight for weight in weights if weight is not None]).argmax(0)
