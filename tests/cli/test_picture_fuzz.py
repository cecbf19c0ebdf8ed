"""Damaged picture files: thousands of them give values from -1 to 1, or one line that names the file.

GPDM_FUZZ_EXAMPLES is the number of examples, for longer runs by hand. They are random then.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli import icc
from cli.formats import png, tiff
from cli.fuzzing import fuzz
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from gpdm import GPDMError
from gpdm.cli.pictures import read_picture

MEMORY = 2**25
"""Enough for any of the files as they are; a damaged header that asks for more is refused."""

RNG = np.random.default_rng(0)
MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "GIF": ("1", "L", "P"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "TGA": ("L", "RGBA"),
}
ANIMATED = ("GIF", "PNG", "WEBP", "TIFF")


def noise(mode: str) -> Image.Image:
    """A small picture."""
    if mode == "F":
        return Image.fromarray(RNG.random((7, 9), dtype=np.float32))
    if mode.startswith("I"):
        return Image.fromarray(RNG.integers(0, 65536, (7, 9)).astype(np.uint16 if mode == "I;16" else np.int32))
    colours = Image.fromarray(RNG.integers(0, 256, (7, 9, 4), dtype=np.uint8))
    if mode in ("CMYK", "LAB"):
        return Image.frombytes(mode, (9, 7), colours.convert("RGB" if mode == "LAB" else "RGBA").tobytes())
    return colours.quantize(16) if mode == "P" else colours.convert("RGB").convert(mode)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stored = io.BytesIO()
    picture.save(stored, kind, **options)
    return stored.getvalue()


def all_files() -> list[bytes]:
    """A valid file of every format, mode and feature."""
    exif = Image.Exif()
    exif[274] = 6
    files = [encoded(noise(mode), kind) for kind, modes in MODES.items() for mode in modes]
    files += [
        encoded(noise("RGB"), kind, save_all=True, append_images=[noise("RGB"), noise("RGB")]) for kind in ANIMATED
    ]
    files += [encoded(noise("RGB"), kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP", "TIFF")]
    files += [
        encoded(noise("RGB"), kind, icc_profile=icc.rgb_profile("Display P3")) for kind in ("PNG", "JPEG", "TIFF")
    ]
    files += [encoded(noise("RGBA").resize((16, 16)), "ICO", sizes=[(16, 16)])]
    files += [encoded(noise("P"), "PNG", transparency=3), encoded(noise("L"), "PNG", transparency=9, bits=4)]
    files += [
        encoded(noise("RGB"), "TIFF", compression=name) for name in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")
    ]
    deep = RNG.integers(0, 65536, (7, 9, 4)).astype(np.uint16)
    for channels in (1, 3, 4):
        files += [png(deep[..., :channels], profile=icc.rgb_profile("ProPhoto RGB")), tiff(deep[..., :channels], ">")]
        files += [tiff(deep[..., :channels], packed=True), tiff(deep[..., :channels], packed=True, planes=True)]
    files += [tiff(deep, planes=True)]
    return files


FILES = all_files()
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**32 - 1)


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A file with some bytes changed, cut off, left out, put in, or replaced by a number in a header."""
    data = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 3))):
        # Headers are at the beginning of most formats and at the end of TIFF.
        end = draw(st.sampled_from([48, len(data), len(data)]))
        position = draw(st.integers(4, max(min(end, len(data)) - 1, 4)))
        change = draw(st.sampled_from(["flip", "cut", "leave out", "put in", "number"]))
        if change == "flip":
            data[position : position + 1] = bytes(
                x ^ (1 << draw(st.integers(0, 7))) for x in data[position : position + 1]
            )
        elif change == "cut":
            del data[max(position, len(data) // 2) :]
        elif change == "leave out":
            del data[position : position + draw(st.integers(1, 16))]
        elif change == "put in":
            data[position:position] = draw(st.binary(min_size=1, max_size=16))
        else:
            size, order = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from(["big", "little"]))
            number = draw(st.sampled_from(NUMBERS)) % 256**size
            data[position : position + size] = number.to_bytes(size, order)  # type: ignore[arg-type]
    return with_check_sums(bytes(data)) if draw(st.booleans()) else bytes(data)


def with_check_sums(data: bytes) -> bytes:
    """The same, but the chunks of a PNG file have the right check sums, without which Pillow reads none of them."""
    position, result = 8, data[:8]
    while data[:4] == b"\x89PNG" and position + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, position)
        body = data[position + 4 : position + 8 + size]
        result += data[position : position + 4] + body + struct.pack(">I", zlib.crc32(body))
        position += 12 + size
    return result + data[position:]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "damaged.picture"


@pytest.mark.parametrize("data", FILES)
def test_every_file_is_readable_or_refused_for_a_reason_as_it_is(path: Path, data: bytes) -> None:
    assert check(path, data) in ("", "the picture has 32-bit", "it has 16-bit colours")


@settings(fuzz(400), deadline=5000, suppress_health_check=list(HealthCheck))
@given(data=damaged_files())
def test_a_damaged_file_is_a_picture_or_one_line(path: Path, data: bytes) -> None:
    event("refused" if check(path, data) else "read")


def check(path: Path, data: bytes) -> str:
    """Reads a file; the result is empty, or the beginning of what is said against the file."""
    path.write_bytes(data)
    message = ""
    try:
        images = read_picture(path, memory=MEMORY).images
    except GPDMError as error:
        message = str(error)
    if message:
        assert str(path) in message and "\n" not in message and len(message) < len(str(path)) + 250
    else:
        assert images.dtype == torch.float32 and images.dim() == 4 and 1 <= images.shape[1] <= 4
        assert float(images.min()) >= -1 and float(images.max()) <= 1
    assert (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS) == (False, 89478485)
    return " ".join(message.partition(f"{path}: ")[2].split()[:4]) if f"{path}: " in message else message
