"""Removal of a picture's own grain, whose covariance and strength are known."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import gaussian_blur
from .flat import brightness
from .grain_model import Grain, at_brightness, covariance

SIDE, STEP = 16, 4
"""Side of the blocks and distance between neighbouring blocks, in pixels."""
THRESHOLD = 2.7
"""Amplitude of a frequency, in standard deviations of the grain there, below which it is taken as grain."""
STRIP_ROWS = 32
"""Number of rows of blocks that are transformed at once."""
OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.0, -0.5), (0.25, -0.5, 0.25))
"""Mean and two differences of colours, as rows. Edges are in the mean, which grain of single channels hides less."""


def without_own_grain(image: Tensor, grain: Grain) -> Tensor:
    """Returns a picture without its grain.

    Blocks are transformed, and frequencies that are no stronger than grain are set to 0 (hard thresholding). Details
    that are as weak as the grain go with it.

    Arguments:
        image: Picture, (1, 1 or 3, H, W) in [-1, 1].
        grain: Its own grain, `Grain.of(image)`.

    References:
        Yu and Sapiro, DCT image denoising: a simple and effective image denoising algorithm, IPOL 2011.
    """
    change = torch.eye(1) if image.shape[1] == 1 else torch.tensor(OPPONENT)
    change = change.to(image)
    deviation = _spectrum_deviation(grain, change)
    # One factor for all channels: they follow nearly the same law.
    strength = at_brightness(grain.deviation.square().mean(0, keepdim=True).sqrt(), _brightness_below_grain(image))
    colours = torch.einsum("dc,bchw->bdhw", change, image)
    smooth = _thresholded(colours, strength, deviation)
    return torch.einsum("cd,bdhw->bchw", torch.linalg.inv(change), smooth)


def _brightness_below_grain(image: Tensor) -> Tensor:
    return gaussian_blur(brightness(image), 2.0)


def _spectrum_deviation(grain: Grain, change: Tensor) -> Tensor:
    """Returns the standard deviation of each frequency of a windowed block of grain, (C, SIDE, SIDE // 2 + 1).

    It is that of grain of overall standard deviation 1; `change` (C, C) is applied to the channels first.
    """
    levels = grain.deviation.square().mean(1).sqrt()
    levels = (levels / levels.square().mean().sqrt()).double()
    mixed = change.double() * levels
    covariances = torch.einsum("ic,id,cdhw->ihw", mixed, mixed, covariance(grain.texture, grain.flat))
    middle = covariances.shape[-1] // 2
    near = covariances[:, middle - SIDE + 1 : middle + SIDE, middle - SIDE + 1 : middle + SIDE]
    window = _window(covariances)
    # The expected power of a windowed block is the transform of the covariances times the window's autocorrelation.
    overlap = F.conv2d(window[None, None], window[None, None], padding=SIDE - 1)[0, 0]
    index = torch.arange(1 - SIDE, SIDE, device=near.device) % (2 * SIDE)
    padded = near.new_zeros(len(near), 2 * SIDE, 2 * SIDE)
    padded[:, index[:, None], index] = near * overlap
    return torch.fft.fft2(padded).real[:, ::2, ::2][..., : SIDE // 2 + 1].clamp(min=0).sqrt()


def _window(like: Tensor) -> Tensor:
    """Returns the window of a block, (SIDE, SIDE). The squares of overlapping windows have a constant sum."""
    positions = torch.arange(SIDE, dtype=like.dtype, device=like.device) + 0.5
    row = torch.sin(math.pi * positions / SIDE)
    return torch.outer(row, row)


def _thresholded(image: Tensor, strength: Tensor, deviation: Tensor) -> Tensor:
    """Returns an image (1, C, H, W) whose blocks have lost the frequencies that are no stronger than grain."""
    channels, height, width = image.shape[1:]
    after = [-(-side // STEP) * STEP - side + SIDE for side in (height, width)]
    margins = (SIDE, after[1], SIDE, after[0])
    padded = F.pad(image, margins, mode="replicate")
    levels = F.avg_pool2d(F.pad(strength, margins, mode="replicate"), SIDE, STEP)[0, 0]
    window, limits = _window(image), (THRESHOLD * deviation).to(image)
    total, weight = torch.zeros_like(padded), torch.zeros_like(padded[:, :1])
    square = window.square().flatten()[:, None]
    for first in range(0, len(levels), STRIP_ROWS):
        rows = levels[first : first + STRIP_ROWS]
        top, size = first * STEP, ((len(rows) - 1) * STEP + SIDE, padded.shape[3])
        strip = padded[:, :, top : top + size[0]]
        blocks = F.unfold(strip, SIDE, stride=STEP).view(channels, SIDE, SIDE, -1).permute(3, 0, 1, 2)
        mean = blocks.mean((2, 3), keepdim=True)
        spectrum = torch.fft.rfft2((blocks - mean) * window)
        spectrum = torch.where(spectrum.abs() > rows.flatten()[:, None, None, None] * limits, spectrum, 0)
        kept = (torch.fft.irfft2(spectrum, s=(SIDE, SIDE)) + mean * window) * window
        columns = kept.permute(1, 2, 3, 0).reshape(1, channels * SIDE * SIDE, -1)
        total[:, :, top : top + size[0]] += F.fold(columns, size, SIDE, stride=STEP)
        ones = square.expand(-1, columns.shape[2])[None]
        weight[:, :, top : top + size[0]] += F.fold(ones, size, SIDE, stride=STEP)
    return (total / weight.clamp(min=1e-6))[..., SIDE : SIDE + height, SIDE : SIDE + width]
