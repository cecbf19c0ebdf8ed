"""Masks, weights and regions of references in finished images."""

from __future__ import annotations

import pytest
import torch

from gpdm import (
    BidirectionalLoss,
    Canvas,
    CombinedLoss,
    LevelSolver,
    Loss,
    Optimizer,
    OptionError,
    PatchNN,
    PyramidSchedule,
    Reference,
    SWDLoss,
    as_references,
    bind,
    synthesize,
)
from gpdm.borders import gaussian_blur
from gpdm.evaluation.metrics import held_out
from gpdm.losses.base import SumObjective

SHORT = Optimizer(num_steps=50, fine_steps=20)


def texture(colour: tuple[float, float, float], height: int, width: int, sigma: float, seed: int) -> torch.Tensor:
    """Blurred noise around a colour, (1, 3, height, width) in [-1, 1]."""
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return (torch.tensor(colour).view(1, 3, 1, 1) + gaussian_blur(noise, sigma).mul(sigma)).clamp(-1, 1)


def warm(height: int = 32, width: int = 32) -> torch.Tensor:
    return texture((0.5, 0.1, -0.4), height, width, 0.8, 1)


def cold(height: int = 32, width: int = 32) -> torch.Tensor:
    return texture((-0.5, -0.1, 0.4), height, width, 2.0, 2)


def distances(image: torch.Tensor) -> tuple[float, float]:
    """Held-out distances of an image to the warm and to the cold texture."""
    return held_out([warm()], image, 3, 1.0), held_out([cold()], image, 3, 1.0)


def masked(side: int = 32) -> Reference:
    """A reference with the warm texture on the left and the cold one, masked, on the right."""
    visible = torch.zeros(side, 2 * side)
    visible[:, :side] = 1
    return Reference(torch.cat([warm(side, side), cold(side, side)], 3), visible)


