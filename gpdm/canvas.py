"""The canvas: the size and borders of the output, and the constraints on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from .borders import BORDERS, SHIFTED, padded_size, patch_weights
from .errors import ImageError, OptionError
from .images import Size, check_alike, check_image, resize, resize_known, scaled
from .pictures.symmetry import SYMMETRIES, SymmetryProjection


@dataclass(frozen=True)
class Keep:
    """Pixels of the output that keep the values of an image."""

    image: Tensor
    """Image of the output's size, (1, C, H, W). `run_task` scales a larger one with the output's aspect ratio down."""
    mask: Tensor
    """Mask, (H, W) or (1, 1, H, W): where it is at least 0.5, the output keeps the image's pixel."""

    def restore(self, images: Tensor) -> Tensor:
        """Returns images (N, C, H, W) with the kept pixels of `image`, bit for bit."""
        return torch.where(self.mask.to(images) >= 0.5, self.image.to(images), images)

    def at(self, size: Size, border: str) -> Keep:
        """Returns image and mask at `size`. Only kept pixels contribute.

        A pixel is kept if at least half of its area is kept.
        """
        image, fraction = resize_known(self.image, (self.mask >= 0.5).to(self.image), size, border)
        return Keep(image, (fraction >= 0.5).to(image))


def _unchanged(image: Tensor) -> Tensor:
    return image


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """The output at one level: its size, its borders, the weights of its pixels and the constraints on it."""

    size: Size
    """Height and width, in pixels."""
    border: str = "free"
    """Directions in which the image wraps, for every loss, optimizer, resize and blur: one of `borders.BORDERS`."""
    symmetry: str = "none"
    """One of `symmetry.SYMMETRIES`."""
    keep: Keep | None = None
    """Pixels that keep given values. They take precedence over symmetry."""
    weight: Tensor | None = None
    """Weight of every pixel of the output in the losses, (1, 1, H, W), not negative; None: equal weights."""
    value_range: tuple[float, float] | None = (-1.0, 1.0)
    """Range to which images are clamped at the end of a level; None: no limits."""
    constraint: Callable[[Tensor, Canvas], None] | None = None
    """An additional projection. It is called at every level, after each step of all outputs, with their images
    (N, C, H, W), which it changes in place, and with this canvas. It must be idempotent up to rounding."""
    constant: Tensor | None = None
    """True for channels that are 0 everywhere in working units, (1, C, 1, 1); None: there are none."""
    scale: float = 1.0
    """Size relative to the finest level."""
    output: int = 0
    """Index of the output, for terms that differ from output to output."""
    enter: Callable[[Tensor], Tensor] = _unchanged
    """A function that converts an image of the data to working units and the dtype of the computation."""

    def at(self, scale: float) -> Canvas:
        """Returns this canvas at `scale` times its size."""
        size = scaled(self.size, scale)
        weight = None if self.weight is None else resize(self.weight, size, self.border)
        keep = None if self.keep is None else self.keep.at(size, self.border)
        return replace(self, size=size, weight=weight, keep=keep, scale=self.scale * scale)

    def check(self, like: Tensor) -> Canvas:
        """Returns this canvas with the mask of `keep` as (1, 1, H, W) in the dtype of `like`, a reference (1, C, h, w).

        Raises:
            OptionError: Border or symmetry is unknown, or the border needs an even height or width.
            ImageError: Image or mask of `keep` does not fit the output or the reference.
        """
        for name, choices in (("border", BORDERS), ("symmetry", SYMMETRIES)):
            value = getattr(self, name)
            if value not in choices:
                raise OptionError(name, value, f"it must be one of {', '.join(choices)}")
        if self.border in SHIFTED:
            axis = SHIFTED.index(self.border)
            side, length = ("height", "width")[axis], self.size[axis]
            if length % 2:
                raise OptionError(
                    "border",
                    self.border,
                    f"tiles are moved by half their {side}, which must be even, and the output's is {length}",
                    f"set output_{side} to {length + 1}",
                )
        return self if self.keep is None else replace(self, keep=self._check_keep(self.keep, like))

    def _check_keep(self, keep: Keep, like: Tensor) -> Keep:
        check_alike(check_image(keep.image, "keep.image"), "keep.image", like, "reference")
        mask = keep.mask[None, None] if keep.mask.dim() == 2 else keep.mask
        height, width = self.size
        for name, tensor, channels in (("keep.image", keep.image, like.shape[1]), ("keep.mask", mask, 1)):
            if tuple(tensor.shape) != (1, channels, height, width):
                raise ImageError(
                    f"{name} has shape {tuple(tensor.shape)}; it must have that of the output, "
                    f"(1, {channels}, {height}, {width})"
                )
        if mask.device != like.device:
            raise ImageError(
                f"keep.mask is on {mask.device} and the reference on {like.device}; move them to one device"
            )
        return Keep(keep.image, mask.to(like))

    def in_working_units(self, enter: Callable[[Tensor], Tensor], constant: Tensor | None = None) -> Canvas:
        """Returns this canvas in working units, with value range (-1, 1).

        Arguments:
            enter: A function that converts images to these units.
            constant: Channels that are 0 in these units; see `Canvas.constant`.
        """
        keep = None if self.keep is None else Keep(enter(self.keep.image), self.keep.mask)
        value_range = None if self.value_range is None else (-1.0, 1.0)
        return replace(self, keep=keep, value_range=value_range, enter=enter, constant=constant)

    def padded_size(self, patch_size: int) -> Size:
        """Returns the size of the image with the padding of `borders.wrap`."""
        return padded_size(self.size, patch_size, self.border)

    def patch_weights(self, patch_size: int) -> Tensor | None:
        """Returns the weight of every patch of the output, (rows, columns); None if all weights are equal."""
        return None if self.weight is None else patch_weights(self.weight, patch_size, self.border)

    def project_(self, image: Tensor) -> Tensor:
        """Makes one image (1, C, H, W) symmetric and restores constant channels and kept pixels, in place; returns it.

        The value range is left to `finish`, so that a step may exceed it for a while.
        """
        if self.constant is not None:
            image.masked_fill_(self.constant, 0)
        self.symmetric.apply_(image)
        if self.keep is not None:
            torch.where(self.keep.mask >= 0.5, self.keep.image, image, out=image)
        return image

    @cached_property
    def symmetric(self) -> SymmetryProjection:
        """The projection onto symmetric images."""
        return SymmetryProjection(self.symmetry, self.size)

    @property
    def has_projection(self) -> bool:
        """True if `project_` changes images, because of constant channels, a symmetry or kept pixels."""
        return self.constant is not None or self.symmetry != "none" or self.keep is not None

    def finish(self, image: Tensor) -> Tensor:
        """Returns an image (1, C, H, W) clamped to the value range and projected, for the end of a level."""
        image = image.clone() if self.value_range is None else image.clamp(*self.value_range)
        return self.project_(image)
