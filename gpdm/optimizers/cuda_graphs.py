"""CUDA graphs of steps: captured once, then replayed with new inputs, so that small levels do not wait for the host."""

from __future__ import annotations

import dataclasses
import functools
import gc
import logging
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from ..kernels.choose import say_once

T = TypeVar("T")
WARMUP_STEPS = 3
"""Consecutive steps with the same shapes before a step is captured, so that compilation and allocation are over by
then."""
QUEUED_STEPS = 16
"""Half the maximum number of steps queued on a GPU. The limit keeps progress, previews and cancel responsive."""


class Recorder(Protocol):
    """A way to record work on a device and to replay it."""

    def record(self, work: Callable[[], object]) -> Callable[[], None]:
        """Returns a function that repeats the recorded work. The recording itself does not execute it."""
        ...


class CUDARecorder:
    """A recorder of CUDA graphs, each with its own memory pool."""

    def record(self, work: Callable[[], object]) -> Callable[[], None]:
        """See `Recorder.record`."""
        # Not `torch.cuda.graph`: it first collects garbage and empties caches, a tenth of a second in a host
        # application. During a capture, collection is disabled, because a destructor may make a CUDA call that
        # invalidates it.
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


_failed: list[str] = []
"""Error messages of failed captures in this process. After one nothing is captured any more, because PyTorch may be
left in an unfinished capture."""


def recorder_for(device: torch.device, backend: str) -> Recorder | None:
    """Returns a recorder for the work of a backend on this device; None if it cannot be captured."""
    if device.type != "cuda" or torch.version.hip or _failed:
        return None
    # Triton refuses the addresses that this allocator returns during a capture, which are not mapped yet.
    if backend == "triton" and torch.cuda.get_allocator_backend() == "cudaMallocAsync":
        say_once(
            "GPDM: steps are not recorded as CUDA graphs, since PyTorch allocates with cudaMallocAsync; small pictures are faster without it "
            "(ComfyUI: --disable-cuda-malloc).",
            logging.INFO,
        )
        return None
    return CUDARecorder()


class GraphedStep(Generic[T]):
    """A function with a cache of one CUDA graph: captured after some calls with the same shapes, then replayed.

    `work` changes tensors in place, always the same ones, and returns a scalar. Its result may depend only on its
    argument and on these tensors, and it may not copy a value from the device to the host.
    """

    def __init__(self, work: Callable[[T], Tensor], recorder: Recorder | None) -> None:
        """Without a recorder every call executes `work` directly."""
        self.work, self.recorder = work, recorder
        self.fixed: Any = None
        self.alike = 0
        self.replay: Callable[[], None] | None = None

    def __call__(self, given: T) -> Tensor:
        """Returns the scalar that `work` returns for `given`."""
        if self.recorder is None:
            return self.work(given)
        tensors: list[Tensor] = []
        fixed = _fixed_parts(given, tensors)
        if fixed != self.fixed:
            self.fixed, self.alike, self.replay = fixed, 0, None
        self.alike += 1
        if self.replay is None and self.alike > WARMUP_STEPS and not _failed:
            self._record(given, tensors)
        if self.replay is None:
            self.result = self.work(given)
            return self.result
        new = [(own, other) for own, other, last in zip(self.own, tensors, self.last, strict=True) if other is not last]
        if new:
            torch._foreach_copy_([own for own, _ in new], [other for _, other in new])  # pyright: ignore[reportPrivateImportUsage]
            self.last = tensors
        self.replay()
        return self.result.clone()

    def _record(self, given: T, tensors: list[Tensor]) -> None:
        copy, result = map_tensors(torch.clone, given), torch.empty_like(self.result)
        self.own: list[Tensor] = []
        _fixed_parts(copy, self.own)
        self.last = tensors
        assert self.recorder is not None
        try:
            # New objects, because values that the old ones have cached from their tensors become stale when these
            # change.
            self.replay = self.recorder.record(
                lambda: result.copy_(self.work(map_tensors(lambda tensor: tensor, copy)))
            )
            self.result = result
        except Exception as error:  # after any failure the step can still be launched kernel by kernel
            reason = (str(error.__context__ or error).splitlines() or [type(error).__name__])[0]
            logging.getLogger(__name__).warning(
                "GPDM: a step could not be recorded as a CUDA graph; steps are launched piece by piece from now on: %s",
                reason,
            )
            _failed.append(reason)
            self.recorder = None


def map_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Returns a copy of `value` with `change` applied to every tensor inside tuples, lists and dataclasses."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (tuple, list)):
        return type(value)(map_tensors(change, each) for each in value)
    if names := _fields(type(value)):
        return dataclasses.replace(value, **{name: map_tensors(change, getattr(value, name)) for name in names})
    return value


def _fixed_parts(value: Any, tensors: list[Tensor]) -> Any:
    """Returns what a capture fixes: shapes, strides, types and all values that are not tensors.

    The tensors are appended to `tensors`.
    """
    if isinstance(value, Tensor):
        tensors.append(value)
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, (tuple, list)):
        return [_fixed_parts(each, tensors) for each in value]
    if names := _fields(type(value)):
        return type(value), [_fixed_parts(getattr(value, name), tensors) for name in names]
    return value


@functools.cache
def _fields(kind: type) -> tuple[str, ...]:
    """Returns the field names of a dataclass in their order; an empty tuple for other types."""
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


class QueueLimit:
    """A limit on the number of steps that the host queues on a GPU. It is high enough that the GPU never idles."""

    def __init__(self, device: torch.device) -> None:
        self.events: list[torch.cuda.Event] = []
        self.steps, self.cuda = 0, device.type == "cuda"

    def step(self) -> None:
        """Counts a step. On a GPU, at every `QUEUED_STEPS`-th step it waits until all steps but the last `QUEUED_STEPS`
        have finished."""
        self.steps += 1
        if not self.cuda or self.steps % QUEUED_STEPS:
            return
        event = torch.cuda.Event()
        event.record()
        self.events.append(event)
        if len(self.events) > 1:
            self.events.pop(0).synchronize()
