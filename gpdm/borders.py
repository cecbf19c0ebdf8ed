"""Borders of an image: patches, resizing and blurring across them.

Beyond a border that is not free, the image continues with copies of itself, the tiles.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

BORDERS = ("free", "circular", "circular x", "circular y", "half drop", "brick", "mirrored")
"""Free; circular in both directions; circular in x only (left and right meet); circular in y only (top and bottom
meet); half drop: each column of tiles is moved down by half their height; brick: each row of tiles is moved right by
half their width; mirrored: every other tile is the mirror image, in both directions."""
BORDER_HELP = (
    "The way in which the output tiles: circular in both directions, circular x left to right, circular y top to bottom, half drop and "
    "brick with columns or rows moved by half, mirrored with mirror images. free does not tile; the option tile of a task "
    "sets this too."
)
"""Help text of the options called border."""
SHIFTED = ("half drop", "brick")
"""Borders whose tiles are moved against each other, for which a row or a column of two tiles is circular."""
FOURIER_SIDE = 64
"""Shorter side of a level, in pixels, from which `upsample` uses the Fourier series along axes that do not wrap."""


def wraps(border: str) -> tuple[bool, bool]:
    """Returns whether the image goes on at its opposite side, vertically (top and bottom meet) and horizontally.

    With half drop and brick it goes on there by half its length further; see `shift_of`.
    """
    return border not in ("free", "circular x", "mirrored"), border not in ("free", "circular y", "mirrored")


def continues(border: str) -> tuple[bool, bool]:
    """Returns whether there are tiles beyond the borders, vertically and horizontally, also mirrored ones."""
    mirrored, (vertical, horizontal) = border == "mirrored", wraps(border)
    return vertical or mirrored, horizontal or mirrored


def shift_of(border: str, size: tuple[int, int]) -> tuple[int, int]:
    """Returns by how much tiles are moved against their neighbours, in pixels.

    Returns:
        How far the tile to the right is moved down, and how far the tile below is moved right.
    """
    return size[0] // 2 * (border == "half drop"), size[1] // 2 * (border == "brick")


def padding(patch_size: int, border: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns the pixels that `wrap` adds at the top and bottom, and at the left and right."""
    before = patch_size // 2 if border == "mirrored" else 0
    rows, columns = ((before, patch_size - 1 - before) if tiled else (0, 0) for tiled in continues(border))
    return rows, columns


def padded_size(size: tuple[int, int], patch_size: int, border: str) -> tuple[int, int]:
    """Returns height and width after `wrap`."""
    rows, columns = padding(patch_size, border)
    return size[0] + sum(rows), size[1] + sum(columns)


def wrap(image: Tensor, patch_size: int, border: str) -> Tensor:
    """Pads an image, where it does not end at the border, with patch_size - 1 pixels of the tiles around it.

    Where the border wraps, they are added at the bottom and right, and the patches of the result are all patches of the
    image, including those across its borders. At a mirrored border half of them are added on each side, and there is a
    patch around each pixel; the other patches across it are mirror images of these.

    Arguments:
        image: (1, C, H, W).
        patch_size: Side of the patches, in pixels.
        border: One of `BORDERS`.
    """
    rows, columns = padding(patch_size, border)
    down, right = shift_of(border, (image.shape[2], image.shape[3]))
    if down:  # columns first, which are moved in a tile of the height of the image
        return _padded(_padded(image, 3, columns, border, down), 2, rows, border)
    return _padded(_padded(image, 2, rows, border, right), 3, columns, border)


def _padded(image: Tensor, axis: int, number: tuple[int, int], border: str, shift: int = 0) -> Tensor:
    """Pads both ends of an axis with pixels of the next tiles, which are moved by `shift` along the other axis."""
    before, after = number
    if border == "mirrored":
        first, last = image.narrow(axis, 0, before), image.narrow(axis, image.shape[axis] - after, after)
        return torch.cat([first.flip(axis), image, last.flip(axis)], axis)
    return torch.cat([image, image.narrow(axis, 0, after).roll(shift, 5 - axis)], axis) if after else image


def wrap_adjoint_(image: Tensor, patch_size: int, border: str) -> Tensor:
    """Applies the adjoint of `wrap` in place: adds the padding to the pixels that it was copied from.

    Returns a view of `image`, without the padding.
    """
    rows, columns = padding(patch_size, border)
    size = image.shape[2] - sum(rows), image.shape[3] - sum(columns)
    down, right = shift_of(border, size)
    if down:
        return _padded_adjoint_(_padded_adjoint_(image, 2, rows, border), 3, columns, border, down)
    return _padded_adjoint_(_padded_adjoint_(image, 3, columns, border), 2, rows, border, right)


