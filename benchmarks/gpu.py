"""Everything that is asked of a GPU, in one call of under ten minutes: checks, times, the roofline, and a table at the end.

    python benchmarks/gpu.py [--device cuda] [--parts ...] [--budget 540] [--out benchmarks/results/gpu.jsonl]

First the kernels are checked against their oracle, as they are before they are used for anything. Then, so that what matters most is there
if time runs out: ceilings, whole pictures, steps against the sorted baseline and against the floor, peak memory, all tests of the
kernels (compiling for them takes minutes), where the time of a step goes, variants of the gradient's kernel.
With `--device cpu --sizes 64 --pictures 48` it can be tried out where there is no GPU; tests then run in the interpreter.
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
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import methods
import passive_threads  # noqa: F401
import torch
from roofline import Ceilings, ceilings, work
from speed import ROOT, Rows, commit, processor

import gpdm
from gpdm.kernels.choose import choose
from gpdm.losses.coherence import EVERY

PARTS = ("ceilings", "pictures", "steps", "peak", "allocator", "tests", "profile", "variants")
REACH = (
    ("one step at 1024x1024, times faster than sorted", "step 1024", 20.0, 60.0, True),
    ("one step at 2048x2048, times its floor", "floor 2048", 4.0, 2.0, False),
    ("whole reshuffle 186x248, balanced, s", "picture 186x248", 1.0, 0.4, False),
    ("whole reshuffle 1024x1024, s", "picture 1024x1024", 4.0, 1.5, False),
    ("whole reshuffle 2048x2048, s", "picture 2048x2048", 15.0, 5.0, False),
    ("peak at 4096x4096 above the pictures, GiB", "peak 4096", 2.0, 1.0, False),
)
"""Row, the figure it is about, asked, aimed at, and whether more is better."""


class GPU:
    """What is asked for, and what was found."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.started = options, time.perf_counter()
        self.device = options.device
        self.gpu = self.device.startswith("cuda")
        self.backend = choose("auto", torch.device(self.device))
        self.limits: Ceilings | None = None
        self.figures: dict[str, float] = {}
        common = {
            "device": torch.cuda.get_device_name() if self.gpu else processor(),
            "gpu": self.gpu,
            "backend": self.backend,
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "gpdm": gpdm.__version__,
            "commit": commit(),
        }
        self.rows = Rows(options.out, common)
        print(json.dumps(common), flush=True)

    def left(self) -> float:
        """Seconds of the budget."""
        return self.options.budget - (time.perf_counter() - self.started)

    def run(self) -> None:
        """All parts, as long as there is time."""
        for part in (getattr(self, name) for name in PARTS if name in self.options.parts):
            if self.left() < 30:
                print(f"no time left for {part.__name__}")
                continue
            try:
                part()
            except Exception as error:  # one part must not take the others with it; it is said, and counts as missing
                self.rows.add("failed", part=part.__name__, error=f"{type(error).__name__}: {str(error)[:400]}")
        self.table()

    def tests(self) -> None:
        """The kernels' own tests, on this device."""
        folder = ROOT / "tests" / "kernels"
        command = [sys.executable, *["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default"], str(folder)]
        command.append(f"--ignore={folder / 'test_compile.py'}")  # it needs no GPU
        limit = max(self.left() - 60, 20)
        try:
            answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False)
            said = answer.stdout.strip().splitlines()[-25:]
            self.rows.add("tests", passed=answer.returncode == 0, said=said[-1] if said else answer.stderr[-400:])
            if answer.returncode:
                print("\n".join(said))
        except subprocess.TimeoutExpired:
            self.rows.add("tests", passed=False, said=f"not finished after {limit:.0f} s")

    def ceilings(self) -> None:
        """What the card can do."""
        self.limits = ceilings(self.device)
        self.rows.add("ceilings", operations=self.limits.operations, bytes=self.limits.bytes)

    def pictures(self) -> None:
        """Whole pictures in recipe balanced. The first run compiles; the second is what counts."""
        sizes = (
            [(186, 248), (1024, 1024), (2048, 2048)] if self.gpu else [(side, side) for side in self.options.pictures]
        )
        for size in sizes:
            reference = methods.picture(self.options.picture, size, self.device)
            times = []
            for backend in dict.fromkeys([self.backend, "torch"]):
                recipe = gpdm.RECIPES["reshuffle"]["balanced"]
                recipe = replace(recipe, loss=replace(recipe.loss, backend=backend))  # type: ignore[type-var]
                for attempt in range(2):
                    if self.left() < 30 + 2 * (times[-1] if times else 0):
                        break
                    results: list[gpdm.Synthesis] = []
                    make = partial(gpdm.reshuffle, reference, recipe=recipe, seed=0)
                    times.append(methods.seconds(lambda: results.append(make()), self.device))  # noqa: B023
                    name = f"picture {size[0]}x{size[1]}"
                    self.rows.add(
                        "picture",
                        size=size,
                        backend=backend,
                        attempt=attempt,
                        seconds=round(times[-1], 4),
                        steps=[x.shape[1] for x in results[0].losses],
                    )
                    if backend == self.backend:
                        self.figures[name] = times[-1]
                if max(size) > 1500:
                    break  # plain PyTorch is timed by the step there

    def steps(self) -> None:
        """One step of each method."""
        if self.limits is None:
            self.ceilings()
        assert self.limits is not None
        for size in self.options.sizes:
            reference, image = methods.pair(self.options.picture, (size, size), self.device)
            memory = 2**33 if self.gpu else 2**28
            # Where steps are recorded anew in each call, many of them, as a level makes.
            number = EVERY * (5 if size <= 512 and self.gpu else 1)
            contest: dict[str, tuple[methods.Steps, int]] = {}
            for backend in dict.fromkeys([self.backend, "torch"]):
                contest[f"ours, {backend}"] = (
                    methods.descent(gpdm.SWDLoss(backend=backend), reference, image, memory),
                    EVERY,
                )
                alone = gpdm.SWDLoss(backend=backend, coherence=0.0)
                contest[f"ours without coherence, {backend}"] = methods.descent(alone, reference, image, memory), number
            if size <= self.options.sorted_limit:
                contest["sorted"] = methods.algorithm_1(reference, image), 5
            medians = {name: self.timed(*each) for name, each in contest.items()}
            for name, seconds in medians.items():
                self.rows.add("step", size=size, method=name, milliseconds=round(seconds * 1e3, 4))
            floor = work(gpdm.SWDLoss(coherence=0.0), (size, size)).seconds(self.limits)
            ours, alone = medians[f"ours, {self.backend}"], medians[f"ours without coherence, {self.backend}"]
            ratios = {
                "floor": round(floor * 1e3, 4),
                "times its floor": round(alone / floor, 2),
                "with coherence": round(ours / floor, 2),
            }
            self.figures[f"floor {size}"] = alone / floor
            if "sorted" in medians:
                ratios["times faster than sorted"] = round(medians["sorted"] / ours, 2)
                ratios["without coherence"] = round(medians["sorted"] / alone, 2)
                self.figures[f"step {size}"] = medians["sorted"] / ours
            self.rows.add("roofline", size=size, **ratios)

    def timed(self, steps: methods.Steps, number: int, repeats: int = 5) -> float:
        """Seconds a step, the median."""
        steps(number)
        times = []
        for _ in range(repeats):
            if times and self.left() < 60:
                break
            times.append(methods.seconds(lambda: steps(number), self.device) / number)
        return statistics.median(times)

    def peak(self) -> None:
        """Memory of steps above the pictures, each size in a process of its own."""
        for size in (2048, 4096) if self.gpu else self.options.sizes:
            command = [
                sys.executable,
                str(Path(__file__).with_name("peak.py")),
                str(size),
                "--device",
                self.device,
                "--memory",
                str(2**33),
            ]
            answer = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=True, timeout=max(self.left(), 30)
            )
            self.figures[f"peak {size}"] = int(answer.stdout) / 2**30
            self.rows.add("peak", size=size, bytes=int(answer.stdout))

    def allocator(self) -> None:
        """A small picture with the allocator that ComfyUI takes by default on many cards."""
        if not self.gpu:
            return
        command = [sys.executable, "-m", "gpdm.cli.main", "reshuffle", str(self.options.picture), "-o", ""]
        with tempfile.TemporaryDirectory() as folder:
            command[-1] = str(Path(folder) / "out.png")
            command += ["--height", "96", "--quality", "fast", "--device", self.device]
            environment = {**os.environ, "PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"}
            answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=90, check=False)
        self.rows.add(
            "allocator", passed=answer.returncode == 0, said=answer.stderr[-400:] if answer.returncode else ""
        )

    def profile(self) -> None:
        """Where the time of a step goes: the kernels that take longest, at a small and at a large size."""
        if not self.gpu:
            return
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as profiled

        for size in (64, 2048):
            steps = methods.descent(
                gpdm.SWDLoss(), *methods.pair(self.options.picture, (size, size), self.device), 2**33
            )
            steps(20)
            with profiled(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as seen:
                steps(20)
                methods.synchronise(self.device)
            found = [
                (event.key[:70], event.self_device_time_total / 20, event.count / 20) for event in seen.key_averages()
            ]
            found = sorted((event for event in found if event[1] > 0), key=lambda event: -event[1])[:14]
            self.rows.add(
                "profile", size=size, microseconds_a_step={f"{key} x{count:g}": round(t, 1) for key, t, count in found}
            )

    def variants(self) -> None:
        """The gradient's kernel at 2048x2048, cut and compiled in other ways."""
        if self.backend != "triton" or not self.gpu:
            return
        from gpdm.kernels import triton_gradient, triton_tiles

        reference, image = methods.pair(self.options.picture, (2048, 2048), self.device)
        loss = gpdm.SWDLoss(small_patches=0.0, num_proj=38, coherence=0.0)
        objective = gpdm.bind(loss, gpdm.as_references(reference), gpdm.Canvas(size=(2048, 2048)))
        projected = objective.sample(image, 0, gpdm.OutputState(torch.Generator().manual_seed(0))).references[0]
        gradients = torch.randn_like(projected.cdf_p)
        usual = triton_tiles.LARGE
        for lanes, warps, stages, registers in [(128, 8, 2, 128), (128, 8, 2, 0), (128, 8, 1, 128), (128, 8, 1, 0), (128, 8, 3, 128), (128, 4, 2, 0), (64, 4, 2, 0), (64, 4, 1, 0), (256, 8, 2, 0)]:  # fmt: skip
            if self.left() < 20:
                break
            found: dict[str, object] = {}
            limit = {"maxnreg": registers} if registers else {}
            triton_gradient.LARGE = replace(usual, lanes=lanes, warps=warps, stages=stages, gradient=limit)
            try:
                seconds = self.timed(
                    lambda n: [
                        triton_gradient.backproject(image, projected.filters, projected.bins, gradients)
                        for _ in range(n)
                    ],
                    10,
                )
                found["milliseconds"] = round(seconds * 1e3, 4)
            except Exception as error:  # too large for the card, say: the others are tried all the same
                found["error"] = f"{type(error).__name__}: {str(error)[:200]}"
            finally:
                triton_gradient.LARGE = usual
            self.rows.add("variant", lanes=lanes, warps=warps, stages=stages, registers=registers, **found)

    def table(self) -> None:
        """What was asked, and what was measured."""
        print("\n| what | at least | aim | measured |\n| --- | --- | --- | --- |")
        for what, figure, asked, aim, more in REACH:
            measured = self.figures.get(figure)
            verdict = "not measured"
            if measured is not None:
                met = [measured >= bound if more else measured <= bound for bound in (asked, aim)]
                verdict = f"{measured:.3g} ({'aim met' if met[1] else 'met' if met[0] else 'missed'})"
            print(f"| {what} | {asked:g} | {aim:g} | {verdict} |")
        print(f"{time.perf_counter() - self.started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., object] = parser.add_argument
    add("--device", default="cuda")
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--budget", type=float, default=540.0, help="seconds")
    add("--sizes", type=int, nargs="+", default=[64, 256, 512, 1024, 2048], help="of steps")
    add("--pictures", type=int, nargs="+", default=[48], help="sizes of whole pictures where there is no GPU")
    add("--sorted-limit", type=int, default=2048, help="largest size of the sorted baseline")
    add("--picture", type=Path, default=methods.PICTURE)
    add("--out", type=Path, default=Path(__file__).with_name("results") / "gpu.jsonl")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --device cpu tries the script out")
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # what falls back says so
    GPU(options).run()


if __name__ == "__main__":
    main()
