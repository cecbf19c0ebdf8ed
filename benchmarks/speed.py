"""How fast a step is, how fast a picture is, and how much memory a step takes: one run, one machine, every baseline in it.

    python benchmarks/speed.py [--threads 2] [--device cpu] [--qualities fast balanced best paper] [--seeds 3]
    python benchmarks/report.py benchmarks/results/speed.jsonl

Writes a JSON row for every measurement; a run replaces the file. Rows have in "what":

    gate    the fast value and gradient agree with the exact ones; without that nothing is measured
    step    one step of a method on a square picture, in milliseconds; the methods take turns
    peak    memory of a step above the pictures, in bytes
    level   one step of Algorithm 1 at the size of a pyramid level, in milliseconds
    task    a whole reshuffle in a quality, in seconds, and the mean of nine held-out distances of its result (judge.py)
    reach   the same at one size for several seeds, paper among the qualities, to compare time at equal quality

A task's time with Algorithm 1 is projected: steps times the measured time of a step, summed over the levels. "authors" takes the
levels and all the steps of recipe paper, as the reference implementation has no end before the last; "same steps" takes those
that this run made.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import methods
import numpy as np
import passive_threads  # noqa: F401
import torch
from judge import held_out

import gpdm
from gpdm.losses.coherence import EVERY

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("steps", "peak", "tasks", "reach")
AT_LEAST = 0.1
"""Seconds that one timing should last; short steps are timed several at once."""


class Rows:
    """The rows of a run; the file is complete after each."""

    def __init__(self, path: Path, common: Mapping[str, object]) -> None:
        self.path, self.common, self.rows = path, common, list[str]()
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, what: str, **row: object) -> None:
        print(json.dumps({"what": what, **row}), flush=True)
        self.rows.append(json.dumps({"what": what, **row, **self.common}))
        beside = self.path.with_name(self.path.name + ".part")
        beside.write_text("\n".join(self.rows) + "\n")
        beside.replace(self.path)


class Bench:
    """What is asked for, and what was measured already."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        device = torch.cuda.get_device_name() if options.device.startswith("cuda") else processor()
        self.rows = Rows(
            options.out,
            {
                "threads": options.threads,
                "device": device,
                "gpu": options.device.startswith("cuda"),
                "picture": options.picture.stem,
                "memory": options.memory,
                "torch": torch.__version__,
                "gpdm": gpdm.__version__,
                "commit": commit(),
            },
        )
        self.task = functools.cache(self._task)
        self.level = functools.cache(self._level)

    def steps(self) -> None:
        """Every method at every size."""
        o = self.options
        for size in o.sizes:
            reference, image = methods.pair(o.picture, (size, size), o.device)
            alone = gpdm.SWDLoss(coherence=0.0)
            contest: dict[str, tuple[methods.Steps, int]] = {
                # A period has one search for coherence.
                "ours": (methods.descent(gpdm.SWDLoss(), reference, image, o.memory), EVERY),
                "ours, without coherence": (methods.descent(alone, reference, image, o.memory), 1),
                "floor": (methods.floor(reference, image, torch.contiguous_format), 1),
                "floor, channels last": (methods.floor(reference, image, torch.channels_last), 1),
            }
            if size <= o.sorted_limit:
                exact = gpdm.SWDLoss(solver="exact", projections="independent", coherence=0.0)
                contest["sorted"] = methods.algorithm_1(reference, image), 1
                contest["exact"] = methods.descent(exact, reference, image, o.memory), 1
            if size <= o.nearest_limit:
                contest["nearest neighbours"] = methods.nearest_neighbours(reference, image), 1
            for name, times in self.measure(contest, o.repeats).items():
                note = {"how": "chunked matrix product, exact"} if name == "nearest neighbours" else {}
                self.rows.add("step", method=name, size=size, **summary(times), **note)

    def measure(self, contest: Mapping[str, tuple[methods.Steps, int]], repeats: int) -> dict[str, list[float]]:
        """Seconds a step. The methods take turns, so that a drift of the machine touches all alike.

        Each comes with the number of steps that make a period of its work; a timing covers whole periods.
        """
        numbers = {}
        for name, (steps, period) in contest.items():
            warm_up = self.seconds(lambda steps=steps, period=period: steps(period))
            numbers[name] = period * min(max(int(AT_LEAST / warm_up), 1), 16)
        times: dict[str, list[float]] = {name: [] for name in contest}
        for _ in range(repeats):
            for name, (steps, _) in contest.items():
                number = numbers[name]
                if sum(times[name]) * number < self.options.budget:
                    times[name].append(self.seconds(lambda steps=steps, number=number: steps(number)) / number)
        return times

    def seconds(self, work: Callable[[], object]) -> float:
        """Of `work`, on the device that is asked for."""
        return methods.seconds(work, self.options.device)

    def peak(self) -> None:
        """Peak memory of a step at every size, each in a process of its own."""
        o = self.options
        if not o.device.startswith("cuda") and not Path("/proc/self/status").exists():
            print("peak memory is left out: on a CPU it is read from /proc, which this system lacks", file=sys.stderr)
            return
        flags = ["--picture", o.picture, "--threads", o.threads, "--device", o.device, "--memory", o.memory]
        for size in o.sizes:
            command = [sys.executable, Path(__file__).with_name("peak.py"), size, *flags]
            answer = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True)
            self.rows.add("peak", method="ours", size=size, bytes=int(answer.stdout))

    def tasks(self) -> None:
        """A picture in each quality at each size."""
        for size in self.options.task_sizes:
            for quality in self.options.qualities:
                self.rows.add("task", **self.task(quality, size, 0))

    def reach(self) -> None:
        """Pictures in each quality at one size, for several seeds."""
        for seed in range(self.options.seeds):
            for quality in dict.fromkeys(["paper", *self.options.qualities]):
                self.rows.add("reach", **self.task(quality, self.options.reach_size, seed))

    def _task(self, quality: str, size: int, seed: int) -> dict[str, object]:
        o, recipes = self.options, gpdm.RECIPES["reshuffle"]
        reference, recipe = methods.picture(o.picture, (size, size), o.device), recipes[quality]
        results: list[gpdm.Synthesis] = []
        taken = self.seconds(lambda: results.append(gpdm.reshuffle(reference, recipe=recipe, seed=seed)))
        result = results[0]
        distances = held_out(reference, result.images)
        paper = recipes["paper"]
        levels = paper.pyramid.levels([(size, size)], (size, size))
        made = [table.shape[1] for table in result.losses]
        return {
            "quality": quality,
            "size": size,
            "seed": seed,
            "seconds": round(taken, 3),
            "held out": round(sum(distances.values()) / len(distances), 6),
            "distances": {name: round(number, 6) for name, number in distances.items()},
            "steps": made,
            "levels": [level.size[0] for level in result.levels],
            "loss": str(recipe.loss),
            "algorithm 1, authors": round(self.projected(levels, paper.optimizer.steps(levels)), 3),
            "algorithm 1, same steps": round(self.projected(result.levels, made), 3),
            "algorithm 1, how": "projected from measured steps",
        }

    def projected(self, levels: Sequence[gpdm.Level], steps: Sequence[int]) -> float:
        """Seconds that Algorithm 1 would take."""
        return sum(number * self.level(level.size) for level, number in zip(levels, steps, strict=True))

    def _level(self, size: tuple[int, int]) -> float:
        pair = methods.pair(self.options.picture, size, self.options.device)
        times = self.measure({"sorted": (methods.algorithm_1(*pair), 1)}, self.options.level_repeats)["sorted"]
        self.rows.add("level", method="sorted", size=size[0], width=size[1], **summary(times))
        return float(np.median(times))


