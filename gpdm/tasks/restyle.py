"""Style transfer: the layout of one picture, the patches of another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from ..guess import InitialGuess
from ..images import size_of
from ..losses.parts import LossOfTerms
from ..losses.swd import SWDLoss
from ..options import Options, option
from ..pyramid import PyramidSchedule
from ..references import Reference, check_pictures
from .base import Changes, Example, Picture, Recipe, Task, check_minimises
from .colours import with_colours_of
from .guide import with_guide
from .output import Work, by_start
from .shares import Shares


@dataclass(frozen=True, kw_only=True)
class StyleOptions(Options):
    """The way in which a style is transferred."""

    keep_colours: str = option(
        "no",
        "yes keeps the colours of the content: the style picture gets them first, and supplies strokes and grain alone.",
        choices=("no", "yes"),
    )
    layout: float = option(
        0.0,
        "Scale up to which the output must be bright and dark where the content is; 1 is full size and 0 asks nowhere. "
        "It needs a coarse_dim whose coarsest level is below it, for example 28.",
        ge=0.0,
        le=1.0,
        step=0.1,
    )
    several: str = option(
        "mixture",
        "With several styles, mixture uses patches of each, weighted; blend makes strokes between them, in which weights "
        "are shares whatever the size of the pictures.",
        choices=("mixture", "blend"),
    )


def by_style(work: Work, recipe: Recipe) -> Work:
    """Recolours the styles, and gives the loss the guide and the blend for which the options ask.

    Raises:
        GPDMError: The guide or the blend is asked for with an optimizer that minimises no loss.
        OptionError: No level is below the scale of the guide, or a style that is recoloured is a saved distribution.
    """
    options, content = recipe.own, work.init
    assert isinstance(options, StyleOptions)
    assert content is not None
    references, loss = work.references, recipe.loss
    if options.keep_colours == "yes":
        check_pictures(references, "keep_colours changes the colours of the style picture")
        references = [recoloured(reference, content) for reference in references]
    if options.layout:
        loss = with_guide(work, recipe, "layout", options.layout)
    if options.several == "blend":
        check_minimises(recipe, "several blend makes a loss of the styles")
        loss = LossOfTerms(Shares.of(references, size_of(content), None).blend(loss), loss.border)
    return replace(work, references=references, loss=loss)


def recoloured(reference: Reference, content: Tensor) -> Reference:
    """Returns a reference with the colours of the content, (B, C, h, w)."""
    return replace(reference, image=with_colours_of(content, reference.image))


TASKS = (
    Task(
        name="style_transfer",
        title="Style Transfer",
        command="style",
        summary="The content picture with the texture, grain and colours of the style picture.",
        advice="For larger strokes and a freer result connect a GPDM Pyramid Schedule and set coarse_dim below 256, for example "
        "to 64.",
        pictures=(
            Picture(
                name="style",
                help="Picture that supplies texture, grain and colours. A larger one is scaled down until its shorter side is that of "
                "the content.",
            ),
            Picture(
                name="content",
                help="Picture that sets the layout and the size. A batch makes one output from each.",
                start=True,
            ),
        ),
        prepare=by_start,
        adapt=by_style,
        settings=Recipe(
            own=StyleOptions(),
            # With more coherence the strokes of the style replace the content.
            loss=SWDLoss(coherence=0.0003),
            pyramid=PyramidSchedule(coarse_dim=256),
            # A little noise, so that seeds differ.
            guess=InitialGuess(source="image", image_noise_sigma=0.05),
        ),
        paper=Changes(guess={"image_noise_sigma": 0.0}),
        resizes=False,
        aliases=("gpdm", "style", "restyle", "painting", "texture transfer", "colour transfer"),
        example=Example(
            pictures={"style": "starry_night.jpg", "content": "cat.jpg"},
            values={},
            note="The cat is painted with the strokes of the Starry Night.",
        ),
    ),
)
