"""The node that writes animations."""

from __future__ import annotations

import io
from typing import Any, ClassVar

from torch import Tensor

from ...pictures.pil import to_pil
from .base import IMAGE, StandIn, choice, integer, number

METHODS = {"default": 4, "fastest": 0, "slowest": 6}
"""Effort of the encoder by its name in the editor."""


class SaveAnimatedWEBP(StandIn):
    """Writes a batch as the frames of a WebP file that repeats for ever."""

    REQUIRED: ClassVar[dict[str, Any]] = {
        "images": IMAGE,
        "filename_prefix": ("STRING", {"default": "ComfyUI"}),
        "fps": number(6.0, 0.01, 1000.0),
        "lossless": ("BOOLEAN", {"default": True}),
        "quality": integer(80, 0, 100),
        "method": choice(*METHODS),
    }
    OUTPUT_NODE = True

    def execute(
        self, images: Tensor, filename_prefix: str, fps: float, lossless: bool, quality: int, method: str
    ) -> tuple[()]:
        first, *others = [to_pil(image[None].movedim(-1, 1) * 2 - 1).convert("RGB") for image in images]
        data = io.BytesIO()
        first.save(
            data,
            "WEBP",
            save_all=True,
            append_images=others,
            duration=max(round(1000 / fps), 1),
            loop=0,
            lossless=lossless,
            quality=quality,
            method=METHODS[method],
        )
        self.session.save_file(data.getvalue(), filename_prefix, ".webp")
        return ()
