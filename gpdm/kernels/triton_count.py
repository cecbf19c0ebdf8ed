"""Project and count: patches are gathered from the image, multiplied with the filters on the tensor cores and counted in bins,
all in registers. Nothing of the size of patches times filters is stored."""

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
from .triton_tiles import DEPTH, PARTS, SIZES, bins_of, block_of, grid_of, tiles

SHARDS = 8
"""Copies of the counts, where there are as many blocks, among which blocks are shared out, so that fewer meet at one number."""


@triton.jit(do_not_specialize=SIZES, do_not_specialize_on_alignment=PARTS)
def _project_and_count(
    image, filters, low, width, weights, counts,
    patches, columns, number, bins, along, down, right, step_down, step_right,
    C: tl.constexpr, P: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr,
    SHARDS: tl.constexpr, WEIGHTED: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0)
    k = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    n = block * ROWS + tl.arange(0, ROWS)
    inside = n < patches
    corner = (n // columns) * (step_down * down) + (n % columns) * (step_right * right)
    bin = bins_of(image, corner, inside, filters, low, width, k, number, bins, along, down, right, C, P, ROWS, BLOCK, DEPTH)  # fmt: skip
    at = counts + (block % SHARDS) * (number * bins) + k[None, :] * bins + bin
    counted = inside[:, None] & (k < number)[None, :]
    one = tl.full([ROWS], 1, tl.int32)
    if WEIGHTED:
        one = tl.load(weights + n, mask=inside, other=0)
    tl.atomic_add(at, tl.broadcast_to(one[:, None], [ROWS, BLOCK]), mask=counted, sem="relaxed")


def project_and_count(
    image: Tensor, filters: Tensor, bins: Bins, stride: Stride = (1, 1), weights: Tensor | None = None
) -> Tensor:
    """See `reference.project_and_count`."""
    number, channels, p, _ = filters.shape
    rows, columns = grid_of(size_of(image), p, stride)
    cut, block = tiles(rows * columns), block_of(number)
    blocks = triton.cdiv(rows * columns, cut.lanes)
    shards = SHARDS if blocks >= SHARDS else 1
    counts = torch.zeros(
        shards, number, bins.number, dtype=torch.int32 if weights is None else torch.int64, device=image.device
    )
    _project_and_count[blocks, triton.cdiv(number, block)](
        image, filters.contiguous(), bins.low, bins.width, counts if weights is None else weights.long().contiguous(), counts,
        rows * columns, columns, number, bins.number, *image.stride()[1:], *stride,
        channels, p, cut.lanes, block, DEPTH, shards, weights is not None, **cut.options,
    )  # fmt: skip
    return counts[0].long() if shards == 1 else counts.sum(0)
