"""The command `gpdm loop`: a picture in, an animation or numbered files out, one line for every mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cli.edit_files import CPU, HOLE, values
from PIL import Image, ImageSequence

from gpdm import LOOP, describe
from gpdm.cli.animations import save_animation
from gpdm.cli.main import build_parser, main
from library.problems import picture

QUICK = ["--frames", "4", "--num-steps", "1", *CPU]
ANIMATIONS = pytest.mark.parametrize("suffix", ["webp", "gif", "png", "apng"])


@pytest.fixture(autouse=True)
def files(edit_folder: Path) -> Path:
    """A working folder with in.png and other.png, and more."""
    return edit_folder


def run(*arguments: str, out: str = "out.webp") -> int:
    return main(["loop", *arguments, "-o", out, *QUICK])


def frames_of(name: str) -> list[np.ndarray]:
    """The frames of an animation as RGBA, (H, W, 4)."""
    with Image.open(name) as image:
        return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]


@ANIMATIONS
def test_an_animation_that_repeats_for_ever(suffix: str) -> None:
    assert run("in.png", "--fps", "20", out=f"out.{suffix}") == 0
    frames = frames_of(f"out.{suffix}")
    assert len(frames) == 4 and {frame.shape for frame in frames} == {(36, 40, 4)}
    with Image.open(f"out.{suffix}") as image:
        image.load()
        assert image.info["loop"] == 0 and round(image.info["duration"]) == 50
    assert all((frame[..., 3] == 255).all() for frame in frames)
    assert not np.array_equal(frames[0], frames[1])


@ANIMATIONS
def test_colours_stay_near_those_of_the_frames(suffix: str) -> None:
    given = torch.cat([picture(36, 40, seed=seed) for seed in range(3)])
    assert save_animation(given, Path(f"out.{suffix}"), 10) == [Path(f"out.{suffix}")]
    for frame, expected in zip(frames_of(f"out.{suffix}"), given, strict=True):
        difference = frame[..., :3] / 127.5 - 1 - expected.movedim(0, -1).numpy()
        limit = 0.005 if suffix.endswith("png") else 0.08
        assert np.abs(difference).mean() < limit and abs(difference.mean()) < 0.02


@ANIMATIONS
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_of_picture(suffix: str, channels: int) -> None:
    given = torch.cat([picture(20, 24, channels, seed) for seed in range(3)])
    if channels in (2, 4):
        given[:, -1] = 1
        given[:, -1, :, :8] = -1
    save_animation(given, Path(f"out.{suffix}"), 10)
    for frame in frames_of(f"out.{suffix}"):
        opaque = frame[..., 3] == 255
        assert (opaque == (np.arange(24) >= 8) if channels in (2, 4) else opaque).all()


def test_in_a_gif_what_is_still_does_not_flicker() -> None:
    Image.fromarray((np.arange(40) > 20)[None].repeat(36, 0)).convert("L").save("right.png")
    assert run("in.png", "--mask", "right.png", out="out.gif") == 0
    frames = frames_of("out.gif")
    assert all(np.array_equal(frame[:, :20], frames[0][:, :20]) for frame in frames)
    assert not np.array_equal(frames[0][:, 24:], frames[1][:, 24:])


def test_a_gif_that_cannot_have_the_speed_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    save_animation(picture().repeat(2, 1, 1, 1), Path("out.gif"), 24)
    assert run("in.png", "--fps", "24", out="out.gif") == 0
    assert "25 frames per second, not 24" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("f_%03d.png", ["f_001.png", "f_002.png", "f_003.png", "f_004.png"]),
        ("f%d.png", ["f1.png", "f2.png", "f3.png", "f4.png"]),
        ("new/frames", ["new/frames/001.png", "new/frames/002.png", "new/frames/003.png", "new/frames/004.png"]),
    ],
)
def test_numbered_files(out: str, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("in.png", "--mask", "hole.png", out=out) == 0
    assert capsys.readouterr().out.split() == expected
    for name in expected:
        assert np.array_equal(values(name)[~HOLE], values("in.png")[~HOLE])


def test_the_mask_may_be_the_transparency_of_the_picture() -> None:
    assert run("painted.png", "--mask", "painted.png", out="f%d.png") == 0
    assert values("f1.png").shape == (36, 40, 3)
    assert np.array_equal(values("f2.png")[~HOLE], values("in.png")[~HOLE])


@pytest.mark.parametrize("motion", ["sway", "shimmer"])
def test_the_same_seed_gives_the_same_file(motion: str) -> None:
    for out, seed in (("a.png", "1"), ("b.png", "1"), ("c.png", "2")):
        assert run("in.png", "--motion", motion, "--seed", seed, out=out) == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes() != Path("c.png").read_bytes()


def test_the_help_page_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args(["loop", "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert LOOP.summary in said
    for flag in ("mask", "fps", "seed", *(spec.name.replace("_", "-") for spec in describe(LOOP.options))):
        assert f"--{flag} " in said


@pytest.mark.parametrize(
    ("arguments", "out", "message"),
    [
        (["none.png"], "out.webp", "there is no file none.png"),
        (["in.png"], "out.mp4", "cannot write out.mp4: an animation is one of .webp, .gif, .png, .apng"),
        (["in.png"], "out.jpg", "cannot write out.jpg: an animation is one of"),
        (["in.png"], "f_%03d.gif", "cannot write f_%03d.gif: numbered frames are PNG files"),
        (["in.png"], "f_%d_%d.png", "it has more than one place for a number"),
        (["in.png"], "in.png/frames", "is a file, not a folder"),
        (["in.png", "--fps", "0"], "out.gif", "fps = 0.0 is not allowed: it must be a number from 0.1 to 50"),
        (["in.png", "--fps", "nan"], "out.gif", "fps = nan is not allowed"),
        (["in.png", "--frames", "1"], "out.gif", "frames = 1 is not allowed"),
        (["in.png", "--mask", "black.png"], "out.gif", "the mask of what moves is empty"),
        (["in.png", "--memory", "1"], "out.gif", "4 pictures of 40x36 need"),
    ],
)
def test_a_mistake_is_one_line_and_no_file(
    arguments: list[str], out: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(Path().rglob("*"))
    assert main(["loop", "--frames", "4", *arguments, "-o", out, *CPU]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said and "\n" not in said
    assert sorted(Path().rglob("*")) == before


def test_a_failed_write_leaves_the_old_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out.webp").write_bytes(b"old")

    def fail(*args: object, **more: object) -> None:
        Path(str(args[1])).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    assert run("in.png") == 2
    assert "cannot write out.webp: No space left on device" in capsys.readouterr().err
    assert Path("out.webp").read_bytes() == b"old" and not list(Path().glob(".out*"))


def test_an_animation_is_no_picture_to_move(capsys: pytest.CaptureFixture[str]) -> None:
    save_animation(picture().repeat(2, 1, 1, 1) * torch.tensor([1.0, -1.0])[:, None, None, None], Path("two.png"), 10)
    assert run("two.png") == 2
    assert "there are 2 pictures, and a loop is made of one" in capsys.readouterr().err
