"""Coarse-to-fine search for nearest reference patches, with bounded time and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import resize, scaled, size_of
from .nearest import all_patches, nearest, squared_distance

MAX_PAIRS = 5 * 10**8
"""Number of pairs of patches up to which all are compared: about two seconds on two cores."""
SEARCH_RADIUS = 2
"""Radius of the search around a match from half the size, in pixels."""
CHUNK_PATCHES = 2**14
"""Number of patches that are compared at a time."""
GPU_CHUNK_FACTOR = 4
"""Factor of `CHUNK_PATCHES` on a GPU, for fewer launches."""


@dataclass(frozen=True)
class Positions:
    """Positions of n patches: the index of the image, and row and column of the upper left corner; int64, (n,) each."""

    image: Tensor
    row: Tensor
    column: Tensor

    def __getitem__(self, index: slice | Tensor) -> Positions:
        """Returns the selected positions."""
        return Positions(self.image[index], self.row[index], self.column[index])

    @classmethod
    def joined(cls, parts: Sequence[Positions]) -> Positions:
        """Concatenates positions."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("image", "row", "column")))

    def shifted(self, rows: int, columns: int, largest: Tensor) -> Positions:
        """Returns the positions moved by `rows` down and `columns` to the right.

        They are clamped to the image; `largest` holds the last row and column of each image, (images, 2).
        """
        limit = largest[self.image]
        row = torch.minimum((self.row + rows).clamp(min=0), limit[:, 0])
        return Positions(self.image, row, torch.minimum((self.column + columns).clamp(min=0), limit[:, 1]))


