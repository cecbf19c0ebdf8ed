"""The number of threads at a level, and its restoration."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from gpdm import Optimizer, PyramidSchedule, SWDLoss, synthesize
from gpdm.kernels.workspace import Workspace, strip_threads
from gpdm.optimizers.threads import LARGE_PIXELS, SHARED_PIXELS, threads_for
from library.problems import picture

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Sets the number of threads to two."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("pixels", "strips", "operations"),
    [(1, 1, 1), (SHARED_PIXELS - 1, 1, 1), (SHARED_PIXELS, 2, 1), (LARGE_PIXELS - 1, 2, 1), (LARGE_PIXELS, 2, 2)],
)
def test_small_levels_use_one_thread(pixels: int, strips: int, operations: int) -> None:
    with threads_for(pixels, CPU):
        assert (strip_threads.get(), torch.get_num_threads()) == (strips, operations)
    assert (strip_threads.get(), torch.get_num_threads()) == (1, 2)


def test_strips_are_processed_by_threads_that_use_one_each() -> None:
    token = strip_threads.set(2)
    try:
        workspace = Workspace(CPU, 0)
    finally:
        strip_threads.reset(token)
    results = list(workspace.map(lambda item: (item, torch.get_num_threads(), threading.get_ident()), range(9)))
    assert [(item, threads) for item, threads, _ in results] == [(item, 1) for item in range(9)]
    assert threading.get_ident() not in {thread for _, _, thread in results}
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
        picture(256, 256),
        loss=SWDLoss(num_proj=2, coherence=0.0),
        pyramid=PyramidSchedule(coarse_dim=255),
        optimizer=Optimizer(num_steps=1),
        on_step=lambda info: numbers.update({tuple(info.image.shape[2:]): strip_threads.get()}),
    )
    assert numbers == {(255, 255): 1, (256, 256): 2}


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
