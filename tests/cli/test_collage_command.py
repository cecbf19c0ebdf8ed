"""The command `gpdm collage`: files in, a file out, one line for every mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli.edit_files import CPU, values

from gpdm import COLLAGE, CollageOptions, describe
from gpdm.cli.main import build_parser, main


@pytest.fixture(autouse=True)
def files(edit_folder: Path) -> Path:
    """A working folder with in.png and other.png, and more."""
    return edit_folder


def run(*arguments: str) -> int:
    return main(["collage", *arguments, "-o", "out.png", *CPU])


@pytest.mark.parametrize("arrangement", ["row", "column", "grid"])
def test_three_pictures(arrangement: str) -> None:
    assert run("in.png", "other.png", "red.png", "--arrangement", arrangement) == 0
    assert values("out.png").shape[2] == 3


def test_the_first_picture_is_kept_at_the_left() -> None:
    assert run("in.png", "in.png", "--transition", "0.5") == 0
    assert values("out.png").shape == (36, 40 + 40 - 18, 3)
    assert np.array_equal(values("out.png")[:, :22], values("in.png")[:, :22, :3])


def test_a_composition_of_ones_own() -> None:
    assert run("in.png", "other.png", "--init", "in.png") == 0
    assert values("out.png").shape == (36, 40, 3)


def test_the_help_page_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args(["collage", "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert COLLAGE.summary in said and "(default draft)" in said and "--weights" not in said
    for spec in describe(CollageOptions):
        assert f"--{spec.name} " in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.png"], "collage needs at least two pictures, not 1; add another one"),
        (["in.png", "other.png", "--transition", "0.7"], "transition = 0.7 is not allowed"),
        (["in.png", "none.png"], "there is no file none.png"),
    ],
)
def test_a_mistake_is_one_line_and_no_file(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    said = capsys.readouterr().err.strip()
    assert message in said and "\n" not in said
    assert not Path("out.png").exists()
