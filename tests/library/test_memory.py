"""The memory plan of a synthesis, its limit, and the advice if it does not fit."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from gpdm import Keep, Level, Optimizer, OptionError, PyramidSchedule, Reference, StepInfo, SWDLoss, synthesize
from gpdm.losses.base import loss_memory
from gpdm.memory import CPU_WORKING_BYTES, PROCESS_BYTES, plan
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


SCRIPT = """
import sys
from pathlib import Path
import torch
from torch.nn.functional import interpolate
from gpdm import Keep, Optimizer, Reference, SWDLoss, synthesize
case, side = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(2)
small = torch.rand(1, 1 if case == "grey" else 3, side // 8, side // 8, generator=torch.Generator().manual_seed(0))
image = interpolate(small * 2 - 1, size=(side, side), mode="bilinear")
mask = torch.ones(side, side)
mask[: side // 3] = 0
more = {
    "two references": {"reference": [image, image.flip(3)]},
    "two outputs": {"num_outputs": 2},
    "masked": {"reference": Reference(image, mask)},
    "regions": {"reference": [Reference(image, region=mask), Reference(image.flip(2), region=1 - mask)]},
    "kept": {"keep": Keep(image, mask)},
    "tiles": {"border": "circular"},
    "symmetric": {"symmetry": "mirror both"},
    "rotated": {"symmetry": "rotate 60"},
    "strided": {"loss": SWDLoss(stride=3)},
}.get(case, {})
result = synthesize(**{"reference": image, "optimizer": Optimizer(num_steps=2), **more})
status = Path("/proc/self/status").read_text().split()
print(max(level.images + level.working for level in result.plan), int(status[status.index("VmHWM:") + 1]) * 1024)
"""
CASES = (
    "plain",
    "grey",
    "two references",
    "two outputs",
    "masked",
    "regions",
    "kept",
    "tiles",
    "symmetric",
    "rotated",
    "strided",
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize("case", CASES)
def test_a_process_stays_within_the_plan(case: str) -> None:
    command = [sys.executable, "-c", SCRIPT, case, "1200"]
    answer = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    planned, peak = map(int, answer.stdout.split())
    assert 0.5 * planned < peak <= planned


def test_masks_and_what_is_kept_are_planned() -> None:
    image, mask = picture(60, 60), torch.ones(60, 60)
    mask[:20] = 0
    plain, masked, kept = (
        synthesize(**{"reference": image, "optimizer": Optimizer(num_steps=1), **more}).plan[-1].images
        for more in ({}, {"reference": Reference(image, mask)}, {"keep": Keep(image, mask)})
    )
    assert plain > PROCESS_BYTES
    assert masked - plain >= 2 * image.nbytes
    assert kept - plain >= 2 * image.nbytes
