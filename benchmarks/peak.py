"""Peak memory of this package's steps above the pictures, in a process of its own (`speed.py` starts one for each size).

    python benchmarks/peak.py 512 [--threads 2] [--device cpu] [--memory BYTES]

Prints bytes. The two pictures are there before; Adam's moments, gradients and everything else count. On a CPU it is the peak of
the resident memory as Linux keeps it for this process: `getrusage` would not do, as its peak begins with that of the parent.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

import passive_threads  # noqa: F401
import torch
from methods import PICTURE, Steps, descent, pair

import gpdm

STEPS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", type=int)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", type=int, default=2**28)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    def steps(size: int) -> Steps:
        reference, image = pair(options.picture, (size, size), options.device)
        return lambda number: descent(gpdm.SWDLoss(), reference, image, options.memory)(number)

    steps(32)(STEPS)  # what the libraries load at their first use is not counted
    measured = steps(options.size)
    print(peak_on_gpu(measured) if options.device.startswith("cuda") else peak_on_cpu(measured))


def peak_on_gpu(steps: Steps) -> int:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    steps(STEPS)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def peak_on_cpu(steps: Steps) -> int:
    with contextlib.suppress(
        OSError
    ):  # not everywhere allowed; the peak so far is low, for pictures of more than 256 pixels
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is resident now
    before = resident("VmRSS")
    steps(STEPS)
    return resident("VmHWM") - before


def resident(key: str) -> int:
    """Resident memory now (VmRSS) or at its peak (VmHWM), in bytes; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


if __name__ == "__main__":
    main()
