"""Sets of random filters, and the CDFs of the reference's projections onto them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from ..images import Size, size_of
from ..kernels.backend import ALL_PATCHES, Backend, ProjectedReference, Stride, Subsample
from ..kernels.workspace import Workspace, retry_with_less_memory
from ..patches.filters import FilterBank, Filters
from ..patches.linear import PatchGrid, patch_count, patch_grid, project_columns, project_rows
from ..transport.binned import accumulator_dtype, bin_count, bin_range, cumulative, quantize_weights


@dataclass(frozen=True)
class CountingLimits:
    """Limits of the numbers of patches, filters and sets that are counted, sampled and computed at a time.

    The first two trade accuracy for speed. Results depend on the others only by rounding.
    """

    reference_patches: int = 30_000
    """Approximate number of reference patches that are counted. Larger references are subsampled: on a strided grid
    from twice this number on, or by weight if patches have weights."""
    output_patches: int = 2**18
    """Approximate number of output patches that are counted; from twice this number on a strided subsample with a
    random offset is. The standard error of the reference's CDFs, from about 30,000 patches, is three times as large."""
    bank_filters: int = 128
    """Maximum number of filters in a bank."""
    sets_per_sample: int = 8
    """Sets of filters that are sampled in one call, which is cheaper per set."""
    gpu_sets_per_sample: int = 32
    """`sets_per_sample` on a GPU for references of at most 2^20 pixels, whose steps are bound by the host."""
    joint_projections: int = 2**19
    """Projections of the reference, over several sets, that are computed in one call on a CPU: small levels are bound
    by the number of calls."""
    bins: int | None = None
    """Number of bins of each direction; None: `transport.binned.bin_count`."""


GPU_PIXELS = 2**20
"""Number of reference pixels up to which `CountingLimits.gpu_sets_per_sample` applies."""


