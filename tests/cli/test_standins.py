"""Each stand-in against known right values, which ComfyUI gives too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import GPDMError
from gpdm.cli.definitions import from_class
from gpdm.cli.standins import STAND_INS, Session


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a small picture."""
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((26, 22)).convert("RGB").save("in.png")
    return tmp_path


def made(kind: str, session: Session | None = None, **inputs: Any) -> Any:
    """Returns the outputs of a stand-in."""
    return STAND_INS[kind](session or Session((), Path())).execute(**inputs)  # type: ignore[attr-defined]


def grey(rows: list[list[float]]) -> Tensor:
    """A picture (1, H, W, 3) with these values in all channels."""
    return torch.tensor(rows)[None, ..., None].repeat(1, 1, 1, 3)


def mask(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows)[None]


ROWS = [[0.0, 0.2, 0.4], [0.6, 0.8, 1.0]]


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("ImageInvert", {}, [[1.0, 0.8, 0.6], [0.4, 0.2, 0.0]]),
        ("ImageFlip", {"flip_method": "x-axis: vertically"}, [[0.6, 0.8, 1.0], [0.0, 0.2, 0.4]]),
        ("ImageFlip", {"flip_method": "y-axis: horizontally"}, [[0.4, 0.2, 0.0], [1.0, 0.8, 0.6]]),
        ("ImageRotate", {"rotation": "none"}, ROWS),
        ("ImageRotate", {"rotation": "90 degrees"}, [[0.6, 0.0], [0.8, 0.2], [1.0, 0.4]]),
        ("ImageRotate", {"rotation": "180 degrees"}, [[1.0, 0.8, 0.6], [0.4, 0.2, 0.0]]),
        ("ImageRotate", {"rotation": "270 degrees"}, [[0.4, 1.0], [0.2, 0.8], [0.0, 0.6]]),
        ("ImageCrop", {"width": 2, "height": 1, "x": 1, "y": 1}, [[0.8, 1.0]]),
        ("ImageCrop", {"width": 9, "height": 9, "x": 99, "y": 0}, [[0.4], [1.0]]),
        ("ImageScaleBy", {"upscale_method": "nearest-exact", "scale_by": 2.0}, grey(ROWS).repeat_interleave(2, 1).repeat_interleave(2, 2)),
        ("ImageScaleBy", {"upscale_method": "area", "scale_by": 0.01}, [[0.5]]),
        ("ImageScaleToMaxDimension", {"upscale_method": "nearest-exact", "largest_size": 6}, grey(ROWS).repeat_interleave(2, 1).repeat_interleave(2, 2)),
    ],
)  # fmt: skip
def test_pictures(kind: str, inputs: dict[str, Any], expected: Any) -> None:
    (result,) = made(kind, image=grey(ROWS), **inputs)
    wanted = expected if isinstance(expected, Tensor) else grey(expected)
    assert result.shape == wanted.shape
    assert torch.allclose(result, wanted)


CROSS = [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
PLUS = [[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("kind", "given", "inputs", "expected"),
    [
        ("InvertMask", ROWS, {}, [[1.0, 0.8, 0.6], [0.4, 0.2, 0.0]]),
        ("ThresholdMask", ROWS, {"value": 0.4}, [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]),
        ("CropMask", ROWS, {"x": 1, "y": 0, "width": 1, "height": 9}, [[0.2], [0.8]]),
        ("GrowMask", CROSS, {"expand": 1, "tapered_corners": True}, PLUS),
        ("GrowMask", CROSS, {"expand": 1, "tapered_corners": False}, [[1.0] * 3] * 3),
        ("GrowMask", PLUS, {"expand": -1, "tapered_corners": True}, CROSS),
        ("GrowMask", PLUS, {"expand": 16384, "tapered_corners": True}, [[1.0] * 3] * 3),
        ("FeatherMask", [[1.0] * 4], {"left": 2, "top": 0, "right": 4, "bottom": 0}, [[0.5, 0.75, 0.5, 0.25]]),
        ("FeatherMask", [[1.0]] * 3, {"left": 0, "top": 2, "right": 0, "bottom": 99}, [[0.5], [2 / 3], [1 / 3]]),
    ],
)
def test_masks(kind: str, given: list[list[float]], inputs: dict[str, Any], expected: list[list[float]]) -> None:
    (result,) = made(kind, mask=mask(given), **inputs)
    assert torch.allclose(result, mask(expected)), result


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [1.0, 0.8, 0.4]),
        ("add", [1.0, 1.0, 1.0]),
        ("subtract", [1.0, 0.0, 0.0]),
        ("and", [1.0, 1.0, 0.0]),
        ("or", [1.0, 1.0, 1.0]),
        ("xor", [1.0, 0.0, 1.0]),
    ],
)
def test_mask_composite_changes_only_what_is_covered(operation: str, expected: list[float]) -> None:
    target, laid = mask([[1.0, 0.8, 0.4]]), mask([[1.0, 1.0, 1.0]])
    (result,) = made("MaskComposite", destination=target, source=laid, x=1, y=0, operation=operation)
    assert torch.allclose(result, mask([expected])), result
    assert target.tolist() == mask([[1.0, 0.8, 0.4]]).tolist(), "inputs are not changed"


