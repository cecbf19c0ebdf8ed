"""Measures of a filled hole and of a picture that is made tileable. Values of images are from -1 to 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gpdm.edits.masks import grown
from gpdm.evaluation.seams import ratio
from gpdm.patches.nearest import all_patches, nearest

PATCH_SIZE = 7
"""Side of the patches whose nearest patch outside is looked up, in pixels."""
SPACING = 2
"""Rows and columns from one of these patches to the next."""
SURROUNDINGS = 8
"""Width of the surroundings of a hole's border on either side, in pixels."""
BAND = 32
"""Width of the band across opposite borders whose sharpness is measured, in pixels, half of it at each border."""


def changed_outside(image: Tensor, given: Tensor, mask: Tensor) -> int:
    """Returns the number of pixels outside a mask that differ from the given image in any bit of any channel."""
    return int((image != given).any(1, keepdim=True).logical_and(~mask).sum())


def high_pass_energy(image: Tensor, where: Tensor) -> float:
    """Returns the mean square of an image less its 3x3 mean, at the pixels whose 3x3 neighbourhood is in a mask.

    If no neighbourhood is (single pixels), the mean is over all pixels of the mask. Pixels at the borders of the image
    do not count.

    Arguments:
        image: Image, (1, C, H, W).
        where: Mask, bool, (1, 1, H, W).
    """
    image = image.double()
    energy = (image[..., 1:-1, 1:-1] - F.avg_pool2d(image, 3, 1)).square().mean(1, keepdim=True)
    inner = F.max_pool2d((~where).double(), 3, 1) == 0
    return float(energy[inner if bool(inner.any()) else where[..., 1:-1, 1:-1]].mean())


def sharpness(image: Tensor, mask: Tensor) -> float:
    """Returns the high-pass energy inside a mask, relative to that outside: 1 if both are alike, less if blurred."""
    return ratio(high_pass_energy(image, mask), high_pass_energy(image, ~mask))


def patch_distance(image: Tensor, mask: Tensor) -> float:
    """Returns the mean distance from patches that touch a hole to their nearest patches that do not.

    The distance is the mean squared difference of values from 0 to 1. Patches at every second row and column are
    looked up, among all patches outside.

    Arguments:
        image: Image, (1, C, H, W).
        mask: The hole, bool, (1, 1, H, W).
    """
    touched = F.max_pool2d(mask.float(), PATCH_SIZE, 1)[0, 0] > 0
    every = torch.zeros_like(touched)
    every[::SPACING, ::SPACING] = True
    patches = all_patches([(image + 1) / 2], PATCH_SIZE)
    queries, keys = patches[(touched & every).flatten()], patches[~touched.flatten()]
    return float(nearest(queries, keys).distance.double().mean())


def seam(image: Tensor, mask: Tensor) -> float:
    """Returns the mean difference of neighbouring pixels across the border of a hole, over that in its surroundings.

    It is 1 if the border is like its surroundings, higher if there is an edge, lower if the border is blurred. The
    surroundings are all pairs of neighbours at most `SURROUNDINGS` pixels from the border on both sides of it.
    Horizontal and vertical pairs have the same share in both.

    Arguments:
        image: Image, (1, C, H, W).
        mask: The hole, bool, (1, 1, H, W).
    """
    near = grown(mask, SURROUNDINGS) & grown(~mask, SURROUNDINGS)
    across, around = 0.0, 0.0
    for axis in (2, 3):
        steps = image.double().diff(dim=axis).abs().mean(1, keepdim=True)
        length = steps.shape[axis]
        first, second = mask.narrow(axis, 0, length), mask.narrow(axis, 1, length)
        crossing = first ^ second
        others = near.narrow(axis, 0, length) & near.narrow(axis, 1, length) & ~crossing
        if bool(crossing.any()) and bool(others.any()):
            across += float(steps[crossing].sum())
            around += float(steps[others].mean()) * int(crossing.sum())
    return ratio(across, around)


def band_mask(size: tuple[int, int], axes: str, band: int = BAND) -> Tensor:
    """Returns the mask of the band across opposite borders along `axes` (x, y or both), bool, (1, 1, H, W)."""
    mask = torch.zeros(1, 1, *size, dtype=torch.bool)
    for axis, name in ((2, "y"), (3, "x")):
        if axes in (name, "both"):
            mask.narrow(axis, 0, band // 2).fill_(True)
            mask.narrow(axis, size[axis - 2] - band // 2, band // 2).fill_(True)
    return mask
