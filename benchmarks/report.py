"""The rows of speed.py as tables, and one figure: seconds a step against pixels.

    python benchmarks/report.py [benchmarks/results/speed.jsonl] [--figure benchmarks/results/speed.png | --no-figure]

Speeds are ratios to a baseline measured in the same run; absolute times are printed for a GPU only. The figure needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

RESULTS = Path(__file__).with_name("results")
LEAST_FITTED = 128
"""Smaller pictures are left out of the exponent: there the fixed costs of a step show."""
LINES = {
    "nearest neighbours": ("nearest neighbours", "#8c6d31"),
    "exact": ("exact (ours)", "#7b6fb0"),
    "sorted": ("sorted (authors)", "#c0392b"),
    "ours": ("ours", "#1f63be"),
    "floor, channels last": ("floor: three convolutions", "#8a8f98"),
}
"""Method: label and colour in the figure."""

RENAMED = {"ours, without the pull": "ours, without coherence"}
"""Methods by the names that they have in older rows."""

Row = dict[str, Any]


def ratio(baseline: float | None, time: float | None) -> str:
    """How many times faster than the baseline, in words."""
    if baseline is None or time is None:
        return "-"
    faster = baseline / time
    return f"{digits(faster)}x faster" if faster >= 1 else f"{digits(1 / faster)}x slower"


def times(time: float | None, baseline: float | None) -> str:
    """A plain quotient."""
    return "-" if time is None or baseline is None else f"{digits(time / baseline)}x"


def digits(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}" if number >= 2 else f"{number:.2f}"


def table(head: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def step_times(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """Median milliseconds by method and size."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row["what"] == "step":
            method: str = row["method"]
            found[RENAMED.get(method, method)][row["size"]] = row["median"]
    return found


def step_table(rows: Sequence[Row]) -> str:
    """One step at every size."""
    found = step_times(rows)
    peaks = {row["size"]: row["bytes"] / 2**20 for row in rows if row["what"] == "peak"}
    gpu = any(row["gpu"] for row in rows)
    head = ["size", "against sorted", "without coherence", "exact against sorted", "against nearest neighbours"]
    head += ["floor", "floor, channels last", "peak memory"] + ["ms a step"] * gpu
    body = []
    for size in sorted(set(found["ours"]) | set(peaks)):
        t = {method: sizes.get(size) for method, sizes in found.items()}
        ours, sort = t.get("ours"), t.get("sorted")
        alone = t.get("ours, without coherence")
        line = [f"{size} x {size}", ratio(sort, ours), ratio(sort, alone), ratio(sort, t.get("exact"))]
        line += [ratio(t.get("nearest neighbours"), ours)]
        line += [times(ours, t.get(name)) for name in ("floor", "floor, channels last")]
        line += [f"{peaks[size]:.0f} MiB" if size in peaks else "-"]
        body.append(line + [f"{ours:.2f}" if ours else "-"] * gpu)
    return table(head, body)


def exponent_table(rows: Sequence[Row]) -> str:
    """The power of the number of pixels with which a step's time grows."""
    body = []
    for method in ("ours", "sorted"):
        points = [(size, ms) for size, ms in sorted(step_times(rows)[method].items()) if size >= LEAST_FITTED]
        if len(points) > 1:
            size, ms = np.log(np.array(points)).T
            body.append([method, f"{np.polyfit(2 * size, ms, 1)[0]:.2f}", f"{points[0][0]} to {points[-1][0]}"])
    if not body:
        return f"No exponents: they take two sizes from {LEAST_FITTED} on."
    return table(["method", "time grows with pixels to the power", "sizes"], body)


def task_table(rows: Sequence[Row]) -> str:
    """A whole picture in each quality and size, against Algorithm 1's projected time."""
    tasks = {(row["quality"], row["size"]): row for row in rows if row["what"] == "task"}
    papers = {size: row["held out"] for (quality, size), row in tasks.items() if quality == "paper"}
    sizes = sorted({size for _, size in tasks})
    gpu = any(row["gpu"] for row in rows)
    body = []
    for quality in dict.fromkeys(quality for quality, _ in tasks):
        mine = [tasks.get((quality, size)) for size in sizes]
        line = [ratio(row["algorithm 1, authors"], row["seconds"]) if row else "-" for row in mine]
        line += [times(row["held out"], papers.get(row["size"])) if row else "-" for row in mine[-1:]]
        body.append([quality, *line] + [f"{row['seconds']:.2f}" if row else "-" for row in mine] * gpu)
    head = ["quality", *(f"{size} x {size}" for size in sizes)]
    head += [f"distance against paper's at {size}" for size in sizes[-1:]]
    return table(head + [f"seconds at {size}" for size in sizes] * gpu, body)


