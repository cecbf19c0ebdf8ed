"""PNG files with texts, profiles and sizes of which Pillow alone would make an error, or nothing for a long time."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from cli import icc
from cli.formats import png_file, values
from PIL import Image

from gpdm import GPDMError
from gpdm.cli.pictures import read_mask, read_picture

NOISE = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


LONG = zlib.compress(b"x" * 2**20)
ZTXT, ITXT = b"workflow\0\0" + LONG, b"workflow\0\1\0\0\0" + LONG


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    lines = np.concatenate([np.zeros((32, 1), np.uint8), NOISE.reshape(32, -1)], axis=1)
    return png_file(40, 32, 8, 2, lines.tobytes(), *chunks)


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * 2**21))],
        [(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b"x" * 2**21))],
        [(b"zTXt", ZTXT)] * 70,
        [(b"iTXt", ITXT)] * 70,
        [(b"tEXt", b"k\0" + b"x" * 2**20)] * 2,
        [(b"zTXt", b"k\0\5garbage")],
        [(b"zTXt", b"Raw profile type exif\0\5garbage")],
        [(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"x" * 2**21))],
        [(b"pHYs", b"")],
        [(b"gAMA", b"\0")],
    ],
    ids=["long", "long iTXt", "many", "many iTXt", "two", "method", "EXIF method", "EXIF long", "density", "gamma"],
)
def test_a_text_that_pillow_refuses_is_no_reason_to_refuse_a_png(
    folder: Path, caplog: pytest.LogCaptureFixture, chunks: list[tuple[bytes, bytes]]
) -> None:
    Path("in.png").write_bytes(png_with(*chunks))
    assert np.array_equal(values("in.png"), NOISE)
    assert not caplog.messages


@pytest.mark.parametrize("kind", ["eXIf", "iTXt", "tEXt", "zTXt"])
def test_a_png_is_turned_by_each_way_to_store_its_orientation(folder: Path, kind: str) -> None:
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    raw = b"\nexif\n" + str(6 + len(exif)).encode() + b"\n" + (b"Exif\0\0" + exif).hex().encode()
    content = {
        "eXIf": exif,
        "iTXt": b'XML:com.adobe.xmp\0\0\0\0\0<rdf:Description tiff:Orientation="6"/>',
        "tEXt": b"Raw profile type exif\0" + raw,
        "zTXt": b"Raw profile type exif\0\0" + zlib.compress(raw),
    }[kind]
    Path("in.png").write_bytes(png_with((kind.encode(), content)))
    assert np.array_equal(values("in.png"), np.rot90(NOISE, -1))


def test_a_profile_of_more_than_1_mb_is_applied(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    profile = icc.rgb_profile("Adobe RGB (1998)") + bytes(2_000_000)
    Path("in.png").write_bytes(png_with((b"iCCP", b"name\0\0" + zlib.compress(profile))))
    assert values("in.png") == pytest.approx(icc.expected(NOISE / 255, "Adobe RGB (1998)") * 255, abs=1)
    assert not caplog.messages


@pytest.mark.parametrize("content", [b"", b"name\0\7garbage", b"name\0\0garbage"], ids=["empty", "method", "data"])
def test_a_profile_that_cannot_be_unpacked_is_left_out_with_a_word(
    folder: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    Path("in.png").write_bytes(png_with((b"iCCP", content)))
    assert np.array_equal(values("in.png"), NOISE)
    read_mask(Path("in.png"))  # has no colours, so nothing to say
    assert caplog.messages == ["in.png: its colour profile is damaged; its colours are used as they are"]


def test_a_profile_that_unpacks_to_a_huge_one_is_left_out(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpdm.cli.png_chunks.LARGEST_PROFILE", 2**20)
    Path("in.png").write_bytes(png_with((b"iCCP", b"name\0\0" + zlib.compress(bytes(2**21)))))
    assert np.array_equal(values("in.png"), NOISE)
    assert caplog.messages == ["in.png: its colour profile is larger than 1 MiB; its colours are used as they are"]


def test_a_png_with_a_wrong_check_sum_is_read_with_a_word(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(png_with((b"eXIf", b"MM\0*")))
    data[data.index(b"MM\0*") + 4] ^= 255
    Path("in.png").write_bytes(data)
    assert np.array_equal(values("in.png"), NOISE)
    (message,) = caplog.messages
    assert message.startswith("in.png is damaged (its header or a check sum is wrong); it is used as far as it can be")


GAMMA, PRIMARIES = struct.pack(">I", 45455), struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
ADOBE = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
PROFILE = b"name\0\0" + zlib.compress(icc.rgb_profile("sRGB"))


@pytest.mark.parametrize(
    ("chunks", "named"),
    [
        ([(b"gAMA", GAMMA), (b"cHRM", PRIMARIES)], None),
        ([(b"cICP", bytes([1, 13, 0, 1])), (b"gAMA", struct.pack(">I", 100000))], None),
        ([(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100000))], None),
        ([(b"iCCP", PROFILE), (b"cHRM", ADOBE)], None),
        ([(b"gAMA", b""), (b"cHRM", b"\0")], None),
        ([(b"gAMA", struct.pack(">I", 100000))], "gAMA"),
        ([(b"gAMA", GAMMA), (b"cHRM", ADOBE)], "cHRM"),
        ([(b"cICP", bytes([12, 13, 0, 1]))], "cICP"),
        ([(b"cICP", bytes([9, 16, 0, 1])), (b"iCCP", PROFILE)], "cICP"),
    ],
    ids=["sRGB", "cICP", "sRGB chunk", "profile", "damaged", "linear", "Adobe RGB", "Display P3", "BT.2020 PQ"],
)
def test_colours_of_another_space_without_a_profile_are_a_word(
    folder: Path, caplog: pytest.LogCaptureFixture, chunks: list[tuple[bytes, bytes]], named: str | None
) -> None:
    Path("in.png").write_bytes(png_with(*chunks))
    assert np.array_equal(values("in.png"), NOISE)
    read_mask(Path("in.png"))
    notice = f"in.png: its chunk {named} says that its colours are not sRGB; they are used as they are"
    assert caplog.messages == ([notice] if named else [])


@pytest.mark.parametrize("shown", ["all", "a third", "a twentieth"])
def test_a_png_whose_data_cannot_hold_its_pixels_is_refused_before_it_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    """One byte of data holds 1032 bytes of pixels at most. A flat picture is nearly as small as that."""
    rows = {"all": 3000, "a third": 1000, "a twentieth": 150}[shown]
    Path("in.png").write_bytes(png_file(1000, 3000, 8, 2, b"\0" + b"\7" * 3000 + bytes(3001 * (rows - 1))))
    if shown != "a twentieth":
        assert read_picture(Path("in.png")).frames.shape == (1, 3, 3000, 1000)
        return
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(GPDMError, match=r"in\.png: its \d+ bytes of pixel data cannot hold 1000x3000 pixels"):
        read_picture(Path("in.png"))
