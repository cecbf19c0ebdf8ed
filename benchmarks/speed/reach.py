"""Measures what the targets of speed on a CPU are about, whole commands above all, and prints the table of targets.

    python -m benchmarks.speed.reach [--parts ...] [--threads 2] [--out benchmarks/results/reach.jsonl]
    python -m benchmarks.speed.report

It takes about a quarter of an hour; nothing else should run. Each part replaces its rows of an earlier run, so that
parts can be measured one by one. The table is made from all rows of the file. Parts:

    pictures     `gpdm reshuffle`, each in a process of its own, by quality and size
    texture      `gpdm texture` with quality fast, 512x512 from 256x256, beside G'MIC's syntexturize_matchpatch
    quick_start  the command of the README's quick start
    algorithm_1  Algorithm 1 with its sort and the published settings: the time of a step at each level times the number
                 of steps, summed
    nearest      patch nearest neighbours with faiss: whole pictures, and from 256 pixels on one step at each level
                 times the number of steps
    gmic         G'MIC's syntexturize_matchpatch at each size, from a sample of that size
    calls        calls into torch of a step at 28x28
    search       one search for nearest patches at 256x256
    steps        one step of the default loss at each size, for the exponent of its time
    peak         memory of a step at 2048x2048 above the images

Algorithm 1 and patch nearest neighbours run in this process, without the start of a command. They make all steps,
since neither stops early.
"""

from __future__ import annotations

import argparse
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image

import gpdm
from gpdm.losses.coherence import COHERENCE_PATCH, Coherence
from gpdm.memory import CPU_WORKING_BYTES
from gpdm.patches.lattice import Lattice
from gpdm.patches.search import PatchSearch

from ..common import DEFAULT_IMAGE, RESULTS, ROOT, Rows, Size, exponent, load_image, provenance, read_rows
from ..quality.recipes import RECIPES
from ..targets import Target, target_table
from . import methods
from .calls import dispatched_operators, profiled_operators
from .commands import GMIC, command_seconds, fastest, gmic_seconds, image_file
from .measure import peak_bytes
from .search import output_of

ROWS = RESULTS / "reach.jsonl"
ALGORITHM_1, NEAREST = "Algorithm 1", "patch nearest neighbours"
SIZES = (64, 128, 256, 512, 1024, 2048)
LARGEST = {"draft": 2048, "fast": 2048, "balanced": 1024, ALGORITHM_1: 512, NEAREST: 512, GMIC: 2048}
"""Largest size that is measured, by quality and method."""
WHOLE_NEAREST = 128
"""Largest size of whole pictures by patch nearest neighbours."""
QUALITIES = ("draft", "fast", "balanced")
MIN_FITTED = 128
"""Smallest size in the fit of an exponent, in pixels. Below, the fixed cost of a run shows."""
SAMPLE, TEXTURE = (256, 256), (512, 512)

TARGETS = (
    Target("reshuffle 256x256, balanced, times faster than Algorithm 1", "balanced 256", 25, 50, True),
    Target("reshuffle 256x256, fast, times faster than Algorithm 1", "fast 256", 60, 120, True),
    Target("reshuffle 512x512, balanced, times faster than Algorithm 1", "balanced 512", 40, 80, True),
    Target("calls into torch a step at 28x28", "calls", 120, 60),
    Target("one search at 256x256, s", "search", 0.1, 0.03),
    Target("reshuffle 1024x1024, fast, s", "fast 1024", 25, 12),
    Target("reshuffle 1024x1024, balanced, s", "balanced 1024", 80, 40),
    Target("reshuffle 256x256, draft, times faster than patch nearest neighbours", "nearest 256", 10, 30, True),
    Target("texture 512x512 from 256x256, fast, s", "texture", 6, 3),
    Target("quick start, s", "quick start", 20, 10),
    Target("peak memory above the images at 2048x2048, MiB", "peak", 700, 256),
    Target("exponent of the time of a step against pixels, 128 to 2048", "exponent, step", 1.0, 0.95),
    Target("exponent of the time of a whole picture, fast, 128 to 2048", "exponent, picture", 1.0, 0.95),
)


def pictures(options: Namespace, rows: Rows) -> None:
    """Times whole commands by quality and size."""
    for quality, size in sizes(options, *options.qualities):
        with image_file(options.image, (size, size)) as file:
            arguments = ["reshuffle", file, "--quality", quality, "-o", file.with_name("out.png")]
            seconds = fastest(lambda: command_seconds(arguments, options.threads))  # noqa: B023
            rows.add("picture", method=quality, size=size, seconds=round(seconds, 3), how="whole command")


