"""Nodes that change the size of a picture."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .base import StandIn, to_tensor

METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]


class ImageScale(StandIn):
    """Scales to a size; 0 for one side keeps the aspect ratio."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        side = {"default": 512, "min": 0, "max": 16384, "step": 1}
        return {
            "required": {
                "image": ("IMAGE", {}),
                "upscale_method": (METHODS, {}),
                "width": ("INT", side),
                "height": ("INT", side),
                "crop": (["disabled", "center"], {}),
            }
        }

    def execute(self, image: Tensor, upscale_method: str, width: int, height: int, crop: str) -> tuple[Tensor]:
        if width == 0 and height == 0:
            return (image,)
        rows, columns = image.shape[1:3]
        width = width or max(1, round(columns * height / rows))
        height = height or max(1, round(rows * width / columns))
        if crop == "center":
            keep_rows = max(1, min(rows, round(columns * height / width)))
            keep_columns = max(1, min(columns, round(rows * width / height)))
            top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
            image = image[:, top : top + keep_rows, left : left + keep_columns]
        return (scale(image, upscale_method, height, width),)


class ImageScaleBy(StandIn):
    """Scales by a factor."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        factor = {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01}
        return {"required": {"image": ("IMAGE", {}), "upscale_method": (METHODS, {}), "scale_by": ("FLOAT", factor)}}

    def execute(self, image: Tensor, upscale_method: str, scale_by: float) -> tuple[Tensor]:
        rows, columns = (max(1, round(side * scale_by)) for side in image.shape[1:3])
        return (scale(image, upscale_method, rows, columns),)


def scale(image: Tensor, method: str, rows: int, columns: int) -> Tensor:
    """Returns a batch (B, H, W, C) scaled to rows x columns."""
    if method == "lanczos":
        frames = [Image.fromarray((x.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()) for x in image]
        return torch.cat([to_tensor(frame.resize((columns, rows), Image.Resampling.LANCZOS)) for frame in frames])
    return F.interpolate(image.movedim(-1, 1), size=(rows, columns), mode=method).movedim(1, -1)
