"""Patch nearest neighbours: one step compared with brute force, the options, and the protocol of level solvers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gpdm import (
    Canvas,
    GPDMError,
    ImageError,
    Level,
    OptionError,
    OutputState,
    PatchNN,
    PyramidSchedule,
    Reference,
    StepInfo,
    SWDLoss,
    synthesize,
)
from gpdm.borders import BORDERS, padded_size, wrap, wraps
from gpdm.images import size_of
from gpdm.optimizers import patch_nn
from gpdm.optimizers.base import LevelProblem, LevelResult, solve_level
from gpdm.optimizers.patch_nn import NearestPatches, vote
from gpdm.patches.nearest import least_distances
from library.problems import picture

P = 5
REFERENCE, IMAGE = picture(14, 17, seed=1), picture(13, 16, seed=2)


def solve(
    optimizer: PatchNN, *images: Tensor, references: Sequence[Reference] = (Reference(REFERENCE),), border: str = "free"
) -> list[LevelResult]:
    problem = LevelProblem(references, Canvas(size=size_of(images[0]), border=border), SWDLoss(), 2**20)
    generators = [Generator().manual_seed(i) for i in range(len(images))]
    return solve_level(optimizer, problem, images, generators, optimizer.num_steps, lambda *_: None)


def one_step(
    image: Tensor, references: Sequence[Reference] = (Reference(REFERENCE),), border: str = "free", **options: Any
) -> LevelResult:
    optimizer = PatchNN(patch_size=P, num_steps=1, **options)
    (result,) = solve(optimizer, image.clone(), references=references, border=border)
    return result


def patches(image: Tensor) -> Tensor:
    rows, columns = (pixels - P + 1 for pixels in size_of(image))
    return torch.stack([image[0, :, y : y + P, x : x + P].flatten() for y in range(rows) for x in range(columns)])


def brute_force(image: Tensor, references: list[Tensor], alpha: float) -> tuple[Tensor, Tensor]:
    """The reference patch of each patch (GPNN, equation 3), and the mean squared difference to it, in float64."""
    keys = torch.cat([patches(x) for x in references]).double()
    pairs = (patches(image).double()[:, None] - keys).square().mean(2)
    best = (pairs / (alpha + pairs.amin(0))).argmin(1)
    return keys[best], pairs.gather(1, best[:, None])[:, 0]


@pytest.mark.parametrize("alpha", [0.005, 0.1, 1000.0])
@pytest.mark.parametrize("number", [1, 2])
def test_a_step_is_the_overlapping_mean_of_the_nearest_reference_patches(alpha: float, number: int) -> None:
    references = [REFERENCE, picture(9, 11, seed=3)][:number]
    result = one_step(IMAGE, [Reference(x) for x in references], alpha=alpha)
    nearest, distance = brute_force(IMAGE, references, alpha)
    sums, counts = (F.fold(x.T[None], (13, 16), P) for x in (nearest, torch.ones_like(nearest)))
    assert torch.allclose(result.image.double(), sums / counts, atol=1e-5)
    assert result.losses.shape == (1,)
    assert result.losses.dtype == torch.float64
    assert float(result.losses[0]) == pytest.approx(float(distance.mean()), rel=1e-4)
    assert result.stop == "step limit"


def test_patches_of_one_pixel_are_replaced_by_the_nearest_colour() -> None:
    (result,) = solve(PatchNN(patch_size=1, num_steps=1, alpha=1000.0), IMAGE.clone())
    colours = REFERENCE[0].flatten(1).T
    nearest = (IMAGE[0].flatten(1).T[:, None] - colours).square().mean(2).argmin(1)
    assert torch.allclose(result.image[0].flatten(1).T, colours[nearest], atol=1e-6)


@pytest.mark.parametrize("alpha", [1e-3, 0.005, 1000.0])
def test_the_reference_is_a_fixed_point(alpha: float) -> None:
    (result,) = solve(PatchNN(patch_size=P, num_steps=10, alpha=alpha), REFERENCE.clone())
    assert torch.allclose(result.image, REFERENCE, atol=1e-6)
    assert result.stop == "converged"
    assert len(result.losses) == 2
    assert not result.losses[0]
    assert float(result.losses[1]) == pytest.approx(0, abs=1e-12)


def test_a_level_has_converged_when_no_nearest_patch_changes() -> None:
    (result,) = solve(PatchNN(patch_size=P, num_steps=100, alpha=1000.0), IMAGE.clone())
    assert result.stop == "converged"
    assert 2 < len(result.losses) < 100
    assert torch.equal(one_step(result.image, alpha=1000.0).image, result.image)
    shorter = PatchNN(patch_size=P, num_steps=len(result.losses) - 1, alpha=1000.0)
    (other,) = solve(shorter, IMAGE.clone())
    assert other.stop == "step limit"
    assert torch.allclose(other.losses, result.losses[:-1])
    exactly = PatchNN(patch_size=P, num_steps=len(result.losses), alpha=1000.0)
    assert solve(exactly, IMAGE.clone())[0].stop == "converged"


def test_without_completeness_the_loss_never_increases() -> None:
    (result,) = solve(PatchNN(patch_size=P, num_steps=100, alpha=1000.0), IMAGE.clone())
    assert (result.losses.diff() < 1e-6).all()


def test_with_a_small_alpha_less_of_the_reference_is_missing() -> None:
    missing = []
    for alpha in (1e-3, 0.1, 1000.0):
        noise = 0.5 * torch.randn(1, 3, 13, 16, generator=Generator().manual_seed(0))
        (result,) = solve(PatchNN(patch_size=P, alpha=alpha), noise)
        missing.append(float(least_distances(patches(result.image), patches(REFERENCE)).mean()))
    assert missing[0] < 0.9 * missing[1] < 0.9**2 * missing[2]


@pytest.mark.parametrize("step", [0.5, 0.1])
def test_step_is_the_fraction_of_a_full_step(step: float) -> None:
    full = one_step(IMAGE).image
    assert torch.allclose(one_step(IMAGE, step=step).image, IMAGE + step * (full - IMAGE), atol=1e-6)


def test_with_a_smaller_step_no_level_ends_early() -> None:
    """The nearest patches may stay the same while the image still changes."""
    start = REFERENCE + 0.01
    (result,) = solve(PatchNN(patch_size=P, num_steps=8, step=0.5, alpha=1000.0), start)
    assert result.stop == "step limit"
    assert len(result.losses) == 8
    assert torch.allclose(result.image - REFERENCE, torch.tensor(0.01 / 2**8), atol=1e-6)


def test_runs_are_independent() -> None:
    other = picture(14, 17, seed=7)
    together = solve(PatchNN(patch_size=P), REFERENCE.clone(), other.clone())
    for result, image in zip(together, (REFERENCE, other), strict=True):
        (alone,) = solve(PatchNN(patch_size=P), image.clone())
        assert torch.equal(result.image, alone.image)
        assert torch.equal(result.losses, alone.losses)
        assert result.stop == alone.stop
    assert len(together[0].losses) < len(together[1].losses)


def test_images_are_changed_in_place() -> None:
    image = IMAGE.clone()
    (result,) = solve(PatchNN(patch_size=P, num_steps=1), image)
    assert result.image is image


OPTIONS: dict[str, Any] = {"optimizer": PatchNN(num_steps=2), "pyramid": PyramidSchedule(coarse_dim=14)}


def test_each_of_several_outputs_equals_a_single_run() -> None:
    reference = picture(24, 26)
    result = synthesize(reference, seed=3, num_outputs=2, **OPTIONS)
    single = [synthesize(reference, seed=3 + i, **OPTIONS).images for i in range(2)]
    assert torch.equal(result.images, torch.cat(single))
    assert not torch.equal(single[0], single[1])
    assert len(result.levels) > 1
    assert [tuple(losses.shape) for losses in result.losses] == [(2, 2)] * len(result.levels)
    assert result.losses[-1][0, -1] < result.losses[0][0, 0]


def test_the_loss_has_no_effect() -> None:
    images = [
        synthesize(picture(24, 26), loss=loss, **OPTIONS).images for loss in (None, SWDLoss(patch_size=31, num_proj=1))
    ]
    assert torch.equal(*images)


def test_callbacks_get_every_step() -> None:
    infos: list[StepInfo] = []
    synthesize(picture(24, 26), num_outputs=2, on_step=infos.append, **OPTIONS)
    assert [(x.level, x.output, x.step) for x in infos[:4]] == [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]
    assert {x.steps for x in infos} == {2}
    assert infos[-1].level == infos[0].levels - 1
    assert infos[-1].done == 1


def test_an_exception_of_a_callback_stops_the_run() -> None:
    steps: list[int] = []

    def cancel(info: StepInfo) -> None:
        steps.append(info.step)
        if info.step == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        synthesize(picture(24, 26), on_step=cancel, **OPTIONS)
    assert steps == [0, 1]


def test_progress_never_decreases() -> None:
    progress: list[float] = []
    synthesize(picture(24, 26), num_outputs=3, on_step=lambda info: progress.append(info.done), **OPTIONS)
    assert progress == sorted(progress)


def test_missing_faiss_is_an_error_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    infos: list[StepInfo] = []
    with pytest.raises(GPDMError, match="pip install faiss-cpu"):
        synthesize(picture(), optimizer=PatchNN(search="faiss"), on_step=infos.append)
    assert not infos


def test_both_searches_use_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[str] = []
    originals = patch_nn.nearest, patch_nn.least_distances

    def nearest(queries: Tensor, keys: Tensor, search: str, factors: Tensor | None) -> Any:
        searches.append(search)
        return originals[0](queries, keys, "exact", factors)

    def least_distances(queries: Tensor, keys: Tensor, search: str) -> Tensor:
        searches.append(search)
        return originals[1](queries, keys, "exact")

    monkeypatch.setattr(patch_nn, "nearest", nearest)
    monkeypatch.setattr(patch_nn, "least_distances", least_distances)
    image = one_step(IMAGE, search="faiss").image
    assert searches == ["faiss", "faiss"]
    assert torch.equal(image, one_step(IMAGE).image)


def test_a_level_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^a patch of 31x31 does not fit pyramid level 0.*coarse_dim of at least"):
        synthesize(picture(40, 40), optimizer=PatchNN(patch_size=31))


def test_memory_grows_with_reference_and_output_and_is_planned() -> None:
    optimizer = PatchNN()

    def needed(reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        return optimizer.memory(None, Level(0, 1.0, (1, output_pixels), ((1, reference_pixels),)))

    minimum, full_speed = needed(1000, 2000)
    assert minimum == full_speed
    increase = needed(2000, 2000)[0] - minimum
    assert increase == needed(1000, 3000)[0] - minimum > 1000 * 49 * 4 * 3
    with pytest.raises(OptionError, match="memory"):
        synthesize(picture(), optimizer=optimizer, memory=10**6)


@pytest.mark.parametrize(
    "options", [{"patch_size": 0}, {"alpha": 0.0}, {"num_steps": 0}, {"step": 0.0}, {"step": 1.5}, {"search": "fast"}]
)
def test_bad_options_are_refused_by_name(options: dict) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        PatchNN(**options)


def test_a_vote_is_the_mean_of_overlapping_patches() -> None:
    """Two patches of 2x2 pixels that overlap in the middle column of three."""
    overlapping = torch.tensor([[1.0, 2.0, 10.0, 20.0], [4.0, 8.0, 40.0, 80.0]])
    expected = torch.tensor([[1.0, 3.0, 8.0], [10.0, 30.0, 80.0]])
    assert torch.equal(vote(overlapping, (2, 3), 2)[0, 0], expected)


def test_a_vote_of_the_patches_of_an_image_is_the_image() -> None:
    assert torch.allclose(vote(patches(IMAGE), (13, 16), P), IMAGE, atol=1e-6)


@pytest.mark.parametrize("border", BORDERS)
def test_a_vote_of_the_patches_of_an_image_is_the_image_across_borders(border: str) -> None:
    wrapped = wrap(IMAGE, P, border)
    voted = vote(patches(wrapped), padded_size((13, 16), P, border), P, border)
    assert torch.allclose(voted, IMAGE, atol=1e-6)


@pytest.mark.parametrize("border", ["free", "circular", "circular x", "circular y"])
def test_a_step_commutes_with_rolling_across_borders_that_wrap(border: str) -> None:
    shift = tuple(5 * circular for circular in wraps(border))
    rolled = one_step(IMAGE.roll(shift, (2, 3)), border=border).image
    assert torch.allclose(rolled, one_step(IMAGE, border=border).image.roll(shift, (2, 3)), atol=1e-5)


def test_a_patch_of_weight_0_is_never_used() -> None:
    """The image is the reference itself, but the middle of the reference has weight 0."""
    weight = torch.ones(1, 1, 14, 17)
    weight[..., 8] = 0
    halves = [Reference(REFERENCE[..., :8]), Reference(REFERENCE[..., 9:])]
    expected = one_step(REFERENCE, halves, alpha=1000.0)
    result = one_step(REFERENCE, [Reference(REFERENCE, weight)], alpha=1000.0)
    assert torch.equal(result.image, expected.image)
    assert float(result.losses[0]) > 1e-3


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.0), (1.9, 0.0), (2.1, 1.0)])
def test_twice_the_weight_is_preferred_up_to_twice_the_squared_difference(factor: float, expected: float) -> None:
    """An image between two flat references, nearer to the first: the squared differences have the ratio 1 to 2."""
    flat = [Reference(torch.zeros(1, 1, 8, 8)), Reference(torch.ones(1, 1, 8, 8), factor)]
    image = torch.full((1, 1, 9, 9), 1 / (1 + 2**0.5))
    assert torch.allclose(one_step(image, flat, alpha=1000.0).image, torch.full_like(image, expected), atol=1e-6)


def test_each_region_gets_patches_of_its_references() -> None:
    left = torch.zeros(1, 1, 13, 16)
    left[..., :8] = 1
    flat = [
        Reference(torch.full((1, 3, 8, 8), value), region=region) for value, region in ((0.5, left), (-0.5, 1 - left))
    ]
    result = one_step(IMAGE, flat).image
    assert torch.allclose(result[..., : 8 - P // 2], torch.tensor(0.5), atol=1e-6)
    assert torch.allclose(result[..., 8 + P // 2 :], torch.tensor(-0.5), atol=1e-6)


def test_a_batch_of_images_is_refused() -> None:
    objective = NearestPatches(PatchNN(patch_size=P), [Reference(REFERENCE)], Canvas(size=(13, 16)))
    with pytest.raises(ImageError, match="batch of 2"):
        objective.sample(IMAGE.repeat(2, 1, 1, 1), 0, OutputState(Generator()))
