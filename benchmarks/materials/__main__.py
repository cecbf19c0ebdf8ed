"""Do the maps of a material stay aligned, and what does that cost the base colour?

    python -m benchmarks.materials                       everything: some ten minutes on one core
    python -m benchmarks.materials --sets sand rust      part of it; other rows stay
    python -m benchmarks.materials --report              the table alone

Seven sets: four computed surfaces and three derived from photographs (height is blurred luminance there, roughness its
inverse). Texture synthesis (same size, tiling), make tileable, and inpaint of an ellipse. Measured are the mean angle
between normals, of length 1, and those of the height; correlations between maps; and the held-out distance of the base
colour, also of one made without the other maps. For edits all but that distance are of the
changed part, which need not hold as much of each thing as the given maps.

Writes materials.md beside the rows. Seconds are of processor time.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch

from ..common import RESULTS, Rows, provenance, read_rows
from .measure import edit_rows, texture_rows
from .sets import SETS, material_of

EDITS = {"make tileable": "material_tileable", "inpaint": "material_inpaint"}
PAIRS = ("roughness-luminance", "height-luminance", "height-roughness")
MIDDLE = ("angle", "tilt", "error", "held-out distance")
"""What medians are taken of."""
COLUMNS = {
    "angle": "angle",
    "tilt": "tilt",
    "roughness-luminance": "r roughness, luminance",
    "height-luminance": "r height, luminance",
    "height-roughness": "r height, roughness",
    "error": "mean difference of r",
    "held-out distance": "held-out",
}
"""Headings of the table by key of a row."""


def run(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    for name in options.sets:
        rows = Rows(options.rows, {"label": name, "side": options.side, "seed": options.seed, **provenance("cpu")})
        material = material_of(name, options.side)
        found = {"texture": texture_rows(material, options.seed, options.quality)}
        found |= {what: edit_rows(material, edit, options.seed) for what, edit in EDITS.items()}
        for what, measured in found.items():
            for row in measured:
                rows.add(what, set=name, **{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


def with_errors(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns rows with the mean difference of their correlations from those of the given maps."""
    given = {row["set"]: row for row in rows if row["way"] == "reference"}
    return [
        row | {"error": mean(abs(row[pair] - given[row["set"]][pair]) for pair in PAIRS)} if PAIRS[0] in row else row
        for row in rows
    ]


def table(rows: Sequence[Mapping[str, Any]], what: str) -> list[str]:
    """Returns the lines of a table of one task or edit: a line for each set and way, and medians."""
    lines = [f"| set | way | {' | '.join(COLUMNS.values())} |", "| --- " * (len(COLUMNS) + 2) + "|"]
    chosen = [row for row in rows if row["what"] == what]
    lines += [f"| {row['set']} | {row['way']} | {columns(row)} |" for row in chosen]
    for way in dict.fromkeys(row["way"] for row in chosen):
        ours = [row for row in chosen if row["way"] == way]
        middle = {key: median(x[key] for x in ours) for key in MIDDLE if all(key in x for x in ours)}
        lines.append(f"| median | {way} | {columns(middle)} |")
    return lines


def columns(row: Mapping[str, Any]) -> str:
    """Returns the values of a row in the order of the table; one that is not measured is left out."""
    forms = {"angle": ".1f", "tilt": ".1f", "held-out distance": ".4f"}
    return " | ".join(format(row[key], forms.get(key, ".2f")) if key in row else "" for key in COLUMNS)


def report(options: argparse.Namespace) -> None:
    order = list(SETS)
    rows = with_errors(sorted(read_rows(options.rows), key=lambda row: order.index(row["set"])))
    lines = ["# Alignment of maps", "", "Written by `python -m benchmarks.materials`; angles and tilts in degrees."]
    for what in ("texture", *EDITS):
        lines += ["", f"## {what.capitalize()}", "", *table(rows, what)]
    options.rows.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--side", type=int, default=80, help="side of the maps in pixels (default 80)")
    parser.add_argument("--quality", default="fast", help="quality of texture synthesis (default fast)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=RESULTS / "materials.jsonl")
    options = parser.parse_args(arguments)
    if not options.report:
        run(options)
    report(options)


if __name__ == "__main__":
    main()
