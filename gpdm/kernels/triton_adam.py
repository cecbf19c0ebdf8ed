"""One step of Adam in one pass over the picture."""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from .reference import EPSILON

BLOCK = 1024


@triton.jit
def _adam(image, gradient, first, second, rates, number, factor, beta_1, beta_2, epsilon, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < number
    slope = tl.load(gradient + at, mask=inside) * factor
    mean = tl.load(first + at, mask=inside)
    mean += (1 - beta_1) * (slope - mean)
    square = tl.load(second + at, mask=inside) * beta_2 + (1 - beta_2) * slope * slope
    size = tl.sqrt(square) / tl.load(rates + 1) + epsilon
    tl.store(first + at, mean, mask=inside)
    tl.store(second + at, square, mask=inside)
    tl.store(image + at, tl.load(image + at, mask=inside) - tl.load(rates) * mean / size, mask=inside)


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
    own = [tensor.contiguous() for tensor in state]
    _adam[(triton.cdiv(number, BLOCK),)](
        own[0], gradient.contiguous(), *own[1:], rates, number, factor, *betas, EPSILON, BLOCK
    )
    for tensor, changed in zip(state, own, strict=True):
        if changed is not tensor:
            tensor.copy_(changed)
