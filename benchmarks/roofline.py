"""The least a step can take on a machine: what it must compute and move, over what the machine can compute and move.

Operations are those of matrix products: every counted patch with every filter once, every patch once more, and the adjoint; for
the reference the patches of its sample. Bytes: picture and both of Adam's moments are read and written once. Ceilings are measured:
a product of large matrices in the precision of the kernels, and a large copy. Binning, counting and looking up are left out, so
that the floor is lower than any real one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import passive_threads  # noqa: F401
import torch
from methods import seconds

import gpdm
from gpdm.losses.reference_cdfs import REFERENCE_PATCHES, subsample_stride
from gpdm.losses.swd_binned import COUNTED_PATCHES
from gpdm.patches.linear import patch_grid


@dataclass(frozen=True)
class Ceilings:
    """What a machine can do, each second."""

    operations: float
    """Of a matrix product: float32 on a CPU, TF32 on a GPU that has it."""
    bytes: float
    """Read and written by a copy, both counted."""


@dataclass(frozen=True)
class Work:
    """What a step must do."""

    operations: float
    bytes: float

    def seconds(self, ceilings: Ceilings) -> float:
        """The least time for it."""
        return max(self.operations / ceilings.operations, self.bytes / ceilings.bytes)


def work(loss: gpdm.SWDLoss, size: tuple[int, int], channels: int = 3) -> Work:
    """Of one step with a picture and a reference of this size, without coherence."""
    operations = 0.0
    for _, term in loss.terms():
        if not isinstance(term, gpdm.SlicedWasserstein):
            continue
        p = term.grid.size
        grid = patch_grid(size, p, term.grid.stride)
        products = 2 * channels * p**2 * term.filters.number
        counted = _taken(grid, COUNTED_PATCHES)
        operations += products * (counted + 2 * math.prod(grid) + _taken(patch_grid(size, p, 1), REFERENCE_PATCHES))
    return Work(operations, 6 * 4 * channels * math.prod(size))


def _taken(grid: tuple[int, int], most: int) -> int:
    stride = subsample_stride(math.prod(grid) // most)
    return math.prod(-(-side // step) for side, step in zip(grid, stride, strict=True))


def ceilings(device: str) -> Ceilings:
    """Of this machine."""
    gpu = device.startswith("cuda")
    side, numbers = (8192, 2**28) if gpu else (1024, 2**24)
    a, b = (torch.randn(side, side, device=device) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    operations = 2 * side**3 / best(lambda: a @ b, device)
    torch.backends.cuda.matmul.allow_tf32 = before
    x, y = (torch.randn(numbers, device=device) for _ in range(2))
    return Ceilings(operations, 2 * x.nbytes / best(lambda: x.copy_(y), device))


def best(run: Callable[[], object], device: str, repeats: int = 12) -> float:
    """Seconds of the fastest of several runs: a ceiling is what is reached at best."""
    return min(seconds(run, device) for _ in range(repeats))
