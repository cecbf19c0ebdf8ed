"""Symmetries of a picture, each as a projection: mirror images, rotations and kaleidoscopes.

A rotation by a quarter turn of a square picture, or half a turn, moves pixels onto pixels, and the mean of the picture
and its rotated copies is symmetric to the bit. Other rotations move pixels between pixels. There one part of the
picture, the sector, is free, and the rest is interpolated from it (docs/adr/0024-symmetry-and-tiles.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Symmetry = Literal[
    "none",
    "mirror x",
    "mirror y",
    "mirror both",
    "rotate 180",
    "rotate 90",
    "rotate 120",
    "rotate 72",
    "rotate 60",
    "rotate 360/7",
    "rotate 45",
    "kaleidoscope 3",
    "kaleidoscope 4",
    "kaleidoscope 5",
    "kaleidoscope 6",
    "kaleidoscope 7",
    "kaleidoscope 8",
]
SYMMETRIES: tuple[str, ...] = get_args(Symmetry)
"""none; mirror x: equal to its left-right mirror image; mirror y: equal to its top-bottom mirror image; mirror both:
equal to both; rotate: unchanged by a rotation of so many degrees about its centre; kaleidoscope: equal to its
left-right mirror image, and unchanged by a rotation of 360 degrees divided by the number."""

FOLDS = {"rotate 90": 4, "rotate 120": 3, "rotate 72": 5, "rotate 60": 6, "rotate 360/7": 7, "rotate 45": 8}
"""Number of rotations that leave a picture unchanged, by the name of the symmetry."""
PASSES = 3
"""Number of times that pixels are interpolated; the first time from the nearest pixels of the sector. Pixels at the
edge of the sector are interpolated from pixels outside it, too, and become smooth with the next times."""
GAP = 0.75
"""Distance from a copy to the nearest pixel of the sector, in pixels, from which pixels at its edge belong to it, too:
half the diagonal of a pixel, which is the largest inside it."""
LEAST_FRACTION = 0.2
"""Fraction of a copy outside the sector from which it counts. Pixels in the sector have change 0, so that the change of
a copy at its edge is divided by this fraction."""

PART = 2**16
"""Number of pixels whose nearest pixel of the sector is searched at a time."""


def _flip(*axes: int) -> Callable[[Tensor], Tensor]:
    return lambda image: image.flip(axes)


_TRANSFORMS: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "mirror x": (_flip(3),),
    "mirror y": (_flip(2),),
    "mirror both": (_flip(3), _flip(2)),
    "rotate 180": (_flip(2, 3),),
    "rotate 90": (_flip(2, 3), lambda image: image.rot90(1, (2, 3))),
}
"""Transformations of each symmetry that moves pixels onto pixels. Averaging the image with each transform in turn gives
exact symmetry, because a sum of two numbers does not depend on their order."""


class SymmetryProjection:
    """The projection onto the images of one size with a symmetry."""

    def __init__(self, symmetry: str, size: tuple[int, int]) -> None:
        self.transforms = _TRANSFORMS.get(symmetry, ())
        self.sector: dict[tuple[torch.device, torch.dtype], Sector] = {}
        self.size, self.fold, self.mirrored = size, FOLDS.get(symmetry, 0), False
        if symmetry.startswith("kaleidoscope"):
            self.fold, self.mirrored = int(symmetry.rpartition(" ")[2]), True
        if symmetry == "rotate 90" and size[0] != size[1]:
            self.transforms = ()

    def held(self, channels: int) -> int:
        """Returns how many numbers it holds for each pixel: copies of an image, and the positions of a sector."""
        if self.transforms:
            return 2 * channels
        return 12 + 4 * channels if self.fold else 0

    def apply_(self, image: Tensor) -> Tensor:
        """Makes an image (1, C, H, W) symmetric, in place, and returns it."""
        for transform in self.transforms:
            image.copy_((image + transform(image)) / 2)
        if self.fold and not self.transforms:
            key = image.device, image.dtype
            if key not in self.sector:
                self.sector[key] = Sector.of(self.size, self.fold, self.mirrored).to(image)
            image.copy_(self.sector[key].project(image))
        return image


@dataclass(frozen=True)
class Sector:
    """The part of an image that a rotation repeats, and where each pixel of the image is in it.

    Every pixel belongs to the sector, or is a copy of one position in it. All positions that the rotations make of one
    are compared, and of those inside the image that which is nearest in direction to the top right corner is taken.
    Up to the largest circle inside the image the sector is a wedge. Outside it some copies leave the image, so that
    the image looks like a part of a larger one that is symmetric.
    """

    inside: Tensor
    """True for pixels of the sector, (1, 1, H, W)."""
    index: Tensor
    """Indices of its S pixels among all, row times W plus column, (S,)."""
    nearest: Tensor
    """The nearest pixel of the sector for each pixel, an index from 0 to S - 1, (H W,)."""
    positions: Tensor
    """The position in the sector of each pixel, for `grid_sample`, (1, H, W, 2)."""
    copies: Tensor
    """The positions of the copies of each pixel of the sector, for `grid_sample`, (1, K, S, 2)."""
    weights: Tensor
    """Weight of each copy in the mean of a pixel of the sector and its copies, 0 outside the image, (1, 1, K, S)."""

    @classmethod
    def of(cls, size: tuple[int, int], fold: int, mirrored: bool) -> Sector:
        """Returns the sector of an image of a size for `fold` rotations, with mirror images or without."""
        height, width = size
        centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64)
        y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in size), indexing="ij")
        offsets = torch.stack([x, y], 2).flatten(0, 1) - centre
        turns, direction = _turns(fold, mirrored), _direction(size, fold, mirrored)
        position, chosen, own = offsets, torch.zeros(len(offsets), dtype=torch.int64), offsets @ direction
        best = own
        for number, turn in enumerate(turns[1:], 1):  # one by one, since together they take much memory
            copy = offsets @ turn
            # The pixel itself, and then the first, is preferred where directions are equal.
            nearness = (copy @ direction - 1e-6 * number).masked_fill(~_within(copy, centre), -math.inf)
            nearer = nearness > best
            position = torch.where(nearer[:, None], copy, position)
            chosen, best = torch.where(nearer, number, chosen), torch.maximum(nearness, best)
        inside = chosen == 0
        # Pixels along two edges of the sector may be nearest to each other's copies; those of one edge are in it.
        _, distance = _nearest(position, inside, centre, width)
        at_edge = (best - own < 2 * GAP) & ((2 * chosen <= fold) | (chosen >= fold))
        inside |= at_edge & (distance > GAP) & (offsets.norm(dim=1) > 2)  # at the centre all edges meet
        position = torch.where(inside[:, None], offsets, position)
        index = inside.nonzero()[:, 0]
        copies = torch.stack([offsets[index] @ turn for turn in turns[1:]])  # (K, S, 2)
        counted, copies = _within(copies, centre), _normalised(copies, centre)[None]
        outside = 1 - inside.view(1, 1, height, width).double()
        fraction = F.grid_sample(outside, copies, "bilinear", "border", align_corners=True)[0, 0]
        counted &= fraction > LEAST_FRACTION
        weights = counted / fraction.clamp(min=LEAST_FRACTION) / (1 + counted.sum(0))
        return cls(
            inside.view(1, 1, height, width),
            index,
            _nearest(position, inside, centre, width)[0],
            _normalised(position, centre).view(1, height, width, 2),
            copies,
            weights[None, None],
        )

    def to(self, image: Tensor) -> Sector:
        """Returns the sector for images with the device and dtype of `image`."""
        indices = (each.to(image.device) for each in (self.inside, self.index, self.nearest))
        return Sector(*indices, *(each.to(image) for each in (self.positions, self.copies, self.weights)))

    def project(self, image: Tensor) -> Tensor:
        """Returns the symmetric image whose sector is the mean of the sector of `image` and its copies.

        Only what the copies differ from those of the sector is interpolated back. A symmetric image is therefore
        unchanged, and does not become smoother however often it is projected.
        """
        sector = image.flatten(2)[..., self.index]
        change = image - self.spread(sector)
        changes = F.grid_sample(change, self.copies, "bilinear", "border", align_corners=True)
        return self.spread(sector + (changes * self.weights).sum(2))

    def spread(self, sector: Tensor) -> Tensor:
        """Returns the image (1, C, H, W) with the pixels (1, C, S) in the sector and copies of them elsewhere."""
        image = own = sector[..., self.nearest].unflatten(2, self.inside.shape[2:])
        for _ in range(PASSES):
            copies = F.grid_sample(image, self.positions, "bicubic", "border", align_corners=True)
            image = torch.where(self.inside, own, copies)
        return image


def _turns(fold: int, mirrored: bool) -> list[Tensor]:
    """Returns the matrices (2, 2) of the rotations, followed by those of their left-right mirror images."""
    turns = []
    for mirror in (1.0, -1.0) if mirrored else (1.0,):
        for number in range(fold):
            angle = 2 * math.pi * number / fold
            cosine, sine = math.cos(angle), math.sin(angle)
            turns.append(torch.tensor([[mirror * cosine, mirror * sine], [-sine, cosine]], dtype=torch.float64))
    return turns


def _direction(size: tuple[int, int], fold: int, mirrored: bool) -> Tensor:
    """Returns the direction of the middle of the sector, (2,): to the top right corner, or near it between mirrors."""
    angle = math.atan2(size[0], size[1])
    if mirrored:  # the mirrors stand at right angles, and at multiples of half the angle of rotation from there
        width = math.pi / fold
        angle = math.pi / 2 - (math.floor((math.pi / 2 - angle) / width + 1e-9) + 0.5) * width
    return torch.tensor([math.cos(angle), -math.sin(angle)], dtype=torch.float64)


def _within(offsets: Tensor, centre: Tensor) -> Tensor:
    """Returns whether offsets from the centre (..., 2) are inside the image, bool, (...,)."""
    return (offsets.abs() <= centre + 1e-6).all(-1)


def _nearest(position: Tensor, inside: Tensor, centre: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Returns the number of the pixel of the sector that is nearest to each position (n, 2), and its distance, (n,)."""
    number = torch.where(inside, inside.cumsum(0) - 1, -1)
    # In parts, since all together take much memory.
    parts = [_nearest_of(part, number, centre, width) for part in position.split(PART)]
    best, distance = zip(*parts, strict=True)
    return torch.cat(best), torch.cat(distance)


def _nearest_of(position: Tensor, number: Tensor, centre: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Returns what `_nearest` does. `number` is that of each pixel in the sector, or -1, (H W,).

    Only pixels around the position are compared.
    """
    pixels, limits = (position + centre).round().long(), (2 * centre).round().long()
    best = torch.full((len(position),), -1)
    distance = torch.full((len(position),), math.inf, dtype=torch.float64)
    for reach in range(1, 4):
        steps = torch.arange(-reach, reach + 1)
        for step in torch.cartesian_prod(steps, steps):
            near = torch.minimum((pixels + step).clamp(min=0), limits)
            found = number[near[:, 1] * width + near[:, 0]]
            away = (near - centre - position).norm(dim=1).masked_fill(found < 0, math.inf)
            best, distance = torch.where(away < distance, found, best), torch.minimum(away, distance)
        if bool((best >= 0).all()):
            break
    return best, distance


def _normalised(offsets: Tensor, centre: Tensor) -> Tensor:
    """Returns offsets from the centre (..., 2), x and y in pixels, as `grid_sample` has them, from -1 to 1."""
    return offsets / centre.clamp(min=0.5)
