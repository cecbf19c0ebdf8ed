"""Are loops closed, is their motion smooth, and do the frames stay sharp?

    python -m benchmarks.loop [--device cuda] [--side 128] [--frames 8] [--sheet FILE]

For each picture the motions of `gpdm loop`, and beside them: the warp of sway without the steps that match patches; the
picture with noise that goes round a circle, from 50 pixels on with Newton's method and a low-pass in time; and frames
that are made independently of each other with Adam, from the same start as the noise and with a seed of their own.

Differences are mean absolute ones for pixel values from -1 to 1. Jerk is the mean absolute second difference in time
over the first; points that go round a circle have 2 sin(pi / frames). Held-out distance and high frequencies are means
over three of the frames; high frequencies are the energy of the differences of neighbouring pixels in decibels,
relative to the picture. On a GPU the seconds include the capture of CUDA graphs, one for each frame and level.

The sheet shows for each picture: it, two frames of each method, and the middle column of pixels at all times, twice
round.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Generator, Tensor

import gpdm
from gpdm.edits.frames import FramesOptimizer
from gpdm.edits.loop import LoopOptions, starts
from gpdm.edits.motion import low_pass, on_circle
from gpdm.evaluation.metrics import PATCH_SIZES, SCALES, held_out
from gpdm.images import resize, scaled, size_of

from .common import RESULTS, ROOT, Rows, load_image, provenance, scaled_size
from .sheets import sheet_of

PICTURES = ("starry_night", "canyon", "cat", "dahlia", "wood", "pier", "hubble", "tissue")
COARSE_DIM, NOISE = 50, 0.3
"""Shorter side and noise of the starts of the methods that are compared."""

Method = Callable[[Tensor, int], Tensor]
"""A function of a picture (1, C, H, W) and a number of frames, which returns these, (frames, C, H, W)."""


def shimmer(image: Tensor, frames: int) -> Tensor:
    """Returns the frames of `gpdm loop --motion shimmer`."""
    return gpdm.loop(image, motion="shimmer", frames=frames).images


def sway(image: Tensor, frames: int) -> Tensor:
    """Returns the frames of `gpdm loop --motion sway`."""
    return gpdm.loop(image, motion="sway", frames=frames).images


def warp(image: Tensor, frames: int) -> Tensor:
    """Returns the frames of sway before patches are matched."""
    options = LoopOptions(motion="sway", frames=frames)
    return starts(image, torch.ones_like(image[:, :1]), options, "free", 0)


def noise_circle(image: Tensor, frames: int) -> Tensor:
    """Returns frames made of the picture at 50 pixels with noise that goes round a circle."""
    small = resize(image, scaled(size_of(image), min(COARSE_DIM / min(size_of(image)), 1.0)))
    generator = Generator().manual_seed(0)
    first, second = (torch.randn(small.shape, generator=generator).to(small) for _ in range(2))
    return gpdm.synthesize(
        image,
        init=small + NOISE * on_circle(first, second, frames),
        size=size_of(image),
        loss=gpdm.SWDLoss(coherence=0.0),
        pyramid=gpdm.PyramidSchedule(coarse_dim=COARSE_DIM),
        optimizer=FramesOptimizer(method="newton", step=1.0, num_steps=60, fine_steps=30),
        constraint=low_pass(frames, 2),
    ).images


def independent(image: Tensor, frames: int) -> Tensor:
    """Returns frames made of the picture at 50 pixels with noise, each with a seed of its own."""
    return gpdm.synthesize(
        image,
        init=image,
        num_outputs=frames,
        loss=gpdm.SWDLoss(num_proj=16),
        pyramid=gpdm.PyramidSchedule(coarse_dim=COARSE_DIM),
        guess=gpdm.InitialGuess(source="image", image_noise_sigma=NOISE),
        optimizer=gpdm.Optimizer(num_steps=100, fine_steps=50),
    ).images


METHODS: dict[str, Method] = {
    "shimmer": shimmer,
    "sway": sway,
    "warp alone": warp,
    "noise on a circle": noise_circle,
    "independent adam": independent,
}


def measured(image: Tensor, frames: Tensor) -> dict[str, float]:
    """Returns what is measured of the frames of a picture."""
    steps = frames.roll(-1, 0) - frames
    sizes = steps.abs().mean((1, 2, 3))
    jerk = (steps.roll(-1, 0) - steps).abs().mean() / steps.abs().mean()
    some = frames[:: max(len(frames) // 3, 1)][:3].split(1)
    distances = [held_out([image], frame, size, scale) for frame in some for size in PATCH_SIZES for scale in SCALES]
    ratio = sum(detail(frame) for frame in some) / len(some) / detail(image)
    return {
        "frame_to_frame": float(sizes[:-1].mean()),
        "largest": float(sizes[:-1].max()),
        "last_to_first": float(sizes[-1]),
        "jerk": float(jerk),
        "jerk_of_a_circle": 2 * math.sin(math.pi / len(frames)),
        "held_out": sum(distances) / len(distances),
        "high_frequencies": 10 * math.log10(ratio),
    }


def detail(image: Tensor) -> float:
    """Returns the mean squared difference of neighbouring pixels."""
    return float((image.diff(dim=2).square().mean() + image.diff(dim=3).square().mean()) / 2)


def slices(frames: Tensor) -> Tensor:
    """Returns the middle column of pixels at all times, twice round, (1, C, H, 4 times the frames)."""
    column = frames[..., frames.shape[3] // 2].permute(1, 2, 0)
    return torch.cat([column, column], 2).repeat_interleave(2, 2)[None].cpu()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=128, help="shorter side of the pictures, in pixels")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--pictures", nargs="+", choices=PICTURES, default=PICTURES)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--out", type=Path, default=RESULTS / "loop.jsonl", help="file of the rows")
    parser.add_argument("--sheet", type=Path, help="file for a contact sheet")
    options = parser.parse_args()
    rows = Rows(options.out, {"side": options.side, "frames": options.frames, **provenance(options.device)})
    shown: list[list[Tensor]] = []
    for name in options.pictures:
        path = next(ROOT.glob(f"*/inputs/{name}.jpg"))
        image = load_image(path, scaled_size(path, options.side, min), options.device)
        shown.append([image])
        for method in options.methods:
            began = time.perf_counter()
            frames = METHODS[method](image, options.frames)
            seconds = time.perf_counter() - began
            values = {key: round(value, 5) for key, value in measured(image, frames).items()}
            rows.add("loop", picture=name, method=method, seconds=round(seconds, 2), **values)
            shown[-1] += [frames[:1], frames[len(frames) // 3 :][:1], slices(frames)]
    if options.sheet:
        sheet_of(shown).save(options.sheet, quality=80)


if __name__ == "__main__":
    with torch.no_grad():
        main()
