"""Descent of one level: step size, convergence, cancel."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from gpdm import Optimizer, OptionError


def ignore(step: int, loss: Tensor, image: Tensor) -> None:
    del step, loss, image


def bowl(image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """A mean over the pixels, as every objective: mean (x - 1)^2."""
    del generator
    return (image - 1).square().mean(), 2 * (image - 1) / image.numel()


@pytest.mark.parametrize("method", ["adam", "sgd"])
def test_reaches_the_minimum(method: str) -> None:
    descent = Optimizer(method=method, lr=0.05, num_steps=400).descend(
        torch.zeros(1, 3, 8, 8), bowl, Generator(), ignore
    )
    assert descent.losses[-1] < 1e-3 * descent.losses[0]


@pytest.mark.parametrize("method", ["adam", "sgd"])
def test_step_size_does_not_depend_on_the_size_of_the_image(method: str) -> None:
    """Gradients of a mean shrink with the pixels until Adam's epsilon brakes them (defect 10)."""

    def tiny(image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        value, gradient = bowl(image, generator)
        return value, gradient * 1e-3  # as weak as the weakest tenth of an image's pixels

    moved = []
    for side in (4, 1024):
        image = torch.zeros(1, 1, side, side)
        Optimizer(method=method, lr=0.01, num_steps=1).descend(image, tiny, Generator(), ignore)
        moved.append(float(image.mean()))
    assert moved[0] == pytest.approx(moved[1], rel=1e-3)
    assert moved[0] > 0


def falling(losses: list[float]):
    """An objective that reports the given losses."""
    values = iter(losses)

    def objective(image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        del generator
        return torch.tensor(next(values)), torch.zeros_like(image)

    return objective


def test_converges_when_the_mean_of_a_window_stops_falling() -> None:
    losses = [math.exp(-0.1 * i) for i in range(20)] + [0.1 + 0.01 * (-1) ** i for i in range(80)]
    descent = Optimizer(window=10, num_steps=100).descend(torch.zeros(1, 1, 2, 2), falling(losses), Generator(), ignore)
    assert descent.stop == "converged"
    assert len(descent.losses) == 40  # windows end at 10, 20, 30 and 40; the fourth is not below the third
    assert descent.losses.dtype == torch.float64


def test_tolerance_ends_a_slow_descent_earlier() -> None:
    losses = [1 - 0.0001 * i for i in range(100)]
    patient = Optimizer(window=10, num_steps=100).descend(torch.zeros(1, 1, 2, 2), falling(losses), Generator(), ignore)
    hasty = Optimizer(window=10, num_steps=100, tolerance=0.01).descend(
        torch.zeros(1, 1, 2, 2), falling(losses), Generator(), ignore
    )
    assert (patient.stop, len(patient.losses)) == ("step limit", 100)
    assert (hasty.stop, len(hasty.losses)) == ("converged", 20)


def test_what_a_callback_raises_stops_the_descent() -> None:
    seen = []

    def stop_at_three(step: int, loss: Tensor, image: Tensor) -> None:
        seen.append(step)
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Optimizer().descend(torch.zeros(1, 1, 2, 2), bowl, Generator(), stop_at_three)
    assert seen == [0, 1, 2, 3]


def test_a_diverging_descent_is_an_error_and_no_picture() -> None:
    with pytest.raises(OptionError, match=r"lr = 100.0 .* diverged"):
        Optimizer(method="sgd", lr=100.0).descend(torch.zeros(1, 1, 4, 4), bowl, Generator(), ignore)


@pytest.mark.parametrize(
    "options", [{"lr": 0.0}, {"num_steps": 0}, {"num_steps": 2.5}, {"method": "lbfgs"}, {"tolerance": -1.0}]
)
def test_bad_options_are_refused_by_name(options: dict) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Optimizer(**options)
