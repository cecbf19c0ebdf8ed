"""Pictures with different channels in the terminal: one form for all, and one line that says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpdm.cli.main import main

QUICK = ["--num-steps", "2", "--num-proj", "2", "--device", "cpu"]
MODES = ("L", "LA", "RGB", "RGBA")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a picture of every mode; the left half of LA and RGBA is transparent."""
    monkeypatch.chdir(tmp_path)
    colours = Image.merge("RGB", [Image.radial_gradient("L").rotate(90 * i).resize((52, 48)) for i in range(3)])
    alpha = Image.new("L", colours.size, 255)
    alpha.paste(0, (0, 0, 26, 48))
    for mode in MODES:
        picture = colours.convert(mode)
        if "A" in mode:
            picture.putalpha(alpha)
        picture.save(f"{mode}.png")
    colours.save("RGB.jpg")
    colours.convert("RGBA").save("opaque.png")
    return tmp_path


@pytest.mark.parametrize("second", MODES)
@pytest.mark.parametrize("first", MODES)
def test_all_mixes_of_references_run(folder: Path, capsys: pytest.CaptureFixture[str], first: str, second: str) -> None:
    assert main(["reshuffle", f"{first}.png", f"{second}.png", "-o", "out.png", *QUICK]) == 0
    colour, alpha = "RGB" in first + second, "A" in first + second
    with Image.open("out.png") as result:
        assert result.mode == ("RGB" if colour else "L") + ("A" if alpha else "")
    notices = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gpdm:")]
    assert len(notices) == (first != second)
    assert all(f"(reference: {first}.png, {second}.png)" in line for line in notices)


@pytest.mark.parametrize("content", MODES)
@pytest.mark.parametrize("style", MODES)
def test_all_mixes_of_style_and_content_run(folder: Path, style: str, content: str) -> None:
    assert main(["style", f"{style}.png", f"{content}.png", "-o", "out.png", *QUICK]) == 0
    with Image.open("out.png") as result, Image.open(f"{content}.png") as start:
        assert result.getbands()[-1:] == (("A",) if "A" in content else result.getbands()[-1:])
        assert ("A" in result.getbands()) is ("A" in content)
        if "A" in content and "A" not in style:
            assert result.getchannel("A").tobytes() == start.getchannel("A").tobytes()


@pytest.mark.parametrize(
    "command", [["reshuffle"], ["texture"], ["retarget"], ["style", "RGB.jpg"], ["paint", "RGB.jpg"]]
)
def test_an_opaque_rgba_is_an_rgb_and_can_be_written_as_jpeg(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    for name in ("opaque.png", "RGB.png"):
        assert main([*command, name, "-o", f"out_{name}", *QUICK]) == 0
    assert Path("out_opaque.png").read_bytes() == Path("out_RGB.png").read_bytes()
    assert main([*command, "opaque.png", "-o", "out.jpg", *QUICK]) == 0
    assert "gpdm:" not in capsys.readouterr().err


def test_transparency_cannot_be_written_as_jpeg(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reshuffle", "RGBA.png", "-o", "out.jpg", *QUICK]) == 2
    assert ".jpg has no transparency and the output has; use .png" in capsys.readouterr().err
    assert main(["style", "RGBA.png", "RGB.png", "-o", "out.jpg", *QUICK]) == 0


def test_a_picture_that_is_transparent_everywhere_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save("empty.png")
    assert main(["reshuffle", "empty.png", "-o", "out.png", *QUICK]) == 2
    assert "reference is transparent everywhere; give a picture with visible pixels (reference: empty.png)" in (
        capsys.readouterr().err
    )


def test_a_constant_channel_stays_constant(folder: Path) -> None:
    Image.merge(
        "RGBA", [*Image.open("RGB.png").split()[:2], Image.new("L", (52, 48), 33), Image.new("L", (52, 48), 200)]
    ).save("blue.png")
    assert main(["reshuffle", "blue.png", "-o", "out.png", *QUICK]) == 0
    result = np.asarray(Image.open("out.png"))
    assert np.unique(result[..., 3]).tolist() == [200]
    assert np.unique(result[..., 2]).tolist() == [33]


@pytest.mark.parametrize("mode", MODES)
def test_eval_compares_pictures_of_all_modes(folder: Path, capsys: pytest.CaptureFixture[str], mode: str) -> None:
    assert main(["eval", "RGB.png", f"{mode}.png", "--maps", "maps.png", "--device", "cpu"]) == 0
    notices = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gpdm:")]
    assert notices == (
        [] if mode == "RGB" else [f"gpdm: RGB.png is RGB, {mode}.png is {KINDS[mode]}; all are used as {COMMON[mode]}"]
    )


KINDS = {"L": "grey", "LA": "grey+alpha", "RGBA": "RGBA"}
COMMON = {"L": "RGB", "LA": "RGBA", "RGBA": "RGBA"}
