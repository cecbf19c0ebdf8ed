"""Tables, figures and contact sheets from the rows and outputs of `measure`.

    python -m benchmarks.quality.report [--rows FILE] [--outputs FOLDER] [--into FOLDER]

Writes into the folder: quality.md; frontier.png and copying.png, which need matplotlib; and of the recipes that have
all outputs the contact sheets sheet.jpg, sheet_best.jpg and sheet_worst.jpg. docs/pictures holds copies of the last
two.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import gpdm

from ..common import IMAGES, RESULTS, read_rows
from .recipes import ABLATIONS, LONGER_SIDE, OUTPUTS, RECIPES, ROWS, load_reference, output_file

METRICS: dict[str, tuple[float, int]] = {
    "held-out distance": (1, 3),
    "detail distance": (1, 3),
    "coherence": (1e3, 2),
    "completeness": (1e3, 2),
    "high frequencies": (1, 2),
    "border": (1, 2),
    "copied": (1, 3),
    "largest verbatim region": (1, 3),
    "line continuity": (1, 3),
    "diversity": (1, 3),
    "seconds": (1, 1),
}
"""Factor and number of decimals by column. Coherence and completeness are shown times 1000; seconds are of processor
time, on one thread."""
PUBLISHED = {
    "GPDM (reference implementation, its 12 images, not run here)": {
        "held-out distance": ".021-.030",
        "detail distance": ".026-.036",
        "coherence": "1.9-3.0",
        "completeness": "1.9-3.0",
        "high frequencies": "-2.4",
        "border": "1.9-2.2",
        "copied": ".08-.17",
        "largest verbatim region": ".002-.02",
        "diversity": ".30-.55",
    },
    "GPNN (likewise)": {
        "held-out distance": ".125",
        "detail distance": ".082",
        "coherence": "0.5",
        "completeness": "1.1",
        "high frequencies": "-0.9",
        "border": "0.8",
        "copied": ".62",
        "largest verbatim region": ".34",
    },
}
"""Values that others published for their own images, as text."""
BASELINES = ("paper", "patch nearest neighbours")
SHEET = ("paper", "patch nearest neighbours", "draft", "fast", "balanced", "best")
"""Recipes of the contact sheets, if all images have an output of theirs."""
FRONTIER = [("seconds", metric) for metric in ("held-out distance", "detail distance", "coherence", "copied")]
"""Axes of the panels of frontier.png."""
COPYING = [("coherence", "copied"), ("detail distance", "copied")]
"""Axes of the panels of copying.png."""
ZOOM, CROP = 3, 40
"""Enlargement of the crops below each image, and their side in pixels."""
GAP = 8
Row = Mapping[str, Any]


def mean(rows: Sequence[Row], recipe: str, metric: str) -> float | None:
    """Returns the mean over images of the means over seeds, or None without rows."""
    means = []
    for image in dict.fromkeys(row["picture"] for row in rows):
        scores = [row[metric] for row in rows if row["recipe"] == recipe and row["picture"] == image and metric in row]
        if scores:
            means.append(sum(scores) / len(scores))
    return sum(means) / len(means) if means else None


def counts(rows: Sequence[Row], recipe: str) -> tuple[int, int]:
    """Returns the number of images and of outputs that were evaluated."""
    own = [row for row in rows if row["recipe"] == recipe and row["seed"] != "all"]
    return len({row["picture"] for row in own}), len(own)


def same_runs(rows: Sequence[Row], recipe: str) -> list[Row]:
    """Returns the rows of all recipes for the images and seeds that `recipe` was run on."""
    runs = {(row["picture"], row["seed"]) for row in rows if row["recipe"] == recipe}
    return [row for row in rows if (row["picture"], row["seed"]) in runs]


def table(rows: Sequence[Row]) -> str:
    """Returns the means of all recipes; then those on the runs of each baseline; then the ablations on their runs."""
    head = ["| recipe | images, runs | " + " | ".join(METRICS) + " |", "|" + " --- |" * (len(METRICS) + 2)]
    lines = [*head]
    for name, values in PUBLISHED.items():
        lines.append(f"| *{name}* | 12 | " + " | ".join(values.get(metric, "-") for metric in METRICS) + " |")
    lines += [_line(rows, name, name) for name in RECIPES if counts(rows, name)[1]]
    for baseline in BASELINES:
        if 0 < counts(rows, baseline)[1] < counts(rows, "balanced")[1]:
            same = same_runs(rows, baseline)
            lines += ["", f"The same, on the images and seeds of `{baseline}` alone:", "", *head]
            lines += [_line(same, name, name) for name in RECIPES if counts(same, name)[1]]
    ablations = [name for name in ABLATIONS if counts(rows, name)[1]]
    if ablations:
        same = same_runs(rows, ablations[0])
        lines += [
            "",
            "Ablations, each on the same images and seeds:",
            "",
            *head,
            _line(same, "balanced", "**balanced**"),
        ]
        lines += [_line(same, name, name) for name in ablations]
    return "\n".join(lines) + "\n"


def _line(rows: Sequence[Row], recipe: str, title: str) -> str:
    columns = []
    for metric, (factor, decimals) in METRICS.items():
        value = mean(rows, recipe, metric)
        columns.append("-" if value is None else f"{value * factor:.{decimals}f}")
    images, runs = counts(rows, recipe)
    return f"| {title} | {images}, {runs} | " + " | ".join(columns) + " |"


def draw(rows: Sequence[Row], axes_of_panels: Sequence[tuple[str, str]], file: Path) -> None:
    """Draws one panel for each pair of columns, one point a recipe or ablation, and writes the file.

    If there are ablations, the means are over the images and seeds that they were run on.
    """
    try:
        import matplotlib
    except ImportError:
        print(f"{file.name} is left out: it needs matplotlib (pip install 'gpdm[bench]')")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = {column for columns in axes_of_panels for column in columns}
    ablations = [name for name in ABLATIONS if all(mean(rows, name, column) is not None for column in shown)]
    rows = same_runs(rows, ablations[0]) if ablations else rows
    numbers = {name: i + 1 for i, name in enumerate(ablations)}
    lines = -(-len(axes_of_panels) // 2)
    figure, panels = pyplot.subplots(lines, 2, figsize=(14, 5 * lines), squeeze=False)
    for axes, columns in zip(panels.flat, axes_of_panels, strict=True):
        for name in [*RECIPES, *ablations]:
            point = [mean(rows, name, column) for column in columns]
            if None not in point:
                draw_point(axes, scaled(point, columns), numbers.get(name), name)
        finish_axes(axes, columns)
    key = "\n".join(f"{number}  {name.removeprefix('balanced, ')}" for name, number in numbers.items())
    figure.text(0.77, 0.5, f"Ablations of balanced\n{key}" if key else "", va="center", fontsize=8)
    runs = sorted({f"{row['picture']} {row['seed']}" for row in rows})
    chosen = ", ".join(runs) if len(runs) < 8 else "all runs"
    figure.suptitle(f"Means over {chosen} (image, seed). Lower and further left is better.", fontsize=10)
    figure.tight_layout(rect=(0, 0, 0.76 if key else 1, 1))
    figure.savefig(file, dpi=110)


def scaled(point: Sequence[float | None], columns: Sequence[str]) -> list[float]:
    """Returns the values of some columns as they are shown."""
    return [value * METRICS[column][0] for value, column in zip(point, columns, strict=True) if value is not None]


def draw_point(axes: Any, point: Sequence[float], number: int | None, name: str) -> None:
    """Draws the point of a recipe with its name, or of an ablation with its number."""
    axes.scatter(*point, s=18 if number else 60, color="#9aa4b2" if number else "#1f63be")
    place = {"xytext": (4, -3), "fontsize": 7} if number else {"xytext": (0, 7), "fontsize": 9, "ha": "center"}
    axes.annotate(str(number) if number else name, point, textcoords="offset points", **place)


def finish_axes(axes: Any, columns: tuple[str, str]) -> None:
    """Names the axes and makes them logarithmic."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    titles = [column if METRICS[column][0] == 1 else f"{column} x 1000" for column in columns]
    axes.set(xscale="log", yscale="log", xlabel=titles[0], ylabel=titles[1])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    axes.grid(color="#e1e4e8")
    axes.set_axisbelow(True)
    axes.margins(0.12)


