"""The flags --stop-after and --painted of the commands of tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli.edit_files import CPU, values
from PIL import Image

from gpdm.cli.main import main

QUICK = ["--quality", "fast", "--num-steps", "2", "--fine-steps", "2", "--num-proj", "2", "--coarse-dim", "12", *CPU]
COMMANDS = [
    ["reshuffle", "in.png"],
    ["style", "other.png", "in.png", "--coarse-dim", "12"],
    ["mix", "in.png", "other.png"],
    ["regions", "in.png", "other.png", "hole.png"],
]


@pytest.fixture(autouse=True)
def files(edit_folder: Path) -> Path:
    """A working folder with in.png and other.png, and more."""
    return edit_folder


def run(command: list[str], out: str, *more: str) -> int:
    return main([*command, "-o", out, *QUICK, *more])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_the_picture_of_a_stopped_run_resumes_it(command: list[str]) -> None:
    assert run(command, "whole.png") == 0
    assert run(command, "part.png", "--stop-after", "2") == 0
    assert run(command, "resumed.png", "--stop-after", "2", "--painted", "part.png") == 0
    assert np.array_equal(values("whole.png"), values("resumed.png"))
    assert not np.array_equal(values("part.png"), values("whole.png")[: len(values("part.png"))])


def test_a_painted_picture_changes_the_result() -> None:
    assert run(COMMANDS[0], "whole.png") == run(COMMANDS[0], "part.png", "--stop-after", "1") == 0
    painted = values("part.png").copy()
    painted[:12, :12] = 255, 0, 0
    Image.fromarray(painted).save("painted.png")
    assert run(COMMANDS[0], "resumed.png", "--stop-after", "1", "--painted", "painted.png") == 0
    assert not np.array_equal(values("whole.png"), values("resumed.png"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--painted", "in.png"], "--painted needs --stop-after N"),
        (["--stop-after", "2", "--painted", "none.png"], "none.png"),
        (["--stop-after", "50"], "this run has"),
        (["--stop-after", "6", "--painted", "in.png"], "--stop-after 6 is the last level"),
        (["--stop-after", "2", "--painted", "small.png"], "the painted picture is 5x5, and the level that is done"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (5, 5)).save("small.png")
    assert run(COMMANDS[0], "out.png", *more) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "Traceback" not in said
    assert not Path("out.png").exists()
