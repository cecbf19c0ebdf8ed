"""Do tiles have a seam? Compares the step across the border with the steps between all other columns and rows.

    python -m benchmarks.quality.tiling [IMAGE ...] [--side 96] [--tasks ...] [--seeds 3] [--sheet FILE]

A step is the mean absolute difference between neighbouring columns or rows, divided by the median step of the same
image. For each image and task, over seeds and both directions: the mean step across the border; mean and standard
deviation of the others, which show how much a single one scatters; and the ranks of the border among them. Without
a seam the border is like the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean, stdev

import torch
from PIL import Image
from torch import Tensor

import gpdm
from gpdm.evaluation.seams import seam_gradients

from ..common import ROOT, load_image, scaled_size

TASKS = ("reshuffle", "texture", "retarget", "style_transfer")


def tile(task: str, reference: Tensor, quality: str, seed: int) -> Tensor:
    """Returns one tile, (1, 3, H, W). Style transfer has the flipped image as content."""
    images = (reference, reference.flip(2)) if task == "style_transfer" else (reference,)
    output = {"width_factor": 1.2 if task == "retarget" else 1.0, "height_factor": 1.0, "tile": "both"}
    return gpdm.run_task(gpdm.TASKS[task], *images, quality=quality, seed=seed, **output).images


def inner_steps(image: Tensor) -> list[float]:
    """Returns the steps between neighbouring columns, and between neighbouring rows, over the median of each."""
    steps = [image.diff(dim=axis).abs().mean([i for i in range(4) if i != axis]) for axis in (3, 2)]
    return torch.cat([each / each.median() for each in steps]).tolist()


def tiled_sheet(images: list[Tensor]) -> Image.Image:
    """Returns every tile two by two, side by side."""
    blocks = [gpdm.to_pil(torch.cat([torch.cat([image, image], 3)] * 2, 2)) for image in images]
    sheet = Image.new("RGB", (sum(block.width + 8 for block in blocks), max(block.height for block in blocks)), "white")
    left = 0
    for block in blocks:
        sheet.paste(block, (left, 0))
        left += block.width + 8
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="*", default=[ROOT / "workflows" / "inputs" / "wood.jpg"])
    parser.add_argument("--side", type=int, default=96, help="smaller side of the reference, in pixels")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quality", choices=gpdm.QUALITIES, default=gpdm.DEFAULT_QUALITY)
    parser.add_argument("--sheet", type=Path, help="file for the first tile of each row, repeated two by two")
    options = parser.parse_args()
    print("| image | task | border | others | ranks of the border |\n| --- | --- | --- | --- | --- |")
    shown = []
    for path in options.images:
        reference = load_image(path, scaled_size(path, options.side, min))
        for task in options.tasks:
            tiles = [tile(task, reference, options.quality, seed) for seed in range(options.seeds)]
            shown.append(tiles[0])
            seams = [seam_gradients(each, "circular") for each in tiles]
            border = [seam[f"seam gradient {axis}"] for seam in seams for axis in "xy"]
            ranks = sorted(seam[f"seam rank {axis}"] for seam in seams for axis in "xy")
            others = [step for each in tiles for step in inner_steps(each)]
            print(
                f"| {path.stem} | {task} | {mean(border):.2f} | {mean(others):.2f} +- {stdev(others):.2f} | "
                + " ".join(f"{rank:.2f}" for rank in ranks)
                + " |",
                flush=True,
            )
    if options.sheet:
        tiled_sheet(shown).save(options.sheet)


if __name__ == "__main__":
    main()
