"""The node GPDM Resume: a run that stopped goes on, painted or not."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from gpdm import GPDMError, Optimizer, PyramidSchedule, SWDLoss
from library.problems import picture

PARTS = {"loss": SWDLoss(num_proj=2), "optimizer": Optimizer(num_steps=2, fine_steps=2)}


@pytest.fixture(autouse=True)
def _terminal(terminal: object) -> None:
    """Runs nodes as the terminal does."""


def image(channels: int = 3) -> Tensor:
    """An IMAGE, made under inference mode as ComfyUI's are."""
    with torch.inference_mode():
        values = (picture(44, 52, channels) + 1) / 2
        if channels == 4:
            values[:, 3:] = 1
            values[:, 3:, :20, :20] = 0
        return values.movedim(1, -1).contiguous()


def run(pack: ModuleType, given: Tensor, stop_after: int, **more: Any) -> tuple[Any, ...]:
    node = pack.NODE_CLASS_MAPPINGS["GPDM_Reshuffle"]
    pyramid = PyramidSchedule(coarse_dim=16, pyr_factor=0.7, stop_after=stop_after)
    with torch.inference_mode():
        return node().execute(reference=given, seed=1, num_outputs=2, height=0, pyramid=pyramid, **PARTS, **more)


def resumed(pack: ModuleType, state: Any, stop_after: int = 0, painted: Tensor | None = None) -> tuple[Any, ...]:
    with torch.inference_mode():
        return pack.NODE_CLASS_MAPPINGS["GPDM_Resume"]().execute(state, stop_after, painted)


@pytest.mark.parametrize("channels", [3, 4, 1])
def test_a_run_that_stopped_gives_the_same_picture_as_a_whole_one(comfyui_pack: ModuleType, channels: int) -> None:
    given = image(channels)
    whole, part = run(comfyui_pack, given, 0)[0], run(comfyui_pack, given, 2)
    assert torch.equal(resumed(comfyui_pack, part[2])[0], whole)
    assert torch.equal(resumed(comfyui_pack, part[2], painted=part[0])[0], whole), "what it shows is what it has"
    further = resumed(comfyui_pack, part[2], 3)
    assert torch.equal(resumed(comfyui_pack, further[2])[0], whole)


def test_the_picture_of_a_stopped_run_is_enlarged_for_painting(comfyui_pack: ModuleType) -> None:
    shown = run(comfyui_pack, image(), 1)[0]
    assert shown.shape == (2, 32, 38, 3), "16x19 pixels, two by two each"
    assert torch.equal(shown[:, ::2, ::2], shown[:, 1::2, 1::2])


def test_what_is_painted_changes_the_result(comfyui_pack: ModuleType) -> None:
    shown, _, state = run(comfyui_pack, image(), 1)
    painted = shown.clone()
    painted[:, :16, :16] = torch.tensor([1.0, 0.0, 0.0])
    assert not torch.equal(resumed(comfyui_pack, state, painted=painted)[0], resumed(comfyui_pack, state)[0])


def test_the_host_is_told_where_a_run_stopped(comfyui_pack: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    run(comfyui_pack, image(), 2)
    assert "stopped after level 2 of 4, at 26x22 pixels" in caplog.text


def test_a_finished_run_cannot_go_on(comfyui_pack: ModuleType) -> None:
    with pytest.raises(GPDMError, match="the run at state is finished; set stop_after on a GPDM Pyramid Schedule"):
        resumed(comfyui_pack, run(comfyui_pack, image(), 0)[2])


def test_a_painted_picture_of_another_shape_is_refused(comfyui_pack: ModuleType) -> None:
    with pytest.raises(GPDMError, match="the painted picture is 44x44, and the level that is done 26x22"):
        resumed(comfyui_pack, run(comfyui_pack, image(), 2)[2], painted=torch.rand(1, 44, 44, 3))
