"""The sliced Wasserstein distance of one pyramid level without a sort: distribution functions on bins, strip by strip."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .histograms import SLOPES, WEIGHT_UNIT, Bins, bin_count, bin_range, count, cumulative, look_up, whole_weights, wide
from .images import Size, size_of
from .memory import with_less_on_failure
from .objectives import PatchWeights, SWDOptions, curvature
from .patches import (
    Adjoint,
    patch_count,
    patch_grid,
    project,
    project_columns,
    project_rows,
    wrap,
    wrap_adjoint,
    wrapped_size,
)
from .projections import FilterBank, draw_filters

BLOCK_VALUES = 2**21
"""Projections worked off at a time: few enough to stay near a processor's caches, enough to keep it busy."""
GROUP = 128
"""Filters of a bank, at most."""
REFERENCE_PATCHES = 30_000
"""From a reference with many more patches, every second, third ... row and column of them is taken, from a random place on."""
POOL = 8
"""How many sets of projections with the reference's side of them are held."""
DRAWN = 8
"""How many sets of projections are drawn together, since that takes less time for each."""
TOGETHER_VALUES = 2**19
"""Projections of the reference on several sets that are worked off together: small levels are bound by the number of calls."""


@dataclass(frozen=True)
class ReferenceSide:
    """A bank of projections and the reference's distribution functions along them."""

    bank: FilterBank
    """Scaled, so that `bins.offset` added to a projection is its place among the bins."""
    adjoint: Adjoint
    """Of the bank as it was drawn."""
    bins: Bins
    function: Tensor
    """F_P at the centres of the bins, (K, B)."""


