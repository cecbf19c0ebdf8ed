"""Symmetries that move pixels between pixels: rotations of other than quarter turns, and kaleidoscopes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from gpdm import SYMMETRIES, Optimizer, PatchNN, synthesize
from gpdm.pictures.symmetry import FOLDS, SymmetryProjection
from library.problems import picture

EXACT = ("none", "mirror x", "mirror y", "mirror both", "rotate 180")
ROTATIONS = [name for name in SYMMETRIES if name not in (*EXACT, "rotate 90")]


def fold_of(symmetry: str) -> int:
    """The number of rotations that leave a picture unchanged."""
    return FOLDS.get(symmetry) or int(symmetry.split()[1])


def waves(size: tuple[int, int], turns: int, mirrored: bool = False) -> torch.Tensor:
    """A smooth picture, the mean of copies of one that are rotated by `turns` equal parts of a circle, computed exactly."""
    y, x = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in size)
    y, x = torch.meshgrid(y, x, indexing="ij")
    total = torch.zeros(size, dtype=torch.float64)
    for sign in (1, -1) if mirrored else (1,):
        for number in range(turns):
            angle = 2 * math.pi * number / turns
            right = sign * (x * math.cos(angle) + y * math.sin(angle))
            down = y * math.cos(angle) - x * math.sin(angle)
            total += torch.sin(0.31 * right + 0.7) * torch.cos(0.23 * down + 0.2) + 0.4 * torch.sin(0.5 * down + 0.1)
    return (total / total.std()).expand(1, 2, *size).clone()


@pytest.mark.parametrize("symmetry", ROTATIONS)
@pytest.mark.parametrize("size", [(33, 33), (40, 57), (24, 17), (7, 9)])
def test_a_projected_image_is_unchanged_by_projecting_it_again(symmetry: str, size: tuple[int, int]) -> None:
    projection = SymmetryProjection(symmetry, size)
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    once = projection.apply_(image.clone())
    assert not torch.allclose(once, image, atol=0.1)
    again = once
    for _ in range(20):
        again = projection.apply_(again.clone())
    assert torch.allclose(again, once, atol=1e-5)


@pytest.mark.parametrize("symmetry", [*ROTATIONS, "rotate 90"])
@pytest.mark.parametrize("size", [(64, 64), (56, 80)])
def test_a_smooth_symmetric_picture_is_nearly_unchanged(symmetry: str, size: tuple[int, int]) -> None:
    image = waves(size, fold_of(symmetry), symmetry.startswith("kaleidoscope"))
    result = SymmetryProjection(symmetry, size).apply_(image.clone())
    assert float((result - image).abs().mean()) < 0.02
    assert float((result - image).abs().quantile(0.995)) < 0.1


@pytest.mark.parametrize("symmetry", ROTATIONS)
def test_a_rotated_picture_looks_the_same(symmetry: str) -> None:
    """The result of a picture of waves is compared with itself, rotated about its centre, in the largest circle."""
    size, angle = 64, 2 * math.pi / fold_of(symmetry)
    start = waves((size, size), 1)
    result = SymmetryProjection(symmetry, (size, size)).apply_(start.clone())
    turn = torch.tensor([[[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]]])
    grid = F.affine_grid(turn, [1, 2, size, size], align_corners=True).to(result)
    rotated = F.grid_sample(result, grid, "bicubic", align_corners=True)
    circle = grid.norm(dim=3)[0] < 0.95
    before = float((F.grid_sample(start, grid, "bicubic", align_corners=True) - start).abs()[..., circle].mean())
    assert before > 0.3
    assert float((rotated - result).abs()[..., circle].mean()) < 0.04


@pytest.mark.parametrize("symmetry", [name for name in ROTATIONS if name.startswith("kaleidoscope")])
def test_left_and_right_of_a_kaleidoscope_are_mirror_images(symmetry: str) -> None:
    result = SymmetryProjection(symmetry, (40, 57)).apply_(waves((40, 57), 1))
    assert float((result - result.flip(3)).abs().quantile(0.995)) < 0.01


@pytest.mark.parametrize("symmetry", ["kaleidoscope 4", "rotate 45"])
def test_a_square_picture_has_the_quarter_turns_that_it_implies(symmetry: str) -> None:
    result = SymmetryProjection(symmetry, (33, 33)).apply_(waves((33, 33), 1))
    assert float((result - result.rot90(1, (2, 3))).abs().max()) < 0.05


@pytest.mark.parametrize("optimizer", [Optimizer(num_steps=3), PatchNN(num_steps=2)], ids=["adam", "patch nn"])
@pytest.mark.parametrize("symmetry", ["rotate 72", "kaleidoscope 6"])
def test_outputs_and_their_steps_are_symmetric(symmetry: str, optimizer) -> None:
    def on_step(info) -> None:
        image = info.image
        again = SymmetryProjection(symmetry, tuple(image.shape[2:])).apply_(image.clone())
        assert torch.allclose(again, image, atol=1e-5)

    out = synthesize(picture(32, 38), symmetry=symmetry, optimizer=optimizer, on_step=on_step).images
    assert torch.allclose(SymmetryProjection(symmetry, (32, 38)).apply_(out.clone()), out, atol=1e-5)
