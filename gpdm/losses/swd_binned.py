"""The sliced Wasserstein distance of one pyramid level without a sort: distribution functions on bins."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..images import Size, size_of
from ..kernels.choose import choose
from ..kernels.torch_backend import WHOLE, Passes, Sample, Side, TorchPasses
from ..kernels.workspace import Workspace
from ..patches.linear import patch_grid, wrap, wrap_adjoint, wrapped_size
from ..transport.binned import WEIGHT_UNIT, whole_weights
from .objectives import PatchWeights, curvature
from .reference_cdfs import ReferenceSides, corner, spacing
from .swd_options import SWDOptions

POOL = 8
"""How many sets of projections with the reference's side of them are held."""
COUNTED_PATCHES = 2**18
"""From an output with many more patches, every second, third ... row and column of them is counted, from a random place on. The
reference's distribution functions, of at most some 30,000 patches, are three times as uncertain."""


@dataclass(frozen=True)
class Drawn:
    """What is random in one evaluation."""

    sides: tuple[Side, ...]
    """Groups of projections."""
    shift: tuple[int, int]
    """Row and column at which the patch grid begins."""
    sample: Sample
    """Which patches are counted."""


class HistogramObjective:
    """Compares distribution functions on bins. The reference's are computed once for a set of projections, and each set is used
    `reuse` times on average: a pool holds the latest, and at every step each output takes one at random.

    The pool is the same for all outputs and seeds; which set an output takes follows its own generator.

    Raises:
        OptionError: The backend that is asked for cannot be used; the message says why.
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
        device, channels = references[0].device, references[0].shape[1]
        largest = max(math.prod(each) for each in (self.whole, *map(size_of, references)))
        self.backend = choose(options.backend, device, channels * largest, references[0].dtype)
        self.workspace = Workspace(device, keep_bytes)
        self.passes = passes_of(self.backend, self.workspace)
        self.sides = ReferenceSides(options, references, weights.references, self.workspace, self.passes)
        self.fresh = iter(self.sides)
        # A choice between several fresh sets would leave some unused, which costs a seventh in distance.
        self.pool: deque[list[Side]] = deque(maxlen=1 if options.reuse == 1 else POOL)
        self.steps = 0

    @property
    def repeatable(self) -> bool:
        """See `Repeatable`. A grid or a sample that moves is other work each time; there are few such steps, or they are long."""
        return self.options.stride == 1 and self._every(patch_grid(self.whole, self.options.patch_size, 1)) == (1, 1)

    def _every(self, grid: Size) -> tuple[int, int]:
        """Which rows and columns of the grid are counted. With masses a few patches may be all that counts."""
        return spacing(math.prod(grid) // COUNTED_PATCHES) if self.output_mass is None else (1, 1)

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
        return self.evaluate(image, self.draw(image, generator))

    def draw(self, image: Tensor, generator: Generator) -> Drawn:
        """See `Repeatable`."""
        o = self.options
        sides = self.pool[int(torch.randint(len(self.pool), (1,), generator=generator))]
        shift = o.shift(self.whole, generator)
        rows, columns = (side - place for side, place in zip(self.whole, shift, strict=True))
        grid = patch_grid((rows, columns), o.patch_size, o.stride)
        every = self._every(grid)
        sample = WHOLE if every == (1, 1) else Sample(corner(every, grid, generator), every)
        return Drawn(tuple(sides), shift, sample)

    def evaluate(self, image: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """See `Repeatable`."""
        o, (rows, columns) = self.options, drawn.shift
        shifted = wrap(image, o.patch_size, o.border)[..., rows:, columns:]
        mass = None if self.output_mass is None else self.output_mass[rows :: o.stride, columns :: o.stride]
        results = [
            self.workspace.attempt(partial(self.passes.step, shifted, side, o.distance, o.stride, drawn.sample, mass))
            for side in drawn.sides
        ]
        value = torch.stack(
            [value * (len(side.function) / o.num_proj) for (value, _), side in zip(results, drawn.sides, strict=True)]
        )
        gradient = torch.stack([gradient for _, gradient in results]).sum(0) if len(results) > 1 else results[0][1]
        patches = math.prod(patch_grid(size_of(shifted), o.patch_size, o.stride))
        gradient = gradient.mul_(
            1 / (patches * o.num_proj) if mass is None else (WEIGHT_UNIT / (mass.sum() * o.num_proj)).to(gradient)
        )
        if rows or columns:
            gradient = F.pad(gradient, (columns, 0, rows, 0))
        return value.sum(), wrap_adjoint(gradient, o.patch_size, o.border)


def passes_of(backend: str, workspace: Workspace) -> Passes:
    """The backend's way to do the work of a step."""
    if backend == "torch":
        return TorchPasses(workspace)
    from ..kernels.triton_backend import TritonPasses

    return TritonPasses()
