"""The lower bound of a step's time: its operations and bytes, divided by the rates that the machine reaches.

Operations are those of matrix products: for the image all counted patches with all filters once, all patches once
more, and the adjoint; for the reference the patches of its subsample. Bytes: image and both of Adam's moments, read
and written once. The rates are measured: a product of large matrices in the precision of the kernels, and a large
copy. Binning, counting and looking up are left out, so that the bound is below any real step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

import gpdm
from gpdm.losses.reference_cdfs import subsample_stride
from gpdm.patches.linear import patch_grid

from ..common import Size
from .methods import seconds


@dataclass(frozen=True)
class Rates:
    """The rates that a machine reaches."""

    operations: float
    """Operations of a matrix product per second: in float32 on a CPU, in TF32 on a GPU that has it."""
    bytes: float
    """Bytes per second that a copy reads and writes, both counted."""


@dataclass(frozen=True)
class Work:
    """The work of one step."""

    operations: float
    bytes: float

    def seconds(self, rates: Rates) -> float:
        """Returns the lower bound of the time."""
        return max(self.operations / rates.operations, self.bytes / rates.bytes)


def work(loss: gpdm.SWDLoss, size: Size, channels: int = 3) -> Work:
    """Returns the work of one step with an image and a reference of this size, without the coherence term."""
    operations = 0.0
    for _, term in loss.terms():
        if not isinstance(term, gpdm.SlicedWasserstein):
            continue
        for filters in term.filters:
            grid = patch_grid(size, filters.patch_size, term.stride)
            counted = _subsampled(grid, term.limits.output_patches)
            reference = _subsampled(patch_grid(size, filters.patch_size, 1), term.limits.reference_patches)
            per_patch = 2 * channels * filters.patch_size**2 * filters.number
            operations += per_patch * (counted + 2 * math.prod(grid) + reference)
    return Work(operations, 6 * 4 * channels * math.prod(size))


def _subsampled(grid: Size, limit: int) -> int:
    """Returns the number of patches of a subsample of about `limit`, or of all if there are fewer."""
    stride = subsample_stride(math.prod(grid) // limit)
    return math.prod(-(-length // step) for length, step in zip(grid, stride, strict=True))


def measure_rates(device: str) -> Rates:
    """Returns the rates of this machine."""
    gpu = device.startswith("cuda")
    side, numbers = (8192, 2**28) if gpu else (1024, 2**24)
    a, b = (torch.randn(side, side, device=device) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    operations = 2 * side**3 / fastest(lambda: a @ b, device)
    torch.backends.cuda.matmul.allow_tf32 = before
    x, y = (torch.randn(numbers, device=device) for _ in range(2))
    return Rates(operations, 2 * x.nbytes / fastest(lambda: x.copy_(y), device))


def fastest(run: Callable[[], object], device: str, repeats: int = 12) -> float:
    """Returns the seconds of the fastest of several runs, since a rate is an upper bound."""
    return min(seconds(run, device) for _ in range(repeats))
