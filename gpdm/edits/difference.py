"""The mask of a paste, found from the difference between a composite and the picture before the paste."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ImageError
from ..images import check_image, size_of
from ..pictures.forms import Form
from .masks import grown

WINDOW, MEAN_DIFFERENCE = 9, 0.1
"""A pixel is pasted if the mean difference of a channel in a window of this width is at least so large, for values from
-1 to 1. JPEG files of quality 75 and above differ less."""
PIXEL_DIFFERENCE = 0.05
"""Difference that a pixel itself must have."""
CLOSED = 3
"""Gaps up to twice this width, in pixels, are closed."""
SPECK = 2
"""Parts without a square of twice this width and one pixel are dropped."""
MOST = 0.9
"""Fraction of the picture from which a difference is not that of a paste."""


def pasted_part(image: Tensor, original: Tensor) -> Tensor:
    """Returns the mask of what was pasted into pictures, (B, 1, H, W): 1 where they differ from the originals, else 0.

    Small differences, as JPEG files have, do not count. Specks are dropped, and holes of the mask are closed.

    Arguments:
        image: Pictures with a paste, (B, C, H, W) in [-1, 1] with C from 1 to 4.
        original: The pictures before the paste, (1 or B, C, H, W); channels may differ.

    Raises:
        ImageError: The sizes differ, or nothing, or almost everything, is different.
    """
    size, other = size_of(check_image(image, "image")), size_of(check_image(original, "original"))
    if size != other:
        raise ImageError(
            f"original is {other[1]} x {other[0]} pixels and the picture {size[1]} x {size[0]}; "
            "give the picture as it was before the paste, with the same size"
        )
    if len(original) not in (1, len(image)):
        raise ImageError(f"there are {len(original)} originals for {len(image)} picture(s); give one, or one for each")
    form = Form.of([image])
    difference = form.enter(image) - form.enter(original).to(image)
    return torch.cat([_mask(each) for each in difference.split(1)]).to(image)


def _mask(difference: Tensor) -> Tensor:
    """Returns the mask of one picture, bool, (1, 1, H, W), from the difference to its original, (1, C, H, W)."""
    mean = F.avg_pool2d(difference, WINDOW, 1, WINDOW // 2, count_include_pad=False).abs().amax(1, keepdim=True)
    found = (mean >= MEAN_DIFFERENCE) & (difference.abs().amax(1, keepdim=True) >= PIXEL_DIFFERENCE)
    closed = ~grown(~grown(found, CLOSED), CLOSED)
    kept = connected(~grown(~closed, SPECK), closed)
    mask = ~connected(_border(kept), ~kept)
    share = float(mask.float().mean())
    if share == 0:
        raise ImageError(
            "nothing in the picture differs visibly from original, so that no paste is found; "
            "give the picture before the paste, or paint a mask"
        )
    if share > MOST:
        raise ImageError(
            f"{share:.0%} of the picture differ from original, too much for a paste; "
            "give the same picture as it was before the paste, or paint a mask"
        )
    return mask


def connected(seeds: Tensor, within: Tensor) -> Tensor:
    """Returns the pixels of a mask that rows and columns inside it connect to others, bool, (1, 1, H, W).

    Arguments:
        seeds: Where to begin, bool, (1, 1, H, W).
        within: The mask, bool, (1, 1, H, W).
    """
    reached, number = seeds & within, -1
    while number != (number := int(reached.sum())):
        for axis in (3, 2):
            reached = _along(reached, within, axis)
    return reached


def _along(reached: Tensor, within: Tensor, axis: int) -> Tensor:
    """Returns all pixels of the runs along an axis, inside a mask, that have a pixel which is reached."""
    run = (~within).cumsum(axis)  # the number of the run that each pixel is in
    shape = list(run.shape)
    shape[axis] += 1
    hit = torch.zeros(shape, dtype=torch.uint8, device=run.device)
    hit = hit.scatter_reduce(axis, run, reached.to(torch.uint8), "amax")
    return (hit.gather(axis, run) > 0) & within


def _border(mask: Tensor) -> Tensor:
    """Returns the outermost pixels of a picture, bool, with the shape of a mask (1, 1, H, W)."""
    border = torch.ones_like(mask)
    border[..., 1:-1, 1:-1] = False
    return border
