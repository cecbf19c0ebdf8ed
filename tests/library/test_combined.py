"""Losses made of others: weighted sums, losses with their own references, weights that depend on the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gpdm import (
    BidirectionalLoss,
    Canvas,
    CombinedLoss,
    FollowingLoss,
    GPDMError,
    InitialGuess,
    Level,
    LossOn,
    Optimizer,
    OptionError,
    OutputState,
    PyramidSchedule,
    Reference,
    SWDLoss,
    as_references,
    bind,
    synthesize,
)
from gpdm.losses.base import SumObjective, check_loss, is_per_output, loss_memory
from gpdm.losses.swd_binned import BinnedObjective
from gpdm.optimizers.base import LevelProblem
from gpdm.optimizers.newton import check_newton, hessian_diagonal
from library.problems import evaluated, objective_of, picture


@dataclass(frozen=True)
class BrightnessLoss:
    """The mean squared difference to a brightness. The loss is its own only term, and its own objective."""

    brightness: float = 0.0
    weight: float = 1.0
    border = "free"
    per_output = False
    patch_size = 1
    backend = "torch"
    capturable = False

    def terms(self) -> Any:
        return ((1.0, self),)

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        pass

    def active(self, level: Level) -> bool:
        del level
        return True

    def memory(self, level: Level) -> tuple[int, int]:
        del level
        return 0, 0

    def bind(
        self, references: Any, canvas: Canvas, memory: int, weight: float = 1.0, image: Any = None
    ) -> BrightnessLoss:
        del references, canvas, memory, image
        return replace(self, weight=weight)

    def sample(self, image: Tensor, step: int, state: OutputState) -> None:
        del image, step, state

    def evaluate(self, image: Tensor, sample: None, into: Tensor) -> Tensor:
        del sample
        difference = image - self.brightness
        into.add_(difference, alpha=2 * self.weight / image.numel())
        return self.weight * difference.square().mean()


def test_value_and_gradient_are_weighted_sums() -> None:
    image = picture(20, 20)
    loss = CombinedLoss(first=BrightnessLoss(brightness=1.0), second=BrightnessLoss(brightness=-1.0), weight=3.0)
    value, gradient = evaluated(objective_of(loss, [image], (20, 20)), image)
    assert torch.allclose(value, (image - 1).square().mean() + 3 * (image + 1).square().mean())
    assert torch.allclose(gradient, (2 * (image - 1) + 6 * (image + 1)) / image.numel())


def test_the_hessian_diagonal_is_the_weighted_sum() -> None:
    references, canvas = as_references(picture(64, 66)), Canvas(size=(64, 66))
    first, second = SWDLoss(num_proj=8), SWDLoss(num_proj=8, patch_size=3, coherence=0.3)
    both = hessian_diagonal(CombinedLoss(first=first, second=second, weight=3.0), references, canvas)
    parts = [hessian_diagonal(loss, references, canvas) for loss in (first, second)]
    assert torch.allclose(both, parts[0] + 3 * parts[1])


def test_the_minimum_is_the_weighted_mean_of_both() -> None:
    loss = CombinedLoss(first=BrightnessLoss(brightness=0.5), second=BrightnessLoss(brightness=-0.5), weight=3.0)
    parts = {"optimizer": Optimizer(num_steps=300), "guess": InitialGuess(noise_sigma=0.2)}
    result = synthesize(picture(24, 24), loss=loss, pyramid=PyramidSchedule(coarse_dim=24), **parts)
    assert torch.allclose(result.images, torch.full_like(result.images, -0.25), atol=0.02)


def test_memory_is_the_sum() -> None:
    first, second = SWDLoss(coherence=0.0), BidirectionalLoss()
    level = Level(0, 1.0, (20, 40), ((30, 30),))
    minimum, full = loss_memory(CombinedLoss(first=first, second=second), level)
    assert minimum == loss_memory(first, level)[0] + loss_memory(second, level)[0]
    assert full == loss_memory(first, level)[1] + loss_memory(second, level)[1]


def test_both_losses_are_checked() -> None:
    levels = PyramidSchedule().levels([(40, 40)], (40, 40))
    with pytest.raises(OptionError, match="a patch of 31x31 does not fit"):
        check_loss(CombinedLoss(first=SWDLoss(), second=BidirectionalLoss(patch_size=31)), levels)


def test_newton_accepts_sums_of_terms_with_a_known_hessian_diagonal() -> None:
    swd = SWDLoss(coherence=0.0)
    check_newton(CombinedLoss(first=swd, second=swd))
    with pytest.raises(OptionError, match="newton"):
        check_newton(CombinedLoss(first=swd, second=BidirectionalLoss()))


@pytest.mark.parametrize("missing", ["first", "second"])
def test_a_missing_loss_is_named_before_any_step(missing: str) -> None:
    losses = {"first": SWDLoss(), "second": SWDLoss()} | {missing: None}
    with pytest.raises(OptionError, match=f"has no {missing} loss; connect one to {missing}"):
        synthesize(picture(24, 24), loss=CombinedLoss(**losses), on_step=lambda info: pytest.fail("a step was made"))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("free", "circular", "circular"), ("circular x", "free", "circular x"), ("circular", "circular", "circular")],
)
def test_the_border_is_the_one_that_is_not_free(first: str, second: str, expected: str) -> None:
    assert CombinedLoss(first=SWDLoss(border=first), second=SWDLoss(border=second)).border == expected


def test_different_borders_are_refused() -> None:
    loss = CombinedLoss(first=SWDLoss(border="circular x"), second=SWDLoss(border="circular y"))
    with pytest.raises(GPDMError, match="circular x and circular y"):
        synthesize(picture(24, 24), loss=loss, on_step=lambda info: pytest.fail("a step was made"))


def test_the_result_of_a_seed_does_not_depend_on_the_batch_size() -> None:
    loss = CombinedLoss(first=SWDLoss(num_proj=4), second=SWDLoss(num_proj=4, patch_size=3, coherence=0.0), weight=0.5)
    quick = {"loss": loss, "optimizer": Optimizer(num_steps=3, fine_steps=0)}
    both = synthesize(picture(30, 30), num_outputs=2, **quick).images
    assert torch.equal(both[1:], synthesize(picture(30, 30), seed=1, **quick).images)


SQUARED = SWDLoss(num_proj=8, small_patches=0.0, coherence=0.0)


@pytest.mark.parametrize(("scale", "size"), [(1.0, (40, 48)), (0.5, (20, 24))])
def test_own_references_of_a_loss_are_resized_to_the_level(scale: float, size: tuple[int, int]) -> None:
    reference, other = picture(*size, seed=1), picture(60, 44, seed=2)
    weight = torch.ones(60, 44)
    weight[:20] = 0
    own = Reference(other, weight)
    canvas = Canvas(size=size, scale=scale)
    objective = bind(CombinedLoss(first=SQUARED, second=LossOn.of(SQUARED, own)), as_references(reference), canvas)
    assert isinstance(objective, SumObjective)
    first, second = objective.parts
    assert isinstance(first, BinnedObjective) and isinstance(second, BinnedObjective)
    assert torch.equal(first.cdfs.samplers[0].images[0], reference)
    expected = as_references(own)[0].at(scale)
    assert second.cdfs.samplers[0].images[0].shape[2:] == (60 * scale, 44 * scale)
    assert torch.equal(second.cdfs.samplers[0].images[0], expected.image)
    image = picture(*size, seed=3)
    value, gradient = evaluated(bind(SQUARED, [expected], canvas), image)
    own_value, own_gradient = evaluated(second, image)
    assert torch.equal(own_value, value) and torch.equal(own_gradient, gradient)


def test_memory_and_checks_are_those_for_the_own_references() -> None:
    loss, level = LossOn.of(SQUARED, picture(60, 44)), Level(0, 0.5, (50, 50), ((500, 500),))
    needed = loss_memory(SQUARED, replace(level, reference_sizes=((30, 22),)))
    copies = 2 * picture(30, 22).nbytes
    assert loss_memory(loss, level) == tuple(bytes_ + copies for bytes_ in needed)
    with pytest.raises(OptionError, match=r"a patch of 7x7 does not fit.*reference 6x30"):
        check_loss(LossOn.of(SQUARED, picture(60, 12)), [level])
    coherent = LossOn.of(SWDLoss(num_proj=2), picture(60, 44))
    assert not any(type(term.term).__name__ == "Coherence" and term.active(level) for _, term in coherent.terms())  # type: ignore[attr-defined]


@pytest.mark.parametrize("solver", ["histogram", "exact"])
@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_a_barycentre_has_the_weighted_sum_of_both_gradients(weight: float, solver: str) -> None:
    a, b, image = picture(30, 30, seed=1), picture(34, 28, seed=2), picture(32, 40, seed=3)
    # With solver exact each part samples its own filters, so that parts are compared one by one.
    squared = replace(SQUARED, solver=solver)
    pair = CombinedLoss(first=LossOn.of(squared, a), second=LossOn.of(squared, b), weight=weight)
    objective = objective_of(CombinedLoss(first=squared, second=pair, weight=0.5), [a], (32, 40))
    assert isinstance(objective, SumObjective)
    weights = (1.0, 0.5, 0.5 * weight)
    expected = [evaluated(objective_of(squared, [reference], (32, 40)), image, seed=5) for reference in (a, a, b)]
    if solver == "histogram":
        value, gradient = evaluated(objective, image, seed=5)
        assert float(value) == pytest.approx(sum(w * float(v) for w, (v, _) in zip(weights, expected, strict=True)))
        total = sum((w * g for w, (_, g) in zip(weights, expected, strict=True)), torch.zeros_like(image))
        assert torch.allclose(gradient, total, rtol=1e-4, atol=1e-9)
    else:
        for part, w, (v, g) in zip(objective.parts, weights, expected, strict=True):
            value, gradient = evaluated(part, image, seed=5)
            assert float(value) == pytest.approx(w * float(v))
            assert torch.allclose(gradient, w * g, rtol=1e-4, atol=1e-9)


def test_the_barycentre_of_two_flat_images_is_their_weighted_mean() -> None:
    dark, bright = torch.full((1, 3, 24, 24), -0.6), torch.full((1, 3, 24, 24), 0.4)
    squared = SWDLoss(patch_size=1, num_proj=16, coherence=0.0, solver="exact")
    loss = CombinedLoss(first=squared, second=LossOn.of(squared, bright), weight=3.0)
    parts = {"optimizer": Optimizer(num_steps=600), "pyramid": PyramidSchedule(coarse_dim=24)}
    result = synthesize(dark, loss=loss, **parts)
    assert torch.allclose(result.images, torch.full_like(result.images, 0.15), atol=0.03)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 10.0)])
def test_own_references_are_in_the_units_of_the_others(value_range: tuple[float, float], own: bool) -> None:
    """The result does not depend on the value range of the data."""
    low, high = value_range

    def data(image: Tensor) -> Tensor:
        return (image + 1) / 2 * (high - low) + low

    a, b = picture(24, 24, seed=1), picture(24, 24, seed=2)
    quick = {
        "optimizer": Optimizer(num_steps=5),
        "pyramid": PyramidSchedule(coarse_dim=24),
        "guess": InitialGuess(noise_sigma=0.2),
    }
    expected = synthesize(a, loss=LossOn.of(SQUARED, b) if own else SQUARED, **quick).images
    loss = LossOn.of(SQUARED, data(b)) if own else SQUARED
    found = synthesize(data(a), loss=loss, value_range=value_range, **quick).images
    # Rounding may move a patch to the next bin.
    assert F.l1_loss(found, data(expected)) < 0.002 * (high - low)


def test_own_references_may_be_of_half_precision() -> None:
    a, b = (picture(24, 24, seed=seed).half() for seed in (1, 2))
    quick = {"optimizer": Optimizer(num_steps=2), "pyramid": PyramidSchedule(coarse_dim=24)}
    images = synthesize(a, loss=LossOn.of(SQUARED, b), **quick).images
    assert images.dtype == torch.float16
    assert images.isfinite().all()


def left_or_right(references: Sequence[Reference], canvas: Canvas, image: Tensor) -> list[Reference]:
    """References of which only the left half counts for a bright image, and only the right half for a dark one."""
    del canvas
    results = []
    for reference in references:
        weight = reference.map().clone()
        middle = weight.shape[3] // 2
        weight[..., middle:] *= float(image.mean() <= 0)
        weight[..., :middle] *= float(image.mean() > 0)
        results.append(replace(reference, weight=weight))
    return results


def test_a_following_loss_has_an_objective_for_each_output() -> None:
    references, canvas = as_references(picture(30, 40, seed=1)), Canvas(size=(24, 28))
    images = [picture(24, 28, seed=2) * 0.1 + brightness for brightness in (0.5, -0.5)]
    problem = LevelProblem(references, canvas, FollowingLoss(SQUARED, left_or_right), 2**30)
    objectives = problem.objectives(images)
    assert objectives[0] is not objectives[1]
    probe = picture(24, 28, seed=3)
    results = [evaluated(objective, probe) for objective in objectives]
    for (value, gradient), image in zip(results, images, strict=True):
        expected = evaluated(bind(SQUARED, left_or_right(references, canvas, image), canvas), probe)
        assert torch.equal(value, expected[0]) and torch.equal(gradient, expected[1])
    assert not torch.equal(results[0][1], results[1][1])


def test_outputs_share_the_objective_of_another_loss() -> None:
    problem = LevelProblem(as_references(picture(30, 40)), Canvas(size=(24, 28)), SQUARED, 2**30)
    first, second = problem.objectives([picture(24, 28, seed=seed) for seed in (1, 2)])
    assert first is second
    assert is_per_output(CombinedLoss(first=SQUARED, second=FollowingLoss(SQUARED, left_or_right)))
    assert not is_per_output(CombinedLoss(first=SQUARED, second=SQUARED))


def test_a_following_loss_needs_an_image() -> None:
    with pytest.raises(GPDMError, match="FollowingLoss needs the output's image; pass image= to bind"):
        bind(FollowingLoss(SQUARED, left_or_right), as_references(picture()), Canvas(size=(24, 28)))


def test_the_result_of_a_following_loss_does_not_depend_on_the_batch_size() -> None:
    quick = {
        "loss": FollowingLoss(SQUARED, left_or_right),
        "optimizer": Optimizer(num_steps=3, fine_steps=0),
        "guess": InitialGuess(noise_sigma=1.0),
    }
    both = synthesize(picture(30, 30), num_outputs=2, **quick).images
    assert torch.equal(both[1:], synthesize(picture(30, 30), seed=1, **quick).images)