@pytest.mark.parametrize(
    ("loss", "optimizer"),
    [
        (SWDLoss(num_proj=16), SHORT),
        (SWDLoss(num_proj=16, patch_size=3), SHORT),
        (SWDLoss(num_proj=16, patch_size=11, small_patches=0.0), SHORT),
        (SWDLoss(num_proj=16, stride=2), SHORT),
        (SWDLoss(num_proj=16, solver="exact"), SHORT),
        (SWDLoss(num_proj=16), Optimizer(method="newton", num_steps=50, fine_steps=20)),
        (BidirectionalLoss(patch_size=5), SHORT),
        (SWDLoss(), PatchNN(num_steps=3, alpha=10.0)),
        (SWDLoss(), PatchNN(num_steps=3, patch_size=3)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_masked_parts_of_a_reference_do_not_appear(loss: Loss, optimizer: LevelSolver) -> None:
    def distances_of(reference: Reference | torch.Tensor) -> tuple[float, float]:
        return distances(synthesize(reference, size=(32, 32), loss=loss, optimizer=optimizer).images)

    to_warm, to_cold = distances_of(masked())
    unmasked_to_warm, unmasked_to_cold = distances_of(masked().image)
    assert to_warm < (0.6 if isinstance(loss, BidirectionalLoss) else 0.35) and to_cold > 1
    assert to_warm < 0.6 * unmasked_to_warm and to_cold > 1.2 * unmasked_to_cold


def test_coherence_uses_no_masked_patch() -> None:
    """Coherence is active at levels of 64 pixels."""
    reference = masked(64)
    loss = CombinedLoss(
        first=SWDLoss(num_proj=8, patch_size=5, coherence=0.0), second=SWDLoss(num_proj=8, coherence=5.0)
    )
    start = torch.cat([cold(64, 32), warm(64, 32)], 3)
    pyramid = PyramidSchedule(coarse_dim=64)
    image = synthesize(reference, init=start, loss=loss, pyramid=pyramid, optimizer=SHORT).images
    assert held_out([warm(64, 64)], image, 3, 1.0) < 0.4
    assert held_out([cold(64, 64)], image, 3, 1.0) > 1


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["histogram", "exact"])
def test_distances_are_monotonic_in_the_weights(solver: str) -> None:
    results = []
    for weight in (0.0, 0.3, 0.7, 1.0):
        references = [Reference(warm(), weight), Reference(cold(), 1 - weight)]
        loss = SWDLoss(num_proj=16, solver=solver)
        results.append(distances(synthesize(references, loss=loss, optimizer=SHORT).images))
    to_warm, to_cold = zip(*results, strict=True)
    assert list(to_warm) == sorted(to_warm, reverse=True)
    assert list(to_cold) == sorted(to_cold)
    assert to_warm[0] - to_warm[-1] > 1


def test_only_ratios_of_weights_matter() -> None:
    def images(factor: float) -> torch.Tensor:
        references = [Reference(warm(), 0.25 * factor), Reference(cold(), 0.75 * factor)]
        return synthesize(references, optimizer=Optimizer(num_steps=5)).images

    assert torch.equal(images(1), images(4))


@pytest.mark.parametrize("optimizer", [SHORT, PatchNN(num_steps=3)], ids=["adam", "patch nn"])
@pytest.mark.parametrize("loss", [SWDLoss(num_proj=16), BidirectionalLoss(patch_size=5)], ids=["swd", "bidirectional"])
def test_references_appear_in_their_regions(optimizer: LevelSolver, loss: Loss) -> None:
    left = torch.zeros(32, 64)
    left[:, :32] = 1
    references = [Reference(warm(), region=left), Reference(cold(), region=1 - left)]
    image = synthesize(references, size=(32, 64), loss=loss, optimizer=optimizer).images
    # Patches at the border between the regions may contain both.
    to_warm, to_cold = distances(image[..., :28])
    assert to_warm < 0.5 and to_cold > 1
    to_warm, to_cold = distances(image[..., 36:])
    assert to_cold < 0.6 and to_warm > 1


def test_regions_may_have_any_size_and_may_be_shared() -> None:
    top = torch.zeros(1, 1, 4, 4)
    top[:, :, :2] = 1
    references = [
        Reference(warm(), region=top),
        Reference(warm(30, 26), region=top.clone()),
        Reference(cold(), region=1 - top),
    ]
    image = synthesize(references, size=(64, 32), loss=SWDLoss(num_proj=16), optimizer=SHORT).images
    assert distances(image[..., :24, :])[0] < 0.5
    assert distances(image[..., 40:, :])[1] < 0.6


def test_a_region_is_weighted_by_its_fraction_of_the_output() -> None:
    left = torch.zeros(32, 64)
    left[:, :16] = 1
    references = as_references([Reference(warm(), region=left), Reference(cold(), region=1 - left)])
    objective = bind(SWDLoss(small_patches=0.0, coherence=0.0), references, Canvas(size=(32, 64)))
    assert isinstance(objective, SumObjective)
    assert [part.weight for part in objective.parts] == [0.25, 0.75]  # type: ignore[attr-defined]


def test_empty_regions_are_refused() -> None:
    with pytest.raises(OptionError, match="no region overlaps the output area"):
        synthesize(Reference(warm(), region=torch.zeros(8, 8)), optimizer=SHORT)


def test_a_mask_too_small_for_the_coarsest_level_is_refused_before_any_step() -> None:
    visible = torch.zeros(64, 64)
    visible[20:30, 20:30] = 1
    with pytest.raises(OptionError, match="raise coarse_dim"):
        synthesize(Reference(warm(64, 64), visible), on_step=lambda info: pytest.fail("a step was made"))


@pytest.mark.parametrize("optimizer", [SHORT, PatchNN(patch_size=3)], ids=["adam", "patch nn"])
def test_later_levels_are_checked_before_any_step(optimizer: LevelSolver) -> None:
    """A visible strip of 5 pixels is too narrow for the 7x7 patches of coherence. `PatchNN` has no coherence."""
    visible = torch.zeros(72, 72)
    visible[:, 20:25] = 1
    loss, pyramid = SWDLoss(patch_size=3), PyramidSchedule(coarse_dim=48)
    reference, steps = Reference(warm(72, 72), visible), []
    if isinstance(optimizer, PatchNN):
        synthesize(reference, loss=loss, pyramid=pyramid, optimizer=optimizer, on_step=steps.append)
        assert steps
        return
    with pytest.raises(OptionError, match="no 7x7 patch of the reference is free of masked"):
        synthesize(reference, loss=loss, pyramid=pyramid, optimizer=optimizer, on_step=steps.append)
    assert not steps


@pytest.mark.parametrize(("channels", "value_range"), [(8, (-1.0, 1.0)), (8, None), (16, None), (2, (0.0, 65535.0))])
def test_data_of_any_channels_and_range(channels: int, value_range: tuple[float, float] | None) -> None:
    """Stacks of maps, or latents: the distance to the reference does not depend on the range of each channel."""
    noise = torch.randn(1, channels, 32, 40, generator=torch.Generator().manual_seed(0))
    data = gaussian_blur(noise, 1.5).mul(1.2).clamp(-1, 1)
    scale, offset = torch.ones(1), torch.zeros(1)
    if value_range is None:
        scale = torch.logspace(-2, 2, channels).view(1, channels, 1, 1)
        offset = torch.linspace(-9, 9, channels).view(1, channels, 1, 1)
    elif value_range[0] == 0:
        scale = offset = torch.tensor(65535 / 2)
    loss = SWDLoss(num_proj=16)
    images = synthesize(data * scale + offset, value_range=value_range, loss=loss, optimizer=SHORT).images
    unscaled = (images - offset) / scale
    assert unscaled.shape == data.shape
    assert unscaled.std() == pytest.approx(float(data.std()), rel=0.1)
    assert held_out([data], unscaled, 3, 1.0) < 0.4
    if value_range is None:
        plain = synthesize(data, value_range=None, loss=loss, optimizer=SHORT).images
        assert float((unscaled - plain).abs().mean()) < 0.05


def test_the_buffers_of_every_region_are_planned() -> None:
    left = torch.zeros(32, 32)
    left[:, :16] = 1
    steps = Optimizer(num_steps=1)
    one = synthesize([warm(), cold()], optimizer=steps).plan
    two = synthesize([Reference(warm(), region=left), Reference(cold(), region=1 - left)], optimizer=steps).plan
    assert [level.minimum for level in two] == [2 * level.minimum for level in one]
    with pytest.raises(OptionError, match="memory"):
        limit = one[-1].images + one[-1].minimum
        synthesize([Reference(warm(), region=left), Reference(cold())], optimizer=steps, memory=limit)
