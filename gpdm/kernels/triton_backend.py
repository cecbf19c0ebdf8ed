"""The backend with Triton kernels. The one in plain PyTorch is in torch_backend.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import size_of
from ..patches.linear import FilterBank, patch_count
from ..transport.binned import WEIGHT_UNIT, Bins, bin_range, cumulative
from .backend import OutputPatches, ReferencePatches
from .triton_compare import compare
from .triton_count import project_and_count
from .triton_gradient import backproject

RANGE_PATCHES = 4096
"""Number of patches from which the range of the bins is found."""


@dataclass(frozen=True)
class TritonProjectedReference:
    """A set of filters with the reference's CDFs, for `TritonBackend`. It has K filters in all sizes together."""

    filters: tuple[Tensor, ...]
    """The filters of each patch size, (k, C, p, p)."""
    bins: tuple[Bins, ...]
    """The bins of these filters, for each size."""
    width: Tensor
    """Width of the bins, (K,)."""
    cdf_p: Tensor
    """F_P at the bin centres, (K, B)."""


class TritonBackend:
    """The computations of a step: one kernel that counts and one for the gradient for each patch size, and one between.

    Results have the same bits in every run on one device: counts are whole numbers, and the sums of the gradient have a
    fixed order.
    """

    def project(
        self, patches: Sequence[Sequence[ReferencePatches]], banks: Sequence[FilterBank], bins: int
    ) -> list[TritonProjectedReference]:
        """See `Backend.project`. The range of the bins is found from a subsample."""
        sets, filters, grids, parts = banks[0].sets, [], [], []
        for size_patches, bank in zip(patches, banks, strict=True):
            ends = [_range(each, bank) for each in size_patches]
            low, high = torch.stack([x for x, _ in ends]).amin(0), torch.stack([x for _, x in ends]).amax(0)
            grids.append(bin_range(low, high, bins))
            filters.append(bank.filters())
            counts = sum(
                project_and_count(each.image, filters[-1], grids[-1], each.stride, each.weights)
                for each in size_patches
            )
            assert isinstance(counts, Tensor)
            parts.append(counts.view(sets, -1, bins))
        return _assembled(filters, grids, cumulative(torch.cat(parts, 1), grids[0].width.dtype))

    def from_cdfs(self, banks: Sequence[FilterBank], bins: Sequence[Bins], cdf_p: Tensor) -> TritonProjectedReference:
        """See `Backend.from_cdfs`."""
        return _assembled([bank.filters() for bank in banks], bins, cdf_p[None])[0]

    def evaluate(
        self,
        patches: Sequence[OutputPatches],
        reference: TritonProjectedReference,
        distance: str,
        stride: int,
        factors: Tensor,
    ) -> Tensor:
        """See `Backend.evaluate`."""
        counts = []
        for each, filters, bins in zip(patches, reference.filters, reference.bins, strict=True):
            counted, pixel_stride = each.subsample.apply(each.image, stride)
            counts.append(project_and_count(counted, filters, bins, pixel_stride, each.weights))
        value, gradients = compare(reference.cdf_p, torch.cat(counts), reference.width, distance)
        parts = (gradients * factors[:, None]).split([len(filters) for filters in reference.filters])
        for each, filters, bins, part in zip(patches, reference.filters, reference.bins, parts, strict=True):
            factor = None if each.weights is None else (each.weights / WEIGHT_UNIT).to(part)
            each.into.add_(backproject(each.image, filters, bins, part, (stride, stride), factor))
        return value


def _assembled(filters: Sequence[Tensor], grids: Sequence[Bins], cdf_p: Tensor) -> list[TritonProjectedReference]:
    """Returns several sets of filters with CDFs (sets, K, B); filters and bins are those of all sets, for each size."""
    sets = len(cdf_p)
    width = torch.cat([grid.width.view(sets, -1) for grid in grids], 1)
    bins = [
        [
            Bins(low, size_width, grid.number)
            for low, size_width in zip(grid.low.chunk(sets), grid.width.chunk(sets), strict=True)
        ]
        for grid in grids
    ]
    return [
        TritonProjectedReference(*each)
        for each in zip(
            zip(*(each.chunk(sets) for each in filters), strict=True),
            zip(*bins, strict=True),
            width,
            cdf_p,
            strict=True,
        )
    ]


def _range(patches: ReferencePatches, bank: FilterBank) -> tuple[Tensor, Tensor]:
    """Returns the lowest and the highest projection onto each filter, (K,) each, over a few thousand patches.

    A margin of 1/16 of the range is added at both ends, for the patches that are left out.
    """
    number = patch_count(size_of(patches.image), bank.patch_size, 1) // math.prod(patches.stride)
    more = max(1, math.isqrt(number // RANGE_PATCHES))
    down, right = (step * more for step in patches.stride)
    low, high = bank.project(patches.image, (down, right)).flatten(0, 1).aminmax(dim=0)
    margin = (high - low) / 16
    return low - margin, high + margin
