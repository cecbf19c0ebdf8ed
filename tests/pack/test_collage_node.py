"""The node GPDM Collage: the same pictures as the core, in the order of its sockets."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

import gpdm
from gpdm import Reference
from library.problems import picture


@pytest.fixture(autouse=True)
def _terminal(terminal: object) -> None:
    """Runs nodes as the terminal does."""


def image(seed: int = 0, width: int = 34) -> Tensor:
    """An IMAGE, made under inference mode as ComfyUI's are."""
    with torch.inference_mode():
        return ((picture(30, width, seed=seed) + 1) / 2).movedim(1, -1).contiguous()


def made(comfyui_pack: ModuleType, **given: Any) -> Tensor:
    """The output of the node, as the core has it."""
    node = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_Collage"]
    required = node.INPUT_TYPES()["required"]
    widgets = {name: spec[1]["default"] for name, spec in required.items() if "default" in spec[1]}
    with torch.inference_mode():
        return node().collage(**{**widgets, "a": image(), "b": image(1, 40), **given})[0].movedim(-1, 1) * 2 - 1


def test_it_is_the_task(comfyui_pack: ModuleType) -> None:
    expected = gpdm.collage([picture(30, 34), picture(30, 40, seed=1)], transition=0.4).images
    assert torch.allclose(made(comfyui_pack, transition=0.4), expected, atol=1e-4)


def test_sockets_and_references_are_in_order(comfyui_pack: ModuleType) -> None:
    more = (Reference(picture(30, 36, seed=3)),)
    expected = gpdm.collage(
        [picture(30, w, seed=s) for s, w in ((0, 34), (1, 40), (2, 31), (3, 36))], arrangement="grid"
    )
    given = made(comfyui_pack, c=image(2, 31), references=more, arrangement="grid")
    assert torch.allclose(given, expected.images, atol=1e-4)
