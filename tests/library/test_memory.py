"""The plan of a synthesis' memory: made before it begins, kept, and clear about what would fit."""

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


def test_a_level_gets_what_it_can_use_and_no_more() -> None:
    loss = SWDLoss()
    for level in plan(partial(loss_memory, loss), levels(256), 3, 1, None):
        assert level.least <= level.working == level.best <= CPU_WORKING_BYTES
    many = plan(partial(loss_memory, SWDLoss(num_proj=128)), levels(700), 3, 1, None)[-1]
    assert many.least <= many.working <= max(CPU_WORKING_BYTES, many.least) < many.best
    large = plan(partial(loss_memory, loss), levels(2048), 3, 1, None)[-1]
    assert large.best == large.least, "of a sample nothing is held"


@pytest.mark.parametrize("limit", [500 * MEBI, 900 * MEBI])
def test_a_limit_is_kept_by_pictures_and_steps_together(limit: int) -> None:
    for level in plan(partial(loss_memory, SWDLoss()), levels(1024), 3, 2, limit):
        assert level.least <= level.working <= level.best
        assert level.pictures + level.working <= limit


def test_more_outputs_take_more() -> None:
    one, four = (plan(partial(loss_memory, SWDLoss()), levels(64), 3, outputs, None)[-1] for outputs in (1, 4))
    assert four.pictures - one.pictures == 3 * 3 * 3 * 64 * 64 * 4


@pytest.mark.parametrize("loss", [SWDLoss(), SWDLoss(solver="exact")])
def test_what_does_not_fit_is_refused_with_the_size_that_would(loss: SWDLoss) -> None:
    with pytest.raises(
        OptionError, match=r"memory = '?100 MiB'?.*2048x2048 need at least \d+ MiB.* would fit"
    ) as refusal:
        plan(partial(loss_memory, loss), levels(2048), 3, 1, 100 * MEBI)
    side = int(str(refusal.value).split("x")[-1].split(" ")[0])
    assert 64 <= side < 2048
    plan(partial(loss_memory, loss), levels(side), 3, 1, 100 * MEBI)
    with pytest.raises(OptionError, match="no size fits"):
        plan(partial(loss_memory, loss), levels(2048), 3, 1, 2000)
    with pytest.raises(OptionError, match="fewer pictures"):
        plan(partial(loss_memory, loss), levels(2048), 3, 200, 3000 * MEBI)


def test_it_is_refused_before_any_step_and_changes_no_bit() -> None:
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
    least = max(level.pictures + level.least for level in free.plan)
    tight = synthesize(picture(60, 60), memory=least, **quick)
    assert tight.plan[-1].working < free.plan[-1].working
    assert torch.equal(tight.images, free.images)
