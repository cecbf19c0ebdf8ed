"""How does the patch denoiser (Efficient-SID) compare with GPDM, GPNN and ours?

    python -m benchmarks.quality.denoiser --device cuda       everything: three minutes on a GPU
    python -m benchmarks.quality.denoiser --pictures pier     part of it; other rows stay
    python -m benchmarks.quality.denoiser --report            the table alone

Reshuffles six pictures by five methods, two seeds each, and once more as a tile. The metrics of `gpdm.evaluate` are
those of the first seed, as an 8-bit file; diversity is that of both seeds, which is lower than that of more seeds.
The seam is the mean absolute difference across the borders of the tile over the median of that between neighbouring
columns and rows; the seam ratio is the distance of patches across the borders to the nearest one of the reference
over that of the others (`gpdm.evaluate`): 1 is no seam. The published settings of GPDM make no tile. Seconds are of
wall-clock time, those of the faster of both seeds.

Writes denoiser.md beside the rows, and a contact sheet: for each picture the reference and both seeds of each method.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from torch import Tensor

import gpdm
from gpdm.evaluation.seams import seam_gradients, seam_ratio

from ..common import IMAGES, RESULTS, Rows, load_image, provenance, read_rows, scaled_size
from ..sheets import sheet_of
from .recipes import RECIPES

PICTURES = ("pavilion", "starry_night", "canyon", "coffee", "pier", "wood")
METHODS = {
    "GPDM": RECIPES["paper"],
    "GPNN": replace(RECIPES["patch nearest neighbours"], optimizer=gpdm.PatchNN()),
    "balanced": RECIPES["balanced"],
    "denoiser": RECIPES["denoiser"],
    "denoiser, eta 1, 40 steps": RECIPES["denoiser, eta 1, 40 steps"],
}
SEEDS = 2
METRICS = {
    "held-out distance": (1, 3),
    "detail distance": (1, 3),
    "coherence": (1e3, 2),
    "completeness": (1e3, 2),
    "copied": (1, 3),
    "largest verbatim region": (1, 3),
    "diversity": (1, 3),
    "seam": (1, 2),
    "seam ratio": (1, 2),
    "seconds": (1, 2),
}
"""Factor and number of decimals by column. Coherence and completeness are shown times 1000."""
ROWS = RESULTS / "denoiser.jsonl"


def made(recipe: gpdm.Recipe, reference: Tensor, seed: int, **output: Any) -> tuple[Tensor, float]:
    """Returns an output as an 8-bit file has it, on the CPU, and the seconds it took."""
    started = time.perf_counter()
    image = gpdm.reshuffle(reference, recipe=recipe, seed=seed, **output).images.cpu()
    return gpdm.from_pil(gpdm.to_pil(image)), time.perf_counter() - started


def measured(recipe: gpdm.Recipe, reference: Tensor, tiles: bool) -> tuple[dict[str, float], list[Tensor]]:
    """Returns the measures of one method on one picture, and the outputs of its seeds."""
    outputs, seconds = zip(*(made(recipe, reference, seed) for seed in range(SEEDS)), strict=True)
    scores = gpdm.evaluate(reference, outputs[0].to(reference.device)).scores
    row = {name: scores[name] for name in METRICS if name in scores}
    row |= {"diversity": gpdm.diversity(reference, torch.cat(outputs)), "seconds": min(seconds)}
    if tiles:
        tile = made(recipe, reference, 0, tile="both")[0]
        gradients = seam_gradients(tile, "circular")
        row["seam"] = mean(gradients[f"seam gradient {axis}"] for axis in "xy")
        row["seam ratio"] = seam_ratio([reference], tile.to(reference.device), "circular")
    return {name: round(value, 6) for name, value in row.items()}, list(outputs)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns the means over the pictures, and the median of the seconds."""
    lines = ["| method | pictures | " + " | ".join(METRICS) + " |", "|" + " --- |" * (len(METRICS) + 2)]
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        columns = [method, str(len(own))]
        for name, (factor, digits) in METRICS.items():
            values = [row[name] for row in own if name in row]
            value = None if not values else median(values) if name == "seconds" else mean(values)
            columns.append("-" if value is None else f"{factor * value:.{digits}f}")
        if own:
            lines.append("| " + " | ".join(columns) + " |")
    return "\n".join(lines) + "\n"


def run(options: argparse.Namespace) -> None:
    """Measures the pictures and methods that are asked for."""
    origin, shown = provenance(options.device), []
    for path in (path for path in IMAGES if path.stem in options.pictures):
        reference = load_image(path, scaled_size(path, options.side, min), options.device)
        shown.append([reference.cpu()])
        for method in options.methods:
            row, outputs = measured(METHODS[method], reference, tiles=method != "GPDM")
            rows = Rows(options.out, {"side": options.side, **origin, "label": f"{path.stem}, {method}"})
            rows.add("denoiser", picture=path.stem, method=method, **row)
            shown[-1] += outputs
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet_of(shown).save(options.sheet, quality=85)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--pictures", nargs="+", default=PICTURES, choices=[path.stem for path in IMAGES], metavar="NAME")
    add("--methods", nargs="+", default=list(METHODS), choices=METHODS, metavar="NAME")
    add("--side", type=int, default=112, help="shorter side of the pictures, in pixels")
    add("--device", default="cpu")
    add("--out", type=Path, default=ROWS, help="file of the rows; a row that exists is replaced")
    add("--sheet", type=Path, default=RESULTS / "denoiser_sheet.jpg", help="file of the contact sheet")
    add("--report", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if not options.report:
        run(options)
    options.out.with_suffix(".md").write_text(table(read_rows(options.out)), encoding="utf-8")


if __name__ == "__main__":
    main()
