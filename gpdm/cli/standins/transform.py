"""Nodes that cut, turn or extend pictures without resampling them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...errors import GPDMError
from .base import IMAGE, SIDE, StandIn, choice, integer


class ImageCrop(StandIn):
    """A rectangle of the picture, smaller where it ends."""

    REQUIRED = {
        "image": IMAGE,
        "width": integer(512, 1, SIDE),
        "height": integer(512, 1, SIDE),
        "x": integer(0, 0, SIDE),
        "y": integer(0, 0, SIDE),
    }
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, width: int, height: int, x: int, y: int) -> tuple[Tensor]:
        return (_cropped(image, x, y, width, height),)


class ImageCropV2(StandIn):
    """A rectangle of the picture, smaller where it ends. The file lists its values a second time behind it."""

    REQUIRED = {
        "image": IMAGE,
        "crop_region": ("BOUNDING_BOX", {"default": {"x": 0, "y": 0, "width": 512, "height": 512}}),
    }
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, crop_region: Mapping[str, int]) -> tuple[Tensor]:
        box = {"x": 0, "y": 0, "width": 512, "height": 512} | dict(crop_region)
        if box["width"] < 1 or box["height"] < 1:
            raise GPDMError(f"crop_region = {box} is not allowed: width and height must be at least 1")
        return (_cropped(image, box["x"], box["y"], box["width"], box["height"]),)


class ImageFlip(StandIn):
    """Mirrors a picture."""

    REQUIRED = {"image": IMAGE, "flip_method": choice("x-axis: vertically", "y-axis: horizontally")}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, flip_method: str) -> tuple[Tensor]:
        return (image.flip(1 if flip_method.startswith("x") else 2),)


class ImageRotate(StandIn):
    """Turns a picture clockwise."""

    REQUIRED = {"image": IMAGE, "rotation": choice("none", "90 degrees", "180 degrees", "270 degrees")}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, rotation: str) -> tuple[Tensor]:
        quarters = 0 if rotation == "none" else int(rotation.split()[0]) // 90
        return (image.rot90(quarters, (2, 1)),)


class ImagePadForOutpaint(StandIn):
    """A picture with grey borders, and a mask of them that fades into the picture."""

    REQUIRED = {
        "image": IMAGE,
        "left": integer(0, 0, SIDE),
        "top": integer(0, 0, SIDE),
        "right": integer(0, 0, SIDE),
        "bottom": integer(0, 0, SIDE),
        "feathering": integer(40, 0, SIDE),
    }
    RETURN_TYPES = ("IMAGE", "MASK")

    def execute(
        self, image: Tensor, left: int, top: int, right: int, bottom: int, feathering: int
    ) -> tuple[Tensor, Tensor]:
        batch, rows, columns, channels = image.shape
        padded = image.new_full((batch, top + rows + bottom, left + columns + right, channels), 0.5)
        mask = image.new_ones(1, *padded.shape[1:3])
        inner = (slice(None), slice(top, top + rows), slice(left, left + columns))
        padded[inner] = image
        # ComfyUI does not fade where the fades of opposite borders would meet.
        fades = 0 < 2 * feathering < min(rows, columns)
        mask[inner] = _fade(rows, columns, (left, top, right, bottom), feathering) if fades else 0
        return padded, mask


def _cropped(image: Tensor, x: int, y: int, width: int, height: int) -> Tensor:
    x, y = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return image[:, y : y + height, x : x + width]


def _fade(rows: int, columns: int, borders: tuple[int, int, int, int], width: int) -> Tensor:
    """Returns a mask that falls from 1 to 0 over `width` pixels from each side with a border (left, top, ...)."""
    y, x = torch.arange(rows, dtype=torch.float64)[:, None], torch.arange(columns, dtype=torch.float64)[None]
    distances = [near for near, border in zip((x, y, columns - x, rows - y), borders, strict=True) if border]
    nearest = torch.full((rows, columns), float(width), dtype=torch.float64)
    for distance in distances:
        nearest = nearest.minimum(distance)
    return ((width - nearest) / width).square().float()
