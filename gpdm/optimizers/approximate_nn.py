"""The approximate search of patch nearest neighbours, for large levels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..borders import upsample, wrap, wrap_adjoint_
from ..canvas import Canvas
from ..images import check_single, resize, scaled, size_of
from ..losses.base import OutputState, by_region
from ..patches.lattice import Lattice, spaced
from ..patches.search import MAX_PAIRS, STRIP_PATCHES, PatchSearch, search_bytes
from ..pyramid import Level
from ..references import Reference, reference_patch_weights
from .votes import Votes, region_of_patches

SPACING = 3
"""Spacing of the patches that vote, in rows and columns. Each pixel is covered by at least four patches of 7x7."""
MAX_KEYS = 2**16
"""Number of reference patches in the inverted lists of a search."""
NEIGHBOUR_FACTOR = 1.2
"""Factor of the squared difference up to which a neighbour's match is preferred, so that fewer patches which do not
fit together are averaged."""


def is_large(level: Level) -> bool:
    """Returns whether a level has more pairs of patches than are compared exhaustively."""
    return level.pixels * level.reference_pixels > MAX_PAIRS


def approximate_bytes(patch_size: int, level: Level) -> int:
    """Returns the bytes that a step takes: two searches, one of them in blurred references, and the votes."""
    patches, references = level.pixels // SPACING**2, level.reference_pixels
    return search_bytes(patch_size, patches, 2 * references) + 4 * 4 * references + 4 * 6 * level.pixels


class ApproximatePatches:
    """The objective of `PatchNN` with an approximate search at a large level.

    At the first step the nearest patches are searched in references that are as blurred as the image, which is scaled
    up from the level before; the sharp patches at the same positions vote. Later steps carry the matches and improve
    them from the neighbours on the lattice.

    Arguments:
        patch_size: Side of the patches, in pixels.
        references, canvas: Those of the level.
        factor: Size of the level before relative to this one; 1 if the image is not blurred.
        variety: As in `PatchNN`.

    References:
        Granot et al., Drop the GAN: In Defense of Patches Nearest Neighbors as Single Image Generative Models, CVPR
        2022. Deviation: completeness has no influence.
    """

    backend = "torch"
    capturable = False

    def __init__(
        self,
        patch_size: int,
        references: Sequence[Reference],
        canvas: Canvas,
        factor: float = 1.0,
        variety: float = 0.0,
    ) -> None:
        self.patch_size, self.canvas, self.variety = patch_size, canvas, variety
        groups = by_region(references, canvas)
        self.searches = [self._search(group, 1.0) for group, _, _ in groups]
        self.blurred = [self._search(group, factor) for group, _, _ in groups] if factor < 1 else self.searches
        device = references[0].image.device
        region = region_of_patches([region_canvas for _, region_canvas, _ in groups], patch_size, device)
        rows, columns = (spaced(number, min(SPACING, patch_size)).to(device) for number in region.shape)
        region = region[rows[:, None], columns]
        self.lattices = [Lattice.of(rows, columns, region == number) for number in range(len(groups))]

    def _search(self, references: Sequence[Reference], factor: float) -> PatchSearch:
        """Returns a search in references that were scaled down by a factor and up again, as the image was."""
        images = [reference.image for reference in references]
        if factor < 1:
            images = [upsample(resize(x, scaled(size_of(x), factor)), size_of(x), "free") for x in images]
        weights = reference_patch_weights(references, self.patch_size)
        return PatchSearch(
            images,
            self.patch_size,
            weights,
            max_keys=MAX_KEYS,
            neighbour_factor=NEIGHBOUR_FACTOR,
            variety=self.variety,
        )

    def sample(self, image: Tensor, step: int, state: OutputState) -> Votes:
        """See `Objective.sample`; nothing is random here."""
        check_single(image)
        wrapped, last = wrap(image, self.patch_size, self.canvas.border), state.remembered
        if step == 0 or last is None:
            found = [
                search.nearest(wrapped, lattice).first
                for search, lattice in zip(self.blurred, self.lattices, strict=True)
            ]
        else:
            parts = last.index.split([len(lattice) for lattice in self.lattices])
            found = [
                search.carried(wrapped, lattice, part).first
                for search, lattice, part in zip(self.searches, self.lattices, parts, strict=True)
            ]
        index = torch.cat(found)
        unchanged = step > 0 and last is not None and torch.equal(index, last.index)
        state.remembered = Votes(*self._vote(wrapped, found), index, unchanged)
        return state.remembered

    def _vote(self, wrapped: Tensor, found: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Returns the overlapping mean of matches, and the mean squared difference to them.

        Arguments:
            wrapped: The image, with the padding of `borders.wrap`.
            found: The matches of each region's lattice, indices for `PatchStore.read`.
        """
        side, total = self.patch_size, wrapped.new_zeros(())
        sums, covers = torch.zeros_like(wrapped), torch.zeros_like(wrapped[:, :1])
        for search, lattice, first in zip(self.searches, self.lattices, found, strict=True):
            for strip in lattice.strips(side, STRIP_PATCHES):
                patches = search.store.read(first[strip.part])
                total += (patches - strip.read(wrapped)).square_().mean(1).sum()
                strip.add(sums, patches.view(-1, side, side, wrapped.shape[1]))
                strip.add(covers, torch.ones_like(patches[:, :1, None, None]).expand(-1, side, side, 1))
        sums, covers = (wrap_adjoint_(x, side, self.canvas.border) for x in (sums, covers))
        return sums.div_(covers), total / sum(map(len, self.lattices))

    def evaluate(self, image: Tensor, sample: Votes, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        into.add_(image - sample.image)
        return sample.distance
