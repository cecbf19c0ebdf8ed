"""The whole objective, and a whole picture, with Triton and with plain PyTorch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from kernels.cases import DEVICE
from torch import Generator, Tensor

import gpdm
from gpdm import Optimizer, PyramidSchedule, SWDLoss
from gpdm.kernels import choose
from gpdm.losses import reference_cdfs as reference_sides
from gpdm.losses import swd_binned as histogram_objective
from gpdm.losses.objectives import PatchWeights
from library.problems import picture


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter is slow: no sets of projections in advance, and several groups with few of them."""
    monkeypatch.setattr(reference_sides, "DRAWN", 1)
    monkeypatch.setattr(reference_sides, "GROUP", 8)


def evaluated(
    loss: SWDLoss, backend: str, references: list[Tensor], image: Tensor, weights: PatchWeights | None = None
):
    """Value and gradient of one step."""
    objective = replace(loss, backend=backend).bind(references, (image.shape[2], image.shape[3]), weights=weights)
    assert objective.backend == backend  # type: ignore[attr-defined]
    objective.advance()
    return objective(image, Generator().manual_seed(0))


def agree(loss: SWDLoss, channels: int = 3, weights: PatchWeights | None = None, references: int = 1) -> None:
    pictures = [picture(10 + 2 * i, 12, channels, seed=i).to(DEVICE) for i in range(references)]
    image = picture(9, 13, channels, seed=9).to(DEVICE)
    value, gradient = evaluated(loss, "triton", pictures, image, weights)
    expected, slope = evaluated(loss, "torch", pictures, image, weights)
    assert float(value) == pytest.approx(float(expected), rel=0.01)
    assert F.cosine_similarity(gradient.flatten(), slope.flatten(), 0) > 0.999
    assert float(gradient.norm()) == pytest.approx(float(slope.norm()), rel=0.01)


@pytest.mark.parametrize(
    "options",
    [
        {"patch_size": 7},
        {"distance": "l1"},
        {"border": "circular"},
        {"border": "circular x", "stride": 2},
        {"stride": 3, "patch_size": 4},
        {"num_proj": 20, "patch_size": 3},
        {"projections": "orthonormal", "small_patches": 0.0},
    ],
    ids=str,
)
def test_all_that_the_plain_core_can_do(options: dict) -> None:
    agree(SWDLoss(**{"num_proj": 6, "patch_size": 4, **options}))


@pytest.mark.parametrize("channels", [1, 4])
def test_channels(channels: int) -> None:
    agree(SWDLoss(num_proj=6, patch_size=4), channels=channels)


def test_several_references() -> None:
    agree(SWDLoss(num_proj=6, patch_size=4), references=2)


def test_weights_on_both_sides() -> None:
    generator = Generator().manual_seed(1)
    weights = PatchWeights(
        (torch.rand(7, 9, generator=generator).to(DEVICE),), torch.rand(6, 10, generator=generator).to(DEVICE)
    )
    agree(SWDLoss(num_proj=6, patch_size=4), weights=weights)


def test_a_sample_of_the_patches_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram_objective, "COUNTED_PATCHES", 20)
    agree(SWDLoss(num_proj=6, patch_size=3))


def small(backend: str, **more: object) -> gpdm.Synthesis:
    return gpdm.synthesize(
        picture(9, 10, seed=1).to(DEVICE),
        loss=SWDLoss(num_proj=3, patch_size=3, backend=backend, detail=0.0),
        pyramid=PyramidSchedule(coarse_dim=9),
        optimizer=Optimizer(num_steps=2, fine_steps=0),
        **more,  # type: ignore[arg-type]
    )


def test_a_picture_is_the_same_alone_and_in_a_batch_and_close_to_that_of_plain_pytorch() -> None:
    both, alone, plain = small("triton", num_outputs=2), small("triton", seed=1), small("torch", seed=1)
    assert torch.equal(both.images[1], alone.images[0])
    assert not torch.equal(both.images[0], both.images[1])
    assert torch.allclose(alone.losses[0], plain.losses[0], rtol=0.02)
    assert float((alone.images - plain.images).square().mean()) < 1e-3
    assert not torch.equal(alone.images, plain.images), "both ran the same code"


def test_interpreted_kernels_are_for_those_who_ask() -> None:
    if choose.interpreted():
        assert choose.choose("auto", torch.device("cpu")) == "torch"
        assert choose.choose("triton", torch.device("cpu")) == "triton"
    else:
        assert choose.choose("auto", DEVICE) == "triton"
