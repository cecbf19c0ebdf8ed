"""How many threads should a level use, and what do several runs at once cost?

    python -m benchmarks.speed.threads [--sizes 32 48 64 96 128 192]   time of a step on one thread and on all, by size
    python -m benchmarks.speed.threads --together 4                    several commands at once, relative to one alone

The first runs with OMP_WAIT_POLICY=passive unless it is set. The second runs the command `gpdm reshuffle` (72x48, fast)
without OMP variables, as most users do; `--tree DIR` takes the package of another checkout, for comparisons.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

import gpdm
from gpdm.optimizers import threads

from ..common import DEFAULT_IMAGE, ROOT, load_image


def seconds_per_step(side: int, number: int, steps: int) -> float:
    """Returns the seconds of a step at one level of this height, half as wide again, on this number of threads."""
    torch.set_num_threads(number)
    reference = load_image(DEFAULT_IMAGE, (side, side * 3 // 2))
    result = gpdm.synthesize(
        reference, pyramid=gpdm.PyramidSchedule(coarse_dim=side), optimizer=gpdm.Optimizer(num_steps=steps)
    )
    return result.seconds / steps


def compare_threads(sizes: list[int], rounds: int, steps: int) -> None:
    """Prints one row for each size. One thread and all threads take turns."""
    cores = torch.get_num_threads()
    threads.SHARED_PIXELS = 0  # so that every level uses all threads
    print(f"| smaller side | pixels | one thread, ms | {cores} threads, ms | ratio |\n| --- | --- | --- | --- | --- |")
    for side in sizes:
        times: dict[int, list[float]] = {1: [], cores: []}
        for _ in range(rounds):
            for number in times:
                times[number].append(1000 * seconds_per_step(side, number, steps))
        one, several = median(times[1]), median(times[cores])
        print(f"| {side} | {side * (side * 3 // 2)} | {one:.1f} | {several:.1f} | {one / several:.2f} |", flush=True)


def run_together(number: int, tree: Path, height: int) -> float:
    """Returns the seconds until the last of several commands has ended that were started at the same time."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    environment["PYTHONPATH"] = str(tree.resolve())
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gpdm.cli.main", "reshuffle", str(DEFAULT_IMAGE)]
        command += ["--height", str(height), "--quality", "fast", "-o"]
        started = time.perf_counter()
        running = [
            subprocess.Popen(
                [*command, f"{folder}/{i}.png"],
                cwd=folder,  # not this checkout, whose package would come first
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for i in range(number)
        ]
        statuses = [process.wait() for process in running]
        if any(statuses):
            raise SystemExit("a command failed")
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 48, 64, 96, 128, 192], help="heights, in pixels")
    parser.add_argument("--steps", type=int, default=40, help="steps in one timing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--together", type=int, default=0, metavar="N", help="number of commands at once")
    parser.add_argument("--height", type=int, default=48, help="height of the pictures of these commands, in pixels")
    parser.add_argument("--tree", type=Path, default=ROOT)
    options = parser.parse_args()
    if not options.together:
        compare_threads(options.sizes, options.rounds, options.steps)
        return
    alone = median(run_together(1, options.tree, options.height) for _ in range(options.rounds))
    together = run_together(options.together, options.tree, options.height)
    print(f"one alone {alone:.1f} s, {options.together} at once {together:.1f} s: {together / alone:.1f} times")


if __name__ == "__main__":
    main()
