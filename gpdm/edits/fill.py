"""Filling a hole of an image with patches of references, from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from ..borders import patch_weights, upsample
from ..errors import GPDMError
from ..images import resize, resize_known, scaled, size_of, smooth_fill
from ..patches.lattice import Lattice, spaced
from ..patches.search import PatchSearch
from ..patches.store import PatchStore
from ..references import Reference
from .blend import LARGEST_STEP, blended
from .carry import carried_matches, split_index
from .masks import depths, thickness
from .votes import best_patch, copied, weighted_mean

COARSE_THICKNESS = 1.5
"""Thickness of the hole at the coarsest level, in patches."""
LEVEL_FACTOR = 0.7
"""Size of a level relative to the next finer one."""
COARSE_SCALE = 0.6
"""Scale below which patches are averaged; above, nearly only the best patch counts."""
COARSE_STEPS, FINE_STEPS = 10, 4
"""Steps of a level below and above that scale."""
START_NOISE = 0.05
"""Standard deviation of the noise that is added to the start, so that seeds differ."""
BLENDED_THICKNESS = 2
"""Thickness of a hole, in patches, above which its pieces are blended. Scratches are filled with such small pieces that
blending would soften them."""
FALLOFF = 1.3
"""Factor by which the vote of a patch weighs less for each pixel of depth."""
DENSE_PATCHES = 2**13
"""Number of patches that touch the hole up to which all are matched; of more, those in every second row and column."""
NEIGHBOUR_FACTOR = 1.3
"""As in `PatchSearch`, at levels above that scale: larger pieces are copied."""
MAX_KEYS = 2**16
"""Number of reference patches in the lists of a search."""


@dataclass(frozen=True)
class Filled:
    """An image with a filled hole."""

    image: Tensor
    """The image, (1, C, H, W), unchanged outside the hole."""
    source: Tensor
    """Number of the reference, row and column in it of the pixel from which each pixel of the hole was copied, (3, H,
    W), int64; -1 outside the hole."""


def fill(
    image: Tensor,
    hole: Tensor,
    references: Sequence[Reference],
    *,
    start: Tensor | None = None,
    coarsest: float | None = None,
    patch_size: int = 7,
    seed: int = 0,
    largest_step: float = LARGEST_STEP,
    variety: float = 0.0,
    on_step: Callable[[float, Tensor], None] | None = None,
) -> Filled:
    """Returns an image whose hole is filled with pixels of references, so that what is around it goes on inside.

    At each level the patches that touch the hole are matched with reference patches, and these vote for its pixels.
    A level begins with the matches of the level before.
    Votes of patches that are well matched and near the edge of the hole weigh more. In the end each pixel is that of
    the best patch alone, and differences of brightness between the pieces are evened out (`blend.blended`).

    Arguments:
        image: Image, (1, C, H, W), pictures in [-1, 1].
        hole: Which pixels are filled, bool, (1, 1, H, W).
        references: Where patches come from; patches that touch pixels of weight 0 are not used.
        start: Image that the hole starts from, (1, C, H, W). None: it is interpolated from what is around it.
        coarsest: Scale of the coarsest level. None: it follows from the thickness of the hole.
        patch_size: Side of the patches, in pixels.
        seed: Seed of the noise that is added to the start.
        largest_step: As in `blend.blended`.
        variety: Limit on repeats of reference patches; see `patches.occurrence.search_in_parts`.
        on_step: Callback after each step, with the fraction of the work done and the image.

    Raises:
        GPDMError: No patch of the references may be used.

    References:
        Wexler, Shechtman and Irani, Space-Time Completion of Video, PAMI 2007; Newson et al., Non-Local Patch-Based
        Image Inpainting, IPOL 2017.
    """
    patch_size = usable_patch_size(references, min(patch_size, *size_of(image)))
    scales = level_scales(hole, patch_size, coarsest)
    scales = [*(scale for scale in scales[:-1] if usable(references, patch_size, scale)), 1.0]
    generator = Generator().manual_seed(seed % 2**64)
    current = image if start is None else start
    level: _Level | None = None
    first, distance = torch.empty(0), torch.empty(0)
    for number, scale in enumerate(scales):
        before, level = level, _Level.at(scale, image, hole, references, patch_size, variety)
        current = level.begin(current, is_start=number == 0, filled=start is not None)
        if number == 0:
            noise = torch.randn(current.shape, generator=generator).to(current)
            current = torch.where(level.hole, current + START_NOISE * noise, current)
        steps = COARSE_STEPS if scale < COARSE_SCALE else FINE_STEPS
        first, distance = level.match(current) if before is None else level.match_as(before, first, current)
        for step in range(steps):
            current = level.vote(current, first, distance)
            first, distance = level.match(current, first)
            if on_step is not None:
                on_step((number + (step + 1) / steps) / len(scales), current)
    assert level is not None
    return level.copy(first, distance, largest_step)


def usable(references: Sequence[Reference], patch_size: int, scale: float) -> bool:
    """Returns whether a patch of the references may be used at a scale."""
    sized = [reference.at(scale) for reference in references]
    return any(
        min(size_of(x.image)) >= patch_size and bool((patch_weights(x.map(), patch_size, exclude=True) > 0).any())
        for x in sized
    )


def usable_patch_size(references: Sequence[Reference], patch_size: int) -> int:
    """Returns the largest side of patches of which one may be used at full size, at most `patch_size`.

    Raises:
        GPDMError: Not even patches of three pixels may be used.
    """
    for size in range(patch_size, 2, -1):
        if usable(references, size, 1.0):
            return size
    raise GPDMError(
        "there is no 3x3 patch without masked pixels to fill the hole with; mask less, or give another picture as the "
        "reference; the picture itself needs at least 3x3 pixels"
    )


def level_scales(hole: Tensor, patch_size: int, coarsest: float | None = None) -> list[float]:
    """Returns the scales of the levels, from coarse to fine; the last is 1."""
    size = min(size_of(hole))
    lowest = min(1.6 * patch_size / size, 1.0)
    if coarsest is None:
        coarsest = COARSE_THICKNESS * patch_size / max(thickness(hole), 1)
    coarsest = min(max(coarsest, lowest), 1.0)
    scales = [1.0]
    while scales[-1] * LEVEL_FACTOR > coarsest:
        scales.append(scales[-1] * LEVEL_FACTOR)
    if scales[-1] > coarsest * 1.1:
        scales.append(coarsest)
    return scales[::-1]


@dataclass
class _Level:
    """The hole at one level."""

    image: Tensor
    hole: Tensor
    references: list[Reference]
    masks: list[Tensor]
    search: PatchSearch
    lattice: Lattice
    depth: Tensor
    """Mean depth of the pixels of each patch, (n,)."""
    scale: float

    @classmethod
    def at(
        cls,
        scale: float,
        image: Tensor,
        hole: Tensor,
        references: Sequence[Reference],
        patch_size: int,
        variety: float,
    ) -> _Level:
        size = scaled(size_of(image), scale)
        known_image, fraction = resize_known(image, (~hole).to(image), size)
        hole = fraction < 0.5
        references = [reference.at(scale) for reference in references]
        masks = [patch_weights(x.map().to(x.image), patch_size, exclude=True) > 0 for x in references]
        touching = patch_weights(hole.to(image), patch_size) > 0
        step = 1 if int(touching.sum()) <= DENSE_PATCHES else 2
        rows, columns = (spaced(number, step).to(image.device) for number in touching.shape)
        chosen = (rows[:, None], columns)
        factor = 1.0 if scale < COARSE_SCALE else NEIGHBOUR_FACTOR
        search = PatchSearch(
            [x.image for x in references],
            patch_size,
            masks,
            max_keys=MAX_KEYS,
            neighbour_factor=factor,
            variety=variety,
        )
        lattice = Lattice.of(rows, columns, touching[chosen])
        depth = patch_weights(depths(hole).to(image), patch_size)[chosen].flatten()[lattice.index]
        return cls(known_image, hole, references, masks, search, lattice, depth, scale)

    def begin(self, current: Tensor, is_start: bool, filled: bool) -> Tensor:
        """Returns the image at the beginning of the level, from that of the level before or the start."""
        size = size_of(self.image)
        if is_start:
            inside = resize(current, size) if filled else smooth_fill(self.image, (~self.hole).to(self.image))
        else:
            inside = upsample(current, size, "free")
        return torch.where(self.hole, inside, self.image)

    def match(self, image: Tensor, first: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns the matches of all patches, from those of the step before if there was one, and the distances."""
        if first is None or len(self.lattice) * self.search.store.number <= self.search.max_pairs:
            found = self.search.nearest(image, self.lattice, first)
        else:
            found = self.search.carried(image, self.lattice, first)
        return found.first, found.distance

    def match_as(self, before: _Level, first: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the matches of all patches, from those of the level before, and the distances.

        They are compared in references that are as blurred as the image is.
        """
        size, old_size = size_of(self.image), size_of(before.image)
        search = self._blurred(before.scale / self.scale)
        ratio = size[0] / old_size[0], size[1] / old_size[1]
        carried, known = carried_matches(before.lattice, before.search.store, first, self.lattice, search.store, ratio)
        rest = replace(self.lattice, index=self.lattice.index[~known])
        carried[~known] = search.nearest(image, rest).first
        found = search.carried(image, self.lattice, carried)
        return found.first, found.distance

    def _blurred(self, factor: float) -> PatchSearch:
        images = [
            upsample(resize(x.image, scaled(size_of(x.image), factor)), size_of(x.image), "free")
            for x in self.references
        ]
        return PatchSearch(
            images, self.search.store.patch_size, self.masks, max_keys=MAX_KEYS, variety=self.search.variety
        )

    def weights(self, distance: Tensor) -> Tensor:
        """Returns the weight of the vote of each patch."""
        if self.scale < COARSE_SCALE:
            typical = distance.quantile(0.75).clamp(min=1e-6)
            return FALLOFF ** -self.depth.double() * torch.exp(-distance.double() / (2 * typical))
        typical = distance.median().clamp(min=1e-6)
        return FALLOFF ** -self.depth.double() * (typical / (distance + 0.05 * typical)).double().square()

    def vote(self, image: Tensor, first: Tensor, distance: Tensor) -> Tensor:
        """Returns the image after the votes."""
        voted = weighted_mean(image, self.lattice, self.search.store, first, self.weights(distance))
        return torch.where(self.hole, voted, self.image)

    def copy(self, first: Tensor, distance: Tensor, largest_step: float) -> Filled:
        """Returns the image whose hole is made of the pixels of the best patches."""
        store = self.search.store
        index = best_patch(self.lattice, store, first, self.weights(distance), size_of(self.image))
        index = torch.where(self.hole[0, 0], index, -1)
        source = torch.stack(split_index(index, store))
        maps = [(x.map() > 0).to(x.image) for x in self.references]
        known = PatchStore(maps, store.patch_size).pixels[:, 0] > 0
        image = copied(self.image, store, index)
        if bool(self.hole.all()) or thickness(self.hole) > BLENDED_THICKNESS * store.patch_size:
            image = blended(image, store, known, index, largest_step)
        return Filled(image, torch.where(index >= 0, source, -1))
