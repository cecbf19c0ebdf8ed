"""What quality.py draws from its rows: the table, the frontier, the contact sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from quality import ABLATIONS, LONGER_SIDE, PICTURES, PUBLISHED, RECIPES, load

import gpdm

HERE = Path(__file__).resolve().parent
RESULTS, DOCS = HERE / "results", HERE.parent / "docs" / "pictures"
SHEET = ["paper", "patch nearest neighbours", "balanced", "best"]
FIGURES = (
    "held-out distance",
    "detail distance",
    "coherence",
    "completeness",
    "high frequencies",
    "border",
    "copied",
    "largest verbatim region",
    "diversity",
)
Row = Mapping[str, Any]


def write(rows: Sequence[Row], keep: Path) -> None:
    """Table, frontier and sheets of what there is."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "quality.md").write_text(table(rows), encoding="utf-8")
    frontier(rows, RESULTS / "frontier.png")
    sheets(rows, keep)
    print(table(rows))


def mean(rows: Sequence[Row], recipe: str, figure: str) -> float | None:
    """Over the pictures, each of which is a mean over its seeds."""
    means = []
    for picture in dict.fromkeys(row["picture"] for row in rows):
        own = [r[figure] for r in rows if r["recipe"] == recipe and r["picture"] == picture and figure in r]
        if own:
            means.append(sum(own) / len(own))
    return sum(means) / len(means) if means else None


def counts(rows: Sequence[Row], recipe: str) -> tuple[int, int]:
    """Pictures and runs that were judged."""
    own = [row for row in rows if row["recipe"] == recipe and row["seed"] != "all"]
    return len({row["picture"] for row in own}), len(own)


def table(rows: Sequence[Row]) -> str:
    """Means of every recipe; for ablations over the pictures that they were run on, beside `balanced` on just these runs."""
    head = "| recipe | pictures, runs | " + " | ".join(FIGURES) + " |"
    lines = [head, "|" + " --- |" * (len(FIGURES) + 2)]
    for name, figures in PUBLISHED.items():
        lines.append(f"| *{name}* | 12 | " + " | ".join(figures.get(figure, "-") for figure in FIGURES) + " |")
    lines += [_line(rows, name, name) for name in RECIPES if counts(rows, name)[1]]
    for rival in ("paper", "patch nearest neighbours"):
        if 0 < counts(rows, rival)[1] < counts(rows, "balanced")[1]:
            same = same_runs(rows, rival)
            lines += ["", f"On just the runs of {rival}:", "", head, lines[1]]
            lines += [_line(same, name, name) for name in RECIPES if counts(same, name)[1]]
    ablated = [name for name in ABLATIONS if counts(rows, name)[1]]
    if ablated:
        same = same_runs(rows, ablated[0])
        lines += ["", "Ablations, each on the same runs:", "", head, lines[1], _line(same, "balanced", "**balanced**")]
        lines += [_line(same, name, name) for name in ablated]
    return "\n".join(lines) + "\n"


def same_runs(rows: Sequence[Row], recipe: str) -> list[Row]:
    """The rows of all recipes on just those pictures and seeds that `recipe` was run on."""
    runs = {(row["picture"], row["seed"]) for row in rows if row["recipe"] == recipe}
    return [row for row in rows if (row["picture"], row["seed"]) in runs]


def _line(rows: Sequence[Row], recipe: str, title: str) -> str:
    cells = []
    for figure in FIGURES:
        value = mean(rows, recipe, figure)
        scale, digits = {
            "coherence": (1e3, 2),
            "completeness": (1e3, 2),
            "high frequencies": (1, 2),
            "border": (1, 2),
        }.get(figure, (1, 3))
        cells.append("-" if value is None else f"{value * scale:.{digits}f}")
    pictures, runs = counts(rows, recipe)
    return f"| {title} | {pictures}, {runs} | " + " | ".join(cells) + " |"


