"""Optimal transport of colours: an image with the distribution of the references' pixels."""

from __future__ import annotations

from torch import Tensor

from ..losses.swd import SWDLoss
from ..optimizers.gradient import Optimizer
from ..pyramid import PyramidSchedule
from ..references import Images
from ..synthesis import OnStep, synthesize

COLOURS = SWDLoss(patch_size=1, num_proj=64, small_patches=0.0, detail=0.0, coherence=0.0)
"""Distance of the distributions of single pixels."""
NEWTON = Optimizer(method="newton", num_steps=30, fine_steps=0, tolerance=0.0)
AT_FULL_SIZE = PyramidSchedule(coarse_dim=4096)


def with_colours_of(references: Images, image: Tensor, seed: int = 0, on_step: OnStep | None = None) -> Tensor:
    """Returns an image with the distribution of the references' colours, (1, C, H, W), at one level.

    Arguments:
        references: Images (B, C, h, w) in [-1, 1], `Reference`s, or a list of either; together one distribution.
        image: Image, (1, C, H, W) in [-1, 1]. Pixels outside the regions of the references keep their colours.
        seed: Any integer.
        on_step: Callback after every step.

    References:
        Pitie, Kokaram and Dahyot, Automated Colour Grading Using Colour Distribution Transfer, CVIU 2007.
    """
    return synthesize(
        references,
        init=image,
        seed=seed,
        loss=COLOURS,
        pyramid=AT_FULL_SIZE,
        optimizer=NEWTON,
        on_step=on_step,
    ).images
