"""Matches: what they leave alone, what a mask and a strength do, and known answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpdm import MATCHES, GPDMError, ImageError, Match, OptionError, Reference, match_look, prepare_match, run_match
from gpdm.looks.guided import box_sum, guided_coefficients
from library.problems import grainy, picture

EVERY_MATCH = pytest.mark.parametrize("match", MATCHES.values(), ids=MATCHES)
LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


def reference(channels: int = 3) -> Tensor:
    """Returns a picture (1, C, 36, 40) with grain, darker than those that are changed."""
    image = grainy(36, 40, channels, seed=5)
    if channels in (2, 4):
        image[:, -1:, :34], image[:, -1:, 34:] = 1, -1
    return image


def left_half(height: int = 32, width: int = 40) -> Tensor:
    mask = torch.zeros(1, 1, height, width)
    mask[..., : width // 2] = 1
    return mask


def means(images: Tensor) -> Tensor:
    return images.mean((0, 2, 3))


@EVERY_MATCH
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_outputs_have_the_form_of_the_pictures(match: Match, channels: int) -> None:
    images = torch.cat([picture(32, 40, channels, seed) for seed in (0, 1)])
    given = images.clone()
    result = run_match(match, prepare_match(reference(channels), images)).images
    assert result.shape == images.shape and result.isfinite().all() and result.abs().max() <= 1
    assert torch.equal(images, given), "the pictures were changed in place"
    if channels in (2, 4):
        assert torch.equal(result[:, -1:], images[:, -1:])


@EVERY_MATCH
def test_nothing_changes_outside_the_mask(match: Match) -> None:
    image, mask = picture(), left_half()
    result = run_match(match, prepare_match(reference(), image), mask, seed=1).images
    assert torch.equal(result[..., 20:], image[..., 20:])
    assert not torch.equal(result[..., :20], image[..., :20])


@EVERY_MATCH
def test_a_soft_mask_changes_a_pixel_in_part(match: Match) -> None:
    prepared, mask = prepare_match(reference(), picture()), torch.ones(1, 1, 32, 40)
    full, half = (run_match(match, prepared, mask * value).images - picture() for value in (1.0, 0.5))
    assert torch.allclose(half, full / 2, atol=1e-4)


@EVERY_MATCH
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(8, 8), "the mask is empty; paint the part of the picture that changes, or leave the mask out"),
        (torch.full((8, 8), 2.0), "it must be one map with values from 0 to 1"),
        (torch.ones(3, 8, 8), r"there are 3 masks for 1 picture\(s\)"),
    ],
)
def test_a_mask_that_cannot_be_used_is_refused(match: Match, mask: Tensor, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        run_match(match, prepare_match(reference(), picture()), mask)


@EVERY_MATCH
def test_a_reference_with_a_region_is_refused(match: Match) -> None:
    with pytest.raises(ImageError, match="reference has a region"):
        prepare_match(Reference(reference(), region=left_half(24, 28)), picture())


@EVERY_MATCH
def test_progress_goes_from_0_to_1(match: Match) -> None:
    told: list[float] = []
    run_match(match, prepare_match(reference(), picture()), on_step=lambda done, image: told.append(done))
    assert told == sorted(told) and told[0] > 0 and told[-1] == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_become_those_of_the_reference(channels: int) -> None:
    image, other = picture(32, 40, channels), reference(channels)
    before, after = ((means(x) - means(other)).abs().max() for x in (image, match_look(other, image).images))
    assert after < 0.1 < before


def test_a_picture_in_its_own_colours_stays() -> None:
    image = picture()
    assert (match_look(image, image).images - image).abs().max() < 0.05


def test_strength_is_the_fraction_of_the_change() -> None:
    image = picture()
    none, half, full = (match_look(reference(), image, strength=x).images - image for x in (0.0, 0.5, 1.0))
    assert none.abs().max() < 1e-5
    assert torch.allclose(half, full / 2, atol=0.03)  # but for what the range cuts off


def test_brightness_is_kept_if_asked() -> None:
    image = picture()
    result = match_look(reference(), image, luminance="keep")
    for kept in (result.images, result.lut.apply(image)):
        assert ((kept - image) * LUMA).sum(1).abs().max() < 1e-5
        assert (kept - image).abs().max() > 0.1


def test_all_frames_of_a_clip_change_equally() -> None:
    """A frame with a bright card changes as the others do, though alone it would change otherwise."""
    plain = picture()
    card = plain.clone()
    card[..., 4:16, 4:16] = 1
    together = match_look(reference(), torch.cat([plain, card]), smoothing=0).images
    apart = torch.cat([match_look(reference(), frame, smoothing=0).images for frame in (plain, card)])
    assert (together[0] - together[1])[:, 20:].abs().max() < 1e-6
    assert (apart[0] - apart[1])[:, 20:].abs().max() > 0.02


def test_some_frames_decide_for_all() -> None:
    frames = torch.cat([picture(seed=seed) for seed in range(4)])
    expected = match_look(reference(), frames[::2], smoothing=0).lut
    result = match_look(reference(), frames, smoothing=0, every=2)
    assert torch.equal(result.lut.table, expected.table)
    assert torch.allclose(result.images, expected.apply(frames), atol=1e-6)


def test_frames_that_decide_need_something_under_the_mask() -> None:
    frames, mask = picture().expand(2, -1, -1, -1), torch.cat([0 * left_half(), left_half()])
    with pytest.raises(OptionError, match="every = 2 is not allowed: the mask covers nothing of the pictures"):
        match_look(reference(), frames, mask, every=2)


def test_several_references_are_one_distribution_by_weight() -> None:
    dark, light = torch.full((1, 3, 8, 8), -0.8), torch.full((1, 3, 8, 8), 0.8)
    both = match_look([Reference(dark, 3.0), Reference(light, 1.0)], picture(), smoothing=0).images
    assert means(both).mean().item() == pytest.approx(-0.4, abs=0.05)


def test_masked_and_transparent_pixels_of_a_reference_do_not_count() -> None:
    other = reference()
    spoiled = torch.cat([other, other.new_ones(1, 3, 36, 12)], 3)
    weight = torch.ones(1, 1, 36, 52)
    weight[..., 40:] = 0
    expected = match_look(other, picture()).images
    masked = match_look(Reference(spoiled, weight), picture()).images
    transparent = match_look(torch.cat([spoiled, weight * 2 - 1], 1), picture()).images
    assert (masked - expected).abs().mean() < 0.01
    assert torch.equal(transparent, masked)


def test_a_grey_picture_gets_colours_and_a_grey_one_from_grey_none() -> None:
    prepared = prepare_match(reference(3), picture(channels=1))
    assert prepared.note == "image is grey, reference is RGB; the outputs are RGB"
    assert run_match(MATCHES["match_look"], prepared).images.shape[1] == prepared.given.shape[1] == 3
    grey = match_look(reference(1).expand(-1, 3, -1, -1), picture(channels=1).expand(-1, 3, -1, -1)).images
    assert torch.equal(grey[:, :1].expand_as(grey), grey)


def test_a_large_picture_changes_as_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours are fitted to a small copy, and the change is applied at full size."""
    smooth = torch.nn.functional.interpolate(picture(), size=(96, 120), mode="bicubic").clamp(-1, 1)
    full = match_look(reference(), smooth).images
    monkeypatch.setattr("gpdm.looks.look.FIT_PIXELS", 40 * 50)
    assert (match_look(reference(), smooth).images - full).abs().mean() < 0.05


