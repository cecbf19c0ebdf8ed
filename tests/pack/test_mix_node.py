"""The node GPDM Mix References: the same pictures as the core, and further references by weight."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

import gpdm
from gpdm import MIX, GPDMError, Optimizer, Reference, SWDLoss
from library.problems import picture

PARTS = {"loss": SWDLoss(num_proj=2), "optimizer": Optimizer(num_steps=2)}


@pytest.fixture(autouse=True)
def _terminal(terminal: object) -> None:
    """Runs nodes as the terminal does."""


def image(seed: int = 0, width: int = 34) -> Tensor:
    """An IMAGE, made under inference mode as ComfyUI's are."""
    with torch.inference_mode():
        return ((picture(30, width, seed=seed) + 1) / 2).movedim(1, -1).contiguous()


def mixed(comfyui_pack: ModuleType, **given: Any) -> Tensor:
    """The output of the node, as the core has it."""
    node = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_MixReferences"]
    widgets = {
        name: spec[1]["default"] for name, spec in node.INPUT_TYPES()["required"].items() if "default" in spec[1]
    }
    with torch.inference_mode():
        return node().mix(**{**widgets, "a": image(), "b": image(1, 40), **PARTS, **given})[0].movedim(-1, 1) * 2 - 1


def expected(weights: tuple[float, ...], **options: Any) -> Tensor:
    seeds = ((0, 34), (1, 40), (2, 36))
    given = [
        Reference(picture(30, width, seed=seed), weight) for (seed, width), weight in zip(seeds, weights, strict=False)
    ]
    return gpdm.mix(given, recipe=replace(MIX.recipe(), **PARTS), **options).images


@pytest.mark.parametrize(
    "options", [{}, {"mode": "blend"}, {"mode": "scattered", "gradient": "left to right"}, {"output_width": 50}]
)
def test_it_is_the_task(comfyui_pack: ModuleType, options: dict[str, Any]) -> None:
    assert torch.allclose(mixed(comfyui_pack, share_of_b=0.3, **options), expected((0.7, 0.3), **options), atol=1e-4)


def test_further_references_count_by_their_weights(comfyui_pack: ModuleType) -> None:
    more = (Reference(picture(30, 36, seed=2), 0.5),)
    assert torch.allclose(mixed(comfyui_pack, references=more), expected((0.5, 0.5, 0.5)), atol=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"share_of_b": 1.5}, "share_of_b = 1.5 is not allowed"),
        ({"quality": "draft", "optimizer": None}, "quality fast"),
    ],
)
def test_what_is_not_allowed(comfyui_pack: ModuleType, given: dict[str, Any], message: str) -> None:
    with pytest.raises(GPDMError, match=message):
        mixed(comfyui_pack, **given)
