"""How fast is a step, how fast is a whole picture, and how much memory does a step take?

    python -m benchmarks.speed.measure [--parts steps peak tasks seeds] [--threads 2] [--label "default loss"]
    python -m benchmarks.speed.report

Writes one JSON row for each measurement. A run replaces the rows with its label and keeps the others. Kinds of rows
("what"):

    agreement  binned value and gradient against the exact ones; if they disagree nothing is timed
    step       one step of a method on a square image, in milliseconds; the methods take turns
    peak       memory of a step above the two images, in bytes
    level      one step of Algorithm 1 at the size of a pyramid level, in milliseconds
    task       one reshuffle in a quality: seconds, and the held-out distance of the result
    seeds      the same at one size for several seeds, with quality paper among them: time beside distance

The time of a task with Algorithm 1 is projected: number of steps times the measured time of a step, summed over the
levels. "authors" takes the levels and all the steps of quality paper, since the reference implementation never
stops earlier; "same steps" takes the levels and steps that this run made.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

import gpdm
from gpdm.memory import CPU_WORKING_BYTES

from ..algorithm_1 import Steps
from ..common import DEFAULT_IMAGE, RESULTS, ROOT, Rows, Size, held_out_distance, load_image, provenance
from . import methods

PARTS = ("steps", "peak", "tasks", "seeds")
MIN_SECONDS = 0.1
"""Shortest time that one timing should take. Fast steps are timed several at once."""
RESHUFFLE = gpdm.TASKS["reshuffle"]


class SpeedBenchmark:
    """The parts of one run, and the times of Algorithm 1 that they share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        common = {"label": options.label, "threads": options.threads, "image": options.image.stem}
        self.rows = Rows(options.out, common | {"memory": options.memory} | provenance(options.device))
        self.task = functools.cache(self._task)
        self.level = functools.cache(self._level)

    def agreement(self) -> None:
        """Checks the binned distance at two sizes."""
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        for size in methods.MIN_COSINE:
            result = methods.check_agreement(self.options.image, size, self.options.device)
            self.rows.add("agreement", size=size, **result, load=load)

    def steps(self) -> None:
        """Times each method at each size."""
        o = self.options
        for size in o.sizes:
            reference, image = methods.pair(o.image, (size, size), o.device)
            no_coherence = gpdm.SWDLoss(coherence=0.0)
            timed: dict[str, tuple[Steps, int]] = {
                "ours": (methods.gpdm_steps(gpdm.SWDLoss(), reference, image, o.memory), methods.SEARCH_EVERY),
                "ours, without coherence": (methods.gpdm_steps(no_coherence, reference, image, o.memory), 1),
                "floor": (methods.convolution_steps(reference, image, torch.contiguous_format), 1),
                "floor, channels last": (methods.convolution_steps(reference, image, torch.channels_last), 1),
            }
            if size <= o.sorted_limit:
                exact = gpdm.SWDLoss(solver="exact", projections="independent", coherence=0.0)
                timed["sorted"] = methods.sorted_steps(reference, image), 1
                timed["exact"] = methods.gpdm_steps(exact, reference, image, o.memory), 1
            if size <= o.nearest_limit:
                timed["nearest neighbours"] = methods.nearest_neighbour_steps(reference, image), 1
            for name, times in self.measure(timed, o.repeats).items():
                self.rows.add("step", method=name, size=size, **summary(times))

    def measure(self, timed: Mapping[str, tuple[Steps, int]], repeats: int) -> dict[str, list[float]]:
        """Returns the seconds of a step, several times for each method.

        The methods take turns, so that a drift of the machine affects all alike. Each comes with the period of its work
        in steps; a timing covers whole periods.
        """
        numbers = {}
        for name, (steps, period) in timed.items():
            warm_up = self.seconds(functools.partial(steps, period))
            numbers[name] = period * min(max(int(MIN_SECONDS / warm_up), 1), 16)
        times: dict[str, list[float]] = {name: [] for name in timed}
        for _ in range(repeats):
            for name, (steps, _) in timed.items():
                if sum(times[name]) * numbers[name] < self.options.budget:
                    times[name].append(self.seconds(functools.partial(steps, numbers[name])) / numbers[name])
        return times

    def seconds(self, work: Callable[[], object]) -> float:
        """Returns the time of `work` on the chosen device."""
        return methods.seconds(work, self.options.device)

    def peak(self) -> None:
        """Measures the peak memory of a step at each size, in one process each."""
        o = self.options
        if not o.device.startswith("cuda") and not Path("/proc/self/status").exists():
            print("peak memory is left out: on a CPU it is read from /proc, which this system lacks", file=sys.stderr)
            return
        flags = ["--image", o.image.resolve(), "--threads", o.threads, "--device", o.device, "--memory", o.memory]
        for size in o.sizes:
            self.rows.add("peak", method="ours", size=size, bytes=peak_bytes(size, *flags))

    def tasks(self) -> None:
        """Times one picture in each quality at each size."""
        for size in self.options.task_sizes:
            for quality in self.options.qualities:
                self.rows.add("task", **self.task(quality, size, 0))

    def seeds(self) -> None:
        """Times pictures in each quality at one size, for several seeds."""
        for seed in range(self.options.seeds):
            for quality in dict.fromkeys(["paper", *self.options.qualities]):
                self.rows.add("seeds", **self.task(quality, self.options.seeds_size, seed))

    def _task(self, quality: str, size: int, seed: int) -> dict[str, object]:
        o, recipe, paper = self.options, RESHUFFLE.recipe(quality), RESHUFFLE.recipe("paper")
        reference = load_image(o.image, (size, size), o.device)
        results: list[gpdm.Synthesis] = []
        taken = self.seconds(lambda: results.append(gpdm.reshuffle(reference, recipe=recipe, seed=seed)))
        result = results[0]
        paper_levels = paper.pyramid.levels([(size, size)], (size, size))
        made = [losses.shape[1] for losses in result.losses]
        return {
            "quality": quality,
            "size": size,
            "seed": seed,
            "seconds": round(taken, 3),
            "held-out distance": round(held_out_distance(reference, result.images), 6),
            "steps": made,
            "levels": [level.size[0] for level in result.levels],
            "loss": str(recipe.loss),
            "algorithm 1, authors": round(self.projected(paper_levels, paper.optimizer.steps(paper_levels)), 3),
            "algorithm 1, same steps": round(self.projected(result.levels, made), 3),
            "algorithm 1, how": "projected from measured steps",
        }

    def projected(self, levels: Sequence[gpdm.Level], steps: Sequence[int]) -> float:
        """Returns the projected seconds of Algorithm 1."""
        return sum(number * self.level(level.size) for level, number in zip(levels, steps, strict=True))

    def _level(self, size: Size) -> float:
        """Returns the median seconds of one step of Algorithm 1 at this size."""
        pair = methods.pair(self.options.image, size, self.options.device)
        times = self.measure({"sorted": (methods.sorted_steps(*pair), 1)}, self.options.level_repeats)["sorted"]
        self.rows.add("level", method="sorted", size=size[0], width=size[1], **summary(times))
        return float(np.median(times))