def test_an_option_out_of_range_is_refused() -> None:
    with pytest.raises(OptionError, match="strength = 2 is not allowed: it must be a number from 0 to 1"):
        match_look(reference(), picture(), strength=2)


def test_a_box_sum_is_the_sum_over_the_window() -> None:
    image = picture(7, 9)
    padded = torch.nn.functional.pad(image, (2, 2, 2, 2))
    assert torch.allclose(box_sum(image, 2)[0, :, 3, 4], padded[0, :, 3:8, 4:9].sum((1, 2)), atol=1e-5)
    assert torch.allclose(box_sum(image, 2)[0, :, 0, 0], image[0, :, :3, :3].sum((1, 2)), atol=1e-5)


def test_an_affine_map_of_the_guide_is_not_smoothed() -> None:
    guide, weight = picture(), torch.ones(1, 1, 32, 40)
    factors, offsets = guided_coefficients(guide, 0.5 * guide - 0.2, 3, 1e-9, weight)
    assert torch.allclose(factors * guide + offsets, 0.5 * guide - 0.2, atol=1e-3)


def test_pixels_without_weight_have_no_influence_on_the_smoothing() -> None:
    guide, values, weight = picture(), picture(seed=1), left_half()
    spoiled = torch.where(weight > 0, values, torch.full_like(values, 50.0))
    given, expected = (guided_coefficients(guide, x, 3, 0.01, weight)[1][..., :20] for x in (spoiled, values))
    assert torch.allclose(given, expected, atol=1e-4)


def test_a_lut_takes_the_place_of_references() -> None:
    first = match_look(reference(), picture())
    again = match_look(first.lut, picture())
    assert torch.equal(again.images, first.images) and again.lut is first.lut


def test_a_lut_of_half_the_strength_is_that_of_half_the_change() -> None:
    half, image = match_look(reference(), picture(), strength=0.5), picture(seed=3)
    expected = match_look(match_look(reference(), picture()).lut, image, strength=0.5, smoothing=0).images
    assert torch.allclose(half.lut.apply(image), expected, atol=1e-5)


@pytest.mark.parametrize("match", [match for match in MATCHES.values() if not match.lut_help], ids=lambda m: m.name)
def test_a_match_of_more_than_colours_takes_no_lut(match: Match) -> None:
    with pytest.raises(GPDMError, match="it takes no LUT"):
        run_match(match, prepare_match(match_look(reference(), picture()).lut, picture()))


def test_only_what_the_mask_covers_takes_part_in_the_distribution() -> None:
    """All colours of the reference come into the left half, though the right half is brighter than it."""
    image = 0.3 * picture() + torch.where(left_half() > 0, -0.5, 0.5)
    result = match_look(reference(), image, left_half(), smoothing=0).images[..., :20]
    assert torch.allclose(means(result), means(reference()), atol=0.05)
    assert (result.std((0, 2, 3)) - reference().std((0, 2, 3))).abs().max() < 0.05


def test_smoothing_depends_on_contrast_relative_to_that_of_the_picture() -> None:
    pictures = (picture(), 0.2 * picture())
    full, low = (match_look(reference(), x, smoothing=0.1).images for x in pictures)
    assert (full - low).abs().mean() < 0.04
