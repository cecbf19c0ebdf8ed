"""The command `gpdm daub`: a daub and a palette, which `gpdm paint` takes, and one line for every mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli.edit_files import CPU, values

from gpdm.cli.main import main


@pytest.fixture(autouse=True)
def files(edit_folder: Path) -> Path:
    """A working folder with in.png and other.png, and more."""
    return edit_folder


def test_a_daub_its_palette_and_a_picture_painted_with_it() -> None:
    assert main(["daub", "in.png", "-o", "daub.png", "--palette-out", "palette.png", "--colours", "4", *CPU]) == 0
    made, palette = values("daub.png"), values("palette.png")
    assert made.shape[:2] == (36, 40) and palette.shape == (64, 256, 3)
    colours = {tuple(x) for x in made[..., :3].reshape(-1, 3)}
    assert colours == {tuple(palette[32, 64 * i + 32]) for i in range(4)}
    quick = ["--num-steps", "2", "--fine-steps", "2", "--num-proj", "2", *CPU]
    assert main(["paint", "daub.png", "in.png", "-o", "out.png", *quick]) == 0


def test_the_palette_is_optional() -> None:
    assert main(["daub", "in.png", "-o", "daub.png", *CPU]) == 0
    assert not Path("palette.png").exists() and len(np.unique(values("daub.png"))) > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png", "-o", "out.png"], "there is no file none.png"),
        (["in.png", "-o", "out.png", "--colours", "1"], "colours = 1 is not allowed"),
        (["in.png", "-o", "out.png", "--blur", "1"], "blur = 1.0 is not allowed"),
        (["in.png", "-o", "out.txt"], "its name must end in one of"),
        (["in.png", "-o", "out.png", "--palette-out", "out.txt"], "its name must end in one of"),
        (["in.png", "-o", "out.png", "--palette-out", "out.png"], "give it another name"),
    ],
)
def test_a_mistake_is_one_line_and_no_file(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["daub", *arguments, *CPU]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said and "\n" not in said
    assert not Path("out.png").exists()
