"""The edit that makes a paste belong: its colours follow the surroundings, and its edge is made of patches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..images import size_of
from ..options import option
from ..pictures.forms import split_alpha
from .base import Edit, Edited, EditExample, EditInput, EditOptions
from .blend import membrane
from .hole import HoleOptions, fill_hole, from_picture, hole_of
from .masks import grown

EDGE = 0.015
"""Width of the edge on each side of the paste, relative to the shorter side."""
SURROUNDINGS, MIN_SURROUNDINGS = 0.5, 8
"""Width of what counts as the surroundings of a paste: this fraction of its mean side, and at least so many pixels."""
MAX_GAIN = 1.5
"""Factor by which the contrast of a paste changes at most."""


@dataclass(frozen=True, kw_only=True)
class HarmoniseOptions(EditOptions):
    """Options of `harmonise`."""

    edge: int = option(
        -1,
        "Width in pixels of the edge that is made anew, on each side of the border of the mask. Higher joins textures over a "
        "longer distance; -1 is 1.5 % of the shorter side and at least 4, and 0 changes colours only.",
        ge=-1,
        le=512,
    )
    colour: float = option(
        1.0,
        "Fraction by which the colours of the paste follow those around it. Higher hides differences of light; large differences "
        "at the border of the mask are kept.",
        ge=0.0,
        le=1.0,
        step=0.1,
    )
    context: float = option(
        1.0,
        "Width of the area around the paste whose patches are used, as a multiple of its longer side. 0 uses the entire "
        "picture, which is slower.",
        ge=0.0,
        le=100.0,
        step=0.5,
        advanced=True,
    )
    match: float = option(
        0.0,
        "Fraction by which mean and contrast of the paste's colours first become those of its surroundings. 0.5 suits an object "
        "from a picture with other light; higher takes its own colours away.",
        ge=0.0,
        le=1.0,
        step=0.1,
    )


def harmonise(entry: EditInput, options: HarmoniseOptions) -> Edited:
    """Returns a composite whose pasted part has the colours of its surroundings, and an edge made of patches."""
    assert entry.mask is not None
    image, size = entry.image, size_of(entry.image)
    paste = hole_of(entry.mask.to(image), size, 0)
    if options.match:
        image = image + options.match * _recolouring(image, paste)
    coloured = image + options.colour * membrane(image, paste)
    width = max(4, round(EDGE * min(size))) if options.edge < 0 else options.edge
    if not width:
        return Edited(coloured, paste.to(image), _nothing(paste))
    edge = grown(paste, width) & grown(~paste, width)
    started = replace(entry, image=coloured, mask=None)
    hole_options = HoleOptions(context=options.context)
    edited = fill_hole(started, edge, hole_options, from_picture(hole_options.patch_size))
    return Edited(edited.image, (edge | paste).to(image), edited.source)


def _recolouring(image: Tensor, paste: Tensor) -> Tensor:
    """Returns what to add to a paste so that it has mean and contrast of its surroundings, per channel.

    The contrast changes by a factor of 1.5 at most. Transparency stays, and transparent surroundings do not count.
    """
    width = max(MIN_SURROUNDINGS, round(SURROUNDINGS * float(paste.sum()) ** 0.5))
    colours, alpha = split_alpha(image)
    around = grown(paste, width) & ~paste
    if alpha is not None:
        around &= alpha >= 0
    if not bool(around.any()):
        return torch.zeros_like(image)
    (own, mean), (other, wanted) = (
        torch.std_mean(colours[..., part[0, 0]], dim=2, correction=0) for part in (paste, around)
    )
    gain = (other / own.clamp(min=1e-6)).clamp(1 / MAX_GAIN, MAX_GAIN)
    recoloured = (colours - mean[..., None, None]) * gain[..., None, None] + wanted[..., None, None]
    change = torch.where(paste, recoloured.clamp(-1, 1) - colours, 0)
    return change if alpha is None else torch.cat([change, torch.zeros_like(alpha)], 1)


def _nothing(mask: Tensor) -> Tensor:
    """Returns the source of pixels that were not copied, (3, H, W)."""
    return torch.full((3, *size_of(mask)), -1, dtype=torch.int64, device=mask.device)


EDITS = (
    Edit(
        name="harmonise",
        title="Harmonise",
        command="harmonise",
        summary="Makes a pasted object belong: its colours follow the light around it, and its edge is made of patches of the picture.",
        advice="Paint over the paste with a little of the background that came with it. Lower colour if the object takes on too much of "
        "its surroundings. For an object from a picture with other light set match to 0.5. "
        "With the picture before the paste as original, no mask is needed.",
        image_help="Picture with a naive paste.",
        mask_help="The pasted part, as painted in the mask editor.",
        original_help="The picture before the paste. The pasted part is then what differs from it; leave the mask out or empty.",
        options=HarmoniseOptions,
        apply=harmonise,
        aliases=("gpdm", "blend", "paste", "composite", "seamless clone", "poisson", "insert object", "edge"),
        example=EditExample(
            image="pavilion_pasted.png",
            mask="pavilion_pasted.png",
            values={},
            note="The second island was pasted, and is too dark. Afterwards its colours and its edge fit the lake.",
        ),
    ),
)
"""The edit of this file."""
