"""Tables and figure from the rows of `measure` and `reach`.

    python -m benchmarks.speed.report [--steps FILE] [--reach FILE] [--figure FILE | --no-figure]

Speeds of a step are ratios to a baseline measured in the same run; its absolute times are printed for a GPU only. The
figure needs matplotlib.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..common import RESULTS, exponent, read_rows
from ..targets import target_table
from .commands import GMIC
from .reach import ALGORITHM_1, MIN_FITTED, NEAREST, ROWS, TARGETS, measured

STEP_LINES = {
    "nearest neighbours": ("nearest neighbours", "#8c6d31"),
    "exact": ("exact (ours)", "#7b6fb0"),
    "sorted": ("sorted (Algorithm 1)", "#c0392b"),
    "ours": ("ours", "#1f63be"),
    "floor, channels last": ("three convolutions alone", "#8a8f98"),
}
"""Label and colour of each method in the panel of a step."""
PICTURE_LINES = {
    ALGORITHM_1: ("Algorithm 1 (projected)", "#c0392b"),
    NEAREST: (NEAREST, "#8c6d31"),
    "balanced": ("balanced", "#1f63be"),
    "fast": ("fast", "#4d8fdc"),
    "draft": ("draft", "#86b6ee"),
    GMIC: ("G'MIC syntexturize_matchpatch", "#8a8f98"),
}
"""Label and colour of each method in the panel of whole pictures."""

Row = dict[str, Any]
Runs = Mapping[str, Sequence[Row]]
"""Rows of `measure` by label. Only rows of one label are compared."""
Times = Mapping[str, Mapping[int, float]]
"""Times by method and size."""


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


def times_of(rows: Sequence[Row], what: str, field: str) -> dict[str, dict[int, float]]:
    """Returns the times in a field of the rows of one kind, by method and size."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row["what"] == what and "method" in row:
            found[row["method"]][row["size"]] = row[field]
    return found


def step_table(runs: Runs) -> str:
    """Returns the table of one step at every size."""
    head = ["run", "size", "against sorted", "without coherence", "exact against sorted", "against nearest neighbours"]
    head += ["multiple of the convolutions", "in channels last"]
    gpu = any(row["gpu"] for rows in runs.values() for row in rows)
    body = []
    for label, rows in runs.items():
        found = times_of(rows, "step", "median")
        for size in sorted(found["ours"]):
            t = {method: sizes.get(size) for method, sizes in found.items()}
            ours, sort = t.get("ours"), t.get("sorted")
            line = [label, f"{size} x {size}", ratio(sort, ours), ratio(sort, t.get("ours, without coherence"))]
            line += [ratio(sort, t.get("exact")), ratio(t.get("nearest neighbours"), ours)]
            line += [quotient(ours, t.get(name)) for name in ("floor", "floor, channels last")]
            body.append(line + [f"{ours:.2f}" if ours else "-"] * gpu)
    return table(head + ["ms a step"] * gpu, body)


def memory_table(runs: Runs) -> str:
    """Returns the table of the peak memory of a level: above its two images, and of the whole process."""
    body = [
        [
            label,
            f"{row['size']} x {row.get('height', row['size'])}",
            *(mebibytes(row, key) for key in ("bytes", "process")),
        ]
        for label, rows in runs.items()
        for row in rows
        if row["what"] == "peak"
    ]
    return table(["run", "size", "peak memory above the images", "of the process"], body)


def mebibytes(row: Row, key: str) -> str:
    """Returns a number of bytes of a row in MiB; older rows lack some."""
    return f"{row[key] / 2**20:.0f} MiB" if key in row else "-"


def exponent_table(runs: Runs) -> str:
    """Returns the table of the power of the number of pixels with which the time of a step grows."""
    body = []
    for label, rows in runs.items():
        found = times_of(rows, "step", "median")
        for method in ("ours", "sorted"):
            points = {size: time for size, time in found[method].items() if size >= MIN_FITTED}
            power = exponent(points)
            if power is not None:
                body.append([label, method, f"{power:.2f}", f"{min(points)} to {max(points)}"])
    if not body:
        return f"No exponents: they need two sizes of at least {MIN_FITTED} pixels."
    return table(["run", "method", "time grows with pixels to the power", "sizes"], body)


def picture_table(pictures: Times) -> str:
    """Returns the table of the seconds of whole pictures, with the ratio to Algorithm 1."""
    sizes = sorted({size for times in pictures.values() for size in times})
    baseline, body = pictures.get(ALGORITHM_1, {}), []
    for method in [name for name in PICTURE_LINES if name in pictures]:
        line = [PICTURE_LINES[method][0]]
        for size in sizes:
            time = pictures[method].get(size)
            compared = method != ALGORITHM_1 and time is not None and size in baseline
            line.append("-" if time is None else f"{time:.3g} s")
            line[-1] += f" ({ratio(baseline[size], time)})" if compared else ""
        body.append(line)
    return table(["method", *(f"{size} x {size}" for size in sizes)], body)


