"""How near are the matches of the patch search to the nearest patches, and how fast is it beside the exact search?

    python -m benchmarks.speed.search [--pixels 250] [--threads 1] [--repeats 3]

The patches are those that the coherence term looks up, of an image in the middle of the finest level of a short run.
The baseline compares all pairs. Both are measured in CPU time, the exact search once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

import gpdm
from gpdm.losses.coherence import COHERENCE_PATCH, Coherence
from gpdm.patches.lattice import Lattice
from gpdm.patches.nearest import nearest
from gpdm.patches.search import PatchSearch
from gpdm.tasks import TASKS

from ..common import IMAGES, RESULTS, Rows, load_image, provenance, scaled_size

STEPS = 40
"""Steps at each level of the run that gives the image."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, nargs="+", default=IMAGES)
    parser.add_argument("--pixels", type=int, default=250, help="longer side of the images; smaller ones keep theirs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=Path, default=RESULTS / "search.jsonl")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rows = Rows(options.rows, {**provenance("cpu"), "threads": options.threads, "label": f"search {options.pixels}"})
    measured = []
    for path in options.images:
        reference = load_image(path, scaled_size(path, options.pixels, max))
        measured.append(measure(reference, output_of(reference), options.repeats))
        rows.add("search", image=path.stem, **measured[-1])
    averages = {name: mean(row[name] for row in measured) for name in measured[0]}
    rows.add("search, mean", images=len(measured), worst=max(row["excess"] for row in measured), **averages)


def output_of(reference: Tensor) -> Tensor:
    """Returns the image in the middle of the finest level of a short run of `fast`."""
    recipe = TASKS["reshuffle"].recipe("fast")
    optimizer = gpdm.Optimizer(num_steps=STEPS, fine_steps=STEPS)
    images: list[Tensor] = []

    def keep(info: gpdm.StepInfo) -> None:
        if info.level == info.levels - 1 and info.step == STEPS // 2:
            images.append(info.working_image.clone())

    gpdm.synthesize(reference, loss=recipe.loss, pyramid=recipe.pyramid, optimizer=optimizer, on_step=keep)
    return images[0]


def measure(reference: Tensor, image: Tensor, repeats: int) -> dict[str, float]:
    """Returns the measurements of one image: numbers of patches, excess distance, and ratios of CPU times."""
    spacing = Coherence().spacing
    lattice = Lattice.of(*(torch.arange(0, n - COHERENCE_PATCH + 1, spacing) for n in image.shape[2:]))
    searches = [PatchSearch([reference], COHERENCE_PATCH) for _ in range(repeats)]
    first_time = min(seconds(lambda search=search: search.nearest(image, lattice)) for search in searches)
    search = searches[0]
    later_time = min(seconds(lambda: search.nearest(image, lattice)) for _ in range(repeats))
    found = float(search.nearest(image, lattice).distance.double().mean())
    patches = torch.cat([strip.read(image) for strip in lattice.strips(COHERENCE_PATCH, len(lattice))])
    keys = search.store.read(search.store.allowed.nonzero()[:, 0])
    exact_time = seconds(lambda: nearest(patches, keys))
    exact = float(nearest(patches, keys).distance.double().mean())
    return {
        "patches": len(lattice),
        "reference patches": len(keys),
        "excess": found / exact - 1,
        "first search against exact": exact_time / first_time,
        "later search against exact": exact_time / later_time,
    }


def seconds(work: Callable[[], object]) -> float:
    """Returns the CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