def summary(times: Sequence[float]) -> dict[str, object]:
    """Milliseconds."""
    lower, median, upper = (round(float(t) * 1e3, 4) for t in np.percentile(times, [25, 50, 75]))
    return {"median": median, "min": round(min(times) * 1e3, 4), "quartiles": [lower, upper], "repeats": len(times)}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--sizes", type=int, nargs="+", default=[64, 128, 256, 512, 1024, 2048], help="of steps and peak memory")
    add("--sorted-limit", type=int, default=1024, help="largest size of the methods that sort")
    add("--nearest-limit", type=int, default=256, help="largest size of nearest neighbours")
    add("--repeats", type=int, default=9, help="timings of each method at each size")
    add("--budget", type=float, default=20.0, help="seconds after which a method at a size is timed no further")
    add("--level-repeats", type=int, default=3, help="timings of Algorithm 1 at each pyramid level")
    add("--qualities", nargs="+", default=["fast", "balanced", "best", "paper"], help="recipes of reshuffle")
    add("--task-sizes", type=int, nargs="+", default=[64, 128, 256])
    add("--reach-size", type=int, default=256)
    add("--seeds", type=int, default=3, help="pictures of each quality at the reach size")
    add(
        "--memory",
        type=int,
        default=2**28,
        help="bytes that a step may work in (`bind`); the default is what synthesize gives it on a CPU",
    )
    add("--picture", type=Path, default=methods.PICTURE)
    add("--threads", type=int, default=2)
    add("--device", default="cpu")
    add("--out", type=Path, default=Path(__file__).with_name("results") / "speed.jsonl")
    options = parser.parse_args()
    unknown = set(options.qualities) - set(gpdm.RECIPES["reshuffle"])
    if unknown and {"tasks", "reach"} & set(options.parts):
        parser.error(f"no such quality: {', '.join(sorted(unknown))}; there are {', '.join(gpdm.RECIPES['reshuffle'])}")
    torch.set_num_threads(options.threads)
    bench = Bench(options)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    for size in methods.LEAST_COSINE:
        bench.rows.add("gate", size=size, **methods.gate(options.picture, size, options.device), load=load)
    for part in PARTS:
        if part in options.parts:
            getattr(bench, part)()


if __name__ == "__main__":
    main()
