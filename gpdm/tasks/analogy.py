"""Structural analogy: the layout of one picture in things of another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..guess import InitialGuess
from ..options import Options, option
from ..pyramid import PyramidSchedule
from ..references import check_pictures
from .base import Example, Picture, Recipe, Task
from .colours import with_colours_of
from .guide import coarsest_scale, with_guide
from .output import Work, by_start


@dataclass(frozen=True, kw_only=True)
class AnalogyOptions(Options):
    """The scale up to which the layout is held."""

    layout_scale: float = option(
        0.6,
        "Scale up to which the output must be bright and dark where the layout is; 1 is full size. Higher follows it more "
        "closely, lower leaves whole objects of the patches; 0 asks nowhere, and it is only the start.",
        ge=0.0,
        le=1.0,
        step=0.1,
    )


def by_layout(work: Work, recipe: Recipe) -> Work:
    """Gives the start the colours of the patches, and the loss the guide, which holds at the coarsest level at least.

    Raises:
        GPDMError: The guide is asked for with an optimizer that minimises no loss.
        OptionError: A reference is a saved distribution.
    """
    options, layout = recipe.own, work.init
    assert isinstance(options, AnalogyOptions)
    assert layout is not None
    check_pictures(work.references, "the layout gets the colours of the patches")
    loss = work.loss
    if options.layout_scale:
        scale = max(options.layout_scale, coarsest_scale(work, recipe))
        loss = with_guide(work, recipe, "layout_scale", scale)
    start = torch.cat([with_colours_of(work.references, each) for each in layout.split(1)])
    return replace(work, init=start, loss=loss)


TASKS = (
    Task(
        name="analogy",
        title="Structural Analogy",
        command="analogy",
        summary="The things of one picture, set out as another one is: the layout of the first picture in patches of the second.",
        advice="Raise layout_scale to follow the layout more closely, and lower it for whole things of the patches. Bold shapes that stand "
        "apart in brightness work best; colours of the layout do not count. Style Transfer differs in that it keeps the shapes and details of its "
        "content and changes its strokes. Paint follows painted colours, which you choose to say what is where. A start picture alone (init) is "
        "not held after the first level, and the patches often move back to the layout that they had.",
        pictures=(
            Picture(
                name="layout",
                help="Picture that says where it is bright and dark, and sets the size. A batch makes one output from each.",
                start=True,
            ),
            Picture(
                name="patches",
                help="Picture whose patches are used. A larger one is scaled down until its shorter side is that of the layout.",
            ),
        ),
        prepare=by_start,
        adapt=by_layout,
        settings=Recipe(
            own=AnalogyOptions(),
            pyramid=PyramidSchedule(coarse_dim=28),
            # Noise lets the patches find their places.
            guess=InitialGuess(source="image", image_noise_sigma=0.5),
        ),
        resizes=False,
        aliases=("gpdm", "image analogy", "structure transfer", "made of", "layout", "composition", "mosaic"),
        example=Example(
            pictures={"layout": "pavilion.jpg", "patches": "starry_night.jpg"},
            values={},
            note="Cypress, sky and stars of the painting stand where the building, the sky and the light places are.",
        ),
    ),
)
