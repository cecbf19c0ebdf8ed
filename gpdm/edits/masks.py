"""Masks of a hole: growing, depth and thickness."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


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
