"""The edit that enlarges a picture: fine detail comes from its own patches, and scaled down it is the picture again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ..canvas import Canvas
from ..errors import ImageError
from ..images import Size, check_alike, resize, scaled, size_of
from ..losses.swd import SWDLoss
from ..optimizers.gradient import Optimizer
from ..options import option
from ..pictures.progress import OnProgress
from ..pyramid import PyramidSchedule
from ..references import Reference
from ..synthesis import StepInfo, synthesize
from .base import Edit, Edited, EditExample, EditInput, EditOptions
from .examples import Examples
from .resampling import DOWNSCALINGS, GREY_LEVEL, Consistency, bicubic, rounded

STEP = math.sqrt(2)
"""Factor of one step. The last one is what is left."""
PATCH_SIZE, MIN_PATCH_SIZE = 5, 3
"""Side of the patches, in pixels, and the smallest that is used in pictures with a shorter side below it."""
POLISHED_SIDES = 64, 4096
"""Shorter sides of the references, in pixels, with which style crisp is polished. Coherence needs 64 of them."""
POLISHED_FACTOR = 2.0
"""Largest factor at which style crisp is polished; beyond, the polish does harm (benchmarks/README.md)."""
POLISH_STEPS, POLISH_STEP = 10, 0.5
"""Number of Newton steps of the polish, and their length."""


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
        "natural adds only the detail that similar patches suggest. crisp sharpens it further, up to factor 2 and for pictures "
        "of at least 64 pixels, with more faint texture and less accurate pixels.",
        choices=("natural", "crisp"),
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
    crisp = options.style == "crisp" and _can_polish(references, options.factor)
    polish_work = [math.prod(sizes[-1])] if crisp else []
    reports = _stages(entry.on_step, [math.prod(size) for size in sizes] + polish_work)
    result, consistency, before = image, Consistency.of(image, size_of(image), options.downscaling), 1.0
    for scale, size, report in zip(scales, sizes, reports, strict=False):
        # Between the steps bicubic suits both filters: means over pixels that differ in number leave a pattern.
        method = options.downscaling if scale == scales[-1] else "bicubic"
        consistency = Consistency.of(image, size, method)
        sized = [_at(reference, scale / shown_at) for reference in references] if shown_at > 1 else references
        result = consistency.project_(_with_detail(bicubic(result, size), sized, scale / before, report))
        before = scale
    if crisp:
        result = _polished(result, consistency, references, entry.seed, reports[-1])
    result = consistency.fitted(result)
    nothing = torch.full((3, *sizes[-1]), -1, dtype=torch.int64, device=image.device)
    return Edited(result, torch.ones_like(result[:, :1]), nothing, metrics=_deviations(result, consistency))


def _scales(factor: float) -> list[float]:
    """Returns the scales of all steps, of which the last is `factor`."""
    number = math.ceil(math.log(factor) / math.log(STEP) - 1e-6)
    return [*(STEP**i for i in range(1, number)), factor]


def _references_of(entry: EditInput, factor: float) -> tuple[Sequence[Reference], float]:
    """Returns the references, and the scale of the result at which they are: 1 for the picture itself."""
    if entry.references:
        for reference in entry.references:
            check_alike(reference.image, "reference", entry.image, "image")
        return entry.references, factor
    if entry.exclude is None:
        return [Reference(entry.image)], 1.0
    usable = resize(entry.exclude.to(entry.image), size_of(entry.image)) < 0.5
    if not bool(usable.any()):
        raise ImageError("exclude covers the entire picture, and no patch is left; leave a part uncovered")
    return [Reference(entry.image, usable.to(entry.image))], 1.0


def _can_polish(references: Sequence[Reference], factor: float) -> bool:
    shorter = min(min(size_of(reference.image)) for reference in references)
    return factor <= POLISHED_FACTOR and POLISHED_SIDES[0] <= shorter <= POLISHED_SIDES[1]


def _at(reference: Reference, scale: float) -> Reference:
    """Returns a reference at a scale, as sharp as a picture that is scaled down."""
    sized = reference.at(scale)
    return replace(sized, image=bicubic(reference.image, size_of(sized.image)))


def _with_detail(image: Tensor, references: Sequence[Reference], factor: float, on_step: OnProgress | None) -> Tensor:
    """Returns an image that was enlarged by `factor` with the detail of the nearest patches of references."""
    side = min(PATCH_SIZE, *size_of(image), *(n for reference in references for n in size_of(reference.image)))
    if side < MIN_PATCH_SIZE:
        return image
    for done, detailed in Examples.of(references, factor, side).added(image):
        image = detailed
        if on_step is not None:
            on_step(done, image)
    return image


def _polished(
    image: Tensor, consistency: Consistency, references: Sequence[Reference], seed: int, on_step: OnProgress | None
) -> Tensor:
    """Returns an image whose patch distribution is a little closer to that of the references."""

    def constraint(images: Tensor, canvas: Canvas) -> None:
        replace(consistency, given=canvas.enter(consistency.given)).project_(images)

    def report(info: StepInfo) -> None:
        if on_step is not None:
            on_step(info.done, info.image)

    return synthesize(
        references,
        init=image,
        size=size_of(image),
        seed=seed,
        loss=SWDLoss(patch_size=PATCH_SIZE, small_patches=0.0, coherence=0.5, coherence_tolerance=0.0),
        pyramid=PyramidSchedule(coarse_dim=min(min(size_of(reference.image)) for reference in references)),
        optimizer=Optimizer(method="newton", step=POLISH_STEP, num_steps=POLISH_STEPS, fine_steps=0),
        constraint=constraint,
        on_step=report,
    ).images


def _deviations(image: Tensor, consistency: Consistency) -> dict[str, float]:
    """Returns how far an image, rounded to 8 bits, is from the picture after scaling down, as `Edit.metrics` says."""
    deviation = consistency.deviation(rounded(image)).abs() / GREY_LEVEL
    # The deviation may be half a level to the last bit.
    outside = (deviation > 0.5001).any(1).double().mean()
    return {"largest deviation": float(deviation.amax()), "% of pixels above half a level": 100 * float(outside)}


def _stages(on_step: OnProgress | None, work: Sequence[float]) -> list[OnProgress | None]:
    """Returns a callback for each stage of some work, which reports the fraction of all work."""
    starts = [sum(work[:i]) / sum(work) for i in range(len(work))]
    return [
        None if on_step is None else partial(_report, on_step, start, part / sum(work))
        for start, part in zip(starts, work, strict=True)
    ]


def _report(on_step: OnProgress, start: float, part: float, done: float, image: Tensor) -> None:
    on_step(start + part * done, image)


EDITS = (
    Edit(
        name="enlarge",
        title="Enlarge",
        command="enlarge",
        summary="Enlarges a picture by any factor up to 8, sharper than interpolation and without invention: fine detail comes from "
        "similar patches of the picture itself, and scaled down the result is the picture again.",
        advice="Twice the size works best. Give a sharp picture of the same material, at the scale of the result, as reference if "
        "there is one. The seed changes style crisp only.",
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
