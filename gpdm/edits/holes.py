"""Edits that fill a hole: inpaint, remove an object, and extend a picture beyond its borders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F

from ..errors import OptionError
from ..images import Size, resize, size_of
from ..options import option
from .base import Edit, Edited, EditExample, EditInput, EditOptions
from .hole import HoleOptions, fill_hole, from_picture, hole_of, intent_option
from .masks import grown
from .populate import populated


@dataclass(frozen=True, kw_only=True)
class Start(EditOptions):
    """Options of what a hole is filled with, and of its start."""

    intent: str = intent_option()
    start: str = option(
        "surroundings",
        "surroundings starts from colours interpolated from around the hole. picture starts from what the picture shows "
        "inside the mask, such as a rough painting.",
        choices=("surroundings", "picture"),
    )


@dataclass(frozen=True, kw_only=True)
class InpaintOptions(HoleOptions, Start):
    """Options of `inpaint`. Those of the second base come first."""


@dataclass(frozen=True, kw_only=True)
class RemoveOptions(HoleOptions):
    """Options of `remove`."""


@dataclass(frozen=True, kw_only=True)
class Sides(EditOptions):
    """Numbers of pixels that are added at each side of a picture."""

    left: int = option(0, "Number of pixels to add at the left.", ge=0, le=8192)
    right: int = option(0, "Number of pixels to add at the right.", ge=0, le=8192)
    top: int = option(0, "Number of pixels to add at the top.", ge=0, le=8192)
    bottom: int = option(0, "Number of pixels to add at the bottom.", ge=0, le=8192)


@dataclass(frozen=True, kw_only=True)
class OutpaintOptions(HoleOptions, Sides):
    """Options of `outpaint`. The mask is what is added, so that it does not grow unless asked."""

    def output_size(self, size: Size) -> Size:
        """See `EditOptions.output_size`."""
        return size[0] + self.top + self.bottom, size[1] + self.left + self.right


def inpaint(entry: EditInput, options: InpaintOptions) -> Edited:
    """Returns the picture with a filled hole."""
    assert entry.mask is not None
    hole = hole_of(entry.mask.to(entry.image), size_of(entry.image), options.grow)
    shown = options.start == "picture"
    if options.intent == "populate":
        start = partial(populated, shown=shown, seed=entry.seed, patch_size=options.patch_size)
        return fill_hole(entry, hole, options, start)
    return fill_hole(entry, hole, options, from_picture(options.patch_size) if shown else None)


def remove(entry: EditInput, options: RemoveOptions) -> Edited:
    """Returns the picture without what the mask covers."""
    assert entry.mask is not None
    return fill_hole(entry, hole_of(entry.mask.to(entry.image), size_of(entry.image), options.grow), options)


def outpaint(entry: EditInput, options: OutpaintOptions) -> Edited:
    """Returns the picture with something added around it."""
    borders = (options.left, options.right, options.top, options.bottom)
    if not any(borders):
        raise OptionError("left", 0, "nothing is added", "set left, right, top or bottom to a number of pixels")
    image = F.pad(entry.image, borders)
    hole = F.pad(torch.zeros_like(entry.image[:, :1]), borders, value=1.0) > 0
    if options.grow > 0:
        hole = grown(hole, options.grow)
    if entry.exclude is not None:
        exclude = resize(entry.exclude.to(image), size_of(entry.image))
        entry = replace(entry, exclude=F.pad(exclude, borders))
    edited = fill_hole(replace(entry, image=image), hole, options)
    source, left, top = edited.source, options.left, options.top
    if not entry.references:  # rows and columns of the picture as it is given
        shift = source.new_tensor([0, top, left])[:, None, None]
        source = torch.where(source >= 0, source - shift, -1)
    return replace(edited, source=source, origin=(top, left))


EDITS = (
    Edit(
        name="inpaint",
        title="Inpaint",
        command="inpaint",
        summary="Fills the part of a picture that a mask covers with patches from around it. The rest stays as it is, bit for bit.",
        advice="Set intent to populate for more of the same, such as stones or flowers. To decide yourself what comes "
        "into the hole, paint it roughly into the picture and set start to picture.",
        image_help="Picture with a part to fill.",
        mask_help="Part of the picture to fill, as painted in the mask editor.",
        options=InpaintOptions,
        apply=inpaint,
        aliases=("gpdm", "fill", "hole", "repair", "restore", "scratch", "content aware fill", "heal", "lama"),
        example=EditExample(
            image="cat_scratched.png",
            mask="cat_scratched.png",
            values={},
            note="The scratches under the mask are gone. Everything else is the picture as it was, bit for bit.",
        ),
    ),
    Edit(
        name="remove",
        title="Remove Object",
        command="remove",
        summary="Removes what a mask covers, and lets its surroundings go on there. The rest stays as it is, bit for bit.",
        advice="Paint over the entire object, with its shadow and reflection. If parts of similar objects appear in the filling, "
        "connect a mask of them to exclude.",
        image_help="Picture with an object to remove.",
        mask_help="The object, as painted in the mask editor.",
        options=RemoveOptions,
        apply=remove,
        aliases=("gpdm", "object removal", "erase", "eraser", "content aware fill", "watermark"),
        example=EditExample(
            image="pier_painted.png",
            mask="pier_painted.png",
            values={},
            note="The landing stage under the mask is gone; the lake, its far bank and the pier go on.",
        ),
    ),
    Edit(
        name="outpaint",
        title="Outpaint",
        command="outpaint",
        summary="Extends a picture beyond its borders with patches of its own. The picture itself stays as it is, bit for bit.",
        advice="Add up to a quarter of the picture at a time; further out there is less to go by. Texture, water, sky "
        "and meadows work well, rows of objects break up.",
        image_help="Picture to extend beyond its borders.",
        mask_help=None,
        options=OutpaintOptions,
        apply=outpaint,
        aliases=("gpdm", "extend", "uncrop", "expand canvas", "pad image", "zoom out"),
        example=EditExample(
            image="canyon.jpg",
            mask=None,
            values={"left": 64, "right": 64},
            note="64 pixels are added at the left and at the right.",
        ),
    ),
)
"""The edits of this file."""
