"""Nodes that read pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..pictures import read_picture
from .base import StandIn


class LoadImage(StandIn):
    """A picture, EXIF orientation applied, as RGB; its transparency as a mask."""

    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("COMBO", {"image_upload": True})}}

    def execute(self, image: str) -> tuple[Tensor, Tensor]:
        frames = read_picture(self.session.find(image)).frames.movedim(1, -1)
        masks = 1 - frames[..., -1] if frames.shape[-1] in (2, 4) else torch.zeros(len(frames), 64, 64)
        return _rgb(frames), masks


class LoadImageMask(StandIn):
    """One channel of a picture as a mask."""

    RETURN_TYPES = ("MASK",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        channels = ["alpha", "red", "green", "blue"]
        return {"required": {"image": ("COMBO", {"image_upload": True}), "channel": (channels, {})}}

    def execute(self, image: str, channel: str) -> tuple[Tensor]:
        frames = read_picture(self.session.find(image), profiles=False).frames.movedim(1, -1)
        if channel != "alpha":
            return (_rgb(frames)[..., ["red", "green", "blue"].index(channel)].clone(),)
        return (1 - frames[..., -1] if frames.shape[-1] in (2, 4) else torch.zeros(frames.shape[:3]),)


def _rgb(frames: Tensor) -> Tensor:
    """Returns pictures (N, H, W, C) without alpha, as RGB."""
    return frames[..., :3].contiguous() if frames.shape[-1] > 2 else frames[..., :1].repeat(1, 1, 1, 3)
