"""Pictures of every recipe by every instrument of `gpdm.metrics`, next to the published figures; the frontier; the contact sheet.

    python benchmarks/quality.py                                     everything, a day on two cores, an hour or so on a GPU
    python benchmarks/quality.py --recipes balanced best --seeds 3   some of it; what is in the results already is not run again
    python benchmarks/quality.py --report                            run nothing; table, frontier and sheets of what there is

Twelve pictures (workflows/inputs, benchmarks/inputs), at most 250 pixels on the longer side, reshuffled; what is judged is the file
of 8-bit values that a user gets. Pictures stay in `--keep`, so that a run can be cut off and goes on. Besides the qualities of the pack
there is GPNN ("patch nearest neighbours"), and for each choice that the recipe balanced makes a row without it ("balanced, ...").
Time is speed.py's matter: these runs may share their machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import passive_threads  # noqa: F401
import torch
from PIL import Image
from torch import Tensor

import gpdm

HERE = Path(__file__).resolve().parent
INPUTS = (HERE.parent / "workflows" / "inputs", HERE / "inputs")
PICTURES = sorted(path for folder in INPUTS for path in folder.glob("*.jpg"))
LONGER_SIDE = 250
DIVERSITY = 8
"""Seeds over which diversity is taken, as in the published figures."""

QUALITIES = gpdm.RECIPES["reshuffle"]
BALANCED = QUALITIES["balanced"]
EVEN = gpdm.PyramidSchedule(pyr_factor=0.75, fine_factor=0.75)
GPNN = gpdm.Recipe(
    optimizer=gpdm.PatchNN(search="faiss"), pyramid=EVEN, guess=gpdm.InitialGuess(noise_sigma=0.75)
)  # Granot et al., Drop the GAN, CVPR 2022, as their table says; alpha is that of Efficient-GPNN


def changed(**parts: dict[str, Any]) -> gpdm.Recipe:
    """`balanced` with some options of its parts changed."""
    return replace(BALANCED, **{name: replace(getattr(BALANCED, name), **own) for name, own in parts.items()})


RECIPES: dict[str, gpdm.Recipe] = {
    "paper": QUALITIES["paper"],
    "patch nearest neighbours": GPNN,
    "fast": QUALITIES["fast"],
    "balanced": BALANCED,
    "best": QUALITIES["best"],
}
ABLATIONS: dict[str, gpdm.Recipe] = {
    "balanced, coherence 0, detail 0, small_patches 0": changed(
        loss={"coherence": 0.0, "detail": 0.0, "small_patches": 0.0}
    ),
    "balanced, small_patches 0": changed(loss={"small_patches": 0.0}),
    "balanced, small_patches 0.7": changed(loss={"small_patches": 0.7}),
    "balanced, detail 0": changed(loss={"detail": 0.0}),
    "balanced, coherence 0": changed(loss={"coherence": 0.0}),
    "balanced, coherence 0.05": changed(loss={"coherence": 0.05}),
    "balanced, coherence_tolerance 0": changed(loss={"coherence_tolerance": 0.0}),
    "balanced, coherence_tolerance 0.02": changed(loss={"coherence_tolerance": 0.02}),
    "balanced, coarse_dim 21": changed(pyramid={"coarse_dim": 21}),
    "balanced, coarse_dim 35": changed(pyramid={"coarse_dim": 35}),
    "balanced, starts 3": changed(guess={"starts": 3}),
    "balanced, noise_sigma 0.5": changed(guess={"noise_sigma": 0.5}),
    "balanced, lr 0.02": changed(optimizer={"lr": 0.02}),
    "balanced, lr 0.06": changed(optimizer={"lr": 0.06}),
    "balanced, adam picture": changed(optimizer={"method": "adam picture"}),
    "balanced, average 0.2": changed(optimizer={"average": 0.2}),
    "balanced, fine_steps 400": changed(optimizer={"fine_steps": 400}),
    "balanced, coherence 0, then patch nearest neighbours": changed(loss={"coherence": 0.0}),
}
FINISHED = "balanced, coherence 0, then patch nearest neighbours"
"""After it two half steps of patch nearest neighbours at full size."""

PUBLISHED = {
    "authors' GPDM (published code, their 12 pictures, not run here)": {
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


def load(path: Path) -> Tensor:
    """A picture, scaled down to `LONGER_SIDE`: (1, 3, H, W)."""
    picture = Image.open(path).convert("RGB")
    scale = min(1.0, LONGER_SIDE / max(picture.size))
    size = (round(picture.width * scale), round(picture.height * scale))
    return gpdm.from_pil(picture.resize(size, Image.Resampling.LANCZOS))


def make(name: str, path: Path, seed: int, keep: Path, device: str) -> Path:
    """The file with the picture of a recipe, which is made if it is not there."""
    file = keep / f"{path.stem}-{name.replace(' ', '_').replace(',', '')}-{seed}.png"
    if not file.exists():
        reference = load(path).to(device)
        recipe = (RECIPES | ABLATIONS)[name]
        image = gpdm.reshuffle(reference, recipe=recipe, seed=seed).images
        if name == FINISHED:
            side = min(reference.shape[2:])
            image = gpdm.synthesize(
                reference,
                init=image,
                pyramid=gpdm.PyramidSchedule(coarse_dim=side),
                optimizer=gpdm.PatchNN(num_steps=2, step=0.5, alpha=10.0),
                seed=seed,
            ).images
        part = file.with_suffix(".part.png")
        gpdm.to_pil(image.cpu()).save(part)
        part.replace(file)
    return file


def judged(name: str, path: Path, seed: int, keep: Path, device: str) -> dict[str, Any]:
    """A row of the results."""
    image = gpdm.from_pil(Image.open(make(name, path, seed, keep, device))).to(device)
    evaluation = gpdm.evaluate(load(path).to(device), image)
    return {
        "recipe": name,
        "picture": path.stem,
        "seed": seed,
        "size": list(image.shape[2:]),
        **{figure: round(value, 7) for figure, value in evaluation.figures.items()},
    }


def varied(name: str, path: Path, keep: Path, device: str) -> dict[str, Any]:
    """The diversity of `DIVERSITY` seeds, as a row of the results."""
    files = [make(name, path, seed, keep, device) for seed in range(DIVERSITY)]
    images = torch.cat([gpdm.from_pil(Image.open(file)) for file in files])
    return {
        "recipe": name,
        "picture": path.stem,
        "seed": "all",
        "diversity": round(gpdm.diversity(load(path), images), 5),
    }


def missing(options: argparse.Namespace, known: Sequence[dict[str, Any]]) -> Iterable[Callable[[], dict[str, Any]]]:
    """What is asked for and not among the rows that are `known`."""
    done = {(row["recipe"], row["picture"], row["seed"]) for row in known}
    for seed in [*range(options.seeds), *(["all"] if options.diversity else [])]:
        for path in PICTURES:
            for name in options.recipes:
                if path.stem in options.pictures and (name, path.stem, seed) not in done:
                    work = partial(varied, name, path) if seed == "all" else partial(judged, name, path, seed)
                    yield partial(work, options.keep, options.device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipes", nargs="+", default=[*RECIPES, *ABLATIONS], choices=[*RECIPES, *ABLATIONS], metavar="NAME")
    add("--pictures", nargs="+", default=[path.stem for path in PICTURES], choices=[path.stem for path in PICTURES])
    add("--seeds", type=int, default=3)
    add("--diversity", action="store_true", help=f"also the diversity of {DIVERSITY} seeds")
    add("--threads", type=int, default=2)
    add("--device", default="cpu")
    add("--keep", type=Path, default=HERE / "out", help="folder of the pictures")
    add("--rows", type=Path, nargs="+", default=[HERE / "results" / "quality.jsonl"], help="the first is written to")
    add("--report", action="store_true", help="run nothing")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.keep.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for file in options.rows if file.exists() for line in file.read_text().splitlines()]
    if not options.report:
        with options.rows[0].open("a", encoding="utf-8") as file:
            for work in missing(options, rows):
                rows.append(work())
                print(json.dumps(rows[-1]), file=file, flush=True)
                print(rows[-1]["picture"], rows[-1]["seed"], rows[-1]["recipe"], flush=True)
    import quality_report

    quality_report.write(rows, options.keep)


if __name__ == "__main__":
    main()
