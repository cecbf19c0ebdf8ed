"""Measuring the patch distribution of pictures, as data that can be saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..distributions.stored import (
    QUANTILES,
    PatchDistribution,
    PatchQuantiles,
    StoredLevel,
    fixed_filters,
    quantile_levels,
)
from ..errors import ImageError
from ..images import channel_moments, channels_last, size_of
from ..kernels.torch_backend import TorchBackend, TorchProjectedReference
from ..kernels.workspace import Workspace
from ..options import Options, option
from ..patches.linear import FilterBank
from ..pyramid import PyramidSchedule
from ..references import Images, Reference, as_references, check_pictures, sizes_of
from .reference_cdfs import PatchSampler

COARSE_DIM, COARSEST = 28, 21
"""Shorter side of the smallest picture, in pixels, at the coarsest level of most tasks, and at that of the others."""
COUNTED_PATCHES = 2**17
"""Approximate number of patches that are counted at a level, of all pictures together."""
MIN_DEVIATION = 1e-3
"""Standard deviation of a channel below which it has one value."""
JOINT_FILTERS = 64
"""Filters along which patches are projected at a time."""
BINS = 4096
"""Bins of a direction, from which quantiles are interpolated."""


@dataclass(frozen=True, kw_only=True)
class DistributionOptions(Options):
    """Settings of a saved patch distribution."""

    patch_size: int = option(
        7,
        "Side of the largest patches whose distribution is stored, in pixels; patches of 1 and 3 pixels are stored as "
        "well. It is the only value of patch_size at which a loss can use the file.",
        ge=3,
        le=31,
        advanced=True,
    )

    @property
    def numbers(self) -> dict[int, int]:
        """Returns the number of filters by the side of the patches."""
        return {1: 128, 3: 512, self.patch_size: 2048}


def patch_distribution(
    reference: Images, options: DistributionOptions | None = None, names: Sequence[str] = ()
) -> PatchDistribution:
    """Returns the patch distribution of pictures, at the scales that tasks use.

    Arguments:
        reference: Images (B, C, h, w) in [-1, 1], `Reference`s with weights or maps of weights, or a list of either.
        options: What is stored.
        names: What the pictures are, to be saved with them; by default nothing is.

    Raises:
        ImageError: A picture cannot be used or is smaller than a patch, or all have one colour.
        OptionError: A reference is itself a saved distribution, or no patch has a weight above 0.
    """
    options = options or DistributionOptions()
    references = as_references(reference)
    check_pictures(references, "its distribution is saved already")
    smallest = min(min(size) for size in sizes_of(references))
    if smallest < options.patch_size:
        raise ImageError(
            f"a patch of {options.patch_size} pixels does not fit a picture whose shorter side is {smallest}; give larger "
            "pictures"
        )
    like = references[0].image
    mean, deviation = channel_moments([(x.image, x.map()) for x in references])
    if float(deviation.max()) < MIN_DEVIATION:
        raise ImageError("the pictures have one colour everywhere, so there is no distribution to save; give others")
    coarse = min(COARSEST / smallest, 1.0)
    levels = PyramidSchedule(coarse_dim=COARSE_DIM).levels(sizes_of(references), size_of(like), options.patch_size)
    scales = sorted({coarse, *(level.scale for level in levels)})
    with torch.no_grad():
        return PatchDistribution(
            size=size_of(like),
            channels=like.shape[1],
            pixels=sum(height * width for height, width in sizes_of(references)),
            mean=tuple(mean.flatten().tolist()),
            deviation=tuple(deviation.flatten().tolist()),
            levels=tuple(_level([x.at(scale) for x in references], scale, options) for scale in scales),
            names=tuple(names),
        )


def _level(references: Sequence[Reference], scale: float, options: DistributionOptions) -> StoredLevel:
    """Returns the distribution of references that are resized by `scale`."""
    return StoredLevel(scale, {size: _quantiles(references, size, number) for size, number in options.numbers.items()})


def _quantiles(references: Sequence[Reference], patch_size: int, number: int) -> PatchQuantiles:
    """Returns the quantiles of the patches of one size along a number of fixed filters."""
    like = channels_last(references[0].image)
    sampler = PatchSampler(references, patch_size, COUNTED_PATCHES)
    patches = sampler.sample(Generator().manual_seed(0))
    backend = TorchBackend(Workspace(like.device, 0), sampler.counted)
    parts = []
    for filters in fixed_filters(number, like.shape[1], patch_size).split(JOINT_FILTERS):
        (projected,) = backend.project([patches], [FilterBank.of(filters).to(like)], BINS)
        parts.append(_inverted(projected).cpu())
    return PatchQuantiles.of(torch.cat(parts))


def _inverted(projected: TorchProjectedReference) -> Tensor:
    """Returns the quantiles of CDFs on bins, (K, QUANTILES), float64."""
    cdf, width = projected.cdf_p.double().contiguous(), projected.width.double()[:, None]
    bins, half = cdf.shape[1], QUANTILES // 2
    levels = quantile_levels().to(cdf).expand(len(cdf), -1).minimum(cdf[:, -1:])
    # Where the CDF is constant, the lower quantiles are at its end and the upper ones at its start.
    lower, upper = (x.contiguous() for x in levels.split(half, 1))
    right = torch.cat([torch.searchsorted(cdf, lower, right=True), torch.searchsorted(cdf, upper)], 1)
    right = right.clamp(1, bins - 1)
    above, below = cdf.gather(1, right), cdf.gather(1, right - 1)
    position = right - 0.5 + ((levels - below) / (above - below).clamp(min=1e-12)).clamp(0, 1)
    start = torch.arange(len(cdf), device=cdf.device)[:, None] * bins
    low = (start - projected.offsets[0].double()[:, None]) * width
    return low + position * width
