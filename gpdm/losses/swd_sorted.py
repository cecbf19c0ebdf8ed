"""The objective of the exact sliced Wasserstein distance, by sorting (Algorithm 1); the oracle of the binned one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..borders import wrap, wrap_adjoint_
from ..canvas import Canvas
from ..images import check_single, size_of
from ..kernels.workspace import retry_with_less_memory
from ..patches.filters import Filters
from ..patches.linear import FilterBank, PatchGrid, patch_count
from ..references import Reference, reference_patch_weights
from ..transport.sorted import quantile_coupling, sliced_wasserstein
from .base import OutputState


@dataclass(frozen=True)
class SortedSample:
    """The random numbers of one evaluation."""

    bank: FilterBank
    """The filters."""
    offset: tuple[int, int]
    """Row and column of the first patch of the output's grid, in pixels."""
    reference_offsets: tuple[tuple[int, int], ...]
    """Row and column of the first patch of each reference's grid, in pixels."""


class SortedObjective:
    """The exact sliced Wasserstein distance at one level, by sorting, with new filters for each output and step.

    All random numbers come from the output's own generator, so that no two outputs see the same filters.

    Raises:
        OptionError: No patch has a weight above 0.

    References:
        Elnekave and Weiss, GPDM, ECCV 2022, Algorithm 1.
    """

    backend = "torch"
    capturable = False

    def __init__(
        self,
        filters: Filters,
        stride: int,
        distance: str,
        references: Sequence[Reference],
        canvas: Canvas,
        chunk: int,
        weight: float,
    ) -> None:
        self.filters, self.distance, self.canvas = filters, distance, canvas
        self.grid = grid = PatchGrid(filters.patch_size, stride)
        self.images, self.chunk, self.weight = [reference.image for reference in references], chunk, weight
        self.padded_size = canvas.padded_size(grid.size)
        self.weights = canvas.patch_weights(grid.size)
        self.reference_weights = reference_patch_weights(references, grid.size)
        self.coupling = None  # with a stride n and m depend on the offset of the grid
        if grid.stride == 1:
            n = sum(patch_count(size_of(image), grid.size, 1) for image in self.images)
            m = patch_count(self.padded_size, grid.size, 1)
            self.coupling = quantile_coupling(n, m, device=self.images[0].device, dtype=self.images[0].dtype)

    def sample(self, image: Tensor, step: int, state: OutputState) -> SortedSample:
        """See `Objective.sample`."""
        del step
        check_single(image)
        bank = self.filters.sample(image.shape[1], state.generator).to(image)
        offset = self.grid.random_offset(self.padded_size, state.generator)
        reference_offsets = [self.grid.random_offset(size_of(each), state.generator) for each in self.images]
        return SortedSample(bank, offset, tuple(reference_offsets))

    def evaluate(self, image: Tensor, sample: SortedSample, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""

        def work() -> tuple[Tensor, Tensor]:
            return self._evaluate(image, sample)

        value, gradient = retry_with_less_memory(work, self._reduce_memory)
        into.add_(gradient, alpha=self.weight)
        return self.weight * value

    def _evaluate(self, image: Tensor, sample: SortedSample) -> tuple[Tensor, Tensor]:
        stride, (row, column) = self.grid.stride, sample.offset
        wrapped = wrap(image, self.grid.size, self.canvas.border)
        shifted = wrapped[..., row:, column:]
        references = [
            image[..., row:, column:]
            for image, (row, column) in zip(self.images, sample.reference_offsets, strict=True)
        ]
        weights = self._weights(sample)
        value, gradient = image.new_zeros(()), torch.zeros_like(wrapped)
        for part in sample.bank.split_filters(self.chunk):
            p = torch.cat([_rows(part.project(reference, (stride, stride))) for reference in references], dim=1)
            q = part.project(shifted, (stride, stride))
            part_value, part_gradient = sliced_wasserstein(
                p, _rows(q), distance=self.distance, coupling=self.coupling, p_weights=weights[0], q_weights=weights[1]
            )
            fraction = len(part) / len(sample.bank)
            value += fraction * part_value
            part_gradient = (fraction * part_gradient).T.reshape(q.shape)
            gradient[..., row:, column:] += part.adjoint(part_gradient, size_of(shifted), (stride, stride))
        return value, wrap_adjoint_(gradient, self.grid.size, self.canvas.border)

    def _weights(self, sample: SortedSample) -> tuple[Tensor | None, Tensor | None]:
        """Returns the weights of the compared patches of references, (n,), and output, (m,); None if equal."""
        stride, p, q = self.grid.stride, None, None
        if self.reference_weights is not None:
            parts = [
                weights[row::stride, column::stride].flatten()
                for weights, (row, column) in zip(self.reference_weights, sample.reference_offsets, strict=True)
            ]
            p = torch.cat(parts)
        if self.weights is not None:
            q = self.weights[sample.offset[0] :: stride, sample.offset[1] :: stride].flatten()
        return p, q

    def _reduce_memory(self) -> str | None:
        """Halves the number of filters at a time and returns a description of that; None if it is 1 already."""
        if self.chunk == 1:
            return None
        self.chunk = (self.chunk + 1) // 2
        return f"with {self.chunk} projections at a time"


def _rows(projections: Tensor) -> Tensor:
    """Returns projections (rows, columns, K) as (K, N), contiguous."""
    return projections.flatten(0, 1).T.contiguous()
