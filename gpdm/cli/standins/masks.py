"""Nodes that make and change masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import GPDMError
from .base import IMAGE, MASK, SIDE, StandIn, choice, integer, number
from .batch import repeated, rgb

CHANNELS = ("red", "green", "blue", "alpha")


class MaskToImage(StandIn):
    """A mask as a picture in grey."""

    REQUIRED = {"mask": MASK}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, mask: Tensor) -> tuple[Tensor]:
        return (mask[..., None].expand(-1, -1, -1, 3),)


class ImageToMask(StandIn):
    """One channel of a picture as a mask."""

    REQUIRED = {"image": IMAGE, "channel": choice(*CHANNELS)}
    RETURN_TYPES = ("MASK",)

    def execute(self, image: Tensor, channel: str) -> tuple[Tensor]:
        index = CHANNELS.index(channel)
        if index >= image.shape[3]:
            allowed = ", ".join(CHANNELS[: image.shape[3]])
            raise GPDMError(f"channel = {channel!r} is not allowed: the picture has {allowed}")
        return (image[..., index],)


class ImageColorToMask(StandIn):
    """White where a picture has one colour, given as 0xRRGGBB."""

    REQUIRED = {"image": IMAGE, "color": integer(0, 0, 0xFFFFFF)}
    RETURN_TYPES = ("MASK",)

    def execute(self, image: Tensor, color: int) -> tuple[Tensor]:
        wanted = torch.tensor([color >> 16, color >> 8 & 255, color & 255])
        bytes_ = (rgb(image).clamp(0, 1) * 255).round().int()
        return ((bytes_ == wanted).all(3).float(),)


class SolidMask(StandIn):
    """A mask with one value."""

    REQUIRED = {"value": number(1.0, 0.0, 1.0), "width": integer(512, 1, SIDE), "height": integer(512, 1, SIDE)}
    RETURN_TYPES = ("MASK",)

    def execute(self, value: float, width: int, height: int) -> tuple[Tensor]:
        return (torch.full((1, height, width), value),)


class InvertMask(StandIn):
    """White where a mask is black."""

    REQUIRED = {"mask": MASK}
    RETURN_TYPES = ("MASK",)

    def execute(self, mask: Tensor) -> tuple[Tensor]:
        return (1 - mask,)


class CropMask(StandIn):
    """A rectangle of a mask, smaller where it ends."""

    REQUIRED = {
        "mask": MASK,
        "x": integer(0, 0, SIDE),
        "y": integer(0, 0, SIDE),
        "width": integer(512, 1, SIDE),
        "height": integer(512, 1, SIDE),
    }
    RETURN_TYPES = ("MASK",)

    def execute(self, mask: Tensor, x: int, y: int, width: int, height: int) -> tuple[Tensor]:
        for name, value, side in (("x", x, mask.shape[2]), ("y", y, mask.shape[1])):
            if value >= side:
                raise GPDMError(f"{name} = {value} is not allowed: it must be from 0 to {side - 1} in this mask")
        return (mask[:, y : y + height, x : x + width],)


class MaskComposite(StandIn):
    """Two masks combined, the second laid at (x, y) of the first."""

    REQUIRED = {
        "destination": MASK,
        "source": MASK,
        "x": integer(0, 0, SIDE),
        "y": integer(0, 0, SIDE),
        "operation": choice("multiply", "add", "subtract", "and", "or", "xor"),
    }
    RETURN_TYPES = ("MASK",)

    def execute(self, destination: Tensor, source: Tensor, x: int, y: int, operation: str) -> tuple[Tensor]:
        result = destination.clone()
        target = result[:, y : y + source.shape[1], x : x + source.shape[2]]
        source = source[:, : target.shape[1], : target.shape[2]]
        if len(source) not in (1, len(target)):
            source = repeated(source, len(target))
        combine = {"multiply": torch.mul, "add": torch.add, "subtract": torch.sub}.get(operation)
        if combine is None:
            logic = {"and": torch.logical_and, "or": torch.logical_or, "xor": torch.logical_xor}[operation]
            target.copy_(logic(target.round(), source.round()))
        else:
            target.copy_(combine(target, source))
        return (result.clamp(0, 1),)


class FeatherMask(StandIn):
    """A mask that fades out towards its sides, over this many pixels each."""

    REQUIRED = {"mask": MASK, **{side: integer(0, 0, SIDE) for side in ("left", "top", "right", "bottom")}}
    RETURN_TYPES = ("MASK",)

    def execute(self, mask: Tensor, left: int, top: int, right: int, bottom: int) -> tuple[Tensor]:
        fade_x = _ramp(left, mask.shape[2]) * _ramp(right, mask.shape[2]).flip(0)
        fade_y = _ramp(top, mask.shape[1]) * _ramp(bottom, mask.shape[1]).flip(0)
        return (mask * fade_x * fade_y[:, None],)


class GrowMask(StandIn):
    """A mask grown by this many pixels, or shrunk if negative. Tapered corners are those of a diamond."""

    REQUIRED = {"mask": MASK, "expand": integer(0, -SIDE, SIDE), "tapered_corners": ("BOOLEAN", {"default": True})}
    RETURN_TYPES = ("MASK",)

    def execute(self, mask: Tensor, expand: int, tapered_corners: bool) -> tuple[Tensor]:
        sign = 1 if expand >= 0 else -1  # to shrink is to grow what is around
        grown = sign * mask
        for _ in range(abs(expand)):
            before, grown = grown, _grow(grown, tapered_corners)
            if torch.equal(before, grown):
                break
        return (sign * grown,)


class ThresholdMask(StandIn):
    """White where a mask is above a value, else black."""

    REQUIRED = {"mask": MASK, "value": number(0.5, 0.0, 1.0)}
    RETURN_TYPES = ("MASK",)

    def execute(self, mask: Tensor, value: float) -> tuple[Tensor]:
        return ((mask > value).float(),)


def _ramp(length: int, side: int) -> Tensor:
    """Returns factors (side,) that rise to 1 over the first `length` pixels, or over all if they are fewer."""
    length = min(length, side)
    return F.pad(
        torch.arange(1, length + 1, dtype=torch.float64) / max(1, length), (0, side - length), value=1.0
    ).float()


def _grow(mask: Tensor, tapered: bool) -> Tensor:
    """Returns the largest value of each pixel and its neighbours: four, or eight if not tapered."""
    if not tapered:
        return F.max_pool2d(mask, 3, 1, 1)
    return F.max_pool2d(mask, (3, 1), 1, (1, 0)).maximum(F.max_pool2d(mask, (1, 3), 1, (0, 1)))
