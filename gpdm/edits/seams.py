"""Seams: connected lines of pixels, one in each row, whose removal changes an image least."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import Size, size_of


def without_seams(image: Tensor, cost: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Returns an image from which seams are removed until it has a size, and the cost of its pixels.

    Arguments:
        image: Image, (1, C, H, W).
        cost: What the removal of each pixel costs besides the differences it makes, (1, 1, H, W).
        size: Height and width of the result, at most those of the image.

    References:
        Rubinstein, Shamir and Avidan, Improved Seam Carving for Video Retargeting, SIGGRAPH 2008, section 5.
    """
    device, both = image.device, torch.cat([image, cost], 1).cpu()  # rows depend on each other: small and serial
    for axis, length in ((3, size[1]), (2, size[0])):
        upright = both if axis == 3 else both.mT
        while upright.shape[3] > length:
            seam = least_seam(upright[:, :-1], upright[:, -1:])
            upright = _without(upright, seam)
        both = upright if axis == 3 else upright.mT
    both = both.contiguous().to(device)
    return both[:, :-1], both[:, -1:]


def least_seam(image: Tensor, cost: Tensor) -> Tensor:
    """Returns the column, in each row, of the vertical seam that costs least, (H,), int64.

    The cost of a seam is that of its pixels, plus the differences between pixels that become neighbours.

    Arguments:
        image: Image, (1, C, H, W).
        cost: Cost of its pixels, (1, 1, H, W).
    """
    padded = F.pad(image, (1, 1, 1, 0), mode="replicate")
    left, right, above = padded[0, :, 1:, :-2], padded[0, :, 1:, 2:], padded[0, :, :-1, 1:-1]
    across = (left - right).abs().mean(0)
    own = across + cost[0, 0]
    turns = [(above - left).abs().mean(0), torch.zeros_like(across), (above - right).abs().mean(0)]
    total, origins = own[0], []
    for row in range(1, len(own)):
        # A seam that comes from the upper left joins the pixel above with the left one, and so on.
        before = F.pad(total, (1, 1), value=torch.inf)
        ways = torch.stack([before[i : i + len(total)] + turns[i][row] for i in range(3)])
        least, origin = ways.min(0)
        total = least + own[row]
        origins.append(origin - 1)
    column = int(total.argmin())
    columns = [column]
    for origin in reversed(origins):
        column += int(origin[column])
        columns.append(column)
    return torch.tensor(columns[::-1], device=image.device)


def _without(image: Tensor, seam: Tensor) -> Tensor:
    """Returns an image (1, C, H, W) without one pixel in each row, (1, C, H, W - 1)."""
    height, width = size_of(image)
    kept = torch.arange(width, device=image.device) != seam[:, None]
    return image[..., kept].view(*image.shape[:2], height, width - 1)
