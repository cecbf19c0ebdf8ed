"""The edit that makes a finished picture tile: only a band at its borders changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import ImageError
from ..images import check_alike, resize, size_of
from ..options import option
from ..references import Reference
from .base import Edit, Edited, EditExample, EditInput, EditOptions
from .fill import fill

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
    batch: str = option(
        "separate",
        "What a batch of pictures is: separate pictures, or maps of one material, such as colour, normals and roughness, "
        "which then all change in the same places.",
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
    # The borders meet in the middle, where the band is a hole of a picture without a seam elsewhere.
    shifts = [image.shape[axis] // 2 for axis in axes]
    rolled, hole = image.roll(shifts, axes), torch.zeros_like(image[:, :1], dtype=torch.bool)
    for axis, shift in zip(axes, shifts, strict=True):
        hole.narrow(axis, shift - band // 2, band).fill_(True)
    # The band as it is would come back, seam and all: up to the border it goes on from what is outside the band.
    usable = (~hole).to(image)
    if entry.exclude is not None:
        usable = usable * (resize(entry.exclude.to(image), size) < 0.5).roll(shifts, axes)
    for reference in entry.references:
        check_alike(reference.image, "reference", image, "image")
    filled = fill(
        rolled,
        hole,
        entry.references or [Reference(rolled, usable)],
        patch_size=options.patch_size,
        seed=entry.seed,
        largest_step=LARGEST_STEP,
        on_step=entry.on_step,
    )
    back = [-shift for shift in shifts]
    result = torch.where(hole, filled.image, rolled).roll(back, axes)
    source = filled.source.roll(back, [axis - 1 for axis in axes])
    if not entry.references:  # rows and columns of the picture as it is given
        for axis, shift in zip(axes, shifts, strict=True):
            source[axis - 1] = torch.where(source[0] >= 0, (source[axis - 1] - shift) % image.shape[axis], -1)
    return Edited(result, hole.to(image).roll(back, axes), source)


EDITS = (
    Edit(
        name="make_tileable",
        title="Make Tileable",
        command="tile",
        summary="Makes copies of a finished picture join without a seam. Only a band at the borders changes.",
        advice="Raise band if objects are cut at the borders, and lower it to keep more of the picture. Other seeds give other bands.",
        image_help="Picture to make tileable.",
        mask_help=None,
        options=TileOptions,
        apply=make_tileable,
        aliases=("gpdm", "seamless", "tiling", "texture", "repeat", "pattern", "offset"),
        example=EditExample(
            image="wood.jpg",
            mask=None,
            values={},
            note="Copies of the output join without a seam in both directions.",
        ),
    ),
)
"""The edit of this file."""
