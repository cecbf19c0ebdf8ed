"""Masks of a hole: growing, its depth, and the start of what fills it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import resize, resize_known, scaled, size_of


def grown(mask: Tensor, pixels: int) -> Tensor:
    """Returns a mask (1, 1, H, W), bool, with all pixels up to so many rows and columns away, bool."""
    values = mask.float()
    for axis in (0, 1):  # a square is a row of columns
        size = [1, 1]
        size[axis] = 2 * pixels + 1
        values = F.max_pool2d(values, size, 1, [pixels if length > 1 else 0 for length in size])
    return values > 0.5


def depths(hole: Tensor) -> Tensor:
    """Returns the distance of each pixel of a hole to the nearest pixel outside, in rows or columns, (1, 1, H, W).

    It is 0 outside the hole. Beyond the border of the image nothing is known, so that it counts as hole.
    """
    rest = hole.float()
    depth = rest.clone()
    if bool(hole.all()):
        return depth
    while bool(rest.any()):
        rest = -F.max_pool2d(-rest, 3, 1, 1)
        depth += rest
    return depth


def thickness(hole: Tensor) -> int:
    """Returns the thickness of a hole (1, 1, H, W), bool, in pixels: twice its largest depth; 0 if there is none."""
    return 2 * int(depths(hole).max())


def smooth_fill(image: Tensor, known: Tensor) -> Tensor:
    """Returns an image (1, C, H, W) whose unknown pixels are interpolated smoothly from the known ones.

    It is filled at half the size first, and so on (pull-push).

    Arguments:
        image: Image.
        known: 1 where it is known, 0 elsewhere, (1, 1, H, W).
    """
    if bool((known > 0).all()):
        return image
    if min(size_of(image)) == 1:
        mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1e-6)
        return torch.where(known > 0, image, mean)
    half, fraction = resize_known(image, known, scaled(size_of(image), 0.5))
    filled = smooth_fill(half, (fraction > 0).to(image))
    return torch.where(known > 0, image, resize(filled, size_of(image)))
