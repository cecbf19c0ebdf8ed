"""The node GPDM Daub: the same pictures as the core."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

import gpdm
from library.problems import picture


@pytest.fixture(autouse=True)
def _terminal(terminal: object) -> None:
    """Runs nodes as the terminal does."""


def test_it_is_the_function(comfyui_pack: ModuleType) -> None:
    with torch.inference_mode():
        images = ((picture(30, 34) + 1) / 2).movedim(1, -1).contiguous()
        made = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_Daub"]().execute(images, colours=4, blur=0.02)
    expected = gpdm.daub(picture(30, 34), colours=4, blur=0.02)
    for given, wanted in zip(made, (expected.images, expected.palettes), strict=True):
        assert torch.allclose(given.movedim(-1, 1) * 2 - 1, wanted, atol=1e-4)
