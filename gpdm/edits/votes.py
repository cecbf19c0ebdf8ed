"""Votes of the matches of a hole's patches: the pixels of the hole from the reference patches that cover them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..images import size_of
from ..patches.lattice import Lattice
from ..patches.store import PatchStore


def weighted_mean(image: Tensor, lattice: Lattice, store: PatchStore, first: Tensor, weight: Tensor) -> Tensor:
    """Returns an image in which each pixel that patches cover is the weighted mean of their matches.

    Arguments:
        image: Image, (1, C, H, W). Pixels that no patch covers keep its values.
        lattice: The patches.
        store: The patches of the references.
        first: The match of each patch, (n,).
        weight: The weight of each patch, (n,), positive.
    """
    side = store.patch_size
    # Weights fall by many orders of magnitude with the depth.
    sums = torch.zeros_like(image, dtype=torch.float64, memory_format=torch.contiguous_format)
    total = torch.zeros_like(sums[:, :1])
    for strip in lattice.strips(side, 2**15):
        factors = weight[strip.part].double()[:, None, None, None]
        patches = store.read(first[strip.part]).view(-1, side, side, image.shape[1])
        strip.add(sums, patches * factors)
        strip.add(total, factors.expand(-1, side, side, 1))
    return torch.where(total > 0, (sums / total.clamp(min=1e-300)).to(image), image)


def best_patch(lattice: Lattice, store: PatchStore, first: Tensor, weight: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns the index of each pixel of an image of `size` in the match of the best patch that covers it.

    The best patch is that of the largest weight.

    Arguments:
        lattice: The patches, at all rows and columns of their part of the image.
        store: The patches of the references.
        first: The match of each patch, (n,).
        weight: The weight of each patch, (n,), positive.
        size: Height and width of the image.

    Returns:
        Indices of pixels in the stacked references, (H, W), int64; -1 where no patch covers a pixel.
    """
    row, column = lattice.corners()
    best, index = weight.new_zeros(size), first.new_full(size, -1)
    weights, matches = weight.new_zeros(size), first.new_full(size, -1)
    weights[row, column], matches[row, column] = weight, first
    side, (height, width) = store.patch_size, size
    for i in range(side):
        for j in range(side):
            # The pixel i rows and j columns inside the patch.
            part = (slice(i, height), slice(j, width))
            other, match = weights[: height - i, : width - j], matches[: height - i, : width - j]
            better = other > best[part]
            best[part] = torch.where(better, other, best[part])
            index[part] = torch.where(better, match + i * store.width + j, index[part])
    return index


def copied(image: Tensor, store: PatchStore, index: Tensor) -> Tensor:
    """Returns an image (1, C, H, W) with the pixels at these indices of the references; where they are -1, its own."""
    flat = store.pixels.index_select(0, index.clamp(min=0).flatten())
    values = flat.view(*size_of(image), -1).permute(2, 0, 1)[None]
    return torch.where(index >= 0, values, image)
