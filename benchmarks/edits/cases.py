"""The cases of the benchmark of edits: which parts of which pictures are filled, and which pictures are made tileable.

The geometry is given in fractions of a picture, so that every run has the same holes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps
from torch import Tensor

import gpdm

from ..common import IMAGES, Size, load_image, scaled_size
from .shapes import border_rectangle, centred_square, ellipse, lines

LONGER_SIDE = 256
"""Maximum longer side of a picture, in pixels."""
KINDS = ("ellipse", "lines", "border")
"""Kinds of holes: an ellipse over an object or an edge, thin lines, and a rectangle that touches the border."""
TIMED_SIDE, TIMED_HOLES = 512, (64, 128)
"""Side of the picture for the time, and sides of its square holes, in pixels."""
TIMED_IMAGE = "starry_night"
ELLIPSES = {
    "canyon": (0.72, 0.55, 0.30, 0.25),  # striped rock
    "cat": (0.26, 0.58, 0.28, 0.25),  # fur with stripes
    "coffee": (0.60, 0.68, 0.28, 0.32),  # the spoon
    "dahlia": (0.67, 0.52, 0.25, 0.25),  # half on the petals, half on the leaves
    "hubble": (0.50, 0.50, 0.25, 0.25),
    "pavilion": (0.62, 0.66, 0.28, 0.25),  # trees, the lake and the edge of a roof
    "pier": (0.41, 0.51, 0.26, 0.17),  # the landing stage
    "rocket": (0.695, 0.61, 0.17, 0.75),  # a tower
    "satellite": (0.497, 0.575, 0.48, 0.24),  # the satellite
    "starry_night": (0.34, 0.53, 0.26, 0.26),  # a star
    "tissue": (0.42, 0.45, 0.25, 0.25),  # where two tissues meet
    "wood": (0.45, 0.38, 0.25, 0.25),  # a knot
}
"""Centre of the ellipse in fractions of width and height; its width and height in fractions of the shorter side."""
BORDERS = {
    "canyon": ("bottom", 0.60),
    "cat": ("left", 0.45),
    "coffee": ("bottom", 0.50),
    "dahlia": ("bottom", 0.57),
    "hubble": ("left", 0.60),
    "pavilion": ("right", 0.50),
    "pier": ("bottom", 0.50),
    "rocket": ("left", 0.50),
    "satellite": ("left", 0.45),
    "starry_night": ("bottom", 0.75),
    "tissue": ("right", 0.50),
    "wood": ("top", 0.50),
}
"""Border that the rectangle touches, and its centre along it, as a fraction."""


@dataclass(frozen=True)
class HoleCase:
    """A picture with a hole. `kind` is one of `KINDS`, or the side of the square hole of the picture for the time."""

    image: str
    kind: str

    @property
    def name(self) -> str:
        return f"{self.image} {self.kind}"

    @property
    def timed(self) -> bool:
        """True for a case for the time alone."""
        return self.kind not in KINDS

    def load(self) -> tuple[Tensor, Tensor]:
        """Returns the picture, (1, 3, H, W) in [-1, 1] with 8 bits, and the mask of the hole, bool, (1, 1, H, W)."""
        if self.timed:
            return load_square(self.image, TIMED_SIDE), centred_square(TIMED_SIDE, int(self.kind))
        image = load_picture(self.image)
        return image, hole(self.image, self.kind, (image.shape[2], image.shape[3]))


@dataclass(frozen=True)
class TileCase:
    """A finished picture that is made tileable along `axes`: x, y or both."""

    image: str
    axes: str

    @property
    def name(self) -> str:
        return f"{self.image} tile {self.axes}"

    def load(self) -> Tensor:
        """Returns the picture, (1, 3, H, W) in [-1, 1]."""
        return load_picture(self.image)


HOLES = [HoleCase(path.stem, kind) for path in IMAGES for kind in KINDS] + [
    HoleCase(TIMED_IMAGE, str(side)) for side in TIMED_HOLES
]
TILES = [TileCase(name, "both") for name in ("wood", "tissue", "starry_night", "hubble", "coffee", "cat")] + [
    TileCase(name, "x") for name in ("canyon", "pavilion", "pier", "rocket", "wood", "tissue")
]
CASES: dict[str, HoleCase | TileCase] = {case.name: case for case in (*HOLES, *TILES)}
"""Every case by its name."""


def path_of(name: str) -> Path:
    """Returns the file of one of the twelve pictures."""
    return next(path for path in IMAGES if path.stem == name)


def load_picture(name: str) -> Tensor:
    """Returns one of the twelve pictures with at most `LONGER_SIDE` pixels, (1, 3, H, W) in [-1, 1]."""
    path = path_of(name)
    return load_image(path, scaled_size(path, LONGER_SIDE, max))


def load_square(name: str, side: int) -> Tensor:
    """Returns the middle of one of the twelve pictures, enlarged to a square, (1, 3, side, side) in [-1, 1]."""
    with Image.open(path_of(name)) as picture:
        middle = ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    return gpdm.from_pil(middle)


def hole(image: str, kind: str, size: Size) -> Tensor:
    """Returns the mask of a hole of a kind in a picture of `size`, bool, (1, 1, H, W)."""
    if kind == "ellipse":
        return ellipse(ELLIPSES[image], size)
    return lines(size) if kind == "lines" else border_rectangle(*BORDERS[image], size)
