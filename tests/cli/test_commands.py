"""The task commands: files in, files out, one line for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gpdm.cli import files
from gpdm.cli.main import build_parser, main

QUICK = ["--num-steps", "1", "--num-proj", "2", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((30, 24)).convert("RGB").save("ref.png")
    Image.radial_gradient("L").resize((24, 22)).convert("RGB").save("content.png")
    Image.new("RGBA", (24, 24), (9, 99, 199, 128)).save("alpha.png")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        (["reshuffle", "ref.png"], (30, 24)),
        (["reshuffle", "ref.png", "--height", "22"], (28, 22)),
        (["reshuffle", "ref.png", "content.png"], (30, 24)),
        (["reshuffle", "ref.png", "--init", "content.png"], (24, 22)),
        (["retarget", "ref.png", "--width-factor", "1.2"], (36, 24)),
        (["texture", "ref.png", "--width-factor", "2", "--height-factor", "1"], (60, 24)),
        (["texture", "ref.png", "--output-width", "40", "--output-height", "25"], (40, 25)),
        (["style", "ref.png", "content.png"], (24, 22)),
    ],
)
def test_tasks(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], size: tuple[int, int]) -> None:
    assert main([*arguments, "-o", "new/out.png", *QUICK, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["saved"] == ["new/out.png"]
    assert report["levels"][-1]["size"] == [size[1], size[0]]
    assert report["levels"][-1]["steps"] == [1]
    with Image.open("new/out.png") as result:
        assert result.size == size


def test_several_outputs_get_an_index(folder: Path) -> None:
    assert main(["reshuffle", "ref.png", "-o", "out.jpg", "--num-outputs", "10", *QUICK]) == 0
    assert sorted(path.name for path in folder.glob("out*")) == [f"out_{i:02d}.jpg" for i in range(1, 11)]


def test_alpha_is_kept_or_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reshuffle", "alpha.png", "-o", "out.png", *QUICK]) == 0
    with Image.open("out.png") as result:
        assert result.mode == "RGBA"
    assert main(["reshuffle", "alpha.png", "-o", "out.jpg", *QUICK]) == 2
    assert "no transparency" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reshuffle", "no.png", "-o", "out.png"], "there is no file no.png"),
        (["reshuffle", "ref.png", "-o", "out.gif"], "must end in one of"),
        (["reshuffle", "ref.png", "-o", "."], "must end in one of"),
        (["reshuffle", "ref.png", "-o", "out.png", "--pyr-factor", "1.0"], "pyr_factor = 1.0"),
        (["reshuffle", "ref.png", "-o", "out.png", "--height", "100"], "height_factor"),
        (["retarget", "ref.png", "-o", "out.png", "--height-factor", "0.3"], "coarse_dim of at least"),
        (["style", "ref.png", "alpha.png", "-o", "out.png"], "content has 4 channels"),
        (["reshuffle", "ref.png", "alpha.png", "-o", "out.png"], "channels"),
        (["reshuffle", "ref.png", "-o", "out.png", "--init", "content.png", "--source", "noise"], "contradict"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([*arguments, *QUICK]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not list(folder.glob("out*"))


def test_a_broken_picture_is_a_clear_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.png").write_bytes(Path("ref.png").read_bytes()[:60])
    assert main(["reshuffle", "broken.png", "-o", "out.png", *QUICK]) == 2
    assert "cannot be read as a picture" in capsys.readouterr().err


def test_a_failed_write_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out.png").write_bytes(b"the old picture")

    def fail(*arguments: object, **options: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        files.save_picture(Image.new("RGB", (2, 2)), Path("out.png"))
    assert main(["reshuffle", "ref.png", "-o", "out.png", *QUICK]) == 2
    assert Path("out.png").read_bytes() == b"the old picture"
    assert not list(folder.glob(".out*"))


def test_flags_are_generated_with_the_recipe_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    for command, expected in (("style", "default 256"), ("retarget", "default 1.5"), ("reshuffle", "default 21")):
        with pytest.raises(SystemExit):
            build_parser().parse_args([command, "--help"])
        assert expected in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["reshuffle"], "required"),
        (["paint"], "invalid choice"),
        (["reshuffle", "a", "-o", "b", "--lr", "x"], "--lr"),
    ],
)
def test_the_installed_command_answers_a_wrong_call_in_one_line(arguments: list[str], message: str) -> None:
    command = Path(sys.executable).with_name("gpdm")
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr and len(done.stderr.splitlines()) == 1
