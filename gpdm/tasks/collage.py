"""A collage: pictures on one canvas that stay as they are and grow together where they meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from ..canvas import Keep
from ..errors import GPDMError
from ..guess import InitialGuess
from ..images import size_of
from ..options import Options, option
from ..pyramid import PyramidSchedule
from ..references import check_pictures
from .arrange import ARRANGEMENTS, laid_out
from .base import Example, Picture, Recipe, Task
from .output import OutputOptions, Work

WRAPPING_AXES = {"none": (), "x": (3,), "y": (2,), "mirrored": ()}
"""Axes along which the output wraps, for values of the option `tile`; for all others both."""


@dataclass(frozen=True, kw_only=True)
class CollageOptions(Options):
    """The places of the pictures, and how far they grow into each other."""

    arrangement: str = option(
        "row",
        "Places of the pictures, in their order: a row, a column, or a grid. They are scaled down to one height in a row and "
        "one width in a column; a picture to start from (init) takes the place of this.",
        choices=ARRANGEMENTS,
    )
    transition: float = option(
        0.3,
        "Width of the transition between two pictures, as a fraction of the shorter side of the smaller one. Higher gives more "
        "room to grow together, and leaves less of each picture as it is.",
        ge=0.05,
        le=0.5,
        step=0.05,
    )


def by_height(work: Work, output: OutputOptions) -> Work:
    """Scales each picture down to the height in `output`. The size of the output is that of `init`, if there is one."""
    references = [reference.at(output.shrinking(size_of(reference.image))) for reference in work.references]
    return Work(references, output.size(work.size if work.init is None else size_of(work.init)), work.init)


def by_arrangement(work: Work, recipe: Recipe) -> Work:
    """Lays the pictures out, and keeps what is outside the transitions, unless there is a start.

    Raises:
        GPDMError: Fewer than two pictures, one with a region, or an option that needs other pixels than those kept.
        OptionError: A reference is a saved distribution.
    """
    options = recipe.own
    assert isinstance(options, CollageOptions)
    check_pictures(work.references, "a collage shows them")
    if len(work.references) < 2:
        raise GPDMError("collage needs at least two pictures, not 1; add another one")
    if any(reference.region is not None for reference in work.references):
        raise GPDMError(
            "a picture of the collage has a region, and arrangement says where each picture is; leave out the region, or "
            "use gpdm regions"
        )
    if work.init is not None:
        return work
    if recipe.output.symmetry != "none":
        raise GPDMError(
            "a collage keeps its pictures as they are; set symmetry to none, or give a start picture (init)"
        )
    layout = laid_out(work.references, options.arrangement, options.transition)
    size, asked = size_of(layout.image), recipe.output.size(size_of(layout.image))
    if asked != size:
        raise GPDMError(
            f"the pictures of the collage set its size, {size[1]}x{size[0]}, and options of the output ask for "
            f"{asked[1]}x{asked[0]}; leave these out, or give a start picture (init)"
        )
    mask = _without_borders(
        layout.alone, WRAPPING_AXES.get(recipe.output.tile, (2, 3)), round(options.transition * min(size) / 4)
    )
    return replace(work, references=layout.references, size=size, init=layout.image, keep=Keep(layout.image, mask))


def _without_borders(mask: Tensor, axes: Sequence[int], width: int) -> Tensor:
    """Returns a mask (1, 1, H, W) that is 0 near the ends of axes, so that a transition has room there."""
    mask = mask.clone()
    for axis in axes:
        mask.narrow(axis, 0, width).zero_()
        mask.narrow(axis, mask.shape[axis] - width, width).zero_()
    return mask


COLLAGE = Task(
    name="collage",
    title="Collage",
    command="collage",
    summary="Several pictures on one canvas, in a row, a column or a grid. Each stays as it is, and where two meet, the seam is "
    "made of patches that fit both.",
    advice="Raise transition if the pictures differ a lot where they meet, and lower it to keep more of each. For places of your "
    "own, put the pictures together roughly in any program and connect that picture as init of GPDM Initial Guess: then nothing "
    "is kept bit for bit. The other qualities than draft match the patches of all pictures as a whole, which suits textures; "
    "where pictures have sky or walls they leave steps.",
    pictures=(
        Picture(
            name="reference",
            help="Pictures of the collage, two or more, in reading order.",
        ),
    ),
    prepare=by_height,
    adapt=by_arrangement,
    quality="draft",
    settings=Recipe(
        own=CollageOptions(),
        pyramid=PyramidSchedule(coarse_dim=28),
        # Noise lets the patches near a seam find their places.
        guess=InitialGuess(source="image", image_noise_sigma=0.2),
    ),
    resizes=False,
    aliases=("gpdm", "collage", "montage", "panorama", "join pictures", "blend pictures", "photo grid"),
    example=Example(
        pictures={"reference": "canyon.jpg"},
        values={},
        note="",
    ),
)
"""The task of this file. It has a command, a function and a node of its own."""
