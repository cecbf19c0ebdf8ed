"""Stand-ins that scale pictures or put several together, against known right values, which ComfyUI gives too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cli.made import made
from torch import Tensor

from gpdm import GPDMError
from gpdm.cli.definitions import from_class
from gpdm.cli.standins import STAND_INS


def test_images_of_a_batch() -> None:
    batch = torch.arange(3.0)[:, None, None, None].expand(3, 1, 1, 3)
    assert made("ImageFromBatch", image=batch, batch_index=1, length=9)[0][:, 0, 0, 0].tolist() == [1, 2]
    assert made("ImageFromBatch", image=batch, batch_index=-1, length=1)[0][:, 0, 0, 0].tolist() == [2]
    assert made("ImageFromBatch", image=batch, batch_index=99, length=1)[0][:, 0, 0, 0].tolist() == [2]
    assert made("ImageFromBatch", image=batch, batch_index=-99, length=1)[0][:, 0, 0, 0].tolist() == [0]
    assert made("RepeatImageBatch", image=batch, amount=2)[0][:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1, 2]
    assert made("GetImageSize", image=torch.zeros(3, 4, 6, 3)) == (6, 4, 3)


def test_image_batch_scales_the_second_to_the_first() -> None:
    (both,) = made("ImageBatch", image1=torch.zeros(1, 4, 6, 3), image2=torch.ones(2, 8, 12, 3))
    assert both.shape == (3, 4, 6, 3)
    assert both.mean((1, 2, 3)).tolist() == [0, 1, 1]


def test_batch_images_joins_in_the_order_of_the_numbers() -> None:
    images = {f"images.image{n}": torch.full((1, 2, 2, 3), float(n)) for n in (10, 2, 0)}
    (batch,) = made("BatchImagesNode", **images)
    assert batch[:, 0, 0, 0].tolist() == [0, 2, 10]
    masks = {"masks.mask0": torch.zeros(1, 2, 2), "masks.mask1": torch.ones(2, 4, 4)}
    assert made("BatchMasksNode", **masks)[0].mean((1, 2)).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("first", "second", "channels", "pixel"),
    [
        (3, 4, 4, [0.5, 0.5, 0.5, 1.0]),
        (4, 3, 4, [0.5, 0.5, 0.5, 0.5]),
        (1, 3, 3, [0.5, 0.5, 0.5]),
        (1, 4, 4, [0.5, 0.5, 0.5, 1.0]),
        (2, 3, 4, [0.5, 0.5, 0.5, 0.5]),
        (1, 1, 1, [0.5]),
        (1, 2, 4, [0.5, 0.5, 0.5, 1.0]),
    ],
)
def test_a_batch_has_the_channels_of_the_richest(first: int, second: int, channels: int, pixel: list[float]) -> None:
    (batch,) = made("ImageBatch", image1=torch.full((1, 2, 2, first), 0.5), image2=torch.zeros(1, 2, 2, second))
    assert batch.shape[3] == channels
    assert batch[0, 0, 0].tolist() == pixel


def test_batch_images_has_one_required_input_and_up_to_fifty() -> None:
    definition = from_class("BatchImagesNode", STAND_INS["BatchImagesNode"])
    names = [given.name for given in definition.inputs if given.required]
    assert names == ["images.image0"]
    assert [given.name for given in definition.inputs][-1] == "images.image49"
    assert {given.type for given in definition.inputs} == {"IMAGE"}


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_image_scale_keeps_the_aspect_ratio_for_a_zero_side(method: str, channels: int) -> None:
    size = {"width": 0, "height": 40, "crop": "disabled"}
    (scaled,) = made("ImageScale", image=torch.full((2, 20, 30, channels), 0.2), upscale_method=method, **size)
    assert scaled.shape == (2, 40, 60, channels)
    assert torch.allclose(scaled, torch.tensor(0.2), atol=0.004)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(20, 20, (slice(20), slice(5, 25))), (30, 10, (slice(5, 15), slice(30)))],
)
def test_image_scale_crops_the_centre(width: int, height: int, expected: tuple[slice, slice]) -> None:
    picture = torch.rand(1, 20, 30, 3)
    size = {"width": width, "height": height, "crop": "center"}
    assert torch.allclose(made("ImageScale", image=picture, upscale_method="area", **size)[0], picture[0][expected])
    for width, height in ((9000, 1), (1, 9000)):
        size = {"width": width, "height": height, "crop": "center"}
        assert made("ImageScale", image=picture, upscale_method="area", **size)[0].shape == (1, height, width, 3)


def test_scaling_to_megapixels_and_into_a_frame() -> None:
    old = made("ImageScaleToTotalPixels", image=torch.ones(1, 8, 16, 3), upscale_method="area", megapixels=0.01)
    assert old[0].shape == (1, 72, 145, 3)
    (scaled,) = made(
        "ImageScaleToTotalPixels",
        image=torch.ones(1, 8, 16, 3),
        upscale_method="area",
        megapixels=0.01,
        resolution_steps=8,
    )
    assert scaled.shape == (1, 72, 144, 3)
    frame = {"target_width": 8, "target_height": 8, "padding_color": "black", "interpolation": "area"}
    (framed,) = made("ResizeAndPadImage", image=torch.ones(1, 8, 16, 3), **frame)
    assert framed[0, :, 0, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    with pytest.raises(GPDMError, match="largest_size = 0 is not allowed: it must be a whole number from 1"):
        made("ImageScaleToMaxDimension", image=torch.ones(1, 2, 2, 3), upscale_method="area", largest_size=0)


@pytest.mark.parametrize(
    ("way", "given", "size"),
    [
        ("scale dimensions", {"width": 8, "height": 0, "crop": "center"}, (4, 8)),
        ("scale dimensions", {"width": 0, "height": 0, "crop": "center"}, (10, 20)),
        ("scale dimensions", {"width": 8, "height": 8, "crop": "center"}, (8, 8)),
        ("scale by multiplier", {"multiplier": 0.5}, (5, 10)),
        ("scale by multiplier", {"multiplier": 0.01}, (1, 1)),
        ("scale longer dimension", {"longer_size": 10}, (5, 10)),
        ("scale shorter dimension", {"shorter_size": 5}, (5, 10)),
        ("scale width", {"width": 10}, (5, 10)),
        ("scale height", {"height": 5}, (5, 10)),
        ("scale total pixels", {"megapixels": 0.01}, (72, 145)),
        ("match size", {"match": torch.zeros(2, 7, 3), "crop": "disabled"}, (7, 3)),
        ("scale to multiple", {"multiple": 8}, (8, 16)),
        ("scale to multiple", {"multiple": 100}, (10, 20)),
    ],
)
@pytest.mark.parametrize("is_mask", [False, True])
def test_resize_in_every_way(way: str, given: dict[str, Any], size: tuple[int, int], is_mask: bool) -> None:
    batch = torch.full((1, 10, 20), 0.5) if is_mask else torch.full((1, 10, 20, 3), 0.5)
    named = {f"resize_type.{name}": value for name, value in given.items()}
    (resized,) = made("ResizeImageMaskNode", input=batch, resize_type=way, scale_method="area", **named)
    assert resized.shape == (1, *size, *batch.shape[3:])
    assert torch.allclose(resized, torch.tensor(0.5))


def test_resize_to_a_multiple_cuts_off_both_ends() -> None:
    picture = torch.rand(1, 13, 10, 3)
    named = {"resize_type": "scale to multiple", "resize_type.multiple": 4, "scale_method": "area"}
    (resized,) = made("ResizeImageMaskNode", input=picture, **named)
    (scaled,) = made("ImageScale", image=picture, upscale_method="area", width=10, height=12, crop="disabled")
    assert torch.equal(resized, scaled[:, :, 1:9])


def test_resize_refuses_a_side_of_zero() -> None:
    with pytest.raises(GPDMError, match="shorter_size = 0 is not allowed: it must be a whole number from 1 to 16384"):
        named = {"resize_type": "scale shorter dimension", "resize_type.shorter_size": 0, "scale_method": "area"}
        made("ResizeImageMaskNode", input=torch.ones(1, 2, 2, 3), **named)


def stitched(image1: Tensor, image2: Tensor | None, **inputs: Any) -> Tensor:
    given = {"direction": "right", "match_image_size": True, "spacing_width": 0, "spacing_color": "white"} | inputs
    return made("ImageStitch", image1=image1, image2=image2, **given)[0]


def test_stitch() -> None:
    black, white = torch.zeros(1, 2, 3, 3), torch.ones(1, 4, 4, 3)
    assert stitched(black, white)[0, 0, :, 0].tolist() == [0, 0, 0, 1, 1]
    assert stitched(black, white, direction="left")[0, 0, :, 0].tolist() == [1, 1, 0, 0, 0]
    assert stitched(black, white, direction="down")[0, :, 0, 0].tolist() == [0, 0, 1, 1, 1]
    assert stitched(black, None) is black
    gap = stitched(black, white, spacing_width=1, spacing_color="red")
    assert gap[0, 0, 3:5].tolist() == [[1, 0, 0], [1, 0, 0]], "ComfyUI makes the gap even"


def test_stitch_centres_pictures_that_are_not_matched() -> None:
    black, half = torch.zeros(1, 2, 1, 3), torch.full((1, 4, 1, 4), 0.5)
    result = stitched(black, half, match_image_size=False)
    assert result.shape == (1, 4, 2, 4)
    assert result[0, :, 0, 0].tolist() == [1, 0, 0, 1]
    assert result[0, :, 1, 3].tolist() == [0.5] * 4


@pytest.mark.parametrize(
    ("x", "cover", "expected"),
    [(1, None, [0, 1, 1, 0]), (3, None, [0, 0, 0, 1]), (9, None, [0] * 4), (0, 0.25, [0.25, 0.25, 0, 0])],
)
def test_composite(x: int, cover: float | None, expected: list[float]) -> None:
    below, above = torch.zeros(2, 2, 4, 3), torch.ones(1, 1, 2, 4)
    given = None if cover is None else torch.full((1, 5, 5), cover)
    (result,) = made("ImageCompositeMasked", destination=below, source=above, x=x, y=1, resize_source=False, mask=given)
    assert result.shape == (2, 2, 4, 3)
    assert result[1, 1, :, 2].tolist() == expected
    assert float(result[:, 0].max()) == float(below.max()) == 0
