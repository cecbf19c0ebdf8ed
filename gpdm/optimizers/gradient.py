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
"""A function of the gradient, which it may overwrite, and the two rates of the step. It changes the image in place."""


@dataclass(frozen=True, kw_only=True)
class Optimizer(Options):
    """Gradient descent on the pixels of one level (Algorithm 1, line 8): Adam, plain descent, or Newton's method."""

    method: str = option(
        "adam",
        "Update rule; adam suits almost every picture. sgd needs an lr of about 0.5; newton needs distance l2, "
        "ignores lr and leaves faint grain and seams; adam picture uses one step size for all pixels.",
        choices=get_args(Method),
        advanced=True,
    )
    lr: float = option(
        0.03,
        "Learning rate of all methods except newton, for pixel values from -1 to 1. Higher changes pixels more "
        "per step; too high a value adds noise or diverges.",
        ge=1e-6,
        le=100.0,
        step=0.001,
    )
    num_steps: int = option(
        500,
        "Maximum number of steps at the coarsest level, or at every level if fine_steps is 0. Higher is slower and "
        "comes closer to the reference.",
        ge=1,
        le=100000,
    )
    tolerance: float = option(
        0.0,
        "A level ends when the mean loss of a window decreases by less than this fraction. Higher ends levels "
        "earlier; 0 ends them only when the loss stops decreasing.",
        ge=0.0,
        le=1.0,
        step=0.001,
        advanced=True,
    )
    window: int = option(
        100,
        "Number of steps over which the convergence test averages the loss. Higher tests less often; above half "
        "of a level's steps, the level never ends early.",
        ge=1,
        le=100000,
        advanced=True,
    )
    fine_steps: int = option(
        200,
        "Maximum number of steps at the finest level; from the coarsest level to it the number changes by a "
        "constant factor per level. Higher is slower, since fine levels take most of the time; 0 or any value "
        "from num_steps up uses num_steps at every level.",
        ge=0,
        le=100000,
    )
    final_lr: float = option(
        0.02,
        "Learning rate (newton: step) at the end of a level, as a fraction of its initial value, with cosine "
        "decay. Lower leaves less noise; 1 keeps it constant.",
        ge=0.0,
        le=1.0,
        step=0.05,
        advanced=True,
    )
    step: float = option(
        1.4,
        "Step length of method newton, as a multiple of the full Newton step. Slightly above 1 converges faster; "
        "a value of 2 makes pixels oscillate.",
        ge=0.01,
        le=10.0,
        step=0.1,
        advanced=True,
    )
    beta_2: float = option(
        0.9,
        "Decay rate of Adam's average of squared gradients. At 0.999, as in the paper, large early gradients make "
        "all later steps of a level small; 0.9 forgets them in about ten steps, so details develop.",
        ge=0.0,
        le=0.9999,
        step=0.001,
        advanced=True,
    )
    average: float = option(
        0.0,
        "Final fraction of each level's steps whose pictures are averaged. Higher smooths more; 0 turns it off.",
        ge=0.0,
        le=1.0,
        step=0.05,
        advanced=True,
    )

    beta_1: float = option(
        0.8,
        "Decay rate of Adam's average of gradients. Higher averages over more steps and follows a change more slowly; "
        "the paper uses 0.9.",
        ge=0.0,
        le=0.999,
        step=0.05,
        advanced=True,
    )

    @property
    def averaged_fraction(self) -> float:
        """Value of the option `average`."""
        return self.average

    def check(self, loss: Loss, levels: Sequence[Level], references: Sequence[Reference] = ()) -> None:
        """Raises `OptionError` if method newton does not support the loss, and the errors of `check_loss`."""
        check_loss(loss, levels, references)
        if self.method == "newton":
            check_newton(loss)

    def largest_patch(self, loss: Loss) -> int:
        """Returns the side of the largest patch of the loss, in pixels."""
        return max(term.patch_size for _, term in loss.terms())

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
        """Returns the step length and the bias correction of Adam's root mean square, for each step: (num_steps, 2).

        The rates are a tensor because a replayed CUDA graph cannot read Python values.
        """
        rows = []
        for step in range(num_steps):
            cosine = (1 + math.cos(math.pi * step / num_steps)) / 2
            decay = self.final_lr + (1 - self.final_lr) * cosine
            if self.method == "newton":
                rows.append((decay * self.step, 1.0))
            elif self.method == "sgd":
                rows.append((decay * self.lr, 1.0))
            else:
                corrections = 1 - self.beta_1 ** (step + 1), math.sqrt(1 - self.beta_2 ** (step + 1))
                rows.append((decay * self.lr / corrections[0], corrections[1]))
        return torch.tensor(rows, dtype=torch.float64)

    def objectives(self, problem: LevelProblem, images: Sequence[Tensor]) -> list[Objective]:
        """Returns the objectives of the loss."""
        return problem.objectives(images)

    def step_of(self, problem: LevelProblem, objective: Objective, image: Tensor) -> Step:
        """Returns the step of one output: the gradient, then the update of the method."""
        update = self._update(problem, objective, image)

        def step(inputs: tuple[Any, Tensor]) -> Tensor:
            sample, rates = inputs
            gradient = torch.zeros_like(image)
            loss = objective.evaluate(image, sample, gradient)
            update(gradient, rates)
            return loss

        return step

    def _update(self, problem: LevelProblem, objective: Objective, image: Tensor) -> Update:
        """Returns the update rule of the method."""
        # The objective is a mean over patches, so its gradient shrinks as the image grows, until Adam's epsilon is no
        # longer small compared with it (reference implementation: at 1024 px a tenth of the pixels moves 30 % less).
        # Multiplied by the number of pixels, the gradient and the step of plain descent do not depend on the size.
        pixels = image.shape[-2] * image.shape[-1]
        if self.method == "newton":
            diagonal = hessian_diagonal(problem.loss, problem.references, problem.canvas)
            return lambda gradient, rates: image.sub_(gradient.div_(diagonal).mul_(rates[0]))
        if self.method == "sgd":
            return lambda gradient, rates: image.sub_(gradient.mul_(rates[0] * pixels))
        first, second = torch.zeros_like(image), torch.zeros_like(image)
        betas = self.beta_1, self.beta_2
        if self.method == "adam picture":
            return lambda gradient, rates: _adam_picture(image, gradient.mul_(pixels), first, second, rates, betas)
        adam = kernels(objective.backend).adam
        return lambda gradient, rates: adam(image, gradient, first, second, rates, pixels, betas)

    def has_converged(self, iterate: Iterate) -> bool:
        """Returns whether the loss has stopped decreasing.

        The criterion: its mean over the last window is at least (1 - tolerance) times that over the window before. The
        test is made once per window, because the host waits for a GPU.
        """
        losses = iterate.losses
        if len(losses) % self.window or len(losses) < 2 * self.window:
            return False
        before, last = torch.stack(losses[-2 * self.window :]).cpu().double().reshape(2, -1).mean(1).tolist()
        return last >= (1 - self.tolerance) * before

    def divergence_error(self) -> OptionError:
        """Returns the error to raise for a loss or image with infinite or NaN values."""
        name = "step" if self.method == "newton" else "lr"
        return OptionError.saying(f"the optimisation diverged with {name} {getattr(self, name)}; use a lower {name}")


def _adam_picture(
    image: Tensor, gradient: Tensor, first: Tensor, second: Tensor, rates: Tensor, betas: tuple[float, float]
) -> None:
    """Makes one step of Adam with one second moment for the image, the mean over its pixels.

    Arguments are those of `kernels.reference.adam`.
    """
    first.lerp_(gradient, 1 - betas[0])
    second.mul_(betas[1]).add_(gradient.square().mean(), alpha=1 - betas[1])
    image.sub_(first.mul(rates[0]).div_(second.sqrt().div_(rates[1]).add_(ADAM_EPSILON)))
