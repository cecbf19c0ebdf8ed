"""How one level is descended, and when it has converged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from ._options import Options, option
from .errors import OptionError
from .losses import Objective

Method = Literal["adam", "sgd"]
Stop = Literal["converged", "step limit"]


@dataclass(frozen=True)
class Descent:
    """The result of one level."""

    image: Tensor
    """The optimised image, (1, C, H, W)."""
    losses: Tensor
    """The loss of every step that was made, float64 on the CPU, shape (steps,)."""
    stop: Stop
    """Why it ended."""


@dataclass(frozen=True, kw_only=True)
class Optimizer(Options):
    """Gradient descent on the pixels of one level (Algorithm 1, line 8)."""

    method: str = option(
        "adam",
        "adam: steps of even size in every pixel, as the reference implementation. sgd: plain gradient descent; wants a larger lr, about 0.5.",
        choices=get_args(Method),
    )
    lr: float = option(0.01, "Learning rate. Pixel values go from -1 to 1.", ge=1e-6, le=100.0, step=0.001)
    num_steps: int = option(300, "Steps at each level, at most.", ge=1, le=100000)
    tolerance: float = option(
        0.0,
        "A level has converged when the mean loss of the last `window` steps is not below (1 - tolerance) times that of the "
        "`window` steps before. 0 stops only when it no longer falls at all.",
        ge=0.0,
        le=1.0,
        step=0.001,
    )
    window: int = option(
        100,
        "Steps over which the loss is averaged to see whether it still falls; num_steps or more never ends a level early.",
        ge=1,
        le=100000,
    )

    def descend(
        self, image: Tensor, objective: Objective, generator: Generator, on_step: Callable[[int, Tensor, Tensor], None]
    ) -> Descent:
        """Minimises `objective` from `image` (1, C, H, W), which is changed in place.

        `on_step(step, loss, image)` is called after each step; what it raises ends the descent.

        Raises:
            OptionError: The descent diverged: loss or image became infinite or NaN.
        """
        step_rule = _STEP_RULES[self.method]([image], lr=self.lr)
        # The objective is a mean over patches, so its gradient shrinks as the image grows until Adam's epsilon (1e-8) is
        # no longer small beside it (reference implementation: at 1024 px a tenth of the pixels moves 30 % less). Times the
        # number of pixels it does not depend on the size, and neither does the step of plain descent.
        pixels = image.shape[-2] * image.shape[-1]
        losses: list[Tensor] = []
        stop: Stop = "step limit"
        for step in range(self.num_steps):
            loss, gradient = objective(image, generator)
            image.grad = gradient * pixels
            step_rule.step()
            losses.append(loss)
            on_step(step, loss, image)
            if self._converged(losses):
                stop = "converged"
                break
        image.grad = None
        table = torch.stack(losses).cpu().double()
        if not (table.isfinite().all() and image.isfinite().all()):
            raise OptionError("lr", self.lr, "the descent diverged to infinite values", "use a smaller one")
        return Descent(image, table, stop)

    def _converged(self, losses: list[Tensor]) -> bool:
        """Looked at once per window, so that a GPU is not made to wait at every step."""
        if len(losses) % self.window or len(losses) < 2 * self.window:
            return False
        before, last = torch.stack(losses[-2 * self.window :]).cpu().double().reshape(2, -1).mean(1).tolist()
        return last >= (1 - self.tolerance) * before


_STEP_RULES: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
