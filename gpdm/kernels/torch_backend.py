"""The backend in plain PyTorch: project and count, compare, backproject, in strips of rows.

The backend with Triton kernels is in triton_backend.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import size_of
from ..patches.filters import FilterBank
from ..patches.linear import Adjoint, patch_grid, project_columns, project_rows
from ..transport.binned import BIN_GRADIENTS, WEIGHT_UNIT, Bins, count, look_up
from .backend import ALL_PATCHES, Stride, Subsample
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
    """F_P at the bin centres, (K, B)."""


class TorchBackend:
    """Convolutions, scatter-add counts and gathered gradients, in strips of rows that fit the workspace.

    With L1, sums over filters are exact, since rows are multiples of `filters.FILTER_QUANTUM`, so that the gradient
    does not depend on the strips.
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
            bank.split_sets(),
            bank.scaled(bins.scale).split_sets(),
            bins.chunk(bank.sets),
            cdf_p.chunk(bank.sets),
            strict=True,
        )
        return [
            TorchProjectedReference(scaled, Adjoint.of(filters, stride), set_bins, set_cdf)
            for filters, scaled, set_bins, set_cdf in parts
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
        projections = rows * (columns * number)
        image_columns = project_columns(image, scaled, stride)
        # Bins are kept from counting to backprojection if memory allows; else they are computed twice.
        keep = subsample == ALL_PATCHES and 8 * projections <= self.workspace.keep_bytes
        kept = self.workspace.buffer("kept", projections, torch.int64) if keep else None
        if subsample == ALL_PATCHES:
            counts = self._count(image_columns, scaled, bins, stride, weights, kept)
        else:
            counted, pixel_stride = subsample.apply(image, stride)
            counted_columns = project_columns(counted, scaled, pixel_stride[0])
            counts = self._count(counted_columns, scaled, bins, pixel_stride[1], None)
        value, bin_gradients = BIN_GRADIENTS[distance](reference.cdf_p, counts, bins)
        strips = self._gradients(image_columns, scaled, bins, stride, bin_gradients, weights, kept)
        return value, reference.adjoint(strips, size_of(image))

    def _count(
        self,
        image_columns: Tensor,
        scaled: FilterBank,
        bins: Bins,
        stride: int,
        weights: Tensor | None,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Counts patches strip by strip, from projected columns (1, M, rows, W).

        Their bins are written to `kept`, if it is given.
        """
        number, columns = len(scaled), (image_columns.shape[3] - scaled.patch_size) // stride + 1
        counts = None
        for strip in self.workspace.strips(image_columns.shape[2], columns, number):
            coordinates = project_rows(image_columns[:, :, strip], scaled, stride, bins.offset).flatten(0, 1)
            index = bins.index(coordinates, self._bin_buffer(coordinates, strip, kept))
            strip_counts = count(index, bins, None if weights is None else weights[strip].flatten())
            counts = strip_counts if counts is None else counts.add_(strip_counts)
        assert counts is not None
        return counts

    def _gradients(
        self,
        image_columns: Tensor,
        scaled: FilterBank,
        bins: Bins,
        stride: int,
        bin_gradients: Tensor,
        weights: Tensor | None,
        kept: Tensor | None,
    ) -> Iterator[Tensor]:
        """Yields the gradient of each patch's bin, times its weight: (rows, columns, K) for each strip."""
        number, columns = len(scaled), (image_columns.shape[3] - scaled.patch_size) // stride + 1
        for strip in self.workspace.strips(image_columns.shape[2], columns, number):
            if kept is None:
                coordinates = project_rows(image_columns[:, :, strip], scaled, stride, bins.offset).flatten(0, 1)
                index = bins.index(coordinates, self._bin_buffer(coordinates, strip, None))
            else:
                index = kept[strip.start * columns * number : strip.stop * columns * number].view(-1, number)
            gradients = self.workspace.buffer("gradients", index.numel(), bin_gradients.dtype).view(index.shape)
            look_up(bin_gradients, index, gradients)
            if weights is not None:
                # Weights are whole numbers over a power of two, so that sums of weights 0 and 1 are exact as well.
                gradients *= (weights[strip] / WEIGHT_UNIT).to(gradients).reshape(-1, 1)
            yield gradients.view(-1, columns, number)

    def _bin_buffer(self, coordinates: Tensor, strip: slice, kept: Tensor | None) -> Tensor:
        """Returns memory for the bins of a strip: its part of `kept`, or a buffer that the next strip overwrites."""
        if kept is None:
            return self.workspace.buffer("bins", coordinates.numel(), torch.int64)
        start = strip.start * (coordinates.numel() // (strip.stop - strip.start))
        return kept[start : start + coordinates.numel()]
