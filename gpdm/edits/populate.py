"""The coarse levels of a hole that is filled with more of what is around it, by the sliced Wasserstein distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..canvas import Keep
from ..guess import InitialGuess
from ..images import resize, resize_known, scaled, size_of, smooth_fill
from ..losses.swd import SWDLoss
from ..optimizers.gradient import Optimizer
from ..pyramid import PyramidSchedule
from ..references import Reference
from ..synthesis import synthesize
from .fill import COARSE_THICKNESS, usable
from .masks import depths, thickness

POPULATED_SCALE = 0.45
"""Scale up to which the distribution of patches is matched. Above, patches are copied, which is sharper."""
LOSS = SWDLoss()
"""The loss of the coarse levels."""


def populated(
    image: Tensor, hole: Tensor, references: Sequence[Reference], shown: bool, seed: int, patch_size: int
) -> tuple[Tensor, float]:
    """Returns an image whose hole holds the patches of its surroundings in their amounts, and a scale to go on from.

    Patches of the image itself count less the further they are from the hole.

    Arguments:
        image: Image, (1, C, H, W).
        hole: Which pixels are filled, bool, (1, 1, H, W).
        references: Where patches come from.
        shown: Whether to start from what the image shows inside the hole. If not, it is interpolated.
        seed: Seed of the noise in the start.
        patch_size: Side of the patches, in pixels.
    """
    size = scaled(size_of(image), POPULATED_SCALE)
    thick = thickness(hole)
    known = (~hole).to(image)
    begin = image if shown else smooth_fill(image, known)
    if thick * POPULATED_SCALE < COARSE_THICKNESS * patch_size or min(size) < 2 * patch_size:
        return begin, COARSE_THICKNESS * patch_size / thick  # too thin for more than copying
    small, fraction = resize_known(image, known, size)
    distance = depths(fraction >= 0.5).clamp(min=0)  # pixels to the hole
    nearness = torch.exp(-((distance / (thick * POPULATED_SCALE)) ** 2) / 2).to(image)
    scaled_references = [
        replace(x := reference.at(POPULATED_SCALE), weight=x.map() * nearness)
        if size_of(reference.image) == size_of(image)
        else reference.at(POPULATED_SCALE)
        for reference in references
    ]
    coarse = max(round(min(size) * COARSE_THICKNESS * patch_size / (thick * POPULATED_SCALE)), round(1.6 * patch_size))
    while coarse < min(size) and not usable(scaled_references, LOSS.patch_size, coarse / min(size)):
        coarse += 1
    if not usable(scaled_references, LOSS.patch_size, min(coarse / min(size), 1.0)):
        return begin, COARSE_THICKNESS * patch_size / thick
    result = synthesize(
        scaled_references,
        init=resize(begin, size),
        seed=seed,
        loss=LOSS,
        pyramid=PyramidSchedule(coarse_dim=min(coarse, min(size))),
        guess=InitialGuess(source="image", image_noise_sigma=0.5),
        optimizer=Optimizer(num_steps=300, fine_steps=100),
        keep=Keep(small, (fraction >= 0.5).to(image)),
    )
    return result.images, POPULATED_SCALE
