"""A height and normals of one surface made to agree."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..borders import in_rows, wraps
from .normals import OPERATORS, Relief, slopes_of

TRUST = 1.0
"""Weight of differences between neighbouring heights, which the normals give, where heights themselves weigh 1.
Structures larger than about six pixels come from the height then, and finer ones from the normals."""
COMMON = 0.98
"""Fraction of the given slopes that are not steeper than new ones may be: a mean of normals may be far too steep."""


def agreeing_height(height: Tensor, normals: Tensor, relief: Relief, given: Tensor, border: str = "free") -> Tensor:
    """Returns the height whose values are near to those of a height map, and its slopes to those of normals.

    The noise of both is averaged (least squares; a screened Poisson equation, solved by the Fourier transform).

    Arguments:
        height: Height, (B, 1, H, W).
        normals: Normals of the same surface, unit vectors (B, 3, H, W).
        relief: How normals follow from the height.
        given: Normals with usual slopes, (A, 3, h, w).
        border: One of `borders.BORDERS`. At a border that does not wrap, the surface goes on as its mirror image.
    """
    size = height.shape[2:]
    height, normals = in_rows(height, border), in_rows(normals, border)
    changes = _limited(slopes_of(normals), slopes_of(given))
    changes = changes / changes.new_tensor([relief.right, relief.down])[:, None, None]
    for axis, wrapping in zip((2, 3), wraps(border), strict=True):
        if not wrapping:  # the slope along this axis changes its sign in the mirror image
            sign = changes.new_tensor([1.0, -1.0] if axis == 2 else [-1.0, 1.0])[:, None, None]
            height = torch.cat([height, height.flip(axis)], axis)
            changes = torch.cat([changes, changes.flip(axis) * sign], axis)
    right, down = _transfer(height, relief.operator)
    spectrum, along = torch.fft.rfft2(height), torch.fft.rfft2(changes)
    sums = spectrum + TRUST * (right.conj() * along[:, :1] + down.conj() * along[:, 1:])
    solution = sums / (1 + TRUST * (right.abs().square() + down.abs().square()))
    return torch.fft.irfft2(solution, s=height.shape[2:])[..., : size[0], : size[1]].clamp(-1, 1)


def _limited(slope: Tensor, given: Tensor) -> Tensor:
    """Returns slopes (B, 2, H, W) that are no steeper than most of the given ones."""
    steepness = given.norm(dim=1).flatten().sort().values
    limit = steepness[math.ceil(COMMON * len(steepness)) - 1]
    return slope * (limit / slope.norm(dim=1, keepdim=True).clamp(min=1e-6)).clamp(max=1)


def _transfer(image: Tensor, operator: str) -> tuple[Tensor, Tensor]:
    """Returns the factors of the frequencies of an image (B, 1, H, W) in its gradient to the right and down."""
    height, width = image.shape[2:]
    down = torch.fft.fftfreq(height, device=image.device)[:, None] * 2 * math.pi
    right = torch.fft.rfftfreq(width, device=image.device) * 2 * math.pi
    side, middle, _ = OPERATORS[operator]
    return (
        1j * right.sin() * (middle + 2 * side * down.cos()),
        1j * down.sin() * (middle + 2 * side * right.cos()),
    )
