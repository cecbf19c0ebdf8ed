"""Colour profiles in picture files: the terminal reads every picture as sRGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli import icc
from cli.formats import png, tiff
from PIL import Image, ImageCms

from gpdm.cli.pictures import read_mask, read_picture
from gpdm.cli.session import Session
from gpdm.cli.standins import STAND_INS
from gpdm.pictures.profiles import is_srgb

COLOURS = np.random.default_rng(0).integers(0, 256, (12, 16, 4), dtype=np.uint8)
RGB_SPACES = ["Adobe RGB (1998)", "Display P3", "ProPhoto RGB", "linear sRGB"]


def read(path: Path) -> np.ndarray:
    """The picture in a file, (H, W, C) in [0, 1]."""
    return read_picture(path).frames[0].permute(1, 2, 0).double().numpy()


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("space", RGB_SPACES)
def test_colours_are_converted_to_srgb(tmp_path: Path, space: str, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(COLOURS[..., :3]).save(path, icc_profile=icc.rgb_profile(space), **options)
    assert read(path) * 255 == pytest.approx(icc.expected(COLOURS[..., :3] / 255, space) * 255, abs=1)


def test_jpeg_colours_are_converted_to_srgb(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    Image.new("RGB", (16, 16), (60, 180, 90)).save(path, quality=100, icc_profile=icc.rgb_profile("Adobe RGB (1998)"))
    stored = np.asarray(Image.open(path))[0, 0] / 255
    assert read(path)[0, 0] * 255 == pytest.approx(icc.expected(stored, "Adobe RGB (1998)") * 255, abs=1)


@pytest.mark.parametrize(("mark", "profile"), [("R03", False), ("R98", False), ("R03", True)])
def test_a_jpeg_of_adobe_rgb_without_a_profile_is_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mark: str, profile: bool
) -> None:
    path, exif = tmp_path / "picture.jpg", Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: mark}
    options: dict[str, Any] = {"icc_profile": icc.rgb_profile("Adobe RGB (1998)")} if profile else {}
    Image.new("RGB", (16, 16), (60, 180, 90)).save(path, exif=exif, **options)
    read(path)
    notice = "it is Adobe RGB by its EXIF data and has no colour profile; its colours are used as they are"
    assert caplog.messages == ([f"{path}: {notice}"] if mark == "R03" and not profile else [])


def test_alpha_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(COLOURS).save(path, icc_profile=icc.rgb_profile("Display P3"))
    assert read(path)[..., :3] * 255 == pytest.approx(icc.expected(COLOURS[..., :3] / 255, "Display P3") * 255, abs=1)
    assert np.array_equal((read(path)[..., 3] * 255).round(), COLOURS[..., 3])


def test_a_palette_is_converted_to_srgb(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    paletted = Image.fromarray(COLOURS[..., :3]).quantize(16)
    paletted.save(path, icc_profile=icc.rgb_profile("Adobe RGB (1998)"))
    colours = np.asarray(paletted.convert("RGB")) / 255
    assert read(path) * 255 == pytest.approx(icc.expected(colours, "Adobe RGB (1998)") * 255, abs=1)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2)])
def test_grey_is_converted_to_the_curve_of_srgb_and_stays_grey(tmp_path: Path, mode: str, channels: int) -> None:
    path = tmp_path / "picture.png"
    values = COLOURS[..., :channels]
    Image.fromarray(values.squeeze(), mode).save(path, icc_profile=icc.grey_profile(1.8))
    expected = icc.linear_to_srgb((values[..., 0] / 255) ** (461 / 256))
    assert read(path).shape == values.shape
    assert read(path)[..., 0] * 255 == pytest.approx(expected * 255, abs=1.5)


def test_inks_are_converted_by_their_profile(tmp_path: Path) -> None:
    lightness = np.zeros((2, 2, 2, 2))
    lightness[0, 0, 0, 0], lightness[1, 0, 0, 0], lightness[0, 1, 0, 0] = 100, 60, 50
    inks = Image.new("CMYK", (4, 1))
    inks.putdata([(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 0, 0), (255, 255, 255, 255)])
    inks.save(tmp_path / "inks.tif", icc_profile=icc.table_profile(b"CMYK", lightness))
    expected = icc.neutral(np.array([100, 60, 50, 0]))
    assert read(tmp_path / "inks.tif")[0] * 255 == pytest.approx(expected[:, None].repeat(3, 1) * 255, abs=1)


@pytest.mark.parametrize("space", RGB_SPACES)
@pytest.mark.parametrize("encode", [png, tiff])
def test_16_bits_are_converted_with_full_precision(tmp_path: Path, space: str, encode: Any) -> None:
    path, values = tmp_path / "picture", np.random.default_rng(1).integers(0, 65536, (12, 16, 4)).astype(np.uint16)
    path.write_bytes(encode(values, profile=icc.rgb_profile(space)))
    assert read(path)[..., :3] == pytest.approx(icc.expected(values[..., :3] / 65535, space), abs=0.002)
    assert np.array_equal((read(path)[..., 3] * 65535).round(), values[..., 3])
    assert len(np.unique(read(path)[..., :3])) > 256


def test_16_bit_grey_is_converted_with_full_precision(tmp_path: Path) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    (tmp_path / "grey.png").write_bytes(png(values, profile=icc.grey_profile(2.2)))
    expected = icc.linear_to_srgb((values / 65535) ** (563 / 256))
    assert read(tmp_path / "grey.png") == pytest.approx(expected, abs=2 / 65535)


def test_the_shadows_of_a_linear_grey_of_8_bits_are_kept(tmp_path: Path) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "grey.png", icc_profile=icc.grey_profile(1.0))
    expected = icc.linear_to_srgb(values[..., None] / 255) * 255
    assert read(tmp_path / "grey.png") * 255 == pytest.approx(expected, abs=0.51)
    assert len(np.unique(read(tmp_path / "grey.png"))) > 180


def test_grey_with_the_curve_of_srgb_stays_bit_for_bit(tmp_path: Path) -> None:
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "grey.png", icc_profile=icc.grey_profile("srgb"))
    assert np.array_equal((read(tmp_path / "grey.png")[..., 0] * 255).round(), COLOURS[..., 0])


@pytest.mark.parametrize(
    "profile",
    [
        icc.rgb_profile("sRGB"),
        icc.rgb_profile("sRGB", "c2"),
        icc.rgb_profile("sRGB as a table"),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        None,
    ],
    ids=["sRGB", "another name", "a curve of 1024 points", "LittleCMS", "no profile"],
)
def test_srgb_stays_bit_for_bit(tmp_path: Path, caplog: pytest.LogCaptureFixture, profile: bytes | None) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "picture.png", icc_profile=profile)
    assert np.array_equal((read(tmp_path / "picture.png") * 255).round(), COLOURS)
    assert not caplog.messages
    assert profile is None or is_srgb(profile)


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ("linear sRGB", "GIMP built-in Linear sRGB"),
        ("linear sRGB", "linsrgb"),
        ("Display P3", "Display P3 (sRGB TRC)"),
        ("Adobe RGB (1998)", "not sRGB"),
        ("ProPhoto RGB", "LargeRGB-elle-V2-srgbtrc.icc"),
        ("sRGB of gamma 1.8", "sRGB-elle-V4-g18"),
        ("sRGB of gamma 2.2", "sRGB IEC61966-2.1"),
    ],
)
def test_a_profile_is_srgb_by_its_values_and_not_by_its_name(tmp_path: Path, space: str, name: str) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(COLOURS[..., :3]).save(path, icc_profile=icc.rgb_profile(space, name))
    assert read(path) * 255 == pytest.approx(icc.expected(COLOURS[..., :3] / 255, space) * 255, abs=1)


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        (b"garbage" * 40, "its colour profile is damaged"),
        (icc.rgb_profile("Display P3")[:200], "its colour profile is damaged"),
        (icc.grey_profile(2.2), "its colour profile is for GRAY and the picture is RGB"),
        (icc.table_profile(b"CMYK", np.zeros((2, 2, 2, 2))), "its colour profile is for CMYK and the picture is RGB"),
    ],
    ids=["no profile at all", "cut off", "for grey", "for inks"],
)
@pytest.mark.parametrize("bits", [8, 16])
def test_an_unusable_profile_is_a_warning_that_names_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, profile: bytes, reason: str, bits: int
) -> None:
    path, values = tmp_path / "picture.png", COLOURS[..., :3].astype(np.uint16) * 257
    path.write_bytes(png(values, profile=profile))
    if bits == 8:
        Image.fromarray(COLOURS[..., :3]).save(path, icc_profile=profile)
    assert np.array_equal((read(path) * 65535).round(), values)
    assert caplog.messages == [f"{path}: {reason}; its colours are used as they are"]


def test_a_table_is_applied_to_8_of_16_bits_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lightness = np.zeros((2, 2, 2))
    lightness[1, 1, 1], lightness[1, 0, 0], lightness[0, 1, 0] = 100, 60, 50
    corners = np.array([[[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]]], np.uint16) * np.uint16(65535)
    (tmp_path / "picture.png").write_bytes(png(corners, profile=icc.table_profile(b"RGB ", lightness)))
    expected = icc.neutral(np.array([100, 60, 50, 0]))
    assert read(tmp_path / "picture.png")[0] * 255 == pytest.approx(expected[:, None].repeat(3, 1) * 255, abs=1)
    notice = "its colour profile is a table, which is applied to 8 bits per channel"
    assert caplog.messages == [f"{tmp_path / 'picture.png'}: {notice}"]
    assert read_picture(tmp_path / "picture.png").bits == 8


def test_a_pillow_without_littlecms_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ImportError("The _imagingcms C module is not installed")

    monkeypatch.setattr("PIL.ImageCms.createProfile", fail)
    Image.fromarray(COLOURS).save(tmp_path / "picture.png", icc_profile=icc.rgb_profile("Display P3"))
    assert np.array_equal((read(tmp_path / "picture.png") * 255).round(), COLOURS)
    assert "picture.png: this Pillow cannot convert colour profiles" in caplog.text


def stand_in(name: str, folder: Path) -> Any:
    """A node of ComfyUI as `gpdm run` has it."""
    return STAND_INS[name](Session((folder,), folder))


def test_load_image_gives_srgb_and_load_image_mask_the_stored_values(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "picture.png", icc_profile=icc.rgb_profile("Display P3"))
    image, mask = stand_in("LoadImage", tmp_path).execute("picture.png")
    expected = icc.expected(COLOURS[..., :3] / 255, "Display P3")
    assert image[0].numpy() * 255 == pytest.approx(expected * 255, abs=1)
    assert torch.equal((mask[0] * 255).round(), 255 - torch.tensor(COLOURS[..., 3]).float())
    (red,) = stand_in("LoadImageMask", tmp_path).execute("picture.png", "red")
    assert torch.equal((red[0] * 255).round(), torch.tensor(COLOURS[..., 0]).float())


def test_masks_have_no_colours_to_convert(tmp_path: Path) -> None:
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "mask.png", icc_profile=icc.grey_profile(1.8))
    assert torch.equal((read_mask(tmp_path / "mask.png")[0, 0] * 255).round(), torch.tensor(COLOURS[..., 0]).float())
