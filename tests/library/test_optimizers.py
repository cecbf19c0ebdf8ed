"""Gradient descent at one level: step sizes, convergence, callbacks, errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from gpdm import (
    Canvas,
    Level,
    Loss,
    Objective,
    Optimizer,
    OptionError,
    OutputState,
    PyramidSchedule,
    Reference,
    SWDLoss,
    Term,
    bind,
    synthesize,
)
from gpdm.images import size_of
from gpdm.optimizers import gradient
from gpdm.optimizers.base import LevelProblem, LevelResult, OnRunStep, solve_level
from gpdm.optimizers.newton import hessian_diagonal
from library.problems import evaluated, picture

SIDE = 8


class QuadraticObjective:
    """The mean of (x - 1)^2 over the pixels."""

    backend = "torch"
    capturable = False

    def sample(self, image: Tensor, step: int, state: OutputState) -> None:
        """Nothing is random."""

    def evaluate(self, image: Tensor, sample: None, into: Tensor) -> Tensor:
        """Adds the gradient to `into`."""
        value, gradient = self.value_and_gradient(image)
        into.add_(gradient)
        return value

    def value_and_gradient(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the value and its gradient."""
        return (image - 1).square().mean(), 2 * (image - 1) / image.numel()


class ScriptedObjective(QuadraticObjective):
    """An objective with given losses and gradient 0."""

    def __init__(self, losses: list[float]) -> None:
        self.values = iter(losses)

    def value_and_gradient(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tensor(next(self.values)), torch.zeros_like(image)


@dataclass(frozen=True)
class FixedLoss:
    """A loss of one term, itself, with a given objective."""

    objective: Objective
    border = "free"
    per_output = False
    patch_size = 1

    def terms(self) -> tuple[tuple[float, Term], ...]:
        return ((1.0, self),)

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        pass

    def active(self, level: Level) -> bool:
        return True

    def memory(self, level: Level) -> tuple[int, int]:
        return 0, 0

    def bind(self, *arguments: Any) -> Objective:
        return self.objective


def solve(
    optimizer: Optimizer,
    loss: Loss,
    *images: Tensor,
    references: Sequence[Reference] = (Reference(torch.zeros(1, 3, SIDE, SIDE)),),
    on_step: OnRunStep | None = None,
) -> list[LevelResult]:
    generators = [Generator().manual_seed(i) for i in range(len(images))]
    problem = LevelProblem(references, Canvas(size=size_of(images[0])), loss, 2**20)
    return solve_level(optimizer, problem, images, generators, optimizer.num_steps, on_step or (lambda *_: None))


def descend(
    optimizer: Optimizer, objective: Objective, *images: Tensor, on_step: OnRunStep | None = None
) -> list[LevelResult]:
    return solve(optimizer, FixedLoss(objective), *images, on_step=on_step)


METHODS = ["adam", "sgd"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("final_lr", [1.0, 0.05])
def test_the_minimum_is_reached(method: str, final_lr: float) -> None:
    optimizer = Optimizer(method=method, lr=0.05, num_steps=400, window=400, final_lr=final_lr)
    (result,) = descend(optimizer, QuadraticObjective(), torch.zeros(1, 3, 8, 8))
    assert result.losses[-1] < 1e-3 * result.losses[0]


@pytest.mark.parametrize("beta_2", [0.999, 0.9, 0.0])
def test_adam_is_that_of_torch(beta_2: float) -> None:
    image = torch.rand(1, 3, 6, 7, generator=Generator().manual_seed(0))
    leaf = image.clone().requires_grad_()
    adam = torch.optim.Adam([leaf], lr=0.02, betas=(0.9, beta_2))
    for _ in range(30):
        leaf.grad = QuadraticObjective().value_and_gradient(leaf.detach())[1] * 42
        adam.step()
    optimizer = Optimizer(method="adam", lr=0.02, num_steps=30, final_lr=1.0, beta_1=0.9, beta_2=beta_2)
    descend(optimizer, QuadraticObjective(), image)
    assert torch.allclose(image, leaf.detach(), atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_step_size_does_not_depend_on_the_size_of_the_image(method: str) -> None:
    """Gradients of a mean decrease with the number of pixels, to the size of Adam's epsilon (defect 10)."""

    class SmallGradient(QuadraticObjective):
        def value_and_gradient(self, image: Tensor) -> tuple[Tensor, Tensor]:
            value, gradient = super().value_and_gradient(image)
            return value, gradient * 1e-3  # as weak as the weakest tenth of an image's pixels

    moved = []
    for side in (4, 1024):
        image = torch.zeros(1, 1, side, side)
        descend(Optimizer(method=method, lr=0.01, num_steps=1), SmallGradient(), image)
        moved.append(float(image.mean()))
    assert moved[0] == pytest.approx(moved[1], rel=1e-3)
    assert moved[0] > 0


@pytest.mark.parametrize("step", [1.0, 0.25])
def test_a_newton_step_is_a_fraction_of_the_way_to_the_minimum(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "hessian_diagonal", lambda *problem: torch.tensor(2 / SIDE**2 / 3))
    image = torch.zeros(1, 3, SIDE, SIDE)
    descend(Optimizer(method="newton", step=step, num_steps=1), QuadraticObjective(), image)
    assert torch.allclose(image, torch.full_like(image, step))


def test_a_newton_step_applies_the_transport_map() -> None:
    """With patches of one grey pixel there is one projection, and the map is that between sorted values."""
    reference, image = picture(40, 50, 1, seed=1), picture(40, 50, 1, seed=2) * 0.5
    loss = SWDLoss(patch_size=1, num_proj=1, solver="exact", projections="independent", distance="l2")
    order = image.flatten().argsort()
    expected = torch.empty_like(order, dtype=torch.float32).scatter(0, order, reference.flatten().sort().values)
    solve(Optimizer(method="newton", num_steps=1, step=1.0), loss, image, references=[Reference(reference)])
    assert torch.allclose(image.flatten(), expected, atol=2e-3)  # filters have unit length to three digits


@pytest.mark.parametrize("border", ["free", "circular"])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 9), (8, 9)], ids=["corner", "edge", "inside"])
def test_the_hessian_diagonal_is_the_second_derivative(border: str, row: int, column: int) -> None:
    """Compared with finite differences of the gradient, in the mean over many filters."""
    reference = picture(16, 18, seed=3).double()
    loss = SWDLoss(patch_size=3, num_proj=2000, solver="exact", projections="independent", border=border, distance="l2")
    references, canvas = [Reference(reference)], Canvas(size=(16, 18), border=border)
    objective = bind(loss, references, canvas)
    start = reference + 0.3  # after a translation small changes keep all ranks
    gradients = []
    for sign in (-1, 1):
        image = start.clone()
        image[0, 1, row, column] += sign * 1e-8
        gradients.append(evaluated(objective, image)[1][0, 1, row, column])
    second = float(gradients[1] - gradients[0]) / 2e-8
    diagonal = hessian_diagonal(loss, references, canvas).expand(1, 1, 16, 18)
    assert second == pytest.approx(float(diagonal[0, 0, row, column]), rel=0.1)


