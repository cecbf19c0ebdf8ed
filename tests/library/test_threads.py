"""How many threads a level uses, and that the number is put back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from gpdm import Optimizer, PyramidSchedule, synthesize
from gpdm.optimizers import threads
from gpdm.optimizers.threads import SHARED_PIXELS, threads_for
from library.problems import picture

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("pixels", "number"), [(1, 1), (SHARED_PIXELS - 1, 1), (SHARED_PIXELS, 2), (10**7, 2)])
def test_small_levels_use_one_thread(pixels: int, number: int) -> None:
    with threads_for(pixels, CPU):
        assert torch.get_num_threads() == number
    assert torch.get_num_threads() == 2


def test_work_on_a_gpu_leaves_the_threads_alone() -> None:
    with threads_for(1, torch.device("cuda")):
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_number_is_put_back_after_an_exception_or_a_cancel(error: type[BaseException]) -> None:
    seen = []

    def cancel(info) -> None:
        seen.append(torch.get_num_threads())
        raise error

    with pytest.raises(error):
        synthesize(picture(), optimizer=Optimizer(num_steps=3), on_step=cancel)
    assert seen == [1]
    assert torch.get_num_threads() == 2


def test_each_level_has_its_own_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "SHARED_PIXELS", 30 * 37)
    seen = {}
    synthesize(
        picture(32, 40),
        pyramid=PyramidSchedule(coarse_dim=21),
        optimizer=Optimizer(num_steps=2),
        on_step=lambda info: seen.update({tuple(info.image.shape[2:]): torch.get_num_threads()}),
    )
    assert seen[(21, 26)] == 1 and seen[(32, 40)] == 2


def policy(code: str, **more: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | more
    code = f"import sys, os; {code}; print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return found.stdout.strip()


def test_the_command_lets_waiting_threads_sleep_before_torch_is_loaded() -> None:
    assert policy("import gpdm.cli") == "passive False"
    assert policy("import gpdm.cli", OMP_WAIT_POLICY="active") == "active False"


def test_the_library_changes_no_policy() -> None:
    assert policy("import gpdm") == "None False"
    assert policy("import gpdm; gpdm.synthesize") == "None True"
