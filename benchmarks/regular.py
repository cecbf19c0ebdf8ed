"""Does a start from blocks in line with the lattice keep a texture regular, and at what cost?

    python -m benchmarks.regular --device cuda          everything: about a minute on a GPU
    python -m benchmarks.regular --textures bricks      part of it; other rows stay

Six computed textures with known generators (`lattices.py`) are enlarged by 1.25, from noise and from the lattice, with
two seeds each. Regularity is that of the output relative to the texture (`gpdm.regularity`): 1 if the lattice continues
as far. The held-out distance, coherence and copied fraction are those of `gpdm.evaluate`; diversity is that of both
seeds. Then the strength of the lattice is measured on the textures and on the twelve pictures, which have none.

Writes regular.md beside the rows, and a contact sheet: texture, both seeds from noise, both from the lattice.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

import gpdm

from .common import IMAGES, RESULTS, Rows, load_image, provenance, read_rows, scaled_size
from .lattices import TEXTURES
from .sheets import sheet_of

SOURCES = ("noise", "lattice")
SEEDS = 2
FACTOR = 1.25
METRICS = ("regularity", "held-out distance", "coherence", "copied", "diversity", "seconds")
ROWS = RESULTS / "regular.jsonl"


def recipe(source: str, quality: str, coarse_dim: int) -> gpdm.Recipe:
    """Returns the settings of texture synthesis with an initial guess."""
    settings = gpdm.TASKS["texture"].recipe(quality)
    guess, pyramid = replace(settings.guess, source=source), replace(settings.pyramid, coarse_dim=coarse_dim)
    return replace(settings, guess=guess, pyramid=pyramid)


def measured(texture: Tensor, settings: gpdm.Recipe) -> tuple[dict[str, float], list[Tensor]]:
    """Returns the measures of the outputs of one initial guess, means over the seeds, and the outputs."""
    started = time.perf_counter()
    outputs = [
        gpdm.texture(texture, recipe=settings, seed=seed, width_factor=FACTOR, height_factor=FACTOR).images.cpu()
        for seed in range(SEEDS)
    ]
    seconds, periods = (time.perf_counter() - started) / SEEDS, gpdm.periods_of(texture)
    assert periods is not None
    scores = [gpdm.evaluate(texture, image.to(texture.device)).scores for image in outputs]
    row = {name: mean(score[name] for score in scores) for name in METRICS if name in scores[0]}
    row["regularity"] = mean(gpdm.regularity(texture, image, periods) for image in outputs)
    row |= {"diversity": gpdm.diversity(texture, torch.cat(outputs)), "seconds": seconds}
    return {name: round(value, 5) for name, value in row.items()}, outputs


def strengths(out: Path, origin: Mapping[str, object], side: int) -> None:
    """Writes a row for each texture and picture, with the strength of its lattice and the generators found."""
    pictures = {path.stem: load_image(path, scaled_size(path, 256, min)) for path in IMAGES}
    for name, image in {**{name: texture.image(side) for name, texture in TEXTURES.items()}, **pictures}.items():
        periods = gpdm.periods_of(image)
        row: dict[str, Any] = {"strength": 0.0 if periods is None else round(periods.strength, 3)}
        if name in TEXTURES and periods is not None:
            row |= {"found": periods.vectors.mul(100).round().div(100).tolist(), "known": TEXTURES[name].vectors}
        Rows(out, {**origin, "label": f"strength of {name}"}).add("strength", picture=name, **row)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns the measures of each texture from both guesses, their means, and the strengths."""
    lines = ["| texture | start | " + " | ".join(METRICS) + " |", "|" + " --- |" * (len(METRICS) + 2)]
    made = [row for row in rows if row["what"] == "regular"]
    for row in made:
        lines.append(f"| {row['texture']} | {row['source']} | " + " | ".join(f"{row[x]:.4g}" for x in METRICS) + " |")
    for source in SOURCES:
        own = [row for row in made if row["source"] == source]
        if own:
            values = " | ".join(f"{mean(row[metric] for row in own):.4g}" for metric in METRICS)
            lines.append(f"| **mean** | {source} | {values} |")
    lines += ["", "| picture | strength of its lattice |", "| --- | --- |"]
    lines += [f"| {row['picture']} | {row['strength']:.2f} |" for row in rows if row["what"] == "strength"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--textures", nargs="+", default=list(TEXTURES), choices=TEXTURES, metavar="NAME")
    add("--side", type=int, default=128, help="side of the textures, in pixels")
    add("--quality", choices=gpdm.QUALITIES, default=gpdm.DEFAULT_QUALITY)
    add("--coarse-dim", type=int, default=40, help="side of the textures at the coarsest level, in pixels")
    add("--device", default="cpu")
    add("--out", type=Path, default=ROWS, help="file of the rows; a row that exists is replaced")
    add("--sheet", type=Path, default=RESULTS / "regular_sheet.jpg", help="file of the contact sheet")
    options = parser.parse_args()
    origin, shown = {"side": options.side, "quality": options.quality, **provenance(options.device)}, []
    for name in options.textures:
        texture = TEXTURES[name].image(options.side).to(options.device)
        shown.append([texture.cpu()])
        for source in SOURCES:
            row, outputs = measured(texture, recipe(source, options.quality, options.coarse_dim))
            Rows(options.out, {**origin, "label": f"{name}, {source}"}).add(
                "regular", texture=name, source=source, **row
            )
            shown[-1] += outputs
    strengths(options.out, origin, options.side)
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet_of(shown).save(options.sheet, quality=85)
    options.out.with_suffix(".md").write_text(table(read_rows(options.out)), encoding="utf-8")


if __name__ == "__main__":
    main()
