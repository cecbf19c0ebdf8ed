"""Steps as CUDA graphs: recorded once, then replayed with other numbers, so that small levels do not wait for the host."""

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
"""Steps in a row that differ in their tensors' numbers only, before a step is recorded: compilation and allocation are over then."""
QUEUED_STEPS = 16
"""At most twice so many steps are queued on a GPU, so that progress, previews and cancel stay responsive."""


class Recorder(Protocol):
    """A way to record work on a device and replay it."""

    def record(self, work: Callable[[], object]) -> Callable[[], None]:
        """Returns a function that does the recorded work. Recording itself does nothing."""
        ...


class CUDARecorder:
    """A recorder of CUDA graphs, each with memory of its own."""

    def record(self, work: Callable[[], object]) -> Callable[[], None]:
        """See `Recorder`."""
        # `torch.cuda.graph` would first collect garbage and empty caches, in a host application a tenth of a second each time. What
        # is collected during a recording, though, may call CUDA in ways that end it.
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
"""Why a recording failed in this process. There is no second try: PyTorch may be left with a recording that has not ended."""


def recorder_for(device: torch.device, backend: str) -> Recorder | None:
    """Returns what can record a backend's work on this device, if anything can."""
    if device.type != "cuda" or torch.version.hip or _failed:
        return None
    # Triton refuses addresses that are not there yet, as those which this allocator gives out during a recording.
    if backend == "triton" and torch.cuda.get_allocator_backend() == "cudaMallocAsync":
        say_once(
            "GPDM: steps are not recorded as CUDA graphs, since PyTorch allocates with cudaMallocAsync; small pictures are faster without it "
            "(ComfyUI: --disable-cuda-malloc).",
            logging.INFO,
        )
        return None
    return CUDARecorder()


class GraphedStep(Generic[T]):
    """A cache of one CUDA graph: `work`, called repeatedly with tensors of the same shapes, is recorded once and then replayed.

    `work` changes tensors in place, always the same ones, and returns a scalar. What it does may depend on its argument and on
    these tensors alone, and it may not ask a device for a number.
    """

    def __init__(self, work: Callable[[T], Tensor], recorder: Recorder | None) -> None:
        """Without a recorder every call does the work anew."""
        self.work, self.recorder = work, recorder
        self.fixed: Any = None
        self.alike = 0
        self.replay: Callable[[], None] | None = None

    def __call__(self, given: T) -> Tensor:
        """The scalar that `work` returns for `given`."""
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
            # Made anew, since what an object has worked out from its tensors is no longer true when they change.
            self.replay = self.recorder.record(
                lambda: result.copy_(self.work(map_tensors(lambda tensor: tensor, copy)))
            )
            self.result = result
        except Exception as error:  # whatever it is, the work can still be done piece by piece
            reason = (str(error.__context__ or error).splitlines() or [type(error).__name__])[0]
            logging.getLogger(__name__).warning(
                "GPDM: a step could not be recorded as a CUDA graph; steps are launched piece by piece from now on: %s",
                reason,
            )
            _failed.append(reason)
            self.recorder = None


def map_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Applies `change` to every tensor in `value`, inside tuples, lists and dataclasses, which are made anew."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (tuple, list)):
        return type(value)(map_tensors(change, each) for each in value)
    if names := _fields(type(value)):
        return dataclasses.replace(value, **{name: map_tensors(change, getattr(value, name)) for name in names})
    return value


def _fixed_parts(value: Any, tensors: list[Tensor]) -> Any:
    """Returns what a recording fixes, everything but the numbers in tensors, and appends the tensors to `tensors`."""
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
    """Returns the names of a dataclass's fields, in their order; none for other types."""
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


class QueueLimit:
    """A limit to how far the host runs ahead of a GPU. The GPU never runs out of work."""

    def __init__(self, device: torch.device) -> None:
        self.events: list[torch.cuda.Event] = []
        self.steps, self.cuda = 0, device.type == "cuda"

    def step(self) -> None:
        """Counts a step; on a GPU, every `QUEUED_STEPS` steps it waits for the end of the `QUEUED_STEPS` before them."""
        self.steps += 1
        if not self.cuda or self.steps % QUEUED_STEPS:
            return
        event = torch.cuda.Event()
        event.record()
        self.events.append(event)
        if len(self.events) > 1:
            self.events.pop(0).synchronize()
