"""The canvas: what is being made, and which images are admissible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from .borders import BORDERS, padded_size, patch_weights
from .errors import ImageError, OptionError
from .images import Size, check_alike, check_image, resize, resize_known, scaled

Symmetry = Literal["none", "mirror x", "mirror y", "mirror both", "rotate 180", "rotate 90"]
SYMMETRIES: tuple[str, ...] = get_args(Symmetry)
"""None; left and right alike; top and bottom alike; both; unchanged by half a turn; unchanged by a quarter turn (square images)."""


@dataclass(frozen=True)
class Keep:
    """Pixels of the output that are given."""

    image: Tensor
    """(1, C, H, W), of the output's size."""
    mask: Tensor
    """1 where the output keeps the image's pixel, 0 where it is free, (H, W) or (1, 1, H, W); values are rounded."""

    def restore(self, images: Tensor) -> Tensor:
        """Returns images (N, C, H, W) with the kept pixels as they were given."""
        return torch.where(self.mask.to(images) >= 0.5, self.image.to(images), images)

    def at(self, size: Size, border: str) -> Keep:
        """Resizes both, without leak from what is not kept. A pixel of the result is kept if half of it is."""
        image, share = resize_known(self.image, (self.mask >= 0.5).to(self.image), size, border)
        return Keep(image, (share >= 0.5).to(image))


def _unchanged(image: Tensor) -> Tensor:
    return image


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """What is being made at one level: its size, how it goes on beyond its borders, and which images are admissible."""

    size: Size
    """Height and width, in pixels."""
    border: str = "free"
    """One of `borders.BORDERS`: in which directions the image wraps, for every loss, optimizer, resize and blur."""
    symmetry: str = "none"
    """One of `SYMMETRIES`."""
    keep: Keep | None = None
    """Pixels that are given. They win over symmetry."""
    weight: Tensor | None = None
    """How much every pixel of the output counts in the losses, (1, 1, H, W), values from 0 on; None counts all alike."""
    value_range: tuple[float, float] | None = (-1.0, 1.0)
    """Range to which images are clamped at the end of a level; None leaves them free."""
    constraint: Callable[[Tensor, Canvas], None] | None = None
    """A further projection: it changes the images of all outputs, (N, C, H, W), in place, after each step of all of them. It is
    called with this canvas, at every level, and must be idempotent to rounding."""
    scale: float = 1.0
    """Size relative to the finished image."""
    enter: Callable[[Tensor], Tensor] = _unchanged
    """Brings an image of the data to the units and the type of the work."""

    def at(self, scale: float) -> Canvas:
        """Returns the canvas of a level, `scale` times the size of this one."""
        size = scaled(self.size, scale)
        weight = None if self.weight is None else resize(self.weight, size, self.border)
        keep = None if self.keep is None else self.keep.at(size, self.border)
        return replace(self, size=size, weight=weight, keep=keep, scale=self.scale * scale)

    def check(self, like: Tensor) -> Canvas:
        """Returns this canvas with its maps as (1, 1, H, W) in the dtype of `like` (1, C, h, w), a reference.

        Raises:
            OptionError: Border or symmetry is none that there is, or the symmetry needs a square image.
            ImageError: What is kept does not fit the output or the reference.
        """
        for name, known in (("border", BORDERS), ("symmetry", SYMMETRIES)):
            value = getattr(self, name)
            if value not in known:
                raise OptionError(name, value, f"it must be one of {', '.join(known)}")
        height, width = self.size
        if self.symmetry == "rotate 90" and height != width:
            raise OptionError(
                "symmetry", self.symmetry, f"a quarter turn needs a square output, and this is {width}x{height}"
            )
        return self if self.keep is None else replace(self, keep=self._checked(self.keep, like))

    def _checked(self, keep: Keep, like: Tensor) -> Keep:
        check_alike(check_image(keep.image, "the kept picture"), "the kept picture", like, "reference")
        mask = keep.mask[None, None] if keep.mask.dim() == 2 else keep.mask
        height, width = self.size
        for name, each, channels in (
            ("the kept picture", keep.image, like.shape[1]),
            ("the mask of what is kept", mask, 1),
        ):
            if tuple(each.shape) != (1, channels, height, width):
                raise ImageError(
                    f"{name} has shape {tuple(each.shape)}; it must be (1, {channels}, {height}, {width}), as the output"
                )
        if mask.device != like.device:
            raise ImageError(
                f"the mask of what is kept is on {mask.device} and the reference on {like.device}; move them to one device"
            )
        return Keep(keep.image, mask.to(like))

    def entered(self, enter: Callable[[Tensor], Tensor]) -> Canvas:
        """Returns this canvas in the units of the work, in which the value range is (-1, 1); `enter` brings images to them."""
        keep = None if self.keep is None else Keep(enter(self.keep.image), self.keep.mask)
        return replace(self, keep=keep, value_range=None if self.value_range is None else (-1.0, 1.0), enter=enter)

    def padded_size(self, patch_size: int) -> Size:
        """Returns the size of the image with the padding of `borders.wrap`, in which all patches lie wholly inside."""
        return padded_size(self.size, patch_size, self.border)

    def patch_weights(self, patch_size: int) -> Tensor | None:
        """Returns the weight of every patch of the output, (rows, columns); None if all count alike."""
        return None if self.weight is None else patch_weights(self.weight, patch_size, self.border)

    def project_(self, image: Tensor) -> Tensor:
        """Projects one image (1, C, H, W) onto the admissible ones, in place, and returns it: symmetry, then what is kept.

        The value range is left to `finish`, so that a step may go beyond it and come back.
        """
        for turned in _TURNS[self.symmetry]:
            image.copy_((image + turned(image)) / 2)
        if self.keep is not None:
            torch.where(self.keep.mask >= 0.5, self.keep.image, image, out=image)
        return image

    @property
    def constrains(self) -> bool:
        """Whether `project_` changes anything."""
        return self.symmetry != "none" or self.keep is not None

    def finish(self, image: Tensor) -> Tensor:
        """Returns an image at the end of a level: clamped to the value range, and projected."""
        image = image.clone() if self.value_range is None else image.clamp(*self.value_range)
        return self.project_(image)


def _turned(*axes: int) -> Callable[[Tensor], Tensor]:
    return lambda image: image.flip(axes)


_TURNS: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "none": (),
    "mirror x": (_turned(3),),
    "mirror y": (_turned(2),),
    "mirror both": (_turned(3), _turned(2)),
    "rotate 180": (_turned(2, 3),),
    "rotate 90": (_turned(2, 3), lambda image: image.rot90(1, (2, 3))),
}
"""Averaging with each of these in turn makes an image symmetric to the bit: a sum of two numbers does not depend on their order."""
