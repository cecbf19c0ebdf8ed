"""Nearest reference patches of some patches of a picture, in time and memory that do not explode with its size."""

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

PAIRS = 5 * 10**8
"""Patches of a picture times patches of the references up to which all pairs are compared: about two seconds on two cores."""
REACH = 2
"""From a match at half the size a patch is looked for this far around, in pixels."""
BLOCK = 2**14
"""Patches that are looked at together."""
GPU_TIMES = 4
"""How many times as many on a GPU, to make launches few."""


@dataclass(frozen=True)
class Places:
    """Where patches are: of which picture, and the row and column of their corner there. (n,) each, int64."""

    picture: Tensor
    row: Tensor
    column: Tensor

    def __getitem__(self, which: slice | Tensor) -> Places:
        """Some of them."""
        return Places(self.picture[which], self.row[which], self.column[which])

    @classmethod
    def joined(cls, parts: Sequence[Places]) -> Places:
        """All of them behind each other."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("picture", "row", "column")))

    def shifted(self, down: int, right: int, largest: Tensor) -> Places:
        """The places so many pixels on, kept within the largest rows and columns of each picture, (pictures, 2)."""
        most = largest[self.picture]
        row = torch.minimum((self.row + down).clamp(min=0), most[:, 0])
        return Places(self.picture, row, torch.minimum((self.column + right).clamp(min=0), most[:, 1]))


class PatchSearch:
    """Looks for patches among those of the references: compares all pairs as long as they are few. Else it starts with both scaled
    down, and follows each match up from size to size, where only its surroundings are looked at."""

    def __init__(self, references: Sequence[Tensor], patch_size: int, allowed: Sequence[Tensor] | None = None) -> None:
        """`allowed`, (rows, columns) of bool for each reference, leaves patches out; then all pairs are compared at every size."""
        self.references, self.patch_size = list(references), patch_size
        self.view = windows(references, patch_size)
        self.largest = torch.tensor([size_of(x) for x in references], device=self.view.device) - patch_size
        self.number = int((self.largest + 1).prod(1).sum())
        self.allowed = None if allowed is None else torch.cat([mask.flatten() for mask in allowed]).nonzero()[:, 0]

    @cached_property
    def keys(self) -> Tensor:
        """All patches that may be found, a row each."""
        keys = all_patches(self.references, self.patch_size)
        return keys if self.allowed is None else keys[self.allowed]

    @cached_property
    def smaller(self) -> PatchSearch:
        """The search at half the size."""
        return PatchSearch([resize(x, scaled(size_of(x), 0.5)) for x in self.references], self.patch_size)

    def places(self, image: Tensor, row: Tensor, column: Tensor) -> Places:
        """Where the nearest patches are of those of `image` (1, C, H, W) with corners at `row` and `column`, (n,) each."""
        view, own = windows([image], self.patch_size), Places(torch.zeros_like(row), row, column)
        # Pictures that have no patch at half the size can be no larger than all pairs bear.
        smallest = min(min(size_of(x)) for x in (image, *self.references))
        if self.allowed is None and len(row) * self.number > PAIRS and smallest >= 2 * self.patch_size:
            guess = self._guess(image, own)
            parts = [self._best(take(view, own[part]), guess[part]) for part in blocks(row)]
            return Places.joined(parts)
        index = nearest(take(view, own), self.keys).index
        return self._place_of(index if self.allowed is None else self.allowed[index])

    def _place_of(self, index: Tensor) -> Places:
        """Of patches as `all_patches` numbers them."""
        counts = (self.largest + 1).prod(1)
        ends = counts.cumsum(0)
        picture = torch.bucketize(index, ends, right=True)
        within, across = index - (ends - counts)[picture], self.largest[picture, 1] + 1
        return Places(picture, within // across, within % across)

    def _guess(self, image: Tensor, own: Places) -> Places:
        """Where the nearest patches should be, from those at half the size."""
        small = resize(image, scaled(size_of(image), 0.5))
        middle = (self.patch_size - 1) / 2
        coarse, rest = [], []
        for place, side, less in zip((own.row, own.column), size_of(image), size_of(small), strict=True):
            at = ((place + middle) * less / side - middle).round().long().clamp(0, less - self.patch_size)
            coarse.append(at)
            rest.append(place + middle - (at + middle) * side / less)
        # Several patches have the same one at half the size, which is looked for once.
        once, which = (coarse[0] * small.shape[3] + coarse[1]).unique(return_inverse=True)
        found = self.smaller.places(small, once // small.shape[3], once % small.shape[3])[which]
        sides, less = (each.largest[found.picture] + self.patch_size for each in (self, self.smaller))
        row, column = (
            ((place + middle) * sides[:, i] / less[:, i] + rest[i] - middle).round().long()
            for i, place in enumerate((found.row, found.column))
        )
        return Places(found.picture, row, column).shifted(0, 0, self.largest)

    def _best(self, queries: Tensor, guess: Places) -> Places:
        """The best places around `guess`; of equal ones the nearest to it."""
        around = range(-REACH, REACH + 1)
        steps = sorted(((i, j) for i in around for j in around), key=lambda step: step[0] ** 2 + step[1] ** 2)
        best, least = guess, torch.full_like(queries[:, 0], torch.inf)
        for down, right in steps:
            near = guess.shifted(down, right, self.largest)
            distance = squared_distance(queries, take(self.view, near))
            closer = distance < least
            best = Places(
                guess.picture, torch.where(closer, near.row, best.row), torch.where(closer, near.column, best.column)
            )
            least = torch.where(closer, distance, least)
        return best


def blocks(index: Tensor) -> list[slice]:
    """Parts of an index, (n,), that are worked off together."""
    number, size = len(index), BLOCK * (GPU_TIMES if index.device.type == "cuda" else 1)
    return [slice(start, min(start + size, number)) for start in range(0, number, size)]


def windows(images: Sequence[Tensor], patch_size: int) -> Tensor:
    """All patches of all images as a view, (images, C, rows, columns, p, p); smaller images are continued by zeros."""
    height, width = (max(size_of(x)[i] for x in images) for i in (0, 1))
    if len(images) == 1:
        return images[0].unfold(2, patch_size, 1).unfold(3, patch_size, 1)  # without a copy
    padded = [F.pad(x, (0, width - size_of(x)[1], 0, height - size_of(x)[0])) for x in images]
    return torch.cat(padded).unfold(2, patch_size, 1).unfold(3, patch_size, 1)


def take(view: Tensor, places: Places) -> Tensor:
    """The patches at `places` of `windows`, (n, C p^2)."""
    return view[places.picture, :, places.row, places.column].flatten(1)


def add(picture: Tensor, patches: Tensor, places: Places) -> None:
    """Adds patches (n, C p^2) to `picture` (1, C, H, W) where they belong. No two may have the same place."""
    _, channels, height, width = picture.shape
    side = math.isqrt(patches.shape[1] // channels)
    flat, patches = picture.view(channels, height * width), patches.unflatten(1, (channels, side, side))
    corner = places.row * width + places.column
    for i in range(side):
        for j in range(side):
            # Different places: nothing is added twice at once, so that the sums do not depend on an order.
            flat[:, corner + (i * width + j)] += patches[:, :, i, j].T
