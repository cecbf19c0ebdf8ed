"""Borders of an image: patches, resizing and blurring across them.

A border is free or circular. Across a circular border the image continues at its opposite side, so that it tiles.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Border = Literal["free", "circular", "circular x", "circular y"]
BORDERS: tuple[str, ...] = get_args(Border)
"""Free; circular in both directions; circular in x only (left and right meet); circular in y only (top and bottom
meet)."""
BORDER_HELP = (
    "Directions in which the output tiles: circular in both, circular x from left to right, circular y from top to "
    "bottom. free does not tile; the option tile of a task sets this too."
)
"""Help text of the options called border."""
FOURIER_SIDE = 64
"""Shorter side of a level, in pixels, from which `upsample` uses the Fourier series along axes that do not wrap."""
JOIN_WIDTH = 7
"""Width of the band that `join_borders` changes at each border that wraps, in pixels: the default patch size."""


def wraps(border: str) -> tuple[bool, bool]:
    """Returns whether the image wraps vertically (top and bottom meet) and horizontally (left and right meet)."""
    return border in ("circular", "circular y"), border in ("circular", "circular x")


def padded_size(size: tuple[int, int], patch_size: int, border: str) -> tuple[int, int]:
    """Returns height and width after `wrap`."""
    vertical, horizontal = wraps(border)
    return size[0] + vertical * (patch_size - 1), size[1] + horizontal * (patch_size - 1)


def wrap(image: Tensor, patch_size: int, border: str) -> Tensor:
    """Pads an image with patch_size - 1 pixels of the opposite side, at the bottom and right where the border wraps.

    The patches of the result are all patches of the image, including those across its borders.

    Arguments:
        image: (1, C, H, W).
        patch_size: Side of the patches, in pixels.
        border: One of `BORDERS`.
    """
    vertical, horizontal = wraps(border)
    if vertical:
        image = torch.cat([image, image[..., : patch_size - 1, :]], dim=2)
    if horizontal:
        image = torch.cat([image, image[..., : patch_size - 1]], dim=3)
    return image


def wrap_adjoint_(image: Tensor, patch_size: int, border: str) -> Tensor:
    """Applies the adjoint of `wrap` in place: adds the padding to the pixels that it was copied from.

    Returns a view of `image`, without the padding.
    """
    vertical, horizontal = wraps(border)
    if horizontal:
        width = image.shape[3] - patch_size + 1
        image, padding = image[..., :width], image[..., width:]
        image[..., : patch_size - 1] += padding
    if vertical:
        height = image.shape[2] - patch_size + 1
        image, padding = image[..., :height, :], image[..., height:, :]
        image[..., : patch_size - 1, :] += padding
    return image


def patch_weights(weights: Tensor, patch_size: int, border: str = "free", *, exclude: bool = False) -> Tensor:
    """Returns the weight of every patch: the mean over the pixels it covers.

    Arguments:
        weights: Weights of pixels, (1, 1, H, W), not negative.
        patch_size: Side of the patches, in pixels.
        border: One of `BORDERS`; patches continue across borders that wrap.
        exclude: Whether a patch that touches a pixel of weight 0 has weight 0.

    Returns:
        Weights with the shape (rows, columns) of the grid of all patches, of the dtype of `weights`.
    """
    wrapped = wrap(weights, patch_size, border)
    mean = F.avg_pool2d(wrapped, patch_size, 1)[0, 0]
    if not exclude:
        return mean
    minimum = -F.max_pool2d(-wrapped, patch_size, 1)[0, 0]
    return torch.where(minimum > 0, mean, torch.zeros_like(mean))


def interpolate(image: Tensor, size: tuple[int, int], border: str = "free") -> Tensor:
    """Returns an image (B, C, H, W) at `size`, by bilinear interpolation with antialiasing.

    Across borders that wrap the interpolation is circular.
    """
    circular = wraps(border)
    if not any(circular):
        return F.interpolate(image, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
    for axis, length in enumerate(size):
        if circular[axis]:
            image = _interpolate_circular(image, axis + 2, length)
        else:
            one_axis = (length, image.shape[3]) if axis == 0 else (image.shape[2], length)
            image = interpolate(image, one_axis)
    return image


def _interpolate_circular(image: Tensor, axis: int, length: int) -> Tensor:
    """Interpolates along one axis, whose ends meet, with the weights of torch's antialiased bilinear filter."""
    old_length = image.shape[axis]
    step = old_length / length
    radius = max(step, 1.0)
    centre = (torch.arange(length, dtype=torch.float64) + 0.5) * step - 0.5
    first = (centre - radius).floor().long() + 1
    position = first[:, None] + torch.arange(math.ceil(2 * radius))
    weights = (1 - (position - centre[:, None]).abs() / radius).clamp(min=0)
    weights /= weights.sum(1, keepdim=True)
    shape = [1, 1, 1, 1]
    shape[axis] = length
    result = torch.zeros((), dtype=image.dtype, device=image.device)
    for index, weight in zip((position % old_length).T, weights.T, strict=True):
        pixels = image.index_select(axis, index.to(image.device))
        result = result + pixels * weight.to(image).reshape(shape)
    return result


