"""The basic tasks: reshuffling, retargeting, style transfer and texture synthesis, each with its recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ..errors import GPDMError, OptionError
from ..guess import InitialGuess
from ..images import Size, check_alike, check_image, resize, scaled, size_of
from ..losses.base import Loss
from ..losses.swd import SWDLoss
from ..optimizers.base import LevelSolver
from ..optimizers.gradient import Optimizer
from ..options import Options, option
from ..pyramid import PyramidSchedule
from ..references import Reference, as_references, sizes_of
from ..synthesis import Synthesis, synthesize


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Options):
    """Number and size of the outputs, and the memory limit."""

    num_outputs: int = option(
        1, "Number of pictures. Picture i is what a single run with seed + i makes.", ge=1, le=256
    )
    height: int = option(
        0,
        "Height in pixels to which the reference (style transfer: the content) is scaled before anything else. 0 keeps it as it is. "
        "Smaller is faster.",
        ge=0,
        le=16384,
    )
    width_factor: float = option(
        1.0,
        "Width of the output divided by that of the reference, or of the picture it starts from if one is given.",
        ge=0.05,
        le=32.0,
        step=0.05,
    )
    height_factor: float = option(
        1.0,
        "Height of the output divided by that of the reference, or of the picture it starts from if one is given.",
        ge=0.05,
        le=32.0,
        step=0.05,
    )
    output_width: int = option(0, "Width of the output in pixels. 0 leaves it to width_factor.", ge=0, le=16384)
    output_height: int = option(0, "Height of the output in pixels. 0 leaves it to height_factor.", ge=0, le=16384)
    memory: int = option(
        0,
        "Memory that may be in use at once, in MiB. 0 takes what a GPU has free, and sets no limit on a CPU. "
        "With less than a step could use it takes longer and makes the same picture.",
        ge=0,
        le=2**20,
    )

    def size(self, base: Size) -> Size:
        """Returns height and width of the output, in pixels, for an image of size `base` (height, width)."""
        height = self.output_height or max(round(base[0] * self.height_factor), 1)
        return height, self.output_width or max(round(base[1] * self.width_factor), 1)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings that a task presets: loss, pyramid, initial guess, optimizer and output options."""

    loss: Loss = field(default_factory=SWDLoss)
    pyramid: PyramidSchedule = field(default_factory=PyramidSchedule)
    guess: InitialGuess = field(default_factory=InitialGuess)
    optimizer: LevelSolver = field(default_factory=Optimizer)
    output: OutputOptions = field(default_factory=OutputOptions)


QUALITIES = ("fast", "balanced", "best", "paper")
"""Recipes that every task has. "paper": the authors' settings, with the sorted distance. "balanced": about as near to
the reference, in a fraction of the time. "fast": for a first look. "best": more levels and steps than "balanced"."""

_LOSS = SWDLoss()
_PAPER_LOSS = SWDLoss(
    solver="exact", distance="l1", projections="independent", reuse=1, detail=0.0, coherence=0.0, small_patches=0.0
)
_PAPER_OPTIMIZER = Optimizer(method="adam", lr=0.01, num_steps=300, fine_steps=0, final_lr=1.0, beta_2=0.999)


def _recipes(
    guess: InitialGuess,
    paper: InitialGuess,
    coarse_dim: int = 21,
    paper_dim: int | None = None,
    loss: SWDLoss = _LOSS,
    **output: Any,
) -> dict[str, Recipe]:
    """Returns the recipes of a task by quality.

    Arguments:
        guess: Initial guess, except for "paper".
        paper: Initial guess of "paper".
        coarse_dim: Smaller side of the reference at the coarsest level, in pixels, except for "paper".
        paper_dim: The same for "paper"; by default `coarse_dim`.
        loss: Loss, except for "paper".
        output: Fields of `OutputOptions`.
    """
    pyramid = PyramidSchedule(coarse_dim=coarse_dim)
    balanced = Recipe(guess=guess, output=OutputOptions(**output), pyramid=pyramid, loss=loss)
    even = PyramidSchedule(coarse_dim=paper_dim or coarse_dim, pyr_factor=0.85, fine_factor=0.85)
    return {
        "fast": replace(balanced, loss=replace(loss, num_proj=32), optimizer=Optimizer(num_steps=300, fine_steps=100)),
        "balanced": balanced,
        "best": replace(
            balanced,
            pyramid=replace(pyramid, fine_factor=0.75),
            optimizer=Optimizer(num_steps=600, fine_steps=300),
        ),
        "paper": replace(balanced, loss=_PAPER_LOSS, optimizer=_PAPER_OPTIMIZER, pyramid=even, guess=paper),
    }


_NOISE, _PAPER_NOISE = InitialGuess(), InitialGuess(noise_sigma=1.5)
_STRETCHED = InitialGuess(source="reference", image_noise_sigma=0.1)
_IMAGE = InitialGuess(source="image")
_IMAGE_AND_GRAIN = InitialGuess(source="image", image_noise_sigma=0.05)  # so that seeds differ

