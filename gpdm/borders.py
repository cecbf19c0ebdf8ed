"""Borders: how an image goes on beyond its edges, for patches, resizing and blurring.

A border is free, or it is circular: the image goes on at its opposite side, so that it tiles.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Border = Literal["free", "circular", "circular x", "circular y"]
BORDERS: tuple[str, ...] = get_args(Border)
"""Free; circular in both directions; circular in x only (left and right meet); circular in y only (top and bottom meet)."""
BORDER_HELP = "free ends patches at the border. circular lets them go on at the opposite side, so that the result tiles: in both directions, or in x or y only."
"""Help text of the options called border."""


def wraps(border: str) -> tuple[bool, bool]:
    """Returns whether the image wraps vertically (top and bottom meet) and horizontally (left and right meet)."""
    return border in ("circular", "circular y"), border in ("circular", "circular x")


def padded_size(size: tuple[int, int], patch_size: int, border: str) -> tuple[int, int]:
    """Returns height and width after `wrap`."""
    vertical, horizontal = wraps(border)
    return size[0] + vertical * (patch_size - 1), size[1] + horizontal * (patch_size - 1)


def wrap(image: Tensor, patch_size: int, border: str) -> Tensor:
    """Pads `image` (1, C, H, W) at the bottom and right with patch_size - 1 pixels of the opposite side, where `border` wraps.

    The patches of the result that lie wholly inside are all patches of the image, those across its borders included.
    """
    vertical, horizontal = wraps(border)
    if vertical:
        image = torch.cat([image, image[..., : patch_size - 1, :]], dim=2)
    if horizontal:
        image = torch.cat([image, image[..., : patch_size - 1]], dim=3)
    return image


def wrap_adjoint(image: Tensor, patch_size: int, border: str) -> Tensor:
    """Applies the adjoint of `wrap`: adds the padding to the pixels that it was copied from."""
    vertical, horizontal = wraps(border)
    if horizontal:
        width = image.shape[3] - patch_size + 1
        image, beyond = image[..., :width].clone(), image[..., width:]
        image[..., : patch_size - 1] += beyond
    if vertical:
        height = image.shape[2] - patch_size + 1
        image, beyond = image[..., :height, :].clone(), image[..., height:, :]
        image[..., : patch_size - 1, :] += beyond
    return image


def patch_weights(weights: Tensor, patch_size: int, border: str = "free", *, exclude: bool = False) -> Tensor:
    """Returns the weight of every patch: the mean over the pixels it covers.

    Arguments:
        weights: Weights of pixels, (1, 1, H, W), not negative.
        patch_size: Side of the patches, in pixels.
        border: One of `BORDERS`; patches go on across borders that wrap.
        exclude: Whether a patch that touches a pixel of weight 0 has weight 0.

    Returns:
        Weights with the shape (rows, columns) of the grid of all patches, of the dtype of `weights`.
    """
    wrapped = wrap(weights, patch_size, border)
    mean = F.avg_pool2d(wrapped, patch_size, 1)[0, 0]
    if not exclude:
        return mean
    least = -F.max_pool2d(-wrapped, patch_size, 1)[0, 0]
    return torch.where(least > 0, mean, torch.zeros_like(mean))


def interpolate(image: Tensor, size: tuple[int, int], border: str = "free") -> Tensor:
    """Returns `image` (B, C, H, W) at `size`, bilinear and with antialiasing; across borders that wrap it is interpolated circularly."""
    around = wraps(border)
    if not any(around):
        return F.interpolate(image, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
    for axis, length in enumerate(size):
        if around[axis]:
            image = _interpolate_around(image, axis + 2, length)
        else:
            one = (length, image.shape[3]) if axis == 0 else (image.shape[2], length)
            image = interpolate(image, one)
    return image


def _interpolate_around(image: Tensor, axis: int, length: int) -> Tensor:
    """Interpolates along one axis, whose ends meet, with the weights of torch's antialiased bilinear filter."""
    own = image.shape[axis]
    step = own / length
    reach = max(step, 1.0)
    centre = (torch.arange(length, dtype=torch.float64) + 0.5) * step - 0.5
    first = (centre - reach).floor().long() + 1
    position = first[:, None] + torch.arange(math.ceil(2 * reach))
    weight = (1 - (position - centre[:, None]).abs() / reach).clamp(min=0)
    weight /= weight.sum(1, keepdim=True)
    shape = [1, 1, 1, 1]
    shape[axis] = length
    result = torch.zeros((), dtype=image.dtype, device=image.device)
    for index, share in zip((position % own).T, weight.T, strict=True):
        taken = image.index_select(axis, index.to(image.device))
        result = result + taken * share.to(image).reshape(shape)
    return result


