"""The methods that are compared: this package, G'MIC, OpenCV, a cross-fade, and the picture as it is.

A method that is not installed raises `NotInstalled` with what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import gpdm

from ..programs import NotInstalled, run_gmic
from .measures import BAND

PAINT = (1.0, -1.0, 1.0)
"""Colour of the hole in the pictures that the methods are given: magenta, so that a leak would be seen."""
GMIC_FILL = "inpaint_matchpatch[0] [1],0,9,10,5,1 round[0]"
"""G'MIC's patch matching at all scales, with patches of 9 pixels, 10 iterations, a blend of 5 and outer blending. Its
output is rounded, since a file of it would have most values lowered by 1."""
GMIC_TILE = "fx_make_seamless 0,0,0"
"""G'MIC's seamless picture by diffusion (a Poisson equation), without equalised light."""


@dataclass(frozen=True)
class Output:
    """An output of a method."""

    image: Tensor
    """Picture, (1, 3, H, W) in [-1, 1]."""
    mask: Tensor
    """Where the method may change the picture, bool, (1, 1, H, W)."""


Fill = Callable[[Tensor, Tensor, int], Output]
"""Fills a hole of a picture, (1, 3, H, W), given its mask, bool, (1, 1, H, W), and a seed."""
Tile = Callable[[Tensor, str], Output]
"""Makes a picture tileable along axes: x, y or both."""


def painted(image: Tensor, mask: Tensor) -> Tensor:
    """Returns a picture whose hole has the colour `PAINT`."""
    return torch.where(mask, image.new_tensor(PAINT)[:, None, None], image)


def fill_ours(image: Tensor, mask: Tensor, seed: int) -> Output:
    """Fills a hole with `gpdm.inpaint`; the mask does not grow, so that all methods fill the same pixels."""
    edits = gpdm.inpaint(image, mask.to(image), grow=0, seed=seed)
    return Output(edits.images, edits.masks > 0)


def fill_gmic(image: Tensor, mask: Tensor, seed: int) -> Output:
    """Fills a hole with G'MIC's inpaint_matchpatch; on one thread, the same seed gives the same output."""
    return Output(run_gmic(f"srand {seed + 1} {GMIC_FILL}", image, mask.to(image) * 2 - 1), mask)


def fill_opencv(image: Tensor, mask: Tensor, seed: int) -> Output:
    """Fills a hole with OpenCV's shift-map."""
    try:
        from cv2 import xphoto  # type: ignore[import-not-found]
    except ImportError as error:
        raise NotInstalled("it needs OpenCV's xphoto (pip install opencv-contrib-python-headless)") from error
    source = np.ascontiguousarray(np.asarray(gpdm.to_pil(image))[..., ::-1])
    known = np.where(mask[0, 0].numpy(), 0, 255).astype(np.uint8)
    target = np.zeros_like(source)
    xphoto.inpaint(source, known, target, xphoto.INPAINT_SHIFTMAP)
    return Output(gpdm.from_pil(Image.fromarray(np.ascontiguousarray(target[..., ::-1]))), mask)


def tile_ours(image: Tensor, axes: str) -> Output:
    """Makes a picture tileable with the edit make_tileable."""
    edit = gpdm.EDITS.get("make_tileable")
    if edit is None:
        raise NotInstalled("this version has no edit make_tileable")
    edits = gpdm.run_edit(edit, image, axes=axes)
    return Output(edits.images, edits.masks > 0)


def tile_gmic(image: Tensor, axes: str) -> Output:
    """Makes a picture tileable in both directions with G'MIC's fx_make_seamless, which changes every pixel."""
    return Output(run_gmic(GMIC_TILE, image), torch.ones_like(image[:, :1], dtype=torch.bool))


def tile_fade(image: Tensor, axes: str) -> Output:
    """Fades a picture into its mirrored image towards the borders, over half of `BAND`."""
    faded, mask = image, torch.zeros_like(image[:, :1], dtype=torch.bool)
    for axis, name in ((2, "y"), (3, "x")):
        if axes in (name, "both"):
            length = image.shape[axis]
            place = torch.arange(length)
            depth = torch.minimum(place, length - 1 - place).to(image)
            share = (0.5 * (1 - depth / (BAND // 2)).clamp(min=0)).view(-1, *[1] * (3 - axis))
            faded, mask = faded + share * (faded.flip(axis) - faded), mask | (share > 0)
    return Output(faded, mask)


OURS, GMIC, OPENCV, TRUTH, GIVEN, FADE = "gpdm", "G'MIC", "OpenCV", "truth", "as given", "cross-fade"
FILLS: dict[str, Fill] = {
    TRUTH: lambda image, mask, seed: Output(image, mask),
    OURS: fill_ours,
    GMIC: fill_gmic,
    OPENCV: fill_opencv,
}
"""Methods that fill a hole. Truth is the picture itself."""
RANDOM = (OURS, GMIC)
"""Methods that fill a hole differently with each seed."""
TILES: dict[str, Tile] = {
    GIVEN: lambda image, axes: Output(image, torch.zeros_like(image[:, :1], dtype=torch.bool)),
    OURS: tile_ours,
    GMIC: tile_gmic,
    FADE: tile_fade,
}
"""Methods that make a picture tileable."""
