"""The backend in plain PyTorch: project and count, compare, backproject, in strips of rows.

The backend with Triton kernels is in triton_backend.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import size_of
from ..patches.linear import FilterBank, LinearMap, MatrixFilters, Stride, patch_grid
from ..transport.binned import BIN_GRADIENTS, WEIGHT_UNIT, Bins, bin_range, count, cumulative
from .backend import ALL_PATCHES, OutputPatches, ReferencePatches
from .workspace import Workspace

MATRIX_PATCHES = 2000
"""Number of patches up to which products of matrices take the place of convolutions."""

REFERENCE_STRIP = 2**21
"""Elements of a reference, pixels times channels, that are projected at a time."""


@dataclass(frozen=True)
class TorchProjectedReference:
    """A set of filters with the reference's CDFs, for `TorchBackend`. It has K filters in all sizes together."""

    filters: tuple[LinearMap, ...]
    """The filters of each patch size, divided by the width of the bins."""
    offsets: tuple[Tensor, ...]
    """What is added to the projections onto these filters to give bin coordinates, for each size."""
    width: Tensor
    """Width of the bins, (K,)."""
    limits: tuple[tuple[Tensor, Tensor], ...]
    """Lowest and highest bin coordinates for each of these filters, for each size."""
    cdf_p: Tensor
    """F_P at the bin centres, (K, B)."""


@dataclass(frozen=True)
class _Strip:
    """A strip of rows of the patch grid of one patch size."""

    size: int
    """Index of the patch size."""
    rows: slice
    grid: tuple[int, int]
    """Columns of the patch grid, and number of filters."""
    image: Tensor
    """The image, (1, C, H, W)."""
    stride: Stride

    @property
    def projections(self) -> int:
        """Number of projections."""
        return (self.rows.stop - self.rows.start) * self.grid[0] * self.grid[1]

    def of(self, image: Tensor, filters: LinearMap) -> Tensor:
        """Returns the rows of an image, (1, C, H, W), that these patches cover."""
        first, last = self.rows.start * self.stride[0], (self.rows.stop - 1) * self.stride[0]
        return _rows_of(image, first, last + filters.patch_size)


