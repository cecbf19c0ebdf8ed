"""The command `gpdm distribution`, and its files in place of references."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.edit_files import CPU, values
from PIL import Image

from gpdm.cli.main import main

QUICK = ["--quality", "fast", "--num-steps", "2", "--fine-steps", "2", "--num-proj", "2", *CPU]


LOOK: list[bytes] = []
"""Content of the saved distribution of in.png, made once."""


@pytest.fixture(autouse=True)
def files(edit_folder: Path) -> Path:
    """A working folder with in.png, other.png and masks, and look.safetensors, saved from in.png."""
    if not LOOK:
        assert main(["distribution", "save", "in.png", "-o", "look.safetensors", *CPU]) == 0
        LOOK.append(Path("look.safetensors").read_bytes())
    Path("look.safetensors").write_bytes(LOOK[0])
    return edit_folder


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_show_says_what_a_file_holds(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys, "distribution", "show", "look.safetensors")
    with Image.open("in.png") as picture:
        assert found["size"] == f"{picture.width}x{picture.height}"
    assert found["patch_sizes"] == [1, 3, 7] and found["names"] == []


def test_names_are_saved_only_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert b"in.png" not in Path("look.safetensors").read_bytes()
    save = ["distribution", "save", "in.png", "other.png", "-o", "two.safetensors", "--names", *CPU]
    assert report(capsys, *save)["names"] == ["in.png", "other.png"]


def test_the_same_pictures_give_the_same_file() -> None:
    assert main(["distribution", "save", "in.png", "-o", "again.safetensors", *CPU]) == 0
    assert Path("again.safetensors").read_bytes() == Path("look.safetensors").read_bytes()


def test_a_mask_changes_what_is_saved() -> None:
    assert main(["distribution", "save", "in.png", "--mask", "hole.png", "-o", "masked.safetensors", *CPU]) == 0
    assert Path("masked.safetensors").read_bytes() != Path("look.safetensors").read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["reshuffle", "look.safetensors"],
        ["style", "look.safetensors", "other.png"],
        ["regions", "look.safetensors", "in.png", "hole.png"],
        ["mix", "look.safetensors", "look.safetensors"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_tasks_take_a_file_as_reference(arguments: list[str]) -> None:
    assert main([*arguments, *QUICK, "-o", "out.png"]) == 0
    assert values("out.png").shape == values("in.png").shape


def test_match_look_takes_a_file_as_reference() -> None:
    assert main(["match-look", "look.safetensors", "other.png", *CPU, "-o", "out.png"]) == 0
    assert values("out.png").shape == values("other.png").shape


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["distribution", "save", "in.png", "-o", "look.png"], "must end in .safetensors"),
        (["distribution", "save", "no.png", "-o", "a.safetensors"], "there is no file no.png"),
        (["distribution", "save", "look.safetensors", "-o", "a.safetensors"], "saved distribution already"),
        (
            ["distribution", "save", "in.png", "--weight", "1", "--weight", "2", "-o", "a.safetensors"],
            "appears 2 times",
        ),
        (["distribution", "save", "in.png", "--weight", "-1", "-o", "a.safetensors"], "weight = -1"),
        (["distribution", "save", "in.png", "--patch-size", "64", "-o", "a.safetensors"], "patch_size = 64"),
        (["distribution", "save", "white.png", "-o", "a.safetensors"], "one colour everywhere"),
        (["distribution", "show", "in.png"], "in.png is damaged, or no safetensors file"),
        (["reshuffle", "broken.safetensors", "-o", "out.png"], "broken.safetensors is damaged"),
        (["reshuffle", "look.safetensors", "--mask", "hole.png", "-o", "out.png"], "no pixels to mask"),
        (["reshuffle", "look.safetensors", "in.png", "-o", "out.png"], "one of the references is a picture"),
        (["reshuffle", "look.safetensors", "--quality", "draft", "-o", "out.png"], "nearest neighbours"),
        (["retarget", "look.safetensors", "-o", "out.png"], "source reference starts from the reference"),
        (["match-grain", "look.safetensors", "in.png", "-o", "out.png"], "grain is measured"),
        (["match-texture", "look.safetensors", "in.png", "--colours", "keep", "-o", "out.png"], "colours keep"),
        (["style", "look.safetensors", "in.png", "--keep-colours", "yes", "-o", "out.png"], "keep_colours changes"),
        (["eval", "look.safetensors", "in.png"], "a safetensors file and no picture"),
        (["inpaint", "in.png", "hole.png", "--reference", "look.safetensors", "-o", "out.png"], "no picture"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.safetensors").write_bytes(Path("look.safetensors").read_bytes()[:-9])
    capsys.readouterr()
    assert main([*arguments, *CPU]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert word in lines[-1] and not Path("a.safetensors").exists() and not Path("out.png").exists()
