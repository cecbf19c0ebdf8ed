"""The objective of the binned sliced Wasserstein distance: CDFs on common bins, without a sort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..borders import padding, wrap, wrap_adjoint_
from ..canvas import Canvas
from ..images import Size, check_single, size_of
from ..kernels.backend import ALL_PATCHES, Backend, OutputPatches, Subsample
from ..kernels.choose import choose, make_backend
from ..kernels.workspace import Workspace, retry_with_less_memory
from ..patches.filters import Filters
from ..patches.linear import PatchGrid, patch_grid
from ..references import Reference
from ..transport.binned import WEIGHT_UNIT, quantize_weights
from .base import OutputState
from .reference_cdfs import CountingLimits, ReferenceCDFs, filter_groups, random_offset, subsample_stride
from .stored_cdfs import StoredCDFs

POOL_SIZE = 8
"""Number of filter sets, with the reference's CDFs along them, that are kept if sets are reused."""


@dataclass(frozen=True)
class StepSample:
    """The random numbers of one evaluation."""

    references: tuple[Any, ...]
    """Groups of a set of filters, with the reference's CDFs along them, in the backend's own form."""
    offsets: tuple[tuple[int, int], ...]
    """Row and column of the first patch of the grid, in pixels, for each patch size."""
    subsamples: tuple[Subsample, ...]
    """The patches that are counted, for each patch size."""