def test_masks_and_channels_of_pictures() -> None:
    picture = torch.tensor([[[[0.0, 51 / 255, 1.0, 0.5]]]])
    channels = [float(made("ImageToMask", image=picture, channel=c)[0]) for c in ("red", "green", "blue", "alpha")]
    assert channels == pytest.approx([0, 0.2, 1, 0.5])
    assert float(made("ImageColorToMask", image=picture, color=0x0033FF)[0]) == 1
    assert float(made("ImageColorToMask", image=picture, color=0x0033FE)[0]) == 0
    assert torch.equal(made("MaskToImage", mask=mask(ROWS))[0], grey(ROWS))
    with pytest.raises(GPDMError, match="channel = 'alpha' is not allowed: the picture has red, green, blue"):
        made("ImageToMask", image=picture[..., :3], channel="alpha")


def test_what_is_made_of_one_value() -> None:
    assert torch.equal(made("SolidMask", value=0.5, width=2, height=3)[0], torch.full((1, 3, 2), 0.5))
    (red,) = made("EmptyImage", width=2, height=3, batch_size=4, color=0xFF3300)
    assert red.shape == (4, 3, 2, 3)
    assert red[3, 2, 1].tolist() == pytest.approx([1, 0.2, 0])


def test_alpha_is_what_the_mask_leaves() -> None:
    (joined,) = made("JoinImageWithAlpha", image=grey(ROWS), alpha=torch.full((2, 5, 5), 0.25))
    assert joined.shape == (2, 2, 3, 4)
    assert torch.allclose(joined[..., 3], torch.tensor(0.75))
    colours, transparent = made("SplitImageWithAlpha", image=joined)
    assert torch.equal(colours[1:], grey(ROWS))
    assert torch.allclose(transparent, torch.tensor(0.25))
    assert float(made("SplitImageWithAlpha", image=grey(ROWS))[1].max()) == 0
    assert made("JoinImageWithAlpha", image=grey(ROWS)[..., :1], alpha=mask(ROWS))[0].shape == (1, 2, 3, 4)


def test_padding_for_outpaint_is_grey_and_masked() -> None:
    padded, border = made("ImagePadForOutpaint", image=grey(ROWS), left=1, top=0, right=0, bottom=2, feathering=0)
    assert padded.shape == (1, 4, 4, 3)
    assert torch.equal(padded[:, :2, 1:], grey(ROWS))
    assert border[0].tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    _, faded = made("ImagePadForOutpaint", image=torch.ones(1, 5, 6, 3), left=1, top=0, right=0, bottom=0, feathering=2)
    assert faded[0, 0].tolist() == [1, 1, 0.25, 0, 0, 0, 0]
    _, faded = made("ImagePadForOutpaint", image=torch.ones(1, 5, 6, 3), left=0, top=0, right=1, bottom=0, feathering=2)
    assert faded[0, 0].tolist() == [0, 0, 0, 0, 0, 0.25, 1]


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


def test_crop_takes_a_rectangle() -> None:
    (box,) = made("PrimitiveBoundingBox", x=1, y=1, width=2, height=1)
    assert torch.allclose(made("ImageCropV2", image=grey(ROWS), crop_region=box)[0], grey([[0.8, 1.0]]))


def test_a_switch_passes_one_of_two_on() -> None:
    assert made("ComfySwitchNode", switch=True, on_false=1, on_true=2) == (2,)
    assert made("ComfySwitchNode", switch=False, on_false=1, on_true=2) == (1,)


