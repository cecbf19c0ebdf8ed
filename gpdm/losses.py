"""Losses: what is minimised. A loss is a frozen description; bound to the references of a level it becomes an objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from .coherence import LEAST_SIDE, PATCH, CoherentObjective, pull_bytes
from .errors import OptionError
from .histogram_objective import HistogramObjective
from .images import Size, size_of
from .memory import BLOCK_VALUES
from .objectives import ExactObjective, Objective, PatchWeights, SWDOptions
from .pyramid import Level, check_levels
from .reference_sides import GROUP, TOGETHER_VALUES


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

    def _distance_bytes(self, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        if self.solver == "exact":
            one = self._bytes_per_projection(reference_pixels, output_pixels)
            return one, one * self.num_proj
        # A block holds projections (float32), bins (int32) and slopes (float32), and with weights their float64 masses.
        values = min(BLOCK_VALUES, max(reference_pixels, output_pixels) * self.num_proj)
        block = 24 * max(values, TOGETHER_VALUES)
        return block, block + 8 * output_pixels * min(self.num_proj, GROUP) // self.stride**2

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
            OptionError: Weights are given with solver exact.
        """
        objective = self._distance(references, size, memory, weights)
        smallest = min(min(size_of(reference)) for reference in references)
        if self.coherence == 0 or smallest < LEAST_SIDE or min(size) < PATCH:
            return objective
        return CoherentObjective(objective, self, references, weights)

    def _distance(
        self, references: Sequence[Tensor], size: Size, memory: int, weights: PatchWeights | None
    ) -> Objective:
        if self.solver == "exact":
            if weights is not None:
                raise OptionError("solver", self.solver, "patch weights are given", "choose solver histogram")
            pixels = sum(math.prod(size_of(reference)) for reference in references)
            chunk = max(1, memory // self._bytes_per_projection(pixels, math.prod(size)))
            return ExactObjective(self, references, size, chunk)
        least, _ = self.working_bytes(sum(math.prod(size_of(x)) for x in references), math.prod(size))
        return HistogramObjective(self, references, size, memory - least, weights)
