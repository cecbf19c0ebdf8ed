"""Bits per channel: 16-bit and floating-point files are read with their precision, and 16-bit files are written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli.formats import interlaced_png, png, png_file, tiff
from PIL import Image, ImageFile

from gpdm import GPDMError, from_pil
from gpdm.cli.files import save_image
from gpdm.cli.main import main
from gpdm.cli.pictures import read_picture
from gpdm.cli.session import Session
from gpdm.cli.standins import STAND_INS
from gpdm.pictures.deep import is_deep

VALUES = np.random.default_rng(0).integers(0, 65536, (26, 31, 4)).astype(np.uint16)
QUICK = ["--num-steps", "2", "--num-proj", "2", "--device", "cpu"]


def read(path: Path, maximum: int = 65535) -> np.ndarray:
    """The picture in a file as whole numbers, (H, W, C)."""
    return (read_picture(path).frames[0].permute(1, 2, 0).double().numpy() * maximum).round()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_16_bit_png_is_read_and_written_exactly(tmp_path: Path, channels: int) -> None:
    values = VALUES[..., :channels]
    (tmp_path / "in.png").write_bytes(png(values))
    picture = read_picture(tmp_path / "in.png")
    assert picture.bits == 16
    assert np.array_equal(read(tmp_path / "in.png"), values)
    save_image(picture.images, tmp_path / "out.png", 16)
    assert np.array_equal(read(tmp_path / "out.png"), values)
    with Image.open(tmp_path / "out.png") as written:
        assert written.mode in {1: ("I;16", "I"), 3: ("RGB",)}.get(channels, ("RGBA",))
        written.load()
    assert (tmp_path / "out.png").read_bytes()[24:26] == bytes([16, {1: 0, 2: 4, 3: 2, 4: 6}[channels]])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_interlaced_16_bit_png_is_read_exactly(tmp_path: Path, channels: int) -> None:
    (tmp_path / "in.png").write_bytes(interlaced_png(VALUES[..., :channels]))
    assert np.array_equal(read(tmp_path / "in.png"), VALUES[..., :channels])


@pytest.mark.parametrize(
    "encoded",
    [
        png(VALUES[..., :3], exif=b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
        tiff(VALUES[..., :3], orientation=6),
        tiff(VALUES[..., :3], orientation=6, packed=True),
        tiff(VALUES[..., :1], orientation=6),
    ],
    ids=["PNG", "TIFF", "packed TIFF", "grey TIFF"],
)
def test_16_bits_are_turned_as_exif_says(tmp_path: Path, encoded: bytes) -> None:
    (tmp_path / "in").write_bytes(encoded)
    turned = read(tmp_path / "in")
    assert np.array_equal(turned, np.rot90(VALUES[..., : turned.shape[2]], -1))


def test_every_16_bit_value_survives_reading_and_writing(tmp_path: Path) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    (tmp_path / "in.png").write_bytes(png(values))
    save_image(read_picture(tmp_path / "in.png").images, tmp_path / "out.png", 16)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), values[..., 0])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_16_bit_tiff_is_read_exactly(tmp_path: Path, channels: int, order: str, packed: bool) -> None:
    values = VALUES[..., :channels]
    (tmp_path / "in.tif").write_bytes(tiff(values, order, packed))
    assert np.array_equal(read(tmp_path / "in.tif"), values)


def test_colours_that_were_multiplied_by_alpha_are_divided_by_it(tmp_path: Path) -> None:
    values = np.array([[[30000, 100, 0, 40000], [0, 0, 0, 0], [7, 8, 9, 65535]]], dtype=np.uint16)
    (tmp_path / "in.tif").write_bytes(tiff(values, alpha=1))
    expected = [[round(30000 * 65535 / 40000), round(100 * 65535 / 40000), 0, 40000], [0, 0, 0, 0], [7, 8, 9, 65535]]
    assert read(tmp_path / "in.tif")[0].tolist() == expected


def test_grey_that_counts_from_white_is_turned_round(tmp_path: Path) -> None:
    (tmp_path / "in.tif").write_bytes(tiff(VALUES[..., :1], white_is_zero=True))
    assert np.array_equal(read(tmp_path / "in.tif"), 65535 - VALUES[..., :1].astype(int))


def test_floats_that_count_from_white_are_turned_round(tmp_path: Path) -> None:
    floats = np.linspace(0, 1, 26 * 31, dtype=np.float32).reshape(26, 31, 1)
    (tmp_path / "in.tif").write_bytes(tiff(floats, white_is_zero=True))
    assert np.array_equal(read_picture(tmp_path / "in.tif").frames[0, 0].numpy(), 1 - floats[..., 0])


def test_floats_a_hair_outside_the_range_are_clipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    floats = np.array([[[-0.009], [-1e-8], [0.5], [1.0000001], [1.009]]], np.float32)
    (tmp_path / "in.tif").write_bytes(tiff(floats))
    assert read_picture(tmp_path / "in.tif").frames.flatten().tolist() == [0, 0, 0.5, 1, 1]
    assert not caplog.messages


def test_a_pgm_file_has_16_bits(tmp_path: Path) -> None:
    (tmp_path / "in.pgm").write_bytes(b"P5 31 26 65535\n" + VALUES[..., 0].astype(">u2").tobytes())
    assert np.array_equal(read(tmp_path / "in.pgm"), VALUES[..., :1])


@pytest.mark.parametrize("transparent", [(200,), (1, 2, 3)], ids=["grey", "RGB"])
def test_a_transparent_colour_of_16_bits_is_an_exact_one(tmp_path: Path, transparent: tuple[int, ...]) -> None:
    values = np.array([[transparent, [x + 1 for x in transparent]]], dtype=np.uint16)
    (tmp_path / "in.png").write_bytes(png(values, transparent))
    assert read(tmp_path / "in.png")[0].tolist() == [[*transparent, 0], [*(x + 1 for x in transparent), 65535]]


@pytest.mark.parametrize(
    ("bits", "line", "expected"),
    [
        (1, 0b11110000, [[255, 0]] * 4 + [[0, 255]] * 4),
        (2, 0b00011011, [[0, 255], [85, 0], [170, 255], [255, 255]]),
        (4, 0x1F, [[17, 0], [255, 255]]),
    ],
)
def test_a_transparent_grey_of_few_bits_is_the_right_one(
    tmp_path: Path, bits: int, line: int, expected: list[list[int]]
) -> None:
    lines = bytes([0, line])
    (tmp_path / "in.png").write_bytes(png_file(8 // bits, 1, bits, 0, lines, (b"tRNS", b"\0\1")))
    assert read(tmp_path / "in.png", 255)[0].tolist() == expected


def test_floats_from_0_to_1_keep_their_precision(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 26 * 31, dtype=np.float32).reshape(26, 31, 1)
    (tmp_path / "in.tif").write_bytes(tiff(values))
    assert np.array_equal(read_picture(tmp_path / "in.tif").frames[0, 0].numpy(), values[..., 0])
    with Image.open(tmp_path / "in.tif") as picture:
        assert torch.equal(from_pil(picture)[0, 0], torch.from_numpy(values[..., 0]) * 2 - 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((26, 31, 1), 2.5, np.float32), "floating-point values from 2.5 to 2.5, and only 0 to 1 can be read"),
        (np.full((26, 31, 1), -0.25, np.float32), "floating-point values from -0.25 to -0.25"),
        (np.full((26, 31, 1), np.nan, np.float32), "floating-point values that are NaN or infinite"),
        (np.full((26, 31, 1), np.inf, np.float32), "floating-point values that are NaN or infinite"),
        (np.full((26, 31, 1), 7, np.uint32), "32-bit or signed integers"),
        (np.full((26, 31, 1), 7, np.int32), "32-bit or signed integers"),
        (np.full((26, 31, 1), 7, np.int16), "32-bit or signed integers"),
        (np.full((26, 31, 1), 7, np.int8), "32-bit or signed integers"),
        (np.zeros((26, 31, 3), np.float32), "is a TIFF file that is cut off, damaged, or of a kind that Pillow cannot"),
    ],
    ids=["high", "negative", "NaN", "infinite", "uint32", "int32", "int16", "int8", "float colours"],
)
def test_values_without_a_meaning_are_refused_in_tasks_and_in_run_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: np.ndarray, message: str
) -> None:
    path = tmp_path / "in.tif"
    path.write_bytes(tiff(values))
    assert main(["reshuffle", str(path), "-o", str(tmp_path / "out.png"), *QUICK]) == 2
    error = capsys.readouterr().err
    assert f"gpdm: {path}" in error and message in error and len(error.splitlines()) == 1
    with pytest.raises(GPDMError, match=r"in\.tif"):
        load(path)


def load(path: Path) -> torch.Tensor:
    """The IMAGE of LoadImage in `gpdm run`."""
    return STAND_INS["LoadImage"](Session((path.parent,), path.parent)).execute(path.name)[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_load_image_keeps_16_bits(tmp_path: Path, channels: int) -> None:
    (tmp_path / "in.png").write_bytes(png(VALUES[..., :channels]))
    expected = VALUES[..., :3] if channels > 1 else VALUES[..., :1].repeat(3, axis=2)
    assert np.array_equal((load(tmp_path / "in.png")[0].double() * 65535).round().numpy(), expected)


@pytest.mark.parametrize(
    ("encoded", "flags", "name", "bits"),
    [
        (png(VALUES[..., :3]), [], "out.png", 16),
        (png(VALUES[..., :1]), [], "out.PNG", 16),
        (png(VALUES), [], "out.png", 16),
        (png(VALUES[..., :3]), ["--bits", "8"], "out.png", 8),
        (png(VALUES[..., :3]), [], "out.jpg", 8),
        (tiff(VALUES[..., :3]), [], "out.tif", 8),
        (None, [], "out.png", 8),
        (None, ["--bits", "16"], "out.png", 16),
    ],
)
def test_the_depth_of_the_output_is_that_of_the_reference_or_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes | None, flags: list[str], name: str, bits: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray((VALUES[..., :3] >> 8).astype(np.uint8)).save("in.png")
    if encoded:
        Path("in.png").write_bytes(encoded)
    assert main(["reshuffle", "in.png", "-o", name, *flags, *QUICK]) == 0
    assert read_picture(Path(name)).bits == bits
    if bits == 16:
        values = read(Path(name))
        assert ((values % 257) != 0).any()


def test_8_of_16_bits_in_another_format_are_written_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.png").write_bytes(png(VALUES[..., :3]))
    notice = "out.tif is written with 8 bits per channel and the reference has 16; a .png file keeps them"
    assert main(["reshuffle", "in.png", "-o", "out.tif", *QUICK]) == 0
    assert capsys.readouterr().err.splitlines()[0] == f"gpdm: {notice}"
    assert main(["reshuffle", "in.png", "-o", "out.tif", "--bits", "8", *QUICK]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_one_reference_of_16_bits_among_others_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deep.png").write_bytes(png(VALUES[..., :3]))
    Image.fromarray((VALUES[..., :3] >> 8).astype(np.uint8)).save("plain.png")
    assert main(["reshuffle", "plain.png", "deep.png", "-o", "out.png", *QUICK]) == 0
    assert read_picture(Path("out.png")).bits == 16


def test_kept_pixels_of_16_bits_stay_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.png").write_bytes(png(VALUES[..., :3]))
    Image.new("L", (31, 26), 255).save("all.png")
    assert main(["reshuffle", "in.png", "-o", "out.png", "--keep", "all.png", *QUICK]) == 0
    assert np.array_equal(read(Path("out.png")), VALUES[..., :3])


@pytest.mark.parametrize("name", ["out.jpg", "out.webp", "out.tif"])
def test_16_bits_in_another_format_are_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.png").write_bytes(png(VALUES[..., :3]))
    assert main(["reshuffle", "in.png", "-o", name, "--bits", "16", *QUICK]) == 2
    error = f"cannot write {name} with 16 bits per channel; use .png, or --bits 8 (reference: in.png)"
    assert capsys.readouterr().err == f"gpdm: {error}\n"
    assert not Path(name).exists()


@pytest.mark.parametrize(
    "encoded",
    [tiff(VALUES[..., :3], packed=True, planes=True), b"P6 31 26 65535\n" + VALUES[..., :3].astype(">u2").tobytes()],
    ids=["TIFF in planes", "PPM"],
)
def test_colours_that_pillow_reads_with_8_bits_only_are_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, encoded: bytes
) -> None:
    path = tmp_path / "in"
    path.write_bytes(encoded)
    assert read(path, 255) == pytest.approx(VALUES[..., :3] / 257, abs=1)
    assert caplog.messages == [f"{path}: it has more than 8 bits per channel, of which 8 are used"]
    assert read_picture(path).bits == 8


@pytest.mark.parametrize(
    ("kind", "mark", "offset", "change"),
    [("JPEG2000", b"\xff\x4f\xff\x51", 42, 8), ("AVIF", b"av1C", 6, 64)],
)
def test_more_than_8_bits_are_noticed_in_formats_that_pillow_decodes_to_8(
    kind: str, mark: bytes, offset: int, change: int
) -> None:
    """Pillow cannot write such files; the depth that the header tells is changed."""
    stored = io.BytesIO()
    Image.fromarray((VALUES[..., :3] >> 8).astype(np.uint8)).save(stored, kind)
    data = bytearray(stored.getvalue())
    with Image.open(stored) as picture:
        assert isinstance(picture, ImageFile.ImageFile)
        assert not is_deep(picture, bytes(data))
        data[data.index(mark) + offset] += change
        assert is_deep(picture, bytes(data))
        assert not is_deep(picture, b"")


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (tiff(VALUES[..., :3], planes=True), "16-bit colours in separate planes"),
        (tiff(VALUES[..., :2].astype(np.uint8), packed=True, planes=True), "grey and alpha in separate planes"),
        (tiff(VALUES[..., :2].astype(np.uint8), planes=True), "grey and alpha in separate planes"),
    ],
    ids=["16 bits", "compressed grey+alpha", "grey+alpha"],
)
def test_planes_that_pillow_misreads_are_refused(tmp_path: Path, encoded: bytes, message: str) -> None:
    (tmp_path / "in.tif").write_bytes(encoded)
    with pytest.raises(GPDMError, match=rf"in\.tif: it has {message}"):
        read_picture(tmp_path / "in.tif")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_other_planes_are_read_exactly(tmp_path: Path, channels: int, packed: bool) -> None:
    values = VALUES[..., :channels].astype(np.uint8)
    (tmp_path / "in.tif").write_bytes(tiff(values, packed=packed, planes=True))
    assert np.array_equal(read(tmp_path / "in.tif", 255), values)


def test_a_16_bit_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"the old picture")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        save_image(torch.zeros(1, 3, 4, 4), target, 16)
    assert target.read_bytes() == b"the old picture" and len(list(tmp_path.iterdir())) == 1
