"""The number of CPU threads that a level uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SHARED_PIXELS = 2**14
"""Pixels from which the work of a step is shared among threads. Measured on two cores with a passive wait policy: below, one
thread is as fast as two or faster (benchmarks/README.md)."""


@contextmanager
def threads_for(pixels: int, device: torch.device) -> Iterator[None]:
    """Runs its block on one CPU thread if the images have too few `pixels` to share the work.

    Threads that wait for work spin unless OMP_WAIT_POLICY=passive was set before torch was loaded. Inside ComfyUI it is not, and on
    a machine that does anything else the many small operations of coarse levels then become 10 to 20 times slower. The number of
    threads is put back at the end of the block, also after an exception.
    """
    before = torch.get_num_threads()
    if device.type != "cpu" or pixels >= SHARED_PIXELS or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
