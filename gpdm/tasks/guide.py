"""The layout of a start picture, held up to a scale by the guide of the loss."""

from __future__ import annotations

from ..errors import OptionError
from ..losses.base import Loss
from ..losses.guided import guided_up_to
from ..references import sizes_of
from .base import Recipe, check_minimises
from .output import Work


def coarsest_scale(work: Work, recipe: Recipe) -> float:
    """Returns the scale of the coarsest level of a run, where the finest level has scale 1."""
    levels = recipe.pyramid.levels(
        sizes_of(work.references), work.size, recipe.optimizer.largest_patch(work.loss or recipe.loss)
    )
    return levels[0].scale


def with_guide(work: Work, recipe: Recipe, option: str, scale: float) -> Loss:
    """Returns the loss of a run, by which the output is bright and dark where its start is, up to a scale.

    Arguments:
        work: The work, with a start.
        recipe: The settings.
        option: Name of the option that sets the scale, for messages.
        scale: Largest scale at which the guide holds.

    Raises:
        GPDMError: The optimizer minimises no loss.
        OptionError: No level has at most this scale.
    """
    assert work.init is not None
    check_minimises(recipe, f"{option} adds a part to the loss")
    coarsest = coarsest_scale(work, recipe)
    if coarsest > scale:
        raise OptionError(
            option,
            scale,
            f"the coarsest level has {coarsest:.2g} times the full size, so that the guide holds at none",
            "lower coarse_dim (GPDM Pyramid Schedule), for example to 28",
        )
    return guided_up_to(work.loss or recipe.loss, scale, work.init)
