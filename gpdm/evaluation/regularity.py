"""The regularity of a texture: how far its lattice continues."""

from __future__ import annotations

import torch
from torch import Tensor

from ..images import size_of
from ..patches.periods import Periods, autocorrelation, correlation_near

REACH = 3
"""Number of periods in each direction over which the lattice is followed."""


def regularity(reference: Tensor, image: Tensor, periods: Periods) -> float:
    """Returns the regularity of an image relative to that of the reference: 1 if its lattice continues as far.

    It is the ratio of the mean autocorrelations at whole combinations of the periods, up to `REACH` of each, that are
    shorter than half of both images. Each is the highest within one pixel.

    Arguments:
        reference: The regular texture, (1, C, h, w).
        image: (1, C, H, W).
        periods: The periods of the reference.
    """
    numbers = torch.cartesian_prod(*[torch.arange(-REACH, REACH + 1)] * 2).double()
    shifts = numbers[numbers.abs().sum(1) > 0] @ periods.vectors
    half = torch.tensor([min(a, b) // 2 for a, b in zip(size_of(reference), size_of(image), strict=True)]) - 1
    shifts = shifts[(shifts.abs() < half).all(1)]
    means = [correlation_near(autocorrelation(x, torch.ones_like(x[:, :1])), shifts).mean() for x in (image, reference)]
    return float(means[0] / means[1])
