"""The table from the rows of the benchmark of edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ..common import read_rows
from ..targets import Target, target_table
from .cases import KINDS, TIMED_HOLES
from .methods import FILLS, GIVEN, GMIC, OPENCV, OURS, TILES
from .sheet import write_sheet

Row = Mapping[str, Any]
TARGETS = (
    Target("fill: pixels changed outside the hole, all cases", "fill outside", 0, 0),
    Target("fill: median sharpness, over G'MIC's", "fill sharpness", 1.0, 1.0, higher_is_better=True),
    Target("fill: median distance to the nearest outside patch, over G'MIC's", "fill distance", 1.1, 1.1),
    Target("fill: median distance of the seam from 1, over G'MIC's", "fill seam, G'MIC", 1.0, 1.0),
    Target("fill: median distance of the seam from 1, over OpenCV's", "fill seam, OpenCV", 1.0, 1.0),
    Target("fill: seconds, 512 x 512 with a hole of 128 x 128", "fill seconds", 10.0, 10.0),
    Target("fill: time of that hole over that of 64 x 64", "fill growth", 4.0, 4.0),
    Target("tile: median gradient across the wrap-around, as a factor from 1", "tile wrap", 1.25, 1.25),
    Target("tile: median sharpness of the band, over the rest", "tile sharpness", 0.85, 0.85, higher_is_better=True),
    Target("tile: pixels changed outside the band, all cases", "tile outside", 0, 0),
)
"""The values that issue 17 asks for."""


def values(rows: Sequence[Row], key: str) -> list[float]:
    """Returns the values of a column, of the rows that have it."""
    return [row[key] for row in rows if row.get(key) is not None]


def distances_from_1(rows: Sequence[Row], key: str) -> list[float]:
    """Returns the distances of the values of a column from 1."""
    return [abs(value - 1) for value in values(rows, key)]


def wraps(rows: Sequence[Row]) -> list[float]:
    """Returns the gradients across the wrap-around, of both axes."""
    return values(rows, "wrap_x") + values(rows, "wrap_y")


def paired(rows: Sequence[Row], others: Sequence[Row], key: str) -> list[float]:
    """Returns the ratios of a column to that of other rows of the same cases, where both are above 0."""
    theirs = {row["case"]: row[key] for row in others}
    return [row[key] / theirs[row["case"]] for row in rows if row[key] > 0 and theirs.get(row["case"], 0) > 0]


def of(rows: Sequence[Row], method: str, what: str) -> list[Row]:
    """Returns the rows of a method; of filled holes without those for the time."""
    return [
        row for row in rows if row["method"] == method and row["what"] == what and row.get("kind", "") in ("", *KINDS)
    ]


def fill_table(rows: Sequence[Row]) -> str:
    """Returns the medians of every method over all holes, and over those of each kind."""
    lines = [
        "| holes | method | cases | pixels changed outside | sharpness | over G'MIC's, by case | distance x 1000 | "
        "over G'MIC's, by case | seam | its distance from 1 | seconds |",
        "|" + " --- |" * 11,
    ]
    for kind in ("all", *KINDS):
        theirs = [row for row in of(rows, GMIC, "fill") if kind in ("all", row["kind"])]
        for method in FILLS:
            own = [row for row in of(rows, method, "fill") if kind in ("all", row["kind"])]
            if own:
                columns = [
                    str(sum(values(own, "changed_outside"))),
                    number(values(own, "sharpness"), 3),
                    number(paired(own, theirs, "sharpness")),
                    number([1000 * value for value in values(own, "distance")]),
                    number(paired(own, theirs, "distance")),
                    number(values(own, "seam")),
                    number(distances_from_1(own, "seam"), 3),
                    number(values(own, "seconds"), 1),
                ]
                lines.append(f"| {kind} | {method} | {len(own)} | " + " | ".join(columns) + " |")
    return "\n".join(lines)


def tile_table(rows: Sequence[Row]) -> str:
    """Returns the medians of every method over the pictures that are made tileable."""
    lines = [
        "| method | cases | wrap-around | lowest to highest | sharpness of the band | lowest | over that as given, by case | "
        "changed | seconds |",
        "|" + " --- |" * 9,
    ]
    given = of(rows, GIVEN, "tile")
    for method in TILES:
        own = of(rows, method, "tile")
        if own:
            across, sharp = wraps(own), values(own, "sharpness")
            columns = [
                f"{median(across):.2f} | {min(across):.2f} to {max(across):.2f}",
                f"{median(sharp):.2f} | {min(sharp):.2f}",
                number(paired(own, given, "sharpness")),
                number(values(own, "changed")),
                number(values(own, "seconds"), 1),
            ]
            lines.append(f"| {method} | {len(own)} | " + " | ".join(columns) + " |")
    return "\n".join(lines)


def case_table(rows: Sequence[Row]) -> str:
    """Returns a line for each case with the measures of every method, in the order of the first line."""
    keys = {"fill": ("sharpness", "distance", "seam", "seconds"), "tile": ("wrap_x", "wrap_y", "sharpness")}
    parts = []
    for what, methods in (("fill", FILLS), ("tile", TILES)):
        present = [method for method in methods if any(row["method"] == method for row in rows)]
        lines = [f"| case ({', '.join(present)}) | " + " | ".join(keys[what]) + " |"]
        lines.append("|" + " --- |" * (len(keys[what]) + 1))
        found = {(row["case"], row["method"]): row for row in rows if row["what"] == what}
        for case in dict.fromkeys(case for case, _ in found):
            columns = [
                ", ".join(_short(found.get((case, method), {}).get(column), column) for method in present)
                for column in keys[what]
            ]
            lines.append(f"| {case} | " + " | ".join(columns) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def number(column: Sequence[float], decimals: int = 2) -> str:
    """Returns the median as text, "-" without values."""
    return f"{median(column):.{decimals}f}" if column else "-"


def _short(value: float | None, column: str) -> str:
    return "-" if value is None else f"{value * (1000 if column == 'distance' else 1):.3g}"


def measured(rows: Sequence[Row]) -> dict[str, float]:
    """Returns the values of `TARGETS` by key, of those that have been measured."""
    fills, tiles = of(rows, OURS, "fill"), of(rows, OURS, "tile")
    found: dict[str, float] = {}
    if fills:
        found["fill outside"] = sum(values(fills, "changed_outside"))
    for name, key, other, column in (
        ("fill sharpness", "sharpness", GMIC, values),
        ("fill distance", "distance", GMIC, values),
        ("fill seam, G'MIC", "seam", GMIC, distances_from_1),
        ("fill seam, OpenCV", "seam", OPENCV, distances_from_1),
    ):
        _add_ratio(found, name, fills, of(rows, other, "fill"), key, column)
    times = {row["kind"]: row["seconds"] for row in rows if row["method"] == OURS and row["what"] == "fill"}
    small, large = (times.get(str(side)) for side in TIMED_HOLES)
    if large is not None:
        found["fill seconds"] = large
        if small:
            found["fill growth"] = large / small
    if tiles:
        across = median(wraps(tiles))
        found["tile wrap"] = max(across, 1 / max(across, 1e-9))
        found["tile sharpness"] = median(values(tiles, "sharpness"))
        found["tile outside"] = sum(values(tiles, "changed_outside"))
    return found


def _add_ratio(
    found: dict[str, float],
    name: str,
    rows: Sequence[Row],
    others: Sequence[Row],
    key: str,
    column: Callable[[Sequence[Row], str], list[float]],
) -> None:
    """Adds the ratio of the medians of a column over the cases that both have."""
    cases = {row["case"] for row in rows} & {row["case"] for row in others}
    if cases:
        ours, theirs = ([row for row in some if row["case"] in cases] for some in (rows, others))
        found[name] = median(column(ours, key)) / max(median(column(theirs, key)), 1e-12)


def write_report(rows_file: Path, outputs: Path) -> None:
    """Writes edits.md and edits_sheet.jpg beside the rows."""
    rows = read_rows(rows_file)
    tables = (target_table(TARGETS, measured(rows)), fill_table(rows), tile_table(rows), case_table(rows))
    text = "\n\n".join(tables) + "\n"
    rows_file.with_name("edits.md").write_text(text, encoding="utf-8")
    print("\n\n".join(tables[:3]))
    write_sheet(outputs, rows_file.with_name("edits_sheet.jpg"))
