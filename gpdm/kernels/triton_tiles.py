"""What the kernels have in common: the projections of a tile of patches, and the bins they lie in."""

# What @triton.jit makes of a function has other types than the function.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from dataclasses import dataclass, field

import triton
import triton.language as tl

from ..images import Size
from ..patches.linear import patch_grid
from .backend import Stride

SIZES = ["patches", "rows", "columns", "height", "length", "number", "along", "down", "tall"]
PARTS = ["image", "filters", "low", "width", "function"]
"""Arguments of kernels that Triton shall not look at: it would compile anew for sizes and addresses that happen to be divisible by 16. A
recorded step may not compile at all, and its copies of some `PARTS` lie elsewhere; a sample of an image begins anywhere."""
DEPTH = 32
"""Numbers of a patch that are multiplied at a time."""


@triton.jit
def tap_offsets(d, along, down, right, C: tl.constexpr, P: tl.constexpr):
    """Where in the image number `d` of a patch lies from its corner, and whether there is such a number."""
    channel, rest = d // (P * P), d % (P * P)
    return channel * along + (rest // P) * down + (rest % P) * right, d < C * P * P


@triton.jit
def bins_of(
    image, corner, inside, filters, low, width, k, number, bins, along, down, right,
    C: tl.constexpr, P: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """The bins, int32 (ROWS, BLOCK), of the patches whose corners lie at `corner` along the filters `k`.

    A matrix product on the tensor cores: they cut operands off to TF32, 11 significant bits; sums are float32.
    """
    sums = tl.zeros([ROWS, BLOCK], tl.float32)
    known = k < number
    for start in range(0, C * P * P, DEPTH):
        d = start + tl.arange(0, DEPTH)
        offset, exists = tap_offsets(d, along, down, right, C, P)
        x = tl.load(image + (corner[:, None] + offset[None, :]), mask=inside[:, None] & exists[None, :], other=0.0)
        w = tl.load(filters + (k[None, :] * (C * P * P) + d[:, None]), mask=exists[:, None] & known[None, :], other=0.0)
        sums = tl.dot(x, w, sums, input_precision="tf32")
    lowest = tl.load(low + k, mask=known, other=0.0)
    scale = 1.0 / tl.load(width + k, mask=known, other=1.0)
    place = (sums - lowest[None, :]) * scale[None, :]
    return tl.minimum(tl.maximum(place, 0.0), bins - 0.5).to(tl.int32)


@dataclass(frozen=True)
class Tiles:
    """How work is cut, and how Triton is to compile it."""

    lanes: int
    """Patches of a tile."""
    warps: int
    stages: int = 2
    """Loads that are under way at once."""
    gradient: dict[str, int] = field(default_factory=dict)
    """More options for the gradient's kernel."""

    @property
    def options(self) -> dict[str, int]:
        """As a launch takes them."""
        return {"num_warps": self.warps, "num_stages": self.stages}


# Two blocks of the gradient's kernel fit on a multiprocessor with so many registers; without the limit it takes 235.
LARGE = Tiles(128, 8, gradient={"maxnreg": 128})
SMALL = Tiles(64, 4)
"""For levels that have fewer patches than a GPU has places to work, and for the gradient of patches of more than 8 pixels, more of whose
sums wait."""
FEW_PATCHES = 2**12


def tiles(patches: int) -> Tiles:
    """How to cut so many patches."""
    return LARGE if patches > FEW_PATCHES else SMALL


def grid_of(size: Size, patch_size: int, stride: Stride) -> Size:
    """Rows and columns of the patches inside an image of `size`."""
    return patch_grid(size, patch_size, stride[0])[0], patch_grid(size, patch_size, stride[1])[1]


def block_of(number: int) -> int:
    """Filters that are worked on together: a power of two that tensor cores take."""
    return min(max(triton.next_power_of_2(number), 16), 64)
