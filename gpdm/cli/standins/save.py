"""Nodes that write pictures. They pass them on, as those of ComfyUI do since 0.26."""

from __future__ import annotations

from torch import Tensor

from .base import IMAGE, MASK, StandIn, choice, inputs_of


class SaveImage(StandIn):
    """Writes PNG files."""

    REQUIRED = {"images": IMAGE, "filename_prefix": ("STRING", {"default": "ComfyUI"})}
    RETURN_TYPES = ("IMAGE",)
    OUTPUT_NODE = True

    def execute(self, images: Tensor, filename_prefix: str) -> tuple[Tensor]:
        self.session.save(images, filename_prefix)
        return (images,)


class SaveImageAdvanced(StandIn):
    """Writes PNG files with 8 or 16 bits per channel."""

    REQUIRED = {
        "images": IMAGE,
        "filename_prefix": ("STRING", {"default": "ComfyUI"}),
        "format": inputs_of({"png": {"bit_depth": choice("8-bit", "16-bit"), "input_color_space": choice("sRGB")}}),
    }
    RETURN_TYPES = ("IMAGE",)
    OUTPUT_NODE = True

    def execute(self, images: Tensor, filename_prefix: str, **format: str) -> tuple[Tensor]:
        bits = {"8-bit": 8, "16-bit": 16}[format["format.bit_depth"]]
        self.session.save(images, filename_prefix, ".png", bits)
        return (images,)


class PreviewImage(StandIn):
    """Writes PNG files called preview, where ComfyUI shows pictures."""

    REQUIRED = {"images": IMAGE}
    RETURN_TYPES = ("IMAGE",)
    OUTPUT_NODE = True

    def execute(self, images: Tensor) -> tuple[Tensor]:
        self.session.save(images, "preview")
        return (images,)


class MaskPreview(StandIn):
    """Writes masks as PNG files called preview, where ComfyUI shows them."""

    REQUIRED = {"mask": MASK}
    RETURN_TYPES = ("MASK",)
    OUTPUT_NODE = True

    def execute(self, mask: Tensor) -> tuple[Tensor]:
        self.session.save(mask[..., None].expand(-1, -1, -1, 3), "preview")
        return (mask,)