def test_newton_with_an_unknown_second_derivative_is_refused_before_any_step() -> None:
    with pytest.raises(OptionError, match=r"method = 'newton'.*choose the distance l2, or connect .* adam"):
        synthesize(picture(), loss=SWDLoss(distance="l1"), optimizer=Optimizer(method="newton"))
    synthesize(picture(21, 21), loss=SWDLoss(distance="l2"), optimizer=Optimizer(method="newton", num_steps=1))


def test_the_learning_rate_falls_along_a_cosine() -> None:
    path: list[float] = []

    class LinearObjective(QuadraticObjective):
        def value_and_gradient(self, image: Tensor) -> tuple[Tensor, Tensor]:
            path.append(float(image.mean()))
            return image.mean(), torch.ones_like(image) / image.numel()

    image = torch.zeros(1, 1, 4, 4)
    descend(Optimizer(method="sgd", lr=0.1, num_steps=100, window=100, final_lr=0.2), LinearObjective(), image)
    rates = [a - b for a, b in zip(path, [*path[1:], float(image.mean())], strict=True)]
    expected = [0.1 * (0.2 + 0.8 * (1 + math.cos(math.pi * i / 100)) / 2) for i in range(100)]
    assert rates == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("num_steps", "fine_steps", "levels", "expected"),
    [
        (270, 10, 4, (270, 90, 30, 10)),
        (27, 1000, 4, (27, 27, 27, 27)),
        (300, 0, 4, (300, 300, 300, 300)),
        (300, 60, 1, (300,)),
    ],
)
def test_step_limits_change_by_a_constant_factor(
    num_steps: int, fine_steps: int, levels: int, expected: tuple[int, ...]
) -> None:
    pyramid = PyramidSchedule(pyr_factor=0.5, fine_factor=0.5).levels([(168, 168)], (168, 168))
    assert len(pyramid) == 4
    assert Optimizer(num_steps=num_steps, fine_steps=fine_steps).steps(pyramid[:levels]) == expected


ZEROS = torch.zeros(1, 1, 2, 2)


def test_a_level_has_converged_when_the_mean_of_a_window_stops_falling() -> None:
    losses = [math.exp(-0.1 * i) for i in range(20)] + [0.1 + 0.01 * (-1) ** i for i in range(80)]
    (result,) = descend(Optimizer(window=10, num_steps=100), ScriptedObjective(losses), ZEROS)
    assert result.stop == "converged"
    assert len(result.losses) == 40  # windows end at 10, 20, 30 and 40; the fourth is not below the third
    assert result.losses.dtype == torch.float64


