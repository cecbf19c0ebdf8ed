"""The backend in plain PyTorch: project and count, compare, backproject, strip by strip. For Triton see
triton_backend.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import size_of
from ..patches.filters import FilterBank
from ..patches.linear import Adjoint, patch_grid, project_columns, project_rows
from ..transport.binned import BIN_GRADIENTS, WEIGHT_UNIT, Bins, count, look_up
from .backend import ALL, Stride, Subsample
from .workspace import Workspace


@dataclass(frozen=True)
class TorchProjectedReference:
    """A set of filters with the reference's CDFs, for `TorchBackend`."""

    scaled: FilterBank
    """The filters divided by the width of the bins: a projection plus `bins.offset` is a bin coordinate."""
    adjoint: Adjoint
    """The adjoint of projection onto the unscaled filters."""
    bins: Bins
    cdf_p: Tensor


class TorchBackend:
    """Convolutions, scatter-add counts and gathered gradients, in strips of rows that fit the workspace.

    With L1, sums over filters are exact, since rows are multiples of `filters.GRID`, so that the result does not depend
    on the strips.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def count(self, image: Tensor, bank: FilterBank, bins: Bins, stride: Stride, weights: Tensor | None) -> Tensor:
        """See `Backend.count`."""
        scaled = bank.scaled(bins.scale)
        return self._count(project_columns(image, scaled, stride[0]), scaled, bins, stride[1], weights)

    def prepare(self, bank: FilterBank, bins: Bins, cdf_p: Tensor, stride: int) -> list[TorchProjectedReference]:
        """See `Backend.prepare`."""
        parts = zip(
            bank.each(),
            bank.scaled(bins.scale).each(),
            bins.chunk(bank.sets),
            cdf_p.chunk(bank.sets),
            strict=True,
        )
        return [
            TorchProjectedReference(scaled, Adjoint.of(own, stride), own_bins, own_cdf)
            for own, scaled, own_bins, own_cdf in parts
        ]

    def evaluate(
        self,
        image: Tensor,
        reference: TorchProjectedReference,
        distance: str,
        stride: int,
        subsample: Subsample,
        weights: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """See `Backend.evaluate`."""
        bins, scaled, number = reference.bins, reference.scaled, len(reference.cdf_p)
        rows, columns = patch_grid(size_of(image), scaled.patch_size, stride)
        line = columns * number
        down = project_columns(image, scaled, stride)
        # Bins are kept from counting to backprojection if memory allows; else they are computed twice.
        keep = subsample == ALL and 8 * rows * line <= self.workspace.keep_bytes
        held = self.workspace.buffer("held", rows * line, torch.int64) if keep else None
        if subsample == ALL:
            counts = self._count(down, scaled, bins, stride, weights, held)
        else:
            counted, spacing = subsample.of(image, stride)
            counts = self._count(project_columns(counted, scaled, spacing[0]), scaled, bins, spacing[1], None)
        value, gradients = BIN_GRADIENTS[distance](reference.cdf_p, counts, bins)
        return value, reference.adjoint(
            self._gradients(down, scaled, bins, stride, gradients, weights, held), size_of(image)
        )

    def _count(
        self,
        down: Tensor,
        scaled: FilterBank,
        bins: Bins,
        stride: int,
        weights: Tensor | None,
        held: Tensor | None = None,
    ) -> Tensor:
        """Counts patches strip by strip from projected columns `down` (1, M, rows, W); writes their bins to `held`, if
        given."""
        number, columns = len(scaled), (down.shape[3] - scaled.patch_size) // stride + 1
        counts = None
        for part in self.workspace.strips(down.shape[2], columns, number):
            coordinates = project_rows(down[:, :, part], scaled, stride, bins.offset).flatten(0, 1)
            index = bins.index(coordinates, self._room(coordinates, part, held))
            own = count(index, bins, None if weights is None else weights[part].flatten())
            counts = own if counts is None else counts.add_(own)
        assert counts is not None
        return counts

    def _gradients(
        self,
        down: Tensor,
        scaled: FilterBank,
        bins: Bins,
        stride: int,
        gradients: Tensor,
        weights: Tensor | None,
        held: Tensor | None,
    ) -> Iterator[Tensor]:
        """Yields the gradient of each patch's bin, times its weight: (rows, columns, K) for each strip."""
        number, columns = len(scaled), (down.shape[3] - scaled.patch_size) // stride + 1
        for part in self.workspace.strips(down.shape[2], columns, number):
            if held is None:
                coordinates = project_rows(down[:, :, part], scaled, stride, bins.offset).flatten(0, 1)
                index = bins.index(coordinates, self._room(coordinates, part, None))
            else:
                index = held[part.start * columns * number : part.stop * columns * number].view(-1, number)
            found = self.workspace.buffer("gradients", index.numel(), gradients.dtype).view(index.shape)
            look_up(gradients, index, found)
            if weights is not None:
                # Weights are whole numbers over a power of two, so that sums of weights 0 and 1 are exact as well.
                found *= (weights[part] / WEIGHT_UNIT).to(found).reshape(-1, 1)
            yield found.view(-1, columns, number)

    def _room(self, coordinates: Tensor, part: slice, held: Tensor | None) -> Tensor:
        """Returns memory for the bins of a strip: its part of `held`, or a buffer that the next strip overwrites."""
        if held is None:
            return self.workspace.buffer("bins", coordinates.numel(), torch.int64)
        start = part.start * (coordinates.numel() // (part.stop - part.start))
        return held[start : start + coordinates.numel()]
