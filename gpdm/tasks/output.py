"""Output options, and the two ways to scale pictures to the output: by the reference, and by a start picture."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..canvas import Keep
from ..images import Size, resize, scaled, size_of
from ..losses.base import Loss
from ..options import Options, option
from ..pictures.symmetry import SYMMETRIES
from ..references import Reference, sizes_of

TILES = {
    "none": "free",
    "both": "circular",
    "x": "circular x",
    "y": "circular y",
    "half drop": "half drop",
    "brick": "brick",
    "mirrored": "mirrored",
}
"""The border (`borders.BORDERS`) of each value of the option `tile`."""

SIZE_OPTIONS = ("width_factor", "height_factor", "output_width", "output_height")
"""Options that set the size of the output, for tasks that offer them (`Task.resizes`)."""


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Options):
    """Number, size and shape of the outputs, and the memory limit."""

    num_outputs: int = option(
        1,
        "Number of pictures to make; picture i (from 0) equals a single run with seed + i. A batch of start "
        "pictures makes one from each; then use 1 or the size of the batch.",
        ge=1,
        le=256,
    )
    height: int = option(
        0,
        "Largest height of the input picture in pixels: a taller one is scaled down first, and 0 sets no limit. "
        "Lower is faster and gives a smaller output, unless init or output_height sets it.",
        ge=0,
        le=16384,
    )
    width_factor: float = option(
        1.0,
        "Output width divided by the width of the start picture, or else of the scaled reference.",
        ge=0.05,
        le=32.0,
        step=0.05,
    )
    height_factor: float = option(
        1.0,
        "Output height divided by the height of the start picture, or else of the scaled reference.",
        ge=0.05,
        le=32.0,
        step=0.05,
    )
    output_width: int = option(0, "Width of the output in pixels. 0 uses width_factor instead.", ge=0, le=16384)
    output_height: int = option(0, "Height of the output in pixels. 0 uses height_factor instead.", ge=0, le=16384)
    memory: int = option(
        0,
        "Memory limit of a run, in MiB. Lower is slower and gives the same picture; 0 uses what a GPU has free, "
        "and sets no limit on a CPU.",
        ge=0,
        le=2**20,
        advanced=True,
    )
    tile: str = option(
        "none",
        "The way in which copies of the output join without a seam: x left to right, y top to bottom, half drop with each column moved "
        "down by half, brick with each row moved by half, mirrored with mirror images. If the task node, GPDM Canvas and the "
        "border of the loss set more than one, they must agree.",
        choices=tuple(TILES),
    )
    symmetry: str = option(
        "none",
        "mirror x makes left and right mirror images, mirror y top and bottom; rotate leaves the output unchanged by that "
        "many degrees, and kaleidoscope by a circle divided by the number, with mirror images.",
        choices=SYMMETRIES,
    )

    def size(self, base: Size) -> Size:
        """Returns height and width of the output, in pixels, for an image of size `base` (height, width).

        What follows from a factor is even along the axis in which tiles are moved by half.
        """
        height = self.output_height or self._rounded(base[0] * self.height_factor, self.tile == "half drop")
        return height, self.output_width or self._rounded(base[1] * self.width_factor, self.tile == "brick")

    def _rounded(self, length: float, even: bool) -> int:
        """Returns a length in whole pixels, at least 1, or an even number of them, since tiles are moved by half."""
        return max(2 * round(length / 2), 2) if even else max(round(length), 1)

    def shrinking(self, size: Size) -> float:
        """Returns the factor that brings a picture of `size` (height, width) down to `height`; 1 if it is no taller."""
        return min(self.height / size[0], 1.0) if self.height else 1.0


@dataclass(frozen=True)
class Work:
    """The references of a run, the size of its output, and its start."""

    references: list[Reference]
    size: Size
    """Height and width of the output. Before `Task.prepare`: of the picture that is the reference."""
    init: Tensor | None = None
    """Images that the outputs start from, (B, C, h, w)."""
    start: Tensor | None = None
    """Image (1, C, h, w) in place of the first reference, for a guess with source "reference"."""
    loss: Loss | None = None
    """Loss in place of the recipe's, from `Task.adapt`."""
    keep: Keep | None = None
    """Pixels to keep, at the size of the output, from `Task.adapt`."""


def by_reference(work: Work, output: OutputOptions) -> Work:
    """Scales all references by the factor that brings the first picture down to the height in `output`.

    The output's size follows from `init` if there is one, else from the scaled reference.
    """
    references, size = work.references, work.size
    factor = output.shrinking(size)
    if factor < 1:
        references, size = [reference.at(factor) for reference in references], scaled(size, factor)
    return Work(references, output.size(size if work.init is None else size_of(work.init)), work.init)


def by_start(work: Work, output: OutputOptions) -> Work:
    """Scales the start picture down to the height in `output`, and larger references down to it.

    References are scaled by one factor, until the shortest of their sides is the shorter side of the start. They
    are never enlarged, since that adds no detail (deviation: the reference implementation always makes their
    heights equal).
    """
    init = work.init
    assert init is not None
    init = resize(init, scaled(size_of(init), output.shrinking(size_of(init))))
    factor = min(1.0, min(size_of(init)) / min(map(min, sizes_of(work.references))))
    return Work([reference.at(factor) for reference in work.references], output.size(size_of(init)), init)
