"""The comparison of counts with the reference's CDFs in one kernel.

A program computes the distance of one direction and the gradient of each of its bins.
"""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .triton_tiles import UNALIGNED_POINTERS


@triton.jit(do_not_specialize_on_alignment=UNALIGNED_POINTERS)
def _compare(
    cdf_p, counts, width, values, bin_gradients, bins,
    BINS: tl.constexpr, HALVINGS: tl.constexpr, SQUARED: tl.constexpr,
):  # fmt: skip
    k = tl.program_id(0)
    b = tl.arange(0, BINS)
    exists = b < bins
    n = tl.load(counts + k * bins + b, mask=exists, other=0)
    total = tl.sum(n)
    # Sums are whole numbers up to here, so that the CDF is rounded once, as in double precision.
    twice = (2 * tl.cumsum(n) - n).to(tl.float64)
    cdf_q = (twice / (2 * total).to(tl.float64)).to(tl.float32)
    bin_width = tl.load(width + k)
    reference = cdf_p + k * bins
    if SQUARED:
        # A binary search for the first bin whose F_P is not less than F_Q.
        low = tl.zeros([BINS], tl.int32)
        high = low + bins
        for _ in tl.static_range(HALVINGS):
            middle = (low + high) // 2
            less = tl.load(reference + middle, mask=middle < bins, other=float("inf")) < cdf_q
            open = low < high
            low = tl.where(open & less, middle + 1, low)
            high = tl.where(open & ~less, middle, high)
        right = tl.minimum(tl.maximum(low, 1), bins - 1)
        below, above = tl.load(reference + right - 1), tl.load(reference + right)
        fraction = (cdf_q - below) / tl.maximum(above - below, 1e-12)
        fraction = tl.minimum(tl.maximum(fraction, 0.0), 1.0)
        shift = (b.to(tl.float32) - ((right - 1).to(tl.float32) + fraction)) * bin_width
        cost = tl.sum(tl.where(exists, (shift * shift).to(tl.float64) * n.to(tl.float64), 0.0)) / total.to(tl.float64)
        tl.store(values + k, cost.to(tl.float32))
        tl.store(bin_gradients + k * bins + b, 2.0 * shift, mask=exists)
    else:
        excess = tl.where(exists, tl.load(reference + b, mask=exists, other=0.0) - cdf_q, 0.0)
        tl.store(values + k, tl.sum(tl.abs(excess)) * bin_width)
        sign = (excess > 0).to(tl.float32) - (excess < 0).to(tl.float32)
        tl.store(bin_gradients + k * bins + b, sign, mask=exists)


def compare(cdf_p: Tensor, counts: Tensor, width: Tensor, distance: str) -> tuple[Tensor, Tensor]:
    """See `reference.compare`."""
    number, bins = counts.shape
    values, bin_gradients = torch.empty_like(width), torch.empty_like(cdf_p, memory_format=torch.contiguous_format)
    _compare[(number,)](
        cdf_p.contiguous(), counts.contiguous(), width, values, bin_gradients, bins,
        triton.next_power_of_2(bins), bins.bit_length(), distance == "l2", num_warps=4,
    )  # fmt: skip
    return values.mean(), bin_gradients
