"""Match grain: a picture gets the grain of another one, made anew."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..borders import gaussian_blur
from ..errors import GPDMError
from ..images import size_of
from ..options import Options, option
from ..pictures.progress import OnProgress, part_of
from ..references import Reference, check_pictures
from .base import Match, Matched, MatchExample, MatchInput
from .denoise import without_own_grain
from .flat import brightness, without_grain
from .grain_field import grain_field
from .grain_model import Grain, at_brightness

GRAINLESS = 0.25
"""Fraction of a picture without grain from which it is taken to have none, if no flat part has some."""
BLUR = 2.0
"""Standard deviation of the blur after which the brightness of the picture is read, in pixels."""


@dataclass(frozen=True, kw_only=True)
class GrainOptions(Options):
    """Options of `match_grain`."""

    strength: float = option(
        1.0,
        "Strength of the grain relative to that of the reference. Higher is grainier; 0 adds none.",
        ge=0.0,
        le=4.0,
        step=0.05,
    )
    remove: float = option(
        0.0,
        "Fraction of the picture's own grain that is taken away first. Higher takes more of it, and with it details as "
        "weak as the grain.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    size: float = option(
        1.0,
        "Size of the grain relative to that of the reference. Higher makes larger and softer grain.",
        ge=0.25,
        le=8.0,
        step=0.05,
    )
    patch_steps: int = option(
        5,
        "Number of steps that bring patches of the grain to the distribution of the reference's. Higher is slower; with "
        "0 the grain has the reference's spectrum and values only, which suffices for plain noise.",
        ge=0,
        le=100,
        advanced=True,
    )


def match_grain(entry: MatchInput, options: GrainOptions) -> Matched:
    """Returns pictures with the grain of the references, other grain in each of them."""
    check_pictures(entry.references, "grain is measured in the flat parts of a picture")
    grain = Grain.of(entry.references).resized(options.size)
    owns = [own_grain(image) if options.remove else None for image in entry.images.split(1)]
    results = []
    for number, (image, own) in enumerate(zip(entry.images.split(1), owns, strict=True)):
        clean = image if own is None else image + options.remove * (without_own_grain(image, own) - image)
        on_step = part_of(entry.on_step, number, len(owns))
        results.append(with_grain(clean, grain, options, entry.seed + number, on_step))
        if on_step is not None:
            on_step(1.0, results[-1])
    return Matched(torch.cat(results), note=grain.note)


def with_grain(
    image: Tensor, grain: Grain, options: GrainOptions, seed: int, on_step: OnProgress | None = None
) -> Tensor:
    """Returns a picture with fresh grain, not clamped.

    Arguments:
        image: Picture, (1, C, H, W) in [-1, 1], with the channels of the grain: 1 or 3.
        grain: The grain of the references, in the size that is wanted.
        options: Strength and number of steps.
        seed: Any integer; the same seed gives the same grain, another one other grain.
        on_step: Callback after each step, with the fraction of the work that is done and the picture.
    """
    level = options.strength * at_brightness(grain.deviation, brightness(gaussian_blur(image, BLUR)))

    def report(done: float, field: Tensor) -> None:
        if on_step is not None:
            on_step(done, image + level * field)

    return image + level * grain_field(grain, size_of(image), seed, options.patch_steps, report)


def own_grain(image: Tensor) -> Grain | None:
    """Returns the grain of a picture (1, 1 or 3, H, W) whose grain is removed; None if it has none.

    Raises:
        GPDMError: It has no flat parts in which its grain could be seen.
    """
    try:
        return Grain.of([Reference(image)], name="the picture whose grain is removed")
    except GPDMError as error:
        if float(without_grain(image).float().mean()) >= GRAINLESS:
            return None
        raise GPDMError(f"{error}; or set remove to 0") from None


MATCHES = (
    Match(
        name="match_grain",
        title="Match Grain",
        command="match-grain",
        summary="Gives pictures the grain of a reference: its size, its colours and its strength at each brightness. "
        "The grain is made anew, for pictures of any size and for each frame.",
        advice="Set remove to 1 if the picture has grain or noise of its own, which would add up. Lower strength for less "
        "grain, and raise size if the picture will be shown smaller than the reference. The grain is measured in "
        "flat parts of the reference, such as sky or wall; without them it cannot be matched.",
        reference_help="Picture with the grain to match; it needs some smooth areas, and must not be resized or "
        "compressed much, which changes grain.",
        image_help="Pictures that get the grain. Each picture of a batch, such as a frame of a clip, gets grain of its own.",
        mask_help="Part of the pictures that gets the grain, as painted in the mask editor; soft values make it weaker. "
        "Without a mask everything does.",
        options=GrainOptions,
        apply=match_grain,
        is_random=True,
        aliases=(
            "gpdm",
            "film grain",
            "noise match",
            "grain match",
            "add grain",
            "degrain",
            "denoise",
            "iso noise",
            "regrain",
        ),
        example=MatchExample(
            reference="pier_grainy.png",
            image="cat.jpg",
            values={},
            note="The cat with the film grain of the reference.",
        ),
    ),
)
"""The match of this file."""
