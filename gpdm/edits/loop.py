"""Frames of one picture in motion, of which the last leads back to the first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from ..borders import gaussian_blur
from ..canvas import Keep
from ..errors import GPDMError, ImageError
from ..guess import InitialGuess
from ..images import check_image, resize, size_of
from ..losses.swd import SWDLoss
from ..options import option
from ..pyramid import PyramidSchedule
from ..references import Reference
from ..synthesis import StepInfo, synthesize
from .base import Edit, Edited, EditExample, EditInput, EditOptions
from .frames import FramesOptimizer
from .motion import FIELD_SIDE, inside, low_pass, on_circle, smooth_field, warped
from .run import Edits, run_edit

TILES = {"none": "free", "both": "circular", "x": "circular x", "y": "circular y"}
"""The border (`borders.BORDERS`) of each value of the option `tile`."""
FIELD_BLUR = 7.0
"""Standard deviation of the blur of displacements at scale 1. This and the lengths below are in pixels of a picture
whose shorter side has `FIELD_SIDE`."""
SWAY, STIR = 1.5, 4.0
"""Root mean square of the displacements of sway, and of those that bring the details of shimmer from elsewhere."""
MIXED = 0.7
"""Strength of these details at amount 1, relative to those in place."""
DETAIL = 2.0
"""Standard deviation of the blur that divides a picture into what stays in place and the details, which shimmer."""
HARMONICS = 2
"""Highest frequency of shimmer, in periods of the loop; what is above is flicker."""
FEATHER = 2.5
"""Width over which motion begins inside the edge of a mask."""


@dataclass(frozen=True, kw_only=True)
class LoopOptions(EditOptions):
    """Options of `loop`."""

    motion: str = option(
        "sway",
        "sway moves shapes to and fro, like leaves in the wind or things under water. shimmer keeps large shapes in place, and "
        "small ones come and go in them, like ripples, fire or foliage.",
        choices=("sway", "shimmer"),
    )
    frames: int = option(
        24,
        "Number of frames. Time and memory grow with it, and motion becomes smoother, or slower at the same frame rate.",
        ge=2,
        le=240,
    )
    amount: float = option(
        1.0,
        "Strength of the motion: the distance of sway, or the contrast of what comes and goes with shimmer. From about 2 "
        "shapes bend like rubber with sway, and dissolve with shimmer.",
        ge=0.0,
        le=4.0,
        step=0.1,
    )
    tile: str = option(
        "none",
        "Directions in which copies of each frame join without a seam, for a picture that tiles: x left to right, y top "
        "to bottom.",
        choices=tuple(TILES),
    )
    scale: float = option(
        1.0,
        "Size of the shapes that move together. Higher moves larger ones, and farther, in proportion; lower only small ones.",
        ge=0.1,
        le=4.0,
        step=0.1,
    )
    num_steps: int = option(
        10,
        "Steps in which the patches of each frame become those of the picture again. Higher repairs more, and is slower.",
        ge=1,
        le=1000,
        advanced=True,
    )
    memory: int = option(
        0,
        "Memory limit, in MiB. All frames are in memory at once; 0 uses what a GPU has free, and sets no limit on a CPU.",
        ge=0,
        le=2**20,
        advanced=True,
    )


def make_frames(entry: EditInput, options: LoopOptions) -> Edited:
    """Returns the frames, (frames, C, H, W). Where the mask is below one half they have the pixels of the picture."""
    image, border = entry.image, TILES[options.tile]
    mask = torch.ones_like(image[:, :1]) if entry.mask is None else entry.mask.to(image)
    moves = (resize(mask, size_of(image), border) >= 0.5).to(image)
    if not bool(moves.any()):
        raise GPDMError("the mask of what moves is empty; paint the part that moves, or leave out the mask")
    frames = starts(image, _feathered(moves, border), options, border, entry.seed)
    on_step = entry.on_step

    def report(info: StepInfo) -> None:
        if on_step is not None:
            on_step(info.done, info.image)

    result = synthesize(
        Reference(image),
        init=frames,
        size=size_of(image),
        num_outputs=options.frames,
        seed=entry.seed,
        loss=SWDLoss(coherence=0.0),
        pyramid=PyramidSchedule(coarse_dim=min(size_of(image))),
        guess=InitialGuess(source="image"),
        # Newton's method, because Adam makes unlike pictures of frames that are almost alike.
        optimizer=FramesOptimizer(method="newton", step=0.5, num_steps=options.num_steps, window=options.num_steps),
        border=border,
        keep=None if bool(moves.all()) else Keep(image, 1 - moves),
        constraint=low_pass(options.frames, HARMONICS) if options.motion == "shimmer" else None,
        memory=max(options.memory * 2**20 - frames.nbytes, 1) if options.memory else None,
        on_step=report,
    )
    nothing = torch.full((3, *size_of(image)), -1, dtype=torch.int64, device=image.device)
    return Edited(result.images, moves, nothing)


def _feathered(moves: Tensor, border: str) -> Tensor:
    """Returns how much each pixel moves, from 0 at the edge of what moves to 1 inside, (1, 1, H, W)."""
    if bool(moves.all()):
        return moves
    width = max(FEATHER * _pixel(moves), 1.0)
    return (2 * gaussian_blur(moves, width, border) - 1).clamp(min=0) * moves


def _pixel(image: Tensor) -> float:
    """Returns the pixels of an image for one of a picture whose shorter side has `FIELD_SIDE`."""
    return min(size_of(image)) / FIELD_SIDE


def starts(image: Tensor, weight: Tensor, options: LoopOptions, border: str, seed: int) -> Tensor:
    """Returns the frames before their patches are matched, (frames, C, H, W).

    Arguments:
        image: Picture, (1, C, H, W).
        weight: How much each pixel moves, (1, 1, H, W).
        options: The options.
        border: One of `borders.BORDERS`.
        seed: Any integer.
    """
    generator = Generator().manual_seed(seed % 2**64)
    scale = options.scale * _pixel(image)

    def displacement(length: float) -> Tensor:
        """Returns a random field with a root mean square of `length`, (1, 2, H, W)."""
        field = smooth_field(size_of(image), options.scale * FIELD_BLUR, border, generator)
        return scale * length * field.to(image)

    if options.motion == "sway":
        length = options.amount * SWAY
        first, second = (weight * inside(displacement(length), 4 * scale * length, border) for _ in range(2))
        return torch.cat([warped(image, each[None], border) for each in on_circle(first, second, options.frames)])
    details = image - gaussian_blur(image, scale * DETAIL, border)
    energy = _energy(details, scale * DETAIL, border)
    first, second = (warped(details, displacement(STIR), border) for _ in range(2))
    # Details of elsewhere are nowhere stronger than those that are there, so that what is smooth stays smooth.
    first, second = (x * (energy / _energy(x, scale * DETAIL, border)).clamp(max=1) for x in (first, second))
    strength = MIXED * options.amount
    mixed = (details + strength * on_circle(first, second, options.frames)) / math.sqrt(1 + strength**2)
    return image + weight * (mixed - details)


def _energy(details: Tensor, blur: float, border: str) -> Tensor:
    """Returns the local mean square of details over all channels, positive, (1, 1, H, W)."""
    return gaussian_blur(details.square().mean(1, keepdim=True), blur, border).clamp(min=1e-8)


def loop(image: Tensor, mask: Tensor | None = None, **settings: Any) -> Edits:
    """Returns the frames of a loop made of one picture, of which the last leads back to the first.

    Arguments:
        image: Picture, (1, C, H, W) in [-1, 1].
        mask: Mask of the part that moves, of any size, (h, w) or (1, 1, h, w) with values from 0 to 1; None: all
            moves. The rest has the pixels of the picture in all frames, bit for bit.
        settings: `seed` and `on_step` of `run_edit`, and the fields of `LoopOptions`.

    Raises:
        ImageError: The picture or the mask cannot be used, or there are several.
        OptionError: An option has a value that is not allowed, or the memory does not suffice.
        GPDMError: The mask is empty.
    """
    check_image(image, "image")
    if len(image) != 1:
        raise ImageError(f"there are {len(image)} pictures, and a loop is made of one; give one at a time")
    return run_edit(LOOP, image, mask, **settings)


LOOP = Edit(
    name="loop",
    title="Loop",
    command="loop",
    summary="Makes a moving picture of a still one: frames that sway or shimmer, of which the last leads back to the first.",
    advice="It suits water, leaves, grass, clouds, fire, fur and other pictures of many small things, and not letters, faces, "
    "buildings or regular patterns, whose shapes must not bend: paint a mask of the part that moves, and the rest stays as it "
    "is. Try both motions, and lower amount if shapes bend too much. Time and memory grow with the number of frames, each of "
    "which takes ten steps at full size; try 8 first.",
    image_help="Still picture that is set in motion.",
    mask_help="The part that moves, gently at its edge, as painted in the mask editor; an empty mask, or none, moves all. The "
    "rest stays as it is, bit for bit.",
    mask_is_optional=True,
    takes_references=False,
    options=LoopOptions,
    apply=make_frames,
    aliases=("gpdm", "animation", "animate", "cinemagraph", "gif", "video", "motion", "wind", "water", "frames"),
    example=EditExample(
        image="starry_night.jpg",
        mask=None,
        values={},
        note="The painting and two frames: cypress, stars and sky go to and fro, each by its own way.",
    ),
)
"""The edit of this file. It has a command, a function and a node of its own."""
