"""A hole of a picture: its options, its window, and filling it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ImageError
from ..images import Size, check_alike, resize, size_of
from ..options import option
from ..patches.occurrence import variety_option
from ..references import Reference
from .base import Edited, EditInput, EditOptions
from .fill import fill
from .masks import depths, grown, thickness

HoleStart = Callable[[Tensor, Tensor, Sequence[Reference]], tuple[Tensor, float]]
"""A function of a part of a picture (1, C, h, w), its hole (1, 1, h, w) and the references. It returns what the hole
starts from, (1, C, h, w), and the scale of the coarsest level."""
MIN_GROWTH, GROWTH = 4, 0.01
"""Pixels by which a mask grows: this fraction of the shorter side, and at least so many."""
START_THICKNESS = 4
"""Thickness of a hole that starts from what it shows, at the coarsest level, in patches."""
MIN_CONTEXT = 64
"""Minimum width of what is used around a hole, in pixels."""


def intent_option() -> Any:
    """Returns the option of what a hole is filled with, for the options of several edits."""
    return option(
        "continue",
        "continue lets lines and surfaces around the hole go on inside. populate fills it with more of what is around, "
        "such as stones, flowers or stars, and takes longer.",
        choices=("continue", "populate"),
    )


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
    variety: float = variety_option()


def hole_of(mask: Tensor, size: Size, grow: int) -> Tensor:
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


def fill_hole(entry: EditInput, hole: Tensor, options: HoleOptions, start: HoleStart | None = None) -> Edited:
    """Returns a picture with a filled hole; what is outside the hole is unchanged.

    Arguments:
        entry: The picture and what fills it.
        hole: Which pixels are filled, bool, (1, 1, H, W).
        options: The options.
        start: What the hole starts from; None: colours interpolated from its surroundings.
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
    begin, coarsest = (None, None) if start is None else start(part, hole_part, references)
    filled = fill(
        part,
        hole_part,
        references,
        start=begin,
        coarsest=coarsest,
        patch_size=options.patch_size,
        variety=options.variety,
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


def from_picture(patch_size: int) -> HoleStart:
    """Returns the start with what the picture shows inside the hole, for patches of a size."""

    def start(part: Tensor, hole: Tensor, references: Sequence[Reference]) -> tuple[Tensor, float]:
        del references
        # At a smaller scale the surroundings would decide.
        return part, START_THICKNESS * patch_size / thickness(hole)

    return start
