"""Outputs that tile have no seam: the step across the borders is like those between neighbours."""

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
    """Steps between neighbouring columns (axis 3) or rows (axis 2), relative to their median, averaged over the images.

    The first one is that across the border.
    """
    other = [i for i in (1, 2, 3) if i != axis]
    absolute = (images - images.roll(1, axis)).abs().mean(other)
    return (absolute / absolute.median(1, keepdim=True).values).mean(0)


def outputs_that_tile(border: str, optimizer: LevelSolver = FAST, outputs: int = 6, **more) -> torch.Tensor:
    loss = SWDLoss(num_proj=16, border=border)
    return synthesize(texture(), loss=loss, optimizer=optimizer, num_outputs=outputs, **more).images


@pytest.mark.slow
@pytest.mark.parametrize("border", ["circular", "circular x", "circular y"])
def test_the_step_across_the_border_is_like_all_others(border: str) -> None:
    images = outputs_that_tile(border)
    for axis, circular in zip((2, 3), wraps(border), strict=True):
        border_step, *others = steps(images, axis).tolist()
        if circular:
            assert 0.8 < border_step < 1.25
            assert 0.02 < sum(step < border_step for step in others) / len(others) < 0.98
        else:
            assert border_step > 1.5


@pytest.mark.slow
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
def test_other_guesses_and_optimizers_make_no_seam(optimizer: LevelSolver, more: dict) -> None:
    images = outputs_that_tile("circular", optimizer, 1 if isinstance(optimizer, PatchNN) else 6, **more)
    for axis in (2, 3):
        border_step, *others = steps(images, axis).tolist()
        assert 0.5 < border_step < 1.6
        assert sum(step < border_step for step in others) / len(others) < 0.99


def test_seam_scores_of_an_image_that_does_not_tile_are_high() -> None:
    image = texture(64)
    scores = seam_gradients(image, "circular")
    assert scores["seam gradient x"] > 1.5 and scores["seam rank x"] == 1
    assert scores["seam gradient y"] > 1.5 and scores["seam rank y"] == 1
    assert set(seam_gradients(image, "circular x")) == {"seam gradient x", "seam rank x"}
    assert not seam_gradients(image, "free")


def test_seam_scores_of_an_image_that_tiles_are_normal() -> None:
    noise = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    scores = seam_gradients(gaussian_blur(noise, 1.5, "circular"), "circular")
    for axis in "xy":
        assert scores[f"seam gradient {axis}"] == pytest.approx(1, abs=0.25)
        assert 0.02 < scores[f"seam rank {axis}"] < 0.98
    flat = seam_gradients(torch.zeros(1, 3, 64, 64), "circular")
    assert flat["seam gradient x"] == 1 and flat["seam rank x"] == 0


def test_an_edge_of_the_reference_on_the_border_raises_the_gradient_and_not_the_patch_distance() -> None:
    """All patches across the border are patches of the reference, but they lie on one line."""
    reference = torch.cat([texture(64), texture(64, seed=3)], 3)
    image = reference.roll(64, 3)  # the edge lies across the border
    scores = evaluate(reference, image, tiles="circular x").scores
    assert scores["seam"] < 1
    assert scores["seam gradient x"] > 1.5 and scores["seam rank x"] > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("border", ["half drop", "brick", "mirrored"])
def test_moved_and_mirrored_tiles_have_no_seam(border: str) -> None:
    """Plain copies of the same outputs have one."""
    images = outputs_that_tile(border)
    scores = [seam_gradients(each[None], border) for each in images]
    plain = [seam_gradients(each[None], "circular") for each in images]
    for axis in "xy":
        mean = sum(score[f"seam gradient {axis}"] for score in scores) / len(scores)
        assert 0.75 < mean < 1.3
    moved = "x" if border == "half drop" else "y"
    assert sum(score[f"seam gradient {moved}"] for score in plain) / len(plain) > 1.5


def test_seam_scores_of_moved_tiles_compare_what_meets() -> None:
    noise = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    image = gaussian_blur(noise, 1.5, "half drop")
    scores, plain = seam_gradients(image, "half drop"), seam_gradients(image, "circular")
    for axis in "xy":
        assert scores[f"seam gradient {axis}"] == pytest.approx(1, abs=0.25)
    assert plain["seam gradient x"] > 1.5


@pytest.mark.slow
def test_outputs_with_coherence_tile() -> None:
    """Levels from 64 pixels on use the coherence term."""
    reference = resize(texture(40), (70, 70))
    optimizer = Optimizer(num_steps=40, fine_steps=15)
    images = synthesize(reference, border="circular", optimizer=optimizer, num_outputs=4).images
    for axis in (2, 3):
        assert 0.7 < float(steps(images, axis)[0]) < 1.35
