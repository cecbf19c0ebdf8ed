"""Sets of random filters, and the CDFs of the reference's projections onto them."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..images import Size, channels_last, size_of
from ..kernels.backend import Backend, ReferencePatches, Subsample
from ..kernels.workspace import Workspace, retry_with_less_memory
from ..patches.filters import Filters
from ..patches.linear import FilterBank, Stride, patch_count, patch_grid
from ..references import Reference, reference_patch_weights
from ..transport.binned import bin_count, quantize_weights

BATCH_FILTERS = 2**10
"""Filters that are sampled in one call, which is cheaper per filter."""


@dataclass(frozen=True)
class CountingLimits:
    """Limits of the numbers of patches and filters that are counted and computed at a time.

    The first two trade accuracy for speed. Results depend on the others only by rounding.
    """

    reference_patches: int = 10_000
    """Approximate number of reference patches that are counted. Larger references are subsampled: on a strided grid
    from twice this number on, or by weight if patches have weights."""
    output_patches: int = 2**18
    """Approximate number of output patches that are counted; from twice this number on a strided subsample with a
    random offset is. The standard error of the reference's CDFs, from about 10,000 patches, is five times as large."""
    set_filters: int = 128
    """Maximum number of filters of a set that are evaluated together."""
    sets_per_sample: int = 32
    """Maximum number of sets of filters that are sampled in one call."""
    joint_projections: int = 2**20
    """Projections of the reference, over several sets, that are computed in one call on a CPU: small levels are bound
    by the number of calls."""
    bins: int | None = None
    """Number of bins of each direction; None: `transport.binned.bin_count`."""


@functools.lru_cache(maxsize=64)
def filter_batch(filters: Filters, channels: int, sets: int, batch: int, like: torch.device) -> FilterBank:
    """Returns some sets of filters, float32 and channels last: the same in every run, and at every level of a run.

    They are cached, because sampling them takes longer than a step of a small level.
    """
    bank = filters.sample(channels, Generator().manual_seed(batch), sets, like)
    return bank.to(torch.empty(0, device=like))


