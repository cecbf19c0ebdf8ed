"""Does a summary show all of a picture, and nothing that is not in it? Beside scaling, cropping and seam carving.

    python -m benchmarks.summarise [--device cuda] [--side 128] [--pictures NAME...] [--methods NAME...]
                                   [--out FILE] [--sheet FILE]

Each picture at a half and a quarter of its width. Both directions of the bidirectional distance are measured at patch
sizes that no method uses; further how much of one object is shown, and how many times. Seam carving is measured twice:
with forward energy, written here, and by the program gmic, which is left out where it is missing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

import gpdm
from gpdm.edits.seams import without_seams
from gpdm.evaluation.spectrum import high_frequencies, spectra
from gpdm.images import resize, scaled, size_of
from gpdm.patches.nearest import all_patches, least_distances, nearest

from .common import RESULTS, ROOT, Rows, load_image, provenance, scaled_size
from .programs import NotInstalled, run_gmic
from .sheets import sheet_of

OBJECTS = {
    "pavilion": (0.07, 0.1, 0.92, 0.56),
    "canyon": (0.18, 0.28, 0.43, 0.72),
    "cat": (0.25, 0.28, 0.92, 0.82),
    "dahlia": (0.2, 0.26, 0.85, 0.72),
    "starry_night": (0.03, 0.81, 0.3, 1.0),
    "coffee": (0.03, 0.12, 0.95, 0.8),
    "pier": (0.46, 0.34, 0.75, 0.62),
    "rocket": (0.3, 0.46, 0.95, 0.54),
}
"""An object of each picture: its top, left, bottom and right, as fractions of the picture."""
FACTORS = (0.5, 0.25)
PATCH_SIZES, SCALES = (5, 9), (1.0, 0.5)
"""Patches that are compared. Ours, 7x7 pixels, are not among them."""
OBJECT_PATCH, OBJECT_SCALE, MOSTLY, TOLERANCE = 9, 0.5, 0.6, 0.03
"""An object's patch lies mostly in its box. It is shown if the mean squared difference to a patch of the result is at
most the tolerance."""


def cropped(image: Tensor, width: int) -> Tensor:
    """Returns the middle of a picture."""
    left = (image.shape[3] - width) // 2
    return image[..., left : left + width]


def carved(image: Tensor, width: int) -> Tensor:
    """Returns a picture without its vertical seams of least forward energy."""
    return without_seams(image, torch.zeros_like(image[:, :1]), (image.shape[2], width))[0]


METHODS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "gpdm summarise": lambda image, width: gpdm.summarise(image, width=width).images,
    "gpdm retarget": lambda image, width: gpdm.retarget(image, output_width=width).images,
    "scaling": lambda image, width: resize(image, (image.shape[2], width)),
    "cropping": cropped,
    "seam carving": carved,
    "seam carving, G'MIC": lambda image, width: run_gmic(f"seamcarve {width},{image.shape[2]}", image),
}
"""Ways to bring a picture, (1, 3, H, W), to a smaller width."""


def patches(image: Tensor, patch_size: int, scale: float) -> Tensor:
    """Returns all patches of an image at a scale, one per row."""
    return all_patches([resize(image, scaled(size_of(image), scale))], patch_size)


def bidirectional(image: Tensor, made: Tensor) -> dict[str, float]:
    """Returns the mean squared difference of each patch of the result to the picture, and of the picture to it."""
    values: dict[str, list[float]] = {"coherence": [], "completeness": []}
    for patch_size in PATCH_SIZES:
        for scale in SCALES:
            source, target = (patches(x, patch_size, scale) for x in (image, made))
            values["coherence"].append(float(nearest(target, source).distance.mean()))
            values["completeness"].append(float(nearest(source, target).distance.mean()))
    return {name: sum(each) / len(each) for name, each in values.items()}


def object_patches(image: Tensor, box: Sequence[float]) -> Tensor:
    """Returns the patches inside a box that resemble none outside it, one per row."""
    small = resize(image, scaled(size_of(image), OBJECT_SCALE))
    inside = torch.zeros_like(small[:, :1])
    height, width = size_of(small)
    top, left, bottom, right = (
        round(edge * length) for edge, length in zip(box, (height, width, height, width), strict=True)
    )
    inside[..., top:bottom, left:right] = 1
    share = all_patches([inside], OBJECT_PATCH).mean(1)
    found = all_patches([small], OBJECT_PATCH)
    own = found[share >= MOSTLY]
    return own[nearest(own, found[share == 0]).distance > TOLERANCE]


def object_shown(image: Tensor, made: Tensor, box: Sequence[float]) -> dict[str, float]:
    """Returns the fraction of an object's patches that are shown, and how many patches show one, per object patch."""
    own, others = object_patches(image, box), patches(made, OBJECT_PATCH, OBJECT_SCALE)
    return {
        "object shown": float((least_distances(others, own) <= TOLERANCE).float().mean()),
        "object area": float((nearest(others, own).distance <= TOLERANCE).sum()) / len(own),
    }


def measured(image: Tensor, made: Tensor, box: Sequence[float]) -> dict[str, float]:
    """Returns all measures of a result."""
    made = made.clamp(-1, 1)
    high = high_frequencies(*spectra([image.cpu()], made.cpu()))
    return {**bidirectional(image, made), **object_shown(image, made, box), "high frequencies": high}


def timed(make: Callable[[Tensor, int], Tensor], image: Tensor, width: int) -> tuple[Tensor, float]:
    """Returns a result and the seconds that it took."""
    started = time.perf_counter()
    made = make(image, width)
    if image.is_cuda:
        torch.cuda.synchronize()
    return made.to(image), time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=128, help="shorter side of the pictures, in pixels")
    parser.add_argument("--pictures", nargs="+", choices=OBJECTS, default=list(OBJECTS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--out", type=Path, default=RESULTS / "summarise.jsonl")
    parser.add_argument("--sheet", type=Path, help="file for all results, one row for each picture")
    options = parser.parse_args()
    label = f"{options.device}, side {options.side}"
    rows = Rows(options.out, {"label": label, "side": options.side, **provenance(options.device)})
    shown: list[list[Tensor]] = []
    for name in options.pictures:
        path = next(ROOT.glob(f"*/inputs/{name}.jpg"))
        image = load_image(path, scaled_size(path, options.side, min), options.device)
        shown.append([image])
        for factor in FACTORS:
            width = round(image.shape[3] * factor)
            for method in options.methods:
                try:
                    made, seconds = timed(METHODS[method], image, width)
                except NotInstalled as missing:
                    print(f"{method} is left out: {missing}")
                    continue
                measures = {key: round(value, 6) for key, value in measured(image, made, OBJECTS[name]).items()}
                rows.add("summary", picture=name, factor=factor, method=method, **measures, seconds=round(seconds, 2))
                shown[-1].append(made)
    if options.sheet:
        sheet_of(shown).save(options.sheet, quality=85)


if __name__ == "__main__":
    with torch.no_grad():
        main()
