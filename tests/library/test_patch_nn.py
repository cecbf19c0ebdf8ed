"""Patch nearest neighbours: one step against brute force, what alpha and step do, and what a level's optimiser keeps to."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gpdm import GPDMError, OptionError, PatchNN, PyramidSchedule, StepInfo, SWDLoss, synthesize
from gpdm.images import size_of
from gpdm.optimizers import patch_nn
from gpdm.optimizers.base import Descent, Problem
from gpdm.optimizers.patch_nn import vote
from gpdm.patches.nearest import least_distances
from library.problems import picture

P = 5
REFERENCE, IMAGE = picture(14, 17, seed=1), picture(13, 16, seed=2)


def descend(optimizer: PatchNN, *images: Tensor, references: list[Tensor] | None = None, on_step: Any = None) -> Any:
    problem = Problem(references or [REFERENCE], size_of(images[0]), SWDLoss(), 2**20)
    generators = [Generator().manual_seed(i) for i in range(len(images))]
    return optimizer.descend(images, problem, generators, optimizer.num_steps, on_step or (lambda *told: None))


def one_step(image: Tensor, references: list[Tensor] | None = None, **options: Any) -> Descent:
    (descent,) = descend(PatchNN(patch_size=P, num_steps=1, **options), image.clone(), references=references)
    return descent


def patches(image: Tensor) -> Tensor:
    rows, columns = (side - P + 1 for side in size_of(image))
    return torch.stack([image[0, :, y : y + P, x : x + P].flatten() for y in range(rows) for x in range(columns)])


def chosen(image: Tensor, references: list[Tensor], alpha: float) -> tuple[Tensor, Tensor]:
    """GPNN, equation 3: the reference patch of each patch, and its mean squared difference. float64."""
    keys = torch.cat([patches(x) for x in references]).double()
    pairs = (patches(image).double()[:, None] - keys).square().mean(2)
    best = (pairs / (alpha + pairs.amin(0))).argmin(1)
    return keys[best], pairs.gather(1, best[:, None])[:, 0]


@pytest.mark.parametrize("alpha", [0.005, 0.1, 1000.0])
@pytest.mark.parametrize("number", [1, 2])
def test_a_step_is_the_average_of_the_reference_patches_that_replace_the_own(alpha: float, number: int) -> None:
    references = [REFERENCE, picture(9, 11, seed=3)][:number]
    descent = one_step(IMAGE, references, alpha=alpha)
    replaced, distance = chosen(IMAGE, references, alpha)
    fold = [F.fold(x.T[None], (13, 16), P) for x in (replaced, torch.ones_like(replaced))]
    assert torch.allclose(descent.image.double(), fold[0] / fold[1], atol=1e-5)
    assert descent.losses.shape == (1,)
    assert descent.losses.dtype == torch.float64
    assert float(descent.losses[0]) == pytest.approx(float(distance.mean()), rel=1e-4)
    assert descent.stop == "step limit"


def test_a_step_is_one_pixel_for_patches_of_one_pixel() -> None:
    (descent,) = descend(PatchNN(patch_size=1, num_steps=1, alpha=1000.0), IMAGE.clone())
    colours = REFERENCE[0].flatten(1).T
    nearest = (IMAGE[0].flatten(1).T[:, None] - colours).square().mean(2).argmin(1)
    assert torch.allclose(descent.image[0].flatten(1).T, colours[nearest], atol=1e-6)


@pytest.mark.parametrize("alpha", [1e-3, 0.005, 1000.0])
def test_the_reference_stays_as_it_is(alpha: float) -> None:
    (descent,) = descend(PatchNN(patch_size=P, num_steps=10, alpha=alpha), REFERENCE.clone())
    assert torch.allclose(descent.image, REFERENCE, atol=1e-6)
    assert descent.stop == "converged"
    assert len(descent.losses) == 2
    assert not descent.losses[0]
    assert float(descent.losses[1]) == pytest.approx(0, abs=1e-12)


def test_a_level_has_converged_when_no_patch_changes() -> None:
    (descent,) = descend(PatchNN(patch_size=P, num_steps=100, alpha=1000.0), IMAGE.clone())
    assert descent.stop == "converged"
    assert 2 < len(descent.losses) < 100
    assert torch.equal(one_step(descent.image, alpha=1000.0).image, descent.image)
    shorter = PatchNN(patch_size=P, num_steps=len(descent.losses) - 1, alpha=1000.0)
    (other,) = descend(shorter, IMAGE.clone())
    assert other.stop == "step limit"
    assert torch.allclose(other.losses, descent.losses[:-1])
    exactly = PatchNN(patch_size=P, num_steps=len(descent.losses), alpha=1000.0)
    assert descend(exactly, IMAGE.clone())[0].stop == "converged"


def test_the_loss_does_not_rise_without_completeness() -> None:
    (descent,) = descend(PatchNN(patch_size=P, num_steps=100, alpha=1000.0), IMAGE.clone())
    assert (descent.losses.diff() < 1e-6).all()


def test_a_small_alpha_leaves_less_of_the_reference_out() -> None:
    missing = []
    for alpha in (1e-3, 0.1, 1000.0):
        noise = 0.5 * torch.randn(1, 3, 13, 16, generator=Generator().manual_seed(0))
        (descent,) = descend(PatchNN(patch_size=P, alpha=alpha), noise)
        missing.append(float(least_distances(patches(descent.image), patches(REFERENCE)).mean()))
    assert missing[0] < 0.9 * missing[1] < 0.9**2 * missing[2]


@pytest.mark.parametrize("step", [0.5, 0.1])
def test_a_step_goes_so_far(step: float) -> None:
    whole = one_step(IMAGE).image
    assert torch.allclose(one_step(IMAGE, step=step).image, IMAGE + step * (whole - IMAGE), atol=1e-6)


def test_with_a_smaller_step_nothing_has_converged_before_the_limit() -> None:
    """The same patches may be chosen again while the picture is still on its way to them."""
    start = REFERENCE + 0.01
    (descent,) = descend(PatchNN(patch_size=P, num_steps=8, step=0.5, alpha=1000.0), start)
    assert descent.stop == "step limit"
    assert len(descent.losses) == 8
    assert torch.allclose(descent.image - REFERENCE, torch.tensor(0.01 / 2**8), atol=1e-6)


def test_images_end_each_for_itself() -> None:
    other = picture(14, 17, seed=7)
    together = descend(PatchNN(patch_size=P), REFERENCE.clone(), other.clone())
    for found, image in zip(together, (REFERENCE, other), strict=True):
        (alone,) = descend(PatchNN(patch_size=P), image.clone())
        assert torch.equal(found.image, alone.image)
        assert torch.equal(found.losses, alone.losses)
        assert found.stop == alone.stop
    assert len(together[0].losses) < len(together[1].losses)


def test_the_level_has_the_images_changed_in_place() -> None:
    image = IMAGE.clone()
    (descent,) = descend(PatchNN(patch_size=P, num_steps=1), image)
    assert descent.image is image


OPTIONS: dict[str, Any] = {"optimizer": PatchNN(num_steps=2), "pyramid": PyramidSchedule(coarse_dim=14)}


def test_it_synthesises_several_outputs_and_each_is_that_of_a_single_run() -> None:
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


def test_every_step_is_told_and_what_is_raised_goes_through() -> None:
    told: list[StepInfo] = []
    synthesize(picture(24, 26), num_outputs=2, on_step=told.append, **OPTIONS)
    levels = told[0].levels
    assert [(x.level, x.output, x.step) for x in told[:4]] == [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]
    assert {x.steps for x in told} == {2}
    assert told[-1].level == levels - 1
    assert told[-1].done == 1

    def cancel(info: StepInfo) -> None:
        told.append(info)
        if info.step == 1:
            raise InterruptedError

    told.clear()
    with pytest.raises(InterruptedError):
        synthesize(picture(24, 26), on_step=cancel, **OPTIONS)
    assert [x.step for x in told] == [0, 1]


def test_progress_does_not_go_back() -> None:
    told: list[float] = []
    synthesize(picture(24, 26), num_outputs=3, on_step=lambda info: told.append(info.done), **OPTIONS)
    assert told == sorted(told)


def test_missing_faiss_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    seen: list[StepInfo] = []
    with pytest.raises(GPDMError, match="pip install faiss-cpu"):
        synthesize(picture(), optimizer=PatchNN(search="faiss"), on_step=seen.append)
    assert not seen


def test_the_search_is_the_one_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    originals = patch_nn.nearest, patch_nn.least_distances

    def nearest(queries: Tensor, keys: Tensor, search: str, shares: Tensor | None) -> Any:
        asked.append(search)
        return originals[0](queries, keys, "exact", shares)

    def least(queries: Tensor, keys: Tensor, search: str) -> Tensor:
        asked.append(search)
        return originals[1](queries, keys, "exact")

    monkeypatch.setattr(patch_nn, "nearest", nearest)
    monkeypatch.setattr(patch_nn, "least_distances", least)
    found = one_step(IMAGE, search="faiss").image
    assert asked == ["faiss", "faiss"]
    assert torch.equal(found, one_step(IMAGE).image)


def test_a_level_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(OptionError, match=r"patch_size = 31 .*level 0 is smaller than a patch.*coarse_dim of at least"):
        synthesize(picture(40, 40), optimizer=PatchNN(patch_size=31))


def test_memory_grows_with_both_pictures_and_is_planned() -> None:
    optimizer = PatchNN()
    least, most = optimizer.working_bytes(None, 1000, 2000)
    assert least == most
    more = optimizer.working_bytes(None, 2000, 2000)[0] - least
    assert more == optimizer.working_bytes(None, 1000, 3000)[0] - least > 1000 * 49 * 4 * 3
    with pytest.raises(OptionError, match="memory"):
        synthesize(picture(), optimizer=optimizer, memory=10**6)


@pytest.mark.parametrize(
    "options", [{"patch_size": 0}, {"alpha": 0.0}, {"num_steps": 0}, {"step": 0.0}, {"step": 1.5}, {"search": "fast"}]
)
def test_bad_options_are_refused_by_name(options: dict) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        PatchNN(**options)


def test_a_vote_is_the_mean_of_what_the_patches_say() -> None:
    """On a line of three pixels with patches of two: the middle one hears both."""
    said = torch.tensor([[1.0, 2.0, 10.0, 20.0], [4.0, 8.0, 40.0, 80.0]])
    expected = torch.tensor([[1.0, 3.0, 8.0], [10.0, 30.0, 80.0]])
    assert torch.equal(vote(said, (2, 3), 2)[0, 0], expected)


def test_a_vote_of_the_own_patches_is_the_picture() -> None:
    assert torch.allclose(vote(patches(IMAGE), (13, 16), P), IMAGE, atol=1e-6)


def test_places_that_are_not_given_have_no_vote() -> None:
    given = torch.rand(9 * 12, generator=Generator().manual_seed(0)) < 0.6
    given.view(9, 12)[:, [0, -1]] = True
    given.view(9, 12)[[0, -1]] = True
    assert torch.allclose(vote(patches(IMAGE)[given], (13, 16), P, given), IMAGE, atol=1e-6)
    assert torch.equal(vote(patches(IMAGE), (13, 16), P, torch.ones(108).bool()), vote(patches(IMAGE), (13, 16), P))
