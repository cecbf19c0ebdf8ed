"""Patches as a linear map: projections of all patches of an image onto filters, and the adjoint of this map.

Patches are never stored: projecting all patches onto a filter is a convolution, here with its columns first, then with
its rows (`FilterBank`). Tensors are channels last: on a CPU that makes the convolutions three times faster than the
default layout (benchmarks/README.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..images import Size, check_single
from .filters import FilterBank


@dataclass(frozen=True)
class PatchGrid:
    """A regular grid of square patches in an image."""

    size: int
    """Side of the square patches, in pixels."""
    stride: int = 1
    """Distance between neighbouring patches, in pixels."""

    def random_offset(self, size: Size, generator: Generator) -> tuple[int, int]:
        """Samples row and column of the first patch of an image of `size`, each below the stride.

        With a random offset at every step, strided patches reach every pixel. With stride 1 no number is taken from
        the CPU `generator`.
        """
        choices = [min(self.stride, length - self.size + 1) for length in size]
        if max(choices) == 1:
            return 0, 0
        row, column = (int(torch.randint(number, (1,), generator=generator)) for number in choices)
        return row, column


def patch_grid(size: Size, patch_size: int, stride: int) -> Size:
    """Returns rows and columns of the grid of all patches inside an image of `size`, at this stride; 0 if none fits."""
    rows, columns = ((length - patch_size) // stride + 1 for length in size)
    return max(rows, 0), max(columns, 0)


def patch_count(size: Size, patch_size: int, stride: int) -> int:
    """Returns the number of patches inside an image of `size`, at this stride."""
    rows, columns = patch_grid(size, patch_size, stride)
    return rows * columns


def project(image: Tensor, bank: FilterBank, stride: int = 1, bias: Tensor | None = None) -> Tensor:
    """Returns the inner products of every patch with every filter.

    Arguments:
        image: Image with shape (1, C, H, W).
        bank: K filters, in the dtype and on the device of the image.
        stride: Distance between neighbouring patches, in pixels.
        bias: A constant to add for each filter, shape (K,).

    Returns:
        Projections with shape (rows, columns, K), for the patches of `patch_grid`, contiguous.

    Raises:
        ImageError: `image` is a batch of several.
    """
    return project_rows(project_columns(image, bank, stride), bank, stride, bias)


def project_columns(image: Tensor, bank: FilterBank, stride: int = 1) -> Tensor:
    """Computes the first half of `project`: (1, C, H, W) -> (1, sets M, rows, W), channels last."""
    check_single(image)
    image = image.contiguous(memory_format=torch.channels_last)
    return F.conv2d(image, bank.columns, stride=(stride, 1)).contiguous(memory_format=torch.channels_last)


def project_rows(columns: Tensor, bank: FilterBank, stride: int = 1, bias: Tensor | None = None) -> Tensor:
    """Computes the second half of `project`: (1, sets M, rows, W) -> (rows, columns, sets K).

    `columns` is the result of `project_columns`, or a strip of its rows.
    """
    return F.conv2d(columns, bank.rows, bias, stride=(1, stride), groups=bank.sets)[0].permute(1, 2, 0).contiguous()


@dataclass(frozen=True)
class Adjoint:
    """The adjoint of `project` for a bank of one set, prepared for many uses.

    Its transposed convolution is split as well, into one with the rows of the filters and one with their columns. With
    a stride s each of them returns the s pixels of a grid position as additional channels.
    """

    rows: Tensor
    """Weights of the convolution along rows, (s M, K, 1, v)."""
    columns: Tensor
    """Weights of the convolution along columns, (s C, M, u, 1)."""
    stride: int
    """Distance between neighbouring patches in pixels, s."""

    @staticmethod
    def of(bank: FilterBank, stride: int = 1) -> Adjoint:
        """Returns the adjoint of `project` with this bank and stride."""
        rows = _transposed(bank.rows.permute(1, 0, 2, 3).flatten(2), stride)[:, :, None]
        columns = _transposed(bank.columns.permute(1, 0, 2, 3).flatten(2), stride)[..., None]
        layout = torch.channels_last
        return Adjoint(rows.contiguous(memory_format=layout), columns.contiguous(memory_format=layout), stride)

    def __call__(self, strips: Iterable[Tensor], size: Size) -> Tensor:
        """Returns an image (1, C, H, W) of `size` from strips of values (rows, columns, K), from top to bottom."""
        padding = self.rows.shape[3] - 1
        sums = _concatenated(map(partial(_convolve, weights=self.rows, padding=(0, padding)), strips), size[0])
        sums = _to_length(sums.reshape(len(sums), sums.shape[1] * self.stride, -1), 1, size[1])  # (rows, W, M)
        image = _convolve(sums, self.columns, (padding, 0))  # (rows, W, s C)
        if self.stride > 1:
            image = image.unflatten(2, (self.stride, -1)).permute(0, 2, 1, 3).flatten(0, 1)
        return _to_length(image, 0, size[0]).permute(2, 0, 1)[None]


def _concatenated(parts: Iterable[Tensor], max_rows: int) -> Tensor:
    """Concatenates tensors along the first axis. Together they have at most `max_rows` rows.

    Unlike with `torch.cat`, the parts are not all in memory together with the result.
    """
    parts = iter(parts)
    first = next(parts)
    second = next(parts, None)
    if second is None:
        return first
    result, filled = first.new_empty(max_rows, *first.shape[1:]), 0
    for part in chain((first, second), parts):
        result[filled : filled + len(part)] = part
        filled += len(part)
    return result[:filled]


def project_adjoint(values: Tensor, bank: FilterBank, size: Size, stride: int = 1) -> Tensor:
    """Applies the adjoint of `project`: for every x and v, sum(project(x) * v) = sum(x * project_adjoint(v)).

    Arguments:
        values: One value per patch and filter, with shape (rows, columns, K).
        bank: The filters of `project`.
        size: Height and width of the image.
        stride: The stride of `project`.

    Returns:
        An image with shape (1, C, H, W).
    """
    return Adjoint.of(bank, stride)([values], size)


def _transposed(weights: Tensor, stride: int) -> Tensor:
    """Returns the weights of the transposed convolution: (out, in, p) -> (s out, in, ceil(p / s)).

    With them the transposed convolution is an ordinary one, whose result has the s positions of a stride as channels.
    """
    if stride == 1:
        return weights.flip(2)
    out, channels, length = weights.shape
    taps = -(-length // stride)
    parts = F.pad(weights, (0, taps * stride - length)).reshape(out, channels, taps, stride)
    return parts.flip(2).permute(3, 0, 1, 2).flatten(0, 1)


def _convolve(values: Tensor, weights: Tensor, padding: tuple[int, int]) -> Tensor:
    """Convolves values (rows, columns, K) with weights (L, K, u, v); returns (rows', columns', L)."""
    return F.conv2d(values.permute(2, 0, 1)[None], weights, padding=padding)[0].permute(1, 2, 0).contiguous()


def _to_length(image: Tensor, axis: int, length: int) -> Tensor:
    """Crops `image`, of three dimensions, along `axis` (0 or 1) to `length`, or pads it with zeros."""
    missing = length - image.shape[axis]
    if missing <= 0:
        return image.narrow(axis, 0, length)
    return F.pad(image, (0, 0) * (2 - axis) + (0, missing))
