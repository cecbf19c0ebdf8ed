"""Images of the core: floating-point tensors (B, C, H, W) with any number of channels.

Pictures are grey, grey+alpha, RGB or RGBA with values in [-1, 1], the range of the reference implementation, so that
published learning rates and noise levels apply. Other data (latents, height maps, stacks of maps) are converted to
working units before the synthesis and back after it (`Units`), so that the result does not depend on their
range or offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor

from .borders import interpolate
from .errors import ImageError, OptionError

Size = tuple[int, int]
"""Height and width, in pixels."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey of a colour (ITU-R BT.601)."""


def check_image(image: object, name: str) -> Tensor:
    """Returns `image` if it is a usable (B, C, H, W) tensor.

    Raises:
        ImageError: It is not a floating-point tensor of four dimensions, is empty, or holds NaN or infinity.
    """
    if not isinstance(image, Tensor):
        raise ImageError(f"{name} must be a torch.Tensor of shape (B, C, H, W), not {type(image).__name__}")
    if image.dim() != 4 or 0 in image.shape:
        raise ImageError(f"{name} has shape {tuple(image.shape)}; it must be (B, C, H, W) with no dimension of size 0")
    if not image.is_floating_point():
        raise ImageError(f"{name} has dtype {image.dtype}; convert it to a floating-point tensor in [-1, 1] first")
    if not torch.isfinite(image).all():
        raise ImageError(f"{name} contains NaN or infinite values; check the node or file it comes from")
    return image


def check_alike(image: Tensor, name: str, other: Tensor, other_name: str) -> None:
    """Raises `ImageError` unless both images have the same number of channels and the same device."""
    if image.shape[1] != other.shape[1]:
        raise ImageError(
            f"{name} has {_channels(image)} and {other_name} has {_channels(other)}; convert one to the other's channels"
        )
    if image.device != other.device:
        raise ImageError(f"{name} is on {image.device} and {other_name} on {other.device}; move them to one device")


def _channels(image: Tensor) -> str:
    """Returns the number of channels in words, with the kind of picture that has so many."""
    number = image.shape[1]
    kind = {1: " (grey)", 2: " (grey+alpha)", 3: " (RGB)", 4: " (RGBA)"}.get(number, "")
    return f"{number} channel{'' if number == 1 else 's'}{kind}"


def size_of(image: Tensor) -> Size:
    """Returns height and width of a (B, C, H, W) tensor, in pixels."""
    return image.shape[-2], image.shape[-1]


def check_single(image: Tensor) -> None:
    """Raises `ImageError` if `image` is a batch of several images."""
    if len(image) != 1:
        raise ImageError(f"the loss takes one image and was given a batch of {len(image)}; evaluate them one by one")


def check_size(size: object) -> Size:
    """Returns `size` as (height, width); raises `OptionError` if it is not two whole numbers of at least 1."""
    if isinstance(size, (tuple, list)) and len(size) == 2 and all(isinstance(x, Integral) and int(x) > 0 for x in size):
        return int(size[0]), int(size[1])
    raise OptionError("size", size, "it must be (height, width), two whole numbers, at least 1")


def channels_last(image: Tensor) -> Tensor:
    """Returns an image (B, C, H, W) in channels-last layout, in which convolutions and reading patches are fast.

    An image in this layout is returned without a copy.
    """
    return image.contiguous(memory_format=torch.channels_last)


