"""What does a saved patch distribution lose against the picture that it was made of, and how large is it?

    python -m benchmarks.distribution [--side 96] [--seeds 2] [--images FILE...] [--report]

Each picture is reshuffled three times with the same settings and seeds: with the picture as reference and the default
loss; with the picture, without the coherence term, which a saved distribution does not have; and with the file. The
held-out distances to the picture are over filters that no synthesis uses. Writes distribution.jsonl and
distribution.md beside the other results; `--report` writes the table alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gpdm

from .common import IMAGES, RESULTS, Rows, load_image, provenance, read_rows, scaled_size

ROWS, TABLE = RESULTS / "distribution.jsonl", RESULTS / "distribution.md"
METHODS = ("picture, coherence", "picture", "file")


def measure(images: Sequence[Path], side: int, seeds: int) -> None:
    """Measures all methods on all pictures, whose shorter side has so many pixels."""
    rows = Rows(ROWS, {**provenance("cpu"), "label": f"{side} px"})
    recipe = gpdm.TASKS["reshuffle"].recipe()
    assert isinstance(recipe.loss, gpdm.SWDLoss)
    alone = replace(recipe, loss=replace(recipe.loss, coherence=0.0))
    pictures = [load_image(path, scaled_size(path, side, min)) for path in images]
    for path, picture in zip(images, pictures, strict=True):
        started = time.perf_counter()
        data = gpdm.encode_distribution(gpdm.patch_distribution(picture))
        seconds = time.perf_counter() - started
        saved = gpdm.Reference.of_distribution(gpdm.decode_distribution(data, path.name))
        rows.add("file", image=path.stem, bytes=len(data), seconds_to_make=round(seconds, 2))
        for method, reference, used in zip(METHODS, (picture, picture, saved), (recipe, alone, alone), strict=True):
            for seed in range(seeds):
                started = time.perf_counter()
                result = gpdm.reshuffle(reference, recipe=used, seed=seed)
                seconds = time.perf_counter() - started
                scores = gpdm.evaluate(picture, result.images).scores
                kept = {
                    name: round(scores[name], 5)
                    for name in ("held-out distance", "detail distance", "high frequencies", "copied")
                }
                rows.add("output", image=path.stem, method=method, seed=seed, **kept, seconds=round(seconds, 2))
    everything = gpdm.encode_distribution(gpdm.patch_distribution(pictures))
    rows.add("file of all", pictures=len(pictures), bytes=len(everything))


def report() -> str:
    """Returns the table of all rows."""
    rows = read_rows(ROWS)
    outputs = [row for row in rows if row["what"] == "output"]
    lines = [
        "| size | reference | held-out distance | detail distance | high frequencies, dB | copied | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    names = ("held-out distance", "detail distance", "high frequencies", "copied", "seconds")
    for label in dict.fromkeys(row["label"] for row in rows):
        for method in METHODS:
            chosen = [row for row in outputs if row["label"] == label and row["method"] == method]
            if chosen:
                means = " | ".join(f"{statistics.mean(row[name] for row in chosen):.4f}" for name in names)
                lines.append(f"| {label} | {method} | {means} |")
        sizes = [row["bytes"] / 2**20 for row in rows if row["what"] == "file" and row["label"] == label]
        joint = [row for row in rows if row["what"] == "file of all" and row["label"] == label]
        lines.append("")
        lines += [
            f"{label}: a file of one picture has {min(sizes):.2f} to {max(sizes):.2f} MiB"
            + "".join(f", one of {row['pictures']} pictures {row['bytes'] / 2**20:.2f} MiB" for row in joint)
            + ".",
            "",
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, nargs="+", default=IMAGES[:6])
    parser.add_argument("--side", type=int, default=96, help="shorter side, in pixels")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    if not options.report:
        measure(options.images, options.side, options.seeds)
    TABLE.write_text(report(), encoding="utf-8")
    print(report())


if __name__ == "__main__":
    main()
