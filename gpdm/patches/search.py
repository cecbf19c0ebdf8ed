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

PAIRS = 5 * 10**8
"""Number of pairs of patches up to which all are compared: about two seconds on two cores."""
REACH = 2
"""Radius of the search around a match from half the size, in pixels."""
BLOCK = 2**14
"""Number of patches that are compared at a time."""
GPU_TIMES = 4
"""Factor of `BLOCK` on a GPU, for fewer launches."""


@dataclass(frozen=True)
class Positions:
    """Positions of n patches: the index of the image, and row and column of the upper left corner; int64, (n,) each."""

    picture: Tensor
    row: Tensor
    column: Tensor

    def __getitem__(self, which: slice | Tensor) -> Positions:
        """Returns the selected positions."""
        return Positions(self.picture[which], self.row[which], self.column[which])

    @classmethod
    def joined(cls, parts: Sequence[Positions]) -> Positions:
        """Concatenates positions."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("picture", "row", "column")))

    def shifted(self, down: int, right: int, largest: Tensor) -> Positions:
        """Returns the positions moved by `down` rows and `right` columns.

        They are clamped to the image; `largest` holds the last row and column of each image, (images, 2).
        """
        most = largest[self.picture]
        row = torch.minimum((self.row + down).clamp(min=0), most[:, 0])
        return Positions(self.picture, row, torch.minimum((self.column + right).clamp(min=0), most[:, 1]))


class PatchSearch:
    """A search for the nearest patches of references.

    If there are at most `PAIRS` pairs, all are compared. Else images and references are scaled down by half until that
    is so or they become too small, and each match is refined from size to size within `REACH`.

    Arguments:
        references: Images, (1, C, h, w) each.
        patch_size: Side of the patches, in pixels.
        visible: Mask of usable pixels for each reference, bool, (1, 1, h, w). A patch that touches another pixel is
            never returned. None: all pixels are usable.
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
        """Returns which patches lie inside the mask `visible`, bool, (rows, columns)."""
        hidden = F.max_pool2d((~visible).to(self.view.dtype), self.patch_size, 1)
        return hidden[0, 0] == 0

    @cached_property
    def keys(self) -> Tensor:
        """All allowed patches, one per row."""
        keys = all_patches(self.references, self.patch_size)
        return keys if self.allowed is None else keys[self.index]

    @cached_property
    def smaller(self) -> PatchSearch:
        """The search at half the size. A pixel is visible there only if all pixels that contribute to it are, so that a
        match there has one here."""
        sizes = [scaled(size_of(x), 0.5) for x in self.references]
        references = [resize(x, size) for x, size in zip(self.references, sizes, strict=True)]
        if self.visible is None:
            return PatchSearch(references, self.patch_size)
        shares = [resize(x.to(self.view.dtype), size) for x, size in zip(self.visible, sizes, strict=True)]
        return PatchSearch(references, self.patch_size, [share > 1 - 1e-4 for share in shares])

    def positions(self, image: Tensor, row: Tensor, column: Tensor) -> Positions:
        """Returns the positions of the nearest reference patches.

        Arguments:
            image: Image, (1, C, H, W).
            row, column: Upper left corners of its patches, (n,) each, int64.
        """
        view, own = patch_view([image], self.patch_size), Positions(torch.zeros_like(row), row, column)
        # All pairs are compared also where an image has no patch at half the size.
        smallest = min(min(size_of(x)) for x in (image, *self.references))
        if len(row) * self.number > PAIRS and smallest >= 2 * self.patch_size and self.smaller.number:
            guess = self._guess(image, own)
            parts = [self._best(gather_patches(view, own[part]), guess[part]) for part in chunks(row)]
            return Positions.joined(parts)
        index = nearest(gather_patches(view, own), self.keys).index
        return self._position_of(index if self.allowed is None else self.index[index])

    def _position_of(self, index: Tensor) -> Positions:
        """Returns the positions of patches from their indices in `all_patches`."""
        counts = (self.largest + 1).prod(1)
        ends = counts.cumsum(0)
        picture = torch.bucketize(index, ends, right=True)
        within, across = index - (ends - counts)[picture], self.largest[picture, 1] + 1
        return Positions(picture, within // across, within % across)

    def _guess(self, image: Tensor, own: Positions) -> Positions:
        """Returns approximate positions of the nearest patches, from a search at half the size."""
        small = resize(image, scaled(size_of(image), 0.5))
        middle = (self.patch_size - 1) / 2
        coarse, rest = [], []
        for place, side, less in zip((own.row, own.column), size_of(image), size_of(small), strict=True):
            at = ((place + middle) * less / side - middle).round().long().clamp(0, less - self.patch_size)
            coarse.append(at)
            rest.append(place + middle - (at + middle) * side / less)
        # Several patches share one at half the size, which is searched once.
        once, which = (coarse[0] * small.shape[3] + coarse[1]).unique(return_inverse=True)
        found = self.smaller.positions(small, once // small.shape[3], once % small.shape[3])[which]
        sides, less = (each.largest[found.picture] + self.patch_size for each in (self, self.smaller))
        row, column = (
            ((place + middle) * sides[:, i] / less[:, i] + rest[i] - middle).round().long()
            for i, place in enumerate((found.row, found.column))
        )
        return Positions(found.picture, row, column).shifted(0, 0, self.largest)

    def _best(self, queries: Tensor, guess: Positions) -> Positions:
        """Returns the best positions within `REACH` of `guess`; among equal ones the nearest to it."""
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
        """Returns which positions are those of allowed patches, bool, (n,)."""
        assert self.allowed is not None
        found = torch.zeros_like(positions.row, dtype=torch.bool)
        for number, mask in enumerate(self.allowed):
            own = positions.picture == number
            found[own] = mask[positions.row[own], positions.column[own]]
        return found


def chunks(index: Tensor) -> list[slice]:
    """Splits an index, (n,), into slices that are processed at a time."""
    number, size = len(index), BLOCK * (GPU_TIMES if index.device.type == "cuda" else 1)
    return [slice(start, min(start + size, number)) for start in range(0, number, size)]


def patch_view(images: Sequence[Tensor], patch_size: int) -> Tensor:
    """Returns all patches of all images as a view, (images, C, rows, columns, p, p); smaller images are padded with
    zeros."""
    height, width = (max(size_of(x)[i] for x in images) for i in (0, 1))
    if len(images) == 1:
        return images[0].unfold(2, patch_size, 1).unfold(3, patch_size, 1)  # without a copy
    padded = [F.pad(x, (0, width - size_of(x)[1], 0, height - size_of(x)[0])) for x in images]
    return torch.cat(padded).unfold(2, patch_size, 1).unfold(3, patch_size, 1)


def gather_patches(view: Tensor, places: Positions) -> Tensor:
    """Returns the patches of a `patch_view` at these positions, (n, C p^2)."""
    return view[places.picture, :, places.row, places.column].flatten(1)


def scatter_add_patches(picture: Tensor, patches: Tensor, places: Positions) -> None:
    """Adds patches (n, C p^2) to `picture` (1, C, H, W) at these positions, in place. Positions must be distinct."""
    _, channels, height, width = picture.shape
    side = math.isqrt(patches.shape[1] // channels)
    flat, patches = picture.view(channels, height * width), patches.unflatten(1, (channels, side, side))
    corner = places.row * width + places.column
    for i in range(side):
        for j in range(side):
            # Positions are distinct: each element is added to once, so that the result does not depend on an order.
            flat[:, corner + (i * width + j)] += patches[:, :, i, j].T
