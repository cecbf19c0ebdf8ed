"""Losses: what is minimised. A loss is a frozen description; bound to the references of a level it becomes an objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import OptionError
from ..images import Size, size_of
from ..kernels.workspace import BLOCK_VALUES, VALUE_BYTES
from ..patches.linear import wraps
from ..pyramid import Level, check_levels
from .coherence import LEAST_SIDE, PATCH, CoherentObjective, pull_bytes
from .objectives import ExactObjective, Objective, PatchWeights, SumObjective
from .reference_cdfs import GROUP, TOGETHER_VALUES
from .swd_binned import COUNTED_PATCHES, HistogramObjective
from .swd_options import SMALL, SWDOptions


class Loss(Protocol):
    """A frozen description of a loss; what the socket GPDM_LOSS carries."""

    @property
    def has_curvature(self) -> bool:
        """Whether its objectives know their curvature, so that the method newton can be used."""
        ...

    def check(self, levels: Sequence[Level]) -> None:
        """Raises `OptionError` if the loss cannot work at these levels. Called before any work begins."""
        ...

    def working_bytes(self, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        """How much memory one step takes at a level with so many pixels, in bytes: at least, and at best speed."""
        ...

    def bind(self, references: Sequence[Tensor], size: Size, memory: int = 2**30) -> Objective:
        """The objective for the references (1, C, h, w) of one level and outputs of `size`, working in `memory` bytes."""
        ...


@dataclass(frozen=True, kw_only=True)
class SWDLoss(SWDOptions):
    """Sliced Wasserstein distance between the patch distributions of the references and of the output (Algorithm 1)."""

    @property
    def has_curvature(self) -> bool:
        """True for the squared distance; the slope of l1 is a sign, which has none."""
        return self.distance == "l2"

    def check(self, levels: Sequence[Level]) -> None:
        """Raises `OptionError` if a level is smaller than a patch."""
        check_levels(levels, self.patch_size)

    def working_bytes(self, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        """How much memory one step takes, in bytes: at least, and at best speed."""
        pull = pull_bytes(reference_pixels, output_pixels) if self.coherence else 0
        least, best = self._distance_bytes(reference_pixels, output_pixels)
        return least + pull, best + pull

    def _parts(self) -> list[tuple[float, SWDLoss]]:
        """One for each patch size, with its share of the projections."""
        small = round(self.small_patches * self.num_proj) if self.patch_size > SMALL else 0
        large = self.num_proj - small
        sizes = ((large, self.patch_size), (small, SMALL))
        return [
            (number / self.num_proj, replace(self, num_proj=number, patch_size=size, small_patches=0.0))
            for number, size in sizes
            if number
        ]

    def _distance_bytes(self, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        """The sums over the parts, since each keeps its buffers."""
        least, best = zip(
            *(part._part_bytes(reference_pixels, output_pixels) for _, part in self._parts()), strict=True
        )
        return sum(least), sum(best)

    def _part_bytes(self, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        if self.solver == "exact":
            one = self._bytes_per_projection(reference_pixels, output_pixels)
            return one, one * self.num_proj
        values = min(BLOCK_VALUES, max(reference_pixels, output_pixels) * self.num_proj)
        block = VALUE_BYTES * max(values, TOGETHER_VALUES)
        patches = output_pixels // self.stride**2
        # Bins are held from counting to looking up where all patches are counted.
        held = 8 * patches * min(self.num_proj, GROUP) if patches < 2 * COUNTED_PATCHES else 0
        return block, block + held

    def _bytes_per_projection(self, reference_pixels: int, output_pixels: int) -> int:
        """Float32 projections and their sorted copies on both sides, on the output's also the order (int64) and the gradient;
        and for each matched pair of values four float32 numbers (partner, difference, cost, slope) and two products."""
        n, m = reference_pixels, output_pixels
        pairs = m if n == m else n + 2 * m
        return max((8 * n + 20 * m + 24 * pairs) // self.stride**2, 1)

    def bind(
        self, references: Sequence[Tensor], size: Size, memory: int = 2**30, weights: PatchWeights | None = None
    ) -> Objective:
        """The sliced Wasserstein distance to all patches of all references together.

        Arguments:
            references: The references of the level, (1, C, h, w) each.
            size: Height and width of the outputs.
            memory: Bytes to work in. With less than `working_bytes` asks for at best speed it takes longer, to the same end.
            weights: Weights of the patches on either side (solver histogram).

        Raises:
            OptionError: Weights are given with solver exact, or the backend cannot be used here.
        """
        reference_pixels, pixels = sum(math.prod(size_of(x)) for x in references), math.prod(size)
        smallest = min(min(size_of(reference)) for reference in references)
        pulls = self.coherence > 0 and smallest >= LEAST_SIDE and min(size) >= PATCH
        spare = memory - self.working_bytes(reference_pixels, pixels)[0]
        least, best = self._distance_bytes(reference_pixels, pixels)
        references = [x.contiguous(memory_format=torch.channels_last) for x in references]  # once for all parts
        parts = []
        for share, part in self._parts():
            own_least, own_best = part._part_bytes(reference_pixels, pixels)
            own = own_least + spare * (own_best - own_least) // max(best - least, 1)
            parts.append((share, part._distance(references, size, own, self._weights_of(part, weights))))
        objective = SumObjective(tuple(parts)) if len(parts) > 1 else parts[0][1]
        return CoherentObjective(objective, self, references, weights) if pulls else objective

    def _weights_of(self, part: SWDLoss, weights: PatchWeights | None) -> PatchWeights | None:
        """Those of the patches of a part: of a smaller patch, the mean weight of the large ones that could hold it."""
        reach = self.patch_size - part.patch_size
        if weights is None or reach == 0:
            return weights

        def smaller(grid: Tensor, around: tuple[bool, bool]) -> Tensor:
            sums, number = (
                F.avg_pool2d(_continued(each[None, None], reach, around), reach + 1, 1)[0, 0]
                for each in (grid, torch.ones_like(grid))
            )
            return sums / number

        references = (
            None if weights.references is None else tuple(smaller(x, (False, False)) for x in weights.references)
        )
        return PatchWeights(references, None if weights.output is None else smaller(weights.output, wraps(self.border)))

    def _distance(
        self, references: Sequence[Tensor], size: Size, memory: int, weights: PatchWeights | None
    ) -> Objective:
        least, _ = self._part_bytes(sum(math.prod(size_of(x)) for x in references), math.prod(size))
        if self.solver == "histogram":
            return HistogramObjective(self, references, size, memory - least, weights)
        if weights is not None:
            raise OptionError("solver", self.solver, "patch weights are given", "choose solver histogram")
        return ExactObjective(self, references, size, max(1, memory // least))


def _continued(grid: Tensor, reach: int, wraps: tuple[bool, bool]) -> Tensor:
    """`grid` (1, 1, rows, columns) with `reach` more rows and columns: zeros on both sides, or where it wraps those of the other end before."""
    for axis, around in zip((2, 3), wraps, strict=True):
        sides = (reach, 0) if around else (reach, reach)
        padding = (0, 0, *sides) if axis == 2 else (*sides, 0, 0)
        grid = F.pad(grid, padding, mode="circular" if around else "constant")
    return grid
