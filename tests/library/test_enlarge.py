"""Enlarging: what the result is when it is scaled down, where its detail comes from, and pictures of any kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import ImageError, OptionError, Reference, enlarge, from_pil, to_pil
from gpdm.edits.examples import Examples
from gpdm.edits.resampling import DOWNSCALINGS, GREY_LEVEL, Consistency, bicubic, rounded, scaled_down
from library.problems import picture

FACTORS = (1.01, 1.3, math.sqrt(2), 1.5, 2.0, 2.7, 4.0)


def smooth(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    """Returns a picture (1, C, H, W) within [-0.8, 0.8], so that nothing is clamped."""
    return 0.8 * picture(height, width, channels, seed)


def rings(height: int, width: int, scale: float = 1.0) -> Tensor:
    """Returns a picture (1, 3, H, W) of discs with sharp edges, whose size grows with the scale, each pixel the mean over it."""
    fine = 4
    y, x = ((torch.arange(n * fine) + 0.5) / (fine * scale) for n in (height, width))
    radius = torch.stack([((y[:, None] - cy) ** 2 + (x[None] - cx) ** 2).sqrt() for cy, cx in ((9, 8), (20, 24))])
    bright = ((radius % 9) < 4.5).float().amax(0)[None, None] - 0.5
    return torch.nn.functional.avg_pool2d(bright, fine).expand(1, 3, -1, -1).contiguous()


def error(image: Tensor, truth: Tensor) -> float:
    return float((image - truth).square().mean())


@pytest.mark.parametrize("size", [(20, 31), (37, 20), (1, 1), (36, 52), (1, 53)])
def test_bicubic_is_that_of_pillow(size: tuple[int, int]) -> None:
    image = torch.rand(37, 53, generator=torch.Generator().manual_seed(0))
    expected = Image.fromarray(image.numpy()).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    assert np.allclose(bicubic(image[None, None], size)[0, 0], np.asarray(expected), atol=1e-5)


def test_area_is_the_mean_of_the_pixels_that_are_covered() -> None:
    image = torch.arange(24.0).view(1, 1, 4, 6)
    assert torch.equal(scaled_down(image, (2, 3), "area"), torch.tensor([[[[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]]]))


@pytest.mark.parametrize("method", DOWNSCALINGS)
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (13, 24)])
def test_a_projected_image_becomes_the_given_one_and_stays(size: tuple[int, int], factor: float, method: str) -> None:
    given = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    large = round(size[0] * factor), round(size[1] * factor)
    consistency = Consistency.of(given, large, method)
    start = torch.rand(1, 2, *large, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    projected = consistency.project_(start.clone())
    assert (scaled_down(projected, size, method) - given).abs().max() < 1e-9
    assert torch.allclose(consistency.project_(projected.clone()), projected, atol=1e-9)


@pytest.mark.parametrize("method", DOWNSCALINGS)
def test_a_picture_that_was_enlarged_smoothly_stays(method: str) -> None:
    """A ramp is consistent with a ramp, and its projection adds nothing."""
    ramp = torch.linspace(-0.9, 0.9, 40).expand(1, 1, 30, -1).clone()
    given = scaled_down(ramp, (15, 20), method)
    other = Consistency.of(given, (30, 40), method).project_(ramp.clone())
    assert torch.allclose(other, ramp, atol=1e-5)


@pytest.mark.parametrize("factor", FACTORS[1:])
@pytest.mark.parametrize("style", ["natural", "crisp"])
def test_scaled_down_by_pillow_the_result_is_the_picture(style: str, factor: float) -> None:
    """The result is rounded to 8 bits first. In 8 bits Pillow rounds between its two passes once more."""
    given = to_pil(smooth(64 if factor < 2.5 else 20, 71 if factor < 2.5 else 23))
    result = enlarge(from_pil(given), factor=factor, style=style)
    written = to_pil(result.images)
    bands = [np.asarray(band, np.float32) for band in written.split()]
    back = [Image.fromarray(band).resize(given.size, Image.Resampling.BICUBIC) for band in bands]
    difference = np.stack([np.asarray(band) for band in back], 2) - np.asarray(given, float)
    assert np.abs(difference).max() <= 0.501
    in_8_bits = np.asarray(written.resize(given.size, Image.Resampling.BICUBIC), int)
    assert np.abs(in_8_bits - np.asarray(given, int)).max() <= 1
    assert result.metrics[0]["% of pixels above half a level"] == 0
    assert result.metrics[0]["largest deviation"] <= 0.5001


def test_what_cannot_be_reached_within_the_range_is_measured() -> None:
    """Single black and white pixels side by side: bicubic would need values beyond both."""
    given = (torch.arange(24)[:, None] + torch.arange(20)) % 2 * 2.0 - 1
    result = enlarge(given.expand(1, 1, -1, -1).clone())
    down = bicubic(rounded(result.images), (24, 20))
    deviation = (down - given).abs() / GREY_LEVEL
    assert result.images.abs().max() <= 1
    assert result.metrics[0]["largest deviation"] == pytest.approx(float(deviation.max()), abs=1e-3)
    assert result.metrics[0]["largest deviation"] > 10
    assert result.metrics[0]["% of pixels above half a level"] == pytest.approx(
        100 * float((deviation > 0.5).float().mean()), abs=1
    )


@pytest.mark.parametrize("factor", [1.5, 2.0])
def test_examples_are_nearer_to_the_truth_than_bicubic_and_than_consistency_alone(factor: float) -> None:
    truth = rings(60, 66)
    size = round(60 / factor), round(66 / factor)
    given = bicubic(truth, size)
    interpolated = bicubic(given, (60, 66))
    consistent = Consistency.of(given, (60, 66), "bicubic").project_(interpolated.clone())
    result = enlarge(given, factor=factor).images
    assert error(result, truth) < 0.85 * error(consistent, truth) < 0.85 * error(interpolated, truth)


def test_a_sharp_reference_of_the_same_material_helps() -> None:
    truth = rings(60, 66)
    given = bicubic(truth, (20, 22))
    own = enlarge(given, factor=3.0).images
    other = enlarge(given, factor=3.0, references=rings(66, 60).flip(3)).images
    assert error(other, truth) < 0.8 * error(own, truth)


def test_the_detail_of_a_picture_that_was_blurred_comes_back_from_itself() -> None:
    image = smooth(24, 26)
    examples = Examples.of([Reference(image)], 1.5, 5)
    blurred = bicubic(bicubic(image, (16, 17)), (24, 26))
    done, restored = list(examples.added(blurred))[-1]
    assert done == 1 and torch.allclose(restored, image, atol=1e-5)


def test_excluded_patches_are_no_examples() -> None:
    """Where the right half is excluded, nothing on it has an influence."""
    image, exclude = rings(32, 40), torch.zeros(1, 1, 32, 40)
    exclude[..., 20:] = 1
    changed = image.clone()
    changed[..., 30:] = 0.3
    results = [enlarge(x, exclude=exclude).images[..., :36] for x in (image, changed)]
    assert (results[0] - results[1]).abs().max() < 0.02
    free = [enlarge(x).images[..., :36] for x in (image, changed)]
    assert (free[0] - free[1]).abs().max() > 2 * (results[0] - results[1]).abs().max()
    with pytest.raises(ImageError, match="exclude leaves no 5x5 patch"):
        enlarge(image, exclude=torch.ones(1, 1, 32, 40))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 30), (2, 2), (3, 17), (9, 8)])
def test_pictures_of_any_kind_and_size(size: tuple[int, int], channels: int) -> None:
    image = picture(*size, channels)
    for factor in (1.1, 2.5, 8.0):
        result = enlarge(image, factor=factor)
        expected = max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)
        assert result.images.shape == (1, channels, *expected)
        assert result.images.isfinite().all() and result.images.abs().max() <= 1


def test_a_plain_picture_stays_plain() -> None:
    for style in ("natural", "crisp"):
        result = enlarge(torch.full((1, 3, 66, 70), 0.25), factor=1.7, style=style).images
        assert torch.allclose(result, torch.full_like(result, 0.25), atol=1e-4)


def test_the_colours_under_transparent_pixels_have_no_influence() -> None:
    image = torch.cat([smooth(20, 22), torch.ones(1, 1, 20, 22)], 1)
    image[:, 3, :, 11:] = -1
    other = image.clone()
    other[:, :3, :, 11:] = 0.9
    assert torch.equal(enlarge(image).images, enlarge(other).images)


@pytest.mark.parametrize("style", ["natural", "crisp"])
def test_all_seeds_give_the_same_picture(style: str) -> None:
    first, second = (enlarge(smooth(40, 30), seed=seed, style=style).images for seed in (0, 1))
    assert torch.equal(first, second)


def test_crisp_is_sharper() -> None:
    image = smooth(64, 64)

    def energy(style: str) -> float:
        result = enlarge(image, style=style).images
        return float((result - bicubic(bicubic(result, (64, 64)), (128, 128))).square().mean())

    assert energy("crisp") > 1.05 * energy("natural")


@pytest.mark.parametrize("factor", [1.0, 8.5, math.nan])
def test_a_factor_out_of_range_is_refused(factor: float) -> None:
    with pytest.raises(OptionError, match=r"factor = .*a number from 1.01 to 8"):
        enlarge(smooth(9, 9), factor=factor)


def test_a_reference_that_is_too_small_is_refused() -> None:
    with pytest.raises(ImageError, match=r"a reference is 20x9, .* at factor 2.*give a larger one"):
        enlarge(smooth(9, 9), references=smooth(9, 20))


def test_references_have_the_channels_of_the_picture() -> None:
    with pytest.raises(ImageError, match=r"reference has 1 channel .grey. and image has 3"):
        enlarge(smooth(9, 9), references=smooth(20, 20, 1))


@pytest.mark.parametrize("factor", [1.5, 2.0])
def test_naming_the_filter_that_made_a_picture_helps(factor: float) -> None:
    truth = rings(60, 66)
    given = scaled_down(truth, (round(60 / factor), round(66 / factor)), "area")
    right, wrong = (enlarge(given, factor=factor, downscaling=method) for method in ("area", "bicubic"))
    assert error(right.images, truth) < 0.95 * error(wrong.images, truth)
    assert (scaled_down(rounded(right.images), tuple(given.shape[2:]), "area") - given).abs().mean() < GREY_LEVEL / 4
