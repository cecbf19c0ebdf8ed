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

from ..borders import continues, wrap, wrap_adjoint_
from ..canvas import Canvas
from ..images import Size, check_single, size_of
from ..kernels.choose import choose, kernels
from ..patches.lattice import Lattice
from ..patches.linear import patch_grid
from ..patches.search import PatchSearch, search_bytes
from ..pyramid import Level
from ..references import Reference, check_patches, check_pictures, reference_patch_weights
from .base import OutputState

COHERENCE_PATCH = 7
"""Side of the patches, in pixels. Larger patches copy more."""


@dataclass(frozen=True)
class CoherenceTarget:
    """The image to which an output is attracted, and the weight of the attraction of each pixel."""

    target: Tensor
    """Weighted mean of the nearest reference patches of the patches that cover a pixel, (1, C, H, W)."""
    weight: Tensor
    """Weight of each pixel, (1, 1, H, W): from 0, if all patches that cover it are within the tolerance, to 1,
    multiplied by the weight of the canvas."""


@dataclass(frozen=True, kw_only=True)
class Coherence:
    """The mean over all pixels of the weighted squared difference to their `CoherenceTarget`.

    The mean is over pixels, not patches: a corner pixel lies in one patch and an inner pixel in 49, so that a mean over
    patches would hardly count pixels near the border and leave speckle there.
    """

    tolerance: float = 0.01
    """Mean squared difference, in units of the working images, up to which a patch is not attracted, at levels whose
    smallest reference has a shorter side of `min_side` pixels. At larger levels it is lower in proportion to 1 / side:
    there, differences that a higher tolerance allows break hair and grass into crinkles (docs/adr/0013)."""
    backend: str = "auto"
    """One of `kernels.choose.BACKENDS`."""
    spacing: int = 3
    """Spacing of the patches that are looked up, in rows and columns of the patch grid, with a random offset; those
    along free borders are looked up as well. At 3 every pixel is covered by at least one of them, and from the fourth
    pixel inwards by at least four."""
    search_every: int = 40
    """Steps between two searches for the nearest patches. In between the targets are kept."""
    min_side: int = 64
    """Shorter side of the references, in pixels, from which the term is active. Smaller levels decide the layout,
    which is meant to be new."""
    variety: float = 0.0
    """Limit on repeats of reference patches; see `patches.occurrence.search_in_parts`."""
    per_output = False
    patch_size = 1
    """1, since the term is inactive where its patches do not fit."""

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        """Raises `OptionError` if there is no patch, or only saved distributions, where the term is active."""
        if self.active(level):
            check_pictures(references, "coherence (0 turns it off) moves patches towards the nearest one")
            check_patches(references, COHERENCE_PATCH)

    def active(self, level: Level) -> bool:
        """Returns whether the shorter side has `min_side` pixels in every reference, and a patch's in the output."""
        return min(map(min, level.reference_sizes)) >= self.min_side and min(level.size) >= COHERENCE_PATCH

    def memory(self, level: Level) -> tuple[int, int]:
        """Returns the bytes of one step besides the images; the minimum is also the amount for full speed.

        They hold, with up to four channels, those of the search, and the target with two maps of weights.
        """
        patches = max(level.pixels // self.spacing**2, 1)
        needed = search_bytes(COHERENCE_PATCH, patches, level.reference_pixels) + 4 * 6 * level.pixels
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


@dataclass(frozen=True)
class _Search:
    """The last search of an output."""

    step: int
    target: CoherenceTarget
    first: Tensor
    """The nearest reference patches, indices for `PatchStore.read`, (n,)."""


class CoherenceObjective:
    """The objective of `Coherence` at one level."""

    capturable = True

    def __init__(self, term: Coherence, references: Sequence[Reference], canvas: Canvas, weight: float) -> None:
        self.term, self.canvas = term, canvas
        images = [reference.image for reference in references]
        weights = reference_patch_weights(references, COHERENCE_PATCH)
        allowed = None if weights is None else [weight > 0 for weight in weights]
        self.search = PatchSearch(images, COHERENCE_PATCH, allowed, variety=term.variety)
        self.output_weights = canvas.patch_weights(COHERENCE_PATCH)
        pixels = canvas.size[0] * canvas.size[1]
        total = pixels if canvas.weight is None else float(canvas.weight.cpu().double().sum())
        self.factor = weight / (images[0].shape[1] * total)
        self.tolerance = term.tolerance * min(1.0, term.min_side / min(min(size_of(x)) for x in images))
        self.backend = choose(term.backend, images[0].device, images[0].shape[1] * pixels, images[0].dtype)
        self.kernels = kernels(self.backend)

    def sample(self, image: Tensor, step: int, state: OutputState) -> CoherenceTarget:
        """See `Objective.sample`. The nearest patches are searched again every `Coherence.search_every` steps."""
        check_single(image)
        last: _Search | None = state.remembered
        if last is not None and last.step <= step < last.step + self.term.search_every:
            return last.target
        first = None if last is None else last.first
        state.remembered = last = None  # so that two targets are never in memory
        target, first = self.target(image, state.generator, first)
        state.remembered = _Search(step, target, first)
        return target

    def evaluate(self, image: Tensor, sample: CoherenceTarget, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        return self.kernels.weighted_mse(image, sample.target, sample.weight, into, self.factor)

    def target(self, image: Tensor, generator: Generator, last: Tensor | None = None) -> tuple[CoherenceTarget, Tensor]:
        """Returns the target of an image, from the nearest patches of a random subsample, and these patches.

        Arguments:
            image: Image, (1, C, H, W).
            generator: A CPU generator.
            last: The nearest patches of the search before, indices for `PatchStore.read`, (m,); None: it is the first.
        """
        p, border = COHERENCE_PATCH, self.canvas.border
        wrapped = wrap(image, p, border)
        lattice = self._lattice(patch_grid(size_of(wrapped), p, 1), generator, image.device)
        matches = self.search.nearest(wrapped, lattice, last)
        weights = (1 - self.tolerance / matches.distance.clamp(min=1e-12)).clamp(min=0)
        # Along a free border few looked-up patches cover a pixel, so there the tolerance is 0.
        weights = weights.masked_fill(self._at_edge(lattice), 1)[:, None, None, None]
        channels = image.shape[1]
        sums = wrapped.new_zeros(1, channels + 2, *size_of(wrapped))
        for strip in lattice.strips(p, self.search.strip_patches):
            weight = weights[strip.part].expand(-1, p, p, 1)
            patches = self.search.store.read(matches.first[strip.part]).view(-1, p, p, channels)
            strip.add(sums, torch.cat([patches.mul_(weight), weight, torch.ones_like(weight)], 3))
        colours, totals, covers = wrap_adjoint_(sums, p, border).split([channels, 1, 1], 1)
        target, weight = colours.div_(totals.clamp(min=1e-12)), totals.div_(covers.clamp_(min=1))
        weight = weight if self.canvas.weight is None else weight.mul_(self.canvas.weight)
        return CoherenceTarget(target, weight), matches.first

    def _lattice(self, grid: Size, generator: Generator, device: torch.device) -> Lattice:
        """Samples the patches to look up, without those of weight 0, from a grid of so many rows and columns."""
        axes, spacing = [], self.term.spacing
        for number, is_tiled in zip(grid, continues(self.canvas.border), strict=True):
            mask = torch.zeros(number, dtype=torch.bool)
            first = int(torch.randint(spacing, (1,), generator=generator))
            if is_tiled:  # evenly spaced around the border, up to a pixel
                parts = -(-number // spacing)
                mask[(first + torch.arange(parts) * number // parts) % number] = True
            else:
                mask[first::spacing] = True
                mask[0] = mask[-1] = True
            axes.append(mask.nonzero()[:, 0].to(device))
        rows, columns = axes
        chosen = None if self.output_weights is None else self.output_weights[rows[:, None], columns] > 0
        return Lattice.of(rows, columns, chosen)

    def _at_edge(self, lattice: Lattice) -> Tensor:
        """Returns which patches lie along a free border, bool, (n,)."""
        result = torch.zeros_like(lattice.index, dtype=torch.bool)
        for corners, lines, is_tiled in zip(
            lattice.corners(), (lattice.rows, lattice.columns), continues(self.canvas.border), strict=True
        ):
            if not is_tiled:
                result |= (corners == lines[0]) | (corners == lines[-1])
        return result
