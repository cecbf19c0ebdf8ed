"""Patches as a linear map: an image goes in, its patches projected onto filters come out, and back by the adjoint.

Patches are never stored: projecting all patches onto a filter is a convolution of the image with it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input

from .images import Size


def patch_count(size: Size, patch_size: int, stride: int) -> int:
    """Number of patches that lie wholly inside an image of `size`, one every `stride` pixels; 0 if none fits."""
    rows, columns = ((side - patch_size) // stride + 1 for side in size)
    return max(rows, 0) * max(columns, 0)


def project(image: Tensor, filters: Tensor, stride: int = 1) -> Tensor:
    """Inner products of every patch with every filter.

    Arguments:
        image: Image with shape (1, C, H, W).
        filters: Filters with shape (K, C, p, p).
        stride: Distance between neighbouring patches, in pixels.

    Returns:
        Projections with shape (K, N), the patches in row-major order.
    """
    return F.conv2d(image, filters, stride=stride)[0].flatten(1)  # (K, N)


def project_adjoint(values: Tensor, filters: Tensor, size: Size, stride: int = 1) -> Tensor:
    """The adjoint of `project`: for every x and v, sum(project(x) * v) = sum(x * project_adjoint(v)).

    Arguments:
        values: One number per filter and patch, with shape (K, N).
        filters: The filters that `project` had, with shape (K, C, p, p).
        size: Height and width of the image.
        stride: The stride that `project` had.

    Returns:
        An image with shape (1, C, H, W).
    """
    rows, columns = ((side - filters.shape[-1]) // stride + 1 for side in size)
    grid = values.reshape(1, -1, rows, columns)
    return conv2d_input((1, filters.shape[1], *size), filters, grid, stride=stride)
