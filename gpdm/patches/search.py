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
class Positions:
    """Where patches are: of which picture, and the row and column of their corner there. (n,) each, int64."""

    picture: Tensor
    row: Tensor
    column: Tensor

    def __getitem__(self, which: slice | Tensor) -> Positions:
        """Some of them."""
        return Positions(self.picture[which], self.row[which], self.column[which])

    @classmethod
    def joined(cls, parts: Sequence[Positions]) -> Positions:
        """All of them behind each other."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("picture", "row", "column")))

    def shifted(self, down: int, right: int, largest: Tensor) -> Positions:
        """The places so many pixels on, kept within the largest rows and columns of each picture, (pictures, 2)."""
        most = largest[self.picture]
        row = torch.minimum((self.row + down).clamp(min=0), most[:, 0])
        return Positions(self.picture, row, torch.minimum((self.column + right).clamp(min=0), most[:, 1]))


class PatchSearch:
    """Looks for patches among those of the references: compares all pairs as long as they are few. Else it starts with both scaled
    down, and follows each match up from size to size, where only its surroundings are looked at.

    Arguments:
        references: Images, (1, C, h, w) each.
        patch_size: Side of the patches, in pixels.
        visible: Which pixels may be found, bool, (1, 1, h, w) for each reference: a patch that touches another is not. None: all.
    """

    def __init__(self, references: Sequence[Tensor], patch_size: int, visible: Sequence[Tensor] | None = None) -> None:
        self.references, self.patch_size, self.visible = list(references), patch_size, visible
        self.view = patch_view(references, patch_size)
        self.largest = torch.tensor([size_of(x) for x in references], device=self.view.device) - patch_size
        self.allowed = None if visible is None else [self._whole_patches(each) for each in visible]
        if self.allowed is None:
            self.number = int((self.largest + 1).prod(1).sum())
        else:
            self.index = torch.cat([mask.flatten() for mask in self.allowed]).nonzero()[:, 0]
            self.number = len(self.index)

    def _whole_patches(self, visible: Tensor) -> Tensor:
        """Returns which patches are wholly visible, bool, (rows, columns)."""
        hidden = F.max_pool2d((~visible).to(self.view.dtype), self.patch_size, 1)
        return hidden[0, 0] == 0

    @cached_property
    def keys(self) -> Tensor:
        """All patches that may be found, a row each."""
        keys = all_patches(self.references, self.patch_size)
        return keys if self.allowed is None else keys[self.index]

    @cached_property
    def smaller(self) -> PatchSearch:
        """The search at half the size. Visible there is what is wholly visible here, so that a match there has one here."""
        sizes = [scaled(size_of(x), 0.5) for x in self.references]
        references = [resize(x, size) for x, size in zip(self.references, sizes, strict=True)]
        if self.visible is None:
            return PatchSearch(references, self.patch_size)
        shares = [resize(x.to(self.view.dtype), size) for x, size in zip(self.visible, sizes, strict=True)]
        return PatchSearch(references, self.patch_size, [share > 1 - 1e-4 for share in shares])

    def positions(self, image: Tensor, row: Tensor, column: Tensor) -> Positions:
        """Where the nearest patches are of those of `image` (1, C, H, W) with corners at `row` and `column`, (n,) each."""
        view, own = patch_view([image], self.patch_size), Positions(torch.zeros_like(row), row, column)
        # Pictures that have no patch at half the size can be no larger than all pairs bear.
        smallest = min(min(size_of(x)) for x in (image, *self.references))
        if len(row) * self.number > PAIRS and smallest >= 2 * self.patch_size and self.smaller.number:
            guess = self._guess(image, own)
            parts = [self._best(gather_patches(view, own[part]), guess[part]) for part in chunks(row)]
            return Positions.joined(parts)
        index = nearest(gather_patches(view, own), self.keys).index
        return self._position_of(index if self.allowed is None else self.index[index])

    def _position_of(self, index: Tensor) -> Positions:
        """Of patches as `all_patches` numbers them."""
        counts = (self.largest + 1).prod(1)
        ends = counts.cumsum(0)
        picture = torch.bucketize(index, ends, right=True)
        within, across = index - (ends - counts)[picture], self.largest[picture, 1] + 1
        return Positions(picture, within // across, within % across)

    def _guess(self, image: Tensor, own: Positions) -> Positions:
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
        found = self.smaller.positions(small, once // small.shape[3], once % small.shape[3])[which]
        sides, less = (each.largest[found.picture] + self.patch_size for each in (self, self.smaller))
        row, column = (
            ((place + middle) * sides[:, i] / less[:, i] + rest[i] - middle).round().long()
            for i, place in enumerate((found.row, found.column))
        )
        return Positions(found.picture, row, column).shifted(0, 0, self.largest)

    def _best(self, queries: Tensor, guess: Positions) -> Positions:
        """The best places around `guess`; of equal ones the nearest to it."""
        around = range(-REACH, REACH + 1)
        steps = sorted(((i, j) for i in around for j in around), key=lambda step: step[0] ** 2 + step[1] ** 2)
        best, least = guess, torch.full_like(queries[:, 0], torch.inf)
        for down, right in steps:
            near = guess.shifted(down, right, self.largest)
            distance = squared_distance(queries, gather_patches(self.view, near))
            if self.allowed is not None:
                distance = distance.masked_fill(~self._is_allowed(near), torch.inf)
            closer = distance < least
            best = Positions(
                guess.picture, torch.where(closer, near.row, best.row), torch.where(closer, near.column, best.column)
            )
            least = torch.where(closer, distance, least)
        return best

    def _is_allowed(self, positions: Positions) -> Tensor:
        """Returns which positions are those of patches that may be found, bool, (n,)."""
        assert self.allowed is not None
        found = torch.zeros_like(positions.row, dtype=torch.bool)
        for number, mask in enumerate(self.allowed):
            own = positions.picture == number
            found[own] = mask[positions.row[own], positions.column[own]]
        return found


def chunks(index: Tensor) -> list[slice]:
    """Parts of an index, (n,), that are worked off together."""
    number, size = len(index), BLOCK * (GPU_TIMES if index.device.type == "cuda" else 1)
    return [slice(start, min(start + size, number)) for start in range(0, number, size)]


def patch_view(images: Sequence[Tensor], patch_size: int) -> Tensor:
    """All patches of all images as a view, (images, C, rows, columns, p, p); smaller images are continued by zeros."""
    height, width = (max(size_of(x)[i] for x in images) for i in (0, 1))
    if len(images) == 1:
        return images[0].unfold(2, patch_size, 1).unfold(3, patch_size, 1)  # without a copy
    padded = [F.pad(x, (0, width - size_of(x)[1], 0, height - size_of(x)[0])) for x in images]
    return torch.cat(padded).unfold(2, patch_size, 1).unfold(3, patch_size, 1)


def gather_patches(view: Tensor, places: Positions) -> Tensor:
    """The patches at `places` of `patch_view`, (n, C p^2)."""
    return view[places.picture, :, places.row, places.column].flatten(1)


def scatter_add_patches(picture: Tensor, patches: Tensor, places: Positions) -> None:
    """Adds patches (n, C p^2) to `picture` (1, C, H, W) where they belong. No two may have the same place."""
    _, channels, height, width = picture.shape
    side = math.isqrt(patches.shape[1] // channels)
    flat, patches = picture.view(channels, height * width), patches.unflatten(1, (channels, side, side))
    corner = places.row * width + places.column
    for i in range(side):
        for j in range(side):
            # Different places: nothing is added twice at once, so that the sums do not depend on an order.
            flat[:, corner + (i * width + j)] += patches[:, :, i, j].T
