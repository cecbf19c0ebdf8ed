"""Every quality against the published settings with the sorted distance, by measurements that no run minimises (judge.py).

    python benchmarks/quality.py --qualities paper --out paper.jsonl          (the slow half; may run beside the other)
    python benchmarks/quality.py --qualities fast balanced best --out ours.jsonl
    python benchmarks/quality.py --report paper.jsonl ours.jsonl

Six pictures, `--seeds` seeds each, reshuffled at `--height`. A row for every run; the report gives for each picture and quality
the mean over the seeds as a share of paper's: of the nine held-out distances (each as a share first, so that none outweighs the
others), coherence and completeness. Time is speed.py's matter: these runs may share their machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from judge import PATCH_SIZES, SCALES, judge
from methods import picture
from PIL import Image

import gpdm

HERE = Path(__file__).resolve().parent
PICTURES = [*sorted((HERE.parent / "workflows" / "inputs").glob("*.jpg")), HERE / "inputs" / "hubble.jpg"]
DISTANCES = [f"p{p} x{scale:g}" for scale in SCALES for p in PATCH_SIZES]
MEASURES = ["distances", "coherence", "completeness"]


def rows(qualities: Iterable[str], seeds: int, height: int) -> Iterable[dict[str, Any]]:
    """One run each."""
    for seed in range(seeds):
        for path in PICTURES:
            width, own = Image.open(path).size
            side = min(height, own)
            reference = picture(path, (side, round(width * side / own)), "cpu")
            for quality in qualities:
                result = gpdm.reshuffle(reference, recipe=gpdm.RECIPES["reshuffle"][quality], seed=seed)
                yield {
                    "picture": path.stem,
                    "size": list(reference.shape[2:]),
                    "seed": seed,
                    "quality": quality,
                    **{name: round(number, 7) for name, number in judge(reference, result.images).items()},
                    "torch": torch.__version__,
                    "gpdm": gpdm.__version__,
                    "threads": torch.get_num_threads(),
                }


def shares(mine: list[Mapping[str, Any]], paper: list[Mapping[str, Any]]) -> list[float]:
    """Means over the seeds, as shares of paper's, in the order of `MEASURES`."""

    def share(name: str) -> float:
        return sum(row[name] for row in mine) / sum(row[name] for row in paper)

    return [sum(map(share, DISTANCES)) / len(DISTANCES), *map(share, MEASURES[1:])]


def report(files: Iterable[Path]) -> str:
    """The table."""
    found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    names = list(dict.fromkeys(row["picture"] for row in found))
    qualities = [quality for quality in gpdm.QUALITIES if quality != "paper"]
    lines = ["| quality | picture | seeds | distances | coherence | completeness |", "|" + " --- |" * 6]
    for quality in qualities:
        table = []
        for name in names:
            mine, paper = (
                sorted(
                    (row for row in found if row["picture"] == name and row["quality"] == each), key=lambda r: r["seed"]
                )
                for each in (quality, "paper")
            )
            seeds = {row["seed"] for row in mine} & {row["seed"] for row in paper}
            mine, paper = ([row for row in each if row["seed"] in seeds] for each in (mine, paper))
            if seeds:
                table.append(shares(mine, paper))
                lines.append(f"| {quality} | {name} | {len(seeds)} | " + _cells(table[-1]))
        if table:
            means = [sum(column) / len(table) for column in zip(*table, strict=True)]
            lines.append(f"| **{quality}** | **mean** | | " + _cells(means))
    return "\n".join(lines)


def _cells(numbers: Iterable[float]) -> str:
    return " | ".join(f"{number:.2f}" for number in numbers) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qualities", nargs="+", default=list(gpdm.QUALITIES), choices=gpdm.QUALITIES)
    parser.add_argument("--height", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "quality.jsonl")
    parser.add_argument("--report", type=Path, nargs="+", help="measure nothing; print the table of these files")
    options = parser.parse_args()
    if options.report:
        print(report(options.report))
        return
    torch.set_num_threads(options.threads)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", encoding="utf-8") as file:
        for row in rows(options.qualities, options.seeds, options.height):
            print(json.dumps(row), file=file, flush=True)
            print(row["picture"], row["seed"], row["quality"], flush=True)


if __name__ == "__main__":
    main()
