"""Picture files as people have them: cut off, with long texts, of unusual modes, too large, or no pictures at all."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.formats import tiff, values
from PIL import Image, ImageCms, ImageFile

from gpdm import GPDMError
from gpdm.cli.main import main
from gpdm.cli.pictures import read_mask, read_picture

NOISE = np.random.default_rng(0).integers(0, 256, (32, 40, 4), dtype=np.uint8)
QUICK = ["--num-steps", "2", "--num-proj", "2", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cut(name: str, size: float = 0.6, **options: Any) -> None:
    """Writes a noise picture and cuts its file off."""
    Image.fromarray(NOISE[..., :3]).save(name, **options)
    data = Path(name).read_bytes()
    Path(name).write_bytes(data[: round(len(data) * size)])


@pytest.mark.parametrize("name", ["in.png", "in.jpg", "in.tif", "in.bmp", "in.gif"])
def test_a_file_that_is_cut_off_is_used_as_far_as_it_goes(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    cut(name)
    assert main(["reshuffle", name, "-o", "out.png", *QUICK]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"gpdm: {name} is damaged (") and said[0].endswith(
        "; it is used as far as it can be read, and a missing part is black or grey"
    )
    assert len(said) == 2  # and the time it took
    assert (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS) == (False, 89478485)


def test_the_part_of_a_png_before_the_cut_is_right(folder: Path) -> None:
    cut("in.png")
    assert np.array_equal(values("in.png")[:15], NOISE[:15, :, :3])


@pytest.mark.parametrize("name", ["in.png", "in.jpg", "in.tif", "in.webp"])
def test_a_file_without_a_pixel_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    cut(name, 0.0)
    data = Path(name)
    cut(name, 1.0)
    data.write_bytes(data.read_bytes()[:40])
    assert main(["reshuffle", name, "-o", "out.png", *QUICK]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"gpdm: {name}") and len(error.splitlines()) == 1


def test_a_picture_of_which_no_pixel_was_decoded_is_refused(folder: Path) -> None:
    """Nobody could do anything with what Pillow makes of it, an area of black."""
    cut("in.png", 1.0)
    data = Path("in.png").read_bytes()
    Path("in.png").write_bytes(data[: data.index(b"IDAT") + 8])
    with pytest.raises(GPDMError, match=r"in\.png: it cannot be read as a picture"):
        read_picture(Path("in.png"))


def test_pillow_warns_of_nothing(folder: Path) -> None:
    Image.fromarray(NOISE).save("in.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.array_equal(values("in.png"), NOISE)
    assert not caught


def test_too_little_memory_while_decoding_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    cut("in.png", 1.0)
    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(GPDMError, match=r"in\.png: it does not fit in the memory; make it smaller"):
        read_picture(Path("in.png"))


def test_too_little_memory_after_decoding_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    cut("in.png", 1.0)
    picture = read_picture(Path("in.png"))
    monkeypatch.setattr("torch.Tensor.__mul__", fail)
    with pytest.raises(GPDMError, match=r"in\.png: it does not fit in the memory; make it smaller"):
        _ = picture.images


def test_a_file_that_does_not_fit_in_the_memory_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise MemoryError

    cut("in.png", 1.0)
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(GPDMError, match=r"in\.png does not fit in the memory; make it smaller"):
        read_picture(Path("in.png"))


def test_a_claimed_size_that_does_not_fit_is_refused_at_once(folder: Path) -> None:
    Path("in.ppm").write_bytes(b"P6 60000 60000 255\n" + bytes(100))
    tracemalloc.start()
    with pytest.raises(
        GPDMError, match=r"in\.ppm: reading 60000x60000 pixels needs 121 GiB of memory and 1024 MiB are"
    ):
        read_picture(Path("in.ppm"), memory=2**30)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_picture_within_the_memory_is_read_without_a_word(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow would warn of it above its limit, and refuse it above twice that."""
    Image.fromarray(NOISE).save("in.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.array_equal(values("in.png"), NOISE)
    assert not caught and not caplog.messages
    assert Image.MAX_IMAGE_PIXELS == 100
    with pytest.raises(GPDMError, match=r"in\.png: reading 40x32 pixels needs 0 MiB"):
        read_picture(Path("in.png"), memory=36 * 40 * 32 - 1)


def test_a_file_larger_than_the_memory_is_not_read(folder: Path) -> None:
    Path("in.png").write_bytes(bytes(2000))
    with pytest.raises(GPDMError, match=r"in\.png has 0 MiB, which do not fit in the memory"):
        read_picture(Path("in.png"), memory=1000)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(folder: Path, suffix: str, orientation: int) -> None:
    """The eight ways to store the same picture: dark above and, within the upper half, on the left darkest."""
    shown = np.full((16, 24), 250, np.uint8)
    shown[:8] = 120
    shown[:8, :8] = 10
    turned = {1: shown, 2: shown[:, ::-1], 3: shown[::-1, ::-1], 4: shown[::-1], 5: shown.T}
    turned |= {6: np.rot90(shown), 7: shown[::-1, ::-1].T, 8: np.rot90(shown, -1)}
    exif = Image.Exif()
    exif[274] = orientation
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(np.ascontiguousarray(turned[orientation])).save(f"in.{suffix}", exif=exif, **options)
    assert values(f"in.{suffix}")[..., 0] == pytest.approx(shown, abs=6)


def lab() -> Image.Image:
    srgb, target = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(Image.new("RGB", (9, 8), (200, 90, 40)), srgb, target, outputMode="LAB")
    assert converted is not None
    return converted


@pytest.mark.parametrize(
    ("name", "picture", "options", "expected"),
    [
        ("in.jpg", Image.new("CMYK", (9, 8), (0, 255, 255, 0)), {}, (255, 0, 0)),
        ("in.tif", Image.new("CMYK", (9, 8), (0, 255, 255, 0)), {}, (255, 0, 0)),
        ("in.tif", Image.new("RGB", (9, 8), (254, 0, 0)), {"compression": "jpeg", "quality": 100}, (254, 0, 0)),
        ("in.tif", lab(), {}, (200, 90, 40)),
        ("in.png", Image.new("LA", (9, 8), (70, 130)), {}, (70, 130)),
        ("in.png", Image.new("1", (9, 8), 1), {}, (255,)),
        ("in.tif", Image.new("1", (9, 8), 1), {}, (255,)),
        ("in.png", Image.new("RGB", (9, 8), (1, 2, 3)).quantize(2), {"transparency": b"\x80\x80"}, (1, 2, 3, 128)),
        ("in.png", Image.new("RGB", (9, 8), (1, 2, 3)).quantize(2), {"transparency": 0}, (1, 2, 3, 0)),
        ("in.gif", Image.new("RGB", (9, 8), (1, 2, 3)).quantize(2), {"transparency": 0}, (1, 2, 3, 0)),
        ("in.png", Image.new("RGB", (9, 8), (1, 2, 3)), {"transparency": (1, 2, 3)}, (1, 2, 3, 0)),
        ("in.png", Image.new("L", (9, 8), 7), {"transparency": 7}, (7, 0)),
        ("in.ico", Image.new("RGBA", (9, 8), (1, 2, 3, 4)), {"sizes": [(9, 8)]}, (1, 2, 3, 4)),
        ("in.bmp", Image.new("RGB", (9, 8), (1, 2, 3)), {}, (1, 2, 3)),
        ("in.tga", Image.new("RGBA", (9, 8), (1, 2, 3, 4)), {}, (1, 2, 3, 4)),
        ("in.jp2", Image.new("RGB", (9, 8), (10, 20, 30)), {}, (10, 20, 30)),
    ],
)
def test_pictures_of_unusual_modes_have_the_right_colours(
    folder: Path, name: str, picture: Image.Image, options: dict[str, Any], expected: tuple[int, ...]
) -> None:
    picture.save(name, **options)
    assert values(name).reshape(72, -1) == pytest.approx(np.tile(expected, (72, 1)), abs=1)


@pytest.mark.parametrize("name", ["in.png", "IN.PNG", "a b.png", "bäüme.png", "no_suffix", "in.jpg.png"])
def test_names_may_be_unusual(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(NOISE[..., :3]).save(name, "PNG")
    assert main(["reshuffle", name, "-o", f"new {name}.PNG", *QUICK]) == 0
    assert capsys.readouterr().out == f"new {name}.PNG\n"


def test_an_output_may_replace_its_input(folder: Path) -> None:
    Image.fromarray(NOISE[..., :3]).save("in.png")
    before = Path("in.png").read_bytes()
    assert main(["reshuffle", "in.png", "-o", "in.png", *QUICK]) == 0
    assert Path("in.png").read_bytes() != before and values("in.png").shape == (32, 40, 3)


UNKNOWN = "that is cut off, damaged, or of a kind that Pillow cannot read; save it again"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "in.png is empty; save the picture again"),
        (b"hello", "in.png: it is not a picture that Pillow can read; convert it to PNG"),
        (b"\x76\x2f\x31\x01" + bytes(100), f"in.png: it is an OpenEXR file {UNKNOWN} as PNG"),
        (None, "there is no file in.png; check the path"),
        ("folder", "in.png is a folder; give the name of a picture file"),
        ("pipe", "in.png is a pipe or a device; save the picture to a file first"),
        ("secret", "in.png cannot be read: Permission denied; check the path"),
    ],
    ids=["empty", "text", "EXR", "missing", "folder", "pipe", "unreadable"],
)
@pytest.mark.parametrize(
    "arguments", [["reshuffle", "in.png"], ["style", "ref.png", "in.png"], ["eval", "ref.png", "in.png"]]
)
def test_what_is_no_picture_is_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | str | None,
    message: str,
    arguments: list[str],
) -> None:
    Image.new("RGB", (50, 50)).save("ref.png")
    path = Path("in.png")
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content == "secret":  # a file of mode 0 could be read by root
        path.write_bytes(b"x")
        monkeypatch.setattr(Path, "read_bytes", refused)
        arguments = [x.replace("ref.png", "in.png") for x in arguments]
    elif isinstance(content, bytes):
        path.write_bytes(content)
    flags = ["--device", "cpu"] if arguments[0] == "eval" else ["-o", "out.png", *QUICK]
    assert main([*arguments, *flags]) == 2
    assert capsys.readouterr().err == f"gpdm: {message}\n"