def draw_figure(pictures: Times, steps: Times, title: str, path: Path) -> None:
    """Draws seconds against pixels, of whole pictures and of one step, and writes the file."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit(
            "the figure needs matplotlib: pip install 'gpdm[bench]', or pip install matplotlib; or --no-figure"
        ) from None
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = [
        (name, times, lines)
        for name, times, lines in (("a whole picture", pictures, PICTURE_LINES), ("one step", steps, STEP_LINES))
        if times
    ]
    figure, all_axes = plt.subplots(1, len(panels), figsize=(1 + 6.5 * len(panels), 5), squeeze=False)
    for axes, (name, times, lines) in zip(all_axes[0], panels, strict=True):
        draw_panel(axes, times, lines)
        axes.set_title(name, loc="left", fontsize=10, color="#444")
        axes.set_ylabel("seconds")
    figure.suptitle(title, fontsize=10, color="#444")
    figure.set_layout_engine("constrained")
    figure.savefig(path, dpi=110)


def draw_panel(axes: Any, times: Times, lines: Mapping[str, tuple[str, str]]) -> None:
    """Draws the lines of one panel, with a label at the end of each."""
    shown = {name: sorted(times[name].items()) for name in lines if times.get(name)}
    for name, points in shown.items():
        x, y = [size**2 for size, _ in points], [seconds for _, seconds in points]
        axes.plot(x, y, "o-", color=lines[name][1], lw=1.8, ms=4, clip_on=False)
    sizes = sorted({size for points in shown.values() for size, _ in points})
    axes.set(xscale="log", yscale="log", xlabel="pixels (square images)")
    axes.set_xticks([size**2 for size in sizes], [f"{size}²" for size in sizes])
    axes.minorticks_off()
    axes.grid(axis="y", color="#e6e8eb", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    low, high = (float(np.log10(limit)) for limit in axes.get_ylim())
    for name, size, height in spaced_labels(shown, 0.05 * (high - low)):
        place = {"xytext": (9, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False}
        axes.annotate(lines[name][0], (size**2, height), color=lines[name][1], **place)


def spaced_labels(lines: Mapping[str, Sequence[tuple[int, float]]], gap: float) -> list[tuple[str, int, float]]:
    """Returns name, size and seconds at which each line's label is drawn.

    That is the end of the line, or higher if the label below is nearer than `gap` decades.
    """
    ends = sorted((*points[-1], name) for name, points in lines.items())
    placed: list[tuple[str, int, float]] = []
    for size, seconds, name in ends:
        if placed and placed[-1][1] == size:
            seconds = max(seconds, placed[-1][2] * 10**gap)
        placed.append((name, size, seconds))
    return placed


def described(row: Row) -> str:
    """Returns the machine of a row, in words."""
    title = f"{row['device']}, torch {row['torch']}"
    return title if row["gpu"] else f"{title}, {row['threads']} threads"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=Path, default=RESULTS / "speed.jsonl", help="rows of measure")
    parser.add_argument("--reach", type=Path, default=ROWS, help="rows of reach")
    parser.add_argument("--figure", type=Path, default=RESULTS / "speed.png")
    parser.add_argument("--no-figure", action="store_true")
    options = parser.parse_args()
    runs: dict[str, list[Row]] = defaultdict(list)
    for row in read_rows(options.steps):
        runs[row["label"]].append(row)
    rows = read_rows(options.reach)
    for label, own in {**runs, "whole pictures": rows}.items():
        commits = ", ".join(dict.fromkeys(row["commit"] for row in own))
        print(f"{label}: commit {commits}, {described(own[0])}." if own else f"{label}: no rows.")
    pictures, steps = times_of(rows, "picture", "seconds"), {}
    if runs:
        print("\nsorted: Algorithm 1 as its authors write it. exact: our solver that sorts.")
        print(f"\n### One step\n\n{step_table(runs)}\n\n{exponent_table(runs)}\n\n{memory_table(runs)}")
        milliseconds = times_of(list(runs.values())[-1], "step", "median")
        steps = {name: {size: time / 1e3 for size, time in times.items()} for name, times in milliseconds.items()}
    if rows:
        print(f"\n### A whole picture\n\n{picture_table(pictures)}")
        print(f"\n### Targets\n\n{target_table(TARGETS, measured(rows))}")
    if not options.no_figure and (pictures or steps):
        draw_figure(pictures, steps, described(next(own[-1] for own in (rows, *runs.values()) if own)), options.figure)


if __name__ == "__main__":
    main()
