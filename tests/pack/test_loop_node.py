"""The node GPDM Loop: the frames of the core as one batch."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from gpdm import ImageError, LoopOptions, describe, loop
from library.problems import picture

QUICK = {"frames": 3, "num_steps": 1}


@pytest.fixture(autouse=True)
def _terminal(terminal: object) -> None:
    """Runs nodes as the terminal does."""


def image(channels: int = 3, batch: int = 1) -> Tensor:
    """An IMAGE, made under inference mode as ComfyUI's are."""
    with torch.inference_mode():
        return ((picture(30, 34, channels).repeat(batch, 1, 1, 1) + 1) / 2).movedim(1, -1).contiguous()


def made(comfyui_pack: ModuleType, **given: Any) -> Tensor:
    """The output of the node."""
    node = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_Loop"]
    widgets = {spec.name: spec.default for spec in describe(LoopOptions)}
    with torch.inference_mode():
        return node().execute(**{**widgets, "image": image(), "seed": 0, **QUICK, **given})[0]


@pytest.mark.parametrize("options", [{}, {"motion": "shimmer"}, {"tile": "x", "seed": 5}])
def test_it_is_the_function(comfyui_pack: ModuleType, options: dict[str, Any]) -> None:
    expected = loop(picture(30, 34), **QUICK, **options).images
    given = made(comfyui_pack, **options)
    assert given.shape == (3, 30, 34, 3)
    # Conversion rounds the picture, and a value near the edge of a bin may change the bin.
    difference = (given.movedim(-1, 1) * 2 - 1 - expected).abs()
    assert float(difference.mean()) < 1e-5 and float(difference.max()) < 2e-3


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_outside_the_mask_all_frames_are_the_picture_bit_for_bit(comfyui_pack: ModuleType, channels: int) -> None:
    mask = torch.zeros(1, 30, 34)
    mask[:, :, 17:] = 1
    frames = made(comfyui_pack, image=image(channels), mask=mask)
    still = image(channels)[:, :, :17].expand(3, -1, -1, frames.shape[-1])
    assert torch.equal(frames[:, :, :17], still)
    assert not torch.equal(frames[0, :, 20:], frames[1, :, 20:])


def test_an_empty_mask_moves_all(comfyui_pack: ModuleType) -> None:
    assert torch.equal(made(comfyui_pack, mask=torch.zeros(1, 64, 64)), made(comfyui_pack))


def test_a_batch_is_refused(comfyui_pack: ModuleType) -> None:
    with pytest.raises(ImageError, match="there are 2 pictures, and a loop is made of one"):
        made(comfyui_pack, image=image(batch=2))
