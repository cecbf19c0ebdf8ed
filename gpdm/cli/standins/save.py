"""Nodes that write pictures."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .base import StandIn


class SaveImage(StandIn):
    """Writes PNG files."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"images": ("IMAGE", {}), "filename_prefix": ("STRING", {"default": "ComfyUI"})}}

    def execute(self, images: Tensor, filename_prefix: str) -> tuple[()]:
        self.session.save(images, filename_prefix)
        return ()


class PreviewImage(StandIn):
    """Writes PNG files called preview, where ComfyUI shows pictures."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"images": ("IMAGE", {})}}

    def execute(self, images: Tensor) -> tuple[()]:
        self.session.save(images, "preview")
        return ()
