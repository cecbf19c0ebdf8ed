"""Nodes that make or change colours and transparency."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import IMAGE, MASK, SIDE, StandIn, integer
from .batch import repeated, rgb
from .scale import scale


class ImageInvert(StandIn):
    """The negative of a picture."""

    REQUIRED = {"image": IMAGE}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor) -> tuple[Tensor]:
        return (1 - image,)


class EmptyImage(StandIn):
    """Pictures of one colour, given as 0xRRGGBB."""

    REQUIRED = {
        "width": integer(512, 1, SIDE),
        "height": integer(512, 1, SIDE),
        "batch_size": integer(1, 1, 4096),
        "color": integer(0, 0, 0xFFFFFF),
    }
    RETURN_TYPES = ("IMAGE",)

    def execute(self, width: int, height: int, batch_size: int, color: int) -> tuple[Tensor]:
        colour = torch.tensor([color >> 16, color >> 8 & 255, color & 255]) / 255
        return (colour.expand(batch_size, height, width, 3),)


class JoinImageWithAlpha(StandIn):
    """A picture that is transparent where the mask is white."""

    REQUIRED = {"image": IMAGE, "alpha": MASK}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, alpha: Tensor) -> tuple[Tensor]:
        count = max(len(image), len(alpha))
        opacity = 1 - scale(alpha[..., None], "bilinear", *image.shape[1:3])
        return (torch.cat([repeated(rgb(image), count), repeated(opacity, count)], 3),)


class SplitImageWithAlpha(StandIn):
    """The colours of a picture, and a mask that is white where it is transparent."""

    REQUIRED = {"image": IMAGE}
    RETURN_TYPES = ("IMAGE", "MASK")

    def execute(self, image: Tensor) -> tuple[Tensor, Tensor]:
        alpha = image[..., -1] if image.shape[3] in (2, 4) else torch.ones_like(image[..., 0])
        return rgb(image), 1 - alpha
