"""The command `gpdm regions`: files in, a file out, one line for every mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli.edit_files import CPU, values
from PIL import Image

from gpdm import REGIONS, describe
from gpdm.cli.main import build_parser, main

QUICK = ["--quality", "fast", "--num-steps", "2", "--fine-steps", "2", "--num-proj", "2", *CPU]


@pytest.fixture(autouse=True)
def files(edit_folder: Path) -> Path:
    """A working folder with in.png and other.png, and masks: left.png and right.png (32 x 28), and more."""
    left = np.zeros((28, 32), bool)
    left[:, :12] = True
    for name, mask in (("left", left), ("right", left[:, ::-1])):
        Image.fromarray(mask).convert("L").save(f"{name}.png")
    return edit_folder


def run(*arguments: str, out: str = "out.png") -> int:
    return main(["regions", *QUICK, *arguments, "-o", out])


def test_the_output_has_the_size_of_the_mask() -> None:
    assert run("in.png", "other.png", "left.png") == 0
    assert values("out.png").shape == (28, 32, 3)


@pytest.mark.parametrize(
    ("flags", "size"),
    [(["--output-width", "40", "--output-height", "30"], (30, 40)), (["--width-factor", "2"], (28, 64))],
)
def test_options_set_another_size(flags: list[str], size: tuple[int, int]) -> None:
    assert run("in.png", "other.png", "left.png", *flags) == 0
    assert values("out.png").shape[:2] == size


def test_a_is_where_the_mask_is_white_and_b_elsewhere() -> None:
    assert run("white.png", "black.png", "left.png", "--num-steps", "100", "--fine-steps", "100") == 0
    made = values("out.png")
    assert made[:, :8].mean() > 240 and made[:, 18:].mean() < 15


def test_a_mask_may_be_the_transparency_of_a_file() -> None:
    Image.merge("LA", [Image.new("L", (40, 36)), Image.open("hole.png").point(lambda v: 255 - v)]).save("painted.png")
    assert run("in.png", "other.png", "hole.png") == run("in.png", "other.png", "painted.png", out="again.png") == 0
    assert np.array_equal(values("out.png"), values("again.png"))


def test_three_pictures_and_masks_of_another_size() -> None:
    assert run("in.png", "other.png", "left.png", "--region", "red.png", "hole.png") == 0
    assert values("out.png").shape == (28, 32, 3)


def test_a_picture_to_start_from_is_scaled_to_the_output() -> None:
    start = ["--init", "red.png", "--num-steps", "1", "--fine-steps", "1", "--lr", "1e-4", "--image-noise-sigma", "0"]
    assert run("in.png", "other.png", "left.png", *start) == 0
    made = values("out.png")
    assert made.shape == (28, 32, 3)
    assert made[..., 0].mean() > 240 and made[..., 1:].mean() < 15


def test_the_help_page_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args(["regions", "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert REGIONS.summary in said and "--region IMAGE MASK" in said
    for part in ("loss", "pyramid", "optimizer", "output"):
        for spec in describe(getattr(REGIONS.settings, part)):
            assert f"--{spec.name.replace('_', '-')} " in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.png", "other.png", "black.png"], "region 1 is black"),
        (["in.png", "other.png", "white.png"], "the reference without a region is not used"),
        (["in.png", "other.png", "left.png", "--region", "red.png", "black.png"], "region 2 is black"),
        (["in.png", "other.png", "left.png", "--region", "red.png", "none.png"], "there is no file none.png"),
        (["in.png", "none.png", "left.png"], "there is no file none.png"),
        (["in.png", "other.png", "left.png", "--output-width", "3"], "a larger output"),
        (["in.png", "other.png", "left.png", "--num-proj", "0"], "num_proj"),
        (["in.png", "other.png", "left.png", "--init", "red.png", "--source", "noise"], "contradict each other"),
        (["in.png", "other.png", "left.png", "--source", "image"], "source image needs a start picture"),
    ],
)
def test_a_mistake_is_one_line_and_no_file(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--quality", "fast", "--num-steps", "2"]
    assert main(["regions", *arguments, "-o", "out.png", *flags, *CPU]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said and "\n" not in said
    assert not Path("out.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.png", "left.png"], "MASK"),
        (["in.png", "other.png", "red.png", "left.png"], "unrecognized arguments: left.png"),
        (["in.png", "other.png", "left.png", "--region", "red.png"], "expected 2 arguments"),
    ],
)
def test_a_wrong_number_of_files_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    said = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and message in said and "\n" not in said