def texture(options: Namespace, rows: Rows) -> None:
    """Times a texture in quality fast, and the same with G'MIC."""
    height, width = TEXTURE
    with image_file(options.image, SAMPLE) as file:
        arguments = ["texture", file, "--quality", "fast", "-o", file.with_name("out.png")]
        arguments += ["--output-height", height, "--output-width", width]
        seconds = fastest(lambda: command_seconds(arguments, options.threads))
        rows.add("texture", size=TEXTURE, value=round(seconds, 3))
        gmic = gmic_seconds(file, TEXTURE, options.threads)
        if gmic is not None:
            rows.add("texture with G'MIC", size=TEXTURE, value=round(gmic, 3))


def quick_start(options: Namespace, rows: Rows) -> None:
    """Times the command of the quick start."""
    with TemporaryDirectory() as folder:
        arguments = ["run", ROOT / "workflows" / "reshuffle.json", "--out", folder]
        seconds = fastest(lambda: command_seconds(arguments, options.threads))
        with Image.open(sorted(Path(folder).glob("GPDM_*.png"))[0]) as image:
            size = image.height, image.width
    rows.add("quick start", size=size, value=round(seconds, 3))


def gmic(options: Namespace, rows: Rows) -> None:
    """Times G'MIC's synthesis of textures."""
    for method, size in sizes(options, GMIC):
        with image_file(options.image, (size, size)) as file:
            seconds = gmic_seconds(file, (size, size), options.threads)
        if seconds is not None:
            rows.add("picture", method=method, size=size, seconds=round(seconds, 3), how="whole command")


def sizes(options: Namespace, *names: str) -> Iterable[tuple[str, int]]:
    """Yields each method with each of the chosen sizes at which it is measured, small sizes first."""
    for size in sorted(options.sizes):
        yield from ((name, size) for name in names if size <= LARGEST[name])


def algorithm_1(options: Namespace, rows: Rows) -> None:
    """Projects the time of Algorithm 1 from a few steps at each level."""
    paper = gpdm.TASKS["reshuffle"].recipe("paper")
    for method, size in sizes(options, ALGORITHM_1):
        levels = paper.pyramid.levels([(size, size)], (size, size))
        steps = paper.optimizer.steps(levels)
        times = [level_seconds(options.image, level.size) for level in levels]
        total = sum(number * time for number, time in zip(steps, times, strict=True))
        row = {"seconds": round(total, 2), "how": "projected from a few steps at each level", "steps": steps}
        rows.add("picture", method=method, size=size, **row, milliseconds=[round(1e3 * time, 2) for time in times])


def level_seconds(path: Path, size: Size, repeats: int = 3) -> float:
    """Returns the median seconds of a step of Algorithm 1 at a level, after one warm-up."""
    steps = methods.sorted_steps(*methods.pair(path, size, "cpu"))
    times = [methods.seconds(partial(steps, 1), "cpu") for _ in range(repeats + 1)]
    return median(times[1:])


def nearest(options: Namespace, rows: Rows) -> None:
    """Times patch nearest neighbours, whole pictures or one step at each level."""
    recipe = RECIPES[NEAREST]
    optimizer = recipe.optimizer
    assert isinstance(optimizer, gpdm.PatchNN)
    for method, size in sizes(options, NEAREST):
        steps, how = optimizer.num_steps, "whole picture"
        if size > WHOLE_NEAREST:
            steps, how = 1, "projected from one step at each level"
        timed = replace(recipe, optimizer=replace(optimizer, num_steps=steps))
        reference = load_image(options.image, (size, size))
        seconds = methods.seconds(partial(gpdm.reshuffle, reference, recipe=timed, seed=0), "cpu")
        seconds *= optimizer.num_steps / steps
        rows.add("picture", method=method, size=size, seconds=round(seconds, 2), how=how)


