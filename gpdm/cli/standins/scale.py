"""Nodes that change the size of a picture by resampling it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ...errors import GPDMError
from .base import IMAGE, SIDE, StandIn, choice, integer, number, to_tensor

METHODS = choice("nearest-exact", "bilinear", "area", "bicubic", "lanczos")


class ImageScale(StandIn):
    """Scales to a size; 0 for one side keeps the aspect ratio."""

    REQUIRED = {
        "image": IMAGE,
        "upscale_method": METHODS,
        "width": integer(512, 0, SIDE),
        "height": integer(512, 0, SIDE),
        "crop": choice("disabled", "center"),
    }
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, upscale_method: str, width: int, height: int, crop: str) -> tuple[Tensor]:
        if width == 0 and height == 0:
            return (image,)
        rows, columns = image.shape[1:3]
        width = width or max(1, round(columns * height / rows))
        height = height or max(1, round(rows * width / columns))
        image = crop_to_aspect(image, width, height) if crop == "center" else image
        return (scale(image, upscale_method, height, width),)


class ImageScaleBy(StandIn):
    """Scales by a factor."""

    REQUIRED = {"image": IMAGE, "upscale_method": METHODS, "scale_by": number(1.0, 0.01, 8.0)}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, upscale_method: str, scale_by: float) -> tuple[Tensor]:
        rows, columns = (round(side * scale_by) for side in image.shape[1:3])
        return (scale(image, upscale_method, rows, columns),)


class ImageScaleToTotalPixels(StandIn):
    """Scales to a number of megapixels (of 1024 x 1024), with sides that are multiples of `resolution_steps`."""

    REQUIRED = {"image": IMAGE, "upscale_method": METHODS, "megapixels": number(1.0, 0.01, 16.0)}
    OPTIONAL = {"resolution_steps": integer(1, 1, 256)}  # files in API format from before it existed do not have it
    RETURN_TYPES = ("IMAGE",)

    def execute(
        self, image: Tensor, upscale_method: str, megapixels: float, resolution_steps: int = 1
    ) -> tuple[Tensor]:
        factor = math.sqrt(megapixels * 1024 * 1024 / (image.shape[1] * image.shape[2]))
        rows, columns = (round(side * factor / resolution_steps) * resolution_steps for side in image.shape[1:3])
        return (scale(image, upscale_method, max(rows, resolution_steps), max(columns, resolution_steps)),)


class ImageScaleToMaxDimension(StandIn):
    """Scales so that the longer side is `largest_size`."""

    REQUIRED = {
        "image": IMAGE,
        "upscale_method": choice("area", "lanczos", "bilinear", "nearest-exact", "bicubic"),
        "largest_size": integer(512, 0, SIDE),
    }
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, upscale_method: str, largest_size: int) -> tuple[Tensor]:
        if largest_size == 0:
            raise GPDMError(f"largest_size = 0 is not allowed: it must be a whole number from 1 to {SIDE}")
        longest = max(image.shape[1:3])
        rows, columns = (
            largest_size if side == longest else round(side / longest * largest_size) for side in image.shape[1:3]
        )
        return (scale(image, upscale_method, rows, columns),)


class ResizeAndPadImage(StandIn):
    """Scales a picture to fit into a size, and fills the rest with a colour."""

    REQUIRED = {
        "image": IMAGE,
        "target_width": integer(512, 1, SIDE),
        "target_height": integer(512, 1, SIDE),
        "padding_color": choice("white", "black"),
        "interpolation": choice("area", "bicubic", "nearest-exact", "bilinear", "lanczos"),
    }
    RETURN_TYPES = ("IMAGE",)

    def execute(
        self, image: Tensor, target_width: int, target_height: int, padding_color: str, interpolation: str
    ) -> tuple[Tensor]:
        batch, rows, columns, channels = image.shape
        factor = min(target_width / columns, target_height / rows)
        scaled = scale(image, interpolation, int(rows * factor), int(columns * factor))
        top, left = (target_height - scaled.shape[1]) // 2, (target_width - scaled.shape[2]) // 2
        padded = image.new_full((batch, target_height, target_width, channels), float(padding_color == "white"))
        padded[:, top : top + scaled.shape[1], left : left + scaled.shape[2]] = scaled
        return (padded,)


def scale(image: Tensor, method: str, rows: int, columns: int) -> Tensor:
    """Returns a batch (B, H, W, C) scaled to rows x columns, both of which become at least 1."""
    rows, columns = max(1, rows), max(1, columns)
    if method == "lanczos":
        # Pillow resamples 8 bits. They are rounded as those of saved pictures are, where ComfyUI cuts both off.
        frames = (image * 255).clamp(0, 255).round().to("cpu", torch.uint8)
        frames = [Image.fromarray((x.squeeze(2) if x.shape[2] == 1 else x).numpy()) for x in frames]
        scaled = [to_tensor(frame.resize((columns, rows), Image.Resampling.LANCZOS)) for frame in frames]
        return torch.cat(scaled).reshape(len(frames), rows, columns, -1).to(image)
    return F.interpolate(image.movedim(-1, 1), size=(rows, columns), mode=method).movedim(1, -1)


def crop_to_aspect(image: Tensor, width: int, height: int) -> Tensor:
    """Returns the centre of a batch (B, H, W, C) in the aspect ratio of width x height, one pixel at least."""
    rows, columns = image.shape[1:3]
    old, new = columns / rows, width / height
    left = round((columns - columns * (new / old)) / 2) if old > new else 0
    top = round((rows - rows * (old / new)) / 2) if old < new else 0
    left, top = min(left, (columns - 1) // 2), min(top, (rows - 1) // 2)
    return image[:, top : rows - top, left : columns - left]