class BinnedObjective:
    """The sliced Wasserstein distance at one level from CDFs on bins, for filters of one or several patch sizes.

    The value is the mean over all filters of the distance of the patches of the filter's size.

    The reference's CDFs are computed once for each set of filters, and each set is used `reuse` times on average: at
    every step each output takes one of the latest sets at random.

    The sequence of sets is the same for all outputs and seeds. Which of the latest sets an output takes, and the
    offsets of its patch grids, come from its own generator. With `reuse` 1 it is the last one, so that all outputs see
    the same filters at a step.

    Raises:
        OptionError: The chosen backend cannot be used (the message gives the reason), or no patch has a weight above 0.
    """

    def __init__(
        self,
        filters: Sequence[Filters],
        stride: int,
        distance: str,
        reuse: int,
        backend: str,
        references: Sequence[Reference],
        canvas: Canvas,
        keep_bytes: int,
        weight: float,
        limits: CountingLimits,
    ) -> None:
        self.filters, self.stride, self.distance, self.reuse = filters, stride, distance, reuse
        self.weight, self.canvas, self.limits = weight, canvas, limits
        self.number = sum(each.number for each in filters)
        self.largest = max(each.patch_size for each in filters)
        self.sizes = [canvas.padded_size(each.patch_size) for each in filters]
        weights = [canvas.patch_weights(each.patch_size) for each in filters]
        self.weights = [None if each is None else quantize_weights(each) for each in weights]
        images = [reference.image for reference in references]
        device, channels = images[0].device, images[0].shape[1]
        largest = max(math.prod(size) for size in (canvas.padded_size(self.largest), *map(size_of, images)))
        self.backend = choose(backend, device, channels * largest, images[0].dtype)
        self.workspace = Workspace(device, keep_bytes)
        self.implementation: Backend = make_backend(self.backend, self.workspace, largest)
        # With new filters at every step a larger pool would leave some sets unused, which raises the final distance by
        # 14 %.
        self.pool = 1 if reuse == 1 else POOL_SIZE
        self.cdfs: ReferenceCDFs | StoredCDFs
        if references[0].distribution is None:
            self.cdfs = ReferenceCDFs(
                filters, distance, references, self.workspace, self.implementation, limits, self.pool
            )
        else:
            groups = filter_groups(filters, limits)
            self.cdfs = StoredCDFs(groups, distance, references, self.implementation, limits.bins, self.pool)
        self.factors: list[Tensor] | None = None
        # A strided or subsampled grid has another offset at every step, which a captured graph cannot follow.
        self.capturable = stride == 1 and all(
            self._counting_stride(index, patch_grid(size, each.patch_size, 1)) == (1, 1)
            for index, (size, each) in enumerate(zip(self.sizes, filters, strict=True))
        )

    def _counting_stride(self, index: int, grid: Size) -> tuple[int, int]:
        """Returns the row and column strides of the counted patches of one size, on a grid (rows, columns).

        With weights all are counted, since only a few patches may have a weight above 0.
        """
        if self.weights[index] is not None:
            return ALL_PATCHES.stride
        return subsample_stride(math.prod(grid) // self.limits.output_patches)

    def sample(self, image: Tensor, step: int, state: OutputState) -> StepSample:
        """See `Objective.sample`."""
        check_single(image)
        # At first a new set at each step, until the pool is full or a set has been used `reuse` times.
        sampled = min(step + 1, self.reuse, POOL_SIZE) + step // self.reuse
        pool = min(self.pool, sampled)
        latest = 0 if pool == 1 else int(torch.randint(pool, (1,), generator=state.generator))
        offsets, subsamples = [], []
        for index, (each, size) in enumerate(zip(self.filters, self.sizes, strict=True)):
            offset = PatchGrid(each.patch_size, self.stride).random_offset(size, state.generator)
            rows, columns = (length - first for length, first in zip(size, offset, strict=True))
            grid = patch_grid((rows, columns), each.patch_size, self.stride)
            stride = self._counting_stride(index, grid)
            offsets.append(offset)
            subsamples.append(Subsample(random_offset(stride, grid, state.generator), stride))
        return StepSample(self.cdfs[sampled - 1 - latest], tuple(offsets), tuple(subsamples))

    def evaluate(self, image: Tensor, sample: StepSample, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        border = self.canvas.border
        wrapped = wrap(image, self.largest, border)
        gradient = into if wrapped is image else torch.zeros_like(wrapped)
        patches = [self._patches(index, wrapped, gradient, sample) for index in range(len(self.filters))]
        if self.factors is None:
            self.factors = self._factors(patches, image)
        values = []
        for reference, factors in zip(sample.references, self.factors, strict=True):
            evaluate = partial(self.implementation.evaluate, patches, reference, self.distance, self.stride, factors)
            value = retry_with_less_memory(evaluate, self.workspace.reduce_memory)
            fraction = self.weight * len(factors) / self.number
            values.append(value if fraction == 1 else value * fraction)
        if self.stride > 1:
            self.factors = None  # the number of patches depends on the offset of the grid
        if gradient is not into:
            into.add_(wrap_adjoint_(gradient, self.largest, border))
        return values[0] if len(values) == 1 else torch.stack(values).sum()

    def _patches(self, index: int, wrapped: Tensor, gradient: Tensor, sample: StepSample) -> OutputPatches:
        """Returns the patches of one size at this step; images are padded for the largest size."""
        (row, column), (height, width) = sample.offsets[index], self.sizes[index]
        image, into = wrapped, gradient
        if (row, column, height, width) != (0, 0, *size_of(wrapped)):
            top, left = (
                largest[0] - own[0]
                for largest, own in zip(
                    padding(self.largest, self.canvas.border),
                    padding(self.filters[index].patch_size, self.canvas.border),
                    strict=True,
                )
            )
            rows, columns = slice(top + row, top + height), slice(left + column, left + width)
            image, into = (each[..., rows, columns] for each in (wrapped, gradient))
        weights = self.weights[index]
        if weights is not None:
            weights = weights[row :: self.stride, column :: self.stride]
        return OutputPatches(image, into, sample.subsamples[index], weights)

    def _factors(self, patches: Sequence[OutputPatches], like: Tensor) -> list[Tensor]:
        """Returns the factor of the gradient of each filter, (K,), for each group of filters."""
        by_size = []
        for each, filters in zip(patches, self.filters, strict=True):
            if each.weights is None:
                number = math.prod(patch_grid(size_of(each.image), filters.patch_size, self.stride))
                by_size.append(like.new_tensor(self.weight / (number * self.number)))
            else:
                by_size.append((self.weight * WEIGHT_UNIT / (each.weights.sum() * self.number)).to(like))
        return [
            torch.cat([factor.expand(filters.number) for factor, filters in zip(by_size, group, strict=True)])
            for group in self.cdfs.groups
        ]
