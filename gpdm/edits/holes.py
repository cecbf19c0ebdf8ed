"""Edits that fill a hole: inpaint, remove an object, and extend a picture beyond its borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ImageError, OptionError
from ..images import check_alike, resize, size_of
from ..options import option
from ..references import Reference
from .base import Edit, Edited, EditExample, EditInput, EditOptions
from .fill import fill
from .masks import depths, grown, thickness
from .populate import populated

MIN_GROWTH, GROWTH = 4, 0.01
"""Pixels by which a mask grows: this fraction of the shorter side, and at least so many."""
START_THICKNESS = 4
"""Thickness of a hole that starts from what it shows, at the coarsest level, in patches."""
MIN_CONTEXT = 64
"""Minimum width of what is used around a hole, in pixels."""


@dataclass(frozen=True, kw_only=True)
class HoleOptions(EditOptions):
    """Options of edits that fill a hole."""

    grow: int = option(
        -1,
        "Number of pixels by which the mask is widened, so that soft edges and shadows of what it covers go too. -1 is "
        "1 % of the shorter side and at least 4.",
        ge=-1,
        le=1024,
    )
    context: float = option(
        1.5,
        "Width of the area around the hole whose patches are used, as a multiple of the hole's longer side. Higher finds "
        "more suitable patches and is slower; 0 uses the entire picture.",
        ge=0.0,
        le=100.0,
        step=0.5,
    )
    feather: int = option(
        0,
        "Width in pixels of a soft transition from the picture to the filling, inside the mask only. Higher hides a "
        "visible edge; it also lets what the mask covers show through there.",
        ge=0,
        le=1024,
        advanced=True,
    )
    patch_size: int = option(
        7,
        "Side of the square patches, in pixels; smaller ones are used where none of this size is free of the mask. Higher "
        "continues larger structures and copies larger pieces.",
        ge=3,
        le=31,
        advanced=True,
    )


@dataclass(frozen=True, kw_only=True)
class InpaintOptions(HoleOptions):
    """Options of `inpaint`."""

    intent: str = option(
        "continue",
        "continue lets lines and surfaces around the hole go on inside. populate fills it with more of what is around, "
        "such as stones or flowers.",
        choices=("continue", "populate"),
    )
    start: str = option(
        "surroundings",
        "What the filling starts from: colours interpolated from the surroundings, or what the picture shows inside the "
        "mask, such as a rough painting, which then decides.",
        choices=("surroundings", "picture"),
    )


@dataclass(frozen=True, kw_only=True)
class RemoveOptions(HoleOptions):
    """Options of `remove`."""


@dataclass(frozen=True, kw_only=True)
class OutpaintOptions(HoleOptions):
    """Options of `outpaint`. The mask is what is added, so that it does not grow unless asked."""

    left: int = option(0, "Number of pixels to add at the left.", ge=0, le=8192)
    right: int = option(0, "Number of pixels to add at the right.", ge=0, le=8192)
    top: int = option(0, "Number of pixels to add at the top.", ge=0, le=8192)
    bottom: int = option(0, "Number of pixels to add at the bottom.", ge=0, le=8192)


def hole_of(mask: Tensor, size: tuple[int, int], grow: int) -> Tensor:
    """Returns the hole that a mask of any size makes in a picture, bool, (1, 1, H, W).

    Raises:
        ImageError: The mask is empty.
    """
    hole = resize(mask, size) >= 0.5
    if not bool(hole.any()):
        # A mask of single pixels may vanish when it is made smaller.
        hole = F.adaptive_max_pool2d(mask, size) >= 0.5
    if not bool(hole.any()):
        raise ImageError("the mask is empty; paint the part of the picture that changes, and connect or name that mask")
    pixels = max(MIN_GROWTH, round(GROWTH * min(size))) if grow < 0 else grow
    return grown(hole, pixels) if pixels else hole


def window_of(hole: Tensor, context: float) -> tuple[slice, slice]:
    """Returns rows and columns of the part of a picture that is used to fill a hole, (1, 1, H, W)."""
    spans = [hole[0, 0].any(1 - axis).nonzero()[:, 0] for axis in (0, 1)]
    ends = [(int(span[0]), int(span[-1]) + 1) for span in spans]
    margin = max(round(context * max(end - start for start, end in ends)), MIN_CONTEXT)
    if context == 0:
        margin = max(size_of(hole))
    rows, columns = (
        slice(max(start - margin, 0), min(end + margin, length))
        for (start, end), length in zip(ends, size_of(hole), strict=True)
    )
    return rows, columns


def fill_hole(
    entry: EditInput, hole: Tensor, options: HoleOptions, *, intent: str = "continue", start: Tensor | None = None
) -> Edited:
    """Returns a picture with a filled hole; what is outside the hole is unchanged.

    Arguments:
        entry: The picture and what fills it.
        hole: Which pixels are filled, bool, (1, 1, H, W).
        options: The options.
        intent: "continue" or "populate".
        start: Image that the hole starts from, (1, C, H, W).
    """
    image, usable = entry.image, (~hole).to(entry.image)
    if entry.exclude is not None:
        usable = usable * (resize(entry.exclude.to(image), size_of(image)) < 0.5)
    if not entry.references and not bool(usable.any()):
        raise ImageError(
            "nothing is left to fill the hole with: the mask, with the part that is excluded, covers the entire picture; "
            "leave a part uncovered, or give another picture as the reference"
        )
    rows, columns = window_of(hole, options.context)
    part, hole_part = image[..., rows, columns], hole[..., rows, columns]
    references: Sequence[Reference] = entry.references or [Reference(part, usable[..., rows, columns])]
    for reference in entry.references:
        check_alike(reference.image, "reference", image, "image")
    begin, coarsest = None, None
    if start is not None:
        # At a smaller scale the surroundings would decide.
        begin, coarsest = start[..., rows, columns], START_THICKNESS * options.patch_size / thickness(hole_part)
    if intent == "populate":
        begin, coarsest = populated(part, hole_part, references, begin, entry.seed, options.patch_size)
    filled = fill(
        part,
        hole_part,
        references,
        start=begin,
        coarsest=coarsest,
        patch_size=options.patch_size,
        seed=entry.seed,
        on_step=entry.on_step,
    )
    result, source = image.clone(), torch.full((3, *size_of(image)), -1, dtype=torch.int64, device=image.device)
    inside = filled.image
    if options.feather:
        ramp = (depths(hole_part) / (options.feather + 1)).clamp(max=1).to(image)
        inside = part + ramp * (inside - part)
    result[..., rows, columns] = torch.where(hole_part, inside, part)
    shift = filled.source.new_tensor([0, *([rows.start, columns.start] if not entry.references else [0, 0])])
    source[:, rows, columns] = torch.where(filled.source >= 0, filled.source + shift[:, None, None], -1)
    return Edited(result, hole.to(image), source)


def inpaint(entry: EditInput, options: InpaintOptions) -> Edited:
    """Returns the picture with a filled hole."""
    assert entry.mask is not None
    hole = hole_of(entry.mask.to(entry.image), size_of(entry.image), options.grow)
    start = entry.image if options.start == "picture" else None
    return fill_hole(entry, hole, options, intent=options.intent, start=start)


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
            image="astronaut_painted.png",
            mask="astronaut_painted.png",
            values={},
            note="The model of the space shuttle under the mask is gone.",
        ),
    ),
    Edit(
        name="outpaint",
        title="Outpaint",
        command="outpaint",
        summary="Extends a picture beyond its borders with patches of its own. The picture itself stays as it is, bit for bit.",
        advice="Add up to a quarter of the picture at a time; further out there is less to go by. Texture, water, sky "
        "and meadows work well, rows of objects break up.",
        image_help="Picture to extend.",
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
