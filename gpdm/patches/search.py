"""Search for nearest reference patches, nearly exact, with bounded time and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Generator, Tensor

from .inverted_lists import BLOCK_PATCHES, InvertedLists
from .lattice import Lattice
from .occurrence import Matches, Occurrence, search_in_parts
from .store import PatchStore

MAX_PAIRS = 2**23
"""Number of pairs of patches up to which all are compared."""
MAX_KEYS = 2**18
"""Number of reference patches that are compared with queries. Of more, a random subset is, and the other patches are
found by refinement."""
PROBES = 2
"""Number of inverted lists that are searched for a patch."""
STRIP_PATCHES = 2**15
"""Number of patches that are looked up at a time."""
CHUNK_PATCHES = 2**12
"""Number of patches that are compared one by one at a time, so few that they fit a processor's cache."""
GPU_FACTORS = 2, 16
"""Factors of `STRIP_PATCHES` and `CHUNK_PATCHES` on a GPU, for fewer launches."""
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))
"""Directions of the neighbours on the lattice whose matches are tried."""
AROUND = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
"""Directions in which a match is refined."""


def search_bytes(patch_size: int, patches: int, reference_pixels: int) -> int:
    """Returns the bytes that a search for so many patches takes, with up to four channels."""
    strip, patch = min(patches, STRIP_PATCHES), 4 * 4 * patch_size**2
    matches, pairs = 40 * patches, 4 * min(MAX_PAIRS, strip * BLOCK_PATCHES)
    return 18 * reference_pixels + matches + patch * (2 + 2 * PROBES) * strip + patch * BLOCK_PATCHES + pairs