def calls(options: Namespace, rows: Rows, size: int = 28, steps: int = 40) -> None:
    """Counts the calls into torch of a step: operators in the profile, and operators that reach the dispatcher."""
    reference = load_image(options.image, (size, size))
    recipe = gpdm.TASKS["reshuffle"].recipe("balanced")
    pyramid = replace(recipe.pyramid, coarse_dim=size)

    def run(number: int) -> None:
        optimizer = gpdm.Optimizer(num_steps=number, window=number + 1)
        gpdm.synthesize(reference, loss=recipe.loss, pyramid=pyramid, optimizer=optimizer)

    run(2)
    profiled, dispatched = (
        round((count(partial(run, 2 * steps)) - count(partial(run, steps))) / steps, 1)
        for count in (profiled_operators, dispatched_operators)
    )
    rows.add("calls", size=size, value=profiled, dispatched=dispatched)


def search(options: Namespace, rows: Rows, size: int = 256) -> None:
    """Times the first search of a level, with its preparation, and a later one."""
    reference = load_image(options.image, (size, size))
    image = output_of(reference)
    lattice = Lattice.of(*[torch.arange(0, size - COHERENCE_PATCH + 1, Coherence().spacing)] * 2)
    patches = PatchSearch([reference], COHERENCE_PATCH)
    first, *later = [methods.seconds(partial(patches.nearest, image, lattice), "cpu") for _ in range(6)]
    rows.add("search", size=size, patches=len(lattice), value=round(min(later), 4), first=round(first, 4))


def steps(options: Namespace, rows: Rows) -> None:
    """Times steps of the default loss, over the period of its patch search."""
    for size in options.sizes:
        if size >= MIN_FITTED:
            pair = methods.pair(options.image, (size, size), "cpu")
            run = partial(methods.gpdm_steps(gpdm.SWDLoss(), *pair, CPU_WORKING_BYTES), methods.SEARCH_EVERY)
            seconds = fastest(partial(methods.seconds, run, "cpu")) / methods.SEARCH_EVERY
            rows.add("step", size=size, milliseconds=round(1e3 * seconds, 3))


def peak(options: Namespace, rows: Rows, size: int = 2048) -> None:
    """Measures the peak memory of a step."""
    flags = ["--image", options.image.resolve(), "--threads", options.threads]
    rows.add("peak", size=size, value=round(peak_bytes(str(size), *flags)[0] / 2**20, 1))


PARTS: dict[str, Callable[[Namespace, Rows], None]] = {
    "pictures": pictures,
    "texture": texture,
    "quick_start": quick_start,
    "gmic": gmic,
    "calls": calls,
    "search": search,
    "peak": peak,
    "algorithm_1": algorithm_1,
    "steps": steps,
    "nearest": nearest,
}


def measured(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Returns the values of the table of targets by key, as far as they have been measured."""
    found, seconds, steps = {}, {}, {}
    for row in rows:
        if row["what"] == "picture":
            seconds[row["method"], row["size"]] = row["seconds"]
        elif row["what"] == "step":
            steps[row["size"]] = row["milliseconds"]
        else:
            found[row["what"]] = row["value"]
    for key, quality, size, baseline in (
        ("balanced 256", "balanced", 256, ALGORITHM_1),
        ("fast 256", "fast", 256, ALGORITHM_1),
        ("balanced 512", "balanced", 512, ALGORITHM_1),
        ("nearest 256", "draft", 256, NEAREST),
    ):
        if {(quality, size), (baseline, size)} <= set(seconds):
            found[key] = seconds[baseline, size] / seconds[quality, size]
    found |= {f"{quality} 1024": time for (quality, size), time in seconds.items() if size == 1024}
    fast = {size: time for (method, size), time in seconds.items() if method == "fast" and size >= MIN_FITTED}
    exponents = {"exponent, step": exponent(steps), "exponent, picture": exponent(fast)}
    return found | {key: value for key, value in exponents.items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--sizes", type=int, nargs="+", default=SIZES, help="of square pictures and of steps, in pixels")
    add("--qualities", nargs="+", choices=QUALITIES, default=QUALITIES)
    add("--image", type=Path, default=DEFAULT_IMAGE)
    add("--threads", type=int, default=2)
    add("--out", type=Path, default=ROWS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    common = {"threads": options.threads, "image": options.image.stem, **provenance("cpu")}
    for part in PARTS:
        if part in options.parts:
            started = time.perf_counter()
            PARTS[part](options, Rows(options.out, {**common, "label": part}))
            print(f"{part}: {time.perf_counter() - started:.0f} s", flush=True)
    print(f"\n{target_table(TARGETS, measured(read_rows(options.out)))}")


if __name__ == "__main__":
    main()
