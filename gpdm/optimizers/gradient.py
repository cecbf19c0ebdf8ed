"""Gradient methods on the pixels of a level, and their convergence test."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..errors import OptionError
from ..kernels.choose import kernels
from ..kernels.reference import ADAM_EPSILON
from ..losses.base import Loss, Objective, check_loss, loss_memory
from ..options import Options, option
from ..pyramid import Level
from ..references import Reference
from .base import Iterate, LevelProblem, Step
from .newton import check_newton, hessian_diagonal

Method = Literal["adam", "sgd", "newton", "adam picture"]
Update = Callable[[Tensor, Tensor], object]
"""A function that changes the image in place, given the gradient, which it may overwrite, and the two rates of the
step."""


@dataclass(frozen=True, kw_only=True)
class Optimizer(Options):
    """Gradient descent on the pixels of one level (Algorithm 1, line 8): Adam, plain descent, or Newton's method
    (newton.py)."""

    method: str = option(
        "adam",
        "adam: steps of even size in every pixel, as the reference implementation. sgd: plain gradient descent; wants a larger lr, about 0.5. "
        "newton: each pixel goes where the patches that cover it want it on average; needs no lr but the distance l2, and leaves faint grain and seams. "
        "adam picture: adam with one mean square for the whole picture instead of one for each pixel; copies more.",
        choices=get_args(Method),
    )
    lr: float = option(
        0.03, "Methods adam and sgd: learning rate. Pixel values go from -1 to 1.", ge=1e-6, le=100.0, step=0.001
    )
    num_steps: int = option(
        500, "Steps at the coarsest level, at most; with fine_steps 0 at every level.", ge=1, le=100000
    )
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
    fine_steps: int = option(
        200,
        "Steps at the finest level; from level to level the number changes by an even factor. Coarse levels cost almost nothing and decide most. "
        "0, or as many as num_steps, makes num_steps at every level.",
        ge=0,
        le=100000,
    )
    final_lr: float = option(
        0.02,
        "Length of the steps at the end of a level, as a share of that at its beginning; it falls along a cosine. 1 keeps it constant.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    step: float = option(
        1.4,
        "Method newton: length of a step; 1 goes right to where the patches want their pixels on average, a little more gets there sooner, 2 is restless.",
        ge=0.01,
        le=10.0,
        step=0.1,
    )
    beta_2: float = option(
        0.9,
        "Methods adam: decay of the mean square of each pixel's gradient, by which its steps are divided. 0.999, the usual choice and the paper's, "
        "remembers the large gradients of the beginning to the end of a level; 0.9 forgets them in ten steps, and details go on growing.",
        ge=0.0,
        le=0.9999,
        step=0.001,
    )

    average: float = option(
        0.0,
        "Share of a level's steps, the last ones, over which the picture is averaged to give its result. It takes away noise, as a small final_lr does, and "
        "sharpness.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )

    def check(self, loss: Loss, levels: Sequence[Level], references: Sequence[Reference] = ()) -> None:
        """Raises `OptionError` if the loss cannot work at these levels, or not with the method newton. Other errors:
        `Term.check`."""
        check_loss(loss, levels, references)
        if self.method == "newton":
            check_newton(loss)

    def memory(self, loss: Loss, level: Level) -> tuple[int, int]:
        """Returns the bytes that one step needs besides the images: the minimum, and the amount for full speed."""
        return loss_memory(loss, level)

    def steps(self, levels: Sequence[Level]) -> tuple[int, ...]:
        """Returns the step limit of each level."""
        if not 0 < self.fine_steps < self.num_steps or len(levels) == 1:
            return (self.num_steps,) * len(levels)
        factor = (self.fine_steps / self.num_steps) ** (1 / (len(levels) - 1))
        return tuple(max(round(self.num_steps * factor**i), 1) for i in range(len(levels)))

    def rates(self, num_steps: int) -> Tensor:
        """Returns for each step its length and the bias correction of Adam's root mean square, (num_steps, 2).

        The rates are a tensor because a replayed CUDA graph cannot read Python values.
        """
        rows = []
        for step in range(num_steps):
            falling = (1 + math.cos(math.pi * step / num_steps)) / 2
            share = self.final_lr + (1 - self.final_lr) * falling
            if self.method == "newton":
                rows.append((share * self.step, 1.0))
            elif self.method == "sgd":
                rows.append((share * self.lr, 1.0))
            else:
                corrections = 1 - BETA_1 ** (step + 1), math.sqrt(1 - self.beta_2 ** (step + 1))
                rows.append((share * self.lr / corrections[0], corrections[1]))
        return torch.tensor(rows, dtype=torch.float64)

    def objectives(self, problem: LevelProblem, images: Sequence[Tensor]) -> list[Objective]:
        """Returns the objectives of the loss."""
        return problem.objectives(images)

    def step_of(self, problem: LevelProblem, objective: Objective, image: Tensor) -> Step:
        """Returns the step of one output: the gradient, then the update of the method."""
        update = self._update(problem, objective, image)

        def step(given: tuple[Any, Tensor]) -> Tensor:
            sample, rates = given
            gradient = torch.zeros_like(image)
            loss = objective.evaluate(image, sample, gradient)
            update(gradient, rates)
            return loss

        return step

    def _update(self, problem: LevelProblem, objective: Objective, image: Tensor) -> Update:
        # The objective is a mean over patches, so its gradient shrinks as the image grows, until Adam's epsilon is no
        # longer small beside it (reference implementation: at 1024 px a tenth of the pixels moves 30 % less).
        # Multiplied by the number of pixels, the gradient and the step of plain descent do not depend on the size.
        pixels = image.shape[-2] * image.shape[-1]
        if self.method == "newton":
            diagonal = hessian_diagonal(problem.loss, problem.references, problem.canvas)
            return lambda gradient, rates: image.sub_(gradient.div_(diagonal).mul_(rates[0]))
        if self.method == "sgd":
            return lambda gradient, rates: image.sub_(gradient.mul_(rates[0] * pixels))
        first, second = torch.zeros_like(image), torch.zeros_like(image)
        if self.method == "adam picture":
            return lambda gradient, rates: _adam_picture(
                image, gradient.mul_(pixels), first, second, rates, self.beta_2
            )
        adam, betas = kernels(objective.backend).adam, (BETA_1, self.beta_2)
        return lambda gradient, rates: adam(image, gradient, first, second, rates, pixels, betas)

    def has_converged(self, iterate: Iterate) -> bool:
        """Returns whether the loss has stopped falling.

        That is, its mean over the last window is at least (1 - tolerance) times that over the window before. Tested
        once per window, because the test makes the host wait for a GPU.
        """
        losses = iterate.losses
        if len(losses) % self.window or len(losses) < 2 * self.window:
            return False
        before, last = torch.stack(losses[-2 * self.window :]).cpu().double().reshape(2, -1).mean(1).tolist()
        return last >= (1 - self.tolerance) * before

    def diverged(self) -> OptionError:
        """Returns the error for a loss or image with infinite or NaN values."""
        name = "step" if self.method == "newton" else "lr"
        return OptionError(name, getattr(self, name), "the descent diverged to infinite values", "use a smaller one")


BETA_1 = 0.9
"""Decay of the mean gradient (Kingma and Ba, ICLR 2015)."""


def _adam_picture(image: Tensor, gradient: Tensor, first: Tensor, second: Tensor, rates: Tensor, beta_2: float) -> None:
    """Does one step of Adam with one second moment, the mean over the image, in place of one per pixel.

    Arguments are those of `kernels.reference.adam`.
    """
    first.lerp_(gradient, 1 - BETA_1)
    second.mul_(beta_2).add_(gradient.square().mean(), alpha=1 - beta_2)
    image.sub_(first.mul(rates[0]).div_(second.sqrt().div_(rates[1]).add_(ADAM_EPSILON)))