def upsample(
    image: Tensor, size: tuple[int, int], border: str, old_offset: float = 0.0, new_offset: float = 0.0
) -> Tensor:
    """Returns an image enlarged to `size` by its Fourier series.

    Along free axes of images smaller than `FOURIER_SIDE` interpolation is bilinear, which removes what noise is left
    after few steps.

    The Fourier series of an axis that does not wrap is that of the image and its mirror image. Any interpolation from
    few neighbours (bilinear, bicubic) makes some positions sharper than others, in a pattern that depends on how the
    new pixels lie among the old ones. In textures of fine grain the optimisation turns it into a lattice of straight
    lines, and at borders that wrap into a seam. Unless both axes wrap, values are clamped to the range of each channel,
    which the series exceeds at edges.

    Arguments:
        image: The smaller image, (B, C, H, W).
        size: Height and width of the larger one.
        border: One of `BORDERS`.
        old_offset: Offset of the smaller image's grid along axes that wrap, in its pixels.
        new_offset: Offset of the larger image's grid along axes that wrap, in its pixels.
    """
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    for axis, (length, circular) in enumerate(zip(size, wraps(border), strict=True), start=2):
        step = image.shape[axis] / length
        if not circular and step != 1 and min(size) < FOURIER_SIDE:
            one_axis = (length, image.shape[3]) if axis == 2 else (image.shape[2], length)
            image = F.interpolate(image, size=one_axis, mode="bilinear", antialias=True)
        elif not circular and step != 1:
            # One channel at a time, since the mirrored image is twice as large.
            image = torch.cat([_resample_mirrored(channel, axis, length) for channel in image.split(1, 1)], 1)
        elif circular:
            first = (0.5 + new_offset) * step - 0.5 - old_offset
            if step != 1 or first:
                image = _resample_circular(image, axis, length, first)
    return image if all(wraps(border)) else torch.clamp(image, low, high)


def _resample_mirrored(image: Tensor, axis: int, length: int) -> Tensor:
    """Evaluates the Fourier series of an image and its mirror image along one axis, at `length` pixels of the image."""
    mirrored = torch.cat([image, image.flip(axis)], axis)
    first = 0.5 * image.shape[axis] / length - 0.5
    return _resample_circular(mirrored, axis, 2 * length, first).narrow(axis, 0, length)


def _resample_circular(image: Tensor, axis: int, length: int, first: float) -> Tensor:
    """Evaluates the Fourier series of an image along one axis, at `length` evenly spaced positions.

    `first` is the first position, in pixels.
    """
    old_length = image.shape[axis]
    series = torch.fft.rfft(image, dim=axis)
    frequency = torch.arange(series.shape[axis], dtype=image.dtype, device=image.device)
    factor = torch.polar(torch.full_like(frequency, length / old_length), 2 * math.pi * first / old_length * frequency)
    if old_length % 2 == 0 and length > old_length:
        factor[-1] = factor[-1] / 2  # half of the highest frequency belongs to its negative
    shape = [1, 1, 1, 1]
    shape[axis] = len(frequency)
    return torch.fft.irfft(series * factor.reshape(shape), n=length, dim=axis)


def gaussian_blur(image: Tensor, sigma: float, border: str = "free") -> Tensor:
    """Convolves an image (B, C, H, W) with a Gaussian of standard deviation `sigma` pixels.

    Beyond free borders the outermost pixels are repeated.
    """
    if sigma == 0:
        return image
    radius = math.ceil(3 * sigma)
    x = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    groups = image.shape[1]
    kernel = (kernel / kernel.sum()).expand(groups, 1, 1, -1)  # (C, 1, 1, 2 r + 1)
    vertical, horizontal = wraps(border)
    image = F.conv2d(_pad(image, 3, radius, horizontal), kernel, groups=groups)
    return F.conv2d(_pad(image, 2, radius, vertical), kernel.mT, groups=groups)


def _pad(image: Tensor, axis: int, number: int, circular: bool) -> Tensor:
    """Pads both ends of an axis with `number` pixels: those of the other end, or the outermost one repeated."""
    length = image.shape[axis]
    if circular:  # by index, since torch refuses circular padding that is wider than the image
        return image.index_select(axis, torch.arange(-number, length + number, device=image.device) % length)
    padding = (number, number, 0, 0) if axis == 3 else (0, 0, number, number)
    return F.pad(image, padding, mode="replicate")


def join_borders(image: Tensor, border: str) -> Tensor:
    """Returns an image (B, C, H, W) without large differences across borders that wrap.

    Such a difference is reduced to at most the mean difference of neighbouring pixels, by a ramp of `JOIN_WIDTH` pixels
    on both sides. The optimisation would not remove it: the patches of a reference with edges can contain such edges.
    """
    for axis, circular in zip((2, 3), wraps(border), strict=True):
        length = image.shape[axis]
        if circular and length > 1:
            band = min(JOIN_WIDTH, length // 2)
            fade = torch.zeros(length, dtype=image.dtype, device=image.device)
            fade[:band] = 0.5 * (1 - torch.arange(band, dtype=image.dtype, device=image.device) / band)
            fade = fade - fade.flip(0)
            shape = [1, 1, 1, 1]
            shape[axis] = length
            typical = float(image.diff(dim=axis).abs().mean())
            step = image.narrow(axis, length - 1, 1) - image.narrow(axis, 0, 1)
            image = image + (step - step.clamp(-typical, typical)) * fade.reshape(shape)
    return image