class HistogramObjective:
    """Compares distribution functions on bins. The reference's are computed once for a set of projections, and each set is used
    `reuse` times on average: a pool holds the latest, and at every step each output takes one at random.

    The pool is the same for all outputs and seeds; which set an output takes follows its own generator.
    """

    def __init__(
        self,
        options: SWDOptions,
        references: Sequence[Tensor],
        size: Size,
        keep_bytes: int,
        weights: PatchWeights | None = None,
    ) -> None:
        self.options = options
        self.references = [x.contiguous(memory_format=torch.channels_last) for x in references]
        self.size, self.whole = size, wrapped_size(size, options.patch_size, options.border)
        self.keep_bytes, self.block_values = keep_bytes, BLOCK_VALUES
        weights = weights or PatchWeights()
        self.reference_mass: Sequence[Tensor | None] = [None] * len(references)
        if weights.references is not None:
            mass = whole_weights(torch.cat([w.flatten() for w in weights.references]))
            parts = mass.split([w.numel() for w in weights.references])
            self.reference_mass = [part.view_as(w) for part, w in zip(parts, weights.references, strict=True)]
        self.output_mass = None if weights.output is None else whole_weights(weights.output)
        patches = sum(patch_count(size_of(x), options.patch_size, 1) for x in references)
        # With weights a few patches may be all that counts.
        self.sample = (1, 1) if weights.references is not None else _spacing(patches // REFERENCE_PATCHES)
        self.bins = bin_count(patches, options.distance)
        self.generator = Generator().manual_seed(0)
        # A choice between several fresh sets would leave some unused, which costs a seventh in distance.
        self.pool: deque[list[ReferenceSide]] = deque(maxlen=1 if options.reuse == 1 else POOL)
        self.fresh = self._fresh()
        self.steps = 0
        self.buffers: dict[str, Tensor] = {}

    def curvature(self) -> Tensor:
        """See `Objective`."""
        like = self.references[0]
        return curvature(self.options, self.size, like.shape[1], self.output_mass, like)

    def advance(self) -> None:
        """Draws a new set of projections, in one of `reuse` steps."""
        reuse = self.options.reuse
        if self.steps < min(reuse, POOL) or self.steps % reuse == 0:
            self.pool.append(next(self.fresh))
        self.steps += 1

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        o = self.options
        sides = self.pool[int(torch.randint(len(self.pool), (1,), generator=generator))]
        rows, columns = o.shift(self.whole, generator)
        wrapped = wrap(image, o.patch_size, o.border)
        shifted = wrapped[..., rows:, columns:].contiguous(memory_format=torch.channels_last)
        mass = None if self.output_mass is None else self.output_mass[rows :: o.stride, columns :: o.stride]
        results = [
            with_less_on_failure(partial(self._output_side, shifted, side, mass), self._shrink) for side in sides
        ]
        value = torch.stack(
            [value * (len(side.bank) / o.num_proj) for (value, _), side in zip(results, sides, strict=True)]
        )
        gradient = torch.stack([gradient for _, gradient in results]).sum(0) if len(results) > 1 else results[0][1]
        patches = math.prod(patch_grid(size_of(shifted), o.patch_size, o.stride))
        gradient = gradient * (
            1 / (patches * o.num_proj) if mass is None else (WEIGHT_UNIT / (mass.sum() * o.num_proj)).to(gradient)
        )
        if rows or columns:
            gradient = F.pad(gradient, (columns, 0, rows, 0))
        return value.sum(), wrap_adjoint(gradient, o.patch_size, o.border)

    def _fresh(self) -> Iterator[list[ReferenceSide]]:
        """Sets of projections, each in groups, with the reference's side of them."""
        o = self.options
        groups = -(-o.num_proj // GROUP)
        numbers = [o.num_proj * (i + 1) // groups - o.num_proj * i // groups for i in range(groups)]
        like = self.references[0]
        values = sum(math.prod(size_of(x)) for x in self.references) * min(o.num_proj, GROUP)
        together = min(max(TOGETHER_VALUES // values, 1), DRAWN)
        while True:
            banks = [
                draw_filters(o.projections, k, like.shape[1], o.patch_size, self.generator, DRAWN).to(like)
                for k in numbers
            ]
            corners = [[self._corner(reference) for reference in self.references] for _ in range(DRAWN)]
            for corner, *parts in zip(corners[::together], *(bank.each(together) for bank in banks), strict=True):
                sides = [
                    with_less_on_failure(partial(self._reference_sides, part, corner), self._shrink) for part in parts
                ]
                yield from map(list, zip(*sides, strict=True))

    def _corner(self, reference: Tensor) -> tuple[int, int]:
        """The row and column of the first patch that is taken of a reference."""
        spare = zip(self.sample, size_of(reference), strict=True)
        row, column = (min(spacing, side - self.options.patch_size + 1) for spacing, side in spare)
        draw = partial(torch.randint, size=(1,), generator=self.generator)
        return int(draw(row)), int(draw(column))

    def _reference_sides(self, bank: FilterBank, corners: Sequence[tuple[int, int]]) -> list[ReferenceSide]:
        """One for each set of the bank."""
        p = self.options.patch_size
        low, high = zip(*(_range(reference, bank) for reference in self.references), strict=True)
        bins = bin_range(torch.stack(low).amin(0), torch.stack(high).amax(0), self.bins)
        scaled = bank.scaled(bins.scale)
        counts = bins.width.new_zeros(len(bank), bins.number, dtype=wide(bins.width.device))
        for reference, mass, (row, column) in zip(self.references, self.reference_mass, corners, strict=True):
            down = project_columns(reference[..., row:, column:], scaled, self.sample[0])
            columns = (down.shape[3] - p) // self.sample[1] + 1
            for part in self._strips(down.shape[2], columns, len(bank)):
                places = project_rows(down[:, :, part], scaled, self.sample[1], bins.offset).flatten(0, 1)
                index = bins.index(places, self._buffer("indices", places.numel(), torch.int64)[: places.numel()])
                counts += count(index, bins, None if mass is None else mass[part].flatten())
        functions = cumulative(counts, bins.width.dtype).chunk(bank.sets)
        return [
            ReferenceSide(own_scaled, Adjoint.of(own, self.options.stride), own_bins, function)
            for own, own_scaled, own_bins, function in zip(
                bank.each(), scaled.each(), bins.chunk(bank.sets), functions, strict=True
            )
        ]

    def _output_side(self, image: Tensor, side: ReferenceSide, mass: Tensor | None) -> tuple[Tensor, Tensor]:
        """The value, and the gradient for slopes and masses as they are looked up, which is a whole number of `GRID`s."""
        o, bins, number = self.options, side.bins, len(side.bank)
        rows, columns = patch_grid(size_of(image), o.patch_size, o.stride)
        strips = self._strips(rows, columns, number)
        line, tallest = columns * number, strips[0].stop
        down = project_columns(image, side.bank, o.stride)
        keep = 8 * rows * line <= self.keep_bytes
        indices = self._buffer("indices", (rows if keep else tallest) * line, torch.int64)
        slope = self._buffer("slopes", tallest * line, image.dtype)

        def index_of(part: slice) -> Tensor:
            start = part.start if keep else 0
            into = indices[start * line : (start + part.stop - part.start) * line]
            return bins.index(project_rows(down[:, :, part], side.bank, o.stride, bins.offset).flatten(0, 1), into)

        counts = image.new_zeros(number, bins.number, dtype=wide(image.device))
        for part in strips:
            counts += count(index_of(part), bins, None if mass is None else mass[part].flatten())
        value, slopes = SLOPES[o.distance](side.function, counts, bins)

        def values() -> Iterator[Tensor]:
            for part in strips:
                index = indices[part.start * line : part.stop * line].view(-1, number) if keep else index_of(part)
                found = look_up(slopes, index, slope[: index.numel()].view(index.shape))
                if mass is not None:
                    # Masses stay whole numbers here, over a power of two: their sums too are then exact for 0 and 1.
                    found *= (mass[part] / WEIGHT_UNIT).to(found).reshape(-1, 1)
                yield found.view(-1, columns, number)

        return value, side.adjoint(values(), size_of(image))

    def _shrink(self) -> str | None:
        """Makes a step need less memory: first bins are found twice instead of held, then strips are halved."""
        self.buffers.clear()
        if self.keep_bytes > 0:
            self.keep_bytes = 0
            return "computes projections twice instead of holding them"
        if self.block_values > 2**12:
            self.block_values //= 2
            return "halves the strips it works in"
        return None

    def _strips(self, rows: int, columns: int, directions: int) -> list[slice]:
        """Rows of the patch grid that are worked off together."""
        height = max(self.block_values // (columns * directions), 1)
        return [slice(start, min(start + height, rows)) for start in range(0, rows, height)]

    def _buffer(self, name: str, size: int, dtype: torch.dtype) -> Tensor:
        """Memory that is kept from step to step: asking for it anew would cost as much as filling it."""
        if name not in self.buffers or len(self.buffers[name]) < size:
            self.buffers[name] = torch.empty(size, dtype=dtype, device=self.references[0].device)
        return self.buffers[name]


def _spacing(share: int) -> tuple[int, int]:
    """Every which row and every which column to take, so as to take one in `share` or a little more."""
    columns = max(math.isqrt(share), 1)
    return columns + (columns * (columns + 1) <= share), columns


def _range(image: Tensor, bank: FilterBank) -> tuple[Tensor, Tensor]:
    """Lowest and highest projection, (K,) each, of some thousand patches, and a little more for those left out."""
    patches = patch_count(size_of(image), bank.patch_size, 1)
    sample = project(image, bank, max(1, math.isqrt(patches // 4096))).flatten(0, 1)
    low, high = sample.amin(0), sample.amax(0)
    spare = (high - low) / 16
    return low - spare, high + spare
