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
    def centres(self) -> Tensor:
        """Bin coordinates of the centres of the bins of a direction, (B,), relative to that of the first."""
        return torch.arange(self.number, dtype=self.width.dtype, device=self.width.device)

    @cached_property
    def scale(self) -> Tensor:
        """Factor from values to bin coordinates, (K,)."""
        return 1 / self.width

    @cached_property
    def offset(self) -> Tensor:
        """Offset from scaled values to bin coordinates, (K,)."""
        return self.start - self.low * self.scale

    def chunk(self, parts: int) -> list[Bins]:
        """Splits the bins into `parts` equal groups of directions.

        The cached properties of all groups are computed here at once, because small levels are bound by the number of
        operations.
        """
        fields = (x.chunk(parts) for x in (self.low, self.width, self.scale, self.low * self.scale))
        results: list[Bins] = []
        for low, width, scale, shift in zip(*fields, strict=True):
            part = Bins(low, width, self.number)
            first = results[0] if results else part
            vars(part).update(
                scale=scale, start=first.start, end=first.end, centres=first.centres, offset=first.start - shift
            )
            results.append(part)
        return results

    def index(self, coordinates: Tensor, out: Tensor | None = None) -> Tensor:
        """Returns bin indices, int64, of bin coordinates (n, K), which are overwritten.

        The indices are written to `out`, int64 with n K elements, if it is given.
        """
        torch.clamp(coordinates, self.start, self.end, out=coordinates)
        return coordinates.long() if out is None else out.view(coordinates.shape).copy_(coordinates)  # none is negative


def bin_range(low: Tensor, high: Tensor, number: int) -> Bins:
    """Returns `number` bins for values between `low` and `high`, (K,) each.

    One bin at each end lies outside this range, so that values of Q beyond those of P fall into bins without any of P.
    """
    spread = (high - low).clamp(min=1e-6 * (1 + low.abs().amax()))
    width = spread / (number - 2)
    return Bins(low - width, width, number)


def count(index: Tensor, bins: Bins, weights: Tensor | None = None) -> Tensor:
    """Counts the values in each bin, or sums their weights.

    Arguments:
        index: Bin indices, int64, shape (n, K).
        bins: The bins.
        weights: Weight of each row, whole numbers from `quantize_weights`, shape (n,); by default 1.

    Returns:
        Counts with shape (K, B), of `accumulator_dtype`; in float64 they are exact, whatever the order of the sum.
    """
    size = index.shape[1] * bins.number
    if index.device.type == "cpu" and index.numel() < 2**16:  # too few for several threads
        weights = None if weights is None else weights[:, None].expand(index.shape).reshape(-1)
        return (
            torch.bincount(index.reshape(-1), weights, minlength=size)
            .to(accumulator_dtype(index.device))
            .reshape(-1, bins.number)
        )
    weights = index.new_ones((1, 1), dtype=torch.int32) if weights is None else weights[:, None]
    parts = _parts(len(index))
    table = torch.zeros(parts, size, dtype=weights.dtype, device=index.device)
    table.scatter_add_(1, index.reshape(parts, -1), weights.expand(index.shape).reshape(parts, -1))
    return table.sum(0).to(accumulator_dtype(index.device)).reshape(-1, bins.number)


def look_up(bin_gradients: Tensor, index: Tensor, out: Tensor) -> Tensor:
    """Writes the gradient of each value's bin to `out` (n, K) and returns it.

    `bin_gradients` holds the gradient of each bin, (K, B); `index` holds bin indices, (n, K), int64.
    """
    parts = _parts(len(index))
    table = bin_gradients.reshape(1, -1).expand(parts, -1)
    torch.gather(table, 1, index.reshape(parts, -1), out=out.view(parts, -1))
    return out


def _parts(rows: int) -> int:
    """Returns the number of rows into which a table is reshaped, because torch parallelises over rows."""
    return next((parts for parts in (4, 3, 2) if rows % parts == 0), 1)


def quantize_weights(weights: Tensor) -> Tensor:
    """Returns weights (n,) as whole numbers of `accumulator_dtype`, the largest as `WEIGHT_UNIT`.

    The weights must not be negative, nor all 0.
    """
    weights = weights.to(accumulator_dtype(weights.device))
    return (weights * (WEIGHT_UNIT / weights.max())).round()


def cumulative(counts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Returns the CDF at the bin centres, (K, B), from counts (K, B)."""
    return ((counts.cumsum(1) - counts / 2) / counts.sum(1, keepdim=True)).to(dtype)


def w1_bin_gradients(cdf_p: Tensor, counts: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
    """Returns the W1 distance of two histograms, and its gradient for each bin.

    Arguments:
        cdf_p: F_P at the bin centres, shape (K, B).
        counts: Counts or weights of Q in each bin, shape (K, B).
        bins: The bins.

    Returns:
        The distance, mean over directions, a scalar in the units of the values; and the gradient -1, 0 or 1 of each
        bin, (K, B). The gradient with respect to a value of Q is that of its bin times its fraction of the weight, over
        K.
    """
    excess = cdf_p - cumulative(counts, cdf_p.dtype)
    return (excess.abs().sum(1) * bins.width).mean(), excess.sign()


def w2_bin_gradients(cdf_p: Tensor, counts: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
    """Returns the squared W2 distance of two histograms, and its gradient for each bin.

    Both use the transport map T = F_P^-1 o F_Q at the bin centres. Arguments and result are those of
    `w1_bin_gradients`, with the distance in squared units; the gradient of a bin is 2 (centre - T(centre)).
    """
    cdf_q = cumulative(counts, cdf_p.dtype)
    # T in units of bins: where F_P, linear between centres, takes the value of F_Q.
    right = torch.searchsorted(cdf_p.contiguous(), cdf_q.contiguous()).clamp(1, bins.number - 1)
    below, above = cdf_p.gather(1, right - 1), cdf_p.gather(1, right)
    fraction = ((cdf_q - below) / (above - below).clamp(min=1e-12)).clamp(0, 1)
    shift = (bins.centres - (right - 1 + fraction)) * bins.width[:, None]
    cost = (shift.square() * counts).sum(1) / counts.sum(1)
    return cost.mean().to(cdf_p.dtype), 2 * shift


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
    p_quantized = None if p_weights is None else quantize_weights(p_weights)
    q_quantized = None if q_weights is None else quantize_weights(q_weights)
    index = _index(q, grid)
    cdf_p = cumulative(count(_index(p, grid), grid, p_quantized), q.dtype)
    value, gradients = BIN_GRADIENTS[distance](cdf_p, count(index, grid, q_quantized), grid)
    if q_quantized is None:
        fractions = q.new_full(q.shape[1:], 1 / q.shape[1])
    else:
        fractions = (q_quantized / q_quantized.sum()).to(q.dtype)
    looked_up = look_up(gradients, index, torch.empty_like(index, dtype=q.dtype))
    return value, (looked_up * (fractions[:, None] / len(q))).T


def _index(values: Tensor, bins: Bins) -> Tensor:
    """Returns the bin indices, (n, K), of values (K, n)."""
    return bins.index((values.T * bins.scale + bins.offset).contiguous())
