"""Losing a part of the reference in an output of another size: what is left out goes first."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..images import Size, resize, scaled, size_of, smooth_fill
from ..references import Reference
from .output import OutputOptions, Work, by_reference

SIDES = (128, 512)
"""Largest shorter and longer side of the reference in which seams are cut, in pixels. The start is used at the coarsest
level only, which is smaller."""


def by_reference_without_dropped(work: Work, output: OutputOptions) -> Work:
    """Does what `by_reference` does. If the first reference has pixels of weight 0, the output starts without them."""
    work = by_reference(work, output)
    dropped = work.references[0].map() == 0
    if work.init is not None or not bool(dropped.any()) or bool(dropped.all()):
        return work
    return replace(work, start=without_dropped(work.references[0], work.size))


def without_dropped(reference: Reference, size: Size) -> Tensor:
    """Returns a start for an output of a size, without the pixels of weight 0, (1, C, h, w) of the same aspect ratio.

    If the output is narrower, seams through these pixels are cut out until it is narrow enough or none of the pixels
    is left, so that the rest keeps its proportions; likewise if it is lower. What remains of them is filled smoothly,
    and the rest is stretched.

    References:
        Avidan and Shamir, Seam Carving for Content-Aware Image Resizing, SIGGRAPH 2007, section 4.6.
    """
    given = size_of(reference.image)
    scale = min(1.0, SIDES[0] / min(given), SIDES[1] / max(given))
    small = reference.at(scale)
    dropped = small.map() == 0
    image = smooth_fill(small.image, (~dropped).to(small.image))
    height, width = (max(length, 1) for length in scaled(size, scale))
    image, dropped = _narrower(image, dropped, width)
    image, dropped = (x.mT for x in _narrower(image.mT, dropped.mT, height))
    return resize(image, (height, width))


def _narrower(image: Tensor, dropped: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Returns an image and a mask without seams through the mask: as many as there are, down to a width."""
    while image.shape[3] > width and bool(dropped.any()):
        seam = _seam(_contrast(image) - dropped[0, 0].to(image) * 1e3)
        kept = torch.ones_like(dropped[0, 0])
        kept[torch.arange(len(seam)), seam] = False
        image, dropped = (x[:, :, kept].unflatten(2, (len(seam), -1)) for x in (image, dropped))
    return image, dropped


def _contrast(image: Tensor) -> Tensor:
    """Returns the sum of differences of each pixel to its neighbours, (H, W)."""
    total = torch.zeros_like(image[0, 0])
    across, down = image.diff(dim=3).abs().sum((0, 1)), image.diff(dim=2).abs().sum((0, 1))
    total[:, :-1] += across
    total[:, 1:] += across
    total[:-1] += down
    total[1:] += down
    return total


def _seam(cost: Tensor) -> Tensor:
    """Returns the column in each row of the connected path from top to bottom with the lowest sum of `cost` (H, W)."""
    total, end = cost.cpu().double(), torch.full((1,), torch.inf, dtype=torch.float64)
    for row in range(1, len(total)):
        above = torch.cat([end, total[row - 1], end])
        total[row] += above.unfold(0, 3, 1).amin(1)
    columns = [int(total[-1].argmin())]
    for row in reversed(total[:-1]):
        first = max(columns[-1] - 1, 0)
        columns.append(first + int(row[first : columns[-1] + 2].argmin()))
    return torch.tensor(columns[::-1], device=cost.device)