def write_sheets(rows: Sequence[Row], outputs: Path, folder: Path) -> None:
    """Writes the contact sheet of seed 0, and its best and worst third by the detail distance of `balanced`."""
    names = []
    for name in SHEET:
        missing = sum(not output_file(outputs, path.stem, name, 0).exists() for path in IMAGES)
        if missing:
            print(
                f"{name} is left out of the contact sheets: {outputs} lacks seed 0 of {missing} of {len(IMAGES)} images"
            )
        else:
            names.append(name)
    if not names:
        return

    def order(path: Path) -> float:
        own = mean([row for row in rows if row["picture"] == path.stem], "balanced", "detail distance")
        return float("inf") if own is None else own

    paths = sorted(IMAGES, key=order)
    bands = {path: band(path, names, outputs) for path in paths}
    third = len(paths) // 3
    for sheet_name, chosen in {"sheet": paths, "sheet_best": paths[:third], "sheet_worst": paths[-third:]}.items():
        parts = [bands[path] for path in chosen]
        sheet = Image.new("RGB", (parts[0].width, sum(part.height + GAP for part in parts) + 22), "white")
        draw = ImageDraw.Draw(sheet)
        for i, title in enumerate(["reference", *names]):
            draw.text((i * (LONGER_SIDE + GAP) + 2, 4), title, fill="black", font=ImageFont.load_default(13))
        y = 22
        for part in parts:
            sheet.paste(part, (0, y))
            y += part.height + GAP
        sheet.save(folder / f"{sheet_name}.jpg", quality=88, optimize=True)


