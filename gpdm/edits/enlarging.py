"""The edit that enlarges a picture: fine detail comes from its own patches, and scaled down it is the picture again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..borders import patch_weights
from ..errors import ImageError
from ..images import Size, check_alike, resize, scaled, size_of
from ..options import option
from ..pictures.progress import OnProgress, part_of
from ..references import Reference
from .base import Edit, Edited, EditExample, EditInput, EditOptions
from .examples import Examples
from .resampling import DOWNSCALINGS, GREY_LEVEL, Consistency, bicubic, rounded

STEP = math.sqrt(2)
"""Factor of one step. The last one is what is left."""
PATCH_SIZE, MIN_PATCH_SIZE = 5, 3
"""Side of the patches, in pixels, and the smallest that is used in pictures with a shorter side below it."""
STYLES = {"natural": 1.0, "crisp": 1.5}
"""Factor of the detail that is added, by style."""


@dataclass(frozen=True, kw_only=True)
class EnlargeOptions(EditOptions):
    """Options of `enlarge`."""

    factor: float = option(
        2.0,
        "Width and height of the result as a multiple of those of the picture. Higher leaves more to guess: above 3 small "
        "things look painted.",
        ge=1.01,
        le=8.0,
        step=0.5,
    )
    style: str = option(
        "natural",
        "natural adds the detail that similar patches suggest, which is the most accurate. crisp adds half as much again: edges "
        "are sharper, and so are faults, most of all above factor 2.",
        choices=tuple(STYLES),
    )
    downscaling: str = option(
        "bicubic",
        "Filter with which the result, scaled down, is the picture again. bicubic is that of most programs, antialiased as in "
        "Pillow; choose area for a picture that ComfyUI scaled down with area.",
        choices=DOWNSCALINGS,
        advanced=True,
    )

    def output_size(self, size: Size) -> Size:
        """See `EditOptions.output_size`."""
        return scaled(size, self.factor)


def enlarge(entry: EditInput, options: EnlargeOptions) -> Edited:
    """Returns the picture enlarged, and how far it is from the picture after scaling down.

    Raises:
        ImageError: No patch of the references can be used.
    """
    image, scales = entry.image, _scales(options.factor)
    sizes = [scaled(size_of(image), scale) for scale in scales]
    references, shown_at = _references_of(entry, options.factor)
    work = [math.prod(size) for size in sizes]
    final = Consistency.of(image, sizes[-1], options.downscaling)
    result, before = image, 1.0
    for number, (scale, size) in enumerate(zip(scales, sizes, strict=True)):
        # Between the steps bicubic suits both filters: means over pixels that differ in number leave a pattern.
        consistency = final if scale == scales[-1] else Consistency.of(image, size, "bicubic")
        report = part_of(entry.on_step, sum(work[:number]) / work[number], sum(work) / work[number])
        sized = [_at(reference, scale / shown_at) for reference in references] if shown_at > 1 else references
        detailed = _with_detail(bicubic(result, size), sized, scale / before, STYLES[options.style], report)
        result = consistency.project_(detailed)
        before = scale
    result = final.fitted(result)
    nothing = torch.full((3, *sizes[-1]), -1, dtype=torch.int64, device=image.device)
    return Edited(result, torch.ones_like(result[:, :1]), nothing, metrics=_deviations(result, final))


def _scales(factor: float) -> list[float]:
    """Returns the scales of all steps, of which the last is `factor`."""
    number = math.ceil(math.log(factor) / math.log(STEP) - 1e-6)
    return [*(STEP**i for i in range(1, number)), factor]


def _references_of(entry: EditInput, factor: float) -> tuple[Sequence[Reference], float]:
    """Returns the references, and the scale of the result at which they are: 1 for the picture itself."""
    if entry.references:
        for reference in entry.references:
            check_alike(reference.image, "reference", entry.image, "image")
            height, width = size_of(reference.image)
            if min(height, width) < factor * PATCH_SIZE:
                raise ImageError(
                    f"a reference is {width}x{height}, which is too small at factor {factor:g}: its patches are of {PATCH_SIZE}x"
                    f"{PATCH_SIZE} pixels at the size of the picture; give a larger one, at the scale of the result"
                )
        return entry.references, factor
    if entry.exclude is None:
        return [Reference(entry.image)], 1.0
    usable = (resize(entry.exclude.to(entry.image), size_of(entry.image)) < 0.5).to(entry.image)
    side = min(PATCH_SIZE, *size_of(entry.image))
    if not bool((patch_weights(usable, side, exclude=True) > 0).any()):
        raise ImageError(f"exclude leaves no {side}x{side} patch of the picture; leave a larger part uncovered")
    return [Reference(entry.image, usable)], 1.0


def _at(reference: Reference, scale: float) -> Reference:
    """Returns a reference at a scale, as sharp as a picture that is scaled down."""
    sized = reference.at(scale)
    return replace(sized, image=bicubic(reference.image, size_of(sized.image)))


def _with_detail(
    image: Tensor, references: Sequence[Reference], factor: float, gain: float, on_step: OnProgress | None
) -> Tensor:
    """Returns an image that was enlarged by `factor`, with detail of nearest reference patches, times `gain`."""
    side = min(PATCH_SIZE, *size_of(image), *(n for reference in references for n in size_of(reference.image)))
    if side < MIN_PATCH_SIZE:
        return image
    for done, detailed in Examples.of(references, factor, side, gain).added(image):
        image = detailed
        if on_step is not None:
            on_step(done, image)
    return image


def _deviations(image: Tensor, consistency: Consistency) -> dict[str, float]:
    """Returns how far an image, rounded to 8 bits, is from the picture after scaling down, as `Edit.metrics` says."""
    deviation = consistency.deviation(rounded(image)).abs() / GREY_LEVEL
    # The deviation may be half a level to the last bit.
    outside = (deviation > 0.5001).any(1).double().mean()
    return {"largest deviation": float(deviation.amax()), "% of pixels above half a level": 100 * float(outside)}


EDITS = (
    Edit(
        name="enlarge",
        title="Enlarge",
        command="enlarge",
        summary="Enlarges a picture by any factor up to 8, sharper than interpolation does: fine detail comes from similar patches of "
        "the picture itself, and scaled down the result is the picture again.",
        advice="Twice the size works best. A sharp picture of the same material as reference, at the scale of the result, brings its "
        "own texture: that looks more detailed, and is seldom more accurate. All seeds give the same picture. One core takes about "
        "40 seconds for a megapixel of the result.",
        image_help="Picture to enlarge. Its own noise and JPEG blocks are enlarged too.",
        mask_help=None,
        options=EnlargeOptions,
        apply=enlarge,
        keeps_rest=False,
        metrics="Difference between the picture and the result rounded to 8 bits and scaled down: the largest, in grey levels of 255, "
        "and the percentage of pixels at which it is above half a level, so that they do not come back as they were.",
        aliases=("gpdm", "upscale", "super resolution", "upsample", "enhance", "resize", "scale up", "sharpen"),
        example=EditExample(
            image="dahlia.jpg",
            mask=None,
            values={"factor": 2.0},
            note="The picture at twice its size, with sharper edges than those of interpolation.",
        ),
    ),
)
"""The edit of this file."""
