"""Common parts of the Triton kernels: the bins of a tile of patches, and the sizes of tiles."""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from ..images import Size
from ..patches.linear import patch_grid
from .backend import Stride

UNSPECIALIZED_SIZES = [
    "patches",
    "rows",
    "columns",
    "image_height",
    "image_width",
    "number",
    "row_stride",
    "tile_height",
]
"""Integer arguments of kernels that Triton must not specialise: it would compile again for values divisible by 16."""
UNALIGNED_POINTERS = ["image", "filters", "low", "width", "cdf_p"]
"""Pointer arguments of kernels whose alignment Triton must not specialise. A captured step may not compile, and its
copies of these tensors lie at other addresses; a subsample of an image begins at any element."""
PRODUCT_DEPTH = 32
"""Elements of a patch that are multiplied at a time."""


@functools.cache  # without a limit, because a captured step goes on reading the tensors
def element_offsets(channels: int, patch_size: int, strides: tuple[int, ...], device: torch.device) -> Tensor:
    """Returns the offset in the image of each element of a patch from its first pixel, int32, (elements,).

    Computed in the kernels, they took half of their instructions. They are padded with 0 to a multiple of
    `PRODUCT_DEPTH`.
    """
    axes = zip((channels, patch_size, patch_size), strides, strict=True)
    channel, row, column = (torch.arange(length) * stride for length, stride in axes)
    offsets = (channel[:, None, None] + row[:, None] + column).flatten().int()
    return F.pad(offsets, (0, -len(offsets) % PRODUCT_DEPTH)).to(device)


@triton.jit
def bins_of(
    image, origin, offsets, inside, filters, low, width, k, number, bins,
    C: tl.constexpr, P: tl.constexpr, LANES: tl.constexpr, BLOCK: tl.constexpr, ELEMENTS: tl.constexpr,
):  # fmt: skip
    """Returns the bins, int32 (LANES, BLOCK), of the patches with offsets `origin` along the filters `k`.

    `offsets` are those of `element_offsets`.
    The projections are a matrix product on the tensor cores, which truncate operands to TF32, 11 significant bits; sums
    are float32.
    """
    sums = tl.zeros([LANES, BLOCK], tl.float32)
    valid = k < number
    for start in range(0, C * P * P, ELEMENTS):
        d = start + tl.arange(0, ELEMENTS)
        exists = d < C * P * P  # the filters are 0 elsewhere
        x = tl.load(image + (origin[:, None] + tl.load(offsets + d)[None, :]), mask=inside[:, None], other=0.0)
        w = tl.load(filters + (k[None, :] * (C * P * P) + d[:, None]), mask=exists[:, None] & valid[None, :], other=0.0)
        sums = tl.dot(x, w, sums, input_precision="tf32")
    first = tl.load(low + k, mask=valid, other=0.0)
    scale = 1.0 / tl.load(width + k, mask=valid, other=1.0)
    coordinate = (sums - first[None, :]) * scale[None, :]
    return tl.minimum(tl.maximum(coordinate, 0.0), bins - 0.5).to(tl.int32)


@dataclass(frozen=True)
class Tiles:
    """The tiles into which work is divided, and compiler options for them."""

    lanes: int
    """Patches of a tile."""
    warps: int
    """Warps of a program."""
    stages: int = 2
    """Loads that are in flight at once."""
    gradient: dict[str, int] = field(default_factory=dict)
    """Further options for the kernel of the gradient."""

    @property
    def options(self) -> dict[str, int]:
        """The options as keyword arguments of a launch."""
        return {"num_warps": self.warps, "num_stages": self.stages}


# With at most 128 registers two programs of the gradient's kernel fit on a multiprocessor; without a limit it uses 235.
# Loads in flight cost it more instructions than they save time.
LARGE_TILES = Tiles(128, 8, gradient={"maxnreg": 128, "num_stages": 1})
SMALL_TILES = Tiles(64, 4)
"""Tiles for levels with fewer patches than fill a GPU, and for the gradient of patches of more than 8 pixels, which
keeps more partial sums."""
FEW_PATCHES = 2**12
"""Number of patches up to which tiles are small."""


def tiles_for(patches: int) -> Tiles:
    """Returns the tiles for this number of patches."""
    return LARGE_TILES if patches > FEW_PATCHES else SMALL_TILES


def strided_grid(size: Size, patch_size: int, stride: Stride) -> Size:
    """Returns rows and columns of the patches inside an image of `size`."""
    return patch_grid(size, patch_size, stride[0])[0], patch_grid(size, patch_size, stride[1])[1]


def filter_block(number: int) -> int:
    """Returns the number of filters that are processed together: a power of two that tensor cores support."""
    return min(max(triton.next_power_of_2(number), 16), 64)