def _padded_adjoint_(image: Tensor, axis: int, number: tuple[int, int], border: str, shift: int = 0) -> Tensor:
    """Applies the adjoint of `_padded` in place and returns a view of the image without the padding."""
    before, after = number
    length = image.shape[axis] - before - after
    inner, end = image.narrow(axis, before, length), image.narrow(axis, before + length, after)
    if border == "mirrored":
        inner.narrow(axis, 0, before).add_(image.narrow(axis, 0, before).flip(axis))
        inner.narrow(axis, length - after, after).add_(end.flip(axis))
    else:
        inner.narrow(axis, 0, after).add_(end.roll(-shift, 5 - axis))
    return inner


def repeated(image: Tensor, border: str = "circular") -> Tensor:
    """Returns tiles of an image (B, C, H, W), two by two, as they continue it; plain copies with a free border."""
    if border == "mirrored":
        row = torch.cat([image, image.flip(3)], 3)
        return torch.cat([row, row.flip(2)], 2)
    down, right = shift_of(border, (image.shape[2], image.shape[3]))
    row = torch.cat([image, image.roll(down, 2)], 3)
    return torch.cat([row, row.roll(right, 3)], 2)


def in_rows(image: Tensor, border: str) -> Tensor:
    """Returns an image with circular borders: the image (B, C, H, W), or two tiles if neighbours are moved by half."""
    if border not in SHIFTED:
        return image
    height, width = size_in_rows((image.shape[2], image.shape[3]), border)
    return repeated(image, border)[..., :height, :width]


def size_in_rows(size: tuple[int, int], border: str) -> tuple[int, int]:
    """Returns the size of `in_rows` for an image of a size."""
    return size[0] * (1 + (border == "brick")), size[1] * (1 + (border == "half drop"))


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

    At other borders it is that of an image that is continued with tiles.
    """
    if border in SHIFTED:
        larger = interpolate(in_rows(image, border), size_in_rows(size, border), "circular")
        return larger[..., : size[0], : size[1]]
    tiled = continues(border)
    if not any(tiled):
        return F.interpolate(image, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
    for axis, length in enumerate(size):
        if tiled[axis]:
            image = _interpolate_tiled(image, axis + 2, length, border == "mirrored")
        else:
            one_axis = (length, image.shape[3]) if axis == 0 else (image.shape[2], length)
            image = interpolate(image, one_axis)
    return image


def _interpolate_tiled(image: Tensor, axis: int, length: int, mirrored: bool) -> Tensor:
    """Interpolates along one axis, which tiles, with the weights of torch's antialiased bilinear filter."""
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
    for index, weight in zip(_within(position, old_length, mirrored).T, weights.T, strict=True):
        pixels = image.index_select(axis, index.to(image.device))
        result = result + pixels * weight.to(image).reshape(shape)
    return result


def _within(position: Tensor, length: int, mirrored: bool = False) -> Tensor:
    """Returns positions along an axis that continues beyond its ends, brought back to the image."""
    if not mirrored:
        return position % length
    position = position % (2 * length)
    return torch.minimum(position, 2 * length - 1 - position)


def upsample(
    image: Tensor, size: tuple[int, int], border: str, old_offset: float = 0.0, new_offset: float = 0.0
) -> Tensor:
    """Returns an image enlarged to `size` by its Fourier series.

    Along free axes of images smaller than `FOURIER_SIDE` interpolation is bilinear, which removes what noise is left
    after few steps.

    The Fourier series of an axis that does not wrap is that of the image and its mirror image, as mirrored borders need
    it. Any interpolation from few neighbours (bilinear, bicubic) makes some positions sharper than others, in a pattern
    that depends on how the new pixels lie among the old ones. In textures of fine grain the optimisation turns it into
    a lattice of straight lines, and at borders that wrap into a seam. Unless both axes wrap, values are clamped to the
    range of each channel, which the series exceeds at edges.

    Arguments:
        image: The smaller image, (B, C, H, W).
        size: Height and width of the larger one.
        border: One of `BORDERS`.
        old_offset: Offset of the smaller image's grid along axes that wrap, in its pixels.
        new_offset: Offset of the larger image's grid along axes that wrap, in its pixels.
    """
    if border in SHIFTED:
        offsets = old_offset, new_offset
        larger = upsample(in_rows(image, border), size_in_rows(size, border), "circular", *offsets)
        return larger[..., : size[0], : size[1]]
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
    blurred = F.conv2d(_pad(in_rows(image, border), 3, radius, border), kernel, groups=groups)
    blurred = F.conv2d(_pad(blurred, 2, radius, border), kernel.mT, groups=groups)
    return blurred[..., : image.shape[2], : image.shape[3]]


def _pad(image: Tensor, axis: int, number: int, border: str) -> Tensor:
    """Pads both ends of an axis with `number` pixels: those of its tiles, or the outermost one repeated."""
    length = image.shape[axis]
    if continues(border)[axis - 2]:  # by index, since torch refuses circular padding that is wider than the image
        position = torch.arange(-number, length + number, device=image.device)
        return image.index_select(axis, _within(position, length, border == "mirrored"))
    padding = (number, number, 0, 0) if axis == 3 else (0, 0, number, number)
    return F.pad(image, padding, mode="replicate")
