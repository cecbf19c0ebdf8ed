"""How much memory does a level take?

Prints two numbers: the peak in bytes above the two images, and that of the whole process. `measure` starts one process
for each size.

    python -m benchmarks.speed.peak 2048 [--threads 2] [--device cpu] [--memory BYTES]
    python -m benchmarks.speed.peak 6000x4000

The two images exist before and the level begins with the second; the reference in the fast layout, gradients, Adam's
moments, searches and everything else count. On a CPU it is the peak of the resident memory, as Linux reports it in
/proc. `getrusage` would not do, since its peak starts with that of the parent process.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Generator, Tensor

import gpdm
from gpdm.memory import CPU_WORKING_BYTES
from gpdm.optimizers.base import LevelProblem, solve_level

from ..common import DEFAULT_IMAGE, Size
from .methods import pair

STEPS = 3
"""Number of steps: the third adds nothing to the peak, and a search is made in the first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", type=size_of_text, help="length of the edges in pixels, or width x height as 6000x4000")
    parser.add_argument("--image", type=Path, default=DEFAULT_IMAGE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", type=int, default=CPU_WORKING_BYTES, help="bytes that a step may use")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    def steps(size: Size) -> Callable[[], None]:
        images = pair(options.image, size, options.device)
        return lambda: solve(*images, options.memory)

    steps((80, 80))()  # libraries load at their first use, which is not counted
    measured = steps(options.size)
    peak = peak_on_gpu if options.device.startswith("cuda") else peak_on_cpu
    print(*peak(measured))


def size_of_text(text: str) -> Size:
    """Returns height and width from "512" or "6000x4000", width first."""
    lengths = [int(length) for length in text.split("x")]
    return lengths[-1], lengths[0]


@torch.no_grad()
def solve(reference: Tensor, image: Tensor, memory: int) -> None:
    """Makes the steps of one level, of the size of `image`, with which it begins and which it overwrites."""
    loss = gpdm.SWDLoss()
    canvas = gpdm.Canvas(size=(image.shape[2], image.shape[3]), border=loss.border)
    problem = LevelProblem.at(1.0, gpdm.as_references(reference), canvas, loss, memory)
    generator, optimizer = Generator().manual_seed(0), gpdm.Optimizer(num_steps=STEPS)
    solve_level(optimizer, problem, [image], [generator], STEPS, lambda *_: None)


def peak_on_gpu(steps: Callable[[], None]) -> tuple[int, int]:
    """Returns the peak of the allocated memory during the steps, above that before and in all, in bytes."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    steps()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before, torch.cuda.max_memory_allocated()


def peak_on_cpu(steps: Callable[[], None]) -> tuple[int, int]:
    """Returns the peak of the resident memory during the steps, above that before and in all, in bytes; Linux only."""
    # Resets the peak to what is resident now. Some systems do not allow it; the peak so far is low beside images of
    # more than 256 pixels.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    steps()
    return resident("VmHWM") - before, resident("VmHWM")


def resident(key: str) -> int:
    """Returns the resident memory now (VmRSS) or at its peak (VmHWM), in bytes; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


if __name__ == "__main__":
    main()
