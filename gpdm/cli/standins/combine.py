"""Nodes that make one picture of two."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import IMAGE, MASK, SIDE, StandIn, choice, integer
from .batch import repeated, same_channels
from .scale import scale

COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


class ImageStitch(StandIn):
    """Two pictures side by side or one above the other, the second scaled to fit the first, or both centred."""

    REQUIRED = {
        "image1": IMAGE,
        "direction": choice("right", "down", "left", "up"),
        "match_image_size": ("BOOLEAN", {"default": True}),
        "spacing_width": integer(0, 0, 1024),
        "spacing_color": choice(*COLOURS),
    }
    OPTIONAL = {"image2": IMAGE}
    RETURN_TYPES = ("IMAGE",)

    def execute(
        self,
        image1: Tensor,
        direction: str,
        match_image_size: bool,
        spacing_width: int,
        spacing_color: str,
        image2: Tensor | None = None,
    ) -> tuple[Tensor]:
        if image2 is None:
            return (image1,)
        count = max(len(image1), len(image2))
        images = [torch.cat([image, image[-1:].expand(count - len(image), -1, -1, -1)]) for image in (image1, image2)]
        along, across = (2, 1) if direction in ("right", "left") else (1, 2)
        colour = COLOURS[spacing_color]
        if match_image_size:
            images[1] = _matched(images[1], across, images[0].shape[across])
        else:
            # ComfyUI fills with black where the colour of the gap is neither black nor white.
            most = max(image.shape[across] for image in images)
            images = [_centred(image, across, most, float(spacing_color == "white")) for image in images]
        images = same_channels(images)
        gap = _gap(images[0], along, spacing_width + spacing_width % 2, colour)
        parts = [images[0], gap, images[1]]
        return (torch.cat(parts if direction in ("right", "down") else parts[::-1], along),)


class ImageCompositeMasked(StandIn):
    """A picture laid on another at (x, y), where the mask is white."""

    REQUIRED = {
        "destination": IMAGE,
        "source": IMAGE,
        "x": integer(0, 0, SIDE),
        "y": integer(0, 0, SIDE),
        "resize_source": ("BOOLEAN", {"default": False}),
    }
    OPTIONAL = {"mask": MASK}
    RETURN_TYPES = ("IMAGE",)

    def execute(
        self, destination: Tensor, source: Tensor, x: int, y: int, resize_source: bool, mask: Tensor | None = None
    ) -> tuple[Tensor]:
        channels = destination.shape[3]
        source = same_channels([source, destination])[0][..., :channels]
        if resize_source:
            source = scale(source, "bilinear", *destination.shape[1:3])
        source = repeated(source, len(destination))
        result = destination.clone()
        target = result[:, y : y + source.shape[1], x : x + source.shape[2]]
        visible = (slice(None), slice(target.shape[1]), slice(target.shape[2]))
        cover = torch.ones_like(source[..., :1])
        if mask is not None:
            cover = scale(mask[..., None], "bilinear", *source.shape[1:3])
            cover = repeated(cover, len(source))
        target.copy_(cover[visible] * source[visible] + (1 - cover[visible]) * target)
        return (result,)


def _matched(image: Tensor, across: int, length: int) -> Tensor:
    """Returns a batch scaled so that side `across` has this length."""
    aspect = image.shape[2] / image.shape[1]
    size = (length, int(length * aspect)) if across == 1 else (int(length / aspect), length)
    return scale(image, "lanczos", *size)


def _centred(image: Tensor, across: int, length: int, value: float) -> Tensor:
    """Returns a batch that is extended on both ends of side `across` to this length."""
    missing = length - image.shape[across]
    before, after = missing // 2, missing - missing // 2
    return F.pad(image, (0, 0, before, after) if across == 2 else (0, 0, 0, 0, before, after), value=value)


def _gap(image: Tensor, along: int, width: int, colour: tuple[float, float, float]) -> Tensor:
    """Returns the opaque gap beside a picture, of its channels."""
    shape = list(image.shape)
    shape[along], shape[3] = width, 1
    return image.new_ones(shape) * torch.tensor([*colour, 1.0]).to(image)[: image.shape[3]]
