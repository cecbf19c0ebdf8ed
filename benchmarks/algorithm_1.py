"""Algorithm 1 as its authors write it: fresh filters, two convolutions, two sorts, autograd and Adam at every step.

Elnekave and Weiss, Generating Natural Images with Direct Patch Distributions Matching, ECCV 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

import gpdm

PATCH_SIZE, FILTERS, LEARNING_RATE = 7, 64, 0.01
Steps = Callable[[int], object]
"""Makes the given number of optimisation steps."""


def sample_filters(generator: Generator, channels: int = 3) -> Tensor:
    """Returns independent random filters of unit length, (K, C, p, p), sampled as the authors sample them."""
    filters = torch.randn(FILTERS, channels * PATCH_SIZE**2, generator=generator)
    return (filters / filters.norm(dim=1, keepdim=True)).reshape(FILTERS, channels, PATCH_SIZE, PATCH_SIZE)


def optimize(reference: Tensor, image: Tensor, generator: Generator) -> Steps:
    """Returns the steps of one level, which change `image` (1, C, H, W) in place."""
    image.requires_grad_(True)
    adam = torch.optim.Adam([image], lr=LEARNING_RATE)

    def steps(number: int) -> None:
        for _ in range(number):
            filters = sample_filters(generator, image.shape[1]).to(image.device)
            p, q = F.conv2d(reference, filters)[0].flatten(1), F.conv2d(image, filters)[0].flatten(1)
            loss = (p.sort(1).values - q.sort(1).values).abs().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()

    return steps


def synthesize(reference: Tensor, levels: Sequence[gpdm.Level], seed: int, steps: int, noise_sigma: float) -> Tensor:
    """Returns an image, optimized at each level from coarse to fine.

    Arguments:
        reference: (1, C, H, W) in [-1, 1].
        levels: Sizes of reference and image at each level.
        seed: Seed of the initial noise and of the filters.
        steps: Number of steps at each level.
        noise_sigma: Standard deviation of the initial noise.
    """
    generator = Generator().manual_seed(seed)
    image = noise_sigma * torch.randn(1, reference.shape[1], *levels[0].size, generator=generator)
    for level in levels:
        x = F.interpolate(reference, size=level.reference_sizes[0], mode="bilinear", antialias=True)
        image = F.interpolate(image, size=level.size, mode="bilinear", antialias=True)
        optimize(x, image, generator)(steps)
        image = image.detach().clamp(-1, 1)
    return image
