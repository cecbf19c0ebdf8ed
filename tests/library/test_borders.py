"""Images that go on at their opposite side: interpolation, enlarging, blurring, the periodic part, and weights of patches."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from gpdm.borders import (
    BORDERS,
    JOIN,
    gaussian_blur,
    interpolate,
    join_borders,
    patch_weights,
    upsample,
    wraps,
)


def tiled(image: torch.Tensor, border: str) -> torch.Tensor:
    """Three by three of an image, next to each other where it wraps; elsewhere its border pixels repeated."""
    vertical, horizontal = wraps(border)
    height, width = image.shape[2:]
    for around, axis, padding in ((vertical, 2, (0, 0, height, height)), (horizontal, 3, (width, width, 0, 0))):
        image = torch.cat([image] * 3, axis) if around else F.pad(image, padding, mode="replicate")
    return image


@pytest.mark.parametrize("size", [(26, 31), (51, 40), (13, 17), (5, 60)])
def test_a_tile_is_interpolated_as_in_the_middle_of_its_neighbours(size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, 21, 30, generator=torch.Generator().manual_seed(0))
    expected = interpolate(tiled(image, "circular"), (3 * size[0], 3 * size[1]))
    found = interpolate(image, size, "circular")
    assert torch.allclose(found, expected[..., size[0] : 2 * size[0], size[1] : 2 * size[1]], atol=1e-5)


@pytest.mark.parametrize(("border", "axis"), [("circular x", 2), ("circular y", 3)])
def test_the_direction_that_does_not_wrap_is_interpolated_as_ever(border: str, axis: int) -> None:
    image = torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0))
    constant = image.mean(5 - axis, keepdim=True).expand_as(image)  # so that the direction that wraps does nothing
    assert torch.allclose(interpolate(constant, (40, 50), border), interpolate(constant, (40, 50)), atol=1e-5)


@pytest.mark.parametrize("function", [interpolate, upsample])
def test_a_free_border_is_interpolated_as_torch_does(function) -> None:
    image = torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(image, size=(25, 41), mode="bilinear", align_corners=False, antialias=True)
    assert torch.equal(function(image, (25, 41), "free"), expected)


@pytest.mark.parametrize("own", [20, 21])
@pytest.mark.parametrize("length", [21, 27, 40, 64])
def test_waves_are_enlarged_exactly(own: int, length: int) -> None:
    """A wave that the small image holds is the same wave, at the centres of the new pixels."""

    def wave(number: int) -> torch.Tensor:
        x = (torch.arange(number, dtype=torch.float64) + 0.5) / number
        return 0.3 + torch.cos(2 * math.pi * 3 * x + 1) + 0.5 * torch.sin(2 * math.pi * 7 * x)

    image = wave(own).expand(1, 2, 4, own)
    assert torch.allclose(upsample(image, (4, length), "circular"), wave(length).expand(1, 2, 4, length), atol=1e-12)


def test_the_highest_wave_keeps_its_height() -> None:
    image = (1 - 2 * (torch.arange(20, dtype=torch.float64) % 2)).expand(1, 1, 3, 20)
    place = (torch.arange(33, dtype=torch.float64) + 0.5) * 20 / 33 - 0.5
    expected = torch.cos(math.pi * place).expand(1, 1, 3, 33)
    assert torch.allclose(upsample(image, (3, 33), "circular x"), expected, atol=1e-12)


def test_a_displaced_grid_is_the_image_between_its_pixels() -> None:
    image = torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(upsample(image, (21, 30), "circular", new=1.0), image.roll((-1, -1), (2, 3)))
    assert torch.allclose(upsample(image, (21, 30), "circular", old=1.0), image.roll((1, 1), (2, 3)))
    there = upsample(image, (33, 47), "circular x", new=0.3)
    assert torch.allclose(there[..., 5:], upsample(image, (33, 47), "circular x", new=5.3)[..., :-5])


@pytest.mark.parametrize("shift", [(4, 0), (0, 8), (4, 8)])
def test_all_places_of_a_tile_are_enlarged_alike(shift: tuple[int, int]) -> None:
    image = torch.rand(1, 3, 20, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = tuple(side * 5 // 4 for side in shift)
    found = upsample(image.roll(shift, (2, 3)), (25, 50), "circular", 0.2, -0.1)
    assert torch.allclose(found, upsample(image, (25, 50), "circular", 0.2, -0.1).roll(moved, (2, 3)))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("sigma", [0.7, 4.0])
def test_a_tile_is_blurred_as_in_the_middle_of_its_neighbours(border: str, sigma: float) -> None:
    image = torch.rand(1, 3, 18, 20, generator=torch.Generator().manual_seed(0))
    expected = gaussian_blur(tiled(image, border), sigma)[..., 18:36, 20:40]
    assert torch.allclose(gaussian_blur(image, sigma, border), expected, atol=1e-5)


def test_a_blur_may_be_wider_than_the_tile() -> None:
    image = torch.rand(1, 1, 8, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(gaussian_blur(image, 30.0, "circular"), image.mean().expand_as(image), atol=1e-3)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("size", [(30, 40), (9, 12), (1, 40), (2, 3)])
def test_joined_borders_have_no_large_step_where_they_wrap(border: str, size: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    joined = join_borders(image, border)
    for axis, around in zip((2, 3), wraps(border), strict=True):
        length = size[axis - 2]
        if around and length > 1:
            typical = float(image.diff(dim=axis).abs().mean())
            step = (joined.narrow(axis, 0, 1) - joined.narrow(axis, length - 1, 1)).abs()
            assert float(step.amax()) <= 1.3 * typical  # joining the other direction changes it a little
    inner = [slice(JOIN, -JOIN) if around else slice(None) for around in wraps(border)]
    assert torch.equal(joined[..., inner[0], inner[1]], image[..., inner[0], inner[1]])


def test_what_tiles_already_is_joined_already() -> None:
    wave = torch.sin(torch.arange(40) * (2 * math.pi * 10 / 40)).round() * 0.5  # every step is 0.5
    image = wave.expand(1, 3, 30, 40)
    assert torch.equal(join_borders(image, "circular x"), image)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("patch", [1, 3, 7, 8])
def test_weights_of_patches_are_means_and_touch_no_zero(border: str, patch: int) -> None:
    weights = torch.rand(1, 1, 12, 14, generator=torch.Generator().manual_seed(0)) + 0.1
    weights[..., 5, 6] = 0
    down, right = wraps(border)
    wide = weights[0, 0].repeat(1 + down, 1 + right)
    rows, columns = 12 if down else 13 - patch, 14 if right else 15 - patch
    for exclude in (False, True):
        found = patch_weights(weights, patch, border, exclude=exclude)
        assert found.shape == (rows, columns)
        for i in range(rows):
            for j in range(columns):
                own = wide[i : i + patch, j : j + patch]
                expected = 0.0 if exclude and (own == 0).any() else float(own.mean())
                assert float(found[i, j]) == pytest.approx(expected, rel=1e-5, abs=1e-7)
