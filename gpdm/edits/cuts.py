"""Cuts of least cost between two overlapping images, by dynamic programming."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cut_costs(energy: Tensor, closed: bool = False) -> Tensor:
    """Returns the cost of the best cut from top to bottom through each of several overlaps.

    In each row a cut runs between two neighbouring columns, and from one row to the next it moves by at most one
    column. Its cost is the sum of the energies on both sides of it.

    Arguments:
        energy: Difference of two images at each pixel of their overlap, not negative, (n, H, w), w at least 2.
        closed: Whether top and bottom meet. The cost is that of a second round then, in which the cut nearly closes.

    Returns:
        Costs, (n,).

    References:
        Efros and Freeman, Image Quilting for Texture Synthesis and Transfer, SIGGRAPH 2001.
    """
    steps = energy[..., 1:] + energy[..., :-1]
    first = _last_sums(steps, torch.zeros_like(steps[:, 0]))
    if not closed:
        return first.amin(1)
    return _last_sums(steps, first).amin(1) - first.amin(1)


def best_cut(energy: Tensor, closed: bool = False) -> Tensor:
    """Returns the best cut through an overlap: for each row the last column before it, (H,), int64.

    Arguments:
        energy: As in `cut_costs`, (H, w).
        closed: Whether top and bottom meet; the cut ends at most one column from where it begins.
    """
    steps = energy[..., 1:] + energy[..., :-1]
    height, width = steps.shape
    if not closed:
        return _traced(_sums(steps, torch.zeros_like(steps[0])))
    # Where the second round passes the top, the closed cut begins.
    before = _last_sums(steps[None], torch.zeros_like(steps[None, 0]))[0]
    begin = int(_traced(_sums(steps, before))[0])
    start = torch.full_like(steps[0], torch.inf)
    start[begin] = 0
    sums = torch.cat([(start + steps[0])[None], _sums(steps[1:], start + steps[0])]) if height > 1 else start[None]
    near = torch.arange(width, device=steps.device).sub(begin).abs() <= 1
    sums[-1] = sums[-1].where(near, torch.inf)
    return _traced(sums)


def _onward(sums: Tensor) -> Tensor:
    """Returns the least of each sum and those of the columns beside it, (n, w)."""
    padded = F.pad(sums, (1, 1), value=torch.inf)
    return torch.minimum(torch.minimum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])


def _last_sums(steps: Tensor, before: Tensor) -> Tensor:
    """Returns the cost of the best cut that ends in each column of the last row, (n, w)."""
    for row in range(steps.shape[1]):
        before = steps[:, row] + _onward(before)
    return before


def _sums(steps: Tensor, before: Tensor) -> Tensor:
    """Returns the cost of the best cut down to each pixel, (H, w), after those of the row above, (w,)."""
    rows = []
    for step in steps:
        before = step + _onward(before[None])[0]
        rows.append(before)
    return torch.stack(rows)


def _traced(sums: Tensor) -> Tensor:
    """Returns the columns of the best cut, from the cost of the best cut down to each pixel, (H,)."""
    table = sums.tolist()
    column = min(range(len(table[-1])), key=table[-1].__getitem__)
    columns = [column]
    for row in reversed(table[:-1]):
        column = min(range(max(column - 1, 0), min(column + 2, len(row))), key=row.__getitem__)
        columns.append(column)
    return torch.tensor(columns[::-1], device=sums.device)