class TorchBackend:
    """Convolutions, histograms and gathered gradients, in strips of rows.

    The strips depend on the sizes alone, so that the result does not depend on the memory limit. If they fit one strip,
    the patches of all sizes are processed together: small levels are bound by the number of calls.

    Arguments:
        workspace: Strips and threads.
        patches: Number of patches of the largest image.
    """

    def __init__(self, workspace: Workspace, patches: int) -> None:
        self.workspace, self.use_matrices = workspace, patches <= MATRIX_PATCHES

    def project(
        self, patches: Sequence[Sequence[ReferencePatches]], banks: Sequence[FilterBank], bins: int
    ) -> list[TorchProjectedReference]:
        """See `Backend.project`."""
        maps, grids, parts = [self._maps(bank) for bank in banks], [], []
        for size_patches, filters in zip(patches, maps, strict=True):
            strips = [strip for each in size_patches for strip in _in_strips(each, filters.patch_size)]
            values = [filters.project(strip.image, strip.stride).flatten(0, 1) for strip in strips]
            ends = [each.aminmax(dim=0) for each in values]
            low, high = torch.stack([x.min for x in ends]).amin(0), torch.stack([x.max for x in ends]).amax(0)
            margin = (high - low) / 16  # for patches that are not counted, and for those of the output
            grid = bin_range(low - margin, high + margin, bins)
            counts = sum(
                count(grid.index(x), len(filters) * bins, _expanded(each.weights, x))
                for x, each in zip(values, strips, strict=True)
            )
            assert isinstance(counts, Tensor)
            grids.append(grid)
            parts.append(counts.view(banks[0].sets, -1, bins))
        cdf_p = cumulative(torch.cat(parts, 1), grids[0].width.dtype)
        return _assembled(maps, grids, cdf_p)

    def from_cdfs(self, banks: Sequence[FilterBank], bins: Sequence[Bins], cdf_p: Tensor) -> TorchProjectedReference:
        """See `Backend.from_cdfs`."""
        return _assembled([self._maps(bank) for bank in banks], bins, cdf_p[None])[0]

    def _maps(self, bank: FilterBank) -> FilterBank | MatrixFilters:
        return MatrixFilters.of(bank) if self.use_matrices else bank

    def evaluate(
        self,
        patches: Sequence[OutputPatches],
        reference: TorchProjectedReference,
        distance: str,
        stride: int,
        factors: Tensor,
    ) -> Tensor:
        """See `Backend.evaluate`."""
        images, bins = [each.image for each in patches], reference.cdf_p.numel()
        groups = counted = self._strips(images, [(stride, stride)] * len(images), reference)
        # Bins are kept from counting to backprojection if memory allows; else they are computed twice.
        keeps = self.workspace.keeps(sum(strip.projections for group in groups for strip in group))
        if not all(each.subsample == ALL_PATCHES for each in patches):
            subsamples = [each.subsample.apply(each.image, stride) for each in patches]
            counted = self._strips([image for image, _ in subsamples], [steps for _, steps in subsamples], reference)
            keeps = False

        def count_group(group: Sequence[_Strip]) -> tuple[Tensor, Tensor | None]:
            index = _index(group, reference)
            return count(index, bins, _joined([each.weights for each in patches], group)), index if keeps else None

        results = list(self.workspace.map(count_group, counted))
        total = results[0][0] if len(results) == 1 else torch.stack([counts for counts, _ in results]).sum(0)
        value, gradients = BIN_GRADIENTS[distance](reference.cdf_p, total.view_as(reference.cdf_p), reference.width)
        gradients *= (reference.width * factors)[:, None]  # the filters are divided by the width
        kept = [index for _, index in results] if keeps else [None] * len(groups)

        def backproject(item: tuple[Sequence[_Strip], Tensor | None]) -> list[Tensor]:
            group, index = item
            index = _index(group, reference) if index is None else index
            return _backproject(gradients.view(-1), index, group, reference, patches)

        # Strips overlap, and are added in their order, whichever thread computed them.
        parts = self.workspace.map(backproject, list(zip(groups, kept, strict=True)))
        for group, group_parts in zip(groups, parts, strict=True):
            for strip, part in zip(group, group_parts, strict=True):
                into = strip.of(patches[strip.size].into, reference.filters[strip.size])
                into += part
        return value

    def _strips(
        self, images: Sequence[Tensor], strides: Sequence[Stride], reference: TorchProjectedReference
    ) -> list[list[_Strip]]:
        """Splits the patches of all sizes into strips, which are returned in groups that are processed together."""
        strips: list[_Strip] = []
        for size, (image, stride, filters) in enumerate(zip(images, strides, reference.filters, strict=True)):
            rows, columns = patch_grid(size_of(image), filters.patch_size, stride)
            for part in self.workspace.strips(rows, columns, len(filters)):
                strips.append(_Strip(size, part, (columns, len(filters)), image, stride))
        if sum(strip.projections for strip in strips) <= self.workspace.strip_projections:
            return [strips]
        return [[strip] for strip in strips]


