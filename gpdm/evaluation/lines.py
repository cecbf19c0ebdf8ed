"""A metric of lines: whether hairs, wires and blades of grass go on as in the reference."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import gaussian_blur
from ..images import size_of

LINE_STEP = 6
"""Distance along a line between the two profiles that are compared, in pixels. Lines that break up have pieces of about
this length: at 12 pixels the metric did not agree with what one sees, on five photographs."""
HALF_PROFILE = 2
"""Pixels of a profile on each side of the line, for lines up to about three pixels wide."""
GRADIENT_SIGMA, DIRECTION_SIGMA = 0.7, 1.5
"""Standard deviations, in pixels, of the blur before gradients, and of the window whose main direction is taken."""
LINE_CONTRAST = 0.05
"""Contrast of a profile that has half the weight: a standard deviation of values from -1 to 1. Noise in smooth areas
has less."""


def line_continuity(references: Sequence[Tensor], image: Tensor) -> float:
    """Returns how well lines continue, minus how well those of the references do: from -2 to 2, 0 if equally well.

    Thin structures that are broken up match the reference in all small patches. Here the profile across the local
    direction is correlated with that `LINE_STEP` pixels further along it: the mean is 1 for straight lines and about 0
    for short pieces and noise. Blur raises it; the metric high frequencies tells blur from long lines.

    Arguments:
        references: One or several, (1, C, h, w) each.
        image: (1, C, H, W).
    """
    own, others = _continuity(image), torch.stack([_continuity(x) for x in references]).sum(0)
    return float(_mean(own) - _mean(others))


def _mean(sums: Tensor) -> Tensor:
    """Returns a mean from a weighted sum and the sum of weights; 0 if that is 0."""
    return sums[0] / sums[1].clamp(min=1e-12)


def _continuity(image: Tensor) -> Tensor:
    """Returns the weighted sum of the correlations of profiles with those along the line, and the sum of weights."""
    image = image.float()
    across = _normal(image)
    along = torch.stack([-across[1], across[0]])
    here = _profiles(image, across, torch.zeros_like(along))
    energy = here.square().mean(0)
    sums = energy.new_zeros(2)
    for step in (LINE_STEP * along, -LINE_STEP * along):
        there = _profiles(image, across, step)
        correlation = (here * there).mean(0) / (energy * there.square().mean(0)).sqrt().clamp(min=1e-12)
        weight = energy / (energy + LINE_CONTRAST**2) * _inside(step)
        sums += torch.stack([(weight * correlation).sum(), weight.sum()])
    return sums.cpu().double()


def _normal(image: Tensor) -> Tensor:
    """Returns the unit vector across the lines at each pixel, (2, H, W): down and to the right.

    It is the first eigenvector of the structure tensor, the locally averaged outer product of gradients.
    """
    padded = F.pad(gaussian_blur(image, GRADIENT_SIGMA), (1, 1, 1, 1), mode="replicate")
    right = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    products = [(a * b).sum(1, keepdim=True) for a, b in ((down, down), (right, right), (down, right))]
    downs, rights, mixed = gaussian_blur(torch.cat(products, 1), DIRECTION_SIGMA)[0]
    angle = torch.atan2(2 * mixed, rights - downs) / 2
    return torch.stack([angle.sin(), angle.cos()])


def _profiles(image: Tensor, across: Tensor, step: Tensor) -> Tensor:
    """Returns the profile across each pixel moved by `step` (2, H, W), without its mean: (samples C, H, W)."""
    offsets = range(-HALF_PROFILE, HALF_PROFILE + 1)
    profile = torch.stack([_sample(image, step + offset * across) for offset in offsets])
    return (profile - profile.mean(0)).flatten(0, 1)


def _sample(image: Tensor, step: Tensor) -> Tensor:
    """Returns the values of each pixel moved by `step` (2, H, W), between pixels by interpolation: (C, H, W)."""
    grid = (_pixels(step) + step).flip(0) / (step.new_tensor(size_of(image)).flip(0)[:, None, None] - 1) * 2 - 1
    return F.grid_sample(image, grid.permute(1, 2, 0)[None], padding_mode="border", align_corners=True)[0]


def _inside(step: Tensor) -> Tensor:
    """Returns 1 where a pixel moved by `step` (2, H, W) lies in the image, 0 elsewhere, (H, W)."""
    moved, (height, width) = _pixels(step) + step, step.shape[1:]
    return ((moved >= 0) & (moved <= step.new_tensor([height - 1, width - 1])[:, None, None])).all(0).to(step)


def _pixels(like: Tensor) -> Tensor:
    """Returns row and column of each pixel, in the shape of `like`, (2, H, W)."""
    rows, columns = (torch.arange(length, device=like.device, dtype=like.dtype) for length in like.shape[1:])
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
