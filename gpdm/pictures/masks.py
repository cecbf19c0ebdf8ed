"""Masks as people give them."""

from __future__ import annotations

from torch import Tensor

from ..errors import ImageError
from ..images import check_image


def masks_for(mask: Tensor | None, name: str, number: int) -> list[Tensor | None]:
    """Returns one mask (1, 1, h, w) for each of a number of pictures; None if there is none.

    Arguments:
        mask: Masks of any size, (h, w), (B, h, w) or (B, 1, h, w) with B 1 or the number of pictures, values from 0 to
            1.
        name: Name of the mask in messages.
        number: Number of pictures.

    Raises:
        ImageError: The mask has another shape or other values.
    """
    if mask is None:
        return [None] * number
    maps = mask[None, None] if mask.dim() == 2 else mask[:, None] if mask.dim() == 3 else mask
    maps = check_image(maps.float() if not maps.is_floating_point() else maps, name)
    if maps.shape[1] != 1 or maps.amin() < 0 or maps.amax() > 1:
        raise ImageError(f"{name} has shape {tuple(mask.shape)}; it must be one map with values from 0 to 1")
    if len(maps) not in (1, number):
        raise ImageError(f"there are {len(maps)} masks for {number} picture(s); give one, or one for each picture")
    return list(maps.expand(number, -1, -1, -1).split(1))
