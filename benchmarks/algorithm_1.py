"""Algorithm 1 as its authors write it: what speed and results are compared with."""

from __future__ import annotations

from collections.abc import Callable

import passive_threads  # noqa: F401
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

PATCH, FILTERS = 7, 64
Steps = Callable[[int], object]
"""Makes so many steps."""


def sample_filters(generator: Generator, channels: int = 3) -> Tensor:
    """Independent random filters of unit length, (K, C, p, p), sampled as the authors sample them."""
    w = torch.randn(FILTERS, channels * PATCH**2, generator=generator)
    return (w / w.norm(dim=1, keepdim=True)).reshape(FILTERS, channels, PATCH, PATCH)


def solve(reference: Tensor, image: Tensor, generator: Generator) -> Steps:
    """Steps that change `image` in place: fresh filters, two convolutions, two sorts, autograd, Adam with the authors' learning rate."""
    image.requires_grad_(True)
    adam = torch.optim.Adam([image], lr=0.01)

    def steps(number: int) -> None:
        for _ in range(number):
            w = sample_filters(generator, image.shape[1]).to(image.device)
            p, q = F.conv2d(reference, w)[0].flatten(1), F.conv2d(image, w)[0].flatten(1)
            loss = (p.sort(1).values - q.sort(1).values).abs().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()

    return steps
