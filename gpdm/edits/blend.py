"""Blending of copied pixels: differences of brightness between neighbouring pieces are spread over the hole."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..patches.store import PatchStore

LARGEST_STEP = 0.5
"""Difference across the edge of two pieces, for pixels from -1 to 1, from which it is kept: it may be a real edge."""
MAX_ITERATIONS = 500
TOLERANCE = 1e-3
"""Largest remaining difference of a pixel from the solution's equation, at which the iteration ends."""


def blended(
    image: Tensor, store: PatchStore, known: Tensor, index: Tensor, largest_step: float = LARGEST_STEP
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

    References:
        Perez, Gangnet and Blake, Poisson Image Editing, SIGGRAPH 2003.
    """
    hole = (index >= 0)[None, None].to(image)
    changes = (_divergence(_changes(image, store, known, index, axis, largest_step), axis) for axis in (2, 3))
    return image + _solution(-sum(changes, torch.zeros_like(image)) * hole, hole)


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
        length = image.shape[axis] - 1
        across = mask.narrow(axis, 0, length) != mask.narrow(axis, 1, length)
        step = image.narrow(axis, 1, length) - image.narrow(axis, 0, length)
        changes += _divergence(torch.where(across, _limited(-step, largest_step), 0), axis)
    return _solution(-changes * inside, inside)


def _limited(change: Tensor, largest_step: float) -> Tensor:
    """Returns changes of differences, which fall to 0 where they reach `largest_step` in one of the channels."""
    size = change.abs().amax(1, keepdim=True)
    return change * (1 - (size / largest_step).clamp(max=1) ** 4)


def _changes(image: Tensor, store: PatchStore, known: Tensor, index: Tensor, axis: int, largest_step: float) -> Tensor:
    """Returns by how much the wanted differences to the next pixels along an axis differ from those of the image.

    The shape is that of the image, less one pixel along the axis.
    """
    length = image.shape[axis]
    here, after = index.narrow(axis - 2, 0, length - 1), index.narrow(axis - 2, 1, length - 1)
    given = image.narrow(axis, 1, length - 1) - image.narrow(axis, 0, length - 1)
    step = store.width if axis == 2 else 1
    total, number = torch.zeros_like(given), torch.zeros_like(given[:, :1])
    for first in (here, torch.where(after >= 0, after - step, -1)):
        exists = (first >= 0) & (first + step < len(known)) & (first % store.width + (axis == 3) < store.width)
        flat = first.clamp(0, len(known) - 1 - step).flatten()
        exists &= (known[flat] & known[flat + step]).view(first.shape)
        values = store.pixels.index_select(0, flat + step) - store.pixels.index_select(0, flat)
        total += torch.where(exists, values.T.reshape(given.shape), 0)
        number += exists.to(number)
    # If the reference ends at both places, no difference is wanted.
    inside = ((here >= 0) | (after >= 0)).expand_as(given)
    change = torch.where(inside, total / number.clamp(min=1) - given, 0)
    return _limited(change, largest_step)


def _divergence(differences: Tensor, axis: int) -> Tensor:
    """Returns the difference to the next pixel less that of the pixel before to this one, at every pixel."""
    ends = (0, 0, 1, 1) if axis == 2 else (1, 1, 0, 0)
    padded = F.pad(differences, ends)
    return padded.narrow(axis, 1, padded.shape[axis] - 1) - padded.narrow(axis, 0, padded.shape[axis] - 1)


def _solution(right: Tensor, hole: Tensor) -> Tensor:
    """Solves Poisson's equation inside a hole, by conjugate gradients. Outside it the solution is 0."""
    ones = torch.ones_like(hole)
    neighbours = _neighbour_sum(ones)

    def laplacian(x: Tensor) -> Tensor:
        return (neighbours * x - _neighbour_sum(x)) * hole

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


def _neighbour_sum(x: Tensor) -> Tensor:
    """Returns the sum of the four neighbours of each pixel; beyond the border there are none."""
    padded = F.pad(x, (1, 1, 1, 1))
    return padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1] + padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2]
