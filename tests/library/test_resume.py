"""Runs that stop after a level, are painted on, and resume."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gpdm import (
    GPDMError,
    InitialGuess,
    Keep,
    Optimizer,
    PatchNN,
    PyramidSchedule,
    StepInfo,
    SWDLoss,
    Synthesis,
    magnified,
    resume,
    synthesize,
)
from library.problems import picture

REFERENCE = picture(44, 52)
PYRAMID = PyramidSchedule(coarse_dim=16, pyr_factor=0.7)
SETTINGS = {"optimizer": Optimizer(num_steps=4, fine_steps=3), "loss": SWDLoss(num_proj=4), "pyramid": PYRAMID}


def stopped(stop_after: int, **more: object) -> Synthesis:
    settings = SETTINGS | more
    return synthesize(REFERENCE, **(settings | {"pyramid": replace(settings["pyramid"], stop_after=stop_after)}))


def keep() -> Keep:
    mask = torch.zeros(44, 52)
    mask[10:30, 5:20] = 1
    return Keep(REFERENCE, mask)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"num_outputs": 2, "seed": 5},
        {"optimizer": Optimizer(method="newton", num_steps=3)},
        {"optimizer": PatchNN(num_steps=2)},
        {"border": "circular", "symmetry": "mirror x"},
        {"keep": keep()},
        {"value_range": None},
        {"loss": SWDLoss(num_proj=4, solver="exact", coherence=0.0)},
        {"init": picture(44, 52, seed=3), "guess": InitialGuess(source="image", image_noise_sigma=0.3)},
    ],
    ids=lambda more: "+".join(more),
)
def test_a_run_that_stopped_resumes_bit_for_bit(stop_after: int, more: dict) -> None:
    whole, part = synthesize(REFERENCE, **(SETTINGS | more)), stopped(stop_after, **more)
    assert part.state is not None
    assert part.images.shape[2:] == whole.levels[stop_after - 1].size
    for _ in range(2):  # the state stays as it is
        resumed = resume(part.state)
        assert torch.equal(resumed.images, whole.images)
    assert resumed.levels == whole.levels
    assert resumed.state is None
    assert all(torch.equal(a, b) for a, b in zip(resumed.losses, whole.losses, strict=True))


def test_a_run_can_stop_at_every_level() -> None:
    result, whole = stopped(1), synthesize(REFERENCE, **SETTINGS)
    for level in range(2, len(whole.levels) + 1):
        result = resume(result.state, stop_after=level)
        assert len(result.levels) == len(result.losses) == len(result.plan) == level
    assert torch.equal(result.images, whole.images)
    assert result.state is None


def test_one_of_several_starts_is_selected_before_a_run_can_stop() -> None:
    more = {"guess": InitialGuess(starts=2)}
    with pytest.raises(
        GPDMError, match=r"stop_after = 1 .*: the best start is selected after level 3, .*choose 3 to 4"
    ):
        stopped(1, **more)
    assert torch.equal(resume(stopped(3, **more).state).images, synthesize(REFERENCE, **SETTINGS, **more).images)


def test_a_painted_pixel_is_used_and_the_others_stay() -> None:
    part = stopped(2)
    painted = part.images.clone()
    painted[..., 3:6, 4:8] = 0.9
    after = part.state.painted(painted)
    image, before = after.runs[0].image, part.state.runs[0].image
    assert torch.all(image[..., 3:6, 4:8] == 0.9)
    outside = torch.ones_like(image, dtype=torch.bool)
    outside[..., 3:6, 4:8] = False
    assert torch.equal(image[outside], before[outside])
    assert not torch.equal(resume(part.state, painted).images, resume(part.state).images)


def test_a_picture_that_was_saved_and_loaded_changes_nothing() -> None:
    """Some programs truncate to 8 bits, and others round; the picture may be enlarged for painting."""
    part = stopped(2, num_outputs=2)
    shown = magnified(part.images, (44, 52))
    assert shown.shape[2] == 44 // part.images.shape[2] * part.images.shape[2]
    for quantise in (torch.round, torch.floor):
        loaded = quantise((shown + 1) / 2 * 255) / 255 * 2 - 1
        assert torch.equal(resume(part.state, loaded).images, resume(part.state).images)


def test_a_faint_stroke_is_used() -> None:
    part = stopped(2)
    assert not torch.equal(part.state.painted(part.images + 3 * 2 / 255).images, part.images)


def test_a_copy_of_a_run_shares_nothing_with_it() -> None:
    run = stopped(2).state.runs[0]
    copy, image, state = run.copy(), run.image.clone(), run.generator.get_state()
    copy.image.zero_()
    copy.losses.clear()
    copy.stops.clear()
    torch.rand(1, generator=copy.generator)
    assert len(run.losses) == len(run.stops) == 2
    assert torch.equal(run.image, image) and torch.equal(run.generator.get_state(), state)


def test_one_painted_picture_serves_all_outputs() -> None:
    part = stopped(1, num_outputs=2)
    painted = torch.full_like(part.images[:1], 0.5)
    assert [run.image.unique().item() for run in part.state.painted(painted).runs] == [0.5, 0.5]


def test_data_in_other_units_are_painted_in_these() -> None:
    part = synthesize(REFERENCE * 40 + 7, value_range=None, **(SETTINGS | {"pyramid": replace(PYRAMID, stop_after=2)}))
    assert torch.equal(part.state.painted(part.images).runs[0].image, part.state.runs[0].image)
    painted = part.state.painted(torch.full_like(part.images, 7.0)).runs[0].image
    torch.testing.assert_close(part.state.problem.units.leave(painted), torch.full_like(part.images, 7.0))


@pytest.mark.parametrize(
    ("painted", "message"),
    [
        (torch.zeros(1, 3, 8, 9), r"the painted picture is 9x8, and the level that is done 26x22; give one with its"),
        (torch.zeros(1, 3, 11, 13), r"is 13x11, and the level"),
        (torch.zeros(1, 3, 60, 60), r"is 60x60, and the level"),
        (torch.zeros(1, 1, 46, 54), "1 channel"),
        (torch.zeros(3, 3, 46, 54), "batch of 3, and there are 2 outputs; give 1 or 2"),
        (torch.full((1, 3, 46, 54), float("nan")), "NaN"),
    ],
)
def test_a_painted_picture_that_does_not_fit_is_refused(painted: torch.Tensor, message: str) -> None:
    part = stopped(2, num_outputs=2)
    with pytest.raises(GPDMError, match=message):
        resume(part.state, painted)


@pytest.mark.parametrize(
    ("stop_after", "message"),
    [
        (
            9,
            r"stop_after = 9 is not allowed: this run has 4 levels \(1: 19x16, .*4: 52x44\) \(choose 3 to 4, or 0 to run all",
        ),
        (2, "level 2 is done"),
        (1, "level 2 is done"),
        (-1, "stop_after"),
    ],
)
def test_a_level_that_cannot_be_the_last_is_refused(stop_after: int, message: str) -> None:
    with pytest.raises(GPDMError, match=message):
        resume(stopped(2).state, stop_after=stop_after)


def test_a_run_with_too_few_levels_is_refused_before_any_step() -> None:
    with pytest.raises(GPDMError, match="this run has 4 levels"):
        stopped(5, optimizer=Optimizer(num_steps=10**5))


def test_the_fraction_that_is_done_ends_at_1() -> None:
    infos: list[StepInfo] = []
    part = synthesize(REFERENCE, on_step=infos.append, **(SETTINGS | {"pyramid": replace(PYRAMID, stop_after=2)}))
    assert infos[-1].done == 1
    assert (infos[-1].level, infos[-1].levels) == (1, 4)
    later: list[StepInfo] = []
    resume(part.state, on_step=later.append)
    assert later[0].level == 2
    assert 0 < later[0].done < 0.2
    assert later[-1].done == 1
