"""The sliced Wasserstein distance of one pyramid level without a sort: distribution functions on bins, strip by strip."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .histograms import SLOPES, WEIGHT_UNIT, count, look_up, whole_weights, wide
from .images import Size, size_of
from .memory import Workspace
from .objectives import PatchWeights, curvature
from .patches import patch_grid, project_columns, project_rows, wrap, wrap_adjoint, wrapped_size
from .reference_sides import ReferenceSide, ReferenceSides
from .swd_options import SWDOptions

POOL = 8
"""How many sets of projections with the reference's side of them are held."""


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
        self.size, self.whole = size, wrapped_size(size, options.patch_size, options.border)
        weights = weights or PatchWeights()
        self.output_mass = None if weights.output is None else whole_weights(weights.output)
        self.workspace = Workspace(references[0].device, keep_bytes)
        self.sides = ReferenceSides(options, references, weights.references, self.workspace)
        self.fresh = iter(self.sides)
        # A choice between several fresh sets would leave some unused, which costs a seventh in distance.
        self.pool: deque[list[ReferenceSide]] = deque(maxlen=1 if options.reuse == 1 else POOL)
        self.steps = 0

    def curvature(self) -> Tensor:
        """See `Objective`."""
        like = self.sides.references[0]
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
        results = [self.workspace.attempt(partial(self._output_side, shifted, side, mass)) for side in sides]
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

    def _output_side(self, image: Tensor, side: ReferenceSide, mass: Tensor | None) -> tuple[Tensor, Tensor]:
        """The value, and the gradient for slopes and masses as they are looked up: with L1 a whole number of `GRID`s."""
        o, bins, number = self.options, side.bins, len(side.bank)
        rows, columns = patch_grid(size_of(image), o.patch_size, o.stride)
        strips = self.workspace.strips(rows, columns, number)
        line, tallest = columns * number, strips[0].stop
        down = project_columns(image, side.bank, o.stride)
        keep = 8 * rows * line <= self.workspace.keep_bytes
        indices = self.workspace.buffer("indices", (rows if keep else tallest) * line, torch.int64)
        slope = self.workspace.buffer("slopes", tallest * line, image.dtype)

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
