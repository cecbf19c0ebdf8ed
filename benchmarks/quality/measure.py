"""How good are the outputs of each recipe, and what does each choice of `balanced` contribute?

    python -m benchmarks.quality.measure                                     everything: a day on two cores
    python -m benchmarks.quality.measure --recipes balanced best --seeds 3   part of it
    python -m benchmarks.quality.report                                      table, frontier and contact sheets

Reshuffles twelve images (workflows/inputs and benchmarks/inputs), at most 250 pixels on the longer side, and
evaluates the outputs with `gpdm.evaluate`, as the 8-bit files that a user gets. Besides the qualities of the task
there are "paper-table" (the settings of the authors' table), "patch nearest neighbours" (GPNN), and ablations:
`balanced` with one choice changed.

Outputs stay in `--outputs`, and rows that exist are not measured again, so that an interrupted run continues. A row
has the seconds of processor time in which its output was made, which are comparable on one thread; the runs may share
their machine. A row whose output existed already has none.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

import gpdm

from ..common import IMAGES, commit, read_rows
from .recipes import (
    ABLATIONS,
    DIVERSITY_SEEDS,
    LONGER_SIDE,
    OUTPUTS,
    RECIPES,
    ROWS,
    load_outputs,
    load_reference,
    output_file,
    run,
)


def ensure_output(name: str, path: Path, seed: int, options: argparse.Namespace) -> tuple[Path, dict[str, float]]:
    """Returns the file of an output, and the seconds of processor time if it did not exist and is made now."""
    file = output_file(options.outputs, path.stem, name, seed)
    if file.exists():
        return file, {}
    reference = load_reference(path, options.longer_side).to(options.device)
    started = time.process_time()
    image = run(name, reference, seed)
    seconds = time.process_time() - started
    partial_file = file.with_suffix(".part.png")
    gpdm.to_pil(image.cpu()).save(partial_file)
    partial_file.replace(file)
    return file, {"seconds": round(seconds, 2)}


def metrics_row(name: str, path: Path, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Returns the metrics of one output, as a row."""
    file, cost = ensure_output(name, path, seed, options)
    image = load_outputs([file]).to(options.device)
    reference = load_reference(path, options.longer_side).to(options.device)
    evaluation = gpdm.evaluate(reference, image, search=options.search)
    return {
        "recipe": name,
        "picture": path.stem,
        "seed": seed,
        "size": list(image.shape[2:]),
        **cost,
        **{metric: round(score, 7) for metric, score in evaluation.scores.items()},
        "threads": options.threads,
        "search": options.search,
        "commit": commit(),
    }


def diversity_row(name: str, path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Returns the diversity of the first `DIVERSITY_SEEDS` seeds, as a row."""
    images = load_outputs([ensure_output(name, path, seed, options)[0] for seed in range(DIVERSITY_SEEDS)])
    return {
        "recipe": name,
        "picture": path.stem,
        "seed": "all",
        "diversity": round(gpdm.diversity(load_reference(path, options.longer_side), images), 5),
        "commit": commit(),
    }


def missing(
    options: argparse.Namespace, rows: Sequence[dict[str, Any]]
) -> Iterator[Callable[[argparse.Namespace], dict[str, Any]]]:
    """Yields a function for each row that is asked for and does not exist."""
    done = {(row["recipe"], row["picture"], row["seed"]) for row in rows}
    for seed in [*range(options.seeds), *(["all"] if options.diversity else [])]:
        for path in IMAGES:
            for name in options.recipes:
                if path.stem in options.images and (name, path.stem, seed) not in done:
                    yield (
                        partial(diversity_row, name, path) if seed == "all" else partial(metrics_row, name, path, seed)
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add, names = parser.add_argument, [path.stem for path in IMAGES]
    add("--recipes", nargs="+", default=[*RECIPES, *ABLATIONS], choices=[*RECIPES, *ABLATIONS], metavar="NAME")
    add("--images", nargs="+", default=names, choices=names, metavar="NAME")
    add("--seeds", type=int, default=3)
    add("--diversity", action="store_true", help=f"also the diversity of {DIVERSITY_SEEDS} seeds")
    add("--longer-side", type=int, default=LONGER_SIDE, help="in pixels; rows of different sizes must not share a file")
    add("--search", default="exact", choices=gpdm.SEARCHES, help="search of the metrics; faiss takes a quarter as long")
    add("--threads", type=int, default=1)
    add("--device", default="cpu")
    add("--outputs", type=Path, default=OUTPUTS, help="folder of the outputs")
    add("--rows", type=Path, default=ROWS, help="file to which rows are appended")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for folder in (options.outputs, options.rows.parent):
        folder.mkdir(parents=True, exist_ok=True)
    rows = read_rows(options.rows)
    with options.rows.open("a", encoding="utf-8") as file:
        for measure in missing(options, rows):
            row = measure(options)
            print(json.dumps(row), file=file, flush=True)
            print(row["picture"], row["seed"], row["recipe"], flush=True)


if __name__ == "__main__":
    main()