def peak_bytes(size: int, *flags: object, timeout: float | None = None) -> int:
    """Returns what `benchmarks.speed.peak` prints for this size and these flags."""
    command = [sys.executable, "-m", "benchmarks.speed.peak", str(size), *map(str, flags)]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=timeout)
    return int(answer.stdout)


def summary(times: Sequence[float]) -> dict[str, object]:
    """Returns median, minimum, quartiles and number of times, in milliseconds."""
    lower, median, upper = (round(float(t) * 1e3, 4) for t in np.percentile(times, [25, 50, 75]))
    return {"median": median, "min": round(min(times) * 1e3, 4), "quartiles": [lower, upper], "repeats": len(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--label", default="default loss", help="name of this run in file, tables and figure")
    add("--sizes", type=int, nargs="+", default=[64, 128, 256, 512, 1024, 2048], help="of steps and peak memory")
    add("--sorted-limit", type=int, default=1024, help="largest size of the methods that sort")
    add("--nearest-limit", type=int, default=256, help="largest size of nearest neighbours")
    add("--repeats", type=int, default=9, help="timings of each method at each size")
    add("--budget", type=float, default=20.0, help="seconds after which a method at a size is timed no further")
    add("--level-repeats", type=int, default=3, help="timings of Algorithm 1 at each pyramid level")
    add("--qualities", nargs="+", default=list(gpdm.QUALITIES), choices=gpdm.QUALITIES)
    add("--task-sizes", type=int, nargs="+", default=[64, 128, 256])
    add("--seeds-size", type=int, default=256, help="size of part seeds")
    add("--seeds", type=int, default=3, help="pictures of each quality in part seeds")
    add(
        "--memory",
        type=int,
        default=CPU_WORKING_BYTES,
        help="bytes that a step may use; the default is what synthesize gives it on a CPU",
    )
    add("--image", type=Path, default=DEFAULT_IMAGE)
    add("--threads", type=int, default=2)
    add("--device", default="cpu")
    add("--out", type=Path, default=RESULTS / "speed.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    benchmark = SpeedBenchmark(options)
    benchmark.agreement()
    for part in PARTS:
        if part in options.parts:
            getattr(benchmark, part)()


if __name__ == "__main__":
    main()
