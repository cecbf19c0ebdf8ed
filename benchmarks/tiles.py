"""Do all kinds of tiles join without a seam, and are rotated outputs symmetric, at what cost?

    python -m benchmarks.tiles [--device cuda] [--side 128] [--images 6] [--out FILE] [--sheet FILE]

For each picture and kind of tile, a texture of the same size: the mean distance of patches across the border to the
nearest patch of the picture, over that of the others; the step across the border, over the median of the steps inside;
and the held-out distance, beside that without tiles. Without tiles the seam is that of plain copies.

For each symmetry: the largest change if the output is projected again; the mean difference of the output and its
rotated copy in the largest circle, over that without a symmetry (0 is equal, 1 unrelated; it includes the error of
interpolating the copy); the mean gradient outside the sector over that inside, which shows blurred or ragged copies;
and the held-out distance.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import gpdm
from gpdm.borders import repeated
from gpdm.evaluation.metrics import PATCH_SIZES, SCALES, held_out
from gpdm.evaluation.seams import seam_gradients, seam_ratio
from gpdm.images import size_of
from gpdm.pictures.symmetry import FOLDS, Sector, SymmetryProjection

from .common import RESULTS, ROOT, Rows, load_image, provenance, scaled_size
from .sheets import sheet_of

PICTURES = ("starry_night", "wood", "tissue", "dahlia", "coffee", "hubble", "pavilion", "satellite")
TILES = {"none": "circular", "both": "circular", "half drop": "half drop", "brick": "brick", "mirrored": "mirrored"}
"""The border across which the seam is measured, by the value of the option tile."""
ROTATIONS = ("rotate 120", "rotate 90", "rotate 72", "rotate 60", "rotate 360/7", "rotate 45", "kaleidoscope 6")


def picture(name: str, side: int, device: str) -> Tensor:
    """Returns one of the test images, its largest square in the middle, with `side` pixels, an even number."""
    path = next(ROOT.glob(f"*/inputs/{name}.jpg"))
    image = load_image(path, scaled_size(path, side, min), device)
    top, left = ((length - side) // 2 for length in size_of(image))
    return image[..., max(top, 0) :, max(left, 0) :][..., :side, :side]


def texture(reference: Tensor, quality: str, **output: str) -> Tensor:
    """Returns a texture of the size of its reference."""
    return gpdm.texture(reference, quality=quality, width_factor=1.0, height_factor=1.0, **output).images


def distance(reference: Tensor, image: Tensor) -> float:
    """Returns the held-out distance of an image, as `gpdm.evaluate` does."""
    values = [held_out([reference], image, size, scale) for size in PATCH_SIZES for scale in SCALES]
    return sum(values) / len(values)


def seams(reference: Tensor, image: Tensor, border: str) -> dict[str, float]:
    """Returns the measures of the seam of an image."""
    steps = seam_gradients(image, border)
    across = (steps["seam gradient x"] + steps["seam gradient y"]) / 2
    return {"seam": seam_ratio([reference], image, border), "step": across}


def fold_of(symmetry: str) -> int:
    """Returns the number of rotations of a symmetry."""
    return FOLDS.get(symmetry) or int(symmetry.rpartition(" ")[2])


def rotated_difference(image: Tensor, fold: int) -> float:
    """Returns the mean difference of an image (1, C, H, W) and its rotated copy, in the largest circle."""
    angle = 2 * math.pi / fold
    turn = image.new_tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]])
    grid = F.affine_grid(turn[None], list(image.shape), align_corners=True)
    copy = F.grid_sample(image, grid, "bicubic", "border", align_corners=True)
    return float((copy - image).abs()[..., grid[0].norm(dim=2) < 0.97].mean())


def detail_outside(image: Tensor, symmetry: str) -> float:
    """Returns the mean gradient outside the sector of a symmetry over that inside."""
    steps = F.pad(image.diff(dim=2).abs(), (0, 0, 0, 1)) + F.pad(image.diff(dim=3).abs(), (0, 1))
    sector = Sector.of(size_of(image), fold_of(symmetry), symmetry.startswith("kaleidoscope"))
    inside = sector.inside[0, 0].to(image.device)
    return float(steps[..., ~inside].mean() / steps[..., inside].mean())


def symmetric(reference: Tensor, image: Tensor, free: Tensor, symmetry: str) -> dict[str, float]:
    """Returns the measures of an image with a symmetry, beside one without it."""
    again = SymmetryProjection(symmetry, size_of(image)).apply_(image.clone())
    fold = fold_of(symmetry)
    return {
        "deviation": float((again - image).abs().max()),
        "rotated": rotated_difference(image, fold) / rotated_difference(free, fold),
        "detail": detail_outside(image, symmetry),
        "distance": distance(reference, image),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="device of the runs: cpu or cuda")
    parser.add_argument("--side", type=int, default=128, help="side of the pictures, in pixels, an even number")
    parser.add_argument("--images", type=int, default=6, help=f"number of pictures, at most {len(PICTURES)}")
    parser.add_argument("--quality", choices=gpdm.QUALITIES, default="fast")
    parser.add_argument("--out", type=Path, default=RESULTS / "tiles.jsonl", help="file for the rows")
    parser.add_argument("--sheet", type=Path, help="file for all outputs, tiles two by two, one row for each picture")
    options = parser.parse_args()
    rows = Rows(
        options.out, {"side": options.side, "quality": options.quality, "label": "", **provenance(options.device)}
    )
    shown: list[list[Tensor]] = []
    for name in PICTURES[: options.images]:
        reference = picture(name, options.side, options.device)
        shown.append([reference])
        free = reference
        for tile, border in TILES.items():
            started = time.perf_counter()
            image = texture(reference, options.quality, tile=tile)
            seconds = time.perf_counter() - started
            free = image if tile == "none" else free
            measures = seams(reference, image, border)
            rows.add("tile", image=name, kind=tile, **measures, distance=distance(reference, image), seconds=seconds)
            shown[-1].append(repeated(image, border))
        for symmetry in ROTATIONS:
            started = time.perf_counter()
            image = texture(reference, options.quality, symmetry=symmetry)
            seconds = time.perf_counter() - started
            rows.add(
                "symmetry", image=name, kind=symmetry, **symmetric(reference, image, free, symmetry), seconds=seconds
            )
            shown[-1].append(image)
    if options.sheet:
        sheet_of(shown).save(options.sheet, quality=80)


if __name__ == "__main__":
    with torch.no_grad():
        main()
