"""Match texture: pictures get the strokes or the surface of references, and keep as much structure as asked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import size_of
from ..losses.swd import SWDLoss
from ..optimizers.gradient import Optimizer
from ..options import Options, option
from ..pictures.forms import grey
from ..pictures.progress import OnProgress, part_of
from ..pyramid import PyramidSchedule
from ..references import Reference, check_pictures
from ..synthesis import StepInfo, synthesize
from .base import Match, Matched, MatchExample, MatchInput
from .look import LookOptions, match_look

OCTAVES = 2.5
"""Number of octaves between full size and the coarsest level with structure 0."""
MARGIN = 8
"""Width of the mirrored margin, in pixels, that is cut off again: patches at the border have few neighbours."""
NEWTON = Optimizer(method="newton", num_steps=15, fine_steps=0)
LEAST_CONTRAST = 1e-3


@dataclass(frozen=True, kw_only=True)
class TextureOptions(Options):
    """Options of `match_texture`."""

    structure: float = option(
        0.6,
        "Fraction of the picture's structure that stays. Higher keeps more and finer shapes; 1 changes only details as "
        "large as a patch, and 0 keeps only large areas.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    colours: str = option(
        "match",
        "match gives the pictures the colours of the reference too; keep leaves their colours and changes only brightness.",
        choices=("match", "keep"),
    )
    patch_size: int = option(
        5,
        "Side of the patches of texture, in pixels. Higher takes longer strokes and larger pieces from the reference.",
        ge=3,
        le=9,
    )


def match_texture(entry: MatchInput, options: TextureOptions) -> Matched:
    """Returns pictures with the texture of the references. Nothing in it is random, so that equal frames stay equal."""
    keep = options.colours == "keep"
    on_step = part_of(entry.on_step, 0, 1 + len(entry.images))
    if keep:
        check_pictures(entry.references, "colours keep changes the brightness of the reference")
        starts = grey(entry.images)
        references = [_in_range_of(starts, x) for x in entry.references]
    else:
        starts, references = match_look(replace(entry, on_step=on_step), LookOptions()).images, entry.references
    results = []
    for number, (start, image) in enumerate(zip(starts.split(1), entry.images.split(1), strict=True)):
        step = part_of(entry.on_step, 1 + number, 1 + len(starts))
        textured = _textured(start, references, options, step)
        results.append(image + (textured - start) if keep else textured)
    return Matched(torch.cat(results))


def _textured(
    start: Tensor, references: list[Reference], options: TextureOptions, on_step: OnProgress | None
) -> Tensor:
    """Returns an image (1, C, H, W) whose patches have the distribution of the references' patches.

    The coarser the first level, the larger is the structure that it replaces.
    """
    height, width = size_of(start)
    margins = [min(MARGIN, side - 1) for side in (width, width, height, height)]
    side = min(min(size_of(x.image)) for x in references)
    coarse_dim = round(side * 2 ** (-OCTAVES * (1 - options.structure)))

    def cropped(image: Tensor) -> Tensor:
        return image[..., margins[2] : margins[2] + height, margins[0] : margins[0] + width]

    def report(info: StepInfo) -> None:
        if on_step is not None:
            on_step(info.done, info.image)

    result = synthesize(
        references,
        init=F.pad(start, margins, mode="reflect"),
        loss=SWDLoss(patch_size=options.patch_size, coherence=0.0),
        pyramid=PyramidSchedule(coarse_dim=min(max(coarse_dim, options.patch_size + 2), 4096), fine_factor=0.7),
        optimizer=NEWTON,
        on_step=report,
    )
    return cropped(result.images)


def _in_range_of(images: Tensor, reference: Reference) -> Reference:
    """Returns a reference as grey, (1, 1, h, w), with mean and contrast of the images (B, 1, H, W)."""
    luma, weight = grey(reference.image), reference.map()
    mean = (luma * weight).sum() / weight.sum()
    spread = (((luma - mean).square() * weight).sum() / weight.sum()).sqrt().clamp(min=LEAST_CONTRAST)
    deviation = images.std(correction=0)
    return replace(reference, image=((luma - mean) * (deviation / spread) + images.mean()).clamp(-1, 1))


MATCHES = (
    Match(
        name="match_texture",
        title="Match Texture",
        command="match-texture",
        summary="Gives pictures the texture of a reference, such as its brush strokes or its surface, with one setting for how "
        "much of their structure stays.",
        advice="Lower structure for larger and freer strokes, and raise it if shapes dissolve. Set colours to keep to leave "
        "the colours as they are. Raise patch_size for longer strokes.",
        reference_help="Picture with the texture to match, such as a painting, a fabric or a paper.",
        image_help="Pictures to change. Those of a batch, such as the frames of a clip, get the colours of the reference together.",
        mask_help="Part of the pictures that changes, as painted in the mask editor; soft values change a pixel in part. "
        "Without a mask everything changes.",
        options=TextureOptions,
        apply=match_texture,
        is_random=False,
        aliases=("gpdm", "brush strokes", "texture transfer", "painterly", "surface", "canvas texture", "style"),
        example=MatchExample(
            reference="starry_night.jpg",
            image="cat.jpg",
            values={},
            note="The cat in the brush strokes of the painting.",
        ),
    ),
)
"""The match of this file."""
