"""The exact sliced Wasserstein distance between two sets of projections, by sorting.

Letters: P are the n projections of the reference, Q the m projections of the output, K the number of directions. In one
dimension the optimal plan matches equal quantiles, so the distance of one direction is the integral over u in [0, 1] of
|F_P^-1(u) - F_Q^-1(u)| (or its square). Both quantile functions are step functions; the integral is a finite sum.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

DISTANCES: tuple[str, ...] = ("l1", "l2")
"""Ground distances: the absolute difference, and the squared difference."""
SOLVERS: tuple[str, ...] = ("histogram", "exact")
"""Ways to compute the distance: from CDFs on bins (`transport.binned`), and by sorting."""


@dataclass(frozen=True)
class Coupling:
    """The optimal plan between sorted values: the reference values matched with each output value, with weights."""

    rank: Tensor
    """Ranks in the reference, (m, L), int64. L is the maximum number of partners; 1 if m is a multiple of n."""
    weight: Tensor
    """Fractions of the total weight, (m, L). They sum to 1, each row to 1/m; unused entries are 0."""


def quantile_coupling(
    n: int, m: int, *, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Coupling:
    """Returns the optimal plan between n and m sorted points of equal weight.

    It is exact for any n and m: no point is repeated or left out.
    """
    # In units of 1/(n m), sorted value j of Q covers the interval [j n, (j+1) n), and value i of P [i m, (i+1) m).
    start = torch.arange(m) * n
    first, last = start // m, (start + n - 1) // m
    partners = int((last - first).max()) + 1
    index = first[:, None] + torch.arange(partners)
    overlap = torch.minimum((index + 1) * m, (start + n)[:, None]) - torch.maximum(index * m, start[:, None])
    weight = overlap.clamp(min=0).to(torch.float64) / (n * m)
    return Coupling(index.clamp(max=n - 1).to(device), weight.to(device, dtype))


def sliced_wasserstein(
    p: Tensor,
    q: Tensor,
    *,
    distance: str,
    coupling: Coupling | None = None,
    p_weights: Tensor | None = None,
    q_weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Returns the exact sliced Wasserstein distance of two sets of projections, and its gradient.

    Arguments:
        p: Projections of the reference's patches, with shape (K, n).
        q: Projections of the output's patches, with shape (K, m). n and m may differ.
        distance: Ground distance: "l1" gives the W1 distance, "l2" the squared W2 distance. It has no default, since
            neither suits all uses: the paper minimises l1 and evaluation measures it, while `SWDLoss` minimises l2 by
            default, because it needs fewer steps (docs/adr/0005).
        coupling: `quantile_coupling(n, m)`, if it has been computed before; ignored with weights.
        p_weights, q_weights: Weight of each patch, (n,) and (m,), not negative; only ratios matter. By default all
            equal.

    Returns:
        The mean over the K directions, a scalar in the units of the projections ("l2": their square), and its gradient
        with respect to `q`, with shape (K, m).

    References:
        Elnekave and Weiss, GPDM, ECCV 2022, Algorithm 1, line 7 (there n = m).
        Peyre and Cuturi, Computational Optimal Transport, 2019, section 2.6 (one dimension, any n and m).
    """
    if p_weights is not None or q_weights is not None:
        return _weighted(p, q, distance, p_weights, q_weights)
    if coupling is None:
        coupling = quantile_coupling(p.shape[1], q.shape[1], device=q.device, dtype=q.dtype)
    q_sorted, order = sort_rows(q)
    partners = sort_values(p).index_select(1, coupling.rank.flatten()).unflatten(1, coupling.rank.shape)  # (K, m, L)
    cost, derivative = _cost(q_sorted[:, :, None] - partners, distance)
    value = (cost * coupling.weight).sum((1, 2)).mean()
    gradient_sorted = (derivative * coupling.weight).sum(2) / q.shape[0]  # (K, m)
    return value, torch.empty_like(q).scatter_(1, order, gradient_sorted)


def _cost(difference: Tensor, distance: str) -> tuple[Tensor, Tensor]:
    """Returns the ground distance of differences, and its derivative."""
    if distance == "l1":
        return difference.abs(), difference.sign()
    return difference.square(), 2 * difference


