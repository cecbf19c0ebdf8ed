"""The weighted squared difference of the coherence term, and its gradient, in one pass over the image."""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024


@triton.jit
def _weighted_mse(image, target, weight, into, sums, pixels, share, CHANNELS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < pixels
    own = tl.load(weight + at, mask=inside, other=0.0)
    cost = tl.zeros([BLOCK], tl.float32)
    for c in range(CHANNELS):
        place = c * pixels + at
        away = tl.load(image + place, mask=inside, other=0.0) - tl.load(target + place, mask=inside, other=0.0)
        cost += own * away * away
        slope = tl.load(into + place, mask=inside, other=0.0)
        tl.store(into + place, slope + 2 * share * own * away, mask=inside)
    tl.store(sums + tl.program_id(0), tl.sum(cost))


def weighted_mse(image: Tensor, target: Tensor, weight: Tensor, into: Tensor, share: float) -> Tensor:
    """See `reference.weighted_mse`."""
    pixels = weight.numel()
    blocks = triton.cdiv(pixels, BLOCK)
    gradient, sums = into.contiguous(), torch.empty(blocks, device=image.device)
    _weighted_mse[(blocks,)](
        image.contiguous(),
        target.contiguous(),
        weight.contiguous(),
        gradient,
        sums,
        pixels,
        share,
        image.shape[1],
        BLOCK,
    )
    if gradient is not into:
        into.copy_(gradient)
    return share * sums.sum()
