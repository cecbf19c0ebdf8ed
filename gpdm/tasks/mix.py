"""A picture between several references: their patches side by side, or patches between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import GPDMError
from ..images import size_of
from ..losses.base import Loss
from ..losses.combined import LossOn
from ..losses.parts import LossOfTerms, TermAtScales
from ..options import Options, option
from ..pyramid import PyramidSchedule
from .base import Changes, Example, Picture, Recipe, Task, check_minimises
from .output import Work, by_reference
from .shares import Shares

MODES = ("patchwork", "blend", "scattered")
GRADIENTS = {"none": None, "left to right": 1, "top to bottom": 0}
"""The axis of the output along which each gradient runs: 0 rows, 1 columns."""
BLEND_SIDE = 60
"""Shorter side of the smallest reference, in pixels, from which mode scattered has the mixture. From 80 on there are
too few steps left for it."""


@dataclass(frozen=True, kw_only=True)
class MixOptions(Options):
    """The way in which references are mixed."""

    mode: str = option(
        "patchwork",
        "patchwork shows parts of each picture side by side; blend makes new things between them, and greys colours that "
        "differ; scattered blends large shapes and fills them with sharp detail of either.",
        choices=MODES,
    )
    gradient: str = option(
        "none",
        "Direction in which the mixture goes from the first picture to the last, with the others evenly spaced between. "
        "With none it is the same everywhere.",
        choices=tuple(GRADIENTS),
    )


def by_share(work: Work, recipe: Recipe) -> Work:
    """Mixes references by their weights, which are fractions of the output whatever the size of the pictures.

    Raises:
        GPDMError: Fewer than two references, one with a region, or an optimizer that minimises no loss.
        OptionError: No reference has a weight above 0.
    """
    options = recipe.own
    assert isinstance(options, MixOptions)
    check_minimises(recipe, "mix makes a loss of the pictures")
    if len(work.references) < 2:
        raise GPDMError("mix needs at least two pictures, not 1; add another one")
    if any(reference.region is not None for reference in work.references):
        raise GPDMError(
            "a picture of the mix has a region, and gradient says where each picture is; leave out the region, or use "
            "gpdm regions"
        )
    shares = Shares.of(work.references, work.size, GRADIENTS[options.gradient])
    if options.mode == "patchwork":
        return replace(work, references=shares.mixture())
    if options.mode == "blend":
        loss = LossOfTerms(shares.blend(recipe.loss), recipe.loss.border)
    else:
        loss = _scattered(shares, recipe.loss)
    return replace(work, references=list(shares.references), loss=loss)


def _scattered(shares: Shares, loss: Loss) -> Loss:
    """Returns the loss of the blend at coarse levels and of the mixture at fine ones, always at the finest."""
    smallest = min(min(size_of(reference.image)) for reference in shares.references)
    scale = min(BLEND_SIDE / smallest, 1.0)
    terms = [(weight, TermAtScales(term, below=scale)) for weight, term in shares.blend(loss)]
    terms += [(weight, TermAtScales(term, lowest=scale)) for weight, term in LossOn(loss, shares.mixture()).terms()]
    return LossOfTerms(tuple(terms), loss.border)


MIX = Task(
    name="mix",
    title="Mix References",
    command="mix",
    summary="A picture made of several: parts of each side by side, things between them, or a change from one to the other.",
    advice="Bring the pictures to the same scale first: a stone keeps its size in pixels. Blends of unlike colours are greyish; "
    "match the colours first if that is not wanted.",
    pictures=(
        Picture(
            name="reference",
            help="Pictures that are mixed, two or more. The output has the size of the first one, unless options set another.",
        ),
    ),
    prepare=by_reference,
    adapt=by_share,
    settings=Recipe(pyramid=PyramidSchedule(coarse_dim=28), own=MixOptions()),
    paper=Changes(pyramid={"coarse_dim": 21}),
    aliases=("gpdm", "mix", "interpolate", "barycentre", "morph", "texture blending", "transition"),
    example=Example(
        pictures={"reference": "starry_night.jpg"},
        values={},
        note="",
    ),
)
"""The task of this file. It has a command, a function and a node of its own."""
