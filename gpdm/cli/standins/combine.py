"""Nodes that make one batch or one picture of several."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...errors import GPDMError
from .base import StandIn
from .scale import ImageScale, scale


class ImageBatch(StandIn):
    """Two batches in one; the second is scaled to the size of the first."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image1": ("IMAGE", {}), "image2": ("IMAGE", {})}}

    def execute(self, image1: Tensor, image2: Tensor) -> tuple[Tensor]:
        (scaled,) = ImageScale.execute(self, image2, "bilinear", image1.shape[2], image1.shape[1], "center")  # type: ignore[arg-type]
        return (torch.cat([image1, scaled]),)


COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


class ImageStitch(StandIn):
    """Two pictures side by side or one above the other, the second scaled to fit the first."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image1": ("IMAGE", {}),
                "direction": (["right", "down", "left", "up"], {"default": "right"}),
                "match_image_size": ("BOOLEAN", {"default": True}),
                "spacing_width": ("INT", {"default": 0, "min": 0, "max": 1024, "step": 2}),
                "spacing_color": (list(COLOURS), {"default": "white"}),
            },
            "optional": {"image2": ("IMAGE", {})},
        }

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
        along, across = (2, 1) if direction in ("right", "left") else (1, 2)
        if image1.shape[across] != image2.shape[across]:
            if not match_image_size:
                raise GPDMError("Image Stitch: the pictures differ in size; set match_image_size, or run it in ComfyUI")
            factor = image1.shape[across] / image2.shape[across]
            rows, columns = (int(side * factor) for side in image2.shape[1:3])
            image2 = scale(image2, "lanczos", *((image1.shape[1], columns) if across == 1 else (rows, image1.shape[2])))
        shape = [image1.shape[0], image1.shape[1], image1.shape[2], 1]
        shape[along] = spacing_width
        gap = torch.tensor(COLOURS[spacing_color]) * torch.ones(shape)
        parts = [image1[..., :3], *([gap] if spacing_width else []), image2[..., :3]]
        return (torch.cat(parts if direction in ("right", "down") else parts[::-1], along),)
