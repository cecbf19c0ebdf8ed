"""Two losses as one: sums of values, gradients, needs and complaints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from gpdm import (
    BidirectionalLoss,
    CombinedLoss,
    InitialGuess,
    Optimizer,
    OptionError,
    PyramidSchedule,
    SWDLoss,
    synthesize,
)
from library.problems import picture


@dataclass(frozen=True, kw_only=True)
class Towards(SWDLoss):
    """The mean squared difference to one brightness."""

    brightness: float = 0.0

    def bind(self, *args: Any, **more: Any) -> Any:
        del args, more
        return self

    def advance(self) -> None:
        pass

    def curvature(self) -> Tensor:
        return torch.tensor(2.0)

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        del generator
        return (image - self.brightness).square().mean(), 2 * (image - self.brightness) / image.numel()


def test_value_gradient_and_curvature_are_sums() -> None:
    image = picture(20, 20)
    loss = CombinedLoss(first=Towards(brightness=1.0), second=Towards(brightness=-1.0), weight=3.0)
    objective = loss.bind([image], (20, 20))
    objective.advance()
    value, gradient = objective(image, Generator())
    assert torch.allclose(value, (image - 1).square().mean() + 3 * (image + 1).square().mean())
    assert torch.allclose(gradient, (2 * (image - 1) + 6 * (image + 1)) / image.numel())
    assert float(objective.curvature()) == 8


def test_the_minimum_lies_between_in_the_ratio_of_the_weights() -> None:
    loss = CombinedLoss(first=Towards(brightness=0.5), second=Towards(brightness=-0.5), weight=3.0)
    parts = {"optimizer": Optimizer(num_steps=300), "guess": InitialGuess(noise_sigma=0.2)}
    result = synthesize(picture(24, 24), loss=loss, pyramid=PyramidSchedule(coarse_dim=24), **parts)
    assert torch.allclose(result.images, torch.full_like(result.images, -0.25), atol=0.02)


def test_needs_are_added_and_each_part_is_asked() -> None:
    swd, other = SWDLoss(coherence=0.0), BidirectionalLoss()
    both = CombinedLoss(first=swd, second=other)
    for i in (0, 1):
        assert both.working_bytes(900, 800)[i] == swd.working_bytes(900, 800)[i] + other.working_bytes(900, 800)[i]
    assert CombinedLoss(first=swd, second=swd).has_curvature and not both.has_curvature
    levels = PyramidSchedule().levels([(40, 40)], (40, 40))
    with pytest.raises(OptionError, match="patch_size = 31"):
        CombinedLoss(first=swd, second=replace(other, patch_size=31)).check(levels)


@pytest.mark.parametrize("missing", ["first", "second"])
def test_a_missing_part_is_named_before_any_step(missing: str) -> None:
    given = {"first": SWDLoss(), "second": SWDLoss()} | {missing: None}
    with pytest.raises(OptionError, match=f"{missing} .*connect one to {missing}"):
        synthesize(picture(24, 24), loss=CombinedLoss(**given), on_step=lambda info: pytest.fail("a step was made"))


def test_two_patch_sizes_at_once_are_the_same_for_every_batch_size() -> None:
    loss = CombinedLoss(first=SWDLoss(num_proj=4), second=SWDLoss(num_proj=4, patch_size=3, coherence=0.0), weight=0.5)
    quick = {"loss": loss, "optimizer": Optimizer(num_steps=3, fine_steps=0)}
    both = synthesize(picture(30, 30), num_outputs=2, **quick).images
    assert torch.equal(both[1:], synthesize(picture(30, 30), seed=1, **quick).images)
