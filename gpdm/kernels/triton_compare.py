"""Compare: from two histograms of each direction to its distance and the slope of each bin; a program works on one direction."""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..transport.binned import Bins
from .triton_tiles import PARTS


@triton.jit(do_not_specialize_on_alignment=PARTS)
def _compare(
    function,
    counts,
    width,
    values,
    bin_gradients,
    bins,
    LINE: tl.constexpr,
    HALVINGS: tl.constexpr,
    SQUARED: tl.constexpr,
):
    k = tl.program_id(0)
    b = tl.arange(0, LINE)
    exists = b < bins
    own = tl.load(counts + k * bins + b, mask=exists, other=0)
    total = tl.sum(own)
    # Whole numbers up to here: the share is the one rounded number that it is in double precision.
    twice = (2 * tl.cumsum(own) - own).to(tl.float64)
    height = (twice / (2 * total).to(tl.float64)).to(tl.float32)
    one = tl.load(width + k)
    reference = function + k * bins
    if SQUARED:
        low = tl.zeros([LINE], tl.int32)
        high = low + bins
        for _ in tl.static_range(HALVINGS):
            middle = (low + high) // 2
            less = tl.load(reference + middle, mask=middle < bins, other=float("inf")) < height
            open = low < high
            low = tl.where(open & less, middle + 1, low)
            high = tl.where(open & ~less, middle, high)
        beyond = tl.minimum(tl.maximum(low, 1), bins - 1)
        below, above = tl.load(reference + beyond - 1), tl.load(reference + beyond)
        share = (height - below) / tl.maximum(above - below, 1e-12)
        share = tl.minimum(tl.maximum(share, 0.0), 1.0)
        shift = (b.to(tl.float32) - ((beyond - 1).to(tl.float32) + share)) * one
        cost = tl.sum(tl.where(exists, (shift * shift).to(tl.float64) * own.to(tl.float64), 0.0)) / total.to(tl.float64)
        tl.store(values + k, cost.to(tl.float32))
        tl.store(bin_gradients + k * bins + b, 2.0 * shift, mask=exists)
    else:
        excess = tl.where(exists, tl.load(reference + b, mask=exists, other=0.0) - height, 0.0)
        tl.store(values + k, tl.sum(tl.abs(excess)) * one)
        sign = (excess > 0).to(tl.float32) - (excess < 0).to(tl.float32)
        tl.store(bin_gradients + k * bins + b, sign, mask=exists)


def compare(cdf_p: Tensor, counts: Tensor, bins: Bins, distance: str) -> tuple[Tensor, Tensor]:
    """See `reference.compare`."""
    number = len(counts)
    values, bin_gradients = torch.empty_like(bins.width), torch.empty_like(cdf_p, memory_format=torch.contiguous_format)
    _compare[(number,)](
        cdf_p.contiguous(), counts.contiguous(), bins.width, values, bin_gradients, bins.number,
        triton.next_power_of_2(bins.number), bins.number.bit_length(), distance == "l2", num_warps=4,
    )  # fmt: skip
    return values.mean(), bin_gradients
