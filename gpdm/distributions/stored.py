"""Patch distributions as quantiles along fixed filters, at several scales."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

QUANTILES = 64
"""Number of quantiles of each filter."""
TAIL = 1e-3
"""Fraction of the patches at each end over which quantiles are spaced evenly."""
COMPANDING = 3.0
"""How much smaller the steps of a quantile are near the middle than at the ends: by the hyperbolic cosine of this."""
FILTERS_VERSION = 1
"""Version of `fixed_filters`. A file holds no filters, so that another version makes another distribution of it."""


@dataclass(frozen=True)
class PatchQuantiles:
    """Quantiles of the projections of all patches of one size, along `fixed_filters`."""

    steps: Tensor
    """Quantiles at `quantile_levels`, (K, QUANTILES), int8: from -127 at the lowest projection to 127 at the highest,
    with smaller steps near the middle (companding)."""
    ends: Tensor
    """Lowest, middle and highest projection, (K, 3), float16."""

    @classmethod
    def of(cls, quantiles: Tensor) -> PatchQuantiles:
        """Returns quantiles (K, QUANTILES), which do not decrease along a row, with 8 bits each."""
        ends = quantiles[:, [0, QUANTILES // 2, -1]].half()
        low, middle, high = ends.float().split(1, 1)
        distance = quantiles.float() - middle
        fraction = distance / torch.where(distance < 0, middle - low, high - middle).clamp(min=1e-12)
        steps = torch.asinh(fraction.clamp(-1, 1) * math.sinh(COMPANDING)) / COMPANDING * 127
        return cls(steps.round().to(torch.int8), ends)

    def __len__(self) -> int:
        return len(self.steps)

    def at(self, index: Tensor) -> Tensor:
        """Returns the quantiles of the filters with these indices, (k, QUANTILES), float32."""
        low, middle, high = self.ends[index].float().split(1, 1)
        fraction = torch.sinh(self.steps[index].float() / 127 * COMPANDING) / math.sinh(COMPANDING)
        return middle + fraction * torch.where(fraction < 0, middle - low, high - middle)


@dataclass(frozen=True)
class StoredLevel:
    """The patch distribution at one scale."""

    scale: float
    """Size relative to the full size of the pictures, at most 1."""
    quantiles: Mapping[int, PatchQuantiles]
    """Quantiles by the side of the patches, in pixels."""


@dataclass(frozen=True)
class PatchDistribution:
    """The patch distribution of one or several pictures, from which the pictures cannot be read.

    `losses.measure.patch_distribution` makes one. A `Reference` of it takes the place of one of the pictures wherever
    patch distributions are compared; what copies patches, such as the coherence term, needs pictures.
    """

    size: tuple[int, int]
    """Height and width of the first picture, in pixels."""
    channels: int
    pixels: int
    """Number of pixels of all pictures."""
    mean: tuple[float, ...]
    """Mean of each channel."""
    deviation: tuple[float, ...]
    """Standard deviation of each channel."""
    levels: tuple[StoredLevel, ...]
    """The scales, coarse to fine; the last is 1."""
    scale: float = 1.0
    """Current size relative to that of the pictures."""
    names: tuple[str, ...] = ()
    """What it was made from, if that was asked for."""

    def at(self, scale: float) -> PatchDistribution:
        """Returns the distribution of the pictures resized by `scale`."""
        return replace(self, scale=self.scale * scale)

    @property
    def scales(self) -> list[float]:
        """Returns the scales of the levels relative to the current size."""
        return [level.scale / self.scale for level in self.levels]

    @property
    def patch_sizes(self) -> list[int]:
        """Returns the sides of the patches whose distributions are stored, in pixels."""
        return sorted(self.levels[-1].quantiles)

    def quantiles(self, patch_size: int) -> PatchQuantiles:
        """Returns the quantiles for patches of this side, at the level whose scale is nearest to the current one."""
        level = min(self.levels, key=lambda each: abs(math.log(each.scale / self.scale)))
        return level.quantiles[patch_size]

    def stand_in(self, size: tuple[int, int]) -> Tensor:
        """Returns noise with the colours of the pictures, (1, C, H, W), float32, for what needs an image but not its
        patches. It is one row, repeated without a copy."""
        height, width = size
        noise = torch.randn(self.channels, width, generator=torch.Generator().manual_seed(0))
        mean, deviation = (torch.tensor(each)[:, None] for each in (self.mean, self.deviation))
        row = (mean + noise * deviation.clamp(min=1e-3)).clamp(-1, 1)
        return row[None, :, None].expand(1, self.channels, height, width)


def quantile_levels() -> Tensor:
    """Returns the fractions of the patches below each quantile, (QUANTILES,), from 0 to 1.

    They are spaced evenly in `_stretched`, so most densely at the ends: the tails of the distribution decide how sharp
    an output is.
    """
    end = _stretched(torch.ones((), dtype=torch.float64))
    return _fraction(torch.linspace(-1, 1, QUANTILES, dtype=torch.float64) * end).float()


def cdf_at(quantiles: Tensor, values: Tensor) -> Tensor:
    """Returns the CDF with some quantiles. Between them its value is linear in `_stretched`, which suits heavy tails.

    Arguments:
        quantiles: Quantiles at `quantile_levels`, (k, QUANTILES), which do not decrease along a row.
        values: Where the CDF is evaluated, (k, B).

    Returns:
        Values of the CDF, (k, B), from 0 to 1.
    """
    levels = _stretched(quantile_levels().to(quantiles))
    right = torch.searchsorted(quantiles.contiguous(), values.contiguous(), right=True)
    above = right.clamp(max=QUANTILES - 1)
    below = (above - 1).clamp(min=0)
    start, end = quantiles.gather(1, below), quantiles.gather(1, above)
    within = ((values - start) / (end - start).clamp(min=1e-12)).clamp(0, 1)
    cdf = _fraction(levels[below] + (levels[above] - levels[below]) * within)
    return torch.where(right == 0, 0.0, torch.where(right == QUANTILES, 1.0, cdf))


def _stretched(fraction: Tensor) -> Tensor:
    """Returns the logarithm of the odds of fractions from 0 to 1, which stays finite at both ends."""
    return torch.log((fraction + TAIL) / (1 - fraction + TAIL))


def _fraction(stretched: Tensor) -> Tensor:
    """Returns the fractions of `_stretched` values."""
    odds = torch.exp(stretched)
    return (((1 + TAIL) * odds - TAIL) / (1 + odds)).clamp(0, 1)


@functools.lru_cache(maxsize=8)
def fixed_filters(number: int, channels: int, patch_size: int) -> Tensor:
    """Returns the filters of saved distributions, (number, channels, patch_size, patch_size), of unit length.

    They are made from whole numbers, so that they are the same with every version of NumPy and PyTorch, up to rounding.
    The last half has mean zero in every channel (`patches.filters.sample_filters`), unless filters have one pixel.
    """
    raw = np.random.Philox(key=FILTERS_VERSION * 2**32 + channels * 2**16 + patch_size).random_raw(
        number * channels * patch_size**2
    )
    # The sum of four uniform numbers of 16 bits is nearly normal.
    parts = [(raw >> np.uint64(16 * i)) & np.uint64(0xFFFF) for i in range(4)]
    sums = np.sum(parts, axis=0).astype(np.int64) - 2 * 0xFFFF
    filters = torch.from_numpy(sums).double().view(number, channels, patch_size, patch_size)
    if patch_size > 1:
        detail = filters[number // 2 :]
        detail -= detail.mean((2, 3), keepdim=True)
    return (filters / filters.flatten(1).norm(dim=1)[:, None, None, None]).float()


def mixed_cdf(quantiles: Sequence[Tensor], weights: Sequence[float], values: Tensor) -> Tensor:
    """Returns the CDF of a mixture of distributions.

    Arguments:
        quantiles: Quantiles of each distribution, (k, QUANTILES).
        weights: Weight of each distribution.
        values: Where the CDF is evaluated, (k, B).
    """
    parts = [cdf_at(each, values) * (weight / sum(weights)) for each, weight in zip(quantiles, weights, strict=True)]
    return torch.stack(parts).sum(0)