def test_a_mask_in_place_of_a_picture_is_refused() -> None:
    stand_in = STAND_INS["ImageInvert"](Session((), Path()))
    assert torch.equal(stand_in.run(image=grey(ROWS))[0], 1 - grey(ROWS))
    for wrong in (mask(ROWS), None, 3):
        with pytest.raises(GPDMError, match="input image takes IMAGE, but another type was given"):
            stand_in.run(image=wrong)


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


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("PrimitiveInt", 7),
        ("PrimitiveFloat", 0.5),
        ("PrimitiveString", "a"),
        ("PrimitiveStringMultiline", "a\nb"),
        ("PrimitiveBoolean", True),
    ],
)
def test_primitives_give_their_value(kind: str, value: Any) -> None:
    assert made(kind, value=value) == (value,)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("scores", "scores"),
        (3, "3"),
        (True, "True"),
        (None, "None"),
        ({"a": ["é"]}, '{\n    "a": [\n        "é"\n    ]\n}'),
    ],
)
def test_preview_any_shows_and_passes_on_the_text(value: Any, text: str) -> None:
    session = Session((), Path())
    assert STAND_INS["PreviewAny"](session, "Scores").execute(value) == (text,)  # type: ignore[attr-defined]
    assert session.texts == [("Scores", text)]


def test_load_image_gives_alpha_as_a_mask(folder: Path) -> None:
    Image.new("RGBA", (4, 3), (255, 0, 0, 51)).save("alpha.png")
    image, transparent = made("LoadImage", Session((folder,), folder), image="alpha.png")
    assert image.shape == (1, 3, 4, 3) and transparent.shape == (1, 3, 4)
    assert torch.allclose(transparent, torch.tensor(0.8))
    _, empty = made("LoadImage", Session((folder,), folder), image="in.png")
    assert empty.shape == (1, 64, 64) and float(empty.max()) == 0


def test_load_image_gives_the_frames_of_an_animation_as_a_batch(folder: Path) -> None:
    frames = [Image.new("L", (5, 4), value) for value in (0, 128, 255)]
    frames[0].save("film.gif", save_all=True, append_images=frames[1:])
    image, _ = made("LoadImage", Session((folder,), folder), image="film.gif")
    assert image.shape == (3, 4, 5, 3)
    assert [round(float(frame.mean()) * 255) for frame in image] == [0, 128, 255]


def test_load_image_honours_exif_and_takes_one_picture_of_an_mpo(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save("turned.jpg", exif=exif)
    assert made("LoadImage", Session((folder,), folder), image="turned.jpg")[0].shape == (1, 6, 4, 3)
    Image.new("RGB", (6, 4)).save("camera.mpo", save_all=True, append_images=[Image.new("RGB", (6, 4))])
    assert made("LoadImage", Session((folder,), folder), image="camera.mpo")[0].shape == (1, 4, 6, 3)


def test_load_image_mask_takes_the_channel(folder: Path) -> None:
    Image.new("RGB", (3, 2), (0, 51, 255)).save("colour.png")
    session = Session((folder,), folder)
    found = [
        made("LoadImageMask", session, image="colour.png", channel=c)[0] for c in ("red", "green", "blue", "alpha")
    ]
    assert [float(each.mean()) for each in found] == pytest.approx([0, 0.2, 1, 0])
    assert found[3].shape == (1, 2, 3)


@pytest.mark.parametrize("name", ["in.png", "in.png [input]", "sub\\two.png", "one.png [output]", "one.png[output]"])
def test_pictures_are_found_in_the_folders_that_comfyui_marks(folder: Path, name: str) -> None:
    (folder / "sub").mkdir()
    (folder / "results").mkdir()
    for path in ("sub/two.png", "results/one.png"):
        Image.new("RGB", (2, 2)).save(folder / path)
    assert Session((folder,), folder / "results").find(name).is_file()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b", (9.5, 9, True)),
        ("a * b - 2 ** 3", (9.5, 9, True)),
        ("floor(a / 2) * 2", (6.0, 6, True)),
        ("max(1, int(a / b))", (2.0, 2, True)),
        ("sum(values) + sum(a, 1) + values[0]", (24.5, 24, True)),
        ("a > b and not a == 7", (0.0, 0, False)),
        ("1 if 0 < b <= 2.5 else 2", (1.0, 1, True)),
        ("-a // 2 % 3", (2.0, 2, True)),
    ],
)
def test_a_formula(expression: str, expected: tuple[float, int, bool]) -> None:
    assert made("ComfyMathExpression", expression=expression, **{"values.b": 2.5, "values.a": 7}) == expected


@pytest.mark.parametrize(
    "expression",
    ["", "a +", "a / 0", "z", "9 ** 99999 % 7", "pow(9, 9999)", "1e308 * 10 ** 300", "'a'", "a.real", "open(1)", "(lambda: 1)()", "values", "sqrt(-1)", "sum()", "[1] * 3", "sum(values * 3)", "1e999", "-" * 5000 + "1", "(-2) ** 0.5"],
)  # fmt: skip
def test_a_formula_that_is_refused(expression: str) -> None:
    with pytest.raises(GPDMError, match=r"^expression = .* cannot be computed"):
        made("ComfyMathExpression", expression=expression, **{"values.a": 7})
