"""The sliced Wasserstein distance from CDFs on common bins: no sort, linear time.

In one dimension the W1 distance is the integral of |F_P - F_Q| over the two CDFs, and its gradient with respect to a
value v of Q is sign(F_P(v) - F_Q(v)) times the weight of v: v must decrease where more of P than of Q lies below it. So
a histogram of each distribution and a look-up suffice. For W2 the gradient is 2 (v - F_P^-1(F_Q(v))) times that weight,
from the same histograms.

Bins are uniform between the ends of P (`bin_range`), separately for each direction. Values outside fall into the first
or last bin and get its gradient. Letters: K directions, n values of P, m of Q, B bins; bin b of direction k has the
index k B + b. A bin coordinate is the position of a value among the bins; rounded down it is the index of the bin.

References:
    Peyre and Cuturi, Computational Optimal Transport, 2019, section 2.6 and remark 2.30.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

WEIGHT_UNIT = 2**20
"""Quantized value of the largest weight. Quantized weights are whole numbers, so that their sums are exact in any
order."""


def accumulator_dtype(device: torch.device) -> torch.dtype:
    """Returns the dtype of counts and quantized weights: float64, or float32 on Apple's GPUs, which lack it."""
    return torch.float32 if device.type == "mps" else torch.float64


def bin_count(values: int, distance: str) -> int:
    """Returns the number of bins for `values` values: about one for sixteen values, a power of two from 128 on.

    The maximum is 1024 for l1, whose gradients are signs and jump between two bins, and 512 for l2, whose gradients are
    piecewise smooth.
    """
    return min(max(1 << max(values // 16, 1).bit_length() - 1, 128), 1024 if distance == "l1" else 512)


@dataclass(frozen=True)
class Bins:
    """Uniform bins for K directions."""

    low: Tensor
    """Lower edge of the first bin, shape (K,)."""
    width: Tensor
    """Width of a bin, shape (K,), positive."""
    number: int
    """Number of bins of a direction, B."""

    @cached_property
    def start(self) -> Tensor:
        """Index of the first bin of each direction, (K,)."""
        return torch.arange(len(self.width), dtype=self.width.dtype, device=self.width.device) * self.number

    @cached_property
    def end(self) -> Tensor:
        """Bin coordinate of the centre of the last bin of each direction, (K,)."""
        return self.start + (self.number - 0.5)

    @cached_property
    def scale(self) -> Tensor:
        """Factor from values to bin coordinates, (K,)."""
        return 1 / self.width

    @cached_property
    def offset(self) -> Tensor:
        """Offset from scaled values to bin coordinates, (K,)."""
        return self.start - self.low * self.scale

    def index(self, values: Tensor) -> Tensor:
        """Returns the bin indices, int32, of values (n, K)."""
        return (values * self.scale).add_(self.offset).clamp_(self.start, self.end).int()  # none is negative


def bin_range(low: Tensor, high: Tensor, number: int) -> Bins:
    """Returns `number` bins for values between `low` and `high`, (K,) each.

    One bin at each end lies outside this range, so that values of Q beyond those of P fall into bins without any of P.
    """
    spread = (high - low).clamp(min=1e-6 * (1 + low.abs().amax()))
    width = spread / (number - 2)
    return Bins(low - width, width, number)


def count(index: Tensor, size: int, weights: Tensor | None = None) -> Tensor:
    """Counts the values in each bin, or sums their weights.

    Arguments:
        index: Bin indices, int32, of any shape.
        size: Number of bins of all directions, K B.
        weights: Weight of each value, whole numbers from `quantize_weights`, of the same shape; by default 1.

    Returns:
        Counts with shape (K B,): int64, with weights of `accumulator_dtype`; exact, whatever the order of the sum.
    """
    if index.device.type == "cpu":  # with int32 four times faster than a scatter
        return torch.bincount(index.view(-1), None if weights is None else weights.reshape(-1), minlength=size)
    amounts = torch.ones_like(index, dtype=torch.int64) if weights is None else weights
    table = torch.zeros(size, dtype=amounts.dtype, device=index.device)
    return table.scatter_add_(0, index.reshape(-1).long(), amounts.reshape(-1))


def quantize_weights(weights: Tensor) -> Tensor:
    """Returns weights (n,) as whole numbers of `accumulator_dtype`, the largest as `WEIGHT_UNIT`.

    The weights must not be negative, nor all 0.
    """
    weights = weights.to(accumulator_dtype(weights.device))
    return (weights * (WEIGHT_UNIT / weights.max())).round()


def cumulative(counts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Returns the CDF at the bin centres, (..., B), from counts (..., B) of `count`."""
    return _cumulative(_fractions(counts)).to(dtype)


def _fractions(counts: Tensor) -> Tensor:
    """Returns counts (..., B) divided by their sum: float32, of weights in the dtype of their sums."""
    if not counts.is_floating_point():
        counts = counts.float()  # exact up to 2^24, and more values are never counted
    return counts / counts.sum(-1, keepdim=True)


def _cumulative(fractions: Tensor) -> Tensor:
    return fractions.cumsum(-1).sub_(fractions, alpha=0.5)


def w1_bin_gradients(cdf_p: Tensor, counts: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the W1 distance of two histograms, and its gradient for each bin.

    Arguments:
        cdf_p: F_P at the bin centres, shape (K, B).
        counts: Counts or weights of Q in each bin, shape (K, B).
        width: Width of a bin, shape (K,).

    Returns:
        The distance, mean over directions, a scalar in the units of the values; and the gradient -1, 0 or 1 of each
        bin, (K, B). The gradient with respect to a value of Q is that of its bin times its fraction of the weight, over
        K.
    """
    excess = cdf_p - cumulative(counts, cdf_p.dtype)
    return (excess.abs().sum(1) @ width) / len(width), excess.sign_()


def w2_bin_gradients(cdf_p: Tensor, counts: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the squared W2 distance of two histograms, and its gradient for each bin.

    Both use the transport map T = F_P^-1 o F_Q at the bin centres. Arguments and result are those of
    `w1_bin_gradients`, with the distance in squared units; the gradient of a bin is 2 (centre - T(centre)).
    """
    fractions, bins = _fractions(counts).to(cdf_p.dtype), cdf_p.shape[1]
    cdf_q = _cumulative(fractions)
    # T in units of bins: where F_P, linear between centres, takes the value of F_Q.
    right = torch.searchsorted(cdf_p, cdf_q).clamp_(1, bins - 1)
    above, below = cdf_p.gather(1, right), cdf_p.gather(1, right - 1)
    target = cdf_q.sub_(above).div_(above.sub_(below).clamp_(min=1e-12)).clamp_(-1, 0).add_(right)
    shift = torch.arange(bins, dtype=cdf_p.dtype, device=cdf_p.device).sub(target).mul_(width[:, None])
    cost = torch.dot(fractions.mul_(shift).view(-1), shift.view(-1)) / len(width)
    return cost, shift.mul_(2)


BIN_GRADIENTS = {"l1": w1_bin_gradients, "l2": w2_bin_gradients}
"""Functions for the distance and the gradient of each bin, by ground distance."""


def binned_sliced_wasserstein(
    p: Tensor,
    q: Tensor,
    *,
    distance: str,
    p_weights: Tensor | None = None,
    q_weights: Tensor | None = None,
    bins: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Returns the sliced Wasserstein distance of two sets of projections, and its gradient, without a sort.

    Arguments:
        p: Projections of the reference's patches, with shape (K, n).
        q: Projections of the output's patches, with shape (K, m). n and m may differ.
        distance: Ground distance: "l1" gives the W1 distance, "l2" the squared W2 distance. It has no default, since
            neither suits all uses; see `transport.sorted.sliced_wasserstein`.
        p_weights, q_weights: Weight of each patch, (n,) and (m,), not negative; only ratios matter. By default all
            equal.
        bins: Bins for each direction; by default `bin_count`.

    Returns:
        The mean over the K directions, a scalar in the units of the projections ("l2": their square), and its gradient
        with respect to `q`, with shape (K, m). Both are accurate to the width of a bin;
        `transport.sorted.sliced_wasserstein` is exact.
    """
    grid = bin_range(p.amin(1), p.amax(1), bins or bin_count(p.shape[1], distance))
    p_quantized, q_quantized = (
        None if weights is None else quantize_weights(weights)[:, None].expand(-1, len(p))
        for weights in (p_weights, q_weights)
    )
    index, size = grid.index(q.T.contiguous()), len(p) * grid.number
    counts_p, counts_q = (
        count(each, size, weights).view(len(p), -1)
        for each, weights in ((grid.index(p.T.contiguous()), p_quantized), (index, q_quantized))
    )
    value, gradients = BIN_GRADIENTS[distance](cumulative(counts_p, q.dtype), counts_q, grid.width)
    looked_up = gradients.view(-1).index_select(0, index.view(-1)).view(index.shape)
    if q_quantized is None:
        return value, looked_up.T / q.numel()
    return value, (looked_up * (q_quantized / q_quantized[:, :1].sum()).to(q.dtype) / len(q)).T