def _weighted(
    p: Tensor, q: Tensor, distance: str, p_weights: Tensor | None, q_weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Computes `sliced_wasserstein` with weights.

    The integral over u in [0, 1] is a sum over the intervals between the steps of either quantile function.
    """
    p_sorted, p_order = sort_rows(p)
    q_sorted, q_order = sort_rows(q)
    p_ends, q_ends = _fractions(p_weights, p)[p_order].cumsum(1), _fractions(q_weights, q)[q_order].cumsum(1)
    ends = torch.cat([p_ends, q_ends], 1).sort(1).values
    lengths = torch.diff(ends, dim=1, prepend=torch.zeros_like(ends[:, :1]))
    middles = ends - lengths / 2
    i, j = (torch.searchsorted(e, middles).clamp(max=e.shape[1] - 1) for e in (p_ends, q_ends))
    cost, derivative = _cost(q_sorted.gather(1, j) - p_sorted.gather(1, i), distance)
    number = q_ends.shape[1]
    starts = torch.arange(len(q_ends), device=q.device)[:, None] * number
    sums = torch.zeros_like(q_ends.view(-1))
    gradient_sorted = add_rows_(sums, (starts + j).view(-1), (derivative * lengths).view(-1)).view_as(q_ends)
    # Rounding may leave intervals of almost zero length, which may be assigned to a value of weight 0.
    gradient_sorted = gradient_sorted * (torch.diff(q_ends, dim=1, prepend=torch.zeros_like(q_ends[:, :1])) > 0)
    gradient = torch.zeros_like(q).scatter_(1, q_order, gradient_sorted.to(q) / len(q))
    return (cost * lengths).sum(1).mean().to(q), gradient


def add_rows_(sums: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """Adds rows to those of `sums`, in place and in the same order in every run, and returns `sums`.

    Arguments:
        sums: (n, ...).
        index: The row to which each is added, (m,), int64; any may occur several times.
        values: The rows to add, (m, ...).
    """
    if sums.device.type == "cuda":  # there `index_add_` adds in any order, and this sorts the indices
        return sums.index_put_((index,), values, accumulate=True)
    return sums.index_add_(0, index, values)


def _fractions(weights: Tensor | None, values: Tensor) -> Tensor:
    """Returns the weights of values (K, N), by default equal, as fractions of their sum: (N,), float64."""
    if weights is None:
        weights = values.new_ones(values.shape[1])
    return weights.double() / weights.double().sum()


def sort_values(x: Tensor) -> Tensor:
    """Returns each row of `x` (K, N) in ascending order."""
    if x.device.type == "cpu":
        return _in_threads(partial(np.sort, axis=1), x)
    return torch.sort(x, dim=1).values


def sort_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns each row of `x` (K, N) in ascending order, and the index from which each value came, (K, N), int64.

    The sort is stable.
    """
    if x.device.type == "cpu":
        order = _in_threads(_argsort, x)
        return x.gather(1, order), order
    values, order = torch.sort(x, dim=1, stable=True)
    return values, order


def _in_threads(sort: Callable[[np.ndarray], np.ndarray], x: Tensor) -> Tensor:
    """Sorts rows in several threads with numpy, several times faster than torch on a CPU.

    numpy sorts with vector instructions, and releases the interpreter's lock.
    """
    if x.numel() < 2**17:  # starting threads would take longer than sorting
        return torch.from_numpy(sort(x.numpy()))
    parts = np.array_split(x.numpy(), min(torch.get_num_threads(), len(x)))
    with ThreadPoolExecutor(len(parts)) as pool:
        return torch.from_numpy(np.concatenate(list(pool.map(sort, parts))))


def _argsort(rows: np.ndarray) -> np.ndarray:
    """Returns the indices that sort each row (K, N), int64. The sort is stable."""
    if rows.dtype != np.float32:
        return np.argsort(rows, axis=1, kind="stable")
    # One int64 per value: the upper half holds the float's bits, made monotonic (those of negative floats are
    # reversed), the lower half the position. Sorting these is twice as fast as argsort, and stable.
    bits = rows.view(np.int32)
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64) << 32 | np.arange(rows.shape[1])
    keys.sort(axis=1)
    return keys & 0xFFFFFFFF
