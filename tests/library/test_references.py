"""References: weights, regions, resizing with weights of 0, and working units."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gpdm import ImageError, OptionError, Reference, Units, as_references
from gpdm.images import WORKING_STD, resize_known
from gpdm.references import reference_patch_weights
from library.problems import picture


def units_of(reference: Any, value_range: Any) -> Units | None:
    return Units.of([(x.image, x.map()) for x in as_references(reference)], value_range)


def half(height: int = 32, width: int = 40) -> torch.Tensor:
    """1 in the left half, 0 in the right one."""
    mask = torch.zeros(height, width)
    mask[:, : width // 2] = 1
    return mask


def test_batches_and_lists_become_single_references() -> None:
    batch, other = torch.cat([picture(seed=1), picture(seed=2)]), picture(20, 30, seed=3)
    references = as_references([batch, Reference(other, 2.0)])
    assert [tuple(x.image.shape) for x in references] == [(1, 3, 32, 40), (1, 3, 32, 40), (1, 3, 20, 30)]
    assert [x.weight for x in references] == [1.0, 1.0, 2.0]


def test_a_batch_has_one_map_for_all_or_one_for_each() -> None:
    batch = torch.cat([picture(seed=1), picture(seed=2)])
    maps = torch.stack([half()[None], 1 - half()[None]])
    one, many = as_references(Reference(batch, half())), as_references(Reference(batch, maps))
    assert all(torch.equal(x.map()[0, 0], half()) for x in one)
    assert torch.equal(many[1].map()[0, 0], 1 - half())


@pytest.mark.parametrize(
    ("reference", "error", "text"),
    [
        (Reference(picture(), half(30, 40)), ImageError, "resize the weight to the picture"),
        (Reference(picture(), -half()), ImageError, "non-negative values"),
        (Reference(picture(), half() / 0), ImageError, "NaN or infinite"),
        (Reference(picture(), torch.ones(1, 2, 32, 40)), ImageError, "one map"),
        (Reference(picture(), -1.0), OptionError, "weight"),
        (Reference(picture(), float("nan")), OptionError, "weight"),
        (Reference(picture(), 0.0), OptionError, "all references have weight 0; give at least one a weight above 0"),
        (Reference(picture(), half() * 0), OptionError, "all references have weight 0"),
        (Reference(picture(), region=torch.ones(2, 1, 32, 40)), ImageError, "batch of 2 maps"),
        ([], ImageError, "empty list"),
        (
            [picture(), picture(channels=1)],
            ImageError,
            r"reference 2 has 1 channel \(grey\) and reference 1 has 3 channels \(RGB\)",
        ),
        (None, ImageError, "^reference must be a tensor, a Reference or a list of these, not NoneType"),
        (3, ImageError, "^reference must be .* not int"),
        ([None], ImageError, "reference must be a torch.Tensor"),
    ],
    ids=str,
)
def test_unusable_references_are_refused_with_a_reason(reference, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        as_references(reference)


@pytest.mark.parametrize("scale", [1.0, 0.6, 0.25])
def test_pixels_of_weight_0_do_not_contribute_to_a_resized_reference(scale: float) -> None:
    image = picture()
    extreme = image.clone()
    extreme[..., 20:] = 1e6
    resized, other = (as_references(Reference(x, half()))[0].at(scale) for x in (image, extreme))
    visible = resized.map() > 0
    assert torch.equal(resized.image, other.image)
    assert visible.any() and not visible.all()
    assert resized.image.abs().max() <= image.abs().max() + 1e-5
    assert (resized.image[(~visible).expand_as(resized.image)].abs() <= 1).all()


def test_a_reference_without_a_map_is_only_resized() -> None:
    plain, reference = as_references([picture(), Reference(picture(), 3.0)])
    assert plain.at(1.0).image is plain.image
    assert torch.equal(plain.at(0.5).image, reference.at(0.5).image)
    assert reference.at(0.5).weight == 3.0


def test_positive_weights_are_averaged_by_resizing() -> None:
    soft = half() + 0.5
    small = as_references(Reference(picture(), soft))[0].at(0.5).map()
    assert float(small[0, 0, 3, 3]) == pytest.approx(1.5) and float(small[0, 0, 3, 17]) == pytest.approx(0.5)


@pytest.mark.parametrize("edge", [17, 18, 19, 20, 21])
def test_a_resized_pixel_has_a_weight_if_half_of_it_has_one(edge: int) -> None:
    mask = torch.zeros(32, 40)
    mask[:, :edge] = 2
    small = as_references(Reference(picture(), mask))[0].at(0.25).map()
    _, fraction = resize_known(picture(), (mask > 0).float()[None, None], (8, 10))
    assert torch.equal(small > 0, fraction >= 0.5)
    assert 4 <= int((small > 0)[0, 0, 0].sum()) <= 5


def test_an_image_that_is_known_everywhere_is_resized_as_without_a_mask() -> None:
    image = picture()
    resized, fraction = resize_known(image, torch.ones(1, 1, 32, 40), (32, 40))
    assert torch.equal(resized, image) and (fraction == 1).all()


def test_equal_weights_are_none() -> None:
    assert reference_patch_weights(as_references([picture(), picture()]), 7) is None
    assert reference_patch_weights(as_references(Reference(picture(), 0.2)), 7) is None
    weights = reference_patch_weights(as_references([Reference(picture(), 0.2), Reference(picture(20, 20), 0.8)]), 7)
    assert weights is not None
    assert [tuple(x.shape) for x in weights] == [(26, 34), (14, 14)]
    assert float(weights[1][0, 0]) == pytest.approx(0.8)


def test_a_mask_smaller_than_a_patch_is_refused() -> None:
    thin = torch.zeros(32, 40)
    thin[:, 10:14] = 1
    with pytest.raises(
        OptionError,
        match=r"^no 7x7 patch of the reference is free of masked or transparent pixels at 40x32 pixels; mask less, lower",
    ):
        reference_patch_weights(as_references(Reference(picture(), thin)), 7)
    assert reference_patch_weights(as_references(Reference(picture(), thin)), 4) is not None


def test_pictures_need_no_working_units() -> None:
    assert units_of(picture(), (-1.0, 1.0)) is None


def test_a_value_range_is_mapped_to_that_of_pictures() -> None:
    units = units_of(picture() * 100 + 100, (0.0, 200.0))
    assert units is not None
    assert torch.allclose(units.enter(picture() * 100 + 100), picture(), atol=1e-5)
    assert torch.allclose(units.leave(picture()), picture() * 100 + 100, atol=1e-4)


def test_channels_without_a_range_get_the_same_mean_and_deviation() -> None:
    data = picture(channels=5) * torch.tensor([1.0, 10, 100, 0.01, 0]).view(1, 5, 1, 1) + 7
    units = units_of([data[..., :15], data[..., 15:]], None)
    assert units is not None
    entered = units.enter(data)
    assert torch.allclose(entered.mean((2, 3)), torch.zeros(1, 5), atol=1e-3)
    assert torch.allclose(entered[:, :4].std((2, 3), correction=0), torch.full((1, 4), WORKING_STD), atol=1e-3)
    assert torch.allclose(units.leave(entered), data, rtol=1e-4)


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (-2.0, 2.0), None])
def test_a_constant_channel_is_0_in_working_units_and_has_its_value_again_after(value_range: Any) -> None:
    data = picture(channels=3)
    data[:, 1] = 0.3
    data[:, :, :5, :5] = 0.9  # weight 0
    weight = torch.ones(data.shape[-2:])
    weight[:5, :5] = 0
    units = units_of(Reference(data, weight), value_range)
    assert units is not None and units.constant is not None
    assert units.constant.flatten().tolist() == [False, True, False]
    entered = units.enter(data)
    assert not entered[:, 1].any()
    left = units.leave(entered + 0.1)
    assert torch.equal(left[:, 1], torch.full_like(left[:, 1], 0.3))
    assert torch.allclose(units.leave(entered)[:, ::2], data[:, ::2], atol=1e-6)


def test_units_ignore_pixels_of_weight_0() -> None:
    data = picture()
    data[..., 20:] = 50
    masked = units_of(Reference(data, half()), None)
    visible = units_of(data[..., :20], None)
    assert masked is not None and visible is not None
    assert torch.allclose(masked.offset, visible.offset, atol=1e-6)
    assert torch.allclose(masked.scale, visible.scale, rtol=1e-5)
