"""The pull toward real patches in one pass over the picture."""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024


@triton.jit
def _pull(image, target, weight, gradient, sums, pixels, share, CHANNELS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < pixels
    hard = tl.load(weight + at, mask=inside, other=0.0)
    cost = tl.zeros([BLOCK], tl.float32)
    for c in range(CHANNELS):
        place = c * pixels + at
        away = tl.load(image + place, mask=inside, other=0.0) - tl.load(target + place, mask=inside, other=0.0)
        cost += hard * away * away
        slope = tl.load(gradient + place, mask=inside, other=0.0)
        tl.store(gradient + place, slope + 2 * share * hard * away, mask=inside)
    tl.store(sums + tl.program_id(0), tl.sum(cost))


def pull(image: Tensor, target: Tensor, weight: Tensor, gradient: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """See `reference.pull`."""
    pixels = weight.numel()
    blocks = triton.cdiv(pixels, BLOCK)
    gradient, sums = gradient.contiguous(), torch.empty(blocks, device=image.device)
    _pull[(blocks,)](
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
    return share * sums.sum(), gradient
