"""Match grain: what is measured of grain that is known, what is made of it, and what is taken away."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Generator, Tensor

from gpdm import GPDMError, OptionError, Reference, match_grain
from gpdm.borders import gaussian_blur
from gpdm.looks.denoise import without_own_grain
from gpdm.looks.flat import flat_parts, without_grain
from gpdm.looks.grain_field import covariance_filter, filtered, grain_field
from gpdm.looks.grain_model import Grain, covariance
from library.problems import grainy

SIDE = 128


def noise(seed: int = 0, blur: float = 1.0, channels: int = 3, side: int = SIDE) -> Tensor:
    """Noise of standard deviation 1, (1, C, side, side), whose channels have a correlation of one half."""
    g = Generator().manual_seed(seed)
    own, common = (torch.randn(1, c, side, side, generator=g) for c in (channels, 1))
    blurred = gaussian_blur((own + common) / 2**0.5, blur, "circular")
    return blurred / blurred.std()


def strength(luma: Tensor) -> Tensor:
    """The standard deviation of the known grain at a brightness."""
    return 0.04 + 0.05 * (1 - luma.square())


@cache
def known(channels: int = 3) -> tuple[Tensor, Tensor]:
    """A picture with two flat halves, an edge and known grain, and the picture without it, (1, C, SIDE, SIDE) each."""
    clean = torch.linspace(-0.8, 0.0, SIDE).expand(1, channels, SIDE, SIDE).clone()
    clean[:, :, SIDE // 2 :] += 0.7
    return clean + strength(clean) * noise(channels=channels), clean


def grain() -> Grain:
    return Grain.of([Reference(known()[0])])


def plain(value: float = -0.4, channels: int = 3, side: int = SIDE) -> Tensor:
    return torch.full((1, channels, side, side), value)


def test_edges_and_limits_of_the_range_are_not_flat() -> None:
    image = known()[0].clone()
    image[..., :20] = 1
    flat = flat_parts(image)
    assert not flat[..., :20].any() and not flat[:, :, SIDE // 2 - 3 : SIDE // 2 + 3].any()
    assert flat.float().mean() > 0.15


def test_what_is_masked_or_transparent_is_not_flat() -> None:
    image, visible = known()[0], torch.ones(1, 1, SIDE, SIDE)
    visible[..., :40] = 0
    assert not flat_parts(image, visible > 0)[..., :40].any()
    masked = Grain.of([Reference(image, visible)])
    assert not masked.flat[..., :40].any() and masked.flat.any()


@pytest.mark.parametrize("value", [-0.7, -0.4, 0.0, 0.4])
def test_the_strength_at_each_brightness_is_the_known_one(value: float) -> None:
    made = match_grain(known()[0], plain(value)).images - plain(value)
    assert float(made.std() / strength(torch.tensor(value))) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("steps", [0, 3])
def test_made_grain_has_the_covariances_of_the_known_grain(steps: int) -> None:
    """Between channels and between neighbours, up to the sampling error of a small picture."""
    field = grain_field(Grain.of([Reference(plain(side=192) + 0.08 * noise(side=192))]), (256, 256), 1, steps)
    everywhere, near = torch.ones(1, 1, 256, 256, dtype=torch.bool), slice(13, 20)
    made, wanted = (covariance(x, everywhere)[..., near, near] for x in (field / field.std(), noise(5, side=256)))
    assert (made - wanted).abs().max() < 0.1
    assert (made - wanted).abs().mean() < 0.04


def test_a_filter_from_exact_covariances_has_them_again() -> None:
    everywhere = torch.ones(1, 1, 256, 256, dtype=torch.bool)
    wanted = covariance(noise(3, side=256), everywhere)
    white = torch.randn(1, 3, 256, 256, generator=Generator().manual_seed(1))
    made = covariance(filtered(white, covariance_filter(wanted)), everywhere)
    assert (made - wanted).abs().max() < 0.06


def test_grain_can_be_made_smaller_than_a_patch_and_of_any_shape() -> None:
    for size in ((1, 1), (3, 200), (17, 5)):
        field = grain_field(grain(), size, 0, 1)
        assert field.shape == (1, 3, *size) and field.isfinite().all()


def test_one_seed_gives_one_picture_and_frames_have_other_grain() -> None:
    frames = plain().expand(3, -1, -1, -1)
    images = match_grain(known()[0], frames, seed=4).images
    assert torch.equal(images, match_grain(known()[0], frames, seed=4).images)
    assert torch.equal(images[1:2], match_grain(known()[0], plain(), seed=5).images)
    made = (images - frames).flatten(1)
    correlation = torch.corrcoef(made)
    assert (correlation - torch.eye(3)).abs().max() < 0.06


def test_nothing_repeats() -> None:
    made = match_grain(known()[0], plain(side=192)).images - plain(side=192)
    power = torch.fft.fft2(made.mean(1)).abs().square()
    correlation = torch.fft.ifft2(power).real[0]
    correlation = correlation / correlation[0, 0]
    far = torch.fft.fftfreq(192, 1 / 192).abs()
    assert correlation[(far[:, None] > 16) | (far > 16)].abs().max() < 0.1


def test_strength_is_linear_and_0_adds_nothing() -> None:
    none, half, full = (match_grain(known()[0], plain(), strength=x).images - plain() for x in (0.0, 0.5, 1.0))
    assert not none.any()
    assert torch.allclose(half, full / 2, atol=1e-6)


def test_size_makes_larger_grain_of_the_same_strength() -> None:
    def roughness(size: float) -> tuple[float, float]:
        made = match_grain(known()[0], plain(), size=size).images - plain()
        return float(made.diff(dim=3).std() / made.std()), float(made.std())

    (fine, before), (coarse, after) = roughness(1.0), roughness(2.0)
    assert coarse < 0.65 * fine
    assert after == pytest.approx(before, rel=0.15)


def test_removal_takes_the_own_grain_and_keeps_the_edge() -> None:
    image, clean = known()
    smooth = without_own_grain(image, Grain.of([Reference(image)]))
    before, after = (float((x - clean).square().mean()) for x in (image, smooth))
    assert after < 0.15 * before
    assert match_grain(image, image, strength=0, remove=1).images.allclose(smooth.clamp(-1, 1), atol=1e-5)


def test_a_picture_without_grain_has_nothing_to_remove() -> None:
    assert without_grain(plain()).all()
    assert torch.equal(match_grain(known()[0], plain(), strength=0, remove=1).images, plain())


def test_a_grey_reference_gives_grey_grain() -> None:
    made = match_grain(known(1)[0], plain(channels=3)).images - plain()
    assert (made - made[:, :1]).abs().max() < 1e-5 and made.std() > 0.03


def test_several_references_are_one() -> None:
    dark, light = (grainy(64, 64, seed=seed) + offset for seed, offset in ((0, 0.0), (1, 0.8)))
    both = Grain.of([Reference(dark), Reference(light)])
    alone = Grain.of([Reference(dark)])
    assert int(both.flat.sum()) > 1.5 * int(alone.flat.sum())
    assert both.deviation.mean() == pytest.approx(0.05, rel=0.1)


def test_a_small_reference_is_used_with_a_note() -> None:
    matched = match_grain(grainy(48, 48), plain(side=40))
    assert matched.note is not None and "flat pixels; with less than 4096 its grain is a rough guess" in matched.note
    assert match_grain(grainy(160, 160), plain(side=40)).note is None


def test_hardly_any_grain_is_noted() -> None:
    faint = (plain(side=128) + 0.0025 * noise(side=128) + 0.003).mul(127.5).round().div(127.5)
    note = match_grain(faint, plain(side=40)).note
    assert note is not None and "hardly any grain" in note


@pytest.mark.parametrize("value", [-1.0, 0.3, 1.0])
def test_a_reference_without_flat_parts_or_grain_is_refused(value: float) -> None:
    with pytest.raises(GPDMError, match="the reference has 0 flat pixels with grain and at least 256 are needed; give"):
        match_grain(plain(value), plain())


def test_a_picture_whose_grain_cannot_be_seen_is_refused_before_any_work() -> None:
    checked = torch.rand(1, 3, SIDE, SIDE, generator=Generator().manual_seed(2)).round() * 2 - 1
    with pytest.raises(GPDMError, match=r"the picture whose grain is removed has 0 flat pixels.*; or set remove to 0"):
        match_grain(known()[0], checked, remove=0.5)


def test_an_option_out_of_range_is_refused() -> None:
    with pytest.raises(OptionError, match="strength = 5 is not allowed"):
        match_grain(known()[0], plain(), strength=5)
