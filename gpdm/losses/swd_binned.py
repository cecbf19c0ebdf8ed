"""The objective of the binned sliced Wasserstein distance: CDFs on common bins, without a sort."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import wrap, wrap_adjoint
from ..canvas import Canvas
from ..images import Size, check_single, size_of
from ..kernels.backend import ALL_PATCHES, Backend, ProjectedReference, Subsample
from ..kernels.choose import choose, make_backend
from ..kernels.workspace import Workspace, retry_with_less_memory
from ..patches.filters import Filters
from ..patches.linear import PatchGrid, patch_grid
from ..references import Reference, reference_patch_weights
from ..transport.binned import WEIGHT_UNIT, quantize_weights
from .base import OutputState
from .reference_cdfs import CountingLimits, ReferenceCDFs, random_offset, subsample_stride

POOL_SIZE = 8
"""Number of filter sets, with the reference's CDFs along them, that are kept if sets are reused."""


@dataclass(frozen=True)
class StepSample:
    """The random numbers of one evaluation."""

    references: tuple[ProjectedReference, ...]
    """Parts of a set of filters, with the reference's CDFs along them."""
    offset: tuple[int, int]
    """Row and column of the first patch of the grid, in pixels."""
    subsample: Subsample
    """The patches that are counted."""


class BinnedObjective:
    """The sliced Wasserstein distance at one level from CDFs on bins.

    The reference's CDFs are computed once for each set of filters, and each set is used `reuse` times on average: a
    pool keeps the latest sets, and at every step each output takes one of them at random.

    The sequence of sets is the same for all outputs and seeds. Which set of the pool an output takes, and the offset of
    its patch grid, come from its own generator. With `reuse` 1 the pool holds one set, so that all outputs see the same
    filters at a step.

    Raises:
        OptionError: The chosen backend cannot be used (the message gives the reason), or no patch has a weight above 0.
    """

    def __init__(
        self,
        grid: PatchGrid,
        filters: Filters,
        distance: str,
        reuse: int,
        backend: str,
        references: Sequence[Reference],
        canvas: Canvas,
        keep_bytes: int,
        weight: float,
        limits: CountingLimits,
    ) -> None:
        self.grid, self.distance, self.reuse, self.weight, self.canvas = grid, distance, reuse, weight, canvas
        self.number, self.padded_size, self.limits = filters.number, canvas.padded_size(grid.size), limits
        patch_weights = canvas.patch_weights(grid.size)
        self.weights = None if patch_weights is None else quantize_weights(patch_weights)
        images = [reference.image for reference in references]
        device, channels = images[0].device, images[0].shape[1]
        largest = max(math.prod(size) for size in (self.padded_size, *map(size_of, images)))
        self.backend = choose(backend, device, channels * largest, images[0].dtype)
        self.workspace = Workspace(device, keep_bytes)
        self.implementation: Backend = make_backend(self.backend, self.workspace)
        weights = reference_patch_weights(references, grid.size)
        self.cdfs = ReferenceCDFs(filters, grid, distance, images, weights, self.workspace, self.implementation, limits)
        # A strided or subsampled grid has another offset at every step, which a captured graph cannot follow.
        self.capturable = grid.stride == 1 and self._stride(patch_grid(self.padded_size, grid.size, 1)) == (1, 1)
        self._restart()

    def _restart(self) -> None:
        self.fresh = iter(self.cdfs)
        # With new filters at every step a larger pool would leave some sets unused, which raises the final distance by
        # 14 %.
        self.pool: deque[list[ProjectedReference]] = deque(maxlen=1 if self.reuse == 1 else POOL_SIZE)
        self.steps = 0

    def _stride(self, grid: Size) -> tuple[int, int]:
        """Returns the row and column strides of the counted patches of a grid (rows, columns).

        With weights all are counted, since only a few patches may have a weight above 0.
        """
        if self.weights is not None:
            return ALL_PATCHES.stride
        return subsample_stride(math.prod(grid) // self.limits.output_patches)

    def sample(self, image: Tensor, step: int, state: OutputState) -> StepSample:
        """See `Objective.sample`. A `step` before the last sampled one restarts the sequence of filters."""
        check_single(image)
        if step + 1 < self.steps:
            self._restart()
        while self.steps <= step:
            if self.steps < min(self.reuse, POOL_SIZE) or self.steps % self.reuse == 0:
                self.pool.append(next(self.fresh))
            self.steps += 1
        references = self.pool[int(torch.randint(len(self.pool), (1,), generator=state.generator))]
        offset = self.grid.random_offset(self.padded_size, state.generator)
        rows, columns = (length - first for length, first in zip(self.padded_size, offset, strict=True))
        grid = patch_grid((rows, columns), self.grid.size, self.grid.stride)
        stride = self._stride(grid)
        subsample = ALL_PATCHES
        if stride != ALL_PATCHES.stride:
            subsample = Subsample(random_offset(stride, grid, state.generator), stride)
        return StepSample(tuple(references), offset, subsample)

    def evaluate(self, image: Tensor, sample: StepSample, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        (size, stride), (row, column), border = (self.grid.size, self.grid.stride), sample.offset, self.canvas.border
        shifted = wrap(image, size, border)[..., row:, column:]
        weights = None if self.weights is None else self.weights[row::stride, column::stride]
        values, gradients = [], []
        for reference in sample.references:
            evaluate = partial(
                self.implementation.evaluate, shifted, reference, self.distance, stride, sample.subsample, weights
            )
            value, gradient = retry_with_less_memory(evaluate, self.workspace.reduce_memory)
            values.append(value * (len(reference.cdf_p) / self.number))
            gradients.append(gradient)
        value, gradient = values[0], gradients[0]
        if len(values) > 1:
            value, gradient = torch.stack(values).sum(), torch.stack(gradients).sum(0)
        patches = math.prod(patch_grid(size_of(shifted), size, stride))
        gradient = gradient.mul_(
            1 / (patches * self.number)
            if weights is None
            else (WEIGHT_UNIT / (weights.sum() * self.number)).to(gradient)
        )
        if row or column:
            gradient = F.pad(gradient, (column, 0, row, 0))
        into.add_(wrap_adjoint(gradient, size, border), alpha=self.weight)
        return self.weight * value
