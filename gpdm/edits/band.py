"""Filling a band at the borders of a picture with patches, so that copies of the picture join without a seam."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import Size, size_of
from ..pictures.progress import part_of
from ..references import Reference
from .base import EditInput
from .fill import fill
from .hole import HoleStart

LARGEST_STEP = 0.8
"""Difference between pieces from which it is kept: larger than in a hole, since skies and walls seldom have one
brightness at opposite borders."""


def fill_band(
    entry: EditInput, excluded: Tensor, axes: str, band: int, start: HoleStart | None, patch_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns a picture whose band is filled with patches, where it was changed, and the sources of these pixels.

    Arguments:
        entry: The picture, other references, seed and callback.
        excluded: Where patches of the picture are not used, bool, (1, 1, H, W).
        axes: x, y or both.
        band: Width of the band in pixels, half of it at each border.
        start: What the band starts from; None: it is interpolated from what is around it.
        patch_size: Side of the patches, in pixels.

    Returns:
        The picture, (1, C, H, W), the band, bool, (1, 1, H, W), and the sources, as in `Edited`, (3, H, W).
    """
    image, size = entry.image, size_of(entry.image)
    parts = _parts(size, axes, band, image.device)
    changed = torch.stack([part.original(part.hole) for part in parts]).any(0)
    # The band itself is not copied: up to the border it goes on from what is outside, and the seam would come back.
    usable = ~(changed | excluded)
    source = torch.full((3, *size), -1, dtype=torch.int64, device=image.device)
    for number, part in enumerate(parts):
        rolled, begin, coarsest = part.rolled(image), None, None
        references = entry.references or [Reference(rolled, part.rolled(usable).to(image))]
        if start is not None:
            begin, coarsest = start(rolled, part.hole, references)
        filled = fill(
            rolled,
            part.hole,
            references,
            start=begin,
            coarsest=coarsest,
            patch_size=patch_size,
            seed=entry.seed,
            largest_step=LARGEST_STEP,
            on_step=part_of(entry.on_step, number, len(parts)),
        )
        image = part.original(torch.where(part.hole, filled.image, rolled))
        found = part.original(filled.source[None])[0]
        if not entry.references:  # rows and columns of the picture as it is given
            offset = torch.tensor([0, *part.shifts], device=image.device)[:, None, None]
            modulus = torch.tensor([1, *size], device=image.device)[:, None, None]
            found = torch.where(found >= 0, (found - offset) % modulus, -1)
        source = torch.where(found >= 0, found, source)
    return image, changed, source


@dataclass(frozen=True)
class _Part:
    """A part of the band, in a picture that is rolled so that this part is surrounded by what is known."""

    shifts: tuple[int, int]
    """Pixels down and right by which the picture is rolled."""
    hole: Tensor
    """The part, bool, (1, 1, H, W)."""

    def rolled(self, image: Tensor) -> Tensor:
        """Returns a picture (B, C, H, W) rolled."""
        return image.roll(self.shifts, (2, 3))

    def original(self, image: Tensor) -> Tensor:
        """Returns a rolled picture (B, C, H, W) as it was before."""
        return image.roll((-self.shifts[0], -self.shifts[1]), (2, 3))


def _parts(size: Size, axes: str, band: int, device: torch.device) -> list[_Part]:
    """Returns the parts of the band in the order in which they are filled.

    For both axes the band is a cross, in a picture whose borders meet in the middle. Its arms end before the borders of
    that picture, across which they go on; these two ends are filled last.
    """
    middle, half = (size[0] // 2, size[1] // 2), band // 2
    rows, columns = (slice(centre - half, centre - half + band) for centre in middle)

    def part(shifts: tuple[int, int], *areas: tuple[slice, slice]) -> _Part:
        hole = torch.zeros(1, 1, *size, dtype=torch.bool, device=device)
        for area in areas:
            hole[0, 0, area[0], area[1]] = True
        return _Part(shifts, hole)

    if axes != "both":
        return [
            part((0, middle[1]), (slice(None), columns)) if axes == "x" else part((middle[0], 0), (rows, slice(None)))
        ]
    inner = [slice(half, length - half) for length in size]
    return [
        part(middle, (inner[0], columns), (rows, inner[1])),
        part((0, middle[1]), (_end(size[0], half), columns)),
        part((middle[0], 0), (rows, _end(size[1], half))),
    ]


def _end(length: int, half: int) -> slice:
    """Returns the pixels along an axis within `half` pixels of the border of the picture rolled by half its length."""
    centre = length - length // 2
    return slice(centre - half, centre + half)
