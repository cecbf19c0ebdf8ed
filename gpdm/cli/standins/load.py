"""Nodes that read pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import StandIn, choice
from .batch import rgb

FILE = ("COMBO", {"image_upload": True})


class LoadImage(StandIn):
    """A picture, EXIF orientation applied, as RGB; its transparency as a mask."""

    REQUIRED = {"image": FILE}
    RETURN_TYPES = ("IMAGE", "MASK")

    def execute(self, image: str) -> tuple[Tensor, Tensor]:
        frames = self.session.read(image).frames.movedim(1, -1)
        masks = 1 - frames[..., -1] if frames.shape[-1] in (2, 4) else torch.zeros(len(frames), 64, 64)
        return rgb(frames).contiguous(), masks


class LoadImageMask(StandIn):
    """One channel of a picture as a mask."""

    REQUIRED = {"image": FILE, "channel": choice("alpha", "red", "green", "blue")}
    RETURN_TYPES = ("MASK",)

    def execute(self, image: str, channel: str) -> tuple[Tensor]:
        frames = self.session.read(image, profiles=False).frames.movedim(1, -1)
        if channel != "alpha":
            return (rgb(frames)[..., ["red", "green", "blue"].index(channel)].clone(),)
        return (1 - frames[..., -1] if frames.shape[-1] in (2, 4) else torch.zeros(frames.shape[:3]),)
