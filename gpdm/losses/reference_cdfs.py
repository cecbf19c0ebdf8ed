"""Sets of random filters, and the CDFs of the reference's projections onto them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Generator, Tensor

from ..images import Size, size_of
from ..kernels.backend import ALL, Backend, ProjectedReference, Stride, Subsample
from ..kernels.workspace import Workspace, retry_with_less_memory
from ..patches.filters import FilterBank, Filters
from ..patches.linear import PatchGrid, patch_count, patch_grid, project_columns, project_rows
from ..transport.binned import accumulator_dtype, bin_count, bin_range, cumulative, quantize_weights

GROUP = 128
"""Maximum number of filters in a bank."""
REFERENCE_PATCHES = 30_000
"""Approximate number of reference patches that are counted. Larger references are subsampled: on a strided grid from
twice this number on, or by weight if patches have weights."""
SETS_PER_SAMPLE = 8
"""Sets of filters that are sampled in one call, which is cheaper per set."""
GPU_SETS, GPU_PIXELS = 32, 2**20
"""`SETS_PER_SAMPLE` on a GPU for references of at most `GPU_PIXELS` pixels, whose steps are bound by the host."""
TOGETHER_VALUES = 2**19
"""Projections of the reference, over several sets, that are computed in one call on a CPU: small levels are bound by
the number of calls."""


class ReferenceCDFs:
    """Samples sets of filters and computes the CDFs of the reference's projections onto them.

    Iterating yields new sets without end. Filters come from a generator with seed 0, so set i is the same in every run.
    At small levels several sets are computed together.

    Arguments:
        filters: How filters are sampled.
        grid: The patch grid of the output. The references' patches are taken at stride 1 (large references are
            subsampled).
        distance: "l1" or "l2"; it sets the number of bins.
        references: Images, (1, C, h, w) each.
        weights: Weights of their patches, (rows, columns) each; None weights all patches equally.
        workspace: Limits and buffers of the work.
        backend: The backend that counts patches in bins.
    """

    def __init__(
        self,
        filters: Filters,
        grid: PatchGrid,
        distance: str,
        references: Sequence[Tensor],
        weights: Sequence[Tensor] | None,
        workspace: Workspace,
        backend: Backend,
    ) -> None:
        self.filters, self.grid, self.workspace, self.backend = filters, grid, workspace, backend
        self.references = [x.contiguous(memory_format=torch.channels_last) for x in references]
        self.weights: Sequence[Tensor | None] = [None] * len(references)
        patches = sum(patch_count(size_of(x), grid.size, 1) for x in references)
        self.subsample, self.shares = subsample_stride(patches // REFERENCE_PATCHES), None
        if weights is not None:
            self.subsample = ALL.stride
            flat = torch.cat([each.flatten() for each in weights])
            if int((flat > 0).sum()) > REFERENCE_PATCHES:
                self.shares = flat.to("cpu", torch.float64).cumsum(0)
            else:
                parts = quantize_weights(flat).split([each.numel() for each in weights])
                self.weights = [part.view_as(each) for part, each in zip(parts, weights, strict=True)]
        self.bins = bin_count(patches, distance)

    def __iter__(self) -> Iterator[list[ProjectedReference]]:
        """Yields new sets without end, each as a list of groups of at most `GROUP` filters."""
        generator = Generator().manual_seed(0)
        number, like = self.filters.number, self.references[0]
        groups = -(-number // GROUP)
        numbers = [number * (i + 1) // groups - number * i // groups for i in range(groups)]
        sets, together = self._sets(sum(math.prod(size_of(x)) for x in self.references))
        while True:
            banks = [
                self.filters.sample(each, like.shape[1], self.grid.size, generator, sets, like.device).to(like)
                for each in numbers
            ]
            offsets = [[self._offset(reference, generator) for reference in self.references] for _ in range(sets)]
            sampled = None if self.shares is None else self._mosaic(self.shares, generator)
            for places, *parts in zip(offsets[::together], *(bank.each(together) for bank in banks), strict=True):
                results = []
                for part in parts:
                    project = partial(self._project, part, places, sampled)
                    results.append(retry_with_less_memory(project, self.workspace.reduce_memory))
                yield from map(list, zip(*results, strict=True))

    def _sets(self, pixels: int) -> tuple[int, int]:
        """Returns how many sets are sampled in one call, and for how many of them the CDFs are computed together."""
        if self.references[0].device.type == "cuda":
            sets = GPU_SETS if pixels <= GPU_PIXELS else SETS_PER_SAMPLE
            return sets, sets
        fit = TOGETHER_VALUES // (pixels * min(self.filters.number, GROUP))
        return SETS_PER_SAMPLE, min(max(fit, 1), SETS_PER_SAMPLE)

    def _offset(self, reference: Tensor, generator: Generator) -> tuple[int, int]:
        """Samples row and column of the first counted patch of a reference."""
        return random_offset(self.subsample, patch_grid(size_of(reference), self.grid.size, 1), generator)

    def _mosaic(self, shares: Tensor, generator: Generator) -> Tensor:
        """Samples patches with probability proportional to weight; returns an image tiled with them (stride p).

        Sampling is stratified (one patch from each of equal parts of the cumulated weights), which has less variance
        than independent samples.
        """
        p, side = self.grid.size, math.isqrt(REFERENCE_PATCHES)
        within = torch.rand(side * side, generator=generator, dtype=torch.float64)
        steps = (torch.arange(side * side, dtype=torch.float64) + within) / side**2
        index = torch.searchsorted(shares, steps * shares[-1], right=True).clamp(max=len(shares) - 1)
        parts = []
        for reference in self.references:
            rows, columns = patch_grid(size_of(reference), p, 1)
            own = index[(index >= 0) & (index < rows * columns)].to(reference.device)
            index = index - rows * columns
            view = reference.unfold(2, p, 1).unfold(3, p, 1)
            parts.append(view[0, :, own // columns, own % columns])
        mosaic = torch.cat(parts, 1).unflatten(1, (side, side))  # (C, side, side, p, p)
        mosaic = mosaic.permute(0, 1, 3, 2, 4).reshape(1, len(mosaic), side * p, side * p)
        return mosaic.contiguous(memory_format=torch.channels_last)

    def _project(
        self, bank: FilterBank, offsets: Sequence[tuple[int, int]], mosaic: Tensor | None
    ) -> list[ProjectedReference]:
        """Computes the CDFs along the filters of a bank; returns one `ProjectedReference` for each of its sets."""
        ends = []
        for reference in self.references:
            ends.append(_range(reference, bank))
        low, high = zip(*ends, strict=True)
        bins = bin_range(torch.stack(low).amin(0), torch.stack(high).amax(0), self.bins)
        counts = bins.width.new_zeros(len(bank), bins.number, dtype=accumulator_dtype(bins.width.device))
        if mosaic is not None:
            counts += self.backend.count(mosaic, bank, bins, (self.grid.size, self.grid.size), None)
        else:
            for reference, weights, offset in zip(self.references, self.weights, offsets, strict=True):
                counted, stride = Subsample(offset, self.subsample).of(reference, 1)
                counts += self.backend.count(counted, bank, bins, stride, weights)
        return self.backend.prepare(bank, bins, cumulative(counts, bins.width.dtype), self.grid.stride)


def random_offset(stride: Stride, grid: Size, generator: Generator) -> tuple[int, int]:
    """Samples row and column of the first patch of a subsample of `grid` (rows, columns) with this stride."""
    row, column = (
        int(torch.randint(min(step, side), (1,), generator=generator)) for step, side in zip(stride, grid, strict=True)
    )
    return row, column


def subsample_stride(share: int) -> tuple[int, int]:
    """Returns the row and column strides that keep one patch in `share`, or a few more."""
    columns = max(math.isqrt(share), 1)
    return columns + (columns * (columns + 1) <= share), columns


def _range(image: Tensor, bank: FilterBank) -> tuple[Tensor, Tensor]:
    """Returns the lowest and the highest projection onto each filter, (K,) each, over some thousand patches.

    A margin of 1/16 of the range is added at both ends for the patches that are left out.
    """
    stride = max(1, math.isqrt(patch_count(size_of(image), bank.patch_size, 1) // 4096))
    projections = project_rows(project_columns(image, bank, stride), bank, stride).flatten(0, 1)
    low, high = projections.amin(0), projections.amax(0)
    margin = (high - low) / 16
    return low - margin, high + margin
