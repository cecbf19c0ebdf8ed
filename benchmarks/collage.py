"""Do the pictures of a collage grow together?

    python -m benchmarks.collage [--side 128] [--device cuda] [--out FILE] [--sheet FILE] [--pairs 1]

For each pair of pictures in a row, for the qualities draft (patch nearest neighbours, the default of a collage),
denoiser and fast (the sliced Wasserstein distance), and for a plain fade: the mean squared difference of the patches in
the transition to the nearest of both pictures, times 1000, and the difference between the columns at its two ends,
relative to that between neighbouring columns of the pictures. 1 is no step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

import gpdm
from gpdm.patches.nearest import all_patches, least_distances
from gpdm.tasks.arrange import Layout, laid_out

from .common import RESULTS, Rows, provenance
from .mix import picture
from .sheets import sheet_of

PAIRS = (
    ("canyon", "starry_night"),
    ("wood", "cobbles_base_color"),
    ("hubble", "dahlia"),
    ("pavilion", "pier"),
    ("tissue", "satellite"),
    ("pavilion", "rocket"),
)
TRANSITION = 0.3


def outputs(pictures: Sequence[Tensor], layout: Layout) -> Iterator[tuple[str, Tensor, float]]:
    """Yields the name of each method, its output, and the seconds it took."""
    yield "fade", layout.image, 0.0
    for quality in ("draft", "denoiser", "fast"):
        started = time.perf_counter()
        made = gpdm.collage(list(pictures), quality=quality, transition=TRANSITION).images
        float(made.sum())  # waits for a GPU
        yield quality, made, time.perf_counter() - started


def unlike(image: Tensor, pictures: Sequence[Tensor], columns: slice) -> float:
    """Returns the mean squared difference of patches in columns to the nearest of the pictures, times 1000."""
    patches = all_patches(list(pictures), 7)
    return 1000 * float(least_distances(patches, all_patches([image[..., columns]], 7)).mean())


def step(image: Tensor, pictures: Sequence[Tensor], columns: slice) -> float:
    """Returns the difference across the two ends of some columns, relative to that inside the pictures."""
    at_ends = [(image[..., x] - image[..., x - 1]).abs().mean() for x in (columns.start, columns.stop)]
    inside = [each.diff(dim=3).abs().mean() for each in pictures]
    return float(torch.stack(at_ends).mean() / torch.stack(inside).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="shorter side of the pictures, in pixels")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=RESULTS / "collage.jsonl", help="file for the rows")
    parser.add_argument("--sheet", type=Path, help="file for all outputs, one row for each pair")
    parser.add_argument("--pairs", type=int, default=len(PAIRS), help="number of pairs")
    options = parser.parse_args()
    rows, shown = Rows(options.out, {"side": options.side, **provenance(options.device)}), []
    for names in PAIRS[: options.pairs]:
        pictures = [picture(name, options.side, options.device) for name in names]
        layout = laid_out(gpdm.as_references(pictures), "row", TRANSITION)
        used = [reference.image for reference in layout.references]
        seam = (layout.alone[0, 0, 0] == 0).nonzero().flatten()
        columns = slice(int(seam[0]), int(seam[-1]) + 1)
        shown.append([])
        for method, made, seconds in outputs(pictures, layout):
            rows.add(
                "collage",
                pair=" + ".join(names),
                method=method,
                unlike=unlike(made, used, columns),
                step=step(made, used, columns),
                seconds=round(seconds, 2),
            )
            shown[-1].append(made)
    if options.sheet:
        sheet_of(shown).save(options.sheet, quality=85)


if __name__ == "__main__":
    with torch.no_grad():
        main()
