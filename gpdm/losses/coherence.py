"""Coherence beside another objective: patches that are like none of the reference's are drawn toward the nearest one.

A patch distribution is matched by many pictures, and a patch that no reference patch is like, soft or speckled, weighs little in
it. What nearest neighbours do all the way (GPNN), and pay for by copying, is done here a little: only patches farther away than
some tolerance are drawn, and only as hard as leaves the distribution the last word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from ..images import Size, size_of
from ..kernels.choose import kernels
from ..patches.linear import patch_grid, wrap, wrap_adjoint
from ..patches.nearest import COLUMNS, ROWS, squared_distance
from ..patches.search import BLOCK, PAIRS, PatchSearch, Places, add, blocks, take, windows
from .objectives import Objective, PatchWeights, backend_of, draw, evaluate, is_repeatable
from .swd_options import SWDOptions

PATCH = 7
"""Side of the patches that are drawn. Larger ones would copy more."""
SPACING = 3
"""Every third row and column of patches is looked up, from a random one on, and those along the border: every pixel is covered, from
the fourth inwards by four patches or more."""
EVERY = 40
"""Steps between two searches. In between patches go toward the same ones."""
LEAST_SIDE = 64
"""Smaller side of a reference, in pixels, from which on patches are drawn. Below the layout is found, which should be new."""


@dataclass(frozen=True)
class Pull:
    """Where pixels are drawn to."""

    target: Tensor
    """The mean of what the nearest patches of the patches that cover a pixel say, (1, C, H, W)."""
    weight: Tensor
    """How hard, from 0, where all of them are near enough, to 1: (1, 1, H, W)."""


def pull_bytes(reference_pixels: int, output_pixels: int) -> int:
    """What a search takes besides the work of a step, in bytes, with up to four channels: the patches that all are compared with
    twice, a block of those that are looked up and what is gathered for them, and a block of distances."""
    if reference_pixels < LEAST_SIDE**2:
        return 0
    looked_up = max(output_pixels // SPACING**2, 1)
    keys = reference_pixels
    while keys * looked_up > PAIRS:  # then they are looked for at half the size
        keys //= 4
    held = min(looked_up, BLOCK)
    return 4 * (4 * PATCH**2 * (2 * keys + 6 * held) + 3 * min(ROWS, held) * min(COLUMNS, keys))


class CoherentObjective:
    """The sum of another objective and `coherence` times the mean over all pixels of the squared difference to their `Pull`.

    Every pixel counts the same there. In a mean over patches a corner pixel has one patch and an inner one 49, so that what is
    wrong at the border hardly counts: that is the speckle there.
    """

    def __init__(
        self, objective: Objective, options: SWDOptions, references: Sequence[Tensor], weights: PatchWeights | None
    ) -> None:
        self.objective, self.options = objective, options
        allowed, self.output_mass = None, None
        if weights is not None and options.patch_size == PATCH:
            allowed = None if weights.references is None else [mass > 0 for mass in weights.references]
            self.output_mass = weights.output
        self.search = PatchSearch(references, PATCH, allowed)
        self.calls: dict[Generator, int] = {}
        self.pulls: dict[Generator, Pull] = {}

    def advance(self) -> None:
        """See `Objective`."""
        self.objective.advance()

    def curvature(self) -> Tensor:
        """See `Objective`; that of the pull as if every pixel were drawn all the way."""
        own = self.objective.curvature()
        channels = self.search.references[0].shape[1]
        return own + 2 * self.options.coherence / (channels * math.prod(own.shape[-2:]))

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        return self.evaluate(image, self.draw(image, generator))

    @property
    def repeatable(self) -> bool:
        """See `Repeatable`."""
        return is_repeatable(self.objective)

    @property
    def backend(self) -> str:
        """See `Repeatable`."""
        return backend_of(self.objective)

    def draw(self, image: Tensor, generator: Generator) -> tuple[Any, Pull]:
        """See `Repeatable`; looks for the nearest patches when it is time to."""
        drawn = draw(self.objective, image, generator)
        number = self.calls.get(generator, 0)
        if number % EVERY == 0:
            self.pulls[generator] = self._pull(image, generator)
        self.calls[generator] = number + 1
        return drawn, self.pulls[generator]

    def evaluate(self, image: Tensor, drawn: tuple[Any, Pull]) -> tuple[Tensor, Tensor]:
        """See `Repeatable`."""
        own, pull = drawn
        value, gradient = evaluate(self.objective, image, own)
        share = self.options.coherence / image.numel()
        drawn_value, gradient = kernels(self.backend).pull(image, pull.target, pull.weight, gradient, share)
        return value + drawn_value, gradient

    def _pull(self, image: Tensor, generator: Generator) -> Pull:
        border, tolerance = self.options.border, self.options.coherence_tolerance
        wrapped = wrap(image, PATCH, border)
        rows, columns = patch_grid(size_of(wrapped), PATCH, 1)
        own = self._chosen((rows, columns), generator, image.device)
        # Where the picture goes on at the opposite side there is no border.
        down, right = (a == b for a, b in zip(size_of(wrapped), size_of(image), strict=True))
        edge = down & ((own.row == 0) | (own.row == rows - 1))
        edge |= right & ((own.column == 0) | (own.column == columns - 1))
        found = self.search.places(wrapped, own.row, own.column)
        view, sums = windows([wrapped], PATCH), wrapped.new_zeros(wrapped.shape)
        totals, covers = (wrapped.new_zeros(wrapped[:, :1].shape) for _ in range(2))
        for part in blocks(own.row):
            patches = take(self.search.view, found[part])
            distance = squared_distance(take(view, own[part]), patches)
            weights = (1 - tolerance / distance.clamp(min=1e-12)).clamp(min=0)
            # Along the border a pixel has few patches that hold it. There is no tolerance.
            weights = weights.masked_fill(edge[part], 1)[:, None]
            ones = torch.ones_like(weights).expand(-1, PATCH**2)
            add(sums, weights * patches, own[part])
            add(totals, weights * ones, own[part])
            add(covers, ones, own[part])
        sums, totals, covers = (wrap_adjoint(each, PATCH, border) for each in (sums, totals, covers))
        return Pull(sums / totals.clamp(min=1e-12), totals / covers.clamp(min=1))

    def _chosen(self, grid: Size, generator: Generator, device: torch.device) -> Places:
        """The patches that are looked up."""
        masks = []
        for number in grid:
            mask = torch.zeros(number, dtype=torch.bool)
            mask[int(torch.randint(SPACING, (1,), generator=generator)) :: SPACING] = True
            mask[0] = mask[-1] = True
            masks.append(mask)
        chosen = masks[0][:, None] & masks[1]
        if self.output_mass is not None:
            chosen &= self.output_mass.cpu() > 0
        row, column = (each.to(device) for each in chosen.nonzero(as_tuple=True))
        return Places(torch.zeros_like(row), row, column)
