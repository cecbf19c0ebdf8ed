"""Look up and carry back: projections are computed once more, their bins' bin_gradients looked up, and these carried back to the pixels
by the adjoint, all in registers. Nothing of the size of patches times filters is stored.

A program owns a tile of the gradient, and goes down the rows of patches that reach into it. With S (patches of a row, filters)
the bin_gradients of a row of patches, S times the filters says what each patch gives to each of its pixels; a shift along the row by the column within the
patch (a gather) and a sum bring together what one pixel gets from the row. Down the rows what is not complete yet waits in `p` slots,
of which one is finished with each row. No two programs write to the same number, and each number's sum has one order,
whatever the tiles: the gradient has the same bits every time.
"""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..images import size_of
from ..transport.binned import Bins
from .backend import Stride
from .triton_tiles import DEPTH, LARGE, PARTS, SIZES, SMALL, bins_of, block_of, grid_of

CHANNELS = 4
"""Channels that a program works on; a picture with more is projected again for the next ones."""
HEIGHTS = 4, 64
"""Rows of a tile, at least and at most: low ones where processors would be left without work."""


@triton.jit(do_not_specialize=SIZES, do_not_specialize_on_alignment=PARTS)
def _look_up_and_carry_back(
    image, filters, low, width, bin_gradients, weights, gradient,
    rows, columns, height, length, bins, along, down, right, step_down, step_right, tall,
    NUMBER: tl.constexpr, C: tl.constexpr, P: tl.constexpr, GROUP: tl.constexpr, SLOTS: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr, WEIGHTED: tl.constexpr,
):  # fmt: skip
    across = tl.program_id(0) * (ROWS - P + 1)
    top = tl.program_id(1) * tall
    lane = tl.arange(0, ROWS)
    x = across - (P - 1) + lane  # of the patches' corners, and of the pixels whose sums this lane holds
    column = x // step_right
    inside = (x >= 0) & (x % step_right == 0) & (column < columns)
    channel = tl.program_id(2) * GROUP + tl.arange(0, GROUP * SLOTS) // SLOTS
    slot = tl.arange(0, GROUP * SLOTS) % SLOTS
    waiting = tl.zeros([ROWS, GROUP * SLOTS], tl.float32)
    y = top - P + 1
    while y < top + tall:
        row = y // step_down
        if (y >= 0) & (y % step_down == 0) & (row < rows):
            corner = row * (step_down * down) + column * (step_right * right)
            # Slot t holds the row of pixels y' with y' mod SLOTS = t, to which the patches here give their row y' - y.
            i = (slot - y) & (SLOTS - 1)
            tap = (channel * P + i) * P
            used = (i < P) & (channel < C)
            for start in range(0, NUMBER, BLOCK):
                k = start + tl.arange(0, BLOCK)
                known = k < NUMBER
                bin = bins_of(image, corner, inside, filters, low, width, k, NUMBER, bins, along, down, right, C, P, ROWS, BLOCK, DEPTH)  # fmt: skip
                s = tl.load(bin_gradients + (k[None, :] * bins + bin), mask=inside[:, None] & known[None, :], other=0.0)
                if WEIGHTED:
                    s *= tl.load(weights + row * columns + column, mask=inside, other=0.0)[:, None]
                for j in range(P):
                    at = k[:, None] * (C * P * P) + (tap + j)[None, :]
                    w = tl.load(filters + at, mask=known[:, None] & used[None, :], other=0.0)
                    given = tl.dot(s, w, input_precision="tf32")
                    from_left = tl.broadcast_to(tl.maximum(lane - j, 0)[:, None], [ROWS, GROUP * SLOTS])
                    waiting += tl.gather(given, from_left, axis=0)
        done = (slot == (y & (SLOTS - 1)))[None, :]
        if (y >= top) & (y < height):
            own = (lane >= P - 1) & (x < length)
            line = (channel * height + y) * length
            tl.store(
                gradient + (line[None, :] + x[:, None]), waiting, mask=done & own[:, None] & (channel < C)[None, :]
            )
        waiting = tl.where(done, 0.0, waiting)
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
    height, length = size_of(image)
    rows, columns = grid_of(size_of(image), p, stride)
    slots = max(triton.next_power_of_2(p), 4)
    group = CHANNELS if channels > 1 or slots < 16 else 1  # a tensor core takes 16 columns at least
    cut = LARGE if slots <= 8 and length + p - 1 > SMALL.lanes else SMALL
    across = triton.cdiv(length, cut.lanes - p + 1)
    tall = min(max(triton.cdiv(height * across, 2 * processors(image.device)), HEIGHTS[0]), HEIGHTS[1])
    gradient = torch.empty_like(image, memory_format=torch.contiguous_format)
    grid = across, triton.cdiv(height, tall), triton.cdiv(channels, group)
    _look_up_and_carry_back[grid](
        image, filters.contiguous(), bins.low, bins.width, bin_gradients.contiguous(), bin_gradients if weights is None else weights.contiguous(), gradient,
        rows, columns, height, length, bins.number, *image.stride()[1:], *stride, tall,
        number, channels, p, group, slots, cut.lanes, block_of(number), DEPTH, weights is not None,
        **cut.options, **cut.gradient,
    )  # fmt: skip
    return gradient


def processors(device: torch.device) -> int:
    """How many multiprocessors share the work."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