class PatchSearch:
    """A search for the nearest patches of references.

    If there are at most `max_pairs` pairs of patches, all are compared. Otherwise images and references are scaled down
    by half until that is so or they become too small, and each match is refined from size to size within
    `SEARCH_RADIUS`.

    Arguments:
        references: Images, (1, C, h, w) each.
        patch_size: Side of the patches, in pixels.
        visible: Mask of usable pixels for each reference, bool, (1, 1, h, w). A patch that touches another pixel is
            never returned. None: all pixels are usable.
        max_pairs: Number of pairs of patches up to which all are compared.
        chunk_patches: Number of patches that are refined at a time; see `chunks`. The result does not depend on it.
    """

    def __init__(
        self,
        references: Sequence[Tensor],
        patch_size: int,
        visible: Sequence[Tensor] | None = None,
        *,
        max_pairs: int = MAX_PAIRS,
        chunk_patches: int = CHUNK_PATCHES,
    ) -> None:
        self.references, self.patch_size, self.visible = list(references), patch_size, visible
        self.max_pairs, self.chunk_patches = max_pairs, chunk_patches
        self.view = patch_view(references, patch_size)
        self.largest = torch.tensor([size_of(x) for x in references], device=self.view.device) - patch_size
        self.allowed = None if visible is None else [self._inside(mask) for mask in visible]
        if self.allowed is None:
            self.number = int((self.largest + 1).prod(1).sum())
        else:
            self.index = torch.cat([mask.flatten() for mask in self.allowed]).nonzero()[:, 0]
            self.number = len(self.index)

    def _inside(self, mask: Tensor) -> Tensor:
        """Returns which patches lie inside a mask of pixels, bool, (rows, columns)."""
        hidden = F.max_pool2d((~mask).to(self.view.dtype), self.patch_size, 1)
        return hidden[0, 0] == 0

    @cached_property
    def keys(self) -> Tensor:
        """All allowed patches, one per row, (patches, C p^2)."""
        keys = all_patches(self.references, self.patch_size)
        return keys if self.allowed is None else keys[self.index]

    @cached_property
    def half(self) -> PatchSearch:
        """The search at half the size.

        A pixel is visible there only if all pixels that contribute to it are, so that a match at half the size has one
        at this size.
        """
        sizes = [scaled(size_of(x), 0.5) for x in self.references]
        references = [resize(x, size) for x, size in zip(self.references, sizes, strict=True)]
        visible = None
        if self.visible is not None:
            fractions = [resize(x.to(self.view.dtype), size) for x, size in zip(self.visible, sizes, strict=True)]
            visible = [fraction > 1 - 1e-4 for fraction in fractions]
        return PatchSearch(
            references, self.patch_size, visible, max_pairs=self.max_pairs, chunk_patches=self.chunk_patches
        )

    def positions(self, image: Tensor, row: Tensor, column: Tensor) -> Positions:
        """Returns the positions of the nearest reference patches.

        Arguments:
            image: Image, (1, C, H, W).
            row, column: Upper left corners of its patches, (n,) each, int64.
        """
        view, queries = patch_view([image], self.patch_size), Positions(torch.zeros_like(row), row, column)
        # All pairs are compared also where an image has no patch at half the size.
        smallest = min(min(size_of(x)) for x in (image, *self.references))
        if len(row) * self.number > self.max_pairs and smallest >= 2 * self.patch_size and self.half.number:
            guess = self._guess(image, queries)
            parts = [
                self._refine(gather_patches(view, queries[part]), guess[part])
                for part in chunks(row, self.chunk_patches)
            ]
            return Positions.joined(parts)
        index = nearest(gather_patches(view, queries), self.keys).index
        return self._position_of(index if self.allowed is None else self.index[index])

    def _position_of(self, index: Tensor) -> Positions:
        """Returns the positions of patches from their indices in `all_patches`."""
        counts = (self.largest + 1).prod(1)
        ends = counts.cumsum(0)
        image = torch.bucketize(index, ends, right=True)
        within, columns = index - (ends - counts)[image], self.largest[image, 1] + 1
        return Positions(image, within // columns, within % columns)

    def _guess(self, image: Tensor, queries: Positions) -> Positions:
        """Returns approximate positions of the patches nearest to `queries`, from a search at half the size."""
        small = resize(image, scaled(size_of(image), 0.5))
        centre = (self.patch_size - 1) / 2
        coarse, remainder = [], []
        for start, length, half in zip((queries.row, queries.column), size_of(image), size_of(small), strict=True):
            at = ((start + centre) * half / length - centre).round().long().clamp(0, half - self.patch_size)
            coarse.append(at)
            remainder.append(start + centre - (at + centre) * length / half)
        # Several patches share one at half the size, which is searched once.
        unique, inverse = (coarse[0] * small.shape[3] + coarse[1]).unique(return_inverse=True)
        matches = self.half.positions(small, unique // small.shape[3], unique % small.shape[3])[inverse]
        sizes, half_sizes = (search.largest[matches.image] + self.patch_size for search in (self, self.half))
        row, column = (
            ((start + centre) * sizes[:, i] / half_sizes[:, i] + remainder[i] - centre).round().long()
            for i, start in enumerate((matches.row, matches.column))
        )
        return Positions(matches.image, row, column).shifted(0, 0, self.largest)

    def _refine(self, queries: Tensor, guess: Positions) -> Positions:
        """Returns the best positions within `SEARCH_RADIUS` of `guess`; of equally good ones the closest to it."""
        around = range(-SEARCH_RADIUS, SEARCH_RADIUS + 1)
        steps = sorted(((i, j) for i in around for j in around), key=lambda step: step[0] ** 2 + step[1] ** 2)
        best, best_distance = guess, torch.full_like(queries[:, 0], torch.inf)
        for rows, columns in steps:
            candidate = guess.shifted(rows, columns, self.largest)
            distance = squared_distance(queries, gather_patches(self.view, candidate))
            if self.allowed is not None:
                distance = distance.masked_fill(~self._is_allowed(candidate), torch.inf)
            closer = distance < best_distance
            best = Positions(
                guess.image,
                torch.where(closer, candidate.row, best.row),
                torch.where(closer, candidate.column, best.column),
            )
            best_distance = torch.where(closer, distance, best_distance)
        return best

    def _is_allowed(self, positions: Positions) -> Tensor:
        """Returns which positions are those of allowed patches, bool, (n,)."""
        assert self.allowed is not None
        result = torch.zeros_like(positions.row, dtype=torch.bool)
        for number, mask in enumerate(self.allowed):
            chosen = positions.image == number
            result[chosen] = mask[positions.row[chosen], positions.column[chosen]]
        return result


def chunks(index: Tensor, chunk_patches: int = CHUNK_PATCHES) -> list[slice]:
    """Splits an index, (n,), into slices of patches that are processed at a time: `chunk_patches`, more on a GPU."""
    number, size = len(index), chunk_patches * (GPU_CHUNK_FACTOR if index.device.type == "cuda" else 1)
    return [slice(start, min(start + size, number)) for start in range(0, number, size)]


def patch_view(images: Sequence[Tensor], patch_size: int) -> Tensor:
    """Returns all patches of all images as a view, (images, C, rows, columns, p, p).

    Images smaller than the others are padded with zeros.
    """
    height, width = (max(size_of(x)[i] for x in images) for i in (0, 1))
    if len(images) == 1:
        return images[0].unfold(2, patch_size, 1).unfold(3, patch_size, 1)  # without a copy
    padded = [F.pad(x, (0, width - size_of(x)[1], 0, height - size_of(x)[0])) for x in images]
    return torch.cat(padded).unfold(2, patch_size, 1).unfold(3, patch_size, 1)


def gather_patches(view: Tensor, positions: Positions) -> Tensor:
    """Returns the patches of a `patch_view` at these positions, (n, C p^2)."""
    return view[positions.image, :, positions.row, positions.column].flatten(1)


def scatter_add_patches(image: Tensor, patches: Tensor, positions: Positions) -> None:
    """Adds patches (n, C p^2) to `image` (1, C, H, W) at these positions, in place. Positions must be distinct."""
    _, channels, height, width = image.shape
    side = math.isqrt(patches.shape[1] // channels)
    flat, patches = image.view(channels, height * width), patches.unflatten(1, (channels, side, side))
    first_pixel = positions.row * width + positions.column
    for i in range(side):
        for j in range(side):
            # Positions are distinct: each element is added to once, so that the result does not depend on an order.
            flat[:, first_pixel + (i * width + j)] += patches[:, :, i, j].T
