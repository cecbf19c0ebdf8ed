"""Numbers of calls into torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def profiled_operators(run: Callable[[], object]) -> int:
    """Returns the number of operators in the profile of a run, with those that are called by other operators."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    return sum(event.name.startswith("aten::") for event in profile.events() or [])


def dispatched_operators(run: Callable[[], object]) -> int:
    """Returns the number of operators of a run that reach the dispatcher."""
    with _Counter() as counter:
        run()
    return counter.number


class _Counter(TorchDispatchMode):
    """A context that counts operators."""

    number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        self.number += 1
        return func(*args, **(kwargs or {}))
