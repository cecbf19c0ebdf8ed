"""The whole objective, and a whole picture, with Triton and with plain PyTorch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from kernels.cases import DEVICE
from torch import Generator, Tensor

import gpdm
from gpdm import Optimizer, PyramidSchedule, Reference, SWDLoss
from gpdm.kernels import choose
from gpdm.losses import coherence, reference_cdfs, swd_binned
from library.problems import evaluated, objective_of, picture


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter is slow: no sets of filters in advance, and several groups with few of them."""
    monkeypatch.setattr(reference_cdfs, "SETS_PER_SAMPLE", 1)
    monkeypatch.setattr(reference_cdfs, "GPU_SETS", 1)
    monkeypatch.setattr(reference_cdfs, "GROUP", 8)


def agree(
    loss: SWDLoss, references: Reference | list[Reference], channels: int = 3, weight: Tensor | None = None
) -> None:
    """Both backends give nearly the same value and gradient."""
    image, found = picture(9, 13, channels, seed=9).to(DEVICE), []
    for backend in ("triton", "torch"):
        objective = objective_of(replace(loss, backend=backend), references, (9, 13), weight=weight)
        assert objective.backend == backend
        found.append(evaluated(objective, image))
    (value, gradient), (expected, other) = found
    assert float(value) == pytest.approx(float(expected), rel=0.01)
    assert F.cosine_similarity(gradient.flatten(), other.flatten(), 0) > 0.999
    assert float(gradient.norm()) == pytest.approx(float(other.norm()), rel=0.01)


def reference(channels: int = 3, number: int = 0, weight: Tensor | float = 1.0) -> Reference:
    return Reference(picture(10 + 2 * number, 12, channels, seed=number).to(DEVICE), weight)


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
    agree(SWDLoss(**{"num_proj": 6, "patch_size": 4, **options}), reference())


@pytest.mark.parametrize("channels", [1, 4])
def test_channels(channels: int) -> None:
    agree(SWDLoss(num_proj=6, patch_size=4), reference(channels), channels)


def test_several_references() -> None:
    agree(SWDLoss(num_proj=6, patch_size=4), [reference(), reference(number=1)])


@pytest.mark.parametrize("options", [{}, {"distance": "l1"}, {"border": "circular"}, {"stride": 2}], ids=str)
def test_weights_on_both_sides(options: dict) -> None:
    g = Generator().manual_seed(1)
    own, weight = torch.rand(10, 12, generator=g).to(DEVICE), torch.rand(1, 1, 9, 13, generator=g).to(DEVICE)
    own[2:4, 3:5] = 0  # patches that touch these pixels do not count
    loss = SWDLoss(**{"num_proj": 6, "patch_size": 4, **options})
    agree(loss, reference(weight=own), weight=weight)


def test_references_of_different_weight() -> None:
    agree(SWDLoss(num_proj=6, patch_size=4), [reference(weight=0.3), reference(number=1, weight=2.0)])


def test_a_mosaic_of_patches_sampled_by_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_cdfs, "REFERENCE_PATCHES", 25)
    own = torch.rand(10, 12, generator=Generator().manual_seed(1)).to(DEVICE)
    agree(SWDLoss(num_proj=6, patch_size=4), [reference(weight=own), reference(number=1)])


@pytest.mark.parametrize("border", ["free", "circular"])
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_coherence(border: str, weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coherence, "LEAST_SIDE", 9)
    weight = torch.rand(1, 1, 9, 13, generator=Generator().manual_seed(1)).to(DEVICE) if weighted else None
    agree(SWDLoss(num_proj=3, patch_size=3, coherence=1.0, border=border), reference(), weight=weight)


def test_a_subsample_of_the_patches_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swd_binned, "COUNTED_PATCHES", 20)
    agree(SWDLoss(num_proj=6, patch_size=3), reference())


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