def _assembled(
    maps: Sequence[FilterBank | MatrixFilters], grids: Sequence[Bins], cdf_p: Tensor
) -> list[TorchProjectedReference]:
    """Returns several sets of filters with CDFs (sets, K, B); filters and bins are those of all sets, for each size."""
    sets, first, filters, offsets, limits = len(cdf_p), 0, [], [], []
    for size_filters, grid in zip(maps, grids, strict=True):
        number = len(size_filters) // sets
        start = (torch.arange(number, device=grid.low.device, dtype=grid.low.dtype) + first) * grid.number
        offsets.append((start - (grid.low * grid.scale).view(sets, number)).unbind(0))
        limits.append((start, start + (grid.number - 0.5)))
        filters.append(size_filters.scaled(grid.scale).split_sets(sets))
        first += number
    width = torch.cat([grid.width.view(sets, -1) for grid in grids], 1)
    return [
        TorchProjectedReference(set_filters, set_offsets, set_width, tuple(limits), set_cdf)
        for set_filters, set_offsets, set_width, set_cdf in zip(
            zip(*filters, strict=True), zip(*offsets, strict=True), width.unbind(0), cdf_p.unbind(0), strict=True
        )
    ]


def _index(group: Sequence[_Strip], reference: TorchProjectedReference) -> Tensor:
    """Returns the bins of all projections of a group of strips, int32, one strip after the other."""
    coordinates = []
    for strip in group:
        filters, image = reference.filters[strip.size], strip.image
        values = filters.project(strip.of(image, filters), strip.stride, reference.offsets[strip.size])
        start, end = reference.limits[strip.size]
        coordinates.append(torch.clamp(values, start, end, out=values).view(-1))
    return (coordinates[0] if len(coordinates) == 1 else torch.cat(coordinates)).int()


def _backproject(
    table: Tensor,
    index: Tensor,
    group: Sequence[_Strip],
    reference: TorchProjectedReference,
    patches: Sequence[OutputPatches],
) -> list[Tensor]:
    """Returns the gradient of each strip of a group, for the rows of the image that it covers.

    Arguments:
        table: Gradient of each bin, (K B,).
        index: The bins of the projections.
        group: The strips.
        reference: The filters.
        patches: The patches of the output.
    """
    gradients, looked_up = [], torch.index_select(table, 0, index)
    for strip, values in zip(group, looked_up.split([strip.projections for strip in group]), strict=True):
        filters, each = reference.filters[strip.size], patches[strip.size]
        values = values.view(-1, *strip.grid)
        if each.weights is not None:
            values *= (each.weights[strip.rows] / WEIGHT_UNIT).to(values)[:, :, None]
        gradients.append(filters.adjoint(values, size_of(strip.of(each.into, filters)), strip.stride))
    return gradients


def _in_strips(patches: ReferencePatches, patch_size: int) -> list[ReferencePatches]:
    """Splits the patches of a large reference into strips of rows: a strided part of an image is copied."""
    image, (down, _) = patches.image, patches.stride
    rows, _ = patch_grid(size_of(image), patch_size, patches.stride)
    step = max(REFERENCE_STRIP // (down * image.shape[1] * image.shape[3]), 1)
    if rows <= step:
        return [patches]
    strips = []
    for start in range(0, rows, step):
        end = min(start + step, rows)
        strip = _rows_of(image, start * down, (end - 1) * down + patch_size)
        weights = None if patches.weights is None else patches.weights[start:end]
        strips.append(ReferencePatches(strip, patches.stride, weights))
    return strips


def _rows_of(image: Tensor, first: int, last: int) -> Tensor:
    """Returns rows `first` to `last` - 1 of an image, (1, C, H, W): the image itself if they are all."""
    return image if (first, last) == (0, image.shape[2]) else image[..., first:last, :]


def _joined(weights: Sequence[Tensor | None], group: Sequence[_Strip]) -> Tensor | None:
    """Returns the weight of each projection of a group, one strip after the other; None if there are no weights."""
    parts = []
    for strip in group:
        patches = weights[strip.size]
        if patches is not None:
            parts.append(patches[strip.rows, :, None].expand(-1, *strip.grid).flatten())
    return torch.cat(parts) if parts else None


def _expanded(weights: Tensor | None, values: Tensor) -> Tensor | None:
    """Returns weights of patches, (rows, columns), for all their projections (n, K); None if there are none."""
    return None if weights is None else weights.reshape(-1, 1).expand_as(values)
