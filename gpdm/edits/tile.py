"""The edit that makes a finished picture tile: only a band at its borders changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ImageError
from ..images import Size, check_alike, resize, size_of
from ..options import option
from ..references import Reference
from .base import Edit, Edited, EditExample, EditInput, EditOptions, part_of
from .fill import fill
from .hole import intent_option
from .populate import populated

BAND = 1 / 4
"""Width of the band, relative to the shorter side."""
BAND_LIMITS = (16, 128)
"""Smallest and largest width of the band that is chosen, in pixels."""

LARGEST_STEP = 0.8
"""Difference between pieces from which it is kept: larger than in a hole, since skies and walls seldom have one
brightness at opposite borders."""


@dataclass(frozen=True, kw_only=True)
class TileOptions(EditOptions):
    """Options of `make_tileable`."""

    axes: str = option(
        "both",
        "Directions in which copies of the picture join without a seam: x left to right, y top to bottom.",
        choices=("both", "x", "y"),
    )
    band: int = option(
        0,
        "Width in pixels of the band that changes, half of it at each border. Higher leaves more room for the transition; "
        "0 is a quarter of the shorter side, from 16 to 128.",
        ge=0,
        le=4096,
    )
    intent: str = intent_option()
    batch: str = option(
        "separate",
        "separate changes each picture of a batch by itself. maps takes them as maps of one material, such as colour and "
        "normals, and changes all in the same places.",
        choices=("separate", "maps"),
    )
    patch_size: int = option(
        7,
        "Side of the square patches, in pixels. Higher continues larger structures and copies larger pieces.",
        ge=3,
        le=31,
        advanced=True,
    )

    @property
    def together(self) -> bool:
        """True for maps of one material."""
        return self.batch == "maps"


def make_tileable(entry: EditInput, options: TileOptions) -> Edited:
    """Returns the picture with a band at its borders that is made anew, so that copies of it join without a seam."""
    image, size = entry.image, size_of(entry.image)
    band = options.band or min(max(round(BAND * min(size)), BAND_LIMITS[0]), BAND_LIMITS[1])
    axes = [axis for axis, name in ((2, "y"), (3, "x")) if options.axes in (name, "both")]
    for axis in axes:
        if image.shape[axis] < band + 2 * options.patch_size:
            raise ImageError(
                f"the picture is {size[1]}x{size[0]}, too small for a band of {band} pixels and patches of "
                f"{options.patch_size}; give a larger picture, or lower band"
            )
    for reference in entry.references:
        check_alike(reference.image, "reference", image, "image")
    excluded = None if entry.exclude is None else resize(entry.exclude.to(image), size) >= 0.5
    parts = _parts(size, options.axes, band, image.device)
    changed = torch.stack([part.original(part.hole) for part in parts]).any(0)
    # The band itself is not copied: up to the border it goes on from what is outside, and the seam would come back.
    usable = ~changed if excluded is None else ~(changed | excluded)
    source = torch.full((3, *size), -1, dtype=torch.int64, device=image.device)
    for number, part in enumerate(parts):
        rolled, begin, coarsest = part.rolled(image), None, None
        references = entry.references or [Reference(rolled, part.rolled(usable).to(image))]
        if options.intent == "populate":
            begin, coarsest = populated(rolled, part.hole, references, False, entry.seed, options.patch_size)
        filled = fill(
            rolled,
            part.hole,
            references,
            start=begin,
            coarsest=coarsest,
            patch_size=options.patch_size,
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
    return Edited(image, changed.to(image), source)


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


EDITS = (
    Edit(
        name="make_tileable",
        title="Make Tileable",
        command="tile",
        summary="Makes copies of a finished picture join without a seam. Only a band at the borders changes.",
        advice="Raise band if objects are cut at the borders, and lower it to keep more of the picture. If small things such as stars are missing in the "
        "band, set intent to populate. Other seeds give other bands.",
        image_help="Picture to make tileable.",
        mask_help=None,
        options=TileOptions,
        apply=make_tileable,
        aliases=("gpdm", "seamless", "tiling", "texture", "repeat", "pattern", "offset"),
        example=EditExample(
            image="starry_night.jpg",
            mask=None,
            values={},
            note="Copies of the output join without a seam in both directions; only a band at its borders differs from the painting.",
        ),
    ),
)
"""The edit of this file."""
