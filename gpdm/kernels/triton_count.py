"""Projection and counting in one kernel, the first of an evaluation.

Patches are gathered from the image, multiplied with the filters on the tensor cores and counted in bins, all in
registers. Nothing of size patches times filters is stored.
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
from .triton_tiles import (
    PRODUCT_DEPTH,
    UNALIGNED_POINTERS,
    UNSPECIALIZED_SIZES,
    bins_of,
    element_offsets,
    filter_block,
    strided_grid,
    tiles_for,
)

COUNT_SHARDS = 8
"""Copies of the counts among which programs are distributed, so that fewer of them add to the same number. With fewer
programs than this there is one copy."""


@triton.jit(do_not_specialize=UNSPECIALIZED_SIZES, do_not_specialize_on_alignment=UNALIGNED_POINTERS)
def _project_and_count(
    image, offsets, filters, low, width, weights, counts,
    patches, columns, number, bins, row_stride, column_stride, patch_stride_y, patch_stride_x,
    C: tl.constexpr, P: tl.constexpr, LANES: tl.constexpr, BLOCK: tl.constexpr, ELEMENTS: tl.constexpr,
    SHARDS: tl.constexpr, WEIGHTED: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    k = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    n = program * LANES + tl.arange(0, LANES)
    inside = n < patches
    origin = (n // columns) * (patch_stride_y * row_stride) + (n % columns) * (patch_stride_x * column_stride)
    bin = bins_of(
        image, origin, offsets, inside, filters, low, width, k, number, bins, C, P, LANES, BLOCK, ELEMENTS,
    )  # fmt: skip
    at = counts + (program % SHARDS) * (number * bins) + k[None, :] * bins + bin
    counted = inside[:, None] & (k < number)[None, :]
    amount = tl.full([LANES], 1, tl.int32)
    if WEIGHTED:
        amount = tl.load(weights + n, mask=inside, other=0)
    tl.atomic_add(at, tl.broadcast_to(amount[:, None], [LANES, BLOCK]), mask=counted, sem="relaxed")


def project_and_count(
    image: Tensor, filters: Tensor, bins: Bins, stride: Stride = (1, 1), weights: Tensor | None = None
) -> Tensor:
    """See `reference.project_and_count`."""
    number, channels, p, _ = filters.shape
    rows, columns = strided_grid(size_of(image), p, stride)
    tiles, block = tiles_for(rows * columns), filter_block(number)
    programs = triton.cdiv(rows * columns, tiles.lanes)
    shards = COUNT_SHARDS if programs >= COUNT_SHARDS else 1
    counts = torch.zeros(
        shards, number, bins.number, dtype=torch.int32 if weights is None else torch.int64, device=image.device
    )
    offsets = element_offsets(channels, p, image.stride()[1:], image.device)
    _project_and_count[programs, triton.cdiv(number, block)](
        image, offsets, filters.contiguous(), bins.low, bins.width,
        counts if weights is None else weights.long().contiguous(), counts,
        rows * columns, columns, number, bins.number, *image.stride()[2:], *stride,
        channels, p, tiles.lanes, block, PRODUCT_DEPTH, shards, weights is not None, **tiles.options,
    )  # fmt: skip
    return counts[0].long() if shards == 1 else counts.sum(0)
