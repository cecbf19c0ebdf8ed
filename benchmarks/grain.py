"""Does made grain have the spectrum and strength of the reference's grain, does it repeat, do frames differ?

    python -m benchmarks.grain                      pictures with known grain: a minute on one core
    python -m benchmarks.grain --pictures FILE...   also pictures with grain of their own, such as those of scikit-image
    python -m benchmarks.grain --report             the table alone

Grain of known spectrum and strength is added to pictures of the benchmark. Each reference's grain is put on two
targets: the reference itself, from which it is taken away first, so that the same flat pixels are compared; and a
smooth picture, on which all that is added is measured and compared with the truth.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Generator, Tensor

import gpdm
from gpdm.borders import gaussian_blur
from gpdm.looks.flat import brightness, flat_parts
from gpdm.looks.grain_model import LARGEST_LAG, covariance, flat_residual

from .common import IMAGES, RESULTS, ROOT, Rows, provenance, read_rows
from .targets import Target, target_table

ROWS, TABLE = RESULTS / "grain.jsonl", RESULTS / "grain.md"
OUTPUTS = ROOT / "out" / "grain"
CASES = {
    "pier, film": ("pier", 0.9, 1.0),
    "rocket, film": ("rocket", 0.9, 0.7),
    "satellite, film": ("satellite", 0.9, 1.0),
    "cat, coarse": ("cat", 1.4, 1.0),
    "pier, fine": ("pier", 0.4, 0.5),
    "rocket, fine": ("rocket", 0.4, 0.3),
}
"""Name of the picture, standard deviation in pixels of the blur that shapes the grain, and its strength."""
SIDE, FRAMES = 192, 4
RINGS = 16
BINS = 8
LEAST_OF_BIN = 400
"""Number of flat pixels of a brightness from which the variances are compared."""
FAR = 16
"""Lag from which a correlation of the grain with itself is a repeat, in pixels."""
TARGETS = (
    Target("spectrum: mean difference over the rings, median of references", "spectrum", 0.15, 0.1),
    Target("spectrum: largest of all references", "worst spectrum", 0.15, 0.1),
    Target("variance by brightness: mean difference, median of references", "variance", 0.15, 0.1),
    Target("variance by brightness: largest of all references", "worst variance", 0.15, 0.1),
    Target("spectrum against the truth, median", "true spectrum", 0.15, 0.1),
    Target("variance against the truth, median", "true variance", 0.15, 0.1),
    Target("largest correlation at lags above 16 pixels", "repeat", 0.15, 0.1),
    Target("largest correlation of two frames", "frames", 0.05, 0.03),
)
"""The values that issue 18 asks for, and those against the truth."""


def strength(luma: Tensor, factor: float) -> Tensor:
    """Returns the standard deviation of the known grain at a brightness."""
    return factor * (0.05 + 0.07 * (1 - luma.square()))


def known_noise(size: tuple[int, int], blur: float, seed: int) -> Tensor:
    """Returns noise of standard deviation 1, (1, 3, H, W), whose channels have a correlation of one half."""
    generator = Generator().manual_seed(seed)
    own, common = (torch.randn(1, channels, *size, generator=generator) for channels in (3, 1))
    blurred = gaussian_blur((own + common) / 2**0.5, blur, "circular")
    return blurred / blurred.std()


def as_saved(image: Tensor) -> Tensor:
    """Returns a picture as its 8-bit file is read."""
    return gpdm.from_pil(gpdm.to_pil(image.clamp(-1, 1)))


def reference_of(case: str) -> Tensor:
    """Returns the picture of a case with known grain, (1, 3, H, W) in [-1, 1]."""
    name, blur, factor = CASES[case]
    path = next(path for path in IMAGES if path.stem == name)
    with Image.open(path) as picture:  # blurred, so that it has hardly any grain of its own
        clean = gaussian_blur(gpdm.from_pil(picture.convert("RGB")), 0.6)
    size = (clean.shape[2], clean.shape[3])
    level = strength(brightness(gaussian_blur(clean, 2.0)), factor)
    return as_saved(clean + level * known_noise(size, blur, 3))


def target() -> Tensor:
    """Returns a smooth picture with all brightnesses, (1, 3, SIDE, SIDE)."""
    return torch.linspace(-0.8, 0.8, SIDE).expand(1, 3, SIDE, SIDE).contiguous()


def ring_power(texture: Tensor, flat: Tensor) -> Tensor:
    """Returns the mean power of all channels in rings of frequencies, without the first ring, (RINGS - 1,).

    The first ring, below 1/32 cycle per pixel, is shading, which is subtracted from the flat parts.
    """
    lags = torch.arange(-LARGEST_LAG, LARGEST_LAG + 1)
    window = torch.clamp(1 - (lags[:, None].square() + lags.square()).sqrt() / (LARGEST_LAG + 1), min=0)
    padded = torch.zeros(64, 64, dtype=torch.float64)
    padded[lags[:, None], lags] = torch.einsum("cchw->hw", covariance(texture, flat)) * window
    frequency = torch.fft.fftfreq(64)
    ring = ((frequency[:, None].square() + frequency.square()).sqrt() * 2 * RINGS).round().long().flatten()
    power = torch.fft.fft2(padded).real.flatten()
    sums, counts = (torch.zeros(64, dtype=power.dtype).index_add_(0, ring, x) for x in (power, torch.ones_like(power)))
    return (sums / counts.clamp(min=1))[2 : RINGS + 1]


def variances(residual: Tensor, luma: Tensor, flat: Tensor) -> Tensor:
    """Returns the variance of a residual (1, C, H, W) by brightness, (BINS,); NaN where there are few pixels."""
    index = ((luma[flat] + 1) / 2 * BINS).long().clamp(0, BINS - 1)
    squares = residual.square().mean(1, keepdim=True)[flat]
    sums, counts = (torch.zeros(BINS).index_add_(0, index, x) for x in (squares, torch.ones_like(squares)))
    return torch.where(counts >= LEAST_OF_BIN, sums / counts, torch.nan)


def difference(made: Sequence[Tensor], wanted: Tensor) -> float:
    """Returns the mean of |made / wanted - 1| where both are known; of several frames the mean is made."""
    ratio = torch.stack(list(made)).nanmean(0) / wanted - 1
    return float(ratio.abs().nanmean())


def row_of(reference: Tensor, truth: tuple[float, float] | None) -> tuple[dict[str, Any], Tensor]:
    """Returns the measures of one reference (1, C, H, W), and the smooth picture with its grain.

    Arguments:
        reference: The picture.
        truth: Blur and strength of its known grain; None: its grain is its own.
    """
    flat = flat_parts(reference)
    residual, smooth = flat_residual(reference, flat)
    luma = brightness(smooth)
    start = time.perf_counter()
    frames = gpdm.match_grain(reference, reference.expand(FRAMES, -1, -1, -1), remove=1.0).images.split(1)
    seconds = (time.perf_counter() - start) / FRAMES
    regrained = [flat_residual(as_saved(frame), flat)[0] for frame in frames]
    plain = target()[:, : reference.shape[1]]
    images = gpdm.match_grain(reference, plain.expand(FRAMES, -1, -1, -1)).images
    made = images - plain
    everywhere, level = torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool), brightness(plain)
    row: dict[str, Any] = {
        "flat": int(flat.sum()),
        "spectrum": difference([ring_power(x, flat) for x in regrained], ring_power(residual, flat)),
        "variance": difference([variances(x, luma, flat) for x in regrained], variances(residual, luma, flat)),
        "repeat": repeat(made),
        "frames": float((torch.corrcoef(made.flatten(1)) - torch.eye(FRAMES)).abs().max()),
        "seconds": round(seconds, 2),
    }
    if truth is not None:
        blur, factor = truth
        true = strength(level, factor) * known_noise((SIDE, SIDE), blur, 9)
        covered = torch.isfinite(variances(residual, luma, flat))
        expected = torch.where(covered, variances(true, level, everywhere), torch.nan)
        row["true spectrum"] = difference(
            [unit_power(x, everywhere) for x in made.split(1)], unit_power(true, everywhere)
        )
        row["true variance"] = difference([variances(x, level, everywhere) for x in made.split(1)], expected)
    return row, images[:1]


def unit_power(image: Tensor, flat: Tensor) -> Tensor:
    """Returns the ring power of an image as fractions of their sum, without what the strength changes."""
    power = ring_power(image, flat)
    return power / power.mean()


def repeat(made: Tensor) -> float:
    """Returns the largest correlation of grain (N, C, H, W) with itself at lags above `FAR` pixels."""
    power = torch.fft.fft2(made[:1].mean(1)).abs().square()
    correlation = torch.fft.ifft2(power).real[0]
    distance = torch.fft.fftfreq(SIDE, 1 / SIDE).abs()
    far = (distance[:, None] > FAR) | (distance > FAR)
    return float((correlation / correlation[0, 0])[far].abs().max())


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Returns the values of `TARGETS` from the rows."""

    def values(key: str) -> Tensor:
        return torch.tensor([row[key] for row in rows if key in row])

    medians = {key: float(values(key).median()) for key in ("spectrum", "variance", "true spectrum", "true variance")}
    worst = {f"worst {key}": float(values(key).max()) for key in ("spectrum", "variance")}
    return medians | worst | {key: float(values(key).max()) for key in ("repeat", "frames")}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns both Markdown tables."""
    columns = ("flat", "spectrum", "variance", "true spectrum", "true variance", "repeat", "frames", "seconds")
    lines = [f"| reference | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for row in rows:
        entries = [f"{row[key]:.3g}" if key in row and key != "flat" else str(row.get(key, "")) for key in columns]
        lines.append(f"| {row['case']} | {' | '.join(entries)} |")
    return f"{target_table(TARGETS, summary(rows))}\n\n" + "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], metavar="FILE")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if not options.report:
        OUTPUTS.mkdir(parents=True, exist_ok=True)
        origin = provenance("cpu")
        references: dict[str, tuple[Tensor, tuple[float, float] | None]] = {
            case: (reference_of(case), CASES[case][1:]) for case in CASES
        }
        for path in options.pictures:
            with Image.open(path) as picture:
                mode = "L" if picture.mode in ("L", "1", "I") else "RGB"
                references[path.stem] = (gpdm.from_pil(picture.convert(mode).crop((0, 0, 256, 256))), None)
        for case, (reference, truth) in references.items():
            row, image = row_of(reference, truth)
            gpdm.to_pil(image.clamp(-1, 1)).save(OUTPUTS / f"{case.replace(', ', '_')}.png")
            Rows(ROWS, {**origin, "label": case}).add("grain", case=case, **row)
    TABLE.write_text(table([row for row in read_rows(ROWS) if row["what"] == "grain"]), encoding="utf-8")


if __name__ == "__main__":
    main()
