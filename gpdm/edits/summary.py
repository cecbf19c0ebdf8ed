"""The edit that summarises: a much smaller picture that shows what a picture shows, without squeezing it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import OptionError
from ..images import Size, resize, scaled, size_of
from ..losses.bidirectional import BidirectionalLoss
from ..options import option
from ..pictures.progress import part_of
from ..references import Reference
from .base import Edit, Edited, EditExample, EditInput, EditOptions
from .fill import fill
from .gradual import shrunk


@dataclass(frozen=True, kw_only=True)
class SummariseOptions(EditOptions):
    """Options of `summarise`."""

    width_factor: float = option(
        0.5,
        "Width of the result divided by that of the picture, at most 1. Below a third, less and less of the objects fits.",
        ge=0.01,
        le=32.0,
        step=0.05,
    )
    height_factor: float = option(
        1.0, "Height of the result divided by that of the picture, at most 1.", ge=0.01, le=32.0, step=0.05
    )
    width: int = option(0, "Width of the result in pixels. 0 uses width_factor instead.", ge=0, le=16384)
    height: int = option(0, "Height of the result in pixels. 0 uses height_factor instead.", ge=0, le=16384)
    importance: float = option(
        8.0,
        "Number of times as much that patches under the mask count as others. Higher keeps more of what the mask covers, and "
        "less of the rest.",
        ge=1.0,
        le=1000.0,
        step=1.0,
    )
    completeness: float = option(
        1.0,
        "Weight of showing all of the picture, relative to showing nothing that is not in it. Higher squeezes more into the "
        "result, lower leaves out more and bends less.",
        ge=0.0,
        le=100.0,
        step=0.1,
        advanced=True,
    )
    coarse_dim: int = option(
        50,
        "Shorter side of the picture, in pixels, at which it is made smaller. Higher keeps smaller things and cuts larger ones, "
        "and is slower.",
        ge=14,
        le=256,
        advanced=True,
    )
    patch_size: int = option(
        7,
        "Side of the square patches, in pixels. Higher keeps larger structures whole and leaves out more.",
        ge=3,
        le=31,
        advanced=True,
    )

    def output_size(self, size: Size) -> Size:
        """See `EditOptions.output_size`.

        Raises:
            OptionError: It is larger than the picture, or smaller than a patch.
        """
        smaller = (
            self.height or max(round(size[0] * self.height_factor), 1),
            self.width or max(round(size[1] * self.width_factor), 1),
        )
        for axis, name in enumerate(("height", "width")):
            if smaller[axis] > size[axis]:
                raise OptionError.saying(
                    f"the result would have a {name} of {smaller[axis]} pixels, and the picture has {size[axis]}; summarise "
                    f"only makes pictures smaller, so lower {name} or {name}_factor, or use GPDM Retarget or GPDM Enlarge"
                )
            if smaller[axis] < self.patch_size:
                raise OptionError.saying(
                    f"the result would have a {name} of {smaller[axis]} pixels, less than a patch of {self.patch_size}; "
                    f"raise {name} or {name}_factor, or lower patch_size"
                )
        return smaller


def summarise(entry: EditInput, options: SummariseOptions) -> Edited:
    """Returns a smaller picture that shows what a picture shows.

    The layout is found at a small scale (`shrunk`); it is then filled with pixels of the picture, from coarse to fine.
    """
    given, size = entry.image, options.output_size(size_of(entry.image))
    picture = Reference(given)
    if entry.mask is not None:
        mask = resize(entry.mask.to(given), size_of(given)).clamp(0, 1)
        picture = Reference(given, 1 + (options.importance - 1) * mask)
    smallest = 2 * options.patch_size / min(size)  # room for a layout of patches
    scale = min(max(options.coarse_dim / min(size_of(given)), smallest), 1.0)
    loss = BidirectionalLoss(patch_size=options.patch_size, completeness=options.completeness)
    layout = shrunk(picture.at(scale), scaled(size, scale), loss, entry.seed, part_of(entry.on_step, 0, 2))
    everywhere = torch.ones(1, 1, *size, dtype=torch.bool, device=given.device)
    filled = fill(
        torch.zeros_like(given[:, :, : size[0], : size[1]]),
        everywhere,
        [Reference(given)],
        start=layout,
        coarsest=scale,
        patch_size=options.patch_size,
        seed=entry.seed,
        on_step=part_of(entry.on_step, 1, 2),
    )
    return Edited(filled.image, everywhere.to(given), filled.source)


EDITS = (
    Edit(
        name="summarise",
        title="Summarise",
        command="summarise",
        summary="Makes a picture much smaller without squeezing it: what is plain or repeats is left out, and the rest keeps its size.",
        advice="Half the width suits most pictures; at a quarter a large object is cut, and things at the border may be lost. Paint a mask over "
        "what must stay, and raise importance for more of it. If small or thin things are lost, raise coarse_dim or completeness.",
        image_help="Picture to make smaller.",
        mask_help="Part of the picture that matters more than the rest, as painted in the mask editor. An empty mask, or none, takes all parts as alike.",
        mask_is_optional=True,
        options=SummariseOptions,
        apply=summarise,
        takes_references=False,
        keeps_rest=False,
        aliases=(
            "gpdm",
            "retarget",
            "seam carving",
            "liquid rescale",
            "shrink",
            "content aware scale",
            "crop",
            "banner",
        ),
        example=EditExample(
            image="pavilion.jpg",
            mask=None,
            values={"width_factor": 0.5},
            note="At half the width the tower has its size; sky, lake and the tall tree beside it are left out.",
        ),
    ),
)
"""The edit of this file."""
