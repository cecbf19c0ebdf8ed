"""How fast is a step of each method, and how much memory does ours take?

    python -m benchmarks.speed.measure [--parts steps peak] [--threads 2] [--label "default loss"]
    python -m benchmarks.speed.report

Writes one JSON row for each measurement. A run replaces the rows with its label and keeps the others. Kinds of rows
("what"):

    agreement  binned value and gradient against the exact ones; if they disagree nothing is timed
    step       one step of a method on a square image, in milliseconds; the methods take turns
    peak       memory of a level above the two images and that of the whole process, in bytes

Whole pictures are measured by `reach`.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gpdm.memory import CPU_WORKING_BYTES

from ..algorithm_1 import Steps
from ..common import DEFAULT_IMAGE, RESULTS, ROOT, Rows, provenance
from . import methods

PARTS = ("steps", "peak")
MIN_SECONDS = 0.1
"""Shortest time that one timing should take. Fast steps are timed several at once."""


class SpeedBenchmark:
    """The parts of one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        common = {"label": options.label, "threads": options.threads, "image": options.image.stem}
        self.rows = Rows(options.out, common | {"memory": options.memory} | provenance(options.device))

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
            timed: dict[str, tuple[Steps, int]] = {
                "ours": (methods.gpdm_steps(methods.LOSS, reference, image, o.memory), methods.SEARCH_EVERY),
                "ours, without coherence": (methods.gpdm_steps(methods.NO_COHERENCE, reference, image, o.memory), 1),
                "floor": (methods.convolution_steps(reference, image, torch.contiguous_format), 1),
                "floor, channels last": (methods.convolution_steps(reference, image, torch.channels_last), 1),
            }
            if size <= o.sorted_limit:
                exact = replace(methods.NO_COHERENCE, solver="exact", projections="independent")
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
        for width, height in (*((size, size) for size in o.sizes), *o.peak_sizes):
            above, process = peak_bytes(f"{width}x{height}", *flags)
            self.rows.add("peak", method="ours", size=width, height=height, bytes=above, process=process)


def peak_bytes(size: str, *flags: object, timeout: float | None = None) -> tuple[int, int]:
    """Returns what `benchmarks.speed.peak` prints: the peak above the two images and that of the process, in bytes."""
    command = [sys.executable, "-m", "benchmarks.speed.peak", size, *map(str, flags)]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=timeout)
    above, process = map(int, answer.stdout.split())
    return above, process


def pixels(text: str) -> tuple[int, int]:
    """Returns width and height from a text such as 6000x4000."""
    width, height = map(int, text.split("x"))
    return width, height


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
    add("--peak-sizes", type=pixels, nargs="*", default=[], help="more sizes of peak memory, as 6000x4000")
    add("--sorted-limit", type=int, default=1024, help="largest size of the methods that sort")
    add("--nearest-limit", type=int, default=256, help="largest size of nearest neighbours")
    add("--repeats", type=int, default=9, help="timings of each method at each size")
    add("--budget", type=float, default=20.0, help="seconds after which a method at a size is timed no further")
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