RECIPES: dict[str, dict[str, Recipe]] = {
    # main.py of the reference implementation, and its README. At 21 pixels the layout is often that of the reference.
    "reshuffle": _recipes(_NOISE, _PAPER_NOISE, coarse_dim=28, paper_dim=21),
    # Its tests/retarget.py, without the 7-pixel blur at full size, which has no effect at the coarsest level.
    "retarget": _recipes(_STRETCHED, _STRETCHED, width_factor=1.5),
    # With more coherence the strokes of the style replace the content.
    "style_transfer": _recipes(_IMAGE_AND_GRAIN, _IMAGE, coarse_dim=256, loss=SWDLoss(coherence=0.0003)),
    "texture": _recipes(_NOISE, _PAPER_NOISE, width_factor=1.5, height_factor=1.5),
}
RECIPES["reshuffle"]["paper-table"] = replace(  # its tests/reproduce_paper_table.py
    RECIPES["reshuffle"]["paper"],
    guess=InitialGuess(noise_sigma=0.75),
    optimizer=replace(_PAPER_OPTIMIZER, lr=0.05),
)
"""Recipes by task and quality."""


Images = Tensor | Reference | Sequence[Tensor | Reference]
"""Type of a task's references: images (B, C, H, W) in [-1, 1], `Reference`s, or a list of either."""


def reshuffle(reference: Images, *, recipe: Recipe | None = None, seed: int = 0, **more: Any) -> Synthesis:
    """Returns a new image with the patches of `reference`, by default in its size.

    Arguments, result and errors are those of `from_reference`; `recipe` is by default RECIPES["reshuffle"]["balanced"].
    """
    return from_reference(reference, recipe=recipe or RECIPES["reshuffle"]["balanced"], seed=seed, **more)


def retarget(reference: Images, *, recipe: Recipe | None = None, seed: int = 0, **more: Any) -> Synthesis:
    """Returns `reference` in another aspect ratio: the layout is stretched, details keep their size.

    Arguments, result and errors are those of `from_reference`; `recipe` is by default RECIPES["retarget"]["balanced"].
    """
    return from_reference(reference, recipe=recipe or RECIPES["retarget"]["balanced"], seed=seed, **more)


def texture(reference: Images, *, recipe: Recipe | None = None, seed: int = 0, **more: Any) -> Synthesis:
    """Returns a texture with the patches of `reference`, by default 1.5 times as large in both directions.

    Arguments, result and errors are those of `from_reference`; `recipe` is by default RECIPES["texture"]["balanced"].
    """
    return from_reference(reference, recipe=recipe or RECIPES["texture"]["balanced"], seed=seed, **more)


def style_transfer(
    style: Images,
    content: Tensor,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    init: Tensor | None = None,
    **more: Any,
) -> Synthesis:
    """Returns `content` with the texture, grain and colours of `style`, by default in the size of the content.

    Styles are scaled down by one factor, until the smallest of their sides is that of the content. They are never enlarged,
    since that adds no detail (deviation: the reference implementation always makes their heights equal).

    Arguments:
        style: One or several styles, as the references of `synthesize`.
        content: Images to start from, (B, C, h, w); there is one output for each.
        recipe: By default RECIPES["style_transfer"]["balanced"].
        seed: As in `synthesize`, as is the result.
        init: Must be None, since the content is the start.
        more: border, symmetry, keep, constraint and on_step, as in `synthesize`.

    Raises:
        GPDMError: `init` is given.
        OptionError: The recipe's guess has another source than "image"; or as in `synthesize`.
        ImageError: As in `synthesize`.
    """
    recipe = recipe or RECIPES["style_transfer"]["balanced"]
    if init is not None:
        raise GPDMError(
            "style transfer starts from the content, and a picture to start from is given too; disconnect init"
        )
    if recipe.guess.source != "image":
        raise OptionError(
            "source", recipe.guess.source, "style transfer starts from the content", "choose source image"
        )
    styles = as_references(style)
    check_alike(check_image(content, "content"), "content", styles[0].image, "style")
    if recipe.output.height:
        content = resize(content, scaled(size_of(content), recipe.output.height / size_of(content)[0]))
    shrink = min(1.0, min(size_of(content)) / min(map(min, sizes_of(styles))))
    size = recipe.output.size(size_of(content))
    return synthesize([x.at(shrink) for x in styles], init=content, size=size, seed=seed, **_parts(recipe), **more)


def from_reference(
    reference: Images, *, recipe: Recipe, seed: int = 0, init: Tensor | None = None, **more: Any
) -> Synthesis:
    """Calls `synthesize` with a recipe: scales the reference to the recipe's height and computes the output's size.

    The output's size follows from `init` if it is given, else from the first reference.

    Arguments:
        reference, seed, init: As in `synthesize`. With init, the recipe's guess must have source "image".
        recipe: The settings.
        more: border, symmetry, keep, constraint and on_step, as in `synthesize`. What is kept has the size of the
            output.

    Raises:
        OptionError: The recipe's height is larger than the reference; or as in `synthesize`.
        ImageError: As in `synthesize`.
    """
    references = as_references(reference)
    height, own = recipe.output.height, size_of(references[0].image)[0]
    if height > own:
        raise OptionError(
            "height",
            height,
            f"the reference is only {own} pixels high and enlarging it would add no detail",
            "use height_factor and width_factor for a larger picture with the same patches",
        )
    if height:
        references = [x.at(height / own) for x in references]
    size = recipe.output.size(size_of(references[0].image if init is None else check_image(init, "init")))
    return synthesize(references, init=init, size=size, seed=seed, **_parts(recipe), **more)


def _parts(recipe: Recipe) -> dict[str, Any]:
    """Returns the arguments of `synthesize` that a recipe determines."""
    return {
        "num_outputs": recipe.output.num_outputs,
        "loss": recipe.loss,
        "pyramid": recipe.pyramid,
        "guess": recipe.guess,
        "optimizer": recipe.optimizer,
        "memory": recipe.output.memory * 2**20 or None,
    }
