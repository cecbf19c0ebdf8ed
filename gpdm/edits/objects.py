"""The edit that repeats an object: a new picture of the same kind with more of what a mask covers."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import ImageError
from ..images import resize, size_of
from ..losses.swd import SWDLoss
from ..optimizers.gradient import Optimizer
from ..options import option
from ..pyramid import PyramidSchedule
from ..references import Reference
from ..synthesis import StepInfo, synthesize
from .base import Edit, Edited, EditExample, EditInput, EditOptions


@dataclass(frozen=True, kw_only=True)
class BoostOptions(EditOptions):
    """Options of `boost`."""

    times: float = option(
        3.0,
        "Number of times as often that patches under the mask occur in the new picture. Higher repeats more of them, which run "
        "together above 4; below 1 they become rarer.",
        ge=0.0,
        le=100.0,
        step=0.5,
    )
    coarse_dim: int = option(
        28,
        "Shorter side of the coarsest level, in pixels. Higher gives more variety, lower keeps more of the layout.",
        ge=7,
        le=1024,
    )


def boost(entry: EditInput, options: BoostOptions) -> Edited:
    """Returns a new picture whose patches under the mask count as often as the options say.

    Raises:
        ImageError: The mask is empty.
    """
    image, size = entry.image, size_of(entry.image)
    assert entry.mask is not None
    mask = resize(entry.mask.to(image), size).clamp(0, 1)
    if not bool((mask >= 0.5).any()):
        raise ImageError("the mask is empty; paint the object that occurs more often, and connect or name that mask")

    def on_step(info: StepInfo) -> None:
        if entry.on_step is not None:
            entry.on_step(info.done, info.image)

    result = synthesize(
        Reference(image, 1 + (options.times - 1) * mask),
        seed=entry.seed,
        loss=SWDLoss(num_proj=16),
        pyramid=PyramidSchedule(coarse_dim=options.coarse_dim),
        optimizer=Optimizer(num_steps=300, fine_steps=100),
        on_step=on_step,
    )
    nothing = torch.full((3, *size), -1, dtype=torch.int64, device=image.device)
    return Edited(result.images, torch.ones_like(mask), nothing)


EDITS = (
    Edit(
        name="boost",
        title="Boost",
        command="boost",
        summary="A new picture of the same kind, in which what a mask covers occurs more often, or less often.",
        advice="Paint closely around the object: what is painted with it is repeated too. Raise times for more of it, and change the "
        "seed for another arrangement.",
        image_help="Picture whose patches are used.",
        mask_help="The object that occurs more often, as painted in the mask editor.",
        options=BoostOptions,
        apply=boost,
        takes_references=False,
        keeps_rest=False,
        aliases=("gpdm", "duplicate", "repeat object", "more of", "multiply", "clone"),
        example=EditExample(
            image="dahlia_painted.png",
            mask="dahlia_painted.png",
            values={"times": 3.0},
            note="There are more flowers.",
        ),
    ),
)
"""The edit of this file."""