class ReferenceCDFs:
    """Samples sets of filters and computes the CDFs of the reference's projections onto them.

    Set i is the same in every run. At small levels several sets are computed together.

    Arguments:
        filters: The distributions of the filters, one for each patch size.
        distance: "l1" or "l2"; it sets the number of bins.
        references: The references at this level.
        workspace: The retry after running out of memory.
        backend: The backend that counts patches in bins.
        limits: Limits of what is counted and computed at a time.
        pool: Number of consecutive sets that are in use at a time.
    """

    def __init__(
        self,
        filters: Sequence[Filters],
        distance: str,
        references: Sequence[Reference],
        workspace: Workspace,
        backend: Backend,
        limits: CountingLimits,
        pool: int,
    ) -> None:
        self.workspace, self.backend, self.like = workspace, backend, references[0].image
        self.samplers = [PatchSampler(references, each.patch_size, limits.reference_patches) for each in filters]
        self.bins = limits.bins or bin_count(max(each.number for each in self.samplers), distance)
        number, self.groups = sum(each.number for each in filters), filter_groups(filters, limits)
        self.sets = _power_of_two(min(BATCH_FILTERS // number, limits.sets_per_sample))
        self.joint_sets = self.sets
        if self.like.device.type == "cpu":
            projections = number * max(each.counted for each in self.samplers)
            self.joint_sets = min(_power_of_two(limits.joint_projections // projections), self.sets)
        self.kept_parts, self.parts = -(-pool // self.joint_sets) + (pool > 1), {}

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Returns a set of filters with the reference's CDFs, as groups of filters in the backend's own form."""
        part = index // self.joint_sets
        if part not in self.parts:
            for old in sorted(self.parts)[: len(self.parts) + 1 - self.kept_parts]:
                del self.parts[old]
            self.parts[part] = retry_with_less_memory(partial(self._part, part), self.workspace.reduce_memory)
        return self.parts[part][index % self.joint_sets]

    def _part(self, part: int) -> list[tuple[Any, ...]]:
        """Returns the sets that are computed together."""
        batch, within = divmod(part, self.sets // self.joint_sets)
        generator = Generator().manual_seed(part)
        patches = [sampler.sample(generator) for sampler in self.samplers]
        results = []
        for group in self.groups:
            banks = [
                filter_batch(each, self.like.shape[1], self.sets, batch, self.like.device)
                .to(self.like)
                .split_sets(self.sets // self.joint_sets)[within]
                for each in group
            ]
            results.append(self.backend.project(patches, banks, self.bins))
        return list(zip(*results, strict=True))


def filter_groups(filters: Sequence[Filters], limits: CountingLimits) -> list[tuple[Filters, ...]]:
    """Splits a set of filters, so that what is evaluated together does not grow with their number.

    A group has filters of every size.
    """
    number = sum(each.number for each in filters)
    groups = min(-(-number // limits.set_filters), *(each.number for each in filters))
    return list(zip(*(each.split(groups) for each in filters), strict=True))


def _power_of_two(number: int) -> int:
    """Returns the largest power of two that is at most `number`; 1 if there is none."""
    return 1 << max(number, 1).bit_length() - 1


class PatchSampler:
    """Chooses the patches of one size that are counted in the references.

    Without weights they lie on a strided grid with a random offset. With weights, all patches with a weight above 0 are
    counted, or if these are too many, patches that are sampled with a probability proportional to their weight.

    Arguments:
        references: The references at one level.
        patch_size: Side of the patches, in pixels.
        limit: Approximate number of patches to count.
    """

    def __init__(self, references: Sequence[Reference], patch_size: int, limit: int) -> None:
        self.patch_size, self.limit = patch_size, limit
        self.images = [channels_last(x.image) for x in references]
        self.number = sum(patch_count(size_of(x), patch_size, 1) for x in self.images)
        self.stride, self.cumulated, self.mosaic = (1, 1), None, None
        weights = reference_patch_weights(references, patch_size)
        if weights is None:
            self.stride = subsample_stride(self.number // limit)
            self.counted = self.number // math.prod(self.stride)
            return
        flat = torch.cat([each.flatten() for each in weights])
        index = flat.nonzero()[:, 0]
        self.counted = min(len(index), limit)
        if len(index) > limit:
            self.cumulated = flat.to("cpu", torch.float64).cumsum(0)
        else:
            side = math.isqrt(len(index) - 1) + 1
            quantized = quantize_weights(flat[index])
            missing = side * side - len(index)
            grid = F.pad(quantized, (0, missing)).view(side, side)
            self.mosaic = ReferencePatches(self._mosaic(F.pad(index, (0, missing))), (patch_size, patch_size), grid)

    def sample(self, generator: Generator) -> list[ReferencePatches]:
        """Returns the patches to count, of one or several images. Random numbers come from the CPU `generator`."""
        if self.mosaic is not None:
            return [self.mosaic]
        if self.cumulated is not None:
            return [ReferencePatches(self._mosaic(self._by_weight(generator)), (self.patch_size, self.patch_size))]
        patches = []
        for image in self.images:
            grid = patch_grid(size_of(image), self.patch_size, 1)
            subsample = Subsample(random_offset(self.stride, grid, generator), self.stride)
            patches.append(ReferencePatches(*subsample.apply(image, 1)))
        return patches

    def _by_weight(self, generator: Generator) -> Tensor:
        """Samples indices of patches with a probability proportional to weight; their number is a square.

        Sampling is stratified (one patch from each of equal parts of the cumulated weights), which has less variance
        than independent samples.
        """
        cumulated, number = self.cumulated, math.isqrt(self.limit) ** 2
        assert cumulated is not None
        within = torch.rand(number, generator=generator, dtype=torch.float64)
        steps = (torch.arange(number, dtype=torch.float64) + within) / number
        index = torch.searchsorted(cumulated, steps * cumulated[-1], right=True)
        return index.clamp(max=len(cumulated) - 1).to(self.images[0].device)

    def _mosaic(self, index: Tensor) -> Tensor:
        """Returns an image tiled with the patches of these indices, (1, C, side p, side p), channels last."""
        p, side, parts = self.patch_size, math.isqrt(len(index)), []
        numbers, order = torch.arange(len(index), device=index.device), []
        for image in self.images:
            rows, columns = patch_grid(size_of(image), p, 1)
            inside = (index >= 0) & (index < rows * columns)
            within, view = index[inside], image.unfold(2, p, 1).unfold(3, p, 1)
            parts.append(view[0, :, within // columns, within % columns])
            order.append(numbers[inside])
            index = index - rows * columns
        patches = torch.cat(parts, 1)[:, torch.cat(order).argsort()].unflatten(1, (side, side))  # (C, side, side, p, p)
        mosaic = patches.permute(0, 1, 3, 2, 4).reshape(1, len(patches), side * p, side * p)
        return channels_last(mosaic)


def random_offset(stride: Stride, grid: Size, generator: Generator) -> tuple[int, int]:
    """Samples row and column of the first patch of a subsample of `grid` (rows, columns) with this stride."""
    if stride == (1, 1):
        return 0, 0
    row, column = (
        int(torch.randint(min(step, number), (1,), generator=generator))
        for step, number in zip(stride, grid, strict=True)
    )
    return row, column


def subsample_stride(ratio: int) -> tuple[int, int]:
    """Returns the row and column strides that keep about one of `ratio` patches, or a few more."""
    columns = max(math.isqrt(ratio), 1)
    return columns + (columns * (columns + 1) <= ratio), columns
