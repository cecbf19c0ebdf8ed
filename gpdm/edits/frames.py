"""Newton's method for frames, which are almost alike and should stay so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..losses.base import Objective, OutputState
from ..optimizers.base import LevelProblem
from ..optimizers.gradient import Optimizer


class FramesOptimizer(Optimizer):
    """Gradient methods with the same random choices for all outputs, so that differences between frames stay small.

    Otherwise each output has its own generator, from which the offsets of grids and of subsamples come.
    """

    def objectives(self, problem: LevelProblem, images: Sequence[Tensor]) -> list[Objective]:
        """Returns one objective for all outputs, of a loss that does not depend on the output."""
        shared: Objective = SharedSamples(*super().objectives(problem, images[:1]))
        return [shared] * len(images)


class SharedSamples:
    """An objective that gives all outputs the sample that the first one has at a step."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.backend, self.capturable = objective.backend, objective.capturable
        self._step, self._sample = -1, None

    def sample(self, image: Tensor, step: int, state: OutputState) -> Any:
        """See `Objective.sample`."""
        if step != self._step:
            self._sample = None  # so that two samples are never in memory
            self._step, self._sample = step, self.objective.sample(image, step, state)
        return self._sample

    def evaluate(self, image: Tensor, sample: Any, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        return self.objective.evaluate(image, sample, into)
