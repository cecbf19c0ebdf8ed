"""The memory plan of a synthesis, its limit, and the advice if it does not fit."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from gpdm import Level, Optimizer, OptionError, PyramidSchedule, StepInfo, SWDLoss, synthesize
from gpdm.losses.base import loss_memory
from gpdm.memory import CPU_WORKING_BYTES, plan
from library.problems import picture

MEBI = 2**20


def levels(side: int) -> tuple[Level, ...]:
    return PyramidSchedule().levels([(side, side)], (side, side))


def test_a_level_gets_at_most_the_memory_for_full_speed() -> None:
    loss = SWDLoss()
    for level in plan(partial(loss_memory, loss), levels(256), 3, 1, None):
        assert level.minimum <= level.working == level.full_speed <= CPU_WORKING_BYTES
    many = plan(partial(loss_memory, SWDLoss(num_proj=128)), levels(700), 3, 1, None)[-1]
    assert many.minimum <= many.working <= max(CPU_WORKING_BYTES, many.minimum) < many.full_speed
    large = plan(partial(loss_memory, loss), levels(2048), 3, 1, None)[-1]
    assert large.full_speed == large.minimum, (
        "with a subsample of the patches full speed needs no more than the minimum"
    )


@pytest.mark.parametrize("limit", [500 * MEBI, 900 * MEBI])
def test_images_and_steps_together_stay_within_the_limit(limit: int) -> None:
    for level in plan(partial(loss_memory, SWDLoss()), levels(1024), 3, 2, limit):
        assert level.minimum <= level.working <= level.full_speed
        assert level.images + level.working <= limit


def test_memory_of_images_grows_with_the_number_of_outputs() -> None:
    one, four = (plan(partial(loss_memory, SWDLoss()), levels(64), 3, outputs, None)[-1] for outputs in (1, 4))
    assert four.images - one.images == 3 * 3 * 3 * 64 * 64 * 4


@pytest.mark.parametrize("loss", [SWDLoss(), SWDLoss(solver="exact")])
def test_a_size_that_does_not_fit_is_refused_with_one_that_does(loss: SWDLoss) -> None:
    with pytest.raises(
        OptionError,
        match=r"^1 picture of 2048x2048 needs \d+ MiB and 100 MiB may be used; raise memory, or use \d+x\d+ or less$",
    ) as refusal:
        plan(partial(loss_memory, loss), levels(2048), 3, 1, 100 * MEBI)
    side = int(str(refusal.value).split("x")[-1].split(" ")[0])
    assert 64 <= side < 2048
    plan(partial(loss_memory, loss), levels(side), 3, 1, 100 * MEBI)
    with pytest.raises(OptionError, match="no size fits"):
        plan(partial(loss_memory, loss), levels(2048), 3, 1, 2000)
    with pytest.raises(OptionError, match="fewer pictures"):
        plan(partial(loss_memory, loss), levels(2048), 3, 200, 3000 * MEBI)


def test_a_limit_is_checked_before_any_step_and_changes_no_bit_of_the_result() -> None:
    def fail(info: StepInfo) -> None:
        raise AssertionError("a step was made")

    quick = {
        "loss": SWDLoss(num_proj=8),
        "pyramid": PyramidSchedule(pyr_factor=0.5),
        "optimizer": Optimizer(num_steps=30),
        "seed": 1,
    }
    with pytest.raises(OptionError, match="memory"):
        synthesize(picture(60, 60), memory=100_000, on_step=fail, **quick)
    with pytest.raises(OptionError, match="memory"):
        synthesize(picture(60, 60), memory=0, on_step=fail, **quick)
    free = synthesize(picture(60, 60), **quick)
    minimum = max(level.images + level.minimum for level in free.plan)
    tight = synthesize(picture(60, 60), memory=minimum, **quick)
    assert tight.plan[-1].working < free.plan[-1].working
    assert torch.equal(tight.images, free.images)
