"""The reference's side of a sliced Wasserstein distance: projections, and the reference's distribution functions along them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Generator, Tensor

from ..images import Size, size_of
from ..kernels.torch_backend import Passes, Sample, Side, Stride
from ..kernels.workspace import Workspace
from ..patches.filters import FilterBank
from ..patches.linear import patch_count, patch_grid, project
from ..transport.binned import bin_count, bin_range, cumulative, whole_weights, wide
from .swd_options import SWDOptions

GROUP = 128
"""Filters of a bank, at most."""
REFERENCE_PATCHES = 30_000
"""From a reference with many more patches, every second, third ... row and column of them is taken, from a random place on."""
DRAWN = 8
"""How many sets of projections are drawn together, since that takes less time for each."""
GPU_DRAWN, GPU_PIXELS = 32, 2**20
"""The same on a GPU, for references of at most so many pixels; it is there that the host's time counts."""
TOGETHER_VALUES = 2**19
"""Projections of the reference on several sets that are worked off together on a CPU: small levels are bound by the number of calls."""


class ReferenceSides:
    """Draws sets of projections and works out the reference's side of them: for several sets at once, where levels are small."""

    def __init__(
        self,
        options: SWDOptions,
        references: Sequence[Tensor],
        weights: Sequence[Tensor] | None,
        workspace: Workspace,
        passes: Passes,
    ) -> None:
        self.options, self.workspace, self.passes = options, workspace, passes
        self.references = [x.contiguous(memory_format=torch.channels_last) for x in references]
        self.masses: Sequence[Tensor | None] = [None] * len(references)
        if weights is not None:
            mass = whole_weights(torch.cat([w.flatten() for w in weights]))
            parts = mass.split([w.numel() for w in weights])
            self.masses = [part.view_as(w) for part, w in zip(parts, weights, strict=True)]
        patches = sum(patch_count(size_of(x), options.patch_size, 1) for x in references)
        # With weights a few patches may be all that counts.
        self.sample = spacing(patches // REFERENCE_PATCHES) if weights is None else (1, 1)
        self.bins = bin_count(patches, options.distance)
        self.generator = Generator().manual_seed(0)

    def __iter__(self) -> Iterator[list[Side]]:
        """Fresh sets without end, each in groups of at most `GROUP` projections."""
        o = self.options
        groups = -(-o.num_proj // GROUP)
        numbers = [o.num_proj * (i + 1) // groups - o.num_proj * i // groups for i in range(groups)]
        like = self.references[0]
        drawn, together = self._numbers(sum(math.prod(size_of(x)) for x in self.references))
        while True:
            banks = [o.draw(k, like.shape[1], self.generator, drawn, like.device).to(like) for k in numbers]
            corners = [[self._corner(reference) for reference in self.references] for _ in range(drawn)]
            for places, *parts in zip(corners[::together], *(bank.each(together) for bank in banks), strict=True):
                sides = [self.workspace.attempt(partial(self._sides, part, places)) for part in parts]
                yield from map(list, zip(*sides, strict=True))

    def _numbers(self, pixels: int) -> tuple[int, int]:
        """How many sets are drawn together, and of how many of them the reference's side is worked out together."""
        if self.references[0].device.type == "cuda":
            drawn = GPU_DRAWN if pixels <= GPU_PIXELS else DRAWN
            return drawn, drawn
        return DRAWN, min(max(TOGETHER_VALUES // (pixels * min(self.options.num_proj, GROUP)), 1), DRAWN)

    def _corner(self, reference: Tensor) -> tuple[int, int]:
        """The row and column of the first patch that is taken of a reference."""
        return corner(self.sample, patch_grid(size_of(reference), self.options.patch_size, 1), self.generator)

    def _sides(self, bank: FilterBank, corners: Sequence[tuple[int, int]]) -> list[Side]:
        """One for each set of the bank."""
        low, high = zip(*(_range(reference, bank) for reference in self.references), strict=True)
        bins = bin_range(torch.stack(low).amin(0), torch.stack(high).amax(0), self.bins)
        counts = bins.width.new_zeros(len(bank), bins.number, dtype=wide(bins.width.device))
        for reference, mass, first in zip(self.references, self.masses, corners, strict=True):
            counted, every = Sample(first, self.sample).of(reference, 1)
            counts += self.passes.count(counted, bank, bins, every, mass)
        return self.passes.sides(bank, bins, cumulative(counts, bins.width.dtype), self.options.stride)


def corner(every: Stride, grid: Size, generator: Generator) -> tuple[int, int]:
    """The row and column of the first patch when every so many rows and columns of a patch grid are taken, at random."""
    row, column = (
        int(torch.randint(min(spacing, side), (1,), generator=generator))
        for spacing, side in zip(every, grid, strict=True)
    )
    return row, column


def spacing(share: int) -> tuple[int, int]:
    """Every which row and every which column to take, so as to take one in `share` or a little more."""
    columns = max(math.isqrt(share), 1)
    return columns + (columns * (columns + 1) <= share), columns


def _range(image: Tensor, bank: FilterBank) -> tuple[Tensor, Tensor]:
    """Lowest and highest projection, (K,) each, of some thousand patches, and a little more for those left out."""
    patches = patch_count(size_of(image), bank.patch_size, 1)
    sample = project(image, bank, max(1, math.isqrt(patches // 4096))).flatten(0, 1)
    low, high = sample.amin(0), sample.amax(0)
    spare = (high - low) / 16
    return low - spare, high + spare
