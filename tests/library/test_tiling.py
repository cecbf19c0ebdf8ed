"""Tiles have no seam: the step across the borders is one like all others, with every optimizer and from every start."""

from __future__ import annotations

import pytest
import torch

from gpdm import InitialGuess, LevelSolver, Optimizer, PatchNN, PyramidSchedule, SWDLoss, evaluate, synthesize
from gpdm.borders import gaussian_blur, wraps
from gpdm.evaluation.seams import seam_gradients
from gpdm.images import resize

FAST = Optimizer(num_steps=60, fine_steps=20)


def texture(size: int = 48, seed: int = 0) -> torch.Tensor:
    """Blobs with sharp borders that do not tile, (1, 3, size, size)."""
    noise = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return gaussian_blur(noise, 1.5).mul(8).clamp(-0.8, 0.8)


def steps(images: torch.Tensor, axis: int) -> torch.Tensor:
    """Step from each column (axis 3) or row (axis 2) to the next over the median of all, the mean over images; the first is across the
    border."""
    other = [i for i in (1, 2, 3) if i != axis]
    own = (images - images.roll(1, axis)).abs().mean(other)
    return (own / own.median(1, keepdim=True).values).mean(0)


def tiles(border: str, optimizer: LevelSolver = FAST, outputs: int = 6, **more) -> torch.Tensor:
    loss = SWDLoss(num_proj=16, border=border)
    return synthesize(texture(), loss=loss, optimizer=optimizer, num_outputs=outputs, **more).images


@pytest.mark.parametrize("border", ["circular", "circular x", "circular y"])
def test_the_step_across_the_border_is_one_like_all_others(border: str) -> None:
    images = tiles(border)
    for axis, around in zip((2, 3), wraps(border), strict=True):
        own = steps(images, axis)
        if around:
            assert 0.8 < float(own[0]) < 1.25
            assert 0.02 < float((own[1:] < own[0]).float().mean()) < 0.98
        else:
            assert float(own[0]) > 1.5


@pytest.mark.parametrize(
    ("optimizer", "more"),
    [
        (FAST, {"guess": InitialGuess(source="reference", image_noise_sigma=0.1), "size": (48, 72)}),
        (FAST, {"init": texture(seed=5), "pyramid": PyramidSchedule(coarse_dim=48)}),
        (PatchNN(num_steps=3), {}),
        (Optimizer(method="newton", num_steps=40, fine_steps=15), {}),
    ],
    ids=["retarget", "style", "patch nn", "newton"],
)
def test_from_every_start_and_with_every_optimizer(optimizer: LevelSolver, more: dict) -> None:
    images = tiles("circular", optimizer, 1 if isinstance(optimizer, PatchNN) else 6, **more)
    for axis in (2, 3):
        own = steps(images, axis)
        assert 0.5 < float(own[0]) < 1.4
        assert float((own[1:] < own[0]).float().mean()) < 0.99


def test_the_seam_of_a_picture_that_does_not_tile_is_seen() -> None:
    image = texture(64)
    found = seam_gradients(image, "circular")
    assert found["seam gradient x"] > 1.5 and found["seam rank x"] == 1
    assert found["seam gradient y"] > 1.5 and found["seam rank y"] == 1
    assert set(seam_gradients(image, "circular x")) == {"seam gradient x", "seam rank x"}
    assert not seam_gradients(image, "free")


def test_the_seam_of_a_picture_that_tiles_is_none() -> None:
    noise = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    found = seam_gradients(gaussian_blur(noise, 1.5, "circular"), "circular")
    for axis in "xy":
        assert found[f"seam gradient {axis}"] == pytest.approx(1, abs=0.25)
        assert 0.02 < found[f"seam rank {axis}"] < 0.98
    flat = seam_gradients(torch.zeros(1, 3, 64, 64), "circular")
    assert flat["seam gradient x"] == 1 and flat["seam rank x"] == 0


def test_an_edge_that_the_reference_has_is_seen_by_the_gradient_and_not_by_the_patches() -> None:
    """Patches across the seam are all real ones; that all of them lie on one line is the fault."""
    reference = torch.cat([texture(64), texture(64, seed=3)], 3)
    image = reference.roll(64, 3)  # the edge lies across the border
    scores = evaluate(reference, image, tiles="circular x").figures
    assert scores["seam"] < 1
    assert scores["seam gradient x"] > 1.5 and scores["seam rank x"] > 0.98


def test_larger_references_tile_as_well() -> None:
    """With coherence, which looks up patches from 64 pixels on."""
    reference = resize(texture(40), (70, 70))
    optimizer = Optimizer(num_steps=40, fine_steps=15)
    images = synthesize(reference, border="circular", optimizer=optimizer, num_outputs=4).images
    for axis in (2, 3):
        assert 0.7 < float(steps(images, axis)[0]) < 1.35
