"""How many threads a level should use, and what several runs at once cost.

    python benchmarks/threads.py [--sides 32 48 64 96 128 192]     time of a step on one thread over that on all, by size
    python benchmarks/threads.py --together 4                      several commands at once over one alone

The first sets OMP_WAIT_POLICY=passive, unless it is set. The second runs the command `gpdm reshuffle` (72 x 48, fast) as a user would,
with the environment as it is; `--tree DIR` takes the package of another checkout, to compare.
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

import passive_threads  # noqa: F401
import torch
from PIL import Image

import gpdm
from gpdm.optimizers import threads

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "workflows" / "inputs" / "pavilion.jpg"


def seconds_of_a_step(side: int, number: int, steps: int = 40) -> float:
    """Seconds of a step at one level with so many pixels on its smaller side, on so many threads."""
    torch.set_num_threads(number)
    reference = gpdm.from_pil(Image.open(PICTURE).convert("RGB").resize((side * 3 // 2, side)))
    result = gpdm.synthesize(
        reference, pyramid=gpdm.PyramidSchedule(coarse_dim=side), optimizer=gpdm.Optimizer(num_steps=steps)
    )
    return result.seconds / steps


def compare_threads(sides: list[int], rounds: int) -> None:
    """Prints a row for each size. Both numbers of threads take turns."""
    cores = torch.get_num_threads()
    threads.SHARED_PIXELS = 0  # the number of threads is chosen here
    print(
        f"| smaller side | pixels | one thread, ms a step | {cores} threads | ratio |\n| --- | --- | --- | --- | --- |"
    )
    for side in sides:
        times: dict[int, list[float]] = {1: [], cores: []}
        for _ in range(rounds):
            for number in times:
                times[number].append(1000 * seconds_of_a_step(side, number))
        one, all_ = median(times[1]), median(times[cores])
        print(f"| {side} | {side * (side * 3 // 2)} | {one:.1f} | {all_:.1f} | {one / all_:.2f} |", flush=True)


def run_together(number: int, tree: Path) -> float:
    """Seconds until the last of so many commands has ended, all started at once."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    environment["PYTHONPATH"] = str(tree)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", "-m", "gpdm.cli.main", "reshuffle", str(PICTURE), "--height", "48"]
        started = time.perf_counter()
        running = [
            subprocess.Popen(
                [*command, "--quality", "fast", "-o", f"{folder}/{i}.png"],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for i in range(number)
        ]
        if any(process.wait() for process in running):
            raise SystemExit("a command failed")
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 48, 64, 96, 128, 192])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--together", type=int, default=0, metavar="N")
    parser.add_argument("--tree", type=Path, default=ROOT)
    options = parser.parse_args()
    if not options.together:
        compare_threads(options.sides, options.rounds)
        return
    alone = median(run_together(1, options.tree) for _ in range(options.rounds))
    together = run_together(options.together, options.tree)
    print(f"one alone {alone:.1f} s, {options.together} at once {together:.1f} s: {together / alone:.1f} times")


if __name__ == "__main__":
    main()
