"""How much of a step is worked off at a time, in which buffers, and what is done when memory runs out all the same."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

BLOCK_VALUES = 2**20
"""Projections worked off at a time: few enough to stay near a processor's caches, enough to keep it busy."""
GPU_BLOCK_VALUES = 2**23
"""The same on a GPU, if memory allows: enough to make launches few."""
VALUE_BYTES = 24
"""What a projection takes while it is worked on: itself and its slope (float32), its bin (int64), and its float64 weights, if it has one."""


def retry_with_less_memory(work: Callable[[], T], reduce_memory: Callable[[], str | None]) -> T:
    """Returns what `work` returns; each time memory runs out in it, calls `reduce_memory` and tries again.

    `reduce_memory` makes the work need less and says in words what it did, which is logged; or it returns None when it can do no
    more, and the error goes on.
    """
    while True:
        try:
            return work()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            done = reduce_memory()
            if done is None:
                raise
        # Outside of the handler: the error holds the frames, and with them the tensors, of what failed.
        logging.getLogger(__name__).warning("GPDM: out of memory; %s and goes on.", done)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on whichever device."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "DefaultCPUAllocator" in str(error)


class Workspace:
    """How much of a step is worked off at a time, and the buffers in which that is done."""

    def __init__(self, device: torch.device, keep_bytes: int) -> None:
        self.device, self.keep_bytes, self.block_values = device, keep_bytes, BLOCK_VALUES
        more = VALUE_BYTES * (GPU_BLOCK_VALUES - BLOCK_VALUES)
        if device.type != "cpu" and keep_bytes >= more:
            self.keep_bytes, self.block_values = keep_bytes - more, GPU_BLOCK_VALUES
        self.buffers: dict[str, Tensor] = {}

    def reduce_memory(self) -> str | None:
        """Makes a step need less memory: first bins are found twice instead of held, then strips are halved."""
        self.buffers.clear()
        if self.keep_bytes > 0:
            self.keep_bytes = 0
            return "computes projections twice instead of holding them"
        if self.block_values > 2**12:
            self.block_values //= 2
            return "halves the strips it works in"
        return None

    def strips(self, rows: int, columns: int, directions: int) -> list[slice]:
        """Rows of the patch grid that are worked off together."""
        height = max(self.block_values // (columns * directions), 1)
        return [slice(start, min(start + height, rows)) for start in range(0, rows, height)]

    def buffer(self, name: str, size: int, dtype: torch.dtype) -> Tensor:
        """`size` numbers of memory. On a CPU it is kept from step to step: asking for it anew would cost as much as filling it. PyTorch
        does so itself on a GPU, where what a recorded step uses must not be given to others."""
        if self.device.type != "cpu":
            return torch.empty(size, dtype=dtype, device=self.device)
        if name not in self.buffers or len(self.buffers[name]) < size:
            self.buffers[name] = torch.empty(size, dtype=dtype, device=self.device)
        return self.buffers[name][:size]
