"""Fills the holes and makes the pictures tileable with every method, and writes a row of measures for each output."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

import gpdm
from gpdm.evaluation.seams import seam_gradients

from ..common import RESULTS, ROOT, Rows, provenance
from ..programs import NotInstalled, timed
from .cases import CASES, HoleCase, TileCase
from .measures import band_mask, changed_outside, patch_distance, seam, sharpness
from .methods import FILLS, RANDOM, TILES, TRUTH, painted

ROWS = RESULTS / "edits.jsonl"
OUTPUTS = ROOT / "out" / "edits"
"""Default folder of the outputs; git ignores it."""
SEEDS = 3
"""Default number of seeds for each hole."""
BORDERS_OF_AXES = {"x": "circular x", "y": "circular y", "both": "circular"}


def output_file(folder: Path, case: str, method: str) -> Path:
    """Returns the file of an output."""
    return folder / f"{case} {method}.png".replace(" ", "_")


def as_saved(image: Tensor) -> Tensor:
    """Returns a picture as its 8-bit file is read."""
    return gpdm.from_pil(gpdm.to_pil(image))


def fill_row(case: HoleCase, method: str, seeds: int = SEEDS) -> tuple[dict[str, Any], Tensor]:
    """Returns the measures of a hole filled with a method, as a row, and the output.

    Of a method that depends on a seed these are the medians of so many seeds, and the output of the first.

    Raises:
        NotInstalled: The method is not installed.
    """
    results = [fill_measures(case, method, seed) for seed in range(seeds if method in RANDOM else 1)]
    rows = [row for row, _ in results]
    medians = {name: median(row[name] for row in rows) for name in rows[0]}
    medians |= {"changed_outside": max(row["changed_outside"] for row in rows)}
    hole = float(case.load()[1].double().mean())
    return {"kind": case.kind, "hole": round(hole, 4), "seeds": len(rows), **rounded(medians)}, results[0][1]


def fill_measures(case: HoleCase, method: str, seed: int) -> tuple[dict[str, float], Tensor]:
    """Returns the measures of a hole filled with a method and a seed, and the output."""
    image, mask = case.load()
    given = image if method == TRUTH else painted(image, mask)
    output, seconds = timed(lambda: FILLS[method](given, mask, seed))
    saved = as_saved(output.image)
    row = {
        "changed_outside": changed_outside(output.image, given, mask),
        "sharpness": sharpness(saved, mask),
        "distance": patch_distance(saved, mask),
        "seam": seam(saved, mask),
        "seconds": round(seconds, 2),
    }
    return row, saved


def tile_row(case: TileCase, method: str) -> tuple[dict[str, Any], Tensor]:
    """Returns the measures of a picture that a method made tileable, as a row, and the output.

    Raises:
        NotInstalled: The method is not installed.
    """
    image = case.load()
    output, seconds = timed(lambda: TILES[method](image, case.axes))
    saved = as_saved(output.image)
    band = band_mask((image.shape[2], image.shape[3]), case.axes)
    gradients = seam_gradients(saved, BORDERS_OF_AXES[case.axes])
    row = {
        "changed_outside": changed_outside(output.image, image, output.mask),
        "sharpness": sharpness(saved, band),
        **{f"wrap_{name[-1]}": value for name, value in gradients.items() if "gradient" in name},
    }
    changed = float(output.mask.double().mean())
    return {"axes": case.axes, "changed": round(changed, 4), **rounded(row), "seconds": round(seconds, 2)}, saved


def rounded(row: dict[str, float]) -> dict[str, float]:
    """Returns the values with six significant digits."""
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in row.items()}


def measure(case: HoleCase | TileCase, method: str, seeds: int) -> tuple[dict[str, Any], Tensor]:
    """Returns the row of a case and a method, and the output."""
    return fill_row(case, method, seeds) if isinstance(case, HoleCase) else tile_row(case, method)


def methods_of(case: HoleCase | TileCase) -> Sequence[str]:
    """Returns the names of the methods for a case."""
    return list(FILLS if isinstance(case, HoleCase) else TILES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `run`."""
    names = list(dict.fromkeys([*FILLS, *TILES]))
    parser.add_argument("--cases", nargs="+", default=[""], metavar="WORD", help="cases whose name contains a word")
    parser.add_argument("--methods", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="number of seeds for each hole")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of the rows; a row that exists is replaced")
    parser.add_argument("--outputs", type=Path, default=OUTPUTS, help="folder of the outputs")


def chosen_cases(words: Sequence[str]) -> dict[str, HoleCase | TileCase]:
    """Returns the cases whose name contains one of the words.

    Raises:
        SystemExit: There are none.
    """
    chosen = {name: case for name, case in CASES.items() if any(word in name for word in words)}
    if not chosen:
        raise SystemExit(f"no case has {' or '.join(words)} in its name; the cases are {', '.join(CASES)}")
    return chosen


def run(options: argparse.Namespace) -> None:
    """Measures the cases and methods that are asked for."""
    torch.set_num_threads(options.threads)
    options.outputs.mkdir(parents=True, exist_ok=True)
    origin, missing = provenance("cpu"), set[str]()
    for name, case in chosen_cases(options.cases).items():
        for method in methods_of(case):
            if method not in options.methods or method in missing:
                continue
            try:
                row, image = measure(case, method, options.seeds)
            except NotInstalled as error:
                print(f"{method} is left out: {error}", flush=True)
                missing.add(method)
                continue
            gpdm.to_pil(image).save(output_file(options.outputs, name, method))
            what = "fill" if isinstance(case, HoleCase) else "tile"
            rows = Rows(options.rows, {**origin, "threads": options.threads, "label": f"{name}, {method}"})
            rows.add(what, case=name, image=case.image, method=method, **row)
