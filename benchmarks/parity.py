"""Does the exact solver end where Algorithm 1 ends? Compares both with the same settings.

    python -m benchmarks.parity [--images FILE ...] [--height 64] [--seeds 2] [--steps 300] [--threads 2]

"Ours" is `gpdm.reshuffle` with the settings of quality paper. Algorithm 1 has the same levels, initial noise and
number of steps. Both results are evaluated by the held-out distance of 7x7 patches at full size
(`gpdm.evaluation.metrics.held_out`), whose filters no run uses. Prints one JSON row for each image and seed, then
the mean ratio. Time is not compared.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from statistics import mean

import torch

import gpdm
from gpdm.evaluation.metrics import held_out

from . import algorithm_1
from .common import SHIPPED_IMAGES, load_image, provenance, scaled_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, nargs="+", default=SHIPPED_IMAGES)
    parser.add_argument("--height", type=int, default=64, help="height of the reference and of the output, in pixels")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300, help="steps at each level")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = gpdm.TASKS["reshuffle"].recipe("paper")
    assert isinstance(recipe.optimizer, gpdm.Optimizer)
    recipe = replace(recipe, optimizer=replace(recipe.optimizer, num_steps=options.steps))
    ratios = []
    for path in options.images:
        reference = load_image(path, scaled_size(path, options.height, itemgetter(0)))
        for seed in range(options.seeds):
            ours = gpdm.reshuffle(reference, recipe=recipe, seed=seed)
            image = algorithm_1.synthesize(reference, ours.levels, seed, options.steps, recipe.guess.noise_sigma)
            distances = [held_out([reference], each, algorithm_1.PATCH_SIZE, 1.0) for each in (ours.images, image)]
            ratios.append(distances[0] / distances[1])
            row = {
                "image": path.stem,
                "size": list(reference.shape[2:]),
                "seed": seed,
                "ours": round(distances[0], 6),
                "algorithm 1": round(distances[1], 6),
                "ratio": round(ratios[-1], 4),
                "steps": [losses.shape[1] for losses in ours.losses],
            }
            print(json.dumps(row), flush=True)
    summary = {"runs": len(ratios), "mean ratio": round(mean(ratios), 4), "threads": options.threads}
    print(json.dumps(summary | provenance("cpu")))


if __name__ == "__main__":
    main()
