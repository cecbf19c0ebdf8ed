"""The shapes of the holes, as masks: an ellipse, a rectangle at a border, a square, and thin lines."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from ..common import Size

LINE_WIDTHS = (3.0, 4.0, 5.0)
"""Widths of the lines, in pixels."""

BORDER_LENGTH, BORDER_DEPTH = 0.4, 0.25
"""Length of the rectangle along the border, and its depth, in fractions of the shorter side."""

SCRATCHES = (
    ((0.05, 0.12), (0.40, 0.30), (0.93, 0.22)),
    ((0.85, 0.05), (0.72, 0.50), (0.80, 0.95)),
    ((0.04, 0.70), (0.30, 0.52), (0.62, 0.62)),
)
"""Three scratches as points (x, y) in fractions of the picture."""
LETTERS = (
    ((0.0, 0.0), (0.0, 1.0), (0.7, 1.0)),  # L
    ((1.0, 1.0), (1.35, 0.0), (1.7, 1.0)),  # A
    ((1.15, 0.62), (1.55, 0.62)),
    ((2.0, 1.0), (2.0, 0.0), (2.7, 1.0), (2.7, 0.0)),  # N
    ((3.7, 0.0), (3.0, 0.0), (3.0, 1.0), (3.7, 1.0)),  # E
    ((3.0, 0.5), (3.5, 0.5)),
)
"""A word as lines between points (x, y), in heights of a letter."""
WORD_ORIGIN, LETTER_HEIGHT = (0.15, 0.72), 0.18
"""Top left of the word in fractions of the picture; height of a letter in fractions of the shorter side."""


def ellipse(place: tuple[float, float, float, float], size: Size) -> Tensor:
    """Returns the mask of an ellipse, placed as in `ELLIPSES`, bool, (1, 1, H, W)."""
    height, width = size
    x, y = torch.arange(width) + 0.5 - place[0] * width, torch.arange(height)[:, None] + 0.5 - place[1] * height
    radii = [fraction * min(size) / 2 for fraction in place[2:]]
    return ((x / radii[0]).square() + (y / radii[1]).square() <= 1)[None, None]


def border_rectangle(border: str, centre: float, size: Size) -> Tensor:
    """Returns the mask of a rectangle that touches a border, placed as in `BORDERS`, bool, (1, 1, H, W)."""
    mask = torch.zeros(1, 1, *size, dtype=torch.bool)
    axis = 2 if border in ("left", "right") else 3
    length, depth = (round(fraction * min(size)) for fraction in (BORDER_LENGTH, BORDER_DEPTH))
    start = round(centre * mask.shape[axis] - length / 2)
    across = 5 - axis
    first = 0 if border in ("left", "top") else mask.shape[across] - depth
    mask.narrow(axis, start, length).narrow(across, first, depth).fill_(True)
    return mask


def lines(size: Size) -> Tensor:
    """Returns the mask of three scratches and a word, thin lines of `LINE_WIDTHS` pixels, bool, (1, 1, H, W)."""
    height, width = size
    unit, (left, top) = LETTER_HEIGHT * min(size), WORD_ORIGIN
    polylines = [
        ([(x * width, y * height) for x, y in line], w) for line, w in zip(SCRATCHES, LINE_WIDTHS, strict=True)
    ]
    polylines += [([(left * width + x * unit, top * height + y * unit) for x, y in line], 4.0) for line in LETTERS]
    mask = torch.zeros(size, dtype=torch.bool)
    for points, line_width in polylines:
        for start, end in pairwise(points):
            mask |= segment_distance(start, end, size) <= line_width / 2
    return mask[None, None]


def segment_distance(start: tuple[float, float], end: tuple[float, float], size: Size) -> Tensor:
    """Returns the distance of the centre of every pixel to a line from `start` to `end`, points (x, y), (H, W)."""
    x, y = torch.arange(size[1]) + 0.5 - start[0], torch.arange(size[0])[:, None] + 0.5 - start[1]
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x * dx + y * dy) / (dx * dx + dy * dy)).clamp(0, 1)
    return ((x - along * dx).square() + (y - along * dy).square()).sqrt()


def centred_square(side: int, hole_side: int) -> Tensor:
    """Returns the mask of a square hole in the middle of a square picture, bool, (1, 1, side, side)."""
    mask = torch.zeros(1, 1, side, side, dtype=torch.bool)
    start = (side - hole_side) // 2
    mask[..., start : start + hole_side, start : start + hole_side] = True
    return mask
