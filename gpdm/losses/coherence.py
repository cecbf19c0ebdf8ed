"""Coherence: attraction of patches that resemble no reference patch to the nearest one.

Many images have nearly the same patch distribution, and a patch without a close match, blurred or speckled, changes the
sliced distance little. Replacing every patch by its nearest neighbour (GPNN) removes such patches, but copies the
reference. This term attracts only patches that are farther away than a tolerance; its weight is small, so that the
distribution prevails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..borders import wrap, wrap_adjoint, wraps
from ..canvas import Canvas
from ..images import Size, check_single, size_of
from ..kernels.choose import choose, kernels
from ..patches.linear import patch_grid
from ..patches.nearest import COLUMNS, ROWS, squared_distance
from ..patches.search import (
    BLOCK,
    PAIRS,
    PatchSearch,
    Positions,
    chunks,
    gather_patches,
    patch_view,
    scatter_add_patches,
)
from ..pyramid import Level
from ..references import Reference, check_patches, reference_patch_weights
from .base import OutputState

PATCH = 7
"""Side of the patches, in pixels. Larger patches copy more."""
SPACING = 3
"""Spacing of the patches that are looked up, in rows and columns of the patch grid, from a random offset on; those
along free borders are looked up, too. Every pixel is covered by at least one of them, from the fourth pixel inwards by
at least four."""
EVERY = 40
"""Steps between two searches. In between the targets are kept."""
LEAST_SIDE = 64
"""Smaller side of a reference, in pixels, from which on the term is active. Smaller levels decide the layout, which is
meant to be new."""


@dataclass(frozen=True)
class CoherenceTarget:
    """The image to which an output is attracted, and how strongly each pixel is."""

    target: Tensor
    """Weighted mean of the nearest reference patches of the patches that cover a pixel, (1, C, H, W)."""
    weight: Tensor
    """Weight of each pixel, (1, 1, H, W): from 0, if all patches that cover it are within the tolerance, to 1; times
    the weight of the canvas."""


@dataclass(frozen=True, kw_only=True)
class Coherence:
    """The mean over all pixels of the weighted squared difference to their `CoherenceTarget`.

    The mean is over pixels, not patches: a corner pixel lies in one patch and an inner pixel in 49, so that a mean over
    patches would hardly count pixels near the border and leave speckle there.
    """

    tolerance: float = 0.01
    """Mean squared difference, in units of the working images, up to which a patch is not attracted."""
    backend: str = "auto"
    """One of `kernels.choose.BACKENDS`."""
    per_output = False

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        """Raises `OptionError` if the weights leave no patch at a level at which the term is active."""
        if self.active(level):
            check_patches(references, PATCH)

    def active(self, level: Level) -> bool:
        """Returns whether references have at least `LEAST_SIDE` and the output `PATCH` pixels on the smaller side."""
        return min(map(min, level.reference_sizes)) >= LEAST_SIDE and min(level.size) >= PATCH

    def memory(self, level: Level) -> tuple[int, int]:
        """Returns the bytes of one step besides the images; the minimum is also the amount for full speed.

        With up to four channels: two copies of the reference patches, a block of looked-up patches with what is
        gathered for them, and a block of distances.
        """
        looked_up, keys = max(level.pixels // SPACING**2, 1), level.reference_pixels
        while keys * looked_up > PAIRS:  # then `PatchSearch` starts at half the size
            keys //= 4
        held = min(looked_up, BLOCK)
        needed = 4 * (4 * PATCH**2 * (2 * keys + 6 * held) + 3 * min(ROWS, held) * min(COLUMNS, keys))
        return needed, needed

    def bind(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        memory: int,
        weight: float = 1.0,
        image: Tensor | None = None,
    ) -> CoherenceObjective:
        """Returns the objective for one level; see `Term.bind`."""
        del memory, image
        return CoherenceObjective(self, references, canvas, weight)


class CoherenceObjective:
    """The objective of `Coherence` at one level."""

    capturable = True

    def __init__(self, term: Coherence, references: Sequence[Reference], canvas: Canvas, weight: float) -> None:
        self.canvas, self.tolerance = canvas, term.tolerance
        images = [each.image for each in references]
        weights = reference_patch_weights(references, PATCH)
        visible = None if weights is None else [each.map() > 0 for each in references]
        self.search = PatchSearch(images, PATCH, visible)
        self.output_weights = canvas.patch_weights(PATCH)
        pixels = canvas.size[0] * canvas.size[1]
        total = pixels if canvas.weight is None else float(canvas.weight.cpu().double().sum())
        self.share = weight / (images[0].shape[1] * total)
        self.backend = choose(term.backend, images[0].device, images[0].shape[1] * pixels, images[0].dtype)
        self.kernels = kernels(self.backend)

    def sample(self, image: Tensor, step: int, state: OutputState) -> CoherenceTarget:
        """See `Objective.sample`. Searches the nearest patches again every `EVERY` steps."""
        check_single(image)
        searched, target = state.remembered or (0, None)
        if target is None or not searched <= step < searched + EVERY:
            target = self.target(image, state.generator)
            state.remembered = step, target
        return target

    def evaluate(self, image: Tensor, sample: CoherenceTarget, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        return self.kernels.weighted_mse(image, sample.target, sample.weight, into, self.share)

    def target(self, image: Tensor, generator: Generator) -> CoherenceTarget:
        """Returns the target of an image (1, C, H, W), from the nearest patches of a random subsample."""
        border = self.canvas.border
        wrapped = wrap(image, PATCH, border)
        grid = patch_grid(size_of(wrapped), PATCH, 1)
        positions = self._positions(grid, generator, image.device)
        edge = self._at_edge(positions, grid)
        found = self.search.positions(wrapped, positions.row, positions.column)
        view, sums = patch_view([wrapped], PATCH), wrapped.new_zeros(wrapped.shape)
        totals, covers = (wrapped.new_zeros(wrapped[:, :1].shape) for _ in range(2))
        for part in chunks(positions.row):
            patches = gather_patches(self.search.view, found[part])
            distance = squared_distance(gather_patches(view, positions[part]), patches)
            weights = (1 - self.tolerance / distance.clamp(min=1e-12)).clamp(min=0)
            # Along a free border few looked-up patches cover a pixel, so there the tolerance is 0.
            weights = weights.masked_fill(edge[part], 1)[:, None]
            ones = torch.ones_like(weights).expand(-1, PATCH**2)
            scatter_add_patches(sums, weights * patches, positions[part])
            scatter_add_patches(totals, weights * ones, positions[part])
            scatter_add_patches(covers, ones, positions[part])
        sums, totals, covers = (wrap_adjoint(each, PATCH, border) for each in (sums, totals, covers))
        weight = totals / covers.clamp(min=1)
        if self.canvas.weight is not None:
            weight = weight * self.canvas.weight
        return CoherenceTarget(sums / totals.clamp(min=1e-12), weight)

    def _positions(self, grid: Size, generator: Generator, device: torch.device) -> Positions:
        """Samples the positions of the patches to look up, without those of weight 0."""
        masks = []
        for number, around in zip(grid, wraps(self.canvas.border), strict=True):
            mask = torch.zeros(number, dtype=torch.bool)
            first = int(torch.randint(SPACING, (1,), generator=generator))
            if around:  # evenly spaced around the border, up to a pixel
                parts = -(-number // SPACING)
                mask[(first + torch.arange(parts) * number // parts) % number] = True
            else:
                mask[first::SPACING] = True
                mask[0] = mask[-1] = True
            masks.append(mask)
        chosen = masks[0][:, None] & masks[1]
        if self.output_weights is not None:
            chosen &= self.output_weights.cpu() > 0
        row, column = (each.to(device) for each in chosen.nonzero(as_tuple=True))
        return Positions(torch.zeros_like(row), row, column)

    def _at_edge(self, positions: Positions, grid: Size) -> Tensor:
        """Returns which patches lie along a free border, bool, (n,)."""
        edge = torch.zeros_like(positions.row, dtype=torch.bool)
        for place, number, around in zip(
            (positions.row, positions.column), grid, wraps(self.canvas.border), strict=True
        ):
            if not around:
                edge |= (place == 0) | (place == number - 1)
        return edge