def upsample(image: Tensor, size: tuple[int, int], border: str, old: float = 0.0, new: float = 0.0) -> Tensor:
    """Returns `image` (B, C, H, W) enlarged to `size`: bilinear along free axes, by its Fourier series along those that wrap.

    Interpolation makes some places sharper than others, in a pattern that depends on where new pixels lie among the old ones. At the
    border that is the same at every level, unless the grids are displaced, and what is sharp there grows to a seam.

    Arguments:
        image: The smaller image.
        size: Height and width of the larger one.
        border: One of `BORDERS`.
        old, new: By how many of its own pixels the grid of the smaller image, and of the larger one, is displaced along axes that wrap.
    """
    around = wraps(border)
    if not all(around):
        size_free = (image.shape[2] if around[0] else size[0], image.shape[3] if around[1] else size[1])
        image = image if tuple(image.shape[2:]) == size_free else interpolate(image, size_free)
    for axis, length in enumerate(size):
        shift = (0.5 + new) * image.shape[axis + 2] / length - 0.5 - old
        if around[axis] and (image.shape[axis + 2] != length or shift):
            image = _resample_around(image, axis + 2, length, shift)
    return image


def _resample_around(image: Tensor, axis: int, length: int, first: float) -> Tensor:
    """Evaluates the Fourier series of an image along one axis at `length` evenly spaced places from `first` on, in pixels."""
    own = image.shape[axis]
    series = torch.fft.rfft(image, dim=axis)
    wave = torch.arange(series.shape[axis], dtype=image.dtype, device=image.device)
    factor = torch.polar(torch.full_like(wave, length / own), 2 * math.pi * first / own * wave)
    if own % 2 == 0 and length > own:
        factor[-1] = factor[-1] / 2  # half of the highest wave belongs to its negative
    shape = [1, 1, 1, 1]
    shape[axis] = len(wave)
    return torch.fft.irfft(series * factor.reshape(shape), n=length, dim=axis)


def gaussian_blur(image: Tensor, sigma: float, border: str = "free") -> Tensor:
    """Convolves `image` (B, C, H, W) with a Gaussian of standard deviation `sigma` pixels; free borders repeat their pixels."""
    if sigma == 0:
        return image
    radius = math.ceil(3 * sigma)
    x = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    groups = image.shape[1]
    kernel = (kernel / kernel.sum()).expand(groups, 1, 1, -1)  # (C, 1, 1, 2 r + 1)
    vertical, horizontal = wraps(border)
    image = F.conv2d(_extended(image, 3, radius, horizontal), kernel, groups=groups)
    return F.conv2d(_extended(image, 2, radius, vertical), kernel.mT, groups=groups)


def _extended(image: Tensor, axis: int, number: int, around: bool) -> Tensor:
    """Adds `number` pixels at both ends of an axis: those of the other end, or the last one repeated."""
    length = image.shape[axis]
    if around:  # by index, since torch pads circularly at most once around
        return image.index_select(axis, torch.arange(-number, length + number, device=image.device) % length)
    padding = (number, number, 0, 0) if axis == 3 else (0, 0, number, number)
    return F.pad(image, padding, mode="replicate")


JOIN = 7
"""Width of the band at each border that wraps in which `join_borders` changes an image, in pixels: a patch."""


def join_borders(image: Tensor, border: str) -> Tensor:
    """Returns an image (B, C, H, W) whose steps across borders that wrap are no larger than its mean step between neighbours.

    Both sides are led toward each other, within `JOIN` pixels. The optimisation would keep larger steps: patches do not mind them.
    """
    for axis, around in zip((2, 3), wraps(border), strict=True):
        length = image.shape[axis]
        if around and length > 1:
            band = min(JOIN, length // 2)
            fade = torch.zeros(length, dtype=image.dtype, device=image.device)
            fade[:band] = 0.5 * (1 - torch.arange(band, dtype=image.dtype, device=image.device) / band)
            fade = fade - fade.flip(0)
            shape = [1, 1, 1, 1]
            shape[axis] = length
            typical = float(image.diff(dim=axis).abs().mean())
            step = image.narrow(axis, length - 1, 1) - image.narrow(axis, 0, 1)
            image = image + (step - step.clamp(-typical, typical)) * fade.reshape(shape)
    return image
