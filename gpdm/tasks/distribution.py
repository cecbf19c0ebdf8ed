"""The patch distribution of pictures as people have them, to be saved."""

from __future__ import annotations

from collections.abc import Sequence

from ..distributions.stored import PatchDistribution
from ..losses.measure import DistributionOptions, patch_distribution
from ..pictures.forms import Form, check_visible, is_grey
from ..references import Images
from .pictures import checked, in_form


def picture_distribution(
    pictures: Images, options: DistributionOptions | None = None, names: Sequence[str] = ()
) -> PatchDistribution:
    """Returns the patch distribution of grey or RGB pictures, without their transparent pixels.

    Arguments:
        pictures: Images (B, C, h, w) in [-1, 1] with C from 1 to 4, `Reference`s, or a list of either.
        options: What is stored.
        names: What the pictures are, to be saved with them; by default nothing is.

    Raises:
        ImageError: A picture cannot be used, is transparent everywhere, or is smaller than a patch.
        OptionError: No patch has a weight above 0, or a reference is itself a saved distribution.
    """
    given = checked(pictures, "picture")
    for number, reference in enumerate(given, start=1):
        check_visible(reference.image, f"picture {number}")
    form = Form(colour=not all(is_grey(x.image, x.weight) for x in given), alpha=False)
    return patch_distribution([in_form(reference, form) for reference in given], options, names)
