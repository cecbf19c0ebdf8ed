"""Blending of copied pixels: differences of brightness between neighbouring pieces are spread over the hole."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import wraps
from ..patches.store import PatchStore

LARGEST_STEP = 0.5
"""Difference across the edge of two pieces, for pixels from -1 to 1, from which it is kept: it may be a real edge."""
MAX_ITERATIONS = 500
TOLERANCE = 1e-3
"""Largest remaining difference of a pixel from the solution's equation, at which the iteration ends."""


def blended(
    image: Tensor,
    store: PatchStore,
    known: Tensor,
    index: Tensor,
    largest_step: float = LARGEST_STEP,
    border: str = "free",
) -> Tensor:
    """Returns an image whose copied pixels keep the differences to their neighbours that they have in the reference.

    Where two neighbours come from different places, their difference becomes the mean of those at both places, unless
    it would change a lot. Pixels that are not copied stay as they are (Poisson's equation).

    Arguments:
        image: Image with the copied pixels, (1, C, H, W).
        store: The references.
        known: Which of their pixels have a value, bool, (pixels,).
        index: Index of the reference pixel of each pixel, (H, W), int64; -1 where nothing was copied.
        largest_step: Difference across the edge of two pieces from which it is kept.
        border: One of `borders.BORDERS`.

    References:
        Perez, Gangnet and Blake, Poisson Image Editing, SIGGRAPH 2003.
    """
    hole = (index >= 0)[None, None].to(image)
    changes = torch.zeros_like(image)
    for axis, wrapping in zip((2, 3), wraps(border), strict=True):
        changes += _divergence(_changes(image, store, known, index, axis, wrapping, largest_step), axis)
    return image + _solution(-changes * hole, hole, border)


def membrane(image: Tensor, mask: Tensor, largest_step: float = LARGEST_STEP) -> Tensor:
    """Returns what to add to an image so that the difference across the border of a mask becomes small.

    It is 0 outside the mask, and smooth inside (Laplace's equation). Large differences are kept.

    Arguments:
        image: Image, (1, C, H, W).
        mask: Where the image may change, bool, (1, 1, H, W).
        largest_step: Difference across the border from which it is kept.
    """
    inside, changes = mask.to(image), torch.zeros_like(image)
    for axis in (2, 3):
        across = (mask != mask.roll(-1, axis)) & _has_next(mask, axis, False)
        step = image.roll(-1, axis) - image
        changes += _divergence(torch.where(across, _limited(-step, largest_step), 0), axis)
    return _solution(-changes * inside, inside)


def _limited(change: Tensor, largest_step: float) -> Tensor:
    """Returns changes of differences, which fall to 0 where they reach `largest_step` in one of the channels."""
    size = change.abs().amax(1, keepdim=True)
    return change * (1 - (size / largest_step).clamp(max=1) ** 4)


def _has_next(image: Tensor, axis: int, wrapping: bool) -> Tensor:
    """Returns which pixels of an image have a next one along an axis, bool, (1, 1, H, W)."""
    which = torch.ones(1, 1, *image.shape[2:], dtype=torch.bool, device=image.device)
    if not wrapping:
        which.narrow(axis, image.shape[axis] - 1, 1).fill_(False)
    return which


def _changes(
    image: Tensor, store: PatchStore, known: Tensor, index: Tensor, axis: int, wrapping: bool, largest_step: float
) -> Tensor:
    """Returns by how much the wanted differences to the next pixels along an axis differ from those of the image."""
    after = index.roll(-1, axis - 2)
    given = image.roll(-1, axis) - image
    step = store.width if axis == 2 else 1
    total, number = torch.zeros_like(given), torch.zeros_like(given[:, :1])
    for first in (index, torch.where(after >= 0, after - step, -1)):
        exists = (first >= 0) & (first + step < len(known)) & (first % store.width + (axis == 3) < store.width)
        flat = first.clamp(0, len(known) - 1 - step).flatten()
        exists &= (known[flat] & known[flat + step]).view(first.shape)
        values = store.pixels.index_select(0, flat + step) - store.pixels.index_select(0, flat)
        total += torch.where(exists, values.T.reshape(given.shape), 0)
        number += exists.to(number)
    # If the reference ends at both places, no difference is wanted.
    inside = ((index >= 0) | (after >= 0)) & _has_next(image, axis, wrapping)
    change = torch.where(inside, total / number.clamp(min=1) - given, 0)
    return _limited(change, largest_step)


def _divergence(differences: Tensor, axis: int) -> Tensor:
    """Returns the difference to the next pixel less that of the pixel before to this one, at every pixel.

    A pixel without a next one has the difference 0.
    """
    return differences - differences.roll(1, axis)


def _solution(right: Tensor, hole: Tensor, border: str = "free") -> Tensor:
    """Solves Poisson's equation inside a hole, by conjugate gradients. Outside it the solution is 0."""
    neighbours = _neighbour_sum(torch.ones_like(hole), border)

    def laplacian(x: Tensor) -> Tensor:
        return (neighbours * x - _neighbour_sum(x, border)) * hole

    x, residual = torch.zeros_like(right), right.clone()
    direction, square = residual.clone(), residual.square().sum((2, 3), keepdim=True)
    for _ in range(MAX_ITERATIONS):
        if float(residual.abs().amax()) < TOLERANCE:
            break
        product = laplacian(direction)
        length = square / (direction * product).sum((2, 3), keepdim=True).clamp(min=1e-20)
        x += length * direction
        residual -= length * product
        before, square = square, residual.square().sum((2, 3), keepdim=True)
        direction = residual + square / before.clamp(min=1e-20) * direction
    return x


def _neighbour_sum(x: Tensor, border: str) -> Tensor:
    """Returns the sum of the four neighbours of each pixel; beyond a border that does not wrap there are none."""
    total = torch.zeros_like(x)
    for axis, wrapping in zip((2, 3), wraps(border), strict=True):
        padded = F.pad(x, (0, 0, 1, 1) if axis == 2 else (1, 1), mode="circular" if wrapping else "constant")
        total += padded.narrow(axis, 0, x.shape[axis]) + padded.narrow(axis, 2, x.shape[axis])
    return total