class ReferenceCDFs:
    """Samples sets of filters and computes the CDFs of the reference's projections onto them.

    Iterating yields new sets without end. Filters come from a generator with seed 0, so set i is the same in every run.
    At small levels several sets are computed together.

    Arguments:
        filters: The distribution of the filters.
        grid: The patch grid of the output. The references' patches are taken at stride 1 (large references are
            subsampled).
        distance: "l1" or "l2"; it sets the number of bins.
        references: Images, (1, C, h, w) each.
        weights: Weights of their patches, (rows, columns) each; None weights all patches equally.
        workspace: Strips and buffers of the computations.
        backend: The backend that counts patches in bins.
        limits: Limits of what is counted, sampled and computed at a time.
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
        limits: CountingLimits,
    ) -> None:
        self.filters, self.grid, self.workspace, self.backend, self.limits = filters, grid, workspace, backend, limits
        self.references = [x.contiguous(memory_format=torch.channels_last) for x in references]
        self.weights: Sequence[Tensor | None] = [None] * len(references)
        patches = sum(patch_count(size_of(x), grid.size, 1) for x in references)
        self.subsample, self.cumulated_weights = subsample_stride(patches // limits.reference_patches), None
        if weights is not None:
            self.subsample = ALL_PATCHES.stride
            flat = torch.cat([weight.flatten() for weight in weights])
            if int((flat > 0).sum()) > limits.reference_patches:
                self.cumulated_weights = flat.to("cpu", torch.float64).cumsum(0)
            else:
                parts = quantize_weights(flat).split([weight.numel() for weight in weights])
                self.weights = [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]
        self.bins = limits.bins or bin_count(patches, distance)

    def __iter__(self) -> Iterator[list[ProjectedReference]]:
        """Yields new sets without end, each as a list of banks of at most `CountingLimits.bank_filters` filters."""
        generator = Generator().manual_seed(0)
        total, like = self.filters.number, self.references[0]
        banks_per_set = -(-total // self.limits.bank_filters)
        numbers = [total * (i + 1) // banks_per_set - total * i // banks_per_set for i in range(banks_per_set)]
        sets, joint_sets = self._sets(sum(math.prod(size_of(x)) for x in self.references))
        while True:
            banks = [
                self.filters.sample(number, like.shape[1], self.grid.size, generator, sets, like.device).to(like)
                for number in numbers
            ]
            offsets = [[self._offset(reference, generator) for reference in self.references] for _ in range(sets)]
            weights = self.cumulated_weights
            mosaic = None if weights is None else self._mosaic(weights, generator)
            parts = (bank.split_sets(joint_sets) for bank in banks)
            for set_offsets, *set_banks in zip(offsets[::joint_sets], *parts, strict=True):
                results = []
                for bank in set_banks:
                    project = partial(self._project, bank, set_offsets, mosaic)
                    results.append(retry_with_less_memory(project, self.workspace.reduce_memory))
                yield from map(list, zip(*results, strict=True))

    def _sets(self, pixels: int) -> tuple[int, int]:
        """Returns the number of sets that are sampled in one call, and of those that are projected in one call."""
        limits = self.limits
        if self.references[0].device.type == "cuda":
            sets = limits.gpu_sets_per_sample if pixels <= GPU_PIXELS else limits.sets_per_sample
            return sets, sets
        fit = limits.joint_projections // (pixels * min(self.filters.number, limits.bank_filters))
        return limits.sets_per_sample, min(max(fit, 1), limits.sets_per_sample)

    def _offset(self, reference: Tensor, generator: Generator) -> tuple[int, int]:
        """Samples row and column of the first counted patch of a reference."""
        return random_offset(self.subsample, patch_grid(size_of(reference), self.grid.size, 1), generator)

    def _mosaic(self, cumulated_weights: Tensor, generator: Generator) -> Tensor:
        """Samples patches with probability proportional to weight; returns an image tiled with them (stride p).

        Sampling is stratified (one patch from each of equal parts of the cumulated weights), which has less variance
        than independent samples.
        """
        p, side = self.grid.size, math.isqrt(self.limits.reference_patches)
        within = torch.rand(side * side, generator=generator, dtype=torch.float64)
        steps = (torch.arange(side * side, dtype=torch.float64) + within) / side**2
        total = cumulated_weights[-1]
        index = torch.searchsorted(cumulated_weights, steps * total, right=True).clamp(max=len(cumulated_weights) - 1)
        parts = []
        for reference in self.references:
            rows, columns = patch_grid(size_of(reference), p, 1)
            inside = index[(index >= 0) & (index < rows * columns)].to(reference.device)
            index = index - rows * columns
            view = reference.unfold(2, p, 1).unfold(3, p, 1)
            parts.append(view[0, :, inside // columns, inside % columns])
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
                counted, stride = Subsample(offset, self.subsample).apply(reference, 1)
                counts += self.backend.count(counted, bank, bins, stride, weights)
        return self.backend.prepare(bank, bins, cumulative(counts, bins.width.dtype), self.grid.stride)


def random_offset(stride: Stride, grid: Size, generator: Generator) -> tuple[int, int]:
    """Samples row and column of the first patch of a subsample of `grid` (rows, columns) with this stride."""
    row, column = (
        int(torch.randint(min(step, number), (1,), generator=generator))
        for step, number in zip(stride, grid, strict=True)
    )
    return row, column


def subsample_stride(ratio: int) -> tuple[int, int]:
    """Returns the row and column strides that keep about one of `ratio` patches, or a few more."""
    columns = max(math.isqrt(ratio), 1)
    return columns + (columns * (columns + 1) <= ratio), columns


def _range(image: Tensor, bank: FilterBank) -> tuple[Tensor, Tensor]:
    """Returns the lowest and the highest projection onto each filter, (K,) each, over a few thousand patches.

    A margin of 1/16 of the range is added at both ends, for the patches that are left out.
    """
    stride = max(1, math.isqrt(patch_count(size_of(image), bank.patch_size, 1) // 4096))
    projections = project_rows(project_columns(image, bank, stride), bank, stride).flatten(0, 1)
    low, high = projections.amin(0), projections.amax(0)
    margin = (high - low) / 16
    return low - margin, high + margin
