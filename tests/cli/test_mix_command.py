"""The command `gpdm mix`: files in, a file out, one line for every mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli.edit_files import CPU, values

from gpdm import MIX, describe
from gpdm.cli.main import build_parser, main

QUICK = ["--quality", "fast", "--num-steps", "2", "--fine-steps", "2", "--num-proj", "2", *CPU]


@pytest.fixture(autouse=True)
def files(edit_folder: Path) -> Path:
    """A working folder with in.png and other.png, and more."""
    return edit_folder


def run(*arguments: str, out: str = "out.png") -> int:
    return main(["mix", *arguments, "-o", out, *QUICK])


@pytest.mark.parametrize("mode", ["patchwork", "blend", "scattered"])
def test_two_pictures(mode: str) -> None:
    assert run("in.png", "other.png", "--mode", mode) == 0
    assert values("out.png").shape == (36, 40, 3)


def test_three_pictures_with_a_gradient() -> None:
    assert run("in.png", "other.png", "red.png", "--gradient", "top to bottom", "--output-height", "60") == 0
    assert values("out.png").shape == (60, 40, 3)


@pytest.mark.parametrize("more", [["--weights", "1", "1"], ["--weights", ".2", ".2"]])
def test_only_ratios_of_weights_count(more: list[str]) -> None:
    assert run("in.png", "other.png") == run("in.png", "other.png", *more, out="again.png") == 0
    assert np.array_equal(values("out.png"), values("again.png"))


def test_a_weight_of_0_leaves_a_picture_out() -> None:
    assert run("in.png", "other.png", "--weights", "1", "0") == 0
    assert main(["reshuffle", "in.png", "-o", "again.png", *QUICK]) == 0
    assert np.array_equal(values("out.png"), values("again.png"))


def test_the_help_page_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args(["mix", "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert MIX.summary in said
    for part in ("own", "loss", "pyramid", "optimizer", "output"):
        for spec in describe(getattr(MIX.settings, part)):
            assert f"--{spec.name.replace('_', '-')} " in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.png"], "mix needs at least two pictures"),
        (["in.png", "other.png", "--weights", "1"], "--weights has 1 number(s) for 2 pictures; give one for each"),
        (
            ["in.png", "other.png", "--weights", "1", "-1"],
            "weights = -1.0 is not allowed: it must be a number, at least 0",
        ),
        (["in.png", "other.png", "--weights", "1", "nan"], "weights = nan is not allowed"),
        (["in.png", "other.png", "--weights", "0", "0"], "--weights are all 0; give at least one above 0"),
        (["in.png", "other.png", "--quality", "draft"], "use quality fast"),
        (["in.png", "none.png"], "there is no file none.png"),
        (["in.png", "other.png", "--init", "red.png", "--source", "noise"], "contradict each other"),
    ],
)
def test_a_mistake_is_one_line_and_no_file(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mix", *arguments, "-o", "out.png", *CPU]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said and "\n" not in said
    assert not Path("out.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "1", "2"], "reference"),
        (["in.png", "other.png", "--weights", "1", "a"], "invalid float value: 'a'"),
    ],
)
def test_arguments_that_cannot_be_read_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    said = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and message in said and "\n" not in said