def band(path: Path, recipes: Sequence[str], outputs: Path) -> Image.Image:
    """Returns the reference and the output of each recipe side by side, with two enlarged crops below each.

    The crops are the top left corner and the middle.
    """
    images = [gpdm.to_pil(load_reference(path))]
    for name in recipes:
        images.append(Image.open(output_file(outputs, path.stem, name, 0)).convert("RGB"))
    height, side = images[0].height, ZOOM * CROP
    sheet = Image.new("RGB", (len(images) * (LONGER_SIDE + GAP), height + 4 + side), "white")
    for i, image in enumerate(images):
        x = i * (LONGER_SIDE + GAP)
        sheet.paste(image, (x, 0))
        middle = (image.width // 2 - CROP // 2, image.height // 2 - CROP // 2)
        for j, (left, top) in enumerate(((0, 0), middle)):
            crop = image.crop((left, top, left + CROP, top + CROP)).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(crop, (x + j * (side + 6), height + 4))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, nargs="+", default=[ROWS])
    parser.add_argument("--outputs", type=Path, default=OUTPUTS, help="folder of the outputs")
    parser.add_argument("--into", type=Path, default=RESULTS, help="folder to write to")
    options = parser.parse_args()
    rows = read_rows(*options.rows)
    options.into.mkdir(parents=True, exist_ok=True)
    (options.into / "quality.md").write_text(table(rows), encoding="utf-8")
    print(table(rows))
    draw(rows, FRONTIER, options.into / "frontier.png")
    draw(rows, COPYING, options.into / "copying.png")
    write_sheets(rows, options.outputs, options.into)


if __name__ == "__main__":
    main()
