"""The memory and the threads of a step: strips of rows, and retries after running out of memory."""

from __future__ import annotations

import functools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TypeVar

import torch

S = TypeVar("S")
T = TypeVar("T")

STRIP_PROJECTIONS = 2**18
"""Projections in a strip on a CPU: few enough for a processor's caches and for several threads, enough to keep each of
them busy."""
GPU_STRIP_PROJECTIONS = 2**22
"""Projections in a strip on a GPU: enough for few launches."""
MIN_STRIP_ROWS = 16
"""Minimum number of rows in a strip: each strip projects the rows at its lower end again."""
PROJECTION_BYTES = 24
"""Bytes of a projection in a strip: its value, its bin coordinate, its bin and its gradient (4 each), and its weight
(float64), if it has one."""


def retry_with_less_memory(work: Callable[[], T], reduce_memory: Callable[[], str | None]) -> T:
    """Returns the result of `work`; each time it runs out of memory, calls `reduce_memory` and tries again.

    `reduce_memory` reduces the memory that `work` needs and returns a description of how ("with half the strip size"),
    which is logged. If it returns None, nothing can be reduced any more, and the error is raised.
    """
    while True:
        try:
            return work()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            change = reduce_memory()
            if change is None:
                raise
        # Outside of the handler, because the error keeps the failed frames, and with them their tensors, alive.
        logging.getLogger(__name__).warning("GPDM: out of memory; continuing %s.", change)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Returns whether an error means that memory ran out, on any device."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "DefaultCPUAllocator" in str(error)


strip_threads: ContextVar[int] = ContextVar("strip_threads", default=1)
"""Number of threads that process strips, on a CPU."""


class Workspace:
    """The strips of a step, and the threads that process them.

    On a CPU each strip is processed by one thread. A thread for every strip costs less than sharing each operation
    among the threads, since they meet less often.

    Arguments:
        device: The device of the images.
        keep_bytes: Bytes for bins that are kept from counting to backprojection.
    """

    def __init__(self, device: torch.device, keep_bytes: int) -> None:
        self.keep_bytes = keep_bytes
        self.strip_projections = STRIP_PROJECTIONS if device.type == "cpu" else GPU_STRIP_PROJECTIONS
        self.threads = strip_threads.get() if device.type == "cpu" else 1

    def reduce_memory(self) -> str | None:
        """Reduces the memory of a step and returns a description of how; None if nothing can be reduced any more.

        First bins are computed twice instead of kept, then strips are processed one by one, then they are halved.
        """
        if self.keep_bytes > 0:
            self.keep_bytes = 0
            return "without stored projections, which are computed twice"
        if self.threads > 1:
            self.threads = 1
            return "with one strip at a time"
        if self.strip_projections > 2**12:
            self.strip_projections //= 2
            return "with half the strip size"
        return None

    def strips(self, rows: int, columns: int, directions: int) -> list[slice]:
        """Splits the rows of a patch grid, (rows, columns) with `directions` filters, into strips."""
        height = max(self.strip_projections // (columns * directions), MIN_STRIP_ROWS)
        return [slice(start, min(start + height, rows)) for start in range(0, rows, height)]

    def keeps(self, projections: int) -> bool:
        """Returns whether there is memory for the bins of so many projections, int32."""
        return 4 * projections <= self.keep_bytes

    def map(self, work: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
        """Yields the results of `work` for all items, in their order. On a CPU several threads work at a time."""
        if self.threads == 1 or len(items) == 1:
            yield from map(work, items)
            return
        pool = _pool(self.threads)
        # Few results wait at a time, since each may hold memory.
        running = deque(pool.submit(work, item) for item in items[: 2 * self.threads])
        for item in [*items[2 * self.threads :], *[None] * len(running)]:
            yield running.popleft().result()
            if item is not None:
                running.append(pool.submit(work, item))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Returns threads for strips, in each of which torch uses one thread."""

    def start() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # after this call the number of this thread stays
        torch.set_grad_enabled(False)  # each thread has its own mode

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "gpdm strips", start)
    for future in [pool.submit(time.sleep, 0.01) for _ in range(threads)]:
        future.result()
    torch.set_num_threads(before)  # part of that setting is common to all threads
    return pool
