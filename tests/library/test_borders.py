"""Borders with tiles: patches, interpolation, upsampling, blurring, joining, and the weights of patches."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from gpdm.borders import (
    BORDERS,
    FOURIER_SIDE,
    continues,
    gaussian_blur,
    interpolate,
    padded_size,
    padding,
    patch_weights,
    repeated,
    shift_of,
    upsample,
    wrap,
    wrap_adjoint_,
    wraps,
)
from gpdm.guess import JOIN_WIDTH, join_borders

TILED = ("circular", "half drop", "brick", "mirrored")


def tiled(image: torch.Tensor, border: str) -> torch.Tensor:
    """Three by three tiles, pixel by pixel from their definition; along free axes the border pixels are repeated."""
    height, width = image.shape[2:]
    result = image.new_empty(*image.shape[:2], 3 * height, 3 * width)
    for row in range(3 * height):
        for column in range(3 * width):
            result[..., row, column] = pixel_of(image, row - height, column - width, border)
    return result


def pixel_of(image: torch.Tensor, row: int, column: int, border: str) -> torch.Tensor:
    """The pixel of an image at a position of the plane, which is covered with its tiles, (B, C)."""
    height, width = image.shape[2:]
    down, right = row // height, column // width
    if border == "mirrored":
        row, column = row % height, column % width
        row, column = height - 1 - row if down % 2 else row, width - 1 - column if right % 2 else column
    if border == "half drop":
        row -= right * (height // 2)
    if border == "brick":
        column -= down * (width // 2)
    row = min(max(row, 0), height - 1) if border in ("free", "circular x") else row % height
    column = min(max(column, 0), width - 1) if border in ("free", "circular y") else column % width
    return image[..., row, column]


@pytest.mark.parametrize("border", TILED)
@pytest.mark.parametrize("patch_size", [1, 3, 4, 7])
def test_wrapping_adds_pixels_of_the_tiles_around(border: str, patch_size: int) -> None:
    image = torch.rand(1, 2, 12, 14, generator=torch.Generator().manual_seed(0))
    (top, bottom), (left, right) = padding(patch_size, border)
    expected = tiled(image, border)[..., 12 - top : 24 + bottom, 14 - left : 28 + right]
    wrapped = wrap(image, patch_size, border)
    assert torch.equal(wrapped, expected)
    assert tuple(wrapped.shape[2:]) == padded_size((12, 14), patch_size, border)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("patch_size", [1, 3, 4, 7])
@pytest.mark.parametrize("size", [(12, 14), (9, 11)])
def test_the_adjoint_of_wrapping_has_the_same_inner_products(border: str, patch_size: int, size: tuple) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 2, *size, generator=generator, dtype=torch.float64)
    wrapped = wrap(image, patch_size, border)
    other = torch.randn(wrapped.shape, generator=generator, dtype=torch.float64)
    expected = float((wrapped * other).sum())
    assert float((image * wrap_adjoint_(other, patch_size, border)).sum()) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("border", TILED)
def test_the_same_number_of_patches_covers_each_pixel(border: str) -> None:
    height, width = padded_size((12, 14), 7, border)
    covers = F.fold(torch.ones(1, 49, (height - 6) * (width - 6)), (height, width), 7)
    assert torch.equal(wrap_adjoint_(covers, 7, border), torch.full((1, 1, 12, 14), 49.0))


@pytest.mark.parametrize("border", BORDERS)
def test_two_by_two_tiles(border: str) -> None:
    image = torch.rand(1, 2, 6, 8, generator=torch.Generator().manual_seed(0))
    shown = "circular" if border in ("free", "circular x", "circular y") else border
    assert torch.equal(repeated(image, border), tiled(image, shown)[..., 6:, 8:])


@pytest.mark.parametrize("border", TILED)
@pytest.mark.parametrize("size", [(26, 32), (52, 40), (14, 18), (6, 60)])
def test_interpolation_equals_the_middle_of_3x3_tiles(border: str, size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, 22, 30, generator=torch.Generator().manual_seed(0))
    expected = interpolate(tiled(image, border), (3 * size[0], 3 * size[1]))
    result = interpolate(image, size, border)
    assert torch.allclose(result, expected[..., size[0] : 2 * size[0], size[1] : 2 * size[1]], atol=1e-5)


@pytest.mark.parametrize("border", ["half drop", "brick"])
def test_moved_tiles_are_upsampled_as_two_tiles_of_a_circular_image(border: str) -> None:
    image = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    larger = upsample(image, (26, 40), border, 0.2, -0.1)
    assert torch.allclose(repeated(larger, border), upsample(repeated(image, border), (52, 80), "circular", 0.2, -0.1))


def test_a_mirrored_image_is_upsampled_as_part_of_one_with_its_mirror_images() -> None:
    image = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    larger = upsample(repeated(image, "mirrored"), (160, 160), "circular")[..., :80, :80]
    expected = larger.clamp(image.min(), image.max())
    assert torch.allclose(upsample(image, (80, 80), "mirrored"), expected, atol=1e-6)


@pytest.mark.parametrize(("border", "axis"), [("circular x", 2), ("circular y", 3)])
def test_an_axis_that_does_not_wrap_is_interpolated_as_free(border: str, axis: int) -> None:
    image = torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0))
    constant = image.mean(5 - axis, keepdim=True).expand_as(
        image
    )  # interpolation along the axis that wraps has no effect
    assert torch.allclose(interpolate(constant, (40, 50), border), interpolate(constant, (40, 50)), atol=1e-5)


def test_free_borders_are_interpolated_by_torch() -> None:
    image = torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(image, size=(25, 41), mode="bilinear", align_corners=False, antialias=True)
    assert torch.equal(interpolate(image, (25, 41)), expected)


@pytest.mark.parametrize("border", BORDERS)
def test_upsampling_makes_no_position_sharper_than_others(border: str) -> None:
    """White noise keeps its variance in every row and column, away from free borders."""
    noise = torch.randn(4000, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    if not all(wraps(border)):
        noise[..., :2, 0] = torch.tensor([-100.0, 100.0])  # so that no value near the middle is clamped
    larger = upsample(noise, (65, 64), border)[..., 8:-8, 8:-8]
    for axis in (2, 3):
        variances = larger.square().mean([each for each in range(4) if each != axis])
        assert variances.max() / variances.min() < 1.08  # bicubic: 1.5


@pytest.mark.parametrize("border", BORDERS)
def test_upsampling_keeps_constants_and_channels_apart(border: str) -> None:
    image = torch.full((1, 2, 20, 21), 0.3)
    image[:, 1] = torch.rand(20, 21, generator=torch.Generator().manual_seed(0))
    larger = upsample(image, (66, 70), border)
    assert torch.allclose(larger[:, 0], torch.tensor(0.3), atol=1e-5)
    assert torch.equal(larger[:, 1:], upsample(image[:, 1:], (66, 70), border))


def test_upsampling_along_free_axes_reproduces_half_waves_exactly() -> None:
    """Those are the waves that continue smoothly into the mirror image."""

    def wave(number: int) -> torch.Tensor:
        x = (torch.arange(number, dtype=torch.float64) + 0.5) / number
        return 0.3 + torch.cos(3 * math.pi * x) + 0.5 * torch.cos(14 * math.pi * x)

    low, high = wave(40).min(), wave(40).max()
    expected = wave(66).clamp(low, high).expand(1, 2, 64, 66)
    assert torch.allclose(upsample(wave(40).expand(1, 2, 64, 40), (64, 66), "free"), expected, atol=1e-12)
    assert torch.allclose(upsample(wave(40).expand(1, 2, 64, 40).mT, (66, 64), "free"), expected.mT, atol=1e-12)


def test_small_levels_are_enlarged_bilinearly_along_free_axes() -> None:
    image = torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(image, size=(FOURIER_SIDE - 1, 70), mode="bilinear")
    assert torch.allclose(upsample(image, (FOURIER_SIDE - 1, 70), "free"), expected, atol=1e-6)


@pytest.mark.parametrize("old_length", [20, 21])
@pytest.mark.parametrize("length", [21, 27, 40, 64])
def test_upsampling_reproduces_waves_exactly(old_length: int, length: int) -> None:
    """A wave below the Nyquist frequency of the small image keeps its values at the centres of the new pixels."""

    def wave(number: int) -> torch.Tensor:
        x = (torch.arange(number, dtype=torch.float64) + 0.5) / number
        return 0.3 + torch.cos(2 * math.pi * 3 * x + 1) + 0.5 * torch.sin(2 * math.pi * 7 * x)

    image = wave(old_length).expand(1, 2, 4, old_length)
    assert torch.allclose(upsample(image, (4, length), "circular"), wave(length).expand(1, 2, 4, length), atol=1e-12)


def test_upsampling_keeps_the_amplitude_of_the_nyquist_frequency() -> None:
    image = (1 - 2 * (torch.arange(20, dtype=torch.float64) % 2)).expand(1, 1, 3, 20)
    position = (torch.arange(33, dtype=torch.float64) + 0.5) * 20 / 33 - 0.5
    expected = torch.cos(math.pi * position).expand(1, 1, 3, 33)
    assert torch.allclose(upsample(image, (3, 33), "circular x"), expected, atol=1e-12)


def test_grid_offsets_shift_the_image() -> None:
    image = torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(upsample(image, (21, 30), "circular", new_offset=1.0), image.roll((-1, -1), (2, 3)))
    assert torch.allclose(upsample(image, (21, 30), "circular", old_offset=1.0), image.roll((1, 1), (2, 3)))
    shifted = upsample(image, (33, 47), "circular x", new_offset=0.3)
    assert torch.allclose(shifted[..., 5:], upsample(image, (33, 47), "circular x", new_offset=5.3)[..., :-5])


@pytest.mark.parametrize("shift", [(4, 0), (0, 8), (4, 8)])
def test_circular_upsampling_commutes_with_rolling(shift: tuple[int, int]) -> None:
    image = torch.rand(1, 3, 20, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    larger_shift = tuple(pixels * 5 // 4 for pixels in shift)
    result = upsample(image.roll(shift, (2, 3)), (25, 50), "circular", 0.2, -0.1)
    assert torch.allclose(result, upsample(image, (25, 50), "circular", 0.2, -0.1).roll(larger_shift, (2, 3)))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("sigma", [0.7, 4.0])
def test_a_blur_equals_the_middle_of_blurred_3x3_copies(border: str, sigma: float) -> None:
    image = torch.rand(1, 3, 18, 20, generator=torch.Generator().manual_seed(0))
    expected = gaussian_blur(tiled(image, border), sigma)[..., 18:36, 20:40]
    assert torch.allclose(gaussian_blur(image, sigma, border), expected, atol=1e-5)


def test_a_blur_may_be_wider_than_the_image() -> None:
    image = torch.rand(1, 1, 8, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(gaussian_blur(image, 30.0, "circular"), image.mean().expand_as(image), atol=1e-3)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("size", [(30, 40), (9, 12), (1, 40), (2, 3)])
def test_joined_borders_have_no_large_step_across_them(border: str, size: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    joined = join_borders(image, border)
    down, right = shift_of(border, size)
    for axis, circular, shift in zip((2, 3), wraps(border), (right, down), strict=True):
        length = size[axis - 2]
        if circular and length > 1:
            typical = float(image.diff(dim=axis).abs().mean())
            step = (joined.narrow(axis, 0, 1).roll(shift, 5 - axis) - joined.narrow(axis, length - 1, 1)).abs()
            assert float(step.amax()) <= 1.5 * typical  # joining the other direction changes it a little
    inner = [slice(JOIN_WIDTH, -JOIN_WIDTH) if circular else slice(None) for circular in wraps(border)]
    assert torch.equal(joined[..., inner[0], inner[1]], image[..., inner[0], inner[1]])


def test_joining_leaves_an_image_that_tiles_unchanged() -> None:
    wave = torch.sin(torch.arange(40) * (2 * math.pi * 10 / 40)).round() * 0.5  # every step is 0.5
    image = wave.expand(1, 3, 30, 40)
    assert torch.equal(join_borders(image, "circular x"), image)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("patch_size", [1, 3, 7, 8])
@pytest.mark.parametrize("exclude", [False, True])
def test_weights_of_patches_are_means_and_exclude_zeros(border: str, patch_size: int, exclude: bool) -> None:
    weights = torch.rand(1, 1, 12, 14, generator=torch.Generator().manual_seed(0)) + 0.1
    weights[..., 5, 6] = 0
    vertical, horizontal = continues(border)
    (top, _), (left, _) = padding(patch_size, border)
    tiles = tiled(weights, border)[0, 0, 12 - top :, 14 - left :]
    rows, columns = 12 if vertical else 13 - patch_size, 14 if horizontal else 15 - patch_size
    result = patch_weights(weights, patch_size, border, exclude=exclude)
    assert result.shape == (rows, columns)
    for i in range(rows):
        for j in range(columns):
            covered = tiles[i : i + patch_size, j : j + patch_size]
            expected = 0.0 if exclude and (covered == 0).any() else float(covered.mean())
            assert float(result[i, j]) == pytest.approx(expected, rel=1e-5, abs=1e-7)
