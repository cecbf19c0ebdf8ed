"""How one level is descended, and when it has converged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor

from ..errors import OptionError
from ..kernels.choose import kernels
from ..kernels.reference import EPSILON
from ..losses.objectives import Objective, backend_of, draw, evaluate, is_repeatable
from ..losses.swd import Loss
from ..options import Options, option
from ..pyramid import Level
from .base import Descent, OnStep, Problem
from .cuda_graphs import Captured, Pace, recorder_for

Method = Literal["adam", "sgd", "newton", "adam picture"]


@dataclass
class Walk:
    """One image on its way down."""

    image: Tensor
    """(1, C, H, W), changed in place."""
    losses: list[Tensor] = field(default_factory=list)
    """The loss of every step so far, scalars on the device of the image."""
    mean: Tensor | None = None
    """The mean over the steps that were remembered."""
    remembered: int = 0
    converged: bool = False

    def remember(self) -> None:
        """Takes the image into the mean."""
        self.remembered += 1
        self.mean = self.image.clone() if self.mean is None else self.mean.lerp_(self.image, 1 / self.remembered)

    def result(self) -> Descent:
        """Where it has come to."""
        losses = torch.stack(self.losses).cpu().double()
        return Descent(
            self.image if self.mean is None else self.mean, losses, "converged" if self.converged else "step limit"
        )


@dataclass(frozen=True, kw_only=True)
class Optimizer(Options):
    """Descent on the pixels of one level (Algorithm 1, line 8).

    Newton's method needs the curvature of the objective. That of the squared sliced Wasserstein distance is known: twice the
    share of all patches that cover a pixel, over the dimension of a patch, since a random unit filter gives each of its numbers
    that share on average (Rabin et al., Wasserstein Barycenter and its Application to Texture Mixing, SSVM 2011, section 3.3).
    """

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

    def check(self, loss: Loss, levels: Sequence[Level]) -> None:
        """Raises `OptionError` if the loss cannot work at these levels, or if the method needs a curvature and it has none."""
        loss.check(levels)
        if self.method == "newton" and not loss.has_curvature:
            raise OptionError(
                "method",
                self.method,
                "it needs a loss with a curvature, such as the distance l2 by itself",
                "choose the distance l2, or connect a GPDM Optimizer with method adam",
            )

    def working_bytes(self, loss: Loss, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        """How much memory one step takes, in bytes: at least, and at best speed."""
        return loss.working_bytes(reference_pixels, output_pixels)

    def steps(self, levels: Sequence[Level]) -> tuple[int, ...]:
        """The step limit of each level."""
        if not 0 < self.fine_steps < self.num_steps or len(levels) == 1:
            return (self.num_steps,) * len(levels)
        factor = (self.fine_steps / self.num_steps) ** (1 / (len(levels) - 1))
        return tuple(max(round(self.num_steps * factor**i), 1) for i in range(len(levels)))

    def descend(
        self,
        images: Sequence[Tensor],
        problem: Problem,
        generators: Sequence[Generator],
        num_steps: int,
        on_step: OnStep,
    ) -> list[Descent]:
        """Minimises the loss of `problem` from each of `images`, (1, C, H, W), which are changed in place.

        Every image has its own generator and its own end, so that none depends on the others. `on_step(number, step, loss,
        image)` is called after each step; what it raises ends the descent.

        Raises:
            OptionError: The descent diverged: loss or image became infinite or NaN.
        """
        objective, walks = problem.objective(), [Walk(image) for image in images]
        device = images[0].device
        recorder = recorder_for(device, backend_of(objective)) if is_repeatable(objective) else None
        curvature = objective.curvature() if self.method == "newton" else None
        steps = [Captured(self._step(objective, walk.image, curvature), recorder) for walk in walks]
        rates, pace = self._rates(num_steps).to(images[0].dtype).to(device), Pace(device)
        for step in range(num_steps):
            objective.advance()
            for number, walk in enumerate(walks):
                if not walk.converged:
                    drawn = draw(objective, walk.image, generators[number])
                    loss = steps[number]((drawn, rates[step]))
                    pace.step()
                    walk.losses.append(loss)
                    if step >= num_steps * (1 - self.average):
                        walk.remember()
                    on_step(number, step, loss, walk.image)
                    walk.converged = self._converged(walk.losses)
            if all(walk.converged for walk in walks):
                break
        results = [walk.result() for walk in walks]
        if not all(result.losses.isfinite().all() and result.image.isfinite().all() for result in results):
            name = "step" if self.method == "newton" else "lr"
            raise OptionError(name, getattr(self, name), "the descent diverged to infinite values", "use a smaller one")
        return results

    def _rates(self, num_steps: int) -> Tensor:
        """Two numbers for each step of a level, (num_steps, 2): its length, and what Adam divides its mean square with."""
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

    def _step(
        self, objective: Objective, image: Tensor, curvature: Tensor | None
    ) -> Callable[[tuple[Any, Tensor]], Tensor]:
        """What one step does to an image, with the method newton by its curvature, given what was drawn for it and its two rates; it returns the loss."""
        # The objective is a mean over patches, so its gradient shrinks as the image grows until Adam's epsilon is no longer
        # small beside it (reference implementation: at 1024 px a tenth of the pixels moves 30 % less). Times the number of
        # pixels it does not depend on the size, and neither does the step of plain descent.
        pixels = image.shape[-2] * image.shape[-1]
        first, second = (torch.zeros_like(image if self.method.startswith("adam") else image[:0]) for _ in range(2))
        adam = kernels(backend_of(objective) if self.method == "adam" else "torch").adam

        def step(given: tuple[Any, Tensor]) -> Tensor:
            drawn, rates = given
            loss, gradient = evaluate(objective, image, drawn)
            if curvature is not None:
                image.sub_(gradient.div(curvature).mul_(rates[0]))
            elif self.method == "sgd":
                image.sub_(gradient.mul(rates[0] * pixels))
            elif self.method == "adam":
                adam(image, gradient, first, second, rates, pixels, (BETA_1, self.beta_2))
            else:
                _adam_picture(image, gradient.mul_(pixels), first, second, rates, self.beta_2)
            return loss

        return step

    def _converged(self, losses: list[Tensor]) -> bool:
        """Looked at once per window, so that a GPU is not made to wait at every step."""
        if len(losses) % self.window or len(losses) < 2 * self.window:
            return False
        before, last = torch.stack(losses[-2 * self.window :]).cpu().double().reshape(2, -1).mean(1).tolist()
        return last >= (1 - self.tolerance) * before


BETA_1 = 0.9
"""Decay of the mean gradient (Kingma and Ba, ICLR 2015)."""


def _adam_picture(image: Tensor, gradient: Tensor, first: Tensor, second: Tensor, rates: Tensor, beta_2: float) -> None:
    """Adam with the mean square of the whole picture in the place of each pixel's; else as `kernels.reference.adam`."""
    first.lerp_(gradient, 1 - BETA_1)
    second.mul_(beta_2).add_(gradient.square().mean(), alpha=1 - beta_2)
    image.sub_(first.mul(rates[0]).div_(second.sqrt().div_(rates[1]).add_(EPSILON)))
