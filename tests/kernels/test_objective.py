"""Objectives and a synthesis with Triton, against plain PyTorch."""

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
from library.problems import evaluated, objective_of, picture
from library.terms import with_coherence, with_limits

LIMITS = {"sets_per_sample": 1, "set_filters": 8}
"""The interpreter is slow: no sets of filters are sampled in advance, and banks are small."""


def assert_backends_agree(
    loss: SWDLoss,
    references: Reference | list[Reference],
    channels: int = 3,
    weight: Tensor | None = None,
    min_side: int = 64,
    **limits: int,
) -> None:
    """Asserts that both backends give nearly the same value and gradient."""
    image, results = picture(9, 13, channels, seed=9).to(DEVICE), []
    for backend in ("triton", "torch"):
        limited = with_limits(replace(loss, backend=backend), **{**LIMITS, **limits})
        objective = objective_of(with_coherence(limited, min_side=min_side), references, (9, 13), weight=weight)
        assert objective.backend == backend
        results.append(evaluated(objective, image))
    (value, gradient), (expected, expected_gradient) = results
    assert float(value) == pytest.approx(float(expected), rel=0.01)
    assert F.cosine_similarity(gradient.flatten(), expected_gradient.flatten(), 0) > 0.999
    assert float(gradient.norm()) == pytest.approx(float(expected_gradient.norm()), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("distance", ["l2", "l1"])
def test_backends_agree_on_a_saved_distribution(distance: str) -> None:
    saved = Reference.of_distribution(gpdm.patch_distribution(picture(20, 24)))
    on_device = replace(saved, image=saved.image.to(DEVICE))
    assert_backends_agree(SWDLoss(num_proj=12, coherence=0.0, distance=distance), on_device)


def reference(channels: int = 3, number: int = 0, weight: Tensor | float = 1.0) -> Reference:
    return Reference(picture(10 + 2 * number, 12, channels, seed=number).to(DEVICE), weight)


@pytest.mark.slow
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
def test_options(options: dict) -> None:
    assert_backends_agree(SWDLoss(**{"num_proj": 6, "patch_size": 4, **options}), reference())


@pytest.mark.parametrize("channels", [1, 4])
def test_channels(channels: int) -> None:
    assert_backends_agree(SWDLoss(num_proj=6, patch_size=4), reference(channels), channels)


def test_several_references() -> None:
    assert_backends_agree(SWDLoss(num_proj=6, patch_size=4), [reference(), reference(number=1)])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"distance": "l1"}, {"border": "circular"}, {"stride": 2}], ids=str)
def test_weights_of_reference_and_output(options: dict) -> None:
    g = Generator().manual_seed(1)
    pixels, weight = torch.rand(10, 12, generator=g).to(DEVICE), torch.rand(1, 1, 9, 13, generator=g).to(DEVICE)
    pixels[2:4, 3:5] = 0  # patches that touch these pixels do not count
    loss = SWDLoss(**{"num_proj": 6, "patch_size": 4, **options})
    assert_backends_agree(loss, reference(weight=pixels), weight=weight)


def test_references_of_different_weight() -> None:
    assert_backends_agree(SWDLoss(num_proj=6, patch_size=4), [reference(weight=0.3), reference(number=1, weight=2.0)])


def test_a_mosaic_of_patches_sampled_by_weight() -> None:
    weight = torch.rand(10, 12, generator=Generator().manual_seed(1)).to(DEVICE)
    references = [reference(weight=weight), reference(number=1)]
    assert_backends_agree(SWDLoss(num_proj=6, patch_size=4), references, reference_patches=25)


@pytest.mark.parametrize("border", ["free", "circular"])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_coherence(border: str, weighted: bool) -> None:
    weight = torch.rand(1, 1, 9, 13, generator=Generator().manual_seed(1)).to(DEVICE) if weighted else None
    loss = SWDLoss(num_proj=3, patch_size=3, coherence=1.0, border=border)
    assert_backends_agree(loss, reference(), weight=weight, min_side=9)


def test_a_subsample_of_the_patches_is_counted() -> None:
    assert_backends_agree(SWDLoss(num_proj=6, patch_size=3), reference(), output_patches=20)


def synthesis(backend: str, **more: object) -> gpdm.Synthesis:
    loss = SWDLoss(num_proj=3, patch_size=3, backend=backend, detail=0.0)
    return gpdm.synthesize(
        picture(9, 10, seed=1).to(DEVICE),
        loss=with_limits(loss, **LIMITS),
        pyramid=PyramidSchedule(coarse_dim=9),
        optimizer=Optimizer(num_steps=2, fine_steps=0),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.slow
def test_the_image_of_a_seed_does_not_depend_on_the_batch_size() -> None:
    batch, single = synthesis("triton", num_outputs=2), synthesis("triton", seed=1)
    assert torch.equal(batch.images[1], single.images[0])
    assert not torch.equal(batch.images[0], batch.images[1])


def test_an_image_is_close_to_that_of_plain_pytorch() -> None:
    triton, torch_ = synthesis("triton", seed=1), synthesis("torch", seed=1)
    assert torch.allclose(triton.losses[0], torch_.losses[0], rtol=0.02)
    assert float((triton.images - torch_.images).square().mean()) < 1e-3
    assert not torch.equal(triton.images, torch_.images), "both used the same backend"


def test_auto_does_not_choose_interpreted_kernels() -> None:
    if choose.is_interpreted():
        assert choose.choose("auto", torch.device("cpu")) == "torch"
        assert choose.choose("triton", torch.device("cpu")) == "triton"
    else:
        assert choose.choose("auto", DEVICE) == "triton"
