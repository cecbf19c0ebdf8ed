"""Is an enlarged picture nearer to the truth than interpolation, and is it the picture again when it is scaled down?

    python -m benchmarks.enlarge [--device cuda] [--side 192] [--out FILE] [--sheet FILE]

Twelve pictures are scaled down by Pillow (bicubic, 8 bits) and enlarged again: those of workflows/inputs, on which
settings were chosen, and those of benchmarks/inputs, which were only measured. Beside the styles natural and crisp are
bicubic and Lanczos interpolation by Pillow, and bicubic interpolation that is made consistent with the picture. Further
rows: one half of a picture with the other as a reference; and inputs that are harder: scaled down with another filter,
compressed as JPEG, and letters.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

import gpdm
from gpdm.edits.resampling import Consistency, rounded, scaled_down
from gpdm.images import size_of

from ..common import RESULTS, ROOT, Rows, load_image, provenance, scaled_size
from ..sheets import sheet_of
from .measures import measured

CHOSEN = ("canyon", "cat", "dahlia", "pavilion", "starry_night", "wood")
HELD_OUT = ("coffee", "hubble", "pier", "rocket", "satellite", "tissue")
FACTORS = (2.0, 4.0, 1.5)
MATERIALS = ("canyon", "starry_night", "satellite", "tissue")
"""Pictures of one material, of which one half is enlarged with the other as reference."""
HARD = ("cat", "pavilion", "pier", "rocket")
"""Pictures that are compressed, or scaled down with another filter."""
UNIT = 12
"""Sides are multiples of this, so that they can be divided by all factors."""

Method = Callable[[Tensor, float], Tensor]


def resized(image: Tensor, size: tuple[int, int], filter: Image.Resampling) -> Tensor:
    """Returns a picture (1, C, H, W) at a size, scaled by Pillow in 8 bits."""
    return gpdm.from_pil(gpdm.to_pil(image.cpu()).resize((size[1], size[0]), filter)).to(image)


def truth_of(name: str, side: int, device: str) -> Tensor:
    """Returns a test picture whose shorter side is about `side` pixels, cropped to a multiple of `UNIT`."""
    path = next(ROOT.glob(f"*/inputs/{name}.jpg"))
    image = load_image(path, scaled_size(path, side, min), device)
    height, width = (n // UNIT * UNIT for n in size_of(image))
    return image[..., :height, :width]


def shrunk(truth: Tensor, factor: float, method: str = "bicubic") -> Tensor:
    """Returns a picture scaled down, with 8 bits."""
    height, width = (round(n / factor) for n in size_of(truth))
    if method == "area":
        return rounded(scaled_down(truth, (height, width), "area"))
    return resized(truth, (height, width), Image.Resampling.BICUBIC)


def compressed(image: Tensor, quality: int) -> Tensor:
    """Returns a picture after JPEG compression."""
    file = io.BytesIO()
    gpdm.to_pil(image.cpu()).save(file, "JPEG", quality=quality)
    return gpdm.from_pil(Image.open(file)).to(image)


def letters(device: str) -> Tensor:
    """Returns a picture of letters, most of which occur once."""
    picture = Image.new("RGB", (240, 144), (235, 232, 225))
    text = "Sphinx of black\nquartz, judge my vow\n0123456789 &?%"
    ImageDraw.Draw(picture).multiline_text((8, 8), text, (25, 25, 40), font=ImageFont.load_default(22))
    return gpdm.from_pil(picture).to(device)


def interpolated(filter: Image.Resampling) -> Method:
    """Returns the method that interpolates with a filter of Pillow."""
    return lambda image, factor: resized(image, _large(image, factor), filter)


def consistent(image: Tensor, factor: float) -> Tensor:
    """Returns bicubic interpolation that is made consistent with the picture."""
    size = _large(image, factor)
    start = resized(image, size, Image.Resampling.BICUBIC)
    return rounded(Consistency.of(image, size, "bicubic").fitted(start))


def enlarged(style: str, **more: object) -> Method:
    """Returns the method that enlarges in a style, with 8 bits."""
    return lambda image, factor: rounded(gpdm.enlarge(image, factor=factor, style=style, **more).images)


def _large(image: Tensor, factor: float) -> tuple[int, int]:
    height, width = size_of(image)
    return round(height * factor), round(width * factor)


METHODS: dict[str, Method] = {
    "bicubic": interpolated(Image.Resampling.BICUBIC),
    "lanczos": interpolated(Image.Resampling.LANCZOS),
    "consistent": consistent,
    "natural": enlarged("natural"),
    "crisp": enlarged("crisp"),
}


class Measuring:
    """Adds a row for each method, and keeps its pictures."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.shown = rows, list[list[Tensor]]()

    def add(
        self, what: str, truth: Tensor, image: Tensor, factor: float, methods: Mapping[str, Method], **row: object
    ) -> None:
        """Enlarges an image with some methods and measures the results."""
        self.shown.append([truth])
        for name, method in methods.items():
            start = time.perf_counter()
            made = method(image, factor)
            values = measured(made, truth)  # which waits for a GPU
            seconds = time.perf_counter() - start
            off = (scaled_down(made, size_of(image), "bicubic") - image).abs().amax() * 127.5
            self.rows.add(what, factor=factor, method=name, **row, **values, deviation=float(off), seconds=seconds)
            self.shown[-1].append(made)


def measure_all(measuring: Measuring, side: int, device: str) -> None:
    """Measures all cases."""
    styles = {name: METHODS[name] for name in ("bicubic", "natural")}
    for factor in FACTORS:
        for pictures, names in (("chosen on", CHOSEN), ("held out", HELD_OUT)):
            for name in names:
                truth = truth_of(name, side, device)
                measuring.add("picture", truth, shrunk(truth, factor), factor, METHODS, picture=name, pictures=pictures)
    for factor in (2.0, 4.0):
        for name in MATERIALS:
            truth = truth_of(name, side, device)
            half = truth.shape[3] // 2 // UNIT * UNIT
            part, other = truth[..., :half], truth[..., half:]
            methods = {**styles, "with reference": enlarged("natural", references=other)}
            measuring.add("reference", part, shrunk(part, factor), factor, methods, picture=name)
    for name in HARD:
        truth = truth_of(name, side, device)
        small = shrunk(truth, 2)
        measuring.add("JPEG 30", truth, compressed(small, 30), 2.0, styles, picture=name)
        measuring.add("JPEG 75", truth, compressed(small, 75), 2.0, styles, picture=name)
        area = {**styles, "natural, area": enlarged("natural", downscaling="area")}
        measuring.add("scaled down with area", truth, shrunk(truth, 2, "area"), 2.0, area, picture=name)
    truth = letters(device)
    for factor in (2.0, 4.0):
        measuring.add("letters", truth, shrunk(truth, factor), factor, METHODS, picture="letters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=192, help="shorter side of the pictures, in pixels")
    parser.add_argument("--out", type=Path, default=RESULTS / "enlarge.jsonl", help="file of the rows")
    parser.add_argument("--sheet", type=Path, help="file for all pictures, one row for each case")
    options = parser.parse_args()
    measuring = Measuring(Rows(options.out, {"side": options.side, **provenance(options.device)}))
    measure_all(measuring, options.side, options.device)
    if options.sheet:
        sheet_of(measuring.shown[: len(CHOSEN) + len(HELD_OUT)]).save(options.sheet, quality=80)


if __name__ == "__main__":
    with torch.no_grad():
        main()
