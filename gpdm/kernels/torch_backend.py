"""The work of a step without a sort, in plain PyTorch: project and count, compare, look up and carry back; strip by strip.

The same in Triton: kernels/triton_passes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ..images import size_of
from ..patches.filters import FilterBank
from ..patches.linear import Adjoint, patch_grid, project_columns, project_rows
from ..transport.binned import SLOPES, WEIGHT_UNIT, Bins, count, look_up, wide
from .workspace import Workspace

Stride = tuple[int, int]
"""Rows and columns from one patch to the next."""


@dataclass(frozen=True)
class Sample:
    """Which patches are counted: every so many rows and columns of the patch grid, from some row and column on."""

    corner: tuple[int, int] = (0, 0)
    spacing: tuple[int, int] = (1, 1)

    def of(self, image: Tensor, stride: int) -> tuple[Tensor, Stride]:
        """The image from the first of these patches on, and the rows and columns from one to the next."""
        row, column = (place * stride for place in self.corner)
        return image[..., row:, column:], (self.spacing[0] * stride, self.spacing[1] * stride)


WHOLE = Sample()
"""All of them."""


class Side(Protocol):
    """A bank of projections as a way to do the work wants it, and the reference's distribution functions along them."""

    @property
    def function(self) -> Tensor:
        """F_P at the centres of the bins, (K, B)."""
        ...


class Passes(Protocol):
    """A way to do the work of a step. Images are (1, C, H, W), float32. Masses, (rows, columns) of the patch grid, are whole numbers
    as `whole_weights` gives them; None counts all patches alike."""

    def count(self, image: Tensor, bank: FilterBank, bins: Bins, stride: Stride, mass: Tensor | None) -> Tensor:
        """How many patches, or how much mass, lies in each bin: (K, B), in `wide` numbers."""
        ...

    def sides(self, bank: FilterBank, bins: Bins, function: Tensor, stride: int) -> list[Any]:
        """One `Side` for each set of the bank, prepared to be used many times for patches with this stride."""
        ...

    def step(
        self, image: Tensor, side: Any, distance: str, stride: int, sample: Sample, mass: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """One evaluation.

        Returns:
            The distance of an output to the reference, the mean over the directions of `side`, a scalar; and, (1, C, H, W), the sum over
            directions and patches of slope times filter, with masses times these in units of `WEIGHT_UNIT`. Slopes come from
            the patches of `sample`, and go to all.
        """
        ...


@dataclass(frozen=True)
class TorchSide:
    """See `Side`."""

    scaled: FilterBank
    """The bank, scaled so that `bins.offset` added to a projection is its place among the bins."""
    adjoint: Adjoint
    """Of the bank as it was drawn."""
    bins: Bins
    function: Tensor


class TorchPasses:
    """Convolutions, scattered counts and gathered slopes, in strips of rows that fit the workspace. With L1 each sum is one of
    multiples of `projections.GRID`, and the same however the rows are divided."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def count(self, image: Tensor, bank: FilterBank, bins: Bins, stride: Stride, mass: Tensor | None) -> Tensor:
        """See `Passes`."""
        return self._count(image, bank.scaled(bins.scale), bins, stride, mass)

    def sides(self, bank: FilterBank, bins: Bins, function: Tensor, stride: int) -> list[TorchSide]:
        """See `Passes`."""
        parts = zip(
            bank.each(),
            bank.scaled(bins.scale).each(),
            bins.chunk(bank.sets),
            function.chunk(bank.sets),
            strict=True,
        )
        return [TorchSide(scaled, Adjoint.of(own, stride), own_bins, f) for own, scaled, own_bins, f in parts]

    def step(
        self, image: Tensor, side: TorchSide, distance: str, stride: int, sample: Sample, mass: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """See `Passes`."""
        bins, number = side.bins, len(side.function)
        rows, columns = patch_grid(size_of(image), side.scaled.patch_size, stride)
        strips = self.workspace.strips(rows, columns, number)
        line, tallest = columns * number, strips[0].stop
        down = project_columns(image, side.scaled, stride)
        keep = sample == WHOLE and 8 * rows * line <= self.workspace.keep_bytes
        indices = self.workspace.buffer("indices", (rows if keep else tallest) * line, torch.int64)
        slope = self.workspace.buffer("slopes", tallest * line, image.dtype)

        def index_of(part: slice) -> Tensor:
            start = part.start if keep else 0
            into = indices[start * line : (start + part.stop - part.start) * line]
            return bins.index(project_rows(down[:, :, part], side.scaled, stride, bins.offset).flatten(0, 1), into)

        if sample == WHOLE:
            counts = _counted(strips, index_of, number, bins, mass)
        else:
            counted, spacing = sample.of(image, stride)
            counts = self._count(counted, side.scaled, bins, spacing, None)
        value, slopes = SLOPES[distance](side.function, counts, bins)

        def values() -> Iterator[Tensor]:
            for part in strips:
                index = indices[part.start * line : part.stop * line].view(-1, number) if keep else index_of(part)
                found = look_up(slopes, index, slope[: index.numel()].view(index.shape))
                if mass is not None:
                    # Masses stay whole numbers here, over a power of two: their sums too are then exact for 0 and 1.
                    found *= (mass[part] / WEIGHT_UNIT).to(found).reshape(-1, 1)
                yield found.view(-1, columns, number)

        return value, side.adjoint(values(), size_of(image))

    def _count(self, image: Tensor, scaled: FilterBank, bins: Bins, stride: Stride, mass: Tensor | None) -> Tensor:
        down = project_columns(image, scaled, stride[0])
        columns = (down.shape[3] - scaled.patch_size) // stride[1] + 1

        def index_of(part: slice) -> Tensor:
            places = project_rows(down[:, :, part], scaled, stride[1], bins.offset).flatten(0, 1)
            return bins.index(places, self.workspace.buffer("sampled", places.numel(), torch.int64))

        strips = self.workspace.strips(down.shape[2], columns, len(scaled))
        return _counted(strips, index_of, len(scaled), bins, mass)


def _counted(
    strips: Sequence[slice], index_of: Callable[[slice], Tensor], number: int, bins: Bins, mass: Tensor | None
) -> Tensor:
    """Counts of `number` directions, strip by strip."""
    counts = bins.width.new_zeros(number, bins.number, dtype=wide(bins.width.device))
    for part in strips:
        counts += count(index_of(part), bins, None if mass is None else mass[part].flatten())
    return counts