def test_a_tolerance_ends_a_slow_descent_earlier() -> None:
    losses = [1 - 0.0001 * i for i in range(100)]
    (without,) = descend(Optimizer(window=10, num_steps=100), ScriptedObjective(losses), ZEROS)
    (with_tolerance,) = descend(Optimizer(window=10, num_steps=100, tolerance=0.01), ScriptedObjective(losses), ZEROS)
    assert (without.stop, len(without.losses)) == ("step limit", 100)
    assert (with_tolerance.stop, len(with_tolerance.losses)) == ("converged", 20)


def test_runs_converge_independently() -> None:
    class FallingForOne(QuadraticObjective):
        """Falls without end for the first image, and is constant for the second."""

        calls = 0

        def value_and_gradient(self, image: Tensor) -> tuple[Tensor, Tensor]:
            first = image.shape[-1] == 2
            self.calls += 1
            return torch.tensor(1 / self.calls if first else 1.0), torch.ones_like(image)

    calls: list[tuple[int, int]] = []
    optimizer = Optimizer(window=5, num_steps=30)
    first, second = descend(
        optimizer,
        FallingForOne(),
        ZEROS.clone(),
        torch.zeros(1, 1, 3, 3),
        on_step=lambda i, step, *rest: calls.append((i, step)),
    )
    assert (first.stop, len(first.losses)) == ("step limit", 30)
    assert (second.stop, len(second.losses)) == ("converged", 10)
    assert calls[:4] == [(0, 0), (1, 0), (0, 1), (1, 1)] and calls[-1] == (0, 29)


def test_an_exception_of_a_callback_stops_the_descent() -> None:
    steps = []

    def stop_at_three(run: int, step: int, loss: Tensor, image: Tensor) -> None:
        steps.append(step)
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        descend(Optimizer(), QuadraticObjective(), ZEROS, on_step=stop_at_three)
    assert steps == [0, 1, 2, 3]


def test_a_diverging_descent_is_an_error() -> None:
    optimizer = Optimizer(method="sgd", lr=100.0, num_steps=300)
    with pytest.raises(OptionError, match=r"^the optimisation diverged with lr 100.0; use a lower lr$"):
        descend(optimizer, QuadraticObjective(), torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize(
    "options", [{"lr": 0.0}, {"num_steps": 0}, {"num_steps": 2.5}, {"method": "lbfgs"}, {"tolerance": -1.0}]
)
def test_bad_options_are_refused_by_name(options: dict) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Optimizer(**options)


def test_the_refusal_of_a_value_names_its_range_and_nothing_else() -> None:
    """The help text, which is long, is on the help page."""
    with pytest.raises(OptionError) as refused:
        Optimizer(beta_2=1.0)
    assert str(refused.value) == "beta_2 = 1.0 is not allowed: it must be a number from 0 to 0.9999"


class TwoSlopes(QuadraticObjective):
    """A constant gradient, ten times as large in the right half of the image."""

    def value_and_gradient(self, image: Tensor) -> tuple[Tensor, Tensor]:
        slope = torch.full_like(image, 0.1)
        slope[..., image.shape[3] // 2 :] = 1.0
        return slope.sum(), slope / image[0, 0].numel()


def test_one_mean_square_for_the_image_keeps_the_ratio_of_gradients() -> None:
    per_pixel, per_image = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    descend(Optimizer(method="adam", lr=0.01, num_steps=1, final_lr=1.0), TwoSlopes(), per_pixel)
    descend(Optimizer(method="adam picture", lr=0.01, num_steps=1, final_lr=1.0), TwoSlopes(), per_image)
    assert torch.allclose(per_pixel, torch.full_like(per_pixel, -0.01))
    assert torch.allclose(per_image[..., 2:], 10 * per_image[..., :2])
    assert float(per_image.square().mean().sqrt()) == pytest.approx(0.01)


@pytest.mark.parametrize(("average", "expected"), [(0.0, 10.0), (0.2, 9.5), (0.5, 8.0), (1.0, 5.5)])
def test_the_result_is_the_mean_image_of_the_last_steps(average: float, expected: float) -> None:
    """Each of ten steps changes the image by 1."""
    image = torch.zeros(1, 1, 2, 2)
    optimizer = Optimizer(method="adam", lr=1.0, num_steps=10, final_lr=1.0, average=average, window=10)
    (result,) = descend(optimizer, TwoSlopes(), image)
    assert torch.allclose(result.image, torch.full_like(image, -expected), rtol=1e-4)
