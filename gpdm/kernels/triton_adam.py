"""A step of Adam in one kernel."""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from .reference import ADAM_EPSILON

ADAM_BLOCK = 1024
"""Elements that a program updates."""


@triton.jit
def _adam(image, gradient, first, second, rates, number, factor, beta_1, beta_2, epsilon, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < number
    scaled = tl.load(gradient + at, mask=inside) * factor
    mean = tl.load(first + at, mask=inside)
    mean += (1 - beta_1) * (scaled - mean)
    square = tl.load(second + at, mask=inside) * beta_2 + (1 - beta_2) * scaled * scaled
    denominator = tl.sqrt(square) / tl.load(rates + 1) + epsilon
    tl.store(first + at, mean, mask=inside)
    tl.store(second + at, square, mask=inside)
    tl.store(image + at, tl.load(image + at, mask=inside) - tl.load(rates) * mean / denominator, mask=inside)


def adam(
    image: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    rates: Tensor,
    factor: float,
    betas: tuple[float, float],
) -> None:
    """See `reference.adam`."""
    number, state = image.numel(), (image, first, second)
    dense = [tensor.contiguous() for tensor in state]
    _adam[(triton.cdiv(number, ADAM_BLOCK),)](
        dense[0], gradient.contiguous(), *dense[1:], rates, number, factor, *betas, ADAM_EPSILON, ADAM_BLOCK
    )
    for tensor, updated in zip(state, dense, strict=True):
        if updated is not tensor:
            tensor.copy_(updated)