class PatchSearch:
    """A search for the nearest patches of references.

    Up to `max_pairs` pairs of patches, all are compared. Otherwise each patch is compared with those of the nearest
    inverted lists (`InvertedLists`); then the matches of its neighbours on the lattice, shifted by the difference of
    their positions, are tried as in PatchMatch. The mean squared difference is about 2 % above that of the nearest
    patches. A limit on repeats changes which patches are taken (`search_in_parts`).

    Arguments:
        references: Images, (1, C, h, w) each.
        patch_size: Side of the patches, in pixels.
        weights: Weight of every patch of each reference, (rows, columns), or a mask, bool. A patch of weight 0 is never
            found, and squared differences to the others are divided by their weights. None: all weights are 1.
        max_pairs: Number of pairs of patches up to which all are compared.
        max_keys: Maximum number of reference patches in the lists.
        neighbour_factor: A match from a neighbour is taken if its squared difference is below that of the own match
            times this factor. Above 1, neighbouring patches have neighbouring matches more often.
        variety: As in `search_in_parts`; 0 sets no limit on repeats.
        strip_patches, chunk_patches: Numbers of patches that are processed at a time. The result does not depend on
            them, up to rounding.

    References:
        Barnes et al., PatchMatch: A Randomized Correspondence Algorithm for Structural Image Editing, SIGGRAPH 2009.
    """

    def __init__(
        self,
        references: Sequence[Tensor],
        patch_size: int,
        weights: Sequence[Tensor] | None = None,
        *,
        max_pairs: int = MAX_PAIRS,
        max_keys: int = MAX_KEYS,
        neighbour_factor: float = 1.0,
        variety: float = 0.0,
        strip_patches: int = STRIP_PATCHES,
        chunk_patches: int = CHUNK_PATCHES,
    ) -> None:
        self.store = PatchStore(references, patch_size, weights)
        self.max_pairs, self.max_keys, self.neighbour_factor = max_pairs, max_keys, neighbour_factor
        self.variety = variety
        factors = GPU_FACTORS if references[0].device.type == "cuda" else (1, 1)
        self.strip_patches, self.chunk_patches = factors[0] * strip_patches, factors[1] * chunk_patches

    @cached_property
    def one_list(self) -> InvertedLists:
        """All reference patches in one list."""
        return InvertedLists(self.store, self.store.allowed.nonzero()[:, 0], 1)

    @cached_property
    def lists(self) -> InvertedLists:
        """At most `max_keys` reference patches, in about as many lists as each has patches."""
        first = self.store.allowed.nonzero()[:, 0]
        if len(first) > self.max_keys:
            chosen = torch.randint(len(first), (self.max_keys,), generator=Generator().manual_seed(0))
            first = first[chosen.sort().values.to(first.device)]
        return InvertedLists(self.store, first, round(math.sqrt(len(first))))

    def nearest(self, image: Tensor, lattice: Lattice, last: Tensor | None = None) -> Matches:
        """Returns the nearest reference patches of the patches of an image.

        Arguments:
            image: Image, (1, C, H, W).
            lattice: Its patches.
            last: As in `search_in_parts`, where there is a limit on repeats.
        """
        exact = len(lattice) * self.store.number <= self.max_pairs

        def search(part: slice, penalty: Tensor | None) -> Matches:
            return self._searched(image, replace(lattice, index=lattice.index[part].contiguous()), exact, penalty)

        if not self.variety or not len(lattice):
            matches = search(slice(None), None)
        else:
            matches = search_in_parts(search, self._occurrence(lattice), self.variety, last)
        return matches if exact else self._propagated(image, lattice, matches)

    def _searched(self, image: Tensor, lattice: Lattice, exact: bool, penalty: Tensor | None) -> Matches:
        """Returns the nearest reference patches, with a penalty for each, before propagation."""
        lists, radii = (self.one_list, []) if exact else (self.lists, self._radii())
        found = []
        for strip in lattice.strips(self.store.patch_size, self.strip_patches):
            patches = strip.read(image)
            candidates = lists.nearest(patches, PROBES, penalty)
            for part in self._chunks(len(patches)):
                best = self._compared(patches[part], candidates[part, 0], penalty)
                for other in candidates[part, 1:].T:
                    self._improve(patches[part], best, other)
                self._refine(patches[part], best, radii)
                found.append(best)
        if not found:
            return Matches(lattice.index, torch.zeros_like(lattice.index, dtype=image.dtype))
        return Matches(torch.cat([x.first for x in found]), torch.cat([x.distance for x in found]), penalty)

    def _occurrence(self, lattice: Lattice) -> Occurrence:
        """Returns the occurrence map of the patches of an image, without uses."""
        return Occurrence(self.store, len(lattice), lattice.density)

    def _radii(self) -> list[int]:
        """Returns the distances at which a match is refined, in pixels: from half that of the patches in the lists."""
        gap = math.sqrt(self.store.number / min(self.store.number, self.max_keys))
        return [2**i for i in reversed(range(math.ceil(math.log2(gap))))]

    def _compared(self, patches: Tensor, first: Tensor, penalty: Tensor | None = None) -> Matches:
        """Returns reference patches, with a penalty for each, as matches of patches, (n, D)."""
        distance = (self.store.read(first) - patches).square_().mean(1)
        return Matches(first, distance if self.store.weights is None else distance / self.store.weights[first], penalty)

    def _improve(self, patches: Tensor, matches: Matches, first: Tensor, factor: float = 1.0) -> None:
        """Replaces the matches of patches (n, D) by other allowed patches where these are nearer.

        Their costs must be below those of the matches times `factor`.
        """
        allowed = self.store.is_allowed(first)
        other = self._compared(patches, torch.where(allowed, first, matches.first), matches.penalty)
        nearer = other.cost < factor * matches.cost
        matches.first = torch.where(nearer, other.first, matches.first)
        matches.distance = torch.where(nearer, other.distance, matches.distance)

    def _refine(self, patches: Tensor, matches: Matches, radii: Sequence[int]) -> None:
        """Tries the patches around each match, at smaller and smaller distances."""
        for radius in radii:
            centre = matches.first
            for rows, columns in AROUND:
                self._improve(patches, matches, centre + radius * (rows * self.store.width + columns))

    def carried(self, image: Tensor, lattice: Lattice, first: Tensor) -> Matches:
        """Returns matches from those of a similar image, without a new search.

        Arguments:
            image: Image, (1, C, H, W).
            lattice: Its patches.
            first: Their reference patches in the other image, indices for `PatchStore.read`, (n,).
        """
        matches = Matches(first, torch.empty_like(first, dtype=image.dtype))
        for strip in lattice.strips(self.store.patch_size, self.strip_patches):
            matches.distance[strip.part] = self._compared(strip.read(image), first[strip.part]).distance
        if self.variety and len(lattice):
            occurrence = self._occurrence(lattice)
            occurrence.uses = occurrence.of(first)
            matches.penalty = self.variety * matches.distance.median() * occurrence.relative()
        return self._propagated(image, lattice, matches)

    def _propagated(self, image: Tensor, lattice: Lattice, matches: Matches) -> Matches:
        """Returns the matches after one round of propagation from the neighbours on the lattice."""
        found = Matches(matches.first.clone(), matches.distance.clone(), matches.penalty)
        for strip in lattice.strips(self.store.patch_size, self.strip_patches):
            patches = strip.read(image)
            for chunk in self._chunks(len(patches)):
                part = slice(strip.part.start + chunk.start, strip.part.start + chunk.stop)
                best = Matches(matches.first[part], matches.distance[part], matches.penalty)
                for direction in DIRECTIONS:
                    neighbour = lattice.neighbours(*direction, part)
                    rows, columns = (
                        a - b for a, b in zip(lattice.corners(part), lattice.corners(neighbour), strict=True)
                    )
                    first = matches.first[neighbour] + rows * self.store.width + columns
                    self._improve(patches[chunk], best, first, self.neighbour_factor)
                found.first[part], found.distance[part] = best.first, best.distance
        return found

    def _chunks(self, number: int) -> Iterator[slice]:
        """Yields slices of patches that are compared at a time."""
        for start in range(0, number, self.chunk_patches):
            yield slice(start, min(start + self.chunk_patches, number))
