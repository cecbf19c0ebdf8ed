"""Tables and figure from the rows of `measure`.

    python -m benchmarks.speed.report [benchmarks/results/speed.jsonl] [--figure FILE | --no-figure]

Speeds are ratios to a baseline measured in the same run; absolute times are printed for a GPU only. The figure needs
matplotlib.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from ..common import RESULTS

MIN_FITTED = 128
"""Smallest size in the fit of the exponent, in pixels. Below, the fixed cost of a step shows."""
LINES = {
    "nearest neighbours": ("nearest neighbours", "#8c6d31"),
    "exact": ("exact (ours)", "#7b6fb0"),
    "sorted": ("sorted (Algorithm 1)", "#c0392b"),
    "ours": ("ours", "#1f63be"),
    "floor, channels last": ("three convolutions alone", "#8a8f98"),
}
"""Label and colour of each method in the figure."""

Row = dict[str, Any]
Runs = Mapping[str, Sequence[Row]]
"""Rows by label. Only rows of one label are compared."""


def ratio(baseline: float | None, time: float | None) -> str:
    """Returns how many times faster than the baseline, in words."""
    if baseline is None or time is None:
        return "-"
    faster = baseline / time
    return f"{digits(faster)}x faster" if faster >= 1 else f"{digits(1 / faster)}x slower"


def quotient(value: float | None, baseline: float | None) -> str:
    """Returns the value as a multiple of the baseline."""
    return "-" if value is None or baseline is None else f"{digits(value / baseline)}x"


def digits(number: float) -> str:
    """Returns the number with two or three significant digits."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}" if number >= 2 else f"{number:.2f}"


