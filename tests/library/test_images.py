"""Conversion between pictures and tensors: orientation, transparency, bit depth, resizing."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gpdm import ImageError, from_pil, to_pil
from gpdm.images import resize
from library.problems import picture


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_round_trip_keeps_every_channel_exactly(mode: str, channels: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (9, 7, channels), dtype=np.uint8)
    original = Image.fromarray(pixels.squeeze(), mode)
    tensor = from_pil(original)
    assert tensor.shape == (1, channels, 9, 7)
    assert tensor.dtype == torch.float32 and float(tensor.min()) >= -1 and float(tensor.max()) <= 1
    assert to_pil(tensor).mode == mode
    assert np.array_equal(np.asarray(to_pil(tensor)), np.asarray(original))


def test_exif_orientation_is_honoured() -> None:
    """The reference implementation ignores it (defect 19)."""
    original = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the picture is to be shown turned by 90 degrees
    stored = io.BytesIO()
    original.save(stored, "PNG", exif=exif)
    turned = to_pil(from_pil(Image.open(stored)))
    assert turned.size == (2, 3)
    assert np.array_equal(np.asarray(turned), np.rot90(np.asarray(original), -1))


def test_palette_transparency_is_kept() -> None:
    paletted = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), "P")
    paletted.putpalette([255, 0, 0, 0, 0, 255])
    assert from_pil(paletted).shape[1] == 3
    paletted.info["transparency"] = 1
    tensor = from_pil(paletted)
    assert tensor.shape[1] == 4
    assert tensor[0, 3, 0].tolist() == [1.0, -1.0]


@pytest.mark.parametrize(("mode", "key", "expected"), [("RGB", (1, 2, 3), 4), ("L", 7, 2)])
def test_a_transparent_colour_becomes_an_alpha_channel(mode: str, key: object, expected: int) -> None:
    picture_with_key = Image.new(mode, (3, 2), key)  # type: ignore[arg-type]
    stored = io.BytesIO()
    picture_with_key.save(stored, "PNG", transparency=key)
    tensor = from_pil(Image.open(stored))
    assert tensor.shape[1] == expected
    assert (tensor[:, -1] == -1).all()


def test_sixteen_bit_grey_keeps_its_precision() -> None:
    values = np.array([[0, 257, 65535, 12345]], dtype=np.uint16)
    tensor = from_pil(Image.fromarray(values))
    assert torch.allclose((tensor[0, 0] + 1) * 65535 / 2, torch.from_numpy(values.astype(np.float32)), atol=0.01)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (
            Image.fromarray(np.array([[-0.5, 2]], dtype=np.float32), "F"),
            "floating-point values from -0.5 to 2, and only 0 to 1 can be read",
        ),
        (
            Image.fromarray(np.full((2, 2), 2**20, dtype=np.int32)),
            "32-bit or signed integers, which cannot be read; save it as 16-bit grey PNG",
        ),
    ],
    ids=["float", "32 bits"],
)
def test_unreadable_modes_are_refused(picture: Image.Image, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        from_pil(picture)


def test_a_batch_is_not_a_picture() -> None:
    with pytest.raises(ImageError, match="cannot be a picture"):
        to_pil(torch.zeros(2, 3, 4, 4))


def test_resize_has_no_aliasing_and_returns_an_image_of_the_same_size_itself() -> None:
    image = picture(32, 32)
    assert resize(image, (32, 32)) is image
    stripes = torch.ones(1, 1, 32, 32)
    stripes[..., ::2] = -1
    assert resize(stripes, (8, 8))[..., 1:-1].abs().max() < 0.1
