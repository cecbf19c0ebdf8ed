"""Whether tiles have a seam: the step across the borders beside the steps between all other columns and rows.

    python benchmarks/tiling.py [PICTURE ...] [--side 96] [--tasks ...] [--seeds 3] [--quality balanced] [--sheet sheet.png]

For each picture and task: the mean over seeds and both directions of the step across the border over the median step of the same
picture; the same for all other columns and rows, with their standard deviation, which is how much a single one scatters; and the ranks
of the border among them. Without a seam the border is one of them.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import passive_threads  # noqa: F401
import torch
from PIL import Image
from torch import Tensor

import gpdm

ROOT = Path(__file__).resolve().parent.parent
TASKS = ("reshuffle", "texture", "retarget", "style_transfer")


def load(path: Path, side: int) -> Tensor:
    """The picture with so many pixels on its smaller side."""
    picture = Image.open(path).convert("RGB")
    factor = side / min(picture.size)
    size = (round(picture.width * factor), round(picture.height * factor))
    return gpdm.from_pil(picture.resize(size, Image.Resampling.LANCZOS))


def tile(task: str, reference: Tensor, quality: str, seed: int) -> Tensor:
    """One tile; style transfer puts the picture's own texture onto it turned around."""
    recipe = gpdm.RECIPES[task][quality]
    factors = {"width_factor": 1.2} if task == "retarget" else {}
    output = replace(recipe.output, **{"width_factor": 1.0, "height_factor": 1.0} | factors)
    pictures = (reference, reference.flip(2)) if task == "style_transfer" else (reference,)
    run = getattr(gpdm, task)
    return run(*pictures, recipe=replace(recipe, output=output), seed=seed, border="circular").images


def steps(image: Tensor) -> list[Tensor]:
    """Step between neighbouring columns, and rows, over their median; the first is across the border."""
    own = [(image - image.roll(1, axis)).abs().mean([i for i in range(4) if i != axis]) for axis in (3, 2)]
    return [each / each[1:].median() for each in own]


def sheet(images: list[Tensor]) -> Image.Image:
    """Every tile two by two, side by side."""
    blocks = [gpdm.to_pil(torch.cat([torch.cat([image, image], 3)] * 2, 2)) for image in images]
    picture = Image.new("RGB", (sum(x.width + 8 for x in blocks), max(x.height for x in blocks)), "white")
    left = 0
    for block in blocks:
        picture.paste(block, (left, 0))
        left += block.width + 8
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="*", default=[ROOT / "workflows" / "inputs" / "wood.jpg"])
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quality", choices=gpdm.QUALITIES, default="balanced")
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    print("| picture | task | border | others | ranks of the border |\n| --- | --- | --- | --- | --- |")
    shown = []
    for path in options.pictures:
        reference = load(path, options.side)
        for task in options.tasks:
            images = [tile(task, reference, options.quality, seed) for seed in range(options.seeds)]
            shown.append(images[0])
            found = [each for image in images for each in steps(image)]
            border, others = [float(x[0]) for x in found], torch.cat([x[1:] for x in found]).tolist()
            ranks = sorted(float((x[1:] < x[0]).double().mean()) for x in found)
            print(
                f"| {path.stem} | {task} | {mean(border):.2f} | {mean(others):.2f} +- {stdev(others):.2f} | "
                + " ".join(f"{rank:.2f}" for rank in ranks)
                + " |",
                flush=True,
            )
    if options.sheet:
        sheet(shown).save(options.sheet)


if __name__ == "__main__":
    main()