def frontier(rows: Sequence[Row], file: Path) -> None:
    """What is traded for what: copying and coherence, distance and sharpness; one point a recipe."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(13, 5.5))
    ablated = [name for name in ABLATIONS if counts(rows, name)[1]]
    rows = same_runs(rows, ablated[0]) if ablated else rows
    runs = sorted({f"{row['picture']} {row['seed']}" for row in rows})
    for axis, (x, y, x_label, y_label) in zip(
        axes,
        (
            (
                "coherence",
                "copied",
                "coherence x 1000: patches that are like none of the reference's",
                "share that moved as one: copied",
            ),
            ("detail distance", "copied", "detail distance", "share that moved as one: copied"),
        ),
        strict=True,
    ):
        for name in [*RECIPES, *ablated]:
            left, up = mean(rows, name, x), mean(rows, name, y)
            if left is None or up is None:
                continue
            strong = name in RECIPES
            left *= 1000 if x == "coherence" else 1
            axis.scatter(left, up, s=60 if strong else 18, color="#1f63be" if strong else "#9aa4b2")
            axis.annotate(
                name.removeprefix("balanced, "),
                (left, up),
                textcoords="offset points",
                xytext=(5, 4),
                fontsize=9 if strong else 6,
            )
        axis.set_xscale("linear" if x == "coherence" else "log")
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
        axis.grid(color="#e1e4e8")
    figure.suptitle(
        f"Means over {', '.join(runs) if len(runs) < 8 else 'all runs'} (picture, seed); best is left and low"
    )
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def sheets(rows: Sequence[Row], keep: Path) -> None:
    """The contact sheet of seed 0, and its best and worst third, by the detail distance of `balanced`."""
    done = [name for name in SHEET if counts(rows, name)[1]]
    order = sorted(
        PICTURES,
        key=lambda path: mean([r for r in rows if r["picture"] == path.stem], "balanced", "detail distance") or 9,
    )
    bands = {path: band(path, done, keep) for path in order}
    third = len(order) // 3
    for name, chosen in {"sheet": order, "sheet_best": order[:third], "sheet_worst": order[-third:]}.items():
        parts = [bands[path] for path in chosen]
        sheet = Image.new("RGB", (parts[0].width, sum(p.height + 8 for p in parts) + 22), "white")
        draw = ImageDraw.Draw(sheet)
        for i, title in enumerate(["reference", *done]):
            draw.text((i * (LONGER_SIDE + 8) + 2, 4), title, fill="black", font=ImageFont.load_default(13))
        y = 22
        for part in parts:
            sheet.paste(part, (0, y))
            y += part.height + 8
        target = (RESULTS if name == "sheet" else DOCS) / f"{name}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(target, quality=88, optimize=True)


def band(path: Path, recipes: Sequence[str], keep: Path) -> Image.Image:
    """The reference and a picture of each recipe, with the top left corner and the middle below, enlarged three times."""
    pictures = [gpdm.to_pil(load(path))] + [_picture(name, path, keep) for name in recipes]
    height, side = pictures[0].height, 40
    sheet = Image.new("RGB", (len(pictures) * (LONGER_SIDE + 8), height + 4 + 3 * side), "white")
    for i, picture in enumerate(pictures):
        x = i * (LONGER_SIDE + 8)
        sheet.paste(picture, (x, 0))
        middle = (picture.width // 2 - side // 2, picture.height // 2 - side // 2)
        for j, (left, top) in enumerate(((0, 0), middle)):
            zoom = picture.crop((left, top, left + side, top + side)).resize(
                (3 * side, 3 * side), Image.Resampling.NEAREST
            )
            sheet.paste(zoom, (x + j * (3 * side + 6), height + 4))
    return sheet


def _picture(name: str, path: Path, keep: Path) -> Image.Image:
    file = keep / f"{path.stem}-{name.replace(' ', '_').replace(',', '')}-0.png"
    if file.exists():
        return Image.open(file).convert("RGB")
    height, width = load(path).shape[2:]
    return Image.new("RGB", (width, height), "white")
