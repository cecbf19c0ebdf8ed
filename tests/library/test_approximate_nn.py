"""The approximate search of patch nearest neighbours: against exact votes, its options, and whole runs."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from gpdm import (
    Canvas,
    ImageError,
    OutputState,
    PatchNN,
    PyramidSchedule,
    Reference,
    SWDLoss,
    synthesize,
    value_and_gradient,
)
from gpdm.borders import BORDERS, repeated, upsample
from gpdm.images import resize, size_of
from gpdm.optimizers import approximate_nn
from gpdm.optimizers.approximate_nn import ApproximatePatches
from gpdm.optimizers.base import LevelProblem, LevelResult, solve_level
from gpdm.optimizers.votes import Votes
from library.problems import picture

P = 5
REFERENCE = picture(34, 40, seed=1)


@pytest.fixture(autouse=True)
def small_levels_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate_nn, "MAX_PAIRS", 0)


def sampled(
    image: Tensor, *references: Reference, border: str = "free", factor: float = 1.0, steps: int = 1, p: int = P
) -> Votes:
    """The votes of an image after a number of steps that leave it as it is."""
    objective = ApproximatePatches(p, references, Canvas(size=size_of(image), border=border), factor)
    state = OutputState(Generator())
    return [objective.sample(image, step, state) for step in range(steps)][-1]


def solve(image: Tensor, num_steps: int = 8) -> LevelResult:
    problem = LevelProblem([Reference(REFERENCE)], Canvas(size=size_of(image)), SWDLoss(), 2**20)
    optimizer = PatchNN(patch_size=P, num_steps=num_steps, search="approximate")
    (result,) = solve_level(optimizer, problem, [image.clone()], [Generator()], num_steps, lambda *_: None)
    return result


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("steps", [1, 3])
def test_an_image_of_reference_patches_is_a_fixed_point(border: str, steps: int) -> None:
    image = REFERENCE if border == "free" else picture(14, 12, seed=4)
    reference = Reference(image if border == "free" else repeated(repeated(image, border)))
    votes = sampled(image, reference, border=border, steps=steps)
    assert torch.allclose(votes.image, image, atol=1e-6)
    assert float(votes.distance) == pytest.approx(0, abs=1e-9)
    assert votes.unchanged is (steps > 1)


@pytest.mark.parametrize("p", [1, 2, 7])
def test_every_pixel_has_votes_at_every_patch_size(p: int) -> None:
    image = picture(20, 23, seed=5)
    votes = sampled(image, Reference(image), p=p)
    assert torch.allclose(votes.image, image, atol=1e-6)


def test_the_first_step_searches_in_blurred_references_and_gives_sharp_patches() -> None:
    blurred = upsample(resize(REFERENCE, (17, 20)), (34, 40), "free")
    assert torch.allclose(sampled(blurred, Reference(REFERENCE), factor=0.5).image, REFERENCE, atol=1e-6)
    without = sampled(blurred, Reference(REFERENCE), factor=1.0).image
    assert float((without - REFERENCE).square().mean()) > 1e-4


def test_the_value_is_the_mean_squared_difference_and_steps_lower_it() -> None:
    image = picture(34, 40, seed=2)
    votes = sampled(image, Reference(REFERENCE))
    objective = ApproximatePatches(P, [Reference(REFERENCE)], Canvas(size=size_of(image)))
    value, gradient = value_and_gradient(objective, image)
    assert torch.equal(value, votes.distance)
    assert torch.equal(gradient, image - votes.image)
    result = solve(image)
    assert float(result.losses[0]) == pytest.approx(float(votes.distance))
    assert (result.losses.diff() < 1e-6).all()


def test_a_level_ends_when_no_match_changes() -> None:
    result = solve(REFERENCE)
    assert result.stop == "converged"
    assert len(result.losses) == 2


def test_a_patch_of_weight_0_is_never_used() -> None:
    weight = torch.ones(1, 1, 34, 40)
    weight[..., 17:] = 0
    votes = sampled(REFERENCE, Reference(REFERENCE, weight), steps=2)
    assert torch.allclose(votes.image[..., : 17 - P], REFERENCE[..., : 17 - P], atol=1e-6)
    columns = torch.arange(34 * 40)[votes.index] % 40
    assert int(columns.max()) == 17 - P


def test_each_region_gets_patches_of_its_references() -> None:
    left = torch.zeros(1, 1, 20, 24)
    left[..., :12] = 1
    flat = [
        Reference(torch.full((1, 3, 9, 9), value), region=region) for value, region in ((0.5, left), (-0.5, 1 - left))
    ]
    image = sampled(picture(20, 24), *flat, steps=2).image
    assert torch.allclose(image[..., : 12 - P], torch.tensor(0.5), atol=1e-6)
    assert torch.allclose(image[..., 12 + P :], torch.tensor(-0.5), atol=1e-6)


OPTIONS = {"optimizer": PatchNN(num_steps=2, search="approximate"), "pyramid": PyramidSchedule(coarse_dim=14)}


def test_each_of_several_outputs_equals_a_single_run() -> None:
    result = synthesize(picture(24, 26), seed=3, num_outputs=2, **OPTIONS)  # type: ignore[arg-type]
    single = [synthesize(picture(24, 26), seed=3 + i, **OPTIONS).images for i in range(2)]  # type: ignore[arg-type]
    assert torch.equal(result.images, torch.cat(single))
    assert not torch.equal(single[0], single[1])


def test_small_levels_are_searched_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate_nn, "MAX_PAIRS", 10**9)
    images = [
        synthesize(picture(24, 26), optimizer=PatchNN(num_steps=2, search=search), pyramid=OPTIONS["pyramid"]).images  # type: ignore[arg-type]
        for search in ("approximate", "exact")
    ]
    assert torch.equal(*images)


def test_a_batch_of_images_is_refused() -> None:
    with pytest.raises(ImageError, match="batch of 2"):
        sampled(REFERENCE.repeat(2, 1, 1, 1), Reference(REFERENCE))
