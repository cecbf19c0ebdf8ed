"""The node that resizes pictures and masks in any of several ways."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ...errors import GPDMError
from .base import SIDE, StandIn, inputs_of, integer, number
from .scale import METHODS, crop_to_aspect, scale

CROP = (["disabled", "center"], {"default": "center"})
BOTH = ("IMAGE,MASK", {})


class ResizeImageMaskNode(StandIn):
    """Resizes a picture or a mask (Resize Image/Mask). The inputs depend on the way."""

    REQUIRED = {
        "input": BOTH,
        "resize_type": inputs_of(
            {
                "scale dimensions": {"width": integer(512, 0, SIDE), "height": integer(512, 0, SIDE), "crop": CROP},
                "scale by multiplier": {"multiplier": number(1.0, 0.01, 8.0)},
                "scale longer dimension": {"longer_size": integer(512, 0, SIDE)},
                "scale shorter dimension": {"shorter_size": integer(512, 0, SIDE)},
                "scale width": {"width": integer(512, 0, SIDE)},
                "scale height": {"height": integer(512, 0, SIDE)},
                "scale total pixels": {"megapixels": number(1.0, 0.01, 16.0)},
                "match size": {"match": BOTH, "crop": CROP},
                "scale to multiple": {"multiple": integer(8, 1, SIDE)},
            }
        ),
        "scale_method": (METHODS[0], {"default": "area"}),
    }
    RETURN_TYPES = ("*",)

    def execute(self, input: Tensor, resize_type: str, scale_method: str, **given: Any) -> tuple[Tensor]:
        batch = input if input.ndim == 4 else input[..., None]
        values = {name.removeprefix("resize_type."): value for name, value in given.items()}
        if resize_type == "scale to multiple":
            resized = _to_multiple(batch, scale_method, **values)
        else:
            crop = values.pop("crop", "disabled")
            height, width = SIZES[resize_type](batch.shape[1], batch.shape[2], **values)
            batch = crop_to_aspect(batch, width, height) if crop == "center" else batch
            resized = scale(batch, scale_method, height, width)
        return (resized if input.ndim == 4 else resized[..., 0],)


def _given(rows: int, columns: int, width: int = 0, height: int = 0) -> tuple[int, int]:
    """Returns a size of which one side may be 0, which keeps the aspect ratio; the old size if both are."""
    if width == height == 0:
        return rows, columns
    return height or max(1, round(rows * width / columns)), width or max(1, round(columns * height / rows))


def _multiplied(rows: int, columns: int, multiplier: float) -> tuple[int, int]:
    return max(1, round(rows * multiplier)), max(1, round(columns * multiplier))


def _longer(rows: int, columns: int, longer_size: int) -> tuple[int, int]:
    return _with_side(rows, columns, max(rows, columns), "longer_size", longer_size)


def _shorter(rows: int, columns: int, shorter_size: int) -> tuple[int, int]:
    return _with_side(rows, columns, min(rows, columns), "shorter_size", shorter_size)


def _with_side(rows: int, columns: int, side: int, name: str, length: int) -> tuple[int, int]:
    """Returns the size in which the side that is `side` long now has this length."""
    if length == 0:
        raise GPDMError(f"{name} = 0 is not allowed: it must be a whole number from 1 to {SIDE}")
    height, width = (length if each == side else max(1, round(each / side * length)) for each in (rows, columns))
    return height, width


def _pixels(rows: int, columns: int, megapixels: float) -> tuple[int, int]:
    return _multiplied(rows, columns, math.sqrt(int(megapixels * 1024 * 1024) / (rows * columns)))


def _matched(rows: int, columns: int, match: Tensor) -> tuple[int, int]:
    return match.shape[1], match.shape[2]


SIZES: dict[str, Callable[..., tuple[int, int]]] = {
    "scale dimensions": _given,
    "scale by multiplier": _multiplied,
    "scale longer dimension": _longer,
    "scale shorter dimension": _shorter,
    "scale width": _given,
    "scale height": _given,
    "scale total pixels": _pixels,
    "match size": _matched,
}
"""The new size of a picture of rows x columns, by way."""


def _to_multiple(batch: Tensor, method: str, multiple: int) -> Tensor:
    """Returns a batch scaled down until one side is a multiple, with the rest of the other cut off."""
    rows, columns = batch.shape[1:3]
    height, width = rows // multiple * multiple, columns // multiple * multiple
    if height == 0 or width == 0 or (height, width) == (rows, columns):
        return batch
    by_width = width / columns >= height / rows
    full_height = max(height, math.ceil(rows * (width / columns))) if by_width else height
    full_width = width if by_width else max(width, math.ceil(columns * (height / rows)))
    top, left = (full_height - height) // 2, (full_width - width) // 2
    return scale(batch, method, full_height, full_width)[:, top : top + height, left : left + width]
