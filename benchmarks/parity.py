"""This core against Algorithm 1 as the paper prints it: same pictures, seeds, level sizes, steps and noise.

    python benchmarks/parity.py [--pictures FILE ...] [--height 64] [--seeds 3] [--steps 300] [--threads 2]

Prints, for each picture and seed, the distance of both results to the reference, measured with 512 fresh projections that
neither optimiser has seen, and their ratio; then the mean ratio. No time is compared here.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import algorithm_1 as authors
import passive_threads  # noqa: F401
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import gpdm
from gpdm.images import size_of

INPUTS = Path(__file__).resolve().parent.parent / "workflows" / "inputs"


def algorithm_1(reference: Tensor, levels: tuple[gpdm.Level, ...], seed: int, steps: int) -> Tensor:
    """The paper's Algorithm 1 at each level."""
    generator = torch.Generator().manual_seed(seed)
    y = 1.5 * torch.randn(1, reference.shape[1], *levels[0].size, generator=generator)
    for level in levels:
        x = F.interpolate(reference, size=level.reference_sizes[0], mode="bilinear", antialias=True)
        y = F.interpolate(y, size=level.size, mode="bilinear", antialias=True)
        authors.solve(x, y, generator)(steps)
        y = y.detach().clamp(-1, 1)
    return y


def distance(reference: Tensor, image: Tensor) -> float:
    """Sliced Wasserstein distance at the finest scale over 512 directions of a seed that no run uses."""
    # The solver that sorts: filters of the other are the same for every seed, and runs have seen them.
    loss = gpdm.SWDLoss(num_proj=512, solver="exact", coherence=0.0)
    judge = gpdm.bind(loss, gpdm.as_references(reference), gpdm.Canvas(size=size_of(image)))
    state = gpdm.OutputState(torch.Generator().manual_seed(2**63 - 1))
    return float(gpdm.value_and_gradient(judge, image, 0, state)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, nargs="+", default=sorted(INPUTS.glob("*.jpg")))
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ratios = []
    for path in options.pictures:
        picture = Image.open(path)
        width = round(picture.width * options.height / picture.height)
        reference = gpdm.from_pil(picture.resize((width, options.height), Image.Resampling.LANCZOS))
        for seed in range(options.seeds):
            ours = gpdm.synthesize(reference, seed=seed, optimizer=gpdm.Optimizer(num_steps=options.steps))
            theirs = algorithm_1(reference, ours.levels, seed, options.steps)
            a, b = distance(reference, ours.images), distance(reference, theirs)
            ratios.append(a / b)
            row = {
                "picture": path.stem,
                "size": [options.height, width],
                "seed": seed,
                "ours": round(a, 6),
                "algorithm 1": round(b, 6),
                "ratio": round(a / b, 4),
            }
            print(json.dumps(row), flush=True)
    mean = sum(ratios) / len(ratios)
    versions = {
        "torch": torch.__version__,
        "gpdm": gpdm.__version__,
        "machine": platform.machine(),
        "threads": options.threads,
    }
    print(json.dumps({"runs": len(ratios), "mean ratio": round(mean, 4), **versions}))


if __name__ == "__main__":
    main()