def refused(path: Path) -> bytes:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(9), f"a PNG file {UNKNOWN}"),
        (tiff(np.zeros((9, 9, 3), np.uint8))[:-90], f"a TIFF file {UNKNOWN} as PNG"),
        (tiff(np.zeros((9, 9, 3), np.float32)), f"a TIFF file {UNKNOWN} as PNG"),
        (tiff(np.zeros((9, 9, 1), np.uint32), ">"), f"a TIFF file {UNKNOWN} as PNG"),
        (b"\xff\xd8\xff\xe0\0", f"a JPEG file {UNKNOWN} as PNG"),
        (b"RIFF\x20\0\0\0WEBP", f"a WebP file {UNKNOWN} as PNG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", f"an HEIC file {UNKNOWN} as PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", f"a JPEG XL file {UNKNOWN} as PNG"),
        (b"<svg></svg>", f"an SVG file {UNKNOWN} as PNG"),
        (b"\0\0\0\x18ftypmp42", "not a picture that Pillow can read; convert it to PNG"),
    ],
    ids=["PNG", "cut TIFF", "float TIFF", "uint32 TIFF", "JPEG", "WebP", "HEIC", "JPEG XL", "SVG", "film"],
)
def test_the_format_of_what_pillow_cannot_read_is_named(folder: Path, content: bytes, message: str) -> None:
    Path("in").write_bytes(content)
    with pytest.raises(GPDMError) as refusal:
        read_picture(Path("in"))
    assert str(refusal.value) == f"in: it is {message}"


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate"])
def test_the_libraries_under_pillow_write_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str], compression: str
) -> None:
    """They write to the file descriptor, past `sys.stderr`, and afterwards it works as before."""
    Image.fromarray(NOISE[..., :3]).save("in.tif", compression=compression)
    data = bytearray(Path("in.tif").read_bytes())
    half = len(data) // 2
    data[half : half + 200] = bytes(x ^ 85 for x in data[half : half + 200])
    Path("in.tif").write_bytes(data)
    with pytest.raises(GPDMError, match=r"^in\.tif: it cannot be read as a picture: its data cannot be decoded; save"):
        read_picture(Path("in.tif"))
    assert capfd.readouterr() == ("", "")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


@pytest.mark.parametrize("size", [(1, 1), (1, 24), (24, 1)])
def test_pictures_of_one_pixel_are_read_and_named_where_a_patch_does_not_fit(
    folder: Path, capsys: pytest.CaptureFixture[str], size: tuple[int, int]
) -> None:
    Image.new("RGB", size, (1, 2, 3)).save("in.png")
    assert values("in.png").shape == (size[1], size[0], 3)
    assert main(["reshuffle", "in.png", "-o", "out.png", *QUICK]) == 2
    error = capsys.readouterr().err
    assert error.endswith("(reference: in.png)\n") and len(error.splitlines()) == 1


def test_a_mask_in_colour_is_its_brightness(folder: Path) -> None:
    Image.new("RGB", (2, 1), (255, 0, 0)).save("mask.png")
    assert read_mask(Path("mask.png")).flatten().tolist() == pytest.approx([0.299, 0.299])


def test_a_mask_of_16_bits_is_its_brightness(folder: Path) -> None:
    Image.fromarray(np.array([[0, 32768, 65535]], np.uint16)).save("mask.png")
    assert read_mask(Path("mask.png")).flatten().tolist() == pytest.approx([0, 0.5, 1], abs=1e-4)