def table(head: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    """Returns a Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def step_times(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """Returns the median milliseconds of a step by method and size."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row["what"] == "step":
            found[row["method"]][row["size"]] = row["median"]
    return found


def step_table(runs: Runs) -> str:
    """Returns the table of one step at every size."""
    head = ["run", "size", "against sorted", "without coherence", "exact against sorted", "against nearest neighbours"]
    head += ["multiple of the convolutions", "in channels last", "peak memory"]
    gpu = any(row["gpu"] for rows in runs.values() for row in rows)
    body = []
    for label, rows in runs.items():
        found = step_times(rows)
        peaks = {row["size"]: row["bytes"] / 2**20 for row in rows if row["what"] == "peak"}
        for size in sorted(set(found["ours"]) | set(peaks)):
            t = {method: sizes.get(size) for method, sizes in found.items()}
            ours, sort = t.get("ours"), t.get("sorted")
            line = [label, f"{size} x {size}", ratio(sort, ours), ratio(sort, t.get("ours, without coherence"))]
            line += [ratio(sort, t.get("exact")), ratio(t.get("nearest neighbours"), ours)]
            line += [quotient(ours, t.get(name)) for name in ("floor", "floor, channels last")]
            line += [f"{peaks[size]:.0f} MiB" if size in peaks else "-"]
            body.append(line + [f"{ours:.2f}" if ours else "-"] * gpu)
    return table(head + ["ms a step"] * gpu, body)


def exponent_table(runs: Runs) -> str:
    """Returns the table of the power of the number of pixels with which the time of a step grows."""
    body = []
    for label, rows in runs.items():
        for method in ("ours", "sorted"):
            points = [(size, ms) for size, ms in sorted(step_times(rows)[method].items()) if size >= MIN_FITTED]
            if len(points) > 1:
                size, ms = np.log(np.array(points)).T
                sizes = f"{points[0][0]} to {points[-1][0]}"
                body.append([label, method, f"{np.polyfit(2 * size, ms, 1)[0]:.2f}", sizes])
    if not body:
        return f"No exponents: they need two sizes of at least {MIN_FITTED} pixels."
    return table(["run", "method", "time grows with pixels to the power", "sizes"], body)


def distance(row: Row) -> float:
    """Returns the held-out distance of a picture.

    Older rows have "held out", with another definition; see README.md. All rows of one run have the same.
    """
    return row["held-out distance"] if "held-out distance" in row else row["held out"]


def task_table(runs: Runs) -> str:
    """Returns the table of whole pictures in each quality and size, against the projected time of Algorithm 1."""
    sizes = sorted({row["size"] for rows in runs.values() for row in rows if row["what"] == "task"})
    gpu = any(row["gpu"] for rows in runs.values() for row in rows)
    has_paper = any(row.get("quality") == "paper" for rows in runs.values() for row in rows if row["what"] == "task")
    body = []
    for label, rows in runs.items():
        tasks = {(row["quality"], row["size"]): row for row in rows if row["what"] == "task"}
        paper = tasks.get(("paper", sizes[-1]))
        for quality in dict.fromkeys(quality for quality, _ in tasks):
            own = [tasks.get((quality, size)) for size in sizes]
            line = [ratio(row["algorithm 1, authors"], row["seconds"]) if row else "-" for row in own]
            last = own[-1]
            line += [quotient(distance(last), distance(paper)) if last and paper else "-"] * has_paper
            body.append([label, quality, *line] + [f"{row['seconds']:.2f}" if row else "-" for row in own] * gpu)
    head = ["run", "quality", *(f"{size} x {size}" for size in sizes)]
    head += [f"distance against paper at {sizes[-1]}"] * has_paper
    return table(head + [f"seconds at {size}" for size in sizes] * gpu, body)


def seeds_table(runs: Runs) -> str:
    """Returns the table of time and held-out distance of each quality at one size, over seeds."""
    head = ["run", "quality", "held-out distance, mean", "over seeds", "against paper", "time against paper"]
    head += ["time against Algorithm 1", "time against Algorithm 1, same steps", "steps", "seeds"]
    gpu = any(row["gpu"] for rows in runs.values() for row in rows)
    body = []
    for label, rows in runs.items():
        found: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row["what"] == "seeds":
                found[row["quality"]].append(row)
        for quality, own in found.items():
            seconds, paper_seconds = (median(row["seconds"] for row in each) for each in (own, found["paper"]))
            distances, paper_distances = ([distance(row) for row in each] for each in (own, found["paper"]))
            line = [label, quality, f"{mean(distances):.4f}", f"{min(distances):.4f} to {max(distances):.4f}"]
            line += [quotient(mean(distances), mean(paper_distances)), ratio(paper_seconds, seconds)]
            for kind in ("authors", "same steps"):
                line.append(ratio(median(row[f"algorithm 1, {kind}"] for row in own), seconds))
            line += [f"{mean(sum(row['steps']) for row in own):.0f}", str(len(own))]
            body.append(line + [f"{seconds:.2f}"] * gpu)
    return table(head + ["seconds"] * gpu, body)


def draw_figure(runs: Runs, path: Path) -> None:
    """Draws the seconds of a step against the number of pixels, one panel for each run, and writes the file."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit(
            "the figure needs matplotlib: pip install 'gpdm[bench]', or pip install matplotlib; or --no-figure"
        ) from None
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    runs = {label: rows for label, rows in runs.items() if step_times(rows)}
    figure, panels = plt.subplots(
        1, len(runs), figsize=(1 + 6.5 * len(runs), 5), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (label, rows) in zip(panels[0], runs.items(), strict=True):
        found = step_times(rows)
        lines = {name: sorted(found[name].items()) for name in LINES if found.get(name)}
        sizes = sorted({size for points in lines.values() for size, _ in points})
        for name, points in lines.items():
            x, y = [size**2 for size, _ in points], [ms / 1e3 for _, ms in points]
            axes.plot(x, y, "o-", color=LINES[name][1], lw=2.5 if name == "ours" else 1.5, ms=4, clip_on=False)
        axes.set(xscale="log", yscale="log", xlabel="pixels (square images)")
        axes.set_xticks([size**2 for size in sizes], [f"{size}²" for size in sizes])
        axes.minorticks_off()
        axes.grid(axis="y", color="#e6e8eb", lw=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        commits = ", ".join(dict.fromkeys(row["commit"] for row in rows if row["what"] == "step"))
        axes.set_title(f"{label} (commit {commits})", loc="left", fontsize=10, color="#444")
    panels[0, 0].set_ylabel("seconds a step")
    low, high = (float(np.log10(limit)) for limit in panels[0, 0].get_ylim())
    for axes, rows in zip(panels[0], runs.values(), strict=True):
        found = step_times(rows)
        lines = {name: sorted(found[name].items()) for name in LINES if found.get(name)}
        for name, size, height in spaced_labels(lines, 0.05 * (high - low)):
            label, colour = LINES[name]
            weight = "bold" if name == "ours" else "normal"
            place = {"xytext": (9, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False}
            axes.annotate(label, (size**2, height), color=colour, weight=weight, **place)
    row = next(iter(runs.values()))[0]
    title = f"One step; {row['device']}, torch {row['torch']}"
    figure.suptitle(title if row["gpu"] else f"{title}, {row['threads']} threads", fontsize=10, color="#444")
    figure.savefig(path, dpi=110)


def spaced_labels(lines: Mapping[str, Sequence[tuple[int, float]]], gap: float) -> list[tuple[str, int, float]]:
    """Returns name, size and seconds at which each line's label is drawn.

    That is the end of the line, or higher if the label below is nearer than `gap` decades.
    """
    ends = sorted((points[-1][0], points[-1][1] / 1e3, name) for name, points in lines.items())
    placed: list[tuple[str, int, float]] = []
    for size, seconds, name in ends:
        if placed and placed[-1][1] == size:
            seconds = max(seconds, placed[-1][2] * 10**gap)
        placed.append((name, size, seconds))
    return placed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="?", default=RESULTS / "speed.jsonl")
    parser.add_argument("--figure", type=Path, help="by default speed.png beside the rows")
    parser.add_argument("--no-figure", action="store_true")
    options = parser.parse_args()
    runs: dict[str, list[Row]] = defaultdict(list)
    for line in options.rows.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        runs[row["label"]].append(row)
    for label, rows in runs.items():
        row, commits = rows[0], ", ".join(dict.fromkeys(row["commit"] for row in rows))
        print(f"{label}: commit {commits}, {row['device']}, {row['threads']} threads, torch {row['torch']}.")
    print("sorted: Algorithm 1 as its authors write it. exact: our solver that sorts.")
    tables = {"step": [step_table, exponent_table], "task": [task_table], "seeds": [seeds_table]}
    titles = {"step": "One step", "task": "A whole picture", "seeds": "Time and distance"}
    for what, makers in tables.items():
        if any(row["what"] == what for rows in runs.values() for row in rows):
            print(f"\n### {titles[what]}\n\n" + "\n\n".join(make(runs) for make in makers))
    if not options.no_figure and any(row["what"] == "step" for rows in runs.values() for row in rows):
        draw_figure(runs, options.figure or options.rows.with_name("speed.png"))


if __name__ == "__main__":
    main()
