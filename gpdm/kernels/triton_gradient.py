"""Backprojection in one kernel, the last of an evaluation.

Projections are computed again, the gradients of their bins looked up, and these backprojected to the pixels by the
adjoint, all in registers. Nothing of size patches times filters is stored.

A program computes one tile of the gradient, and processes the rows of patches that overlap the tile from top to
bottom. For one row of patches let S (patches, filters) be the gradients of their bins. The product of S with the
filters is the contribution of each patch to each of its pixels. A gather along the row and a sum over the columns of
the patch collect the contributions to one pixel. The partial sums of rows of pixels are kept in at least p slots, of
which one is complete after each row of patches. No two programs write to the same element, and the order of each sum
does not depend on the tiles: the gradient has the same bits every time.
"""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import functools

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..images import size_of
from ..transport.binned import Bins
from .backend import Stride
from .triton_tiles import (
    LARGE_TILES,
    PRODUCT_DEPTH,
    SMALL_TILES,
    UNALIGNED_POINTERS,
    UNSPECIALIZED_SIZES,
    bins_of,
    element_offsets,
    filter_block,
    strided_grid,
)

PROGRAM_CHANNELS = 4
"""Channels that a program computes. An image with more is projected again for the next ones."""
PROGRAMS = 2
"""Programs that run on a multiprocessor at a time."""


@triton.jit(do_not_specialize=UNSPECIALIZED_SIZES, do_not_specialize_on_alignment=UNALIGNED_POINTERS)
def _backproject(
    image, offsets, filters, low, width, bin_gradients, weights, gradient,
    rows, columns, image_height, image_width, bins, row_stride, column_stride,
    patch_stride_y, patch_stride_x, tile_height,
    NUMBER: tl.constexpr, C: tl.constexpr, P: tl.constexpr, CHANNELS: tl.constexpr, SLOTS: tl.constexpr,
    LANES: tl.constexpr, BLOCK: tl.constexpr, ELEMENTS: tl.constexpr, WEIGHTED: tl.constexpr,
):  # fmt: skip
    left = tl.program_id(0) * (LANES - P + 1)
    top = tl.program_id(1) * tile_height
    lane = tl.arange(0, LANES)
    x = left - (P - 1) + lane  # of the patches' first pixels, and of the pixels whose sums this lane holds
    column = x // patch_stride_x
    inside = (x >= 0) & (x % patch_stride_x == 0) & (column < columns)
    channel = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS * SLOTS) // SLOTS
    slot = tl.arange(0, CHANNELS * SLOTS) % SLOTS
    partial = tl.zeros([LANES, CHANNELS * SLOTS], tl.float32)
    y = top - P + 1
    while y < top + tile_height:
        row = y // patch_stride_y
        if (y >= 0) & (y % patch_stride_y == 0) & (row < rows):
            origin = row * (patch_stride_y * row_stride) + column * (patch_stride_x * column_stride)
            # Slot t holds the row of pixels y' with y' mod SLOTS = t, to which the patches here add their row y' - y.
            i = (slot - y) & (SLOTS - 1)
            element = (channel * P + i) * P
            used = (i < P) & (channel < C)
            for start in range(0, NUMBER, BLOCK):
                k = start + tl.arange(0, BLOCK)
                valid = k < NUMBER
                bin = bins_of(
                    image, origin, offsets, inside, filters, low, width, k, NUMBER, bins,
                    C, P, LANES, BLOCK, ELEMENTS,
                )  # fmt: skip
                s = tl.load(bin_gradients + (k[None, :] * bins + bin), mask=inside[:, None] & valid[None, :], other=0.0)
                if WEIGHTED:
                    s *= tl.load(weights + row * columns + column, mask=inside, other=0.0)[:, None]
                for j in range(P):
                    at = k[:, None] * (C * P * P) + (element + j)[None, :]
                    w = tl.load(filters + at, mask=valid[:, None] & used[None, :], other=0.0)
                    contribution = tl.dot(s, w, input_precision="tf32")
                    source = tl.broadcast_to(tl.maximum(lane - j, 0)[:, None], [LANES, CHANNELS * SLOTS])
                    partial += tl.gather(contribution, source, axis=0)
        complete = (slot == (y & (SLOTS - 1)))[None, :]
        if (y >= top) & (y < image_height):
            stored = (lane >= P - 1) & (x < image_width)
            line = (channel * image_height + y) * image_width
            tl.store(
                gradient + (line[None, :] + x[:, None]),
                partial,
                mask=complete & stored[:, None] & (channel < C)[None, :],
            )
        partial = tl.where(complete, 0.0, partial)
        y += 1


def backproject(
    image: Tensor,
    filters: Tensor,
    bins: Bins,
    bin_gradients: Tensor,
    stride: Stride = (1, 1),
    weights: Tensor | None = None,
) -> Tensor:
    """See `reference.backproject`."""
    number, channels, p, _ = filters.shape
    height, width = size_of(image)
    rows, columns = strided_grid(size_of(image), p, stride)
    slots = max(triton.next_power_of_2(p), 4)
    # A tensor core multiplies at least 16 columns.
    program_channels = PROGRAM_CHANNELS if channels > 1 or slots < 16 else 1
    tiles = LARGE_TILES if slots <= 8 and width + p - 1 > SMALL_TILES.lanes else SMALL_TILES
    across = triton.cdiv(width, tiles.lanes - p + 1)
    groups = triton.cdiv(channels, program_channels)
    tile_height = height_of_tiles(height, p, across * groups, PROGRAMS * multiprocessors(image.device))
    gradient = torch.empty_like(image, memory_format=torch.contiguous_format)
    offsets = element_offsets(channels, p, image.stride()[1:], image.device)
    grid = across, triton.cdiv(height, tile_height), groups
    _backproject[grid](
        image, offsets, filters.contiguous(), bins.low, bins.width, bin_gradients.contiguous(),
        bin_gradients if weights is None else weights.contiguous(), gradient,
        rows, columns, height, width, bins.number, *image.stride()[2:], *stride, tile_height,
        number, channels, p, program_channels, slots, tiles.lanes, filter_block(number), PRODUCT_DEPTH,
        weights is not None, **(tiles.options | tiles.gradient),
    )  # fmt: skip
    return gradient


@functools.lru_cache
def height_of_tiles(height: int, patch_size: int, columns: int, programs: int) -> int:
    """Returns the height of the tiles, in pixels, with which all of them are done soonest.

    Arguments:
        height: Height of the image.
        patch_size: Side of the patches. A tile of h pixels takes the time of h + `patch_size` - 1 rows of patches.
        columns: Number of tiles side by side.
        programs: Number of tiles that are computed at a time.
    """

    def rows(tile_height: int) -> int:
        turns = triton.cdiv(columns * triton.cdiv(height, tile_height), programs)
        return turns * (tile_height + patch_size - 1)

    return min(range(1, height + 1), key=rows)


def multiprocessors(device: torch.device) -> int:
    """Returns the number of multiprocessors of a GPU; 1 for other devices."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
