"""How much is copied at which coherence, and what does a limit on repeats change?

    python -m benchmarks.variety [--device cuda] [--out FILE] [--sheet FILE] [--images NAME...] [--seconds 100]
    python -m benchmarks.variety --report --plot FILE

Reshuffles six images with the settings of `balanced` and changes of them, and with patch nearest neighbours (`draft`),
each with and without `variety`. A row has the metrics of `gpdm.evaluate`, among them the unused fraction of the
reference and its most used pixel. At the end the means of all settings with all images are printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

import gpdm
from gpdm.evaluation.drawing import SERIES_COLOURS, TEXT_COLOUR, Axes, font

from .common import IMAGES, RESULTS, Rows, provenance, read_rows
from .quality.recipes import LONGER_SIDE, changed, load_reference
from .sheets import sheet_of

PICTURES = ("canyon", "cat", "pavilion", "pier", "coffee", "tissue")
METRICS = ("coherence", "copied", "unused", "most used", "held-out distance", "detail distance", "border")
_DRAFT = gpdm.TASKS["reshuffle"].recipe("draft")


def balanced(**loss: float) -> gpdm.Recipe:
    """Returns the settings of `balanced` with options of the loss changed."""
    return changed(loss=loss)


def draft(variety: float) -> gpdm.Recipe:
    """Returns the settings of `draft` with a limit on repeats."""
    return replace(_DRAFT, optimizer=replace(_DRAFT.optimizer, variety=variety))


SETTINGS: dict[str, gpdm.Recipe] = {
    "balanced": balanced(),
    "balanced, variety 10": balanced(variety=10.0),
    "draft": draft(0.0),
    "draft, variety 3": draft(3.0),
    "balanced, coherence 0.01": balanced(coherence=0.01),
    "balanced, coherence 0.01, variety 10": balanced(coherence=0.01, variety=10.0),
    "balanced, coherence 0.002": balanced(coherence=0.002),
    "balanced, coherence 0.002, variety 10": balanced(coherence=0.002, variety=10.0),
    "balanced, coherence 0": balanced(coherence=0.0),
    "balanced, coherence_tolerance 0.012": balanced(coherence_tolerance=0.012),
    "balanced, coherence_tolerance 0.012, variety 10": balanced(coherence_tolerance=0.012, variety=10.0),
    "balanced, coarse_dim 21": changed(pyramid={"coarse_dim": 21}),
    "balanced, coarse_dim 21, variety 10": changed(pyramid={"coarse_dim": 21}, loss={"variety": 10.0}),
    "balanced, variety 3": balanced(variety=3.0),
    "draft, variety 10": draft(10.0),
    "balanced, coherence 0.01, coherence_tolerance 0.006, variety 30": balanced(
        coherence=0.01, coherence_tolerance=0.006, variety=30.0
    ),
    "balanced, coherence 0.03, coherence_tolerance 0.006, variety 30": balanced(
        coherence=0.03, coherence_tolerance=0.006, variety=30.0
    ),
}
"""The settings that are compared, in the order in which they are run."""


def measured(name: str, reference: Tensor) -> tuple[Tensor, dict[str, Any]]:
    """Returns the output of some settings, and its metrics with the seconds that it took."""
    started = time.perf_counter()
    image = gpdm.reshuffle(reference, recipe=SETTINGS[name]).images
    if image.is_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    image = gpdm.from_pil(gpdm.to_pil(image.cpu())).to(reference)  # as a user gets it
    scores = gpdm.evaluate(reference, image).scores
    return image.cpu(), {"seconds": round(seconds, 2), **{key: round(value, 6) for key, value in scores.items()}}


def means(rows: Sequence[dict[str, Any]]) -> str:
    """Returns a table of the means over the images that all settings were run on; coherence times 1000."""
    names = [name for name in SETTINGS if any(row["setting"] == name for row in rows)]
    pictures = set.intersection(*({row["picture"] for row in rows if row["setting"] == name} for name in names))
    lines = [
        f"| setting ({len(pictures)} pictures) | " + " | ".join(METRICS) + " |",
        "|" + " --- |" * (len(METRICS) + 1),
    ]
    for name in names:
        own = [row for row in rows if row["setting"] == name and row["picture"] in pictures]
        values = [sum(row[metric] for row in own) / max(len(own), 1) for metric in METRICS]
        values[0] *= 1e3
        lines.append(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    return "\n".join(lines)


def frontier(rows: Sequence[dict[str, Any]]) -> Image.Image:
    """Returns a plot of the copied fraction against coherence: means of the settings, in two colours for variety."""
    picture = Image.new("RGB", (760, 460), "white")
    axes = Axes(ImageDraw.Draw(picture), (60, 40, 740, 410), (1.0, 2.5), (0.0, 0.3))
    axes.draw.text(
        (60, 12), "copied by coherence x 1000: nearer to the origin is better", fill=TEXT_COLOUR, font=font(14)
    )
    for tick in (0.0, 0.1, 0.2, 0.3):
        axes.horizontal_line(tick, f"{tick:.1f}")
    for tick in (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2):
        axes.x_label(tick, f"{tick:.1f}")
    for name in (name for name in SETTINGS if name.startswith("balanced")):
        own = [row for row in rows if row["setting"] == name]
        if own:
            x, y = (sum(row[key] for row in own) / len(own) for key in ("coherence", "copied"))
            colour = SERIES_COLOURS["variety" in name]
            axes.polyline([(1e3 * x, y)], colour, 5)
            text = name.removeprefix("balanced").strip(", ") or "balanced"
            axes.draw.text(
                (axes.x(1e3 * x) + 6, axes.y(y) + (3 if "variety" in name else -17)), text, fill=colour, font=font(11)
            )
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--device", default="cpu")
    add("--out", type=Path, default=RESULTS / "variety.jsonl", help="file of the rows")
    add("--sheet", type=Path, help="file for all outputs, one row for each picture")
    add("--plot", type=Path, help="file for the plot of copying against coherence")
    add("--report", action="store_true", help="run nothing; table and plot of the rows in the file")
    add("--images", nargs="+", default=list(PICTURES), choices=[path.stem for path in IMAGES], metavar="NAME")
    add("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS), metavar="NAME")
    add("--longer-side", type=int, default=LONGER_SIDE, help="of the pictures, in pixels")
    add("--seconds", type=float, default=100.0, help="time on a GPU after which no other setting begins")
    options = parser.parse_args()
    if not options.report:
        run(options)
    rows = [row for row in read_rows(options.out) if row["longer_side"] == options.longer_side]
    print(means(rows))
    if options.plot:
        frontier(rows).save(options.plot)


def run(options: argparse.Namespace) -> None:
    """Runs the settings on the images, and writes rows and the contact sheet."""
    started = time.perf_counter()
    rows = Rows(options.out, {"longer_side": options.longer_side, **provenance(options.device)})
    paths = {path.stem: path for path in IMAGES}
    references = {name: load_reference(paths[name], options.longer_side).to(options.device) for name in options.images}
    shown = {name: [reference.cpu()] for name, reference in references.items()}
    for setting in options.settings:
        if options.device != "cpu" and time.perf_counter() - started > options.seconds:
            break
        for name, reference in references.items():
            image, scores = measured(setting, reference)
            shown[name].append(image)
            rows.add("variety", setting=setting, picture=name, seed=0, **scores)
    if options.sheet:
        sheet_of(list(shown.values())).save(options.sheet, quality=80)


if __name__ == "__main__":
    main()
