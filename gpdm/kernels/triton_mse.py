"""The weighted squared difference of the coherence term and its gradient, in one kernel."""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

MSE_BLOCK = 1024
"""Pixels that a program processes."""


@triton.jit
def _weighted_mse(image, target, weight, into, sums, pixels, factor, CHANNELS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < pixels
    w = tl.load(weight + at, mask=inside, other=0.0)
    cost = tl.zeros([BLOCK], tl.float32)
    for c in range(CHANNELS):
        element = c * pixels + at
        difference = tl.load(image + element, mask=inside, other=0.0) - tl.load(
            target + element, mask=inside, other=0.0
        )
        cost += w * difference * difference
        gradient = tl.load(into + element, mask=inside, other=0.0)
        tl.store(into + element, gradient + 2 * factor * w * difference, mask=inside)
    tl.store(sums + tl.program_id(0), tl.sum(cost))


def weighted_mse(image: Tensor, target: Tensor, weight: Tensor, into: Tensor, factor: float) -> Tensor:
    """See `reference.weighted_mse`."""
    pixels = weight.numel()
    programs = triton.cdiv(pixels, MSE_BLOCK)
    gradient, sums = into.contiguous(), torch.empty(programs, device=image.device)
    _weighted_mse[(programs,)](
        image.contiguous(),
        target.contiguous(),
        weight.contiguous(),
        gradient,
        sums,
        pixels,
        factor,
        image.shape[1],
        MSE_BLOCK,
    )
    if gradient is not into:
        into.copy_(gradient)
    return factor * sums.sum()
