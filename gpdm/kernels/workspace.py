"""The memory of a step: strips of rows, buffers, and retries after running out of memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

STRIP_PROJECTIONS = 2**20
"""Projections in a strip on a CPU: few enough for a processor's caches, enough to keep it busy."""
GPU_STRIP_PROJECTIONS = 2**22
"""Projections in a strip on a GPU: enough for few launches."""
MIN_STRIP_ROWS = 8
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


class Workspace:
    """The strips and buffers of a step.

    Arguments:
        device: The device of the images.
        keep_bytes: Bytes for bins that are kept from counting to backprojection.
    """

    def __init__(self, device: torch.device, keep_bytes: int) -> None:
        self.device, self.keep_bytes = device, keep_bytes
        self.strip_projections = STRIP_PROJECTIONS if device.type == "cpu" else GPU_STRIP_PROJECTIONS
        self.buffers: dict[str, Tensor] = {}

    def reduce_memory(self) -> str | None:
        """Reduces the memory of a step and returns a description of how; None if nothing can be reduced any more.

        First bins are computed twice instead of kept, then strips are halved.
        """
        self.buffers.clear()
        if self.keep_bytes > 0:
            self.keep_bytes = 0
            return "without stored projections, which are computed twice"
        if self.strip_projections > 2**12:
            self.strip_projections //= 2
            return "with half the strip size"
        return None

    def strips(self, rows: int, columns: int, directions: int) -> list[slice]:
        """Splits the rows of a patch grid, (rows, columns) with `directions` filters, into strips."""
        height = max(self.strip_projections // (columns * directions), MIN_STRIP_ROWS)
        return [slice(start, min(start + height, rows)) for start in range(0, rows, height)]

    def kept(self, projections: Sequence[int]) -> list[Tensor] | None:
        """Returns memory for the bins of all strips, int32, with their numbers of projections; None if too little."""
        if 4 * sum(projections) > self.keep_bytes:
            return None
        return list(self.buffer("kept", sum(projections), torch.int32).split(list(projections)))

    def buffer(self, name: str, size: int, dtype: torch.dtype) -> Tensor:
        """Returns uninitialised memory for `size` elements.

        On a CPU it is kept under its name from step to step, since allocating it would take as long as filling it. On a
        GPU it is not kept: PyTorch's allocator caches memory itself, and that of a captured step must not be used by
        others.
        """
        if self.device.type != "cpu":
            return torch.empty(size, dtype=dtype, device=self.device)
        if name not in self.buffers or len(self.buffers[name]) < size:
            self.buffers[name] = torch.empty(size, dtype=dtype, device=self.device)
        return self.buffers[name][:size]
