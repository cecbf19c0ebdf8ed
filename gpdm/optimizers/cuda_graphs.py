"""CUDA graphs of steps: captured once, then replayed with new inputs.

Replaying saves launches, which take most of the time of small levels.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from ..kernels.choose import log_once

T = TypeVar("T")
WARMUP_STEPS = 3
"""Consecutive steps with the same shapes before a step is captured, so that compilation and allocation are over by
then."""
QUEUED_STEPS = 16
"""Half the maximum number of steps queued on a GPU. The limit keeps progress, previews and cancel responsive."""


Recorder = Callable[[Callable[[], object]], Callable[[], None]]
"""A function that records work on a device, without executing it, and returns a function that repeats it."""


def record_cuda_graph(work: Callable[[], object]) -> Callable[[], None]:
    """Records work as a CUDA graph with its own memory pool, and returns a function that replays the graph."""
    # Not `torch.cuda.graph`: it first collects garbage and empties caches, a tenth of a second in a host application.
    # During a capture, collection is disabled, because a destructor may make a CUDA call that invalidates it.
    graph, stream, current = torch.cuda.CUDAGraph(), torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(current)
    collecting = gc.isenabled()
    gc.disable()
    try:
        with torch.cuda.stream(stream):
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                work()
            finally:
                graph.capture_end()
    finally:
        if collecting:
            gc.enable()
    current.wait_stream(stream)
    return graph.replay


_capture_errors: list[str] = []
"""Error messages of failed captures in this process. After a failure nothing is captured any more, because PyTorch may
be left in an unfinished capture."""


def recorder_for(device: torch.device, backend: str) -> Recorder | None:
    """Returns a recorder for the work of a backend on this device; None if it cannot be captured."""
    if device.type != "cuda" or torch.version.hip or _capture_errors:
        return None
    # Triton refuses the addresses that this allocator returns during a capture, which are not mapped yet.
    if backend == "triton" and torch.cuda.get_allocator_backend() == "cudaMallocAsync":
        log_once(
            "GPDM: steps are not captured as CUDA graphs, since PyTorch allocates with cudaMallocAsync; small pictures "
            "are faster without it (ComfyUI: --disable-cuda-malloc).",
            logging.INFO,
        )
        return None
    return record_cuda_graph


class GraphedStep(Generic[T]):
    """A function with a cache of one CUDA graph: captured after some calls with the same signature, then replayed.

    `work` changes tensors in place, always the same ones, and returns a scalar. Its result may depend only on its
    argument and on these tensors, and it may not copy a value from the device to the host.
    """

    def __init__(self, work: Callable[[T], Tensor], record: Recorder) -> None:
        self.work = work
        self.record: Recorder | None = record  # None after a failed capture
        self.signature: Any = None  # of the last call; see `_signature`
        self.calls = 0  # consecutive ones with this signature
        self.replay: Callable[[], None] | None = None

    def __call__(self, inputs: T) -> Tensor:
        """Returns the scalar that `work` returns for `inputs`."""
        if self.record is None:
            return self.work(inputs)
        tensors: list[Tensor] = []
        signature = _signature(inputs, tensors)
        if signature != self.signature:
            self.signature, self.calls, self.replay = signature, 0, None
        self.calls += 1
        if self.replay is None and self.calls > WARMUP_STEPS and not _capture_errors:
            self._capture(inputs, tensors)
        if self.replay is None:
            self.result = self.work(inputs)
            return self.result
        # A tensor that is the same object as at the last call has the same values, and is not copied again.
        changed = [
            (static, new)
            for static, new, last in zip(self.static_tensors, tensors, self.last_tensors, strict=True)
            if new is not last
        ]
        if changed:
            static, new = map(list, zip(*changed, strict=True))
            torch._foreach_copy_(static, new)  # pyright: ignore[reportPrivateImportUsage]
            self.last_tensors = tensors
        self.replay()
        return self.result.clone()

    def _capture(self, inputs: T, tensors: list[Tensor]) -> None:
        """Records the step for copies of the input tensors, `static_tensors`, which replays read."""
        static_inputs, result = map_tensors(torch.clone, inputs), torch.empty_like(self.result)
        self.static_tensors: list[Tensor] = []
        _signature(static_inputs, self.static_tensors)
        self.last_tensors = tensors
        assert self.record is not None
        try:
            # New objects, because values that the old ones have cached from their tensors become stale when these
            # change.
            self.replay = self.record(
                lambda: result.copy_(self.work(map_tensors(lambda tensor: tensor, static_inputs)))
            )
            self.result = result
        except Exception as error:  # after any failure the kernels can still be launched one by one
            reason = (str(error.__context__ or error).splitlines() or [type(error).__name__])[0]
            logging.getLogger(__name__).warning(
                "GPDM: a step could not be captured as a CUDA graph; kernels are launched one by one from now on: %s",
                reason,
            )
            _capture_errors.append(reason)
            self.record = None


def map_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Returns a copy of `value` with `change` applied to every tensor inside tuples, lists and dataclasses."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (tuple, list)):
        return type(value)(map_tensors(change, item) for item in value)
    if names := _fields(type(value)):
        return dataclasses.replace(value, **{name: map_tensors(change, getattr(value, name)) for name in names})
    return value


def _signature(value: Any, tensors: list[Tensor]) -> Any:
    """Returns everything that a capture fixes: shapes, strides, types and all values that are not tensors.

    The tensors are appended to `tensors`.
    """
    if isinstance(value, Tensor):
        tensors.append(value)
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, (tuple, list)):
        return [_signature(item, tensors) for item in value]
    if names := _fields(type(value)):
        return type(value), [_signature(getattr(value, name), tensors) for name in names]
    return value


@functools.cache
def _fields(kind: type) -> tuple[str, ...]:
    """Returns the field names of a dataclass in their order; an empty tuple for other types."""
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


class QueueLimit:
    """A limit on the number of steps that the host queues on a GPU, high enough that the GPU never idles."""

    def __init__(self, device: torch.device) -> None:
        self.events: list[torch.cuda.Event] = []
        self.steps, self.cuda = 0, device.type == "cuda"

    def step(self) -> None:
        """Counts a step. Every `QUEUED_STEPS` steps, waits until a GPU has done all but the last `QUEUED_STEPS`."""
        self.steps += 1
        if not self.cuda or self.steps % QUEUED_STEPS:
            return
        event = torch.cuda.Event()
        event.record()
        self.events.append(event)
        if len(self.events) > 1:
            self.events.pop(0).synchronize()


def current_device(device: torch.device) -> AbstractContextManager[object]:
    """Returns a context in which `device` is the current CUDA device, for kernel launches and graph captures."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
