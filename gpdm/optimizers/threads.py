"""The number of CPU threads at a level."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SHARED_PIXELS = 2**14
"""Number of pixels from which a step uses several threads. Measured on two cores with a passive wait policy: with
fewer pixels one thread is as fast as two or faster (benchmarks/README.md)."""


@contextmanager
def threads_for(pixels: int, device: torch.device) -> Iterator[None]:
    """Returns a context that uses one CPU thread if the images have fewer than `SHARED_PIXELS` pixels.

    Waiting threads spin unless OMP_WAIT_POLICY=passive was set before torch was loaded; ComfyUI does not set it. On a
    busy machine the many small operations of coarse levels then become 10 to 20 times slower. The number of threads is
    restored at the end of the block, also after an exception.
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
