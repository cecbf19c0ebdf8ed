"""Flat parts of a picture: where nothing but grain differs from pixel to pixel."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import gaussian_blur
from ..pictures.forms import grey

LEVEL = 2 / 255
"""One of 256 levels, for pixels from -1 to 1."""
SCALES = (1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the blurs, in pixels, between which the bands of the local structure lie."""
EXCESS = (2.5, 4.0, 6.0, 8.0)
"""Energy of each band, relative to the flattest pixels of the same brightness, up to which a pixel is flat. Coarse
bands have few independent values in a window, so that grain itself varies more there."""
SHAPE_EXCESS = (2.0, 3.0, 5.0)
"""Energy of each coarser band relative to the finest ones, over that of the flattest pixels, up to which a pixel is
flat. Grain of all brightnesses has one spectrum, and textures have more in the coarse bands."""
WINDOW = 6
"""Radius of the window over which energies are averaged, in pixels."""
BRIGHTNESS_BINS = 16
LEAST_OF_BIN = 64
"""Number of pixels of a brightness from which their flattest ones are known."""
LARGEST_RATIO = 9.0
"""Largest energy of the flattest pixels of a brightness, relative to the flattest of the picture. Grain varies less
with brightness; a brightness that only textured pixels have is not flat."""
LEAST_ENERGY = (0.075 * LEVEL) ** 2
"""Energy of the finest band below which a pixel has no grain: it is posterised, painted or rendered."""
MIN_SIDE = 5
"""Side of the squares of which the flat parts consist, in pixels, so that they hold whole patches."""


def brightness(image: Tensor) -> Tensor:
    """Returns the brightness of pictures (B, 1 or 3, H, W), (B, 1, H, W) in [-1, 1]."""
    return grey(image)


def flat_parts(image: Tensor, visible: Tensor | None = None) -> Tensor:
    """Returns where a picture is flat: at no scale there is more than its grain, and no value is at a limit.

    Energies of four bands are compared with those of the flattest pixels of the same brightness.

    Arguments:
        image: Picture, (1, 1 or 3, H, W) in [-1, 1].
        visible: Pixels that count, bool, (1, 1, H, W); None: all.

    Returns:
        bool, (1, 1, H, W).
    """
    luma = brightness(image)
    energies = _band_energies(luma)
    finest = energies[0] + energies[1]
    # Grain is fine: more energy in the coarse bands is structure.
    usable = _inside_range(image) & (energies[0] > LEAST_ENERGY) & (energies[2] < finest) & (energies[3] < finest)
    if visible is not None:
        usable &= _mean((~visible).to(image)) == 0
    if not bool(usable.any()):
        return usable
    bins = ((gaussian_blur(luma, SCALES[1]) + 1) / 2 * BRIGHTNESS_BINS).long().clamp(0, BRIGHTNESS_BINS - 1)
    flat = usable.clone()
    for energy, excess in zip(energies, EXCESS, strict=True):
        flat &= energy <= excess * _flattest(energy, usable, bins)[bins]
    for energy, excess in zip(energies[1:], SHAPE_EXCESS, strict=True):
        if bool(flat.any()):
            share = energy / finest.clamp(min=LEAST_ENERGY)
            flat &= share <= excess * _quantile(share[flat], 0.1)
    return _opened(flat)


def without_grain(image: Tensor) -> Tensor:
    """Returns where a picture (1, 1 or 3, H, W) has no grain at all, bool, (1, 1, H, W)."""
    return _inside_range(image) & (_band_energies(brightness(image))[0] <= LEAST_ENERGY)


def _band_energies(luma: Tensor) -> list[Tensor]:
    """Returns the mean square of each band around each pixel, (1, 1, H, W) each, fine to coarse."""
    blurred = [luma, *(gaussian_blur(luma, scale) for scale in SCALES)]
    return [_mean((fine - coarse).square()) for fine, coarse in pairwise(blurred)]


def _inside_range(image: Tensor) -> Tensor:
    """Returns where hardly a pixel around has a value at the limits of the range, bool, (1, 1, H, W)."""
    limits = (image.amax(1, keepdim=True) >= 1 - LEVEL) | (image.amin(1, keepdim=True) <= LEVEL - 1)
    return _mean(limits.to(image)) < 0.02


def _mean(image: Tensor) -> Tensor:
    """Returns the mean of the window around each pixel of an image (1, 1, H, W)."""
    side = 2 * WINDOW + 1
    rows = F.avg_pool2d(F.pad(image, (0, 0, WINDOW, WINDOW), mode="replicate"), (side, 1), 1)
    return F.avg_pool2d(F.pad(rows, (WINDOW, WINDOW, 0, 0), mode="replicate"), (1, side), 1)


def _flattest(energy: Tensor, usable: Tensor, bins: Tensor) -> Tensor:
    """Returns the energy of the flattest usable pixels of each brightness, (bins,); 0 where there are too few."""
    limit = LARGEST_RATIO * _quantile(energy[usable], 0.02)
    floors = energy.new_zeros(BRIGHTNESS_BINS)
    for number in bins[usable].unique().tolist():
        values = energy[usable & (bins == number)]
        if len(values) >= LEAST_OF_BIN:
            floors[number] = torch.minimum(_quantile(values, 0.05), limit)
    return floors


def _quantile(values: Tensor, level: float) -> Tensor:
    """Returns a quantile of any number of values (n,); `torch.quantile` takes 16 million at most."""
    return values.kthvalue(max(round(level * len(values)), 1)).values


def _opened(flat: Tensor) -> Tensor:
    """Returns the pixels of a map that lie in a square of `MIN_SIDE` pixels of the map."""
    if min(flat.shape[2:]) < MIN_SIDE:
        return torch.zeros_like(flat)
    outside = F.max_pool2d((~flat).float(), MIN_SIDE, 1)
    return F.max_pool2d(F.pad(1 - outside, (MIN_SIDE - 1,) * 4), MIN_SIDE, 1) > 0