def row_strips(image: Tensor, elements: int) -> list[slice]:
    """Splits the rows of an image (B, C, H, W) into strips of about so many elements, for intermediate results."""
    rows = max(elements * image.shape[2] // max(image.numel(), 1), 1)
    return [slice(start, start + rows) for start in range(0, image.shape[2], rows)]


def scaled(size: Size, factor: float) -> Size:
    """Returns `size` (height, width) times `factor`, rounded to whole pixels, at least 1."""
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def resize(image: Tensor, size: Size, border: str = "free") -> Tensor:
    """Returns `image` (B, C, H, W) at `size`, by bilinear interpolation with antialiasing.

    The reference implementation does the same. Across borders that wrap the interpolation is circular, so that an image
    that tiles still tiles. An image of this size is returned without a copy.
    """
    return image if size_of(image) == tuple(size) else interpolate(image, size, border)


def reduced(image: Tensor, size: Size) -> Tensor:
    """Returns an image (B, C, H, W) at a size that is no larger: each pixel is the mean of the area that it covers.

    An image that `magnified` enlarged gets its values back, up to rounding.
    """
    return F.adaptive_avg_pool2d(image, size)


def magnified(image: Tensor, size: Size) -> Tensor:
    """Returns an image (B, C, H, W) with each pixel as a square, as large as it fits into a size."""
    factor = max(min(b // a for a, b in zip(size_of(image), size, strict=True)), 1)
    return image.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def resize_known(image: Tensor, known: Tensor, size: Size, border: str = "free") -> tuple[Tensor, Tensor]:
    """Resizes the known pixels of an image, without any influence of the unknown ones.

    Arguments:
        image: Image, (1, C, H, W).
        known: 1 where the image is known, 0 elsewhere, (1, 1, H, W).
        size: Height and width of the result.
        border: One of `borders.BORDERS`.

    Returns:
        The image at `size`, 0 where nothing is known, and the known fraction of each of its pixels, (1, 1, h, w).
    """
    fraction = resize(known, size, border)
    # Fractions below 1e-4 are rounding errors. Where all is known the division by 1 changes no bit.
    fraction = torch.where(fraction < 1e-4, torch.zeros_like(fraction), fraction)
    return torch.where(fraction > 0, resize(image * known, size, border) / fraction.clamp(min=1e-4), 0), fraction


def smooth_fill(image: Tensor, known: Tensor) -> Tensor:
    """Returns an image (1, C, H, W) whose unknown pixels are interpolated smoothly from the known ones.

    It is filled at half the size first, and so on (pull-push).

    Arguments:
        image: Image.
        known: 1 where it is known, 0 elsewhere, (1, 1, H, W).
    """
    if bool((known > 0).all()):
        return image
    if min(size_of(image)) == 1:
        mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1e-6)
        return torch.where(known > 0, image, mean)
    half, fraction = resize_known(image, known, scaled(size_of(image), 0.5))
    filled = smooth_fill(half, (fraction > 0).to(image))
    return torch.where(known > 0, image, resize(filled, size_of(image)))


def to_preview(image: Tensor) -> Tensor:
    """Returns the channels of an image (1, C, H, W) for a preview: all, or the first three of more than four."""
    return image if image.shape[1] <= 4 else image[:, :3]


Weighted = tuple[Tensor, Tensor]
"""An image (1, C, H, W) and the weight of its pixels, (1, 1, H, W)."""


@dataclass(frozen=True)
class Units:
    """Working units: an affine map of each channel. Step sizes, noise and tolerances are stated in these units.

    A channel that has one value in all references is 0 in working units, and has that value again in the outputs.
    """

    offset: Tensor
    """Value of the data that becomes 0, (1, C, 1, 1)."""
    scale: Tensor
    """Factor that is applied after the offset is subtracted, (1, C, 1, 1), positive."""
    constant: Tensor | None = None
    """True for the channels that have one value, `offset`, (1, C, 1, 1); None: there are none."""

    @classmethod
    def of(cls, weighted: Sequence[Weighted], value_range: tuple[float, float] | Units | None) -> Units | None:
        """Returns the working units for some references.

        Arguments:
            weighted: The references.
            value_range: Lowest and highest possible value of the data, which become -1 and 1. None: there are no such
                values, and each channel gets mean 0 and standard deviation `WORKING_STD` over the weighted references.
                Units are returned.

        Returns:
            The units; None for pictures in [-1, 1] without a constant channel, which stay unchanged.
        """
        if isinstance(value_range, Units):
            return value_range.check(weighted[0][0])
        lowest, highest = _channel_limits(weighted)
        constant = highest - lowest < 1e-6 * (1 + highest.abs())
        varying = not bool(constant.any())
        if value_range == (-1.0, 1.0) and varying:
            return None
        if value_range is None:
            offset, std = channel_moments(weighted)
            scale = WORKING_STD / torch.where(constant, torch.full_like(std, WORKING_STD), std)
        else:
            low, high = value_range
            offset, scale = torch.full_like(lowest, (low + high) / 2), torch.full_like(lowest, 2 / (high - low))
            lowest = lowest.clamp(low, high)
        return cls(offset, scale) if varying else cls(torch.where(constant, lowest, offset), scale, constant)

    def check(self, image: Tensor) -> Units:
        """Returns these units; raises `ImageError` if an image (B, C, H, W) has another number of channels."""
        if self.offset.shape[1] != image.shape[1]:
            raise ImageError(f"the image has {_channels(image)} and the working units are for {self.offset.shape[1]}")
        return self

    def enter(self, image: Tensor) -> Tensor:
        """Converts an image (B, C, H, W) from data units to working units."""
        entered = (image - self.offset) * self.scale
        return entered if self.constant is None else entered.masked_fill(self.constant, 0)

    def leave(self, image: Tensor) -> Tensor:
        """Converts an image (B, C, H, W) from working units to data units."""
        left = image / self.scale + self.offset
        return left if self.constant is None else torch.where(self.constant, self.offset, left)


WORKING_STD = 0.5
"""Standard deviation of a channel in working units: about that of a photograph in [-1, 1]."""


def _channel_limits(weighted: Sequence[Weighted]) -> tuple[Tensor, Tensor]:
    """Returns the lowest and the highest value of each channel where the weight is not 0, (1, C, 1, 1) each."""
    lowest, highest = [], []
    for image, weight in weighted:
        image, ignored = image.to(torch.promote_types(image.dtype, torch.float32)), weight == 0
        lowest.append(image.masked_fill(ignored, torch.inf).amin((2, 3), keepdim=True))
        highest.append(image.masked_fill(ignored, -torch.inf).amax((2, 3), keepdim=True))
    return torch.cat(lowest).amin(0, keepdim=True), torch.cat(highest).amax(0, keepdim=True)


def channel_moments(weighted: Sequence[Weighted]) -> tuple[Tensor, Tensor]:
    """Returns the weighted mean and standard deviation of each channel, (1, C, 1, 1) each."""
    like = weighted[0][0]
    weights = torch.cat([weight.expand_as(image).flatten(2).cpu().double() for image, weight in weighted], 2)
    values = torch.cat([image.flatten(2).cpu().double() for image, _ in weighted], 2)
    total = weights.sum(2, keepdim=True)
    mean = (weights * values).sum(2, keepdim=True) / total
    std = ((weights * (values - mean).square()).sum(2, keepdim=True) / total).sqrt()
    dtype = torch.promote_types(like.dtype, torch.float32)
    return mean[..., None].to(like.device, dtype), std[..., None].to(like.device, dtype)
