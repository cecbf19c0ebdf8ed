"""The number of threads at a level, and its restoration."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from gpdm import Optimizer, PyramidSchedule, SWDLoss, synthesize
from gpdm.optimizers.threads import SHARED_PIXELS, threads_for
from library.problems import picture

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Sets the number of threads to two."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("pixels", "number"), [(1, 1), (SHARED_PIXELS - 1, 1), (SHARED_PIXELS, 2), (10**7, 2)])
def test_small_levels_use_one_thread(pixels: int, number: int) -> None:
    with threads_for(pixels, CPU):
        assert torch.get_num_threads() == number
    assert torch.get_num_threads() == 2


def test_work_on_a_gpu_does_not_change_the_number() -> None:
    with threads_for(1, torch.device("cuda")):
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_number_is_restored_after_an_exception(error: type[BaseException]) -> None:
    numbers = []

    def cancel(info) -> None:
        numbers.append(torch.get_num_threads())
        raise error

    with pytest.raises(error):
        synthesize(picture(), optimizer=Optimizer(num_steps=3), on_step=cancel)
    assert numbers == [1]
    assert torch.get_num_threads() == 2


def test_the_number_follows_the_size_of_the_level() -> None:
    numbers = {}
    synthesize(
        picture(128, 128),
        loss=SWDLoss(num_proj=4),
        pyramid=PyramidSchedule(coarse_dim=127),
        optimizer=Optimizer(num_steps=1),
        on_step=lambda info: numbers.update({tuple(info.image.shape[2:]): torch.get_num_threads()}),
    )
    assert numbers == {(127, 127): 1, (128, 128): 2}


def wait_policy(code: str, **more: str) -> str:
    """The wait policy of a new process after some code, and whether torch is loaded."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | more
    code = f"import sys, os; {code}; print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return result.stdout.strip()


@pytest.mark.parametrize(
    ("code", "more", "expected"),
    [
        ("import gpdm.cli", {}, "passive False"),
        ("import gpdm.cli", {"OMP_WAIT_POLICY": "active"}, "active False"),
        ("import gpdm", {}, "None False"),
        ("import gpdm; gpdm.synthesize", {}, "None True"),
    ],
)
def test_only_the_command_sets_a_passive_wait_policy_before_torch_is_loaded(
    code: str, more: dict[str, str], expected: str
) -> None:
    assert wait_policy(code, **more) == expected
