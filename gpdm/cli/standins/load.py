"""Nodes that read pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, ImageSequence
from torch import Tensor

from ..files import open_picture
from .base import StandIn, to_tensor


class LoadImage(StandIn):
    """A picture, EXIF orientation applied, as RGB; its transparency as a mask."""

    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("COMBO", {"image_upload": True})}}

    def execute(self, image: str) -> tuple[Tensor, Tensor]:
        picture = open_picture(self.session.find(image))
        # The further pictures in an MPO file, which many cameras write, are no animation.
        sequence = [picture] if picture.format == "MPO" else ImageSequence.Iterator(picture)
        frames = [ImageOps.exif_transpose(frame) for frame in sequence]
        frames = [frame for frame in frames if frame.size == frames[0].size]
        pixels = torch.cat([to_tensor(_eight_bit(frame).convert("RGB")) for frame in frames])
        masks = [to_tensor(frame.convert("RGBA"))[..., 3] for frame in frames if _has_alpha(frame)]
        return pixels, 1 - torch.cat(masks) if masks else torch.zeros(1, 64, 64)


class LoadImageMask(StandIn):
    """One channel of a picture as a mask."""

    RETURN_TYPES = ("MASK",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        channels = ["alpha", "red", "green", "blue"]
        return {"required": {"image": ("COMBO", {"image_upload": True}), "channel": (channels, {})}}

    def execute(self, image: str, channel: str) -> tuple[Tensor]:
        picture = _eight_bit(ImageOps.exif_transpose(open_picture(self.session.find(image))))
        if channel == "alpha":
            return (1 - to_tensor(picture.convert("RGBA"))[..., 3],)
        return (to_tensor(picture.convert("RGB"))[..., ["red", "green", "blue"].index(channel)],)


def _eight_bit(picture: Image.Image) -> Image.Image:
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) / 257).round().astype(np.uint8))
    return picture


def _has_alpha(picture: Image.Image) -> bool:
    return "A" in picture.getbands() or "transparency" in picture.info