def reach_table(rows: Sequence[Row]) -> str:
    """Time and held-out distance of each quality at one size, over seeds."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["what"] == "reach":
            found[row["quality"]].append(row)
    gpu = any(row["gpu"] for row in rows)
    body = []
    for quality, mine in found.items():
        seconds, distance = median(row["seconds"] for row in mine), mean(row["held out"] for row in mine)
        paper_seconds = median(row["seconds"] for row in found["paper"])
        paper_distance = mean(row["held out"] for row in found["paper"])
        span = f"{min(row['held out'] for row in mine):.4f} to {max(row['held out'] for row in mine):.4f}"
        line = [quality, f"{distance:.4f}", span, times(distance, paper_distance), ratio(paper_seconds, seconds)]
        line += [
            ratio(median(row[f"algorithm 1, {how}"] for row in mine), seconds) for how in ("authors", "same steps")
        ]
        body.append([*line, f"{mean(sum(row['steps']) for row in mine):.0f}", len(mine)] + [f"{seconds:.2f}"] * gpu)
    head = [
        "quality",
        "held-out distance, mean",
        "over seeds",
        "against paper's",
        "time against paper's",
        "against Algorithm 1",
    ]
    head += ["against Algorithm 1, same steps", "steps", "seeds"]
    return table(head + ["seconds"] * gpu, body)


def figure(rows: Sequence[Row], path: Path) -> None:
    """Seconds a step against pixels, both axes logarithmic."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit(
            "the figure needs matplotlib: pip install 'gpdm[bench]', or pip install matplotlib; or --no-figure"
        ) from None
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    found = step_times(rows)
    lines = {name: sorted(found[name].items()) for name in LINES if found.get(name)}
    sizes = sorted({size for points in lines.values() for size, _ in points})
    drawing, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, points in lines.items():
        x, y = [size**2 for size, _ in points], [ms / 1e3 for _, ms in points]
        axes.plot(x, y, "o-", color=LINES[name][1], lw=2.5 if name == "ours" else 1.5, ms=4, clip_on=False)
    axes.set(xscale="log", yscale="log", xlabel="pixels (side squared)", ylabel="seconds a step")
    axes.set_xticks([size**2 for size in sizes], [f"{size}²" for size in sizes])
    axes.minorticks_off()
    axes.grid(axis="y", color="#e6e8eb", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    low, high = (np.log10(limit) for limit in axes.get_ylim())
    for name, end, height in apart(lines, 0.05 * float(high - low)):
        label, colour = LINES[name]
        weight = "bold" if name == "ours" else "normal"
        place = {"xytext": (9, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False}
        axes.annotate(label, (end**2, height), color=colour, weight=weight, **place)
    row = rows[0]
    title = f"One step, 64 projections of 7x7 patches; {row['device']}, torch {row['torch']}"
    axes.set_title(title if row["gpu"] else f"{title}, {row['threads']} threads", loc="left", fontsize=10, color="#444")
    drawing.savefig(path, dpi=150)


def apart(lines: dict[str, list[tuple[int, float]]], least: float) -> list[tuple[str, int, float]]:
    """Where each line's label goes: its end, moved up where it would touch the one below; `least` in decades."""
    ends = sorted((points[-1][0], points[-1][1] / 1e3, name) for name, points in lines.items())
    placed: list[tuple[str, int, float]] = []
    for size, seconds, name in ends:
        if placed and placed[-1][1] == size:
            seconds = max(seconds, placed[-1][2] * 10**least)
        placed.append((name, size, seconds))
    return placed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="?", default=RESULTS / "speed.jsonl")
    parser.add_argument("--figure", type=Path, default=RESULTS / "speed.png")
    parser.add_argument("--no-figure", action="store_true")
    options = parser.parse_args()
    rows: list[Row] = [json.loads(line) for line in options.rows.read_text().splitlines()]
    row = rows[0]
    print(f"{row['device']}, {row['threads']} threads, torch {row['torch']}, gpdm {row['gpdm']} at {row['commit']}.")
    print(
        "sorted: Algorithm 1 as its authors write it. exact: our method that sorts. floor: the three convolutions of a step alone."
    )
    tables = {"step": [step_table, exponent_table], "task": [task_table], "reach": [reach_table]}
    titles = {"step": "One step", "task": "A whole picture", "reach": "Time and quality"}
    for what, makers in tables.items():
        if any(row["what"] == what for row in rows):
            print(f"\n### {titles[what]}\n\n" + "\n\n".join(make(rows) for make in makers))
    if not options.no_figure and any(row["what"] == "step" for row in rows):
        figure(rows, options.figure)


if __name__ == "__main__":
    main()
