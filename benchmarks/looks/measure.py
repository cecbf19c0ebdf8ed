"""Recolours the pairs and the clip with every method, and writes a row of measures for each output."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gpdm

from ..common import RESULTS, ROOT, Rows, provenance
from ..programs import NotInstalled, timed
from .cases import CLIP, PAIRS, clip
from .measures import colour_distance, drift, flicker, structure
from .methods import CLIP_METHODS, METHODS, Recolour

ROWS = RESULTS / "looks.jsonl"
OUTPUTS = ROOT / "out" / "looks"
"""Default folder of the outputs; git ignores it."""


def output_file(folder: Path, case: str, method: str) -> Path:
    """Returns the file of an output."""
    return folder / f"{case} {method}.png".replace(" ", "_").replace("'", "").replace(",", "")


def pair_row(reference: Tensor, image: Tensor, recolour: Recolour) -> tuple[dict[str, Any], Tensor]:
    """Returns the measures of a picture with the colours of a reference, of its 8-bit file, and the picture."""
    output, seconds = timed(lambda: recolour(reference, image))
    saved = gpdm.from_pil(gpdm.to_pil(output))
    row = {"colour": colour_distance(reference, saved), "structure": structure(saved, image)}
    return {**{key: round(value, 4) for key, value in row.items()}, "seconds": round(seconds, 2)}, saved


def clip_row(reference: Tensor, frames: Tensor, still: Tensor, recolour: Recolour) -> tuple[dict[str, Any], Tensor]:
    """Returns the measures of a clip with the colours of a reference, and its last frame."""
    output, seconds = timed(lambda: recolour(reference, frames))
    stacked = output.movedim(1, 0).flatten(1, 2)[None]
    row = {
        "flicker": flicker(output, frames, still),
        "drift": drift(output, still),
        "colour": colour_distance(reference, stacked),
    }
    return {**{key: round(value, 5) for key, value in row.items()}, "seconds": round(seconds, 2)}, output[-1:]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `run`."""
    parser.add_argument("--methods", nargs="+", default=list(CLIP_METHODS), choices=CLIP_METHODS, metavar="NAME")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of the rows; a row that exists is replaced")
    parser.add_argument("--outputs", type=Path, default=OUTPUTS, help="folder of the outputs")


def measured(methods: list[str]) -> Iterator[tuple[str, str, str, dict[str, Any], Tensor]]:
    """Yields kind, case, method, measures and picture of every output; a method that is not installed is left out."""
    frames, still = clip(CLIP.load()[1])
    missing = set[str]()
    for method in methods:
        try:
            for pair in PAIRS if method in METHODS else ():
                row, image = pair_row(*pair.load(), METHODS[method])
                yield "pair", pair.name, method, {"tuned": pair.tuned, **row}, image
            yield "clip", "clip", method, *clip_row(CLIP.load()[0], frames, still, CLIP_METHODS[method])
        except NotInstalled as error:
            print(f"{method} is left out: {error}", flush=True)
            missing.add(method)


def run(options: argparse.Namespace) -> None:
    """Measures the methods that are asked for."""
    torch.set_num_threads(options.threads)
    options.outputs.mkdir(parents=True, exist_ok=True)
    origin = provenance("cpu")
    for what, case, method, row, image in measured(options.methods):
        gpdm.to_pil(image).save(output_file(options.outputs, case, method))
        rows = Rows(options.rows, {**origin, "threads": options.threads, "label": f"{case}, {method}"})
        rows.add(what, case=case, method=method, **row)
