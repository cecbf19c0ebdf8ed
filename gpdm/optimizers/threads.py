"""The number of CPU threads at a level."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..kernels.workspace import strip_threads

SHARED_PIXELS = 2**16
"""Number of pixels from which a step uses several threads, one for each strip of a distance. With fewer pixels one
thread was as fast as two (benchmarks/README.md)."""
LARGE_PIXELS = 2**19
"""Number of pixels from which all other operations use several threads too. With fewer, waking the threads for each
operation takes longer than they save."""


@contextmanager
def threads_for(pixels: int, device: torch.device) -> Iterator[None]:
    """Returns a context with the number of CPU threads for images of so many pixels.

    Waiting threads spin unless OMP_WAIT_POLICY=passive was set before torch was loaded; ComfyUI does not set it. On a
    busy machine the many small operations of coarse levels then become 10 to 20 times slower. The number of threads is
    restored at the end of the block, also after an exception.
    """
    before = torch.get_num_threads()
    if device.type != "cpu" or before == 1:
        yield
        return
    token = strip_threads.set(before if pixels >= SHARED_PIXELS else 1)
    if pixels < LARGE_PIXELS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        strip_threads.reset(token)
