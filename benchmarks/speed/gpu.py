"""Does everything work on this GPU, and how fast? Checks, timings, the roofline and a table of targets in ten minutes.

    python benchmarks/gpu.py [--device cuda] [--parts ...] [--budget 540] [--out benchmarks/results/gpu.jsonl]

First the kernels are compared with their oracle, as before every use. Then, the most important parts first in case
time runs out: rates of the machine, whole pictures, steps against the sorted baseline and against the roofline,
peak memory, a run with ComfyUI's allocator, all tests of the kernels (whose compilation takes minutes), a profile
of a step, and variants of the gradient's kernel. A part that fails is reported and the others go on; the exit
status is then 1. Without a GPU, `--device cpu --sizes 64 --images 48` runs the script on a CPU, with the kernels'
tests in Triton's interpreter.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

import gpdm
from gpdm.kernels.choose import choose

from ..algorithm_1 import Steps
from ..common import DEFAULT_IMAGE, RESULTS, ROOT, Rows, load_image, provenance
from ..targets import Target, target_table
from . import methods
from .measure import peak_bytes
from .roofline import Rates, measure_rates, work

PARTS = ("rates", "pictures", "steps", "peak", "allocator", "tests", "profile", "variants")
STEP_MEMORY = 2**33
"""Bytes that a step may use on a GPU."""
RESERVE = 30
"""Seconds of the budget below which no further part begins."""


TARGETS = (
    Target("one step at 1024x1024, times faster than sorted", "step 1024", 20.0, 60.0, higher_is_better=True),
    Target("one step at 2048x2048, multiple of the roofline", "roofline 2048", 4.0, 2.0),
    Target("whole reshuffle 186x248, balanced, s", "picture 186x248", 1.0, 0.4),
    Target("whole reshuffle 1024x1024, s", "picture 1024x1024", 4.0, 1.5),
    Target("whole reshuffle 2048x2048, s", "picture 2048x2048", 15.0, 5.0),
    Target("peak at 4096x4096 above the images, GiB", "peak 4096", 2.0, 1.0),
)


class GPUBenchmark:
    """The parts of one run, and what they measured for the table of targets."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.started = options, time.perf_counter()
        self.device = options.device
        self.gpu = self.device.startswith("cuda")
        self.backend = choose("auto", torch.device(self.device))
        self.machine_rates: Rates | None = None
        self.measured: dict[str, float] = {}
        self.failed = False
        common = {**provenance(self.device), "auto": self.backend, "cuda": torch.version.cuda}
        self.rows = Rows(options.out, common)
        print(json.dumps(common), flush=True)

    def left(self) -> float:
        """Returns the remaining seconds of the budget."""
        return self.options.budget - (time.perf_counter() - self.started)

    def run(self) -> None:
        """Runs the parts as long as there is time, and prints the table."""
        for name in PARTS:
            if name not in self.options.parts:
                continue
            if self.left() < RESERVE:
                print(f"no time left for {name}")
                continue
            try:
                getattr(self, name)()
            except Exception as error:  # the other parts are still of use; the failure is recorded
                self.failed = True
                self.rows.add("failed", part=name, error=f"{type(error).__name__}: {str(error)[:400]}")
        self.print_targets()

    def tests(self) -> None:
        """Runs the kernels' own tests on this device."""
        folder = ROOT / "tests" / "kernels"
        command = [sys.executable, *["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default"], str(folder)]
        command.append(f"--ignore={folder / 'test_compile.py'}")  # it needs no GPU
        limit = max(self.left() - 60, 20)
        try:
            answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            self.failed = True
            self.rows.add("tests", passed=False, output=f"not finished after {limit:.0f} s")
            return
        output = answer.stdout.strip().splitlines()[-25:]
        self.failed = self.failed or answer.returncode != 0
        self.rows.add("tests", passed=answer.returncode == 0, output=output[-1] if output else answer.stderr[-400:])
        if answer.returncode:
            print("\n".join(output))

    def rates(self) -> None:
        """Measures the rates that the machine reaches."""
        self.machine_rates = measure_rates(self.device)
        self.rows.add("rates", operations=self.machine_rates.operations, bytes=self.machine_rates.bytes)

    def pictures(self) -> None:
        """Times whole pictures in quality balanced. The first run compiles; the second one counts."""
        sizes = [(186, 248), (1024, 1024), (2048, 2048)] if self.gpu else [(s, s) for s in self.options.images]
        for size in sizes:
            reference = load_image(self.options.image, size, self.device)
            seconds = 0.0
            # At the largest size plain PyTorch is timed by the step alone.
            for backend in dict.fromkeys([self.backend] if max(size) > 1500 else [self.backend, "torch"]):
                recipe = gpdm.TASKS["reshuffle"].recipe("balanced")
                assert isinstance(recipe.loss, gpdm.SWDLoss)
                recipe = replace(recipe, loss=replace(recipe.loss, backend=backend))
                outputs: list[torch.Tensor] = []
                for repeat in range(2):
                    if self.left() < RESERVE + 2 * seconds:
                        break
                    results: list[gpdm.Synthesis] = []
                    make = partial(gpdm.reshuffle, reference, recipe=recipe, seed=0)
                    seconds = methods.seconds(lambda: results.append(make()), self.device)  # noqa: B023
                    outputs.append(results[0].images)
                    steps = [losses.shape[1] for losses in results[0].losses]
                    row = {"size": size, "backend": backend, "repeat": repeat, "seconds": round(seconds, 4)}
                    if repeat:
                        row["same as first"] = torch.equal(outputs[0], outputs[1])
                    self.rows.add("picture", **row, steps=steps)
                    if backend == self.backend:
                        self.measured[f"picture {size[0]}x{size[1]}"] = seconds

    def steps(self) -> None:
        """Times one step of each method."""
        if self.machine_rates is None:
            self.rates()
        assert self.machine_rates is not None
        for size in self.options.sizes:
            reference, image = methods.pair(self.options.image, (size, size), self.device)
            memory = STEP_MEMORY if self.gpu else 2**28
            # Each call captures its CUDA graphs anew, so that it must make as many steps as a level.
            number = methods.SEARCH_EVERY * (5 if size <= 512 and self.gpu else 1)
            timed: dict[str, tuple[Steps, int]] = {}
            for backend in dict.fromkeys([self.backend, "torch"]):
                full, alone = (replace(loss, backend=backend) for loss in (methods.LOSS, methods.NO_COHERENCE))
                timed[f"ours, {backend}"] = methods.gpdm_steps(full, reference, image, memory), methods.SEARCH_EVERY
                timed[f"ours without coherence, {backend}"] = (
                    methods.gpdm_steps(alone, reference, image, memory),
                    number,
                )
            if size <= self.options.sorted_limit:
                timed["sorted"] = methods.sorted_steps(reference, image), 5
            medians = {name: self.median_seconds(*each) for name, each in timed.items()}
            for name, seconds in medians.items():
                self.rows.add("step", size=size, method=name, milliseconds=round(seconds * 1e3, 4))
            bound = work(methods.NO_COHERENCE, (size, size)).seconds(self.machine_rates)
            ours, alone = medians[f"ours, {self.backend}"], medians[f"ours without coherence, {self.backend}"]
            ratios = {
                "bound": round(bound * 1e3, 4),
                "multiple of the bound": round(ours / bound, 2),
                "without coherence": round(alone / bound, 2),
            }
            self.measured[f"roofline {size}"] = alone / bound
            if "sorted" in medians:
                ratios["times faster than sorted"] = round(medians["sorted"] / ours, 2)
                ratios["times faster than sorted, without coherence"] = round(medians["sorted"] / alone, 2)
                self.measured[f"step {size}"] = medians["sorted"] / ours
            self.rows.add("roofline", size=size, **ratios)

    def median_seconds(self, steps: Steps, number: int, repeats: int = 5) -> float:
        """Returns the median seconds of a step, over repeats of `number` steps, after one warm-up."""
        steps(number)
        times = []
        for _ in range(repeats):
            if times and self.left() < 2 * RESERVE:
                break
            times.append(methods.seconds(partial(steps, number), self.device) / number)
        return statistics.median(times)

    def peak(self) -> None:
        """Measures the peak memory of a step above the images, in one process for each size."""
        for size in (2048, 4096) if self.gpu else self.options.sizes:
            flags = ["--device", self.device, "--memory", STEP_MEMORY, "--image", self.options.image.resolve()]
            peak, _ = peak_bytes(str(size), *flags, timeout=max(self.left(), RESERVE))
            self.measured[f"peak {size}"] = peak / 2**30
            self.rows.add("peak", size=size, bytes=peak)

    def allocator(self) -> None:
        """Makes a small picture with the allocator that ComfyUI uses by default on many cards."""
        if not self.gpu:
            return
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "gpdm.cli.main", "reshuffle", str(self.options.image.resolve())]
            command += ["--height", "96", "--quality", "fast", "--device", self.device, "-o", f"{folder}/out.png"]
            environment = {**os.environ, "PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"}
            answer = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=90, check=False
            )
        self.failed = self.failed or answer.returncode != 0
        self.rows.add(
            "allocator", passed=answer.returncode == 0, output=answer.stderr[-400:] if answer.returncode else ""
        )

    def profile(self) -> None:
        """Profiles a step at a small and at a large size: the kernels that take longest."""
        if not self.gpu:
            return
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as profiler

        number = 20
        for size in (64, 2048):
            pair = methods.pair(self.options.image, (size, size), self.device)
            steps = methods.gpdm_steps(methods.LOSS, *pair, STEP_MEMORY)
            steps(number)
            with profiler(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as profiled:
                steps(number)
                methods.synchronize(self.device)
            events = [
                (event.key[:70], event.self_device_time_total / number, event.count / number)
                for event in profiled.key_averages()
            ]
            events = sorted((event for event in events if event[1] > 0), key=lambda event: -event[1])[:14]
            times = {f"{key} x{count:g}": round(t, 1) for key, t, count in events}
            self.rows.add("profile", size=size, microseconds_a_step=times)

    def variants(self) -> None:
        """Times the gradient's kernel at 2048x2048 with other tile sizes and compiler settings."""
        if self.backend != "triton":
            return
        from gpdm.kernels import triton_gradient, triton_tiles

        size = (2048, 2048) if self.gpu else (64, 64)
        reference, image = methods.pair(self.options.image, size, self.device)
        loss = gpdm.SWDLoss(small_patches=0.0, num_proj=38, coherence=0.0, backend=self.backend)
        objective = gpdm.bind(loss, gpdm.as_references(reference), gpdm.Canvas(size=size))
        projected = objective.sample(image, 0, gpdm.OutputState(torch.Generator().manual_seed(0))).references[0]
        gradients = torch.randn_like(projected.cdf_p)

        def backproject(number: int) -> None:
            for _ in range(number):
                triton_gradient.backproject(image, projected.filters[0], projected.bins[0], gradients)

        default = triton_tiles.LARGE_TILES
        for lanes, warps, stages, registers in [(128, 8, 2, 128), (128, 8, 2, 0), (128, 8, 1, 128), (128, 8, 1, 0), (128, 8, 3, 128), (128, 4, 2, 0), (64, 4, 2, 0), (64, 4, 1, 0), (256, 8, 2, 0)]:  # fmt: skip
            if self.left() < RESERVE:
                break
            row: dict[str, object] = {}
            limit = {"maxnreg": registers} if registers else {}
            triton_gradient.LARGE_TILES = replace(default, lanes=lanes, warps=warps, stages=stages, gradient=limit)
            try:
                row["milliseconds"] = round(self.median_seconds(backproject, 10) * 1e3, 4)
            except Exception as error:  # too large for this card, for example; the others are still of use
                row["error"] = f"{type(error).__name__}: {str(error)[:200]}"
            finally:
                triton_gradient.LARGE_TILES = default
            self.rows.add("variant", lanes=lanes, warps=warps, stages=stages, registers=registers, **row)

    def print_targets(self) -> None:
        """Prints the table of targets."""
        print(f"\n{target_table(TARGETS, self.measured)}")
        print(f"{time.perf_counter() - self.started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--device", default="cuda")
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--budget", type=float, default=540.0, help="seconds")
    add("--sizes", type=int, nargs="+", default=[64, 256, 512, 1024, 2048], help="of steps")
    add("--images", type=int, nargs="+", default=[48], help="sizes of whole pictures where there is no GPU")
    add("--sorted-limit", type=int, default=2048, help="largest size of the sorted baseline")
    add("--image", type=Path, default=DEFAULT_IMAGE)
    add("--out", type=Path, default=RESULTS / "gpu.jsonl")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --device cpu runs the script on a CPU")
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # shows why a kernel is not used
    benchmark = GPUBenchmark(options)
    benchmark.run()
    if benchmark.failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
