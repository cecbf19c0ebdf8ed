"""How much memory does a step take?

Prints the peak in bytes above the two images; `measure` starts one process for each size.

    python -m benchmarks.speed.peak 512 [--threads 2] [--device cpu] [--memory BYTES]

The two images exist before; gradients, Adam's moments and everything else count. On a CPU it is the peak of the
resident memory, as Linux reports it in /proc. `getrusage` would not do, since its peak starts with that of the
parent process.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

import torch

import gpdm
from gpdm.memory import CPU_WORKING_BYTES

from ..algorithm_1 import Steps
from ..common import DEFAULT_IMAGE
from .methods import gpdm_steps, pair

STEPS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", type=int, help="height and width, in pixels")
    parser.add_argument("--image", type=Path, default=DEFAULT_IMAGE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", type=int, default=CPU_WORKING_BYTES, help="bytes that a step may use")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    def steps(size: int) -> Steps:
        reference, image = pair(options.image, (size, size), options.device)
        return lambda number: gpdm_steps(gpdm.SWDLoss(), reference, image, options.memory)(number)

    steps(32)(STEPS)  # libraries load at their first use, which is not counted
    measured = steps(options.size)
    print(peak_on_gpu(measured) if options.device.startswith("cuda") else peak_on_cpu(measured))


def peak_on_gpu(steps: Steps) -> int:
    """Returns the peak of the allocated memory during the steps above that before, in bytes."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    steps(STEPS)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def peak_on_cpu(steps: Steps) -> int:
    """Returns the peak of the resident memory during the steps above that before, in bytes; Linux only."""
    # Resets the peak to what is resident now. Some systems do not allow it; the peak so far is low beside images of
    # more than 256 pixels.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    steps(STEPS)
    return resident("VmHWM") - before


def resident(key: str) -> int:
    """Returns the resident memory now (VmRSS) or at its peak (VmHWM), in bytes; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


if __name__ == "__main__":
    main()
