"""Does a structural analogy have the layout of one picture and the patches of the other?

    python -m benchmarks.analogy [--side 128] [--quality fast] [--device cuda] [--out FILE] [--sheet FILE] [--pairs 1]

For each pair of layout and patches: the correlation of the blurred luminance with that of the layout, and the held-out
distance to the patches, for four values of layout_scale; and for the layout as a plain start picture of Reshuffle, with
the same pyramid and noise, which nothing holds after the coarsest level.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import gpdm

from .common import RESULTS, Rows, provenance
from .mix import distance, picture
from .sheets import sheet_of
from .style import layout_kept

PAIRS = (
    ("pavilion", "starry_night"),
    ("dahlia", "canyon"),
    ("dahlia", "cobbles_base_color"),
    ("rocket", "dahlia"),
    ("pavilion", "tissue"),
    ("coffee", "starry_night"),
    ("cat", "pavilion"),
)
"""Layout and patches. The last one is a failure: the building has no patches for a face."""
LAYOUT_SCALES = (0.0, 0.3, 0.6, 1.0)


def outputs(layout: Tensor, patches: Tensor, quality: str) -> Iterator[tuple[str, Tensor]]:
    """Yields the name of each method, and its output."""
    task = gpdm.TASKS["analogy"]
    plain = replace(gpdm.TASKS["reshuffle"].recipe(quality), guess=task.settings.guess, pyramid=task.settings.pyramid)
    yield "start alone", gpdm.reshuffle(patches, init=layout, recipe=plain).images
    for scale in LAYOUT_SCALES:
        made = gpdm.analogy(layout, patches, quality=quality, layout_scale=scale)
        yield f"layout_scale {scale:g}", made.images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="shorter side of the pictures, in pixels")
    parser.add_argument("--quality", choices=("fast", "balanced", "best", "paper"), default="fast")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=RESULTS / "analogy.jsonl", help="file for the rows")
    parser.add_argument("--sheet", type=Path, help="file for all outputs, one row for each pair")
    parser.add_argument("--pairs", type=int, default=len(PAIRS), help="number of pairs")
    options = parser.parse_args()
    common = {"side": options.side, "quality": options.quality, **provenance(options.device)}
    rows, shown = Rows(options.out, common), []
    for names in PAIRS[: options.pairs]:
        layout, patches = (picture(name, options.side, options.device) for name in names)
        shown.append([layout, patches])
        for method, made in outputs(layout, patches, options.quality):
            rows.add(
                "analogy",
                layout=names[0],
                patches=names[1],
                method=method,
                correlation=layout_kept(made, layout),
                to_patches=distance(patches, made),
            )
            shown[-1].append(made)
    if options.sheet:
        sheet_of(shown).save(options.sheet, quality=85)


if __name__ == "__main__":
    with torch.no_grad():
        main()
